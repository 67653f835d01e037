"""Times and durations in templates: in the reader's zone, with the UTC on hover and focus."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import template
from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import now as clock

from accounts.durations import say_ago, say_both, say_duration, say_time
from accounts.zones import reader_zone

register = template.Library()

# What turns the direction of writing: marks, embeddings, overrides and isolates. Letters of a
# right-to-left script need none of them to be read.
_BIDI = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


@register.filter
def duration(seconds: float | None) -> str:
    """Return seconds as "1 min 30 s"; nothing for None."""
    return "" if seconds is None else say_duration(seconds, units=3)


@register.filter
def exact(at: datetime | None) -> str:
    """Return an instant as "22 Nov 2026 15:02:11 CET", in the reader's zone; nothing for None.

    It is plain text, for attributes and for what only screen readers read: what is seen in a
    sentence takes `moment`.
    """
    return say_time(at, reader_zone()) if at else ""


@register.filter
def moment(at: datetime | None) -> SafeString | str:
    """Return a `time` element with the exact instant: in the reader's zone, UTC on hover."""
    if at is None:
        return ""
    zone = reader_zone()
    return format_html(
        '<time datetime="{}" title="{}" tabindex="0">{}</time>',
        _stamp(at),
        say_both(at, zone),
        say_time(at, zone),
    )


@register.filter
def straight(text: object) -> str:
    """Return foreign text without what would turn the text around it; it is escaped as ever.

    The mark-up around it isolates what is left: see `unicode-bidi` in tocsin.css.
    """
    return "" if text is None else str(text).translate(_BIDI)


@register.filter
def bdi(text: object) -> SafeString:
    """Return foreign text that stands within a sentence of ours: straight, and isolated."""
    return format_html("<bdi>{}</bdi>", straight(text))


@register.simple_tag(takes_context=True)
def ago(context: dict[str, Any], at: datetime | None) -> SafeString | str:
    """Return a `time` element that says how long ago; the script keeps it fresh."""
    return _time_element(context, at, "ago")


@register.simple_tag(takes_context=True)
def countdown(context: dict[str, Any], at: datetime | None) -> SafeString | str:
    """Return a `time` element that counts down to an instant, second by second."""
    return _time_element(context, at, "countdown")


@register.simple_tag(takes_context=True)
def lasting(context: dict[str, Any], at: datetime | None) -> SafeString | str:
    """Return a `time` element that says for how long it has been so: "4 s"."""
    return _time_element(context, at, "lasting")


def _time_element(context: dict[str, Any], at: datetime | None, kind: str) -> SafeString | str:
    if at is None:
        return "never" if kind == "ago" else ""
    now = context.get("now") or clock()
    zone = reader_zone()
    if kind == "ago":
        text = say_ago(at, now, zone)
    elif kind == "lasting":
        text = say_duration((now - at).total_seconds())
    else:
        text = "in " + say_duration(max(0, (at - now).total_seconds()))
    return format_html(
        '<time datetime="{}" title="{}" data-kind="{}" tabindex="0">{}</time>',
        _stamp(at),
        say_both(at, zone),
        kind,
        text,
    )


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@register.simple_tag
def reader_zone_name() -> str:
    """Return the name of the zone that the page's times are in, for the page's script."""
    return str(reader_zone())


@register.simple_tag
def our_url(name: str, *args: Any) -> str:
    """Return an absolute URL below BASE_URL, for mails: never the Host header."""
    return f"{settings.BASE_URL}{reverse(name, args=args)}"


@register.simple_tag(takes_context=True)
def query(context: dict[str, Any], **changes: Any) -> str:
    """Return the page's query string with some parameters changed; None or "" drops one."""
    params = context["request"].GET.copy()
    for name, value in changes.items():
        if value in (None, ""):
            params.pop(name, None)
        else:
            params[name] = value
    return f"?{params.urlencode()}" if params else "?"


@register.simple_tag
def lasted(start: datetime, end: datetime) -> str:
    """Return how long it was from one instant to another."""
    return say_duration((end - start).total_seconds())
