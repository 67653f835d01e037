"""`/api/v1/alert-rules`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet, Value
from django.db.models.functions import Coalesce
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import get_object
from accounts.api.fields import (
    ReferenceField,
    StrictBoolean,
    StrictInteger,
    StrictSerializer,
    StrictText,
    no_such,
)
from accounts.api.pagination import PageOrder, parse_integer
from accounts.api.problems import Conflict
from accounts.api.views import TenantViewSet
from incidents import rules
from incidents.api.fields import ListField, PolicyField
from incidents.api.matchers import MatchField, MatchSerializer
from incidents.models import AlertRule, AlertRuleChannel, Channel
from incidents.routing import ensure_catch_all

_AFTER_ALL = 2**31  # sorts the catch-all, which has no position, behind the highest one
IN_ORDER = PageOrder((("place", parse_integer),), descending=False)


@extend_schema_field({"type": "array", "items": {"type": "string", "format": "uuid"}})
class ChannelsField(ListField):
    """Ids of channels, in order, each once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=ReferenceField(), **options)

    def to_internal_value(self, data: Any) -> list[Channel]:
        """Return the channels. Raises ValidationError for ids that are not the team's."""
        ids: list[UUID | None] = super().to_internal_value(data)
        found = Channel.objects.in_bulk([channel_id for channel_id in ids if channel_id])
        errors = {
            index: [no_such("channel")]
            for index, channel_id in enumerate(ids)
            if channel_id not in found
        }
        if errors:
            raise ValidationError(errors)  # type: ignore[arg-type]
        return [found[channel_id] for channel_id in dict.fromkeys(ids) if channel_id]

    def to_representation(self, data: Any) -> list[str]:
        """Return the ids."""
        return [str(link.channel_id) for link in data.all()]


class AlertRuleSerializer(StrictSerializer):
    """A rule: what it takes, and where that goes."""

    id = serializers.UUIDField(read_only=True)
    name = StrictText(max_length=120)
    position = StrictInteger(
        required=False,
        allow_null=True,
        help_text="Insertion index: later rules shift. The end unless given; null: the catch-all.",
    )
    match = MatchField(required=False)
    policy = PolicyField(required=False, allow_null=True)
    channels = ChannelsField(source="alertrulechannel_set", required=False)

    def get_fields(self) -> dict[str, Any]:
        """Return the fields; `continue` is no name that Python lets a class have."""
        field = StrictBoolean(source="continue_matching", required=False)
        return {**super().get_fields(), "continue": field}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the fields as the services take them."""
        if attrs.get("position", 0) is None:
            attrs.pop("position")
        if "alertrulechannel_set" in attrs:
            attrs["channels"] = attrs.pop("alertrulechannel_set")
        return attrs

    def to_representation(self, rule: AlertRule) -> dict[str, Any]:
        """Return the rule."""
        return {
            "id": str(rule.pk),
            "name": rule.name,
            "position": rule.position,
            "match": rule.match,
            "policy": str(rule.policy_id) if rule.policy_id else None,
            "channels": [str(link.channel_id) for link in rule.alertrulechannel_set.all()],
            "continue": rule.continue_matching,
        }


class AlertRuleViewSet(TenantViewSet):
    """The team's rules, in the order in which they are tried; the catch-all comes last."""

    resource = "alert_rules"
    singular = "alert_rule"
    conflicts = ("create", "partial_update", "destroy")
    page_order = IN_ORDER

    @extend_schema(responses=AlertRuleSerializer(many=True))
    def list(self, request: Request) -> Response:
        """List rules in the order in which they are tried."""
        ensure_catch_all(self.access.team)
        rows = _rules().annotate(place=Coalesce("position", Value(_AFTER_ALL)))
        return self.get_paginated_response(AlertRuleSerializer(self.page(rows), many=True).data)

    @extend_schema(request=AlertRuleSerializer, responses={201: AlertRuleSerializer})
    def create(self, request: Request) -> Response:
        """Insert a rule."""
        fields = self.read_body(AlertRuleSerializer)
        fields.setdefault("match", _empty_match())
        with _refusals():
            rule = rules.create_rule(team=self.access.team, **fields)
        return _answer(rule, status=201)

    @extend_schema(responses=AlertRuleSerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read a rule."""
        return _answer(self._find())

    @extend_schema(request=AlertRuleSerializer, responses=AlertRuleSerializer)
    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Change a rule, or move it. Of the catch-all only name, policy and channels."""
        rule = self._find()
        fields = self.read_body(AlertRuleSerializer, partial=True)
        with _refusals():
            rule = rules.update_rule(rule=rule, **fields)
        return _answer(rule)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Delete a rule; later ones move up. The catch-all stays: 409."""
        with _refusals():
            rules.delete_rule(rule=self._find())
        return Response(status=204)

    def _find(self) -> AlertRule:
        return self.find(AlertRule.objects.select_related("team"))


def _rules() -> QuerySet[AlertRule]:
    links = AlertRuleChannel.objects.order_by("id")
    return AlertRule.objects.prefetch_related(Prefetch("alertrulechannel_set", links))


def _answer(rule: AlertRule, *, status: int = 200) -> Response:
    return Response(AlertRuleSerializer(get_object(_rules(), rule.pk)).data, status=status)


def _empty_match() -> Any:
    reader = MatchSerializer(data={})
    reader.is_valid(raise_exception=True)
    return reader.validated_data


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what a service refuses into its problem."""
    try:
        yield
    except rules.DuplicateName as error:
        raise Conflict("The team has a rule of this name.") from error
    except rules.CatchAllFixed as error:
        raise Conflict(
            "This rule catches what no other rule takes: it can be renamed and given a policy and "
            "channels, but not be deleted, moved or narrowed."
        ) from error
    except rules.TargetGone as error:
        raise Conflict("The policy or a channel of this rule was just deleted.") from error
