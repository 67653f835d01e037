"""What became of a message, in words."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from incidents.channels.wording import read_time
from incidents.console.channel_forms import label_of
from incidents.models import Delivery
from monitors.templatetags.states import state_icon

register = template.Library()

_EVENTS = {
    "incident.opened": "Opened",
    "incident.firing": "Still down",
    "incident.flapping": "Flapping",
    "incident.acknowledged": "Acknowledged",
    "incident.resolved": "Resolved",
    "incident.digest": "Several incidents",
    "channel.test": "Test",
    "channel.disabled": "Channel disabled",
    "contact.test": "Test",
    "contact.code": "Code for a contact method",
    "rotation.handoff": "Hand-off",
}
# The word, and the shape beside it.
_STATES = {
    "pending": ("Waiting", "pending"),
    "sending": ("Sending", "late"),
    "delivered": ("Delivered", "up"),
    "failed": ("Failed", "down"),
    "cancelled": ("Cancelled", "paused"),
    "bundled": ("In a digest", "paused"),
}
_OUTCOMES = {"sent": "Sent", "retry": "To be tried again", "failed": "Failed", "lost": "Lost"}


@register.filter
def event_word(event: str) -> str:
    """Return what a message was about."""
    return _EVENTS.get(event, event.removeprefix("incident.").capitalize())


@register.filter
def receiver(delivery: Delivery) -> str:
    """Return whom a message is for: the channel's name, the person, or the address itself."""
    if delivery.channel is not None:
        return delivery.channel.name
    if delivery.contact_method is not None:
        return str(delivery.contact_method.membership.user.email)
    prefix, _, rest = delivery.contact.partition(":")
    if prefix == "channel":
        return "A deleted channel"
    return "A deleted contact method" if prefix == "method" else rest or delivery.contact


@register.filter
def kind_word(kind: str) -> str:
    """Return a channel's kind as people write it."""
    return label_of(kind)


@register.filter
def instant(text: object) -> datetime | None:
    """Return the instant that an attempt was noted with; None if it cannot be read."""
    return read_time(text)


@register.filter
def outcome_word(outcome: str) -> str:
    """Return what one attempt came to."""
    return _OUTCOMES.get(outcome, outcome.capitalize())


@register.simple_tag
def delivery_badge(state: str) -> SafeString:
    """Return a delivery's state as shape and word."""
    word, shape = _STATES.get(state, (state.capitalize(), "pending"))
    icon = state_icon(shape)
    return format_html('<span class="state">{}<span>{}</span></span>', icon, word)
