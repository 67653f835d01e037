"""The links in messages that let their reader acknowledge without logging in.

A link opens a page with a button; following it changes nothing. It names the incident, whom the
message went to and by which channel or contact method, is signed with the installation's key, and
ends after a few days, or with that channel, method or membership. It is the same on every attempt
at one message.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, Signer

from accounts.models import Membership, Team
from incidents.models import Channel, ContactMethod

VALID = timedelta(days=14)
_SALT = "tocsin.acknowledge"


class BadLink(Exception):  # noqa: N818 - it names what happened
    """The link was not made here, or not whole."""


class ExpiredLink(BadLink):
    """The link was made here, too long ago."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says. `channel_id` and `method_id` are both empty for an owner's mail."""

    incident_id: UUID
    actor: str
    channel_id: UUID | None = None
    method_id: UUID | None = None


def acknowledge_url(link: Link, *, sent_at: datetime) -> str:
    """Return the address of the page on which the link's actor may acknowledge its incident."""
    until = int((sent_at + VALID).timestamp())
    name = base64.urlsafe_b64encode(link.actor[:200].encode()).decode().rstrip("=")
    way = "d"
    if link.channel_id is not None:
        way = f"c{link.channel_id.hex}"
    elif link.method_id is not None:
        way = f"m{link.method_id.hex}"
    token = _signer().sign(f"{link.incident_id.hex}.{until}.{way}.{name}")
    return f"{settings.BASE_URL}/ack/{token}/"


def read_link(token: str, *, now: datetime) -> Link:
    """Return what a link's token says. Raises BadLink, ExpiredLink."""
    try:
        incident, until, way, name = _signer().unsign(token).split(".")
        actor = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()
        end = datetime.fromtimestamp(int(until), UTC)
        link = Link(
            UUID(incident),
            actor,
            UUID(way[1:]) if way.startswith("c") else None,
            UUID(way[1:]) if way.startswith("m") else None,
        )
    except (BadSignature, ValueError, binascii.Error) as error:
        raise BadLink from error
    if now >= end:
        raise ExpiredLink
    return link


def still_holds(link: Link, *, team: Team) -> bool:
    """Return whether whom the message went to may still act for the team."""
    if link.channel_id is not None:
        return Channel.objects.filter(pk=link.channel_id, team=team).exists()
    if link.method_id is not None:
        return ContactMethod.objects.filter(pk=link.method_id, team=team).exists()
    members = Membership.objects.filter(team=team, accepted_at__isnull=False)
    return members.filter(user__email__iexact=link.actor, user__is_active=True).exists()


def _signer() -> Signer:
    return Signer(salt=_SALT, sep="~")
