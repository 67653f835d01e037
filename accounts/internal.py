"""The installation's own team: what it watches itself with.

It is a team like any other to the push path, the sweep and the outbox, so that what is tried with
it is what customers use. It is nobody's: no member, no key, no plan, no usage. Its short name is
one that no team can have, so no page and no path leads to it, and its id is fixed, so that what
counts customers can leave it out without asking.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django_scopes import scopes_disabled

from accounts.models import Namespace, Team

INTERNAL_TEAM = UUID("00000000-0000-7000-8000-000000000001")
INTERNAL_SLUG = "_tocsin"  # validate_slug refuses it


def internal_team() -> Team:
    """Return the installation's own team, made at its first use. Safe to call at once."""
    with transaction.atomic(), scopes_disabled():
        team, made = Team.objects.get_or_create(
            pk=INTERNAL_TEAM, defaults={"slug": INTERNAL_SLUG, "name": "Tocsin itself"}
        )
        if made:
            Namespace.objects.get_or_create(name=INTERNAL_SLUG, defaults={"team": team})
    return team
