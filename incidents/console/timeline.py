"""An incident's story: what happened, who did what, and every attempt to tell somebody, in order.

Also what it comes to: who has been told so far, and how.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from incidents.channels.wording import read_time
from incidents.console.channel_forms import label_of
from incidents.models import Delivery, DeliveryState, Incident, TimelineEvent

SHOWS = {"": _("All"), "people": _("People"), "deliveries": _("Deliveries")}
MOST_EVENTS = 1_000
MOST_DELIVERIES = 1_000
ENGINE = "tocsin"
PAGES = frozenset({"incident.opened", "incident.firing", "incident.digest", "incident.flapping"})

_SHAPES = {"sent": "up", "retry": "late", "failed": "down", "lost": "down"}
_OUTCOMES = {
    "sent": _("Sent"),
    "retry": _("To be tried again"),
    "failed": _("Failed"),
    "lost": _("Lost"),
}
_STANDING = {
    DeliveryState.PENDING: (_("Waiting to be sent"), "pending"),
    DeliveryState.SENDING: (_("Being sent"), "late"),
    DeliveryState.CANCELLED: (_("Cancelled before it was sent"), "paused"),
    DeliveryState.BUNDLED: (_("Goes out in a digest"), "paused"),
    DeliveryState.FAILED: (_("Failed before it was sent"), "down"),
    DeliveryState.DELIVERED: (_("Sent"), "up"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the story. An event has `event`; an attempt has `delivery` and the rest."""

    at: datetime
    event: TimelineEvent | None = None
    delivery: Delivery | None = None
    to: str = ""
    way: str = ""
    word: Any = ""
    shape: str = ""
    detail: str = ""
    number: int = 0

    @property
    def is_person(self) -> bool:
        """Whether a person did it."""
        return self.event is not None and self.event.actor != ENGINE


@dataclass(frozen=True, slots=True)
class Told:
    """A receiver: who, by which way, and what became of the last message."""

    to: str
    way: str
    word: Any
    shape: str
    at: datetime
    delivery: Delivery
    is_waiting: bool


@dataclass(frozen=True, slots=True)
class Story:
    """All of it, newest first, and how much there is of what."""

    entries: Sequence[Entry]
    counts: dict[str, int]
    told: Sequence[Told]
    is_cut: bool

    def show(self, what: str) -> list[Entry]:
        """Return the entries of a kind: "people", "deliveries", or all."""
        if what == "people":
            return [entry for entry in self.entries if entry.is_person]
        if what == "deliveries":
            return [entry for entry in self.entries if entry.delivery is not None]
        return list(self.entries)

    def offer(self) -> list[tuple[str, Any, int]]:
        """Return what can be shown: the word of the address, how it is said, how much it is."""
        return [(name, word, self.counts[name]) for name, word in SHOWS.items()]


def read_story(incident: Incident) -> Story:
    """Return an incident's story: two queries, however long it is."""
    events = list(
        TimelineEvent.objects.filter(incident=incident).order_by("-at", "-id")[:MOST_EVENTS]
    )
    deliveries = list(
        Delivery.objects.filter(incident=incident)
        .select_related("channel", "contact_method__membership__user")
        .defer("payload")
        .order_by("-id")[:MOST_DELIVERIES]
    )
    attempts = [entry for delivery in deliveries for entry in _attempts_of(delivery)]
    # What happened at one instant is read from the bottom: first the event, then who is told.
    merged = sorted(
        [*(Entry(at=event.at, event=event) for event in reversed(events)), *reversed(attempts)],
        key=lambda entry: entry.at,
    )
    merged.reverse()
    people = sum(entry.is_person for entry in merged)
    return Story(
        entries=merged,
        counts={"": len(merged), "people": people, "deliveries": len(attempts)},
        told=sum_up(deliveries),
        is_cut=len(deliveries) == MOST_DELIVERIES or len(events) == MOST_EVENTS,
    )


def sum_up(deliveries: Iterable[Delivery]) -> list[Told]:
    """Return who was paged, each by each way once, with the last word; `deliveries` newest first.

    Only what tells that something is wrong counts: who hears only of the end was not asked for.
    """
    found: dict[str, Told] = {}
    for delivery in deliveries:
        if delivery.event not in PAGES or delivery.contact in found:
            continue
        last = _attempts_of(delivery)[-1]
        found[delivery.contact] = Told(
            to=last.to,
            way=last.way,
            word=last.word,
            shape=last.shape,
            at=last.at,
            delivery=delivery,
            is_waiting=delivery.state in (DeliveryState.PENDING, DeliveryState.SENDING),
        )
    return sorted(found.values(), key=lambda told: (told.delivery.created_at, told.delivery.pk))


def name_receiver(delivery: Delivery) -> str:
    """Return whom a message is for: the channel's name, the person, or the address itself."""
    if delivery.channel is not None:
        return delivery.channel.name
    if delivery.contact_method is not None:
        return str(delivery.contact_method.membership.get_full_name())
    prefix, _sign, rest = delivery.contact.partition(":")
    if prefix == "channel":
        return str(_("A deleted channel"))
    return str(_("A deleted contact method")) if prefix == "method" else rest or delivery.contact


def name_way(delivery: Delivery) -> str:
    """Return by which way a message goes: the kind, and what its owner calls it.

    Where a person's way leads, a number of a telephone say, is theirs alone.
    """
    kind = label_of(delivery.kind)
    name = delivery.contact_method.name if delivery.contact_method is not None else ""
    return f"{kind}, {name}" if name else kind


def _attempts_of(delivery: Delivery) -> list[Entry]:
    """Return a message's attempts, oldest first; of one without any, how it stands."""
    to, way = name_receiver(delivery), name_way(delivery)
    rows = delivery.attempts if isinstance(delivery.attempts, list) else []
    found = [
        Entry(
            at=read_time(row.get("at")) or delivery.created_at,
            delivery=delivery,
            to=to,
            way=way,
            word=_OUTCOMES.get(str(row.get("outcome")), str(row.get("outcome", ""))),
            shape=_SHAPES.get(str(row.get("outcome")), "pending"),
            detail=str(row.get("detail") or ""),
            number=number,
        )
        for number, row in enumerate(rows, 1)
        if isinstance(row, dict)
    ]
    waits = delivery.state in (DeliveryState.CANCELLED, DeliveryState.BUNDLED)
    if found and not waits:
        return found
    word, shape = _STANDING.get(DeliveryState(delivery.state), (delivery.state, "pending"))
    at = delivery.finished_at or delivery.created_at
    entry = Entry(at=at, delivery=delivery, to=to, way=way, word=word, shape=shape)
    return [*found, entry]
