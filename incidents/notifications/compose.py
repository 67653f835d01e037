"""From a route to rows: each contact's notification and the delivery that carries it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django_scopes import scopes_disabled

from accounts.ids import uuid7
from accounts.models import Team
from accounts.teams import owner_addresses
from incidents.models import Channel, ContactMethod, Delivery, DeliveryState, Incident, Notification
from incidents.routing import Route
from monitors.queries import database_now


@dataclass(frozen=True, slots=True)
class Contact:
    """One place a message can go: a channel of the team's, or one of a person's methods.

    Its key is `channel:<id>`, `method:<id>`, or `email:<address>` for a person's mail: however many
    ways lead to a contact, it gets one message per key.
    """

    key: str
    kind: str
    channel_id: UUID | None
    reason: str
    method_id: UUID | None = None
    label: str = ""  # who or what it is, for timelines and the acknowledge link
    direct: bool = False  # the address in the key is all that is needed


def email_contact(address: str, reason: str) -> Contact:
    """Return the contact for a person's address."""
    return Contact(f"email:{address.lower()}", "email", None, reason, None, address, direct=True)


def channel_contact(channel: Channel, rule: str) -> Contact:
    """Return the contact for a channel that the rule named `rule` brought in."""
    reason = f"Alert rule “{rule}” sends to the channel “{channel.name}”."
    return Contact(f"channel:{channel.pk}", channel.kind, channel.pk, reason, None, channel.name)


def contacts_of(
    route: Route,
    *,
    team: Team,
    channels: Mapping[UUID, Channel],
    owners: Sequence[str] | None = None,
) -> tuple[list[Contact], list[str]]:
    """Return whom a route reaches, and what the timeline must say of whom it does not.

    `owners` are the addresses of the team's owners, where the caller has read them already.
    """
    contacts, remarks = [], []
    for channel_id, rule in route.named_by.items():
        channel = channels.get(channel_id)
        if channel is None:
            continue
        if channel.disabled_at is not None:
            remarks.append(f"Channel “{channel.name}” is disabled and was left out.")
        else:
            contacts.append(channel_contact(channel, rule))
    if route.owners or not (contacts or route.policies):
        contacts += [
            email_contact(address, f"You own the team {team.slug}.")
            for address in (owner_addresses(team) if owners is None else owners)
        ]
    if not (contacts or route.policies):
        remarks.append("Nobody could be told: the team has no owner and no channel.")
    return contacts, remarks


def queue_notices(
    *,
    incident: Incident,
    kind: str,
    payloads: Iterable[tuple[Contact, dict[str, Any]]],
    at: datetime,
    after: Mapping[str, UUID] | None = None,
) -> tuple[list[Notification], list[Delivery]]:
    """Return the unsaved rows that tell each contact of `kind` (opened, resolved, …) once.

    `after` gives for a contact the delivery that must have gone before.
    """
    rows = delivery_rows(incident=incident, kind=kind, payloads=payloads, at=at, after=after)
    return (
        [Notification(**notification_row(row)) for row in rows],
        [Delivery(**row) for row in rows],
    )


def delivery_rows(
    *,
    incident: Incident,
    kind: str,
    payloads: Iterable[tuple[Contact, dict[str, Any]]],
    at: datetime,
    after: Mapping[str, UUID] | None = None,
) -> list[dict[str, Any]]:
    """Return the deliveries of `queue_notices` by column; `notification_row` gives their intents.

    In a mass outage there are thousands, and a model's object costs more than its row.
    """
    return [
        {
            "team_id": incident.team_id,
            "id": uuid7(),
            "incident_id": incident.pk,
            "channel_id": contact.channel_id,
            "contact_method_id": contact.method_id,
            "contact": contact.key,
            "kind": contact.kind,
            "event": f"incident.{kind}",
            "payload": {**payload, "to": contact.label} if contact.label else payload,
            "state": DeliveryState.PENDING,
            "attempts": [],
            "attempt_count": 0,
            "next_attempt_at": at,
            "lease_token": None,
            "after_id": (after or {}).get(contact.key),
            "bundle_id": None,
            "paced": False,
            "direct": contact.direct,
            "given_way": False,
            "rescue": False,
            "created_at": at,
            "finished_at": None,
        }
        for contact, payload in payloads
    ]


def notification_row(delivery: Mapping[str, Any], *, step_seq: int = 0) -> dict[str, Any]:
    """Return the intent that a row of `delivery_rows` carries out, by column."""
    return {
        "team_id": delivery["team_id"],
        "id": uuid7(),
        "incident_id": delivery["incident_id"],
        "kind": delivery["event"].removeprefix("incident."),
        "step_seq": step_seq,
        "contact": delivery["contact"],
        "delivery_id": delivery["id"],
        "created_at": delivery["created_at"],
    }


def queue_disabled_notice(*, channel: Channel, detail: str) -> None:
    """Mail the team's owners that a channel is no longer used, and why."""
    team = Team.objects.get(pk=channel.team_id)
    about = {"id": str(channel.pk), "name": channel.name, "detail": detail}
    for address in owner_addresses(team):
        reason = f"You own the team {team.slug}."
        _queue_disabled(team, address, about, path="channels/", reason=reason)


def queue_disabled_method_notice(*, method: ContactMethod, detail: str) -> None:
    """Mail a member, at their account's address, that one of their contact methods is not used."""
    team = Team.objects.get(pk=method.team_id)
    name = method.name or method.kind
    about = {"id": str(method.pk), "name": name, "detail": detail}
    reason = "It is one of the ways in which you wanted to be reached."
    address = method.membership.user.email
    _queue_disabled(team, address, about, path="on-call/contacts/", reason=reason)


def _queue_disabled(
    team: Team, address: str, about: dict[str, str], *, path: str, reason: str
) -> None:
    at = database_now()
    Delivery.objects.create(
        team_id=team.pk,
        contact=f"email:{address.lower()}",
        direct=True,
        kind="email",
        event="channel.disabled",
        payload={
            "team": {"slug": team.slug, "name": team.name},
            "channel": about,
            "url": f"{settings.BASE_URL}/t/{team.slug}/{path}",
            "reason": reason,
        },
        next_attempt_at=at,
        created_at=at,
    )


def test_channel(*, channel: Channel, actor: str) -> Delivery:
    """Queue a test message to a channel and return its delivery."""
    with transaction.atomic(), scopes_disabled():
        at = database_now()
        team = Team.objects.get(pk=channel.team_id)
        return Delivery.objects.create(
            team_id=channel.team_id,
            channel=channel,
            contact=f"channel:{channel.pk}",
            kind=channel.kind,
            event="channel.test",
            payload={
                "team": {"slug": team.slug, "name": team.name},
                "channel": {"id": str(channel.pk), "name": channel.name},
                "url": f"{settings.BASE_URL}/t/{team.slug}/",
                "reason": f"{actor} asked for a test of the channel “{channel.name}”.",
            },
            next_attempt_at=at,
            created_at=at,
        )


test_channel.__test__ = False  # type: ignore[attr-defined]  # pytest must not collect it
