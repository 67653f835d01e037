"""`/api/v1/escalation-policies`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import get_object
from accounts.api.fields import (
    ReferenceField,
    StrictInteger,
    StrictSerializer,
    StrictText,
    no_such,
)
from accounts.api.problems import Conflict
from accounts.api.views import TenantViewSet
from accounts.models import Membership
from incidents.api.fields import ListField
from incidents.models import Channel, EscalationPolicy, EscalationTarget, Rotation
from incidents.policies import policies
from incidents.policies.policies import (
    LEAST_TIMEOUT_SECONDS,
    MOST_DELAY_SECONDS,
    MOST_REPEATS,
    MOST_STEPS,
    MOST_TARGETS,
    MOST_TIMEOUT_SECONDS,
    StepValues,
    Target,
)
from incidents.policies.snapshot import with_steps

KINDS = ("rotation", "member", "channel")


class TargetSerializer(StrictSerializer):
    """Whom a step pages: exactly one of a rotation, a member by address, or a channel."""

    sometimes = KINDS

    rotation = ReferenceField(required=False)
    member = StrictText(max_length=254, required=False, help_text="A member's e-mail address.")
    channel = ReferenceField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the one thing that is named. Raises ValidationError for none, or several."""
        if len(attrs) != 1:
            text = "Must have exactly one of: rotation, member, channel."
            raise ValidationError(text, code="invalid")
        return attrs


class StepSerializer(StrictSerializer):
    """A rung of the ladder."""

    delay = StrictInteger(
        max_value=MOST_DELAY_SECONDS,
        default=0,
        help_text="Seconds after the step before it; of the first: after the incident opened.",
    )
    targets = ListField(child=TargetSerializer(), min_length=1, most=MOST_TARGETS)


@extend_schema_field(StepSerializer(many=True))
class StepsField(serializers.Field[Any, Any, Any, Any]):
    """The steps, read whole: within a PATCH too, none of a step's fields may be left out."""

    def to_internal_value(self, data: Any) -> list[StepValues]:
        """Return the steps. Raises ValidationError, also for targets that are not the team's."""
        reader = ListField(child=StepSerializer(), min_length=1, most=MOST_STEPS)
        steps: list[dict[str, Any]] = reader.run_validation(data)
        return _find_targets(steps)

    def to_representation(self, value: Any) -> list[dict[str, Any]]:
        """Return the steps of a policy of `with_steps`."""
        return [
            {"delay": step.delay, "targets": [_show_target(t) for t in step.targets.all()]}
            for step in value.all()
        ]


def _find_targets(steps: Sequence[dict[str, Any]]) -> list[StepValues]:
    named = [target for step in steps for target in step["targets"]]
    wanted: dict[str, set[Any]] = {
        kind: {_key(kind, target[kind]) for target in named if kind in target} for kind in KINDS
    }
    members = Membership.objects.select_related("user").filter(user__email__in=wanted["member"])
    found: dict[str, dict[Any, Target]] = {
        "rotation": {**Rotation.objects.in_bulk(_ids(wanted["rotation"]))},
        "channel": {**Channel.objects.in_bulk(_ids(wanted["channel"]))},
        "member": {member.user.email.lower(): member for member in members},
    }
    values, errors = [], {}
    for index, step in enumerate(steps):
        targets, missing = [], {}
        for place, target in enumerate(step["targets"]):
            [(kind, value)] = target.items()
            thing = found[kind].get(_key(kind, value))
            if thing is None:
                missing[place] = {kind: [no_such(kind)]}
            else:
                targets.append(thing)
        if missing:
            errors[index] = {"targets": missing}
        values.append(StepValues(delay=step["delay"], targets=targets))
    if errors:
        raise ValidationError(errors)  # type: ignore[arg-type]
    return values


def _key(kind: str, value: Any) -> Any:
    return value.lower() if kind == "member" else value


def _ids(values: set[UUID | None]) -> list[UUID]:
    return [value for value in values if value is not None]


def _show_target(target: EscalationTarget) -> dict[str, str]:
    if target.rotation_id is not None:
        return {"rotation": str(target.rotation_id)}
    if target.membership is not None:
        return {"member": target.membership.user.email}
    return {"channel": str(target.channel_id)}


@extend_schema_serializer(component_name="EscalationPolicy")
class PolicySerializer(StrictSerializer):
    """An escalation policy: whom to page, in which order, how long after each other."""

    id = serializers.UUIDField(read_only=True)
    name = StrictText(max_length=120)
    repeat = StrictInteger(
        max_value=MOST_REPEATS,
        required=False,
        help_text="How many times more the steps are gone through after the first.",
    )
    acknowledge_timeout = StrictInteger(
        min_value=LEAST_TIMEOUT_SECONDS,
        max_value=MOST_TIMEOUT_SECONDS,
        required=False,
        allow_null=True,
        help_text="Seconds after which an acknowledged incident that is not resolved opens again.",
    )
    steps = StepsField()
    created_at = serializers.DateTimeField(read_only=True)


class PolicyViewSet(TenantViewSet):
    """The team's escalation policies, which alert rules send incidents to."""

    resource = "escalation_policies"
    singular = "escalation_policy"
    conflicts = ("create", "partial_update", "destroy")

    @extend_schema(responses=PolicySerializer(many=True))
    def list(self, request: Request) -> Response:
        """List policies, newest first."""
        page = self.page(with_steps(EscalationPolicy.objects.all()))
        return self.get_paginated_response(PolicySerializer(page, many=True).data)

    @extend_schema(request=PolicySerializer, responses={201: PolicySerializer})
    def create(self, request: Request) -> Response:
        """Create a policy."""
        fields = self.read_body(PolicySerializer)
        with _refusals():
            policy = policies.create_policy(team=self.access.team, **fields)
        return _answer(policy, status=201)

    @extend_schema(responses=PolicySerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read a policy."""
        return _answer(self._find())

    @extend_schema(request=PolicySerializer, responses=PolicySerializer)
    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Change a policy; steps are replaced whole. Open incidents go on by the old one."""
        policy = self._find()
        fields = self.read_body(PolicySerializer, partial=True)
        with _refusals():
            policy = policies.update_policy(policy=policy, **fields)
        return _answer(policy)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Delete a policy that no alert rule follows; one that is followed stays: 409."""
        with _refusals():
            policies.delete_policy(policy=self._find())
        return Response(status=204)

    def _find(self) -> EscalationPolicy:
        return self.find(EscalationPolicy.objects.select_related("team"))


def _answer(policy: EscalationPolicy, *, status: int = 200) -> Response:
    rows = with_steps(EscalationPolicy.objects.all())
    return Response(PolicySerializer(get_object(rows, policy.pk)).data, status=status)


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what a service refuses into its problem."""
    try:
        yield
    except policies.DuplicateName as error:
        raise Conflict("The team has an escalation policy of this name.") from error
    except policies.TargetGone as error:
        raise Conflict("Somebody or something that a step pages was just deleted.") from error
    except policies.PolicyInUse as error:
        followers = ", ".join(f"“{name}”" for name in error.rules) or "a new one"
        raise Conflict(f"Alert rules follow this policy: {followers}.") from error
