"""Whom an incident climbs to: the ladders of its policies, or the one person it was assigned to."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from accounts.models import Membership
from incidents.models import Escalation, Incident


@dataclass(frozen=True, slots=True)
class Ladders:
    """An incident's escalations in order; `assignee` is the name of whose it is, or empty."""

    rows: list[Escalation]
    assignee: str = ""


def read_ladders(incident: Incident) -> Ladders:
    """Return an incident's ladders: two queries at most. Call inside the team's scope."""
    rows = list(Escalation.objects.filter(incident=incident).order_by("id"))
    return Ladders(rows, _name_assignee(rows[0]) if len(rows) == 1 else "")


def _name_assignee(ladder: Escalation) -> str:
    """Return the name of the person whom a ladder without a policy pages; empty for any other."""
    if ladder.policy_id is not None:
        return ""
    targets = [target for step in ladder.steps for target in step["targets"]]
    member = targets[0].get("member") if len(targets) == 1 else None
    if member is None:
        return ""
    found = Membership.objects.select_related("user").filter(pk=UUID(member)).first()
    return str(found.get_full_name()) if found is not None else ladder.policy_name
