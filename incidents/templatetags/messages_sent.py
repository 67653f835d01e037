"""What became of a message, in words."""

from __future__ import annotations

from django import template

from incidents.models import Delivery

register = template.Library()

_EVENTS = {
    "incident.opened": "Opened",
    "incident.acknowledged": "Acknowledged",
    "incident.resolved": "Resolved",
    "incident.flapping": "Flapping",
    "incident.firing": "Still down",
    "incident.digest": "Digest",
    "channel.test": "Test",
    "channel.disabled": "Channel disabled",
    "contact.test": "Test",
    "contact.code": "Code",
    "rotation.handoff": "Hand-off",
}
_KINDS = {"email": "e-mail"}


@register.filter
def event_word(event: str) -> str:
    """Return what a message was about."""
    return _EVENTS.get(event, event.removeprefix("incident.").capitalize())


@register.filter
def receiver(delivery: Delivery) -> str:
    """Return whom a message is for: the channel's name, or the address itself."""
    if delivery.channel is not None:
        return delivery.channel.name
    if delivery.payload.get("to"):
        return str(delivery.payload["to"])
    return delivery.contact.removeprefix(f"{delivery.kind}:")


@register.filter
def kind_word(kind: str) -> str:
    """Return a channel's kind as people write it."""
    return _KINDS.get(kind, kind)
