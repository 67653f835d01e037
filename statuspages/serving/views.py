"""Pages by Django: what the lane leaves to it, and all of it where there is no lane."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import re
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django_scopes import scopes_disabled

from accounts.api.problems import problem_response
from statuspages.models import Asset, StatusPage
from statuspages.models.pages import AssetKind
from statuspages.rendering.forms import Frame, write_gate
from statuspages.rendering.representations import is_path, normalize
from statuspages.rendering.words import LOCALES
from statuspages.serving import answers, gate
from statuspages.serving.answers import Answers, Headers, wants_html
from statuspages.serving.domains import is_verified
from statuspages.serving.gate import Verdict
from statuspages.serving.snapshots import render_one

logger = logging.getLogger(__name__)
PRIVATE = "private, no-store"
_ASSET = re.compile(rf"assets/({'|'.join(AssetKind.values)})-([0-9a-f]{{12,64}})(?:\.[a-z]{{3}})?")
_ENDINGS = {"image/jpeg": "jpg", "image/vnd.microsoft.icon": "ico"}
_REALM = 'Basic realm="status page", charset="UTF-8"'


def public_view(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Make a view of what is below a page's root: without CSRF's cookie, 503 without a database.

    Nothing here is done in the name of whoever is logged in.
    """

    @csrf_exempt
    @wraps(view)
    def answer(request: HttpRequest, **named: str) -> HttpResponse:
        try:
            return view(request, **named)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("A status page could not be read: %s", type(error).__name__)
            text = "Try again in a moment.\n"
            response = HttpResponse(text, status=503, content_type="text/plain")
            response["Retry-After"] = "1"
            response["Cache-Control"] = "no-store"
            response._has_been_logged = True  # type: ignore[attr-defined]
            return response

    return answer


@public_view
def page(request: HttpRequest, slug: str, path: str) -> HttpResponse:
    """Answer everything below a page's root."""
    return _answer(request, slug, path)


def add_slash(request: HttpRequest, slug: str) -> HttpResponse:
    """Lead to the page's root."""
    return _lead_to(request, f"/status/{slug}/")


@require_safe
def tls_ask(request: HttpRequest) -> HttpResponse:
    """Answer 200 if a certificate may be asked for: for domains that are proved, and no others.

    For the proxy on this machine, or one that gives METRICS_TOKEN as `token`.
    """
    domain = request.GET.get("domain", "").lower().removesuffix(".")
    if not _may_ask(request) or "\x00" in domain or not is_verified(domain):
        return problem_response(404, "Not found.")
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


def find_page(slug: str) -> StatusPage | None:
    """Return a page that is published."""
    with scopes_disabled():
        found = StatusPage.objects.select_related("team").filter(slug=slug, published=True)
        return found.first()


def domain_of(request: HttpRequest) -> str | None:
    """Return the custom domain that a request came in by; None for our own host."""
    asked: dict[str, object] = getattr(request, "scope", {})
    domain = asked.get("tocsin.domain")
    return domain if isinstance(domain, str) else None


def refuse(request: HttpRequest, page: StatusPage, path: str) -> HttpResponse | None:
    """Return the gate's answer to who may not see the page; None for who may."""
    domain = domain_of(request)
    verdict = gate.judge(request, page, domain=domain)
    if verdict in (Verdict.OPEN, Verdict.ADMITTED):
        return None
    html = wants_html(path)
    wrong = False
    given = request.POST.get("password") if request.method == "POST" else None
    if verdict is Verdict.PASSWORD and html and given is not None:
        verdict = gate.try_password(request, page, given)
        if verdict is Verdict.ADMITTED:
            response = see_other(_address(page, path, domain))
            gate.give_cookie(response, request, page, domain=domain)
            return _private(response)
        wrong = verdict is Verdict.PASSWORD
    if verdict is Verdict.STRANGER:
        return absent(request, path)
    if verdict is Verdict.LOGIN and html:
        return _private(redirect_to_login(request.get_full_path()))
    status = 429 if verdict is Verdict.THROTTLED else 401
    return _private(_ask_password(request, page, path, status, wrong=wrong, verdict=verdict))


def _answer(request: HttpRequest, slug: str, path: str) -> HttpResponse:
    page = find_page(slug) if "\x00" not in slug else None
    if page is None:
        return absent(request, path)
    if page.visibility == "public" and request.method == "OPTIONS" and not wants_html(path):
        return _response(204, answers.preflight_headers(), b"")
    if refused := refuse(request, page, path):
        return refused
    if request.method not in ("GET", "HEAD"):
        response = HttpResponse(status=405, content_type="text/plain")
        response["Allow"] = "GET, HEAD"
        return response
    if path in LOCALES:
        return _lead_to(request, f"{root_of(request, page)}{path}/")
    if path == "robots.txt" and domain_of(request):
        return _robots(page)
    if match := _ASSET.fullmatch(path):
        return _asset(request, page, match[1], match[2])
    known = normalize(path, request.META.get("QUERY_STRING", ""))
    snapshot = render_one(page.pk, known) if is_path(known) else None
    if snapshot is None:
        return absent(request, path)
    made = Answers(
        content_type=snapshot.content_type,
        etag=snapshot.etag,
        body=snapshot.body,
        gzipped=snapshot.gzipped,
    )
    headers = request.META
    accepted = headers.get("HTTP_ACCEPT_ENCODING", "").encode("latin1", "replace")
    asked = headers.get("HTTP_IF_NONE_MATCH", "").encode("latin1", "replace")
    status, said, body = made.answer(accepted, asked)
    # Middleware would put a policy of the console's into a 304, and browsers would believe it.
    response = _response(status, [*said, *made.kept] if status == 304 else said, body)
    return response if page.visibility == "public" else _private(response)


def _asset(request: HttpRequest, page: StatusPage, kind: str, mark: str) -> HttpResponse:
    with scopes_disabled():
        asset = Asset.objects.filter(page=page, kind=kind, sha256__startswith=mark).first()
    if asset is None:
        return absent(request, f"assets/{kind}")
    response = HttpResponse(bytes(asset.content), content_type=asset.content_type)
    ending = _ENDINGS.get(asset.content_type, asset.content_type.rpartition("/")[2])
    response["Content-Disposition"] = f'inline; filename="{kind}.{ending}"'
    response["Content-Security-Policy"] = answers.INERT.decode()
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    response["ETag"] = f'"{asset.sha256}"'
    if page.visibility == "public":
        response["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response
    return _private(response)


def _lead_to(request: HttpRequest, place: str) -> HttpResponse:
    query = request.META.get("QUERY_STRING", "")
    response = HttpResponseRedirect(f"{place}?{query}" if query else place)
    response.status_code = HTTPStatus.PERMANENT_REDIRECT
    return response


def _robots(page: StatusPage) -> HttpResponse:
    """Answer whether crawlers may list the page, on the domain that is its own."""
    rule = "Disallow:" if page.robots and page.visibility == "public" else "Disallow: /"
    body = f"User-agent: *\n{rule}\n"
    response = HttpResponse(body, content_type="text/plain; charset=utf-8")
    response["Cache-Control"] = "public, max-age=3600" if page.visibility == "public" else PRIVATE
    return response


def _ask_password(
    request: HttpRequest,
    page: StatusPage,
    path: str,
    status: int,
    *,
    wrong: bool,
    verdict: Verdict,
) -> HttpResponse:
    throttled = verdict is Verdict.THROTTLED
    if wants_html(path):
        first = path.partition("/")[0]
        locale = first if first in LOCALES else request.GET.get("locale", "")
        frame = frame_of(request, page, locale, pictures=False)
        response = show_form(write_gate(frame, wrong=wrong, throttled=throttled), status=status)
        # A scheme that browsers do not know: they show the form and ask nothing themselves.
        challenge = 'Form realm="status page"'
    else:
        detail = (
            "Too many wrong passwords. Try again in ten minutes."
            if throttled
            else "This status page is not public. Log in on the page."
            if verdict is Verdict.LOGIN
            else "This status page needs a password. Send it by HTTP Basic, with any user name."
        )
        response = problem_response(status, detail)
        challenge = _REALM if verdict is not Verdict.LOGIN else 'Form realm="status page"'
    if throttled:
        response["Retry-After"] = str(gate.TRIES_SECONDS)
    else:
        response["WWW-Authenticate"] = challenge
    return response


def root_of(request: HttpRequest, page: StatusPage) -> str:
    """Return the path of the page's root on the host that was asked."""
    return "/" if domain_of(request) else f"/status/{page.slug}/"


def frame_of(
    request: HttpRequest, page: StatusPage, locale: str, *, pictures: bool = True, home: bool = True
) -> Frame:
    """Return what stands around a form; in the page's language if `locale` is none of ours."""
    root = root_of(request, page)
    found: dict[str, str] = {}
    if pictures:
        with scopes_disabled():
            rows = Asset.objects.filter(page=page).values_list("kind", "sha256")
            found = {kind: f"{root}assets/{kind}-{sha256[:12]}" for kind, sha256 in rows}
    return Frame(
        name=page.name,
        locale=locale if locale in LOCALES else page.locale,
        root=root,
        own_locale=page.locale,
        colours=page.colours,
        pictures=found,
        leads_home=home,
    )


def show_form(body: bytes, *, status: int = 200) -> HttpResponse:
    """Answer with a small page: for this visitor alone, and not to be listed."""
    response = HttpResponse(body, status=status, content_type="text/html; charset=utf-8")
    response["Content-Security-Policy"] = answers.page_policy(body).decode()
    response["Cache-Control"] = PRIVATE
    # Addresses of these pages hold what opens them.
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


def see_other(place: str) -> HttpResponse:
    """Lead to the page that says what was done."""
    response = HttpResponseRedirect(place)
    response.status_code = HTTPStatus.SEE_OTHER
    response["Cache-Control"] = PRIVATE
    response["Referrer-Policy"] = "no-referrer"
    return response


def absent(request: HttpRequest, path: str) -> HttpResponse:
    """Answer that there is nothing, as it is said of pages that are not there at all."""
    return _response(404, *answers.not_found(path))


def _address(page: StatusPage, path: str, domain: str | None) -> str:
    """Return the path that the visitor asked for, made of parts that cannot lead elsewhere."""
    safe = path if re.fullmatch(r"[\w/-]*", path, re.ASCII) and "//" not in f"/{path}" else ""
    return f"/{safe}" if domain else f"/status/{page.slug}/{safe}"


def _response(status: int, headers: Headers, body: bytes) -> HttpResponse:
    response = HttpResponse(body, status=status)
    del response["Content-Type"]
    for name, value in headers:
        response[name.decode()] = value.decode("latin1")
    return response


def _private(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = PRIVATE
    for name in ("Access-Control-Allow-Origin", "Cross-Origin-Resource-Policy"):
        del response[name]
    return response


def _may_ask(request: HttpRequest) -> bool:
    token = settings.METRICS_TOKEN
    if token and hmac.compare_digest(request.GET.get("token", "").encode(), token.encode()):
        return True
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return address.is_loopback and "HTTP_X_FORWARDED_FOR" not in request.META
