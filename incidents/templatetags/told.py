"""Sentences that were stored when something happened, as their readers would have them written."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from django import template
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from accounts.templatetags.wording import moment, straight
from incidents.console.channel_forms import label_of

register = template.Library()

_TIME = re.compile(r"\b(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC\b")
_KIND = re.compile(r"\(([a-z][a-z_]{1,30})\)(?=$|[:,])")
# What an incident says of its end in one word, as the end of "It was resolved 1 min ago".
_REASONS = {
    "recovered": _("the monitor pushes passes again"),
    "paused": _("the monitor was paused"),
    "deleted": _("the monitor was deleted"),
}


@register.filter
def told(text: str) -> SafeString:
    """Return a line of a timeline: times in the reader's zone, kinds of channels by their names."""
    parts = _TIME.split(_KIND.sub(_name_kind, straight(text)))
    shown = [
        _show_time(part) if index % 2 else conditional_escape(part)
        for index, part in enumerate(parts)
    ]
    return mark_safe("".join(shown))  # noqa: S308 - each part is escaped


@register.filter
def ending(reason: str | None) -> str:
    """Return why an incident is over, as a clause; a person's own words stay."""
    return str(_REASONS.get(reason or "", straight(reason)))


def _show_time(text: str) -> str:
    try:
        at = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:  # a person's words, which only look like a time
        return f"{text} UTC"
    return str(moment(at))


def _name_kind(found: re.Match[str]) -> str:
    return f"({label_of(found[1])})"
