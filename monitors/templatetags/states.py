"""States in templates: a shape and a word, never colour alone."""

from __future__ import annotations

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from monitors.console.latency import say_latency

register = template.Library()

_WORDS = {
    "up": "Up",
    "late": "Late",
    "down": "Down",
    "pending": "Pending",
    "paused": "Paused",
    "maintenance": "Maintenance",
    "deleted": "Deleted",
    # Incidents and results share the shapes.
    "open": "Open",
    "acknowledged": "Acknowledged",
    "resolved": "Resolved",
    "pass": "Pass",
    "fail": "Fail",
}
_SHAPES = {
    "open": "down",
    "acknowledged": "late",
    "resolved": "up",
    "pass": "up",
    "fail": "down",
    "deleted": "paused",
}
_CAUSES = {"silence": "silent", "failure": "failing", "latency": "slow"}


@register.simple_tag
def state_icon(state: str) -> SafeString:
    """Return the shape of a state; the word must stand beside it."""
    shape = _SHAPES.get(state, state if state in _WORDS else "pending")
    return format_html(
        '<svg class="shape shape-{0}" aria-hidden="true" focusable="false">'
        '<use href="#shape-{0}"></use></svg>',
        shape,
    )


@register.simple_tag
def state_badge(state: str, cause: str | None = None) -> SafeString:
    """Return shape and word, with the cause where there is one: "Down, silent"."""
    word = _WORDS.get(state, state.capitalize())
    if cause and state not in {"up", "pass", "resolved"}:
        word = f"{word}, {_CAUSES.get(cause, cause)}"
    return format_html('<span class="state">{}<span>{}</span></span>', state_icon(state), word)


@register.filter
def latency(milliseconds: float | None) -> str:
    """Return a latency with its unit; a dash where none was sent."""
    return "–" if milliseconds is None else say_latency(milliseconds)


@register.filter
def cause_word(cause: str | None) -> str:
    """Return a cause as people say it."""
    return _CAUSES.get(cause or "", cause or "")
