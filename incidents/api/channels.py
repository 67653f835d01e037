"""`/api/v1/channels`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.fields import StrictChoice, StrictSerializer, StrictText
from accounts.api.problems import Conflict
from accounts.api.views import TenantViewSet
from incidents import destinations
from incidents.api.serializers import DeliverySerializer
from incidents.channels.base import InvalidConfig
from incidents.channels.registry import KINDS
from incidents.models import Channel
from incidents.notifications import test_channel


@extend_schema_field({"type": "object", "additionalProperties": True})
class ConfigField(serializers.Field[Any, Any, Any, Any]):
    """What a channel's kind wants to know; the kind judges it."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the object. Raises ValidationError for anything else."""
        if not isinstance(data, dict):
            raise ValidationError("Must be an object.", code="invalid")
        return data

    def to_representation(self, value: Any) -> Any:
        """Return the object as it is."""
        return value


@extend_schema_field({"type": "string", "enum": sorted(KINDS)}, component_name="ChannelKind")
class KindField(StrictChoice):
    """One of the kinds that exist."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=sorted(KINDS), **options)


class ChannelSerializer(StrictSerializer):
    """A channel. Secrets are written and never read, but for the answer that creates one."""

    id = serializers.UUIDField(read_only=True)
    name = StrictText(max_length=120)
    kind = KindField()
    config = ConfigField()
    disabled_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="Send null to make a disabled one work again."
    )

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Return the validated fields; of `disabled_at` only null can be said."""
        fields = super().run_validation(data)
        if isinstance(fields, dict) and fields.get("disabled_at") is not None:
            del fields["disabled_at"]
        return fields

    def to_representation(self, channel: Channel) -> dict[str, Any]:
        """Return the channel without its secrets, or with what its creator must be told."""
        shown: dict[str, Any] = super().to_representation(channel)
        kind = KINDS[channel.kind]
        shown["config"] = kind.hide_secrets(channel.config)
        if self.context.get("created") and kind.name == "webhook":
            shown["config"]["secret"] = channel.config["secret"]
        return shown


class ChannelViewSet(TenantViewSet):
    """The places that the team's messages go to."""

    resource = "channels"
    singular = "channel"
    live_fields = ("disabled_at",)
    conflicts = ("create", "partial_update", "destroy")

    @extend_schema(responses=ChannelSerializer(many=True))
    def list(self, request: Request) -> Response:
        """List channels, newest first."""
        page = self.page(Channel.objects.all())
        return self.get_paginated_response(ChannelSerializer(page, many=True).data)

    @extend_schema(request=ChannelSerializer, responses={201: ChannelSerializer})
    def create(self, request: Request) -> Response:
        """Create a channel. A webhook's signing secret is in this answer and never shown again."""
        fields = self.read_body(ChannelSerializer)
        fields.pop("disabled_at", None)
        with _refusals():
            channel = destinations.create_channel(team=self.access.team, **fields)
        return Response(ChannelSerializer(channel, context={"created": True}).data, status=201)

    @extend_schema(responses=ChannelSerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read a channel."""
        return Response(ChannelSerializer(self._find()).data)

    @extend_schema(request=ChannelSerializer, responses=ChannelSerializer)
    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Change a channel. Secrets that are not mentioned stay."""
        channel = self._find()
        fields = self.read_body(ChannelSerializer, partial=True)
        if fields.pop("kind", channel.kind) != channel.kind:
            text = "The kind of a channel cannot change; create another channel."
            raise ValidationError({"kind": [ErrorDetail(text, code="immutable")]})
        enable = "disabled_at" in fields and fields.pop("disabled_at") is None
        with _refusals():
            channel = destinations.update_channel(channel=channel, enable=enable, **fields)
        return Response(ChannelSerializer(channel).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Delete a channel. What has not gone out is cancelled."""
        with _refusals():
            destinations.delete_channel(channel=self._find())
        return Response(status=204)

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, **kwargs: str) -> Response:
        """Send a test message; its delivery tells what became of it."""
        delivery = test_channel(channel=self._find(), actor=self.access.actor)
        return Response(DeliverySerializer(delivery).data, status=202)

    def _find(self) -> Channel:
        return self.find(Channel.objects.all())


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what a service refuses into its problem."""
    try:
        yield
    except InvalidConfig as error:
        details = {
            field: [ErrorDetail(text, code="invalid")] for field, text in error.errors.items()
        }
        raise ValidationError({"config": details}) from error
    except destinations.ChannelInUse as error:
        names = ", ".join(f"“{name}”" for name in error.policies)
        raise Conflict(f"Escalation policies page this channel: {names}.") from error
    except destinations.DuplicateName as error:
        raise Conflict("The team has a channel of this name.") from error
