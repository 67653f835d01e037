"""A monitor's public badge: on while it has a key, which whoever embeds the picture knows."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django_scopes import scopes_disabled

from monitors.badge_pictures import STYLES, draw_badge, shorten, write_badge_words
from monitors.models import Badge, Monitor, new_badge_key
from monitors.queries import database_now, standings

CACHED = "public, max-age=30, stale-while-revalidate=30, stale-if-error=86400"
# A drawing that is opened by itself runs nothing.
INERT = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
# The fill has 4.5:1 to white; the second is a word that shields.io knows.
_COLOURS = {
    "up": ("#1a7f4b", "brightgreen"),
    "late": ("#8a5c00", "yellow"),
    "down": ("#c3293b", "red"),
    "pending": ("#57606a", "lightgrey"),
    "paused": ("#57606a", "lightgrey"),
}
_CAUSES = {"silence": "down, silent", "failure": "down, failing", "latency": "down, slow"}
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class BadgeWords:
    """What a badge says, and in which colours."""

    label: str
    message: str
    fill: str
    colour: str


def turn_badge_on(*, monitor: Monitor) -> Badge:
    """Give a monitor a public badge; the one that it has stays as it is."""
    with scopes_disabled():
        return Badge.objects.get_or_create(monitor=monitor, defaults={"team_id": monitor.team_id})[
            0
        ]


def rotate_badge(*, monitor: Monitor) -> Badge:
    """Give a monitor's badge a new address: the old one shows nothing from now."""
    with transaction.atomic(), scopes_disabled():
        Badge.objects.filter(monitor=monitor).update(key=new_badge_key())
        return turn_badge_on(monitor=monitor)


def turn_badge_off(*, monitor: Monitor) -> None:
    """Take a monitor's badge away: its address shows nothing from now."""
    with scopes_disabled():
        Badge.objects.filter(monitor=monitor).delete()


def badge_url(key: str, form: str = "svg") -> str:
    """Return the public address of a badge; `form` is svg or json."""
    return f"{settings.BASE_URL}/badge/{key}.{form}"


def read_badge(key: str) -> BadgeWords | None:
    """Return what the badge of that key says now; None for an unknown key."""
    with scopes_disabled():
        badge = (
            Badge.objects.filter(key=key).select_related("monitor__heartbeat").defer("team").first()
        )
        if badge is None:
            return None
        standing = standings([badge.monitor], now=database_now())[badge.monitor.pk]
    message = standing.state
    if standing.state == "down":
        message = _CAUSES.get(standing.cause or "", message)
    fill, colour = _COLOURS.get(standing.state, _COLOURS["pending"])
    return BadgeWords(shorten(_CONTROL.sub("", badge.monitor.name)), message, fill, colour)


def show_badge(request: HttpRequest, key: str, form: str) -> HttpResponse:
    """Answer with a badge: to everybody who knows its key, without a cookie, for a short time."""
    if request.method not in ("GET", "HEAD"):
        status = 204 if request.method == "OPTIONS" else 405
        return HttpResponse(status=status, headers={"Allow": "GET, HEAD, OPTIONS", **_OPEN})
    words = read_badge(key)
    if words is None:
        headers = {"Cache-Control": "no-cache", "Content-Security-Policy": INERT, **_OPEN}
        return HttpResponse("Not found.\n", status=404, content_type="text/plain", headers=headers)
    label = shorten(_CONTROL.sub("", request.GET.get("label", "")).strip()) or words.label
    if form == "json":
        kind = "application/json; charset=utf-8"
        body = write_badge_words(label=label, message=words.message, colour=words.colour)
    else:
        style = request.GET.get("style", "")
        kind = "image/svg+xml; charset=utf-8"
        body = draw_badge(
            label=label,
            message=words.message,
            fill=words.fill,
            style=style if style in STYLES else STYLES[0],
        )
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": CACHED, "Content-Security-Policy": INERT, **_OPEN}
    given = request.headers.get("If-None-Match", "").split(",")
    asked = {tag.strip().removeprefix("W/") for tag in given}
    if asked & {etag, "*"}:
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(body, content_type=kind, headers=headers)


_OPEN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "X-Content-Type-Options": "nosniff",
}
