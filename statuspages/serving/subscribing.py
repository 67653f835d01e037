"""Where visitors subscribe to a page, and where subscribers change or end what they get.

No cookie and no log-in: asking only sends something to the address itself, and for all the rest
the token of a link is the credential. So nothing here can be done in somebody's name by a form on
another site, and no GET changes anything: mail programs open links by themselves.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from http import HTTPStatus

from django.db.models import F
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django_scopes import scopes_disabled

from statuspages.models import Component, StatusPage, Subscriber
from statuspages.models.pages import Visibility
from statuspages.models.subscribers import SubscriberKind
from statuspages.rendering.forms import (
    Frame,
    write_asked,
    write_confirm,
    write_gone,
    write_manage,
    write_subscribe,
    write_unsubscribe,
    write_unsubscribed,
)
from statuspages.rendering.html import Choice
from statuspages.services.errors import BadField
from statuspages.serving.views import (
    absent,
    find_page,
    frame_of,
    public_view,
    refuse,
    root_of,
    see_other,
    show_form,
)
from statuspages.subscribers import links, subscribing
from statuspages.subscribers.subscribing import TooManyAsked

_WEBHOOK = "webhook"
_ALLOWED = ("GET", "HEAD", "POST")
_PROBLEMS = {"email": "bad_email", "url": "bad_url", "components": "bad_components"}
_DONE = ("confirmed", "saved")
_RETRY_SECONDS = 3600

Read = Callable[[StatusPage | None, str], Subscriber | None]


@public_view
def subscribe(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the form; a POST has a link sent to the address or URL, and says no more than that."""
    page = _open_page(slug)
    if page is None:
        return absent(request, "subscribe")
    if refused := refuse(request, page, "subscribe"):
        return refused
    if request.method == "POST":
        return _ask(request, page)
    if request.method not in _ALLOWED:
        return HttpResponseNotAllowed(_ALLOWED)
    frame = frame_of(request, page, request.GET.get("locale", ""))
    return show_form(write_subscribe(frame, _choices(page)))


@public_view
def asked(request: HttpRequest, slug: str) -> HttpResponse:
    """Say where the link was sent."""
    page = _open_page(slug)
    if page is None:
        return absent(request, "subscribe")
    if refused := refuse(request, page, "subscribe/asked"):
        return refused
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(("GET", "HEAD"))
    frame = frame_of(request, page, request.GET.get("locale", ""))
    return show_form(write_asked(frame, webhook=request.GET.get("kind") == _WEBHOOK))


@public_view
def confirm(request: HttpRequest, slug: str, token: str) -> HttpResponse:
    """Show the button that confirms; a POST does it and leads to the subscription."""
    return _by_link(request, slug, token, links.read_confirm, _confirm)


@public_view
def manage(request: HttpRequest, slug: str, token: str) -> HttpResponse:
    """Show a subscription; a POST changes it."""
    return _by_link(request, slug, token, links.read_manage, _manage)


@public_view
def unsubscribe(request: HttpRequest, slug: str, token: str) -> HttpResponse:
    """Show the button that ends a subscription; a POST does it, of one click too (RFC 8058)."""
    return _by_link(request, slug, token, links.read_manage, _unsubscribe)


def _ask(request: HttpRequest, page: StatusPage) -> HttpResponse:
    given = request.POST
    email, url, locale = given.get("email", ""), given.get("url", ""), given.get("locale", "")
    frame = frame_of(request, page, locale)
    by_webhook = given.get("kind") == _WEBHOOK or bool(url.strip() and not email.strip())
    done = f"{frame.root}subscribe/asked?locale={frame.locale}"
    done += f"&kind={_WEBHOOK}" if by_webhook else ""
    if given.get("subject"):
        return see_other(done)  # a field that people do not see: who fills it is a program
    codes = given.getlist("components")
    network = request.META.get("REMOTE_ADDR", "")
    about = {"page": page, "components": codes, "locale": frame.locale, "network": network}
    problem, status = "", HTTPStatus.BAD_REQUEST
    try:
        # A page that was just deleted tells nobody, and neither does it say so.
        with contextlib.suppress(StatusPage.DoesNotExist, Subscriber.DoesNotExist):
            if by_webhook:
                subscribing.ask_webhook(url=url, **about)
            else:
                subscribing.ask_email(address=email, **about)
    except BadField as error:
        problem = _PROBLEMS.get(error.field, "bad_components")
    except TooManyAsked:
        problem, status = "too_many", HTTPStatus.TOO_MANY_REQUESTS
    if not problem:
        return see_other(done)
    body = write_subscribe(
        frame,
        _choices(page, codes),
        email=email[:254],
        url=url[:2000],
        problem=problem,
    )
    response = show_form(body, status=status)
    if status is HTTPStatus.TOO_MANY_REQUESTS:
        response["Retry-After"] = str(_RETRY_SECONDS)
    return response


def _by_link(
    request: HttpRequest,
    slug: str,
    token: str,
    read: Read,
    answer: Callable[[HttpRequest, StatusPage, Subscriber], HttpResponse],
) -> HttpResponse:
    """Answer who comes with a link, past the gate.

    Also where the page is published no more, and where it has another slug by now: mails are kept
    for years, and whoever wants to leave must be able to.
    """
    if request.method not in _ALLOWED:  # before anything is known of the page
        return HttpResponseNotAllowed(_ALLOWED)
    page = _any_page(slug)
    subscriber = read(page, token)
    if page is None and subscriber is not None:
        page = subscriber.page
    if page is None:
        return absent(request, "subscribe")
    if subscriber is None:
        return _gone(request, page)
    try:
        return answer(request, page, subscriber)
    except Subscriber.DoesNotExist:
        return _gone(request, page)


def _confirm(request: HttpRequest, page: StatusPage, subscriber: Subscriber) -> HttpResponse:
    place = f"{root_of(request, page)}subscribe/manage/{links.manage_token(subscriber)}/"
    if request.method == "POST":
        subscribing.confirm(subscriber=subscriber)
        return see_other(f"{place}?done=confirmed")
    if subscriber.confirmed_at is not None and subscriber.disabled_at is None:
        return see_other(place)
    frame = _frame(request, page, subscriber)
    chosen = [choice.name for choice in _choices(page, subscriber.components) if choice.chosen]
    return show_form(write_confirm(frame, address=subscriber.address, chosen=chosen))


def _manage(request: HttpRequest, page: StatusPage, subscriber: Subscriber) -> HttpResponse:
    token = links.manage_token(subscriber)
    below = f"{root_of(request, page)}subscribe/"
    problem = ""
    if request.method == "POST":
        done = "saved"
        try:
            if request.POST.get("do") == "resume":
                subscribing.confirm(subscriber=subscriber)
                done = "confirmed"
            else:
                subscribing.update_subscriber(
                    subscriber=subscriber,
                    components=request.POST.getlist("components"),
                    locale=request.POST.get("locale", "") or subscriber.locale,
                )
        except BadField:
            problem = "bad_components"
        else:
            return see_other(f"{below}manage/{token}/?done={done}")
    done = request.GET.get("done", "") if request.method != "POST" else ""
    body = write_manage(
        _frame(request, page, subscriber),
        _choices(page, subscriber.components),
        address=subscriber.address,
        secret=subscriber.secret if subscriber.kind == SubscriberKind.WEBHOOK else "",
        language=subscriber.locale,
        leave=f"{below}unsubscribe/{token}/",
        said=done if done in _DONE else "",
        silent=_why_silent(subscriber),
        problem=problem,
    )
    return show_form(body, status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK)


def _unsubscribe(request: HttpRequest, page: StatusPage, subscriber: Subscriber) -> HttpResponse:
    frame = _frame(request, page, subscriber)
    if request.method == "POST":
        subscribing.unsubscribe(subscriber=subscriber)
        return show_form(write_unsubscribed(frame, address=subscriber.address))
    return show_form(write_unsubscribe(frame, address=subscriber.address))


def _gone(request: HttpRequest, page: StatusPage) -> HttpResponse:
    """Say that a link does not work; of a page that its visitor may not know of, nothing."""
    if not page.published or page.visibility == Visibility.MEMBERS:
        return absent(request, "subscribe")
    public = page.visibility == Visibility.PUBLIC
    frame = frame_of(request, page, "", pictures=public)
    return show_form(write_gone(frame), status=HTTPStatus.NOT_FOUND)


def _why_silent(subscriber: Subscriber) -> str:
    if subscriber.confirmed_at is None:
        return "not_confirmed"
    return "given_up" if subscriber.disabled_at is not None else ""


def _frame(request: HttpRequest, page: StatusPage, subscriber: Subscriber) -> Frame:
    """Return the frame of a page behind a link: with no more of the page than its owner may see."""
    public = page.published and page.visibility == Visibility.PUBLIC
    home = page.published and page.visibility != Visibility.MEMBERS
    return frame_of(request, page, subscriber.locale, pictures=public, home=home)


def _choices(page: StatusPage, chosen: Sequence[str] = ()) -> list[Choice]:
    with scopes_disabled():
        rows = Component.objects.filter(page=page).order_by(
            F("group__position").asc(nulls_first=True), "position", "name"
        )
        wanted = set(chosen)
        return [Choice(row.code, row.name, row.code in wanted) for row in rows]


def _open_page(slug: str) -> StatusPage | None:
    return find_page(slug) if "\x00" not in slug else None


def _any_page(slug: str) -> StatusPage | None:
    """Return a page, published or not: who follows it may still leave."""
    if "\x00" in slug:
        return None
    with scopes_disabled():
        return StatusPage.objects.select_related("team").filter(slug=slug).first()
