"""What a person fills in on an incident's page besides a note."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms

from accounts.models import Membership
from incidents.models import EscalationPolicy

SNOOZES = (
    (900, "15 min"),
    (1800, "30 min"),
    (3600, "1 h"),
    (4 * 3600, "4 h"),
    (8 * 3600, "8 h"),
    (24 * 3600, "1 d"),
)


class SnoozeForm(forms.Form):
    """For how long."""

    seconds = forms.TypedChoiceField(label="Snooze for", choices=SNOOZES, coerce=int)


class AssignForm(forms.Form):
    """Whom an incident is handed to: a member or a policy of the team in whose scope it is made."""

    to = forms.ChoiceField(label="Assign to")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        members = Membership.objects.select_related("user").filter(accepted_at__isnull=False)
        self._members = {member.pk: member for member in members.order_by("user__email")}
        self._policies = {policy.pk: policy for policy in EscalationPolicy.objects.order_by("name")}
        people = [(f"member:{pk}", m.get_full_name()) for pk, m in self._members.items()]
        policies = [(f"policy:{pk}", policy.name) for pk, policy in self._policies.items()]
        field = self.fields["to"]
        assert isinstance(field, forms.ChoiceField)
        groups = [("People", people), ("Escalation policies", policies)]
        chosen = [(name, options) for name, options in groups if options]
        # Nobody is chosen at first: a page to the wrong person is soon sent.
        field.choices = [("", "Choose a person or a policy"), *chosen]

    def clean_to(self) -> dict[str, Membership | EscalationPolicy]:
        """Return the one choice by what it is: `member` or `policy`."""
        kind, _, pk = self.cleaned_data["to"].partition(":")
        if kind == "member":
            return {"member": self._members[UUID(pk)]}
        return {"policy": self._policies[UUID(pk)]}
