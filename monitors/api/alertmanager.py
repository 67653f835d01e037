"""Alertmanager's webhook as a push: a Prometheus dead man's switch without glue.

Route the alert that always fires (Watchdog) here: each notification that it fires is a pass. That
it is resolved means that Prometheus no longer evaluates its rules: a fail. That nothing comes any
more is a silence, as with every monitor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.parsers import parse_json
from monitors.api.push import RECEIPT_PARAMETER, SLUG_OR_TOKEN, PushView, read_push_body
from monitors.ingest.fields import (
    MOST_LABEL_KEY,
    MOST_LABEL_VALUE,
    MOST_LABELS,
    PushAnswerSerializer,
    invalid,
    read_fields,
)

STATUSES = {"firing": "pass", "resolved": "fail"}


@extend_schema_field({"description": "An array of alerts; anything else counts as none."})
class AlertsField(serializers.JSONField):
    """The alerts of a group, of which the first is looked at."""


@extend_schema_field({"description": "An object of texts; anything else counts as none."})
class TextsField(serializers.JSONField):
    """Labels or annotations: none of them is worth missing a heartbeat for."""


class AlertmanagerWebhookSerializer(serializers.Serializer[Any]):
    """What Alertmanager posts (version 4); other fields are ignored."""

    status = serializers.ChoiceField(["firing", "resolved"])
    alerts = AlertsField(required=False)
    commonLabels = TextsField(required=False)  # noqa: N815 - Alertmanager's name
    commonAnnotations = TextsField(required=False)  # noqa: N815


class AlertmanagerPushView(PushView):
    """A push from an Alertmanager receiver."""

    @extend_schema(
        operation_id="push_by_alertmanager",
        tags=["push"],
        auth=SLUG_OR_TOKEN,
        request={"application/json": AlertmanagerWebhookSerializer},
        responses={201: PushAnswerSerializer},
        parameters=[RECEIPT_PARAMETER],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Store a pass for an alert that fires, a fail for one that is resolved.

        Meant for the alert that always fires (Watchdog): set this address as the `url` of a
        `webhook_configs` entry, with a `repeat_interval` shorter than the monitor's silence. The
        alert's labels become the result's.
        """
        body = read_push_body(request)
        monitor = self.find_allowed(request, slug)
        data = parse_json(body)
        if not isinstance(data, Mapping):
            raise invalid("non_field_errors", "The body must be a JSON object.")
        return self.store(request, monitor, read_fields(read_webhook(data), typed=True))


def read_webhook(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the push that a webhook stands for. Raises ValidationError for a strange status."""
    given = data.get("status")
    if given is None:
        raise invalid("status", "This field is required: firing or resolved.", "required")
    status = STATUSES.get(given) if isinstance(given, str) else None
    if status is None:
        raise invalid("status", "Must be firing or resolved.", "invalid_choice")
    alerts = data.get("alerts")
    first = alerts[0] if isinstance(alerts, list) and alerts else {}
    labels = _object(data, "commonLabels") or _object(first, "labels")
    notes = _object(data, "commonAnnotations") or _object(first, "annotations")
    word = notes.get("summary") or notes.get("description") or notes.get("message")
    message = word if isinstance(word, str) else str(given)
    return {"status": status, "message": message.replace("\x00", "�"), "labels": _cut(labels)}


def _object(data: Any, name: str) -> Mapping[str, Any]:
    value = data.get(name) if isinstance(data, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _cut(labels: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels that a result can carry: a long alert must not stop the heartbeat."""
    texts = {k: v for k, v in labels.items() if isinstance(v, str) and len(k) >= 1}
    return {
        key.replace("\x00", "�")[:MOST_LABEL_KEY]: value.replace("\x00", "�")[:MOST_LABEL_VALUE]
        for key, value in sorted(texts.items())[:MOST_LABELS]
    }
