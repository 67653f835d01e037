"""Monitors, results and transitions as the API reads and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.api.fields import (
    SlugText,
    StrictBoolean,
    StrictInteger,
    StrictNumber,
    StrictSerializer,
    StrictText,
)
from monitors.api.fields import (
    MOST_NAME,
    CauseField,
    LabelsField,
    MonitorStateField,
    ResultStatusField,
    ScheduleField,
    SeverityField,
    TransitionStateField,
    WebAddressField,
    check_monitor_name,
)
from monitors.models import DAY_SECONDS, Monitor, PushResult
from monitors.queries import Standing, push_url
from monitors.schedule import CRON_GRACE_LEAST_SECONDS, effective_grace_seconds
from monitors.state import State

MOST_WINDOW_SECONDS = 400 * DAY_SECONDS
MOST_GRACE_SECONDS = 30 * DAY_SECONDS


class MonitorSerializer(StrictSerializer):
    """A monitor, with how it stands at the moment of reading."""

    # To be shown it needs `standings` in the context (see monitors.queries), and `token` if there
    # is one to show; to be changed it needs the present `monitor` there.
    id = serializers.UUIDField(read_only=True)
    namespace = SlugText(
        required=False,
        help_text="The team's slug unless given; a free one is claimed.",
    )
    name = StrictText(max_length=MOST_NAME)
    description = StrictText(max_length=4000, allow_blank=True, required=False)
    slug = serializers.CharField(read_only=True)
    push_url = serializers.URLField(read_only=True)
    interval = StrictInteger(
        min_value=1,
        max_value=MOST_WINDOW_SECONDS,
        required=False,
        help_text="Expected cadence in seconds, for display and advice. Default 60.",
    )
    silent_after = StrictInteger(
        min_value=5,
        max_value=MOST_WINDOW_SECONDS,
        required=False,
        help_text="Seconds without a push until late; ignored with a schedule. Default 90.",
    )
    grace = StrictInteger(
        max_value=MOST_GRACE_SECONDS,
        required=False,
        help_text="Seconds from late to down. Default 0; with a schedule 300, and at least 60.",
    )
    schedule = ScheduleField(required=False, allow_null=True)
    timeout = StrictInteger(
        max_value=MOST_WINDOW_SECONDS, required=False, allow_null=True, help_text="Stored as given."
    )
    failures_to_open = StrictInteger(min_value=1, max_value=1000, required=False)
    passes_to_close = StrictInteger(min_value=1, max_value=1000, required=False)
    latency_limit_ms = StrictNumber(min_value=0, max_value=1e9, required=False, allow_null=True)
    severity = SeverityField(required=False)
    labels = LabelsField(required=False)
    require_token = StrictBoolean(required=False)
    arm_on_create = StrictBoolean(required=False)
    runbook_url = WebAddressField(allow_blank=True, required=False)
    state = MonitorStateField()
    cause = CauseField(allow_null=True)
    last_push_at = serializers.DateTimeField(read_only=True, allow_null=True)
    due_at = serializers.DateTimeField(read_only=True, allow_null=True)
    paused = serializers.BooleanField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)

    def validate_name(self, value: str) -> str:
        """Return the name. Raises ValidationError for one that cannot be pushed to."""
        check_monitor_name(value)
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the fields as the services take them. Raises ValidationError."""
        present: Monitor | None = self.context.get("monitor")
        if "schedule" in attrs:
            schedule = attrs.pop("schedule") or {"cron": "", "timezone": ""}
            attrs["cron"], attrs["cron_timezone"] = schedule["cron"], schedule["timezone"]
        cron = attrs.get("cron", present.cron if present else "")
        grace = attrs.get("grace", present.grace if present else 0)
        # 0 asks for the default; anything between is a mistake better said than mended.
        if cron and 0 < grace < CRON_GRACE_LEAST_SECONDS:
            text = f"With a schedule the grace is at least {CRON_GRACE_LEAST_SECONDS} seconds."
            raise ValidationError({"grace": [ErrorDetail(text, code="min_value")]})
        return attrs

    def to_representation(self, monitor: Monitor) -> dict[str, Any]:
        """Return the monitor as it stands."""
        standing: Standing = self.context["standings"][monitor.pk]
        slug: str = monitor.slug  # type: ignore[attr-defined]  # annotated by with_standing
        shown: dict[str, Any] = {
            "id": str(monitor.pk),
            "namespace": monitor.namespace.name,
            "name": monitor.name,
            "description": monitor.description,
            "slug": slug,
            "push_url": push_url(slug),
        }
        if "token" in self.context:
            shown["token"] = self.context["token"]
        return shown | {
            "interval": monitor.interval,
            "silent_after": monitor.silent_after,
            "grace": effective_grace_seconds(monitor.window),
            "schedule": _schedule(monitor),
            "timeout": monitor.timeout,
            "failures_to_open": monitor.failures_to_open,
            "passes_to_close": monitor.passes_to_close,
            "latency_limit_ms": monitor.latency_limit_ms,
            "severity": monitor.severity,
            "labels": monitor.labels,
            "require_token": monitor.require_token,
            "arm_on_create": monitor.arm_on_create,
            "runbook_url": monitor.runbook_url,
            "state": standing.state,
            "cause": standing.cause,
            "last_push_at": _iso(monitor.heartbeat.last_push_at),
            "due_at": _iso(standing.due_at),
            "paused": standing.state == State.PAUSED,
            "created_at": _iso(monitor.created_at),
        }


class MonitorWithTokenSerializer(MonitorSerializer):
    """A monitor with its token, which is shown at creation and rotation and never again."""

    token = serializers.CharField(read_only=True, allow_null=True)


class CredentialRotationSerializer(StrictSerializer):
    """How long the old credential goes on working."""

    keep_old_for = StrictInteger(
        max_value=MOST_GRACE_SECONDS, default=0, help_text="Seconds; 0 ends it at once."
    )


class ResultSerializer(serializers.ModelSerializer[PushResult]):
    """One accepted push."""

    status = ResultStatusField()
    labels = serializers.SerializerMethodField()

    class Meta:
        model = PushResult
        fields = ["id", "status", "latency_ms", "message", "labels", "received_at"]
        read_only_fields = fields

    def get_labels(self, result: PushResult) -> dict[str, str]:
        """Return the labels; none given is an empty object."""
        return result.labels or {}


class TransitionSerializer(serializers.Serializer[Any]):
    """One change of state. From down to down says that a further cause joined."""

    at = serializers.DateTimeField(read_only=True)
    to = TransitionStateField(source="to_state")
    cause = CauseField(allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        """Return the fields; `from` is no name that Python lets a class have."""
        at, to, cause = super().get_fields().values()
        return {
            "at": at,
            "from": TransitionStateField(source="from_state"),
            "to": to,
            "cause": cause,
        }


class NotListeningSerializer(serializers.Serializer[Any]):
    """A time in which the installation could accept no push: no silence of the monitor's."""

    to = serializers.DateTimeField()

    def get_fields(self) -> dict[str, Any]:
        """Return the fields, `from` among them."""
        return {"from": serializers.DateTimeField(), **super().get_fields()}


class UptimeSerializer(serializers.Serializer[Any]):
    """How much of a time a monitor was up; time spent pending or paused is not known time."""

    days = serializers.IntegerField()
    to = serializers.DateTimeField()
    uptime = serializers.FloatField(allow_null=True, help_text="0 to 1; null if nothing is known.")
    down_seconds = serializers.IntegerField()
    known_seconds = serializers.IntegerField()
    not_listening = NotListeningSerializer(
        many=True,
        help_text="When this installation could accept no push, newest first, 100 at most. "
        "Deadlines were extended by these times, and nobody was paged for them.",
    )

    def get_fields(self) -> dict[str, Any]:
        """Return the fields, `from` among them."""
        days, *others = super().get_fields().items()
        return dict([days, ("from", serializers.DateTimeField()), *others])


def _schedule(monitor: Monitor) -> dict[str, str] | None:
    cron = monitor.schedule
    return {"cron": cron.expression, "timezone": cron.timezone} if cron else None


def _iso(at: datetime | None) -> str | None:
    text: str | None = serializers.DateTimeField().to_representation(at) if at else None
    return text
