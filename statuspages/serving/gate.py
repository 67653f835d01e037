"""Who may look at a page that is not for everybody: whoever has its password, or the team.

A right password gives a signed cookie for the page alone. It is bound to the password's hash, so
that a new password ends it. Feed readers send the password by HTTP Basic, with any name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
from enum import Enum

from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.core import signing
from django.core.cache import cache
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django_scopes import scope

from accounts.models import Membership, User
from statuspages.models import StatusPage
from statuspages.models.pages import Visibility
from statuspages.serving.tries import count_try, forget_try

COOKIE_DAYS = 30
MOST_TRIES = 20
TRIES_SECONDS = 600
_KNOWN_SECONDS = 600  # a reader comes every minute, and a password's hash takes long by design
_MOST_PASSWORD = 1_000


class Verdict(Enum):
    """What the gate says."""

    OPEN = "open"  # for everybody
    ADMITTED = "admitted"  # for this visitor: nothing may be cached for others
    PASSWORD = "password"  # noqa: S105
    LOGIN = "login"
    STRANGER = "stranger"
    THROTTLED = "throttled"


def judge(request: HttpRequest, page: StatusPage, *, domain: str | None) -> Verdict:
    """Return whether this visitor may see the page, whichever representation is asked for."""
    if page.visibility == Visibility.PUBLIC:
        return Verdict.OPEN
    if page.visibility == Visibility.MEMBERS:
        # Nobody is logged in on another host than ours, and the page shows itself to nobody else.
        return Verdict.STRANGER if domain else _judge_member(request, page)
    if _has_cookie(request, page):
        return Verdict.ADMITTED
    given = _basic_password(request)
    return Verdict.PASSWORD if given is None else try_password(request, page, given)


def try_password(request: HttpRequest, page: StatusPage, given: str) -> Verdict:
    """Return whether the password is right: ADMITTED, PASSWORD, or THROTTLED after 20 wrong ones.

    Counts wrong ones per page and address (of IPv6 the network) over ten minutes, in all processes.
    """
    if not page.password_hash or len(given) > _MOST_PASSWORD:
        return Verdict.PASSWORD
    tries = f"password:{page.pk}:{network_of(request)}"
    if count_try(tries, seconds=TRIES_SECONDS) > MOST_TRIES:
        return Verdict.THROTTLED
    digest = hmac.new(
        settings.SECRET_KEY.encode(),
        f"{page.pk}\0{page.password_hash}\0{given}".encode(errors="surrogatepass"),
        hashlib.sha256,
    ).hexdigest()
    known = f"statuspages.known:{digest}"
    if not cache.get(known):
        if not check_password(given, page.password_hash):
            return Verdict.PASSWORD
        cache.set(known, True, _KNOWN_SECONDS)
    forget_try(tries, seconds=TRIES_SECONDS)
    return Verdict.ADMITTED


def give_cookie(
    response: HttpResponseBase, request: HttpRequest, page: StatusPage, *, domain: str | None
) -> None:
    """Let the visitor's browser in from now on, to this page alone."""
    response.set_cookie(
        _cookie_name(page),
        _signer(page).sign(page.code),
        max_age=COOKIE_DAYS * 86_400,
        path="/" if domain else f"/status/{page.slug}/",
        secure=request.is_secure() or (not domain and settings.SESSION_COOKIE_SECURE),
        httponly=True,
        samesite="Lax",
    )


def _judge_member(request: HttpRequest, page: StatusPage) -> Verdict:
    user = request.user
    if not isinstance(user, User):
        return Verdict.LOGIN
    with scope(team=page.team):
        mine = Membership.objects.filter(user=user, accepted_at__isnull=False)
        return Verdict.ADMITTED if mine.exists() else Verdict.STRANGER


def _cookie_name(page: StatusPage) -> str:
    return f"tocsin_page_{page.code}"


def _signer(page: StatusPage) -> signing.TimestampSigner:
    bound = hashlib.sha256(f"{page.pk}\0{page.password_hash}".encode()).hexdigest()
    return signing.TimestampSigner(salt=f"statuspages.gate:{bound}")


def _has_cookie(request: HttpRequest, page: StatusPage) -> bool:
    value = request.COOKIES.get(_cookie_name(page), "")
    if not value or not page.password_hash:
        return False
    try:
        signed = _signer(page).unsign(value, max_age=COOKIE_DAYS * 86_400)
    except signing.BadSignature:
        return False
    return hmac.compare_digest(signed.encode(), page.code.encode())


def _basic_password(request: HttpRequest) -> str | None:
    scheme, _, value = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return text.partition(":")[2]


def network_of(request: HttpRequest) -> str:
    """Return the address that a request comes from; of IPv6 its network."""
    text = request.META.get("REMOTE_ADDR", "")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "unknown"
    bits = 32 if address.version == 4 else 64
    return str(ipaddress.ip_network((address, bits), strict=False).network_address)
