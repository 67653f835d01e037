"""`/api/v1/alert-rules/dry-run`: where an incident would go, without one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.fields import (
    ReferenceField,
    StrictChoice,
    StrictSerializer,
    no_such,
)
from accounts.api.views import TenantViewSet
from accounts.models import Scope
from incidents.api.fields import InstantField
from incidents.policies.reaching import Reached, due_at
from incidents.policies.rehearsal import PolicyRehearsed, Rehearsal, rehearse, subject_of
from incidents.routing import Subject
from monitors.api.fields import SeverityField
from monitors.models import Monitor
from monitors.queries import database_now
from monitors.state import Cause


@extend_schema_field({"type": "string", "format": "uuid"})
class MonitorField(ReferenceField):
    """The id of a monitor."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the monitor. Raises ValidationError for an id that is not the team's."""
        monitor_id = super().to_internal_value(data)
        monitors = Monitor.objects.select_related("namespace")
        found = monitors.filter(pk=monitor_id).first() if monitor_id else None
        if found is None:
            raise ValidationError([no_such("monitor")])
        return found


@extend_schema_field({"$ref": "#/components/schemas/Cause"})
class CauseChoice(StrictChoice):
    """Why an incident opens."""


class DryRunSerializer(StrictSerializer):
    """An incident that might be."""

    monitor = MonitorField()
    cause = CauseChoice(choices=[cause.value for cause in Cause], default=Cause.SILENCE.value)
    severity = SeverityField(
        required=False, allow_null=True, help_text="The monitor's own unless given."
    )
    at = InstantField(required=False, allow_null=True, help_text="When it opens; now if not given.")


class NamedSerializer(serializers.Serializer[Any]):
    """A thing and its name."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class RehearsedContactSerializer(serializers.Serializer[Any]):
    """A way in which the page goes out."""

    kind = serializers.CharField()
    after = serializers.IntegerField(
        help_text="Seconds after the incident opens, the contact's delay and quiet hours included."
    )
    label = serializers.CharField()  # type: ignore[assignment]  # DRF's fields have one of their own


class RehearsedTargetSerializer(serializers.Serializer[Any]):
    """A target of a step (one of `rotation`, `member` and `channel`) and whom it reaches."""

    sometimes = ("rotation", "member", "channel")

    rotation = serializers.UUIDField(required=False)
    member = serializers.EmailField(required=False)
    channel = serializers.UUIDField(required=False)
    person = serializers.EmailField(allow_null=True)
    contacts = RehearsedContactSerializer(many=True)
    remark = serializers.CharField(help_text="Why it reaches nobody; empty if it does.")


class RehearsedStepSerializer(serializers.Serializer[Any]):
    """A step of a policy."""

    after = serializers.IntegerField(help_text="Seconds after the incident opens.")
    targets = RehearsedTargetSerializer(many=True)


class RehearsedPolicySerializer(NamedSerializer):
    """One climb of an escalation policy."""

    steps = RehearsedStepSerializer(many=True)


class DryRunResultSerializer(serializers.Serializer[Any]):
    """Where the incident would go."""

    at = serializers.DateTimeField()
    rules = NamedSerializer(many=True)
    owners = serializers.BooleanField(
        help_text="Whether the owners are mailed: the rules say so, or nothing reaches anybody."
    )
    channels = NamedSerializer(many=True)
    policies = RehearsedPolicySerializer(many=True)


class DryRunViewSet(TenantViewSet):
    """What the team's alert rules and policies would do."""

    resource = "alert_rules"
    singular = "alert_rule"
    needed_scope = Scope.READ

    @extend_schema(
        operation_id="dry_run_alert_rules",
        request=DryRunSerializer,
        responses={200: DryRunResultSerializer},
    )
    def create(self, request: Request) -> Response:
        """Say which rules a monitor's incident would hit, and whom they page when."""
        asked = self.read_body(DryRunSerializer)
        subject = subject_of(
            asked["monitor"],
            cause=asked["cause"],
            severity=asked.get("severity"),
            at=asked.get("at") or database_now(),
        )
        return Response(_show(rehearse(team=self.access.team, subject=subject)))


def _show(found: Rehearsal) -> dict[str, Any]:
    subject = found.subject
    return {
        "at": serializers.DateTimeField().to_representation(subject.at),
        "rules": [_name(rule.id, rule.name) for rule in found.rules],
        "owners": found.owners,
        "channels": [_name(channel.pk, channel.name) for channel in found.channels],
        "policies": [_show_policy(policy, subject) for policy in found.policies],
    }


def _show_policy(policy: PolicyRehearsed, subject: Subject) -> dict[str, Any]:
    steps = [
        {
            "after": step.after,
            "targets": [_show_target(target, step.after, subject) for target in step.targets],
        }
        for step in policy.steps
    ]
    return {**_name(policy.id, policy.name), "steps": steps}


def _show_target(reached: Reached, after: int, subject: Subject) -> dict[str, Any]:
    target = reached.target
    fired_at = subject.at + timedelta(seconds=after)
    contacts = [
        {
            "kind": way.kind,
            "after": round(
                (
                    due_at(way, fired_at=fired_at, severity=subject.severity) - subject.at
                ).total_seconds()
            ),
            "label": way.label,
        }
        for way in reached.contacts
    ]
    # A member is named by their address, everything else by its id.
    thing = (
        {"member": target["name"]}
        if "member" in target
        else {kind: target[kind] for kind in ("rotation", "channel") if kind in target}
    )
    return {**thing, "person": reached.person, "contacts": contacts, "remark": reached.remark}


def _name(pk: UUID, name: str) -> dict[str, str]:
    return {"id": str(pk), "name": name}
