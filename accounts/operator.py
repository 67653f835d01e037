"""What the operator's staff do to a team is written into its own audit log, for it to see."""

from __future__ import annotations

from contextlib import AbstractContextManager
from uuid import uuid4

from django.db import connection, transaction
from django.http import HttpRequest
from django_scopes import scopes_disabled

from accounts.audit import MOST_ACTOR, acting
from accounts.models import AuditEvent, Team

VIEWED = "team.viewed"  # the support page
STAFF = "staff"  # who acts, beside members and keys

# name: transaction
# Which transaction this is and what time, as the audit log's triggers write them.
_NOW = "SELECT pg_current_xact_id()::text::bigint, clock_timestamp()"


def name_operator(request: HttpRequest) -> str:
    """Return how a team's audit log names whoever of the staff asks."""
    return f"operator {request.user}"[:MOST_ACTOR]


def operator_acts(request: HttpRequest) -> AbstractContextManager[None]:
    """Have what is changed within recorded as the operator's doing."""
    return acting(name_operator(request), by=STAFF, address=_address(request))


def note_view(request: HttpRequest, team: Team) -> None:
    """Write into the team's audit log that one of the staff looked at its support page."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_NOW)
        number, at = cursor.fetchone()
        with scopes_disabled():
            AuditEvent.objects.create(
                id=uuid4(),
                team=team,
                at=at,
                transaction=number,
                request=uuid4(),
                actor=name_operator(request),
                by=STAFF,
                address=_address(request),
                action=VIEWED,
                kind="team",
                thing_id=team.pk,
                thing_name=team.name[:253],
                before={},
                after={"looked": "operator viewed the support page"},
            )


def _address(request: HttpRequest) -> str:
    return (request.META.get("REMOTE_ADDR") or "")[:64]
