"""The links in messages that let their reader acknowledge without logging in.

A link opens a page with a button; following it changes nothing. It names the incident and whom the
message went to, is signed with the installation's key, and ends after a few days. It is the same on
every attempt at one message.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, Signer

VALID = timedelta(days=14)
_SALT = "tocsin.acknowledge"


class BadLink(Exception):  # noqa: N818 - it names what happened
    """The link was not made here, or not whole."""


class ExpiredLink(BadLink):
    """The link was made here, too long ago."""


def acknowledge_url(incident_id: UUID, *, actor: str, sent_at: datetime) -> str:
    """Return the address of the page on which `actor` may acknowledge an incident."""
    until = int((sent_at + VALID).timestamp())
    name = base64.urlsafe_b64encode(actor[:200].encode()).decode().rstrip("=")
    return f"{settings.BASE_URL}/ack/{_signer().sign(f'{incident_id.hex}.{until}.{name}')}/"


def read_link(token: str, *, now: datetime) -> tuple[UUID, str]:
    """Return the incident and the actor of a link's token. Raises BadLink, ExpiredLink."""
    try:
        incident, until, name = _signer().unsign(token).split(".")
        actor = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()
        end = datetime.fromtimestamp(int(until), UTC)
        found = UUID(incident)
    except (BadSignature, ValueError, binascii.Error) as error:
        raise BadLink from error
    if now >= end:
        raise ExpiredLink
    return found, actor


def _signer() -> Signer:
    return Signer(salt=_SALT, sep="~")
