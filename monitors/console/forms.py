"""The form of a monitor: two questions in front, the rest behind "More settings"."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy
from rest_framework.exceptions import ValidationError as RefusedName

from accounts.console.forms import DurationField
from accounts.durations import say_duration
from accounts.models import validate_slug
from monitors.api.fields import check_monitor_name
from monitors.ingest.fields import MOST_LABEL_KEY, MOST_LABEL_VALUE, MOST_LABELS
from monitors.models import DAY_SECONDS, Monitor, Severity
from monitors.schedule import CRON_GRACE_LEAST_SECONDS, InvalidSchedule, parse_cron

SILENT_MOST = 400 * DAY_SECONDS
GRACE_MOST = 30 * DAY_SECONDS
# What a lost token may cost: how long the old credential goes on working after a rotation.
OVERLAPS = [
    (0, "at once"),
    (3_600, "after 1 hour"),
    (86_400, "after 1 day"),
    (604_800, "after 7 days"),
]


def suggest_silent_after(interval: int) -> int:
    """Return how much silence is too much for a cadence: half of it again, at most an hour more."""
    return max(5, interval + min(max(interval // 2, 5), 3_600))


class TextField(forms.CharField):
    """Text of several lines. Browsers end these with CR LF, which alone is no change."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether the text differs in more than its line ends."""
        before, after = ((text or "").replace("\r\n", "\n") for text in (initial, data))
        return super().has_changed(before, after)


class MonitorForm(forms.Form):
    """Create or edit a monitor; `values()` are the arguments of the service."""

    name = forms.CharField(
        max_length=253,
        help_text="What pushes, for example “nightly-backup”.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )
    interval = DurationField(
        label="It pushes every",
        least=1,
        most=SILENT_MOST,
        help_text="The expected cadence: 30 s, 5 min, 1 day.",
        widget=forms.TextInput(attrs={"list": "cadences"}),
    )
    silent_after = DurationField(
        label="Down after a silence of",
        required=False,
        least=5,
        most=SILENT_MOST,
        help_text="Leave it empty for the cadence and half of it again (at most an hour more).",
    )
    description = TextField(
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="For whoever is paged: what this is, and what its silence means.",
    )
    namespace = forms.CharField(
        max_length=63,
        required=False,
        validators=[validate_slug],
        help_text="Names are unique within it. A free one becomes your team's.",
    )
    grace = DurationField(
        required=False,
        least=0,
        most=GRACE_MOST,
        help_text="Late, but not down yet, for this long after that silence.",
    )
    cron = forms.CharField(
        label="Cron schedule",
        required=False,
        max_length=200,
        help_text="Instead of a silence: a push is due after each run, as in “15 3 * * *”.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    cron_timezone = forms.CharField(
        label="Time zone of the schedule",
        required=False,
        max_length=64,
        help_text="For example Europe/Berlin. UTC if left empty.",
    )
    failures_to_open = forms.IntegerField(
        label="Failures in a row until it is down", initial=1, min_value=1, max_value=1000
    )
    passes_to_close = forms.IntegerField(
        label="Passes in a row until it is up again", initial=1, min_value=1, max_value=1000
    )
    latency_limit_ms = forms.FloatField(
        label="Slow above (ms)",
        required=False,
        min_value=0,
        max_value=1e9,
        help_text="A slower pass counts towards down. Empty for no limit.",
    )
    severity = forms.ChoiceField(
        choices=[(value, value.capitalize()) for value in Severity.values],
        initial=Severity.CRITICAL.value,
        error_messages={
            "invalid_choice": gettext_lazy(
                "“%(value)s” is no severity. Use critical, warning or info."
            )
        },
    )
    labels = TextField(
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="One per line: env=production. Alert rules and searches match on them.",
    )
    runbook_url = forms.CharField(
        label="Runbook",
        required=False,
        max_length=2000,
        validators=[URLValidator(schemes=["http", "https"])],
        help_text="An http or https address, linked from every page and message.",
    )
    require_token = forms.BooleanField(
        label="Refuse pushes without the token",
        required=False,
        help_text="The push URL alone is then not enough.",
    )
    arm_on_create = forms.BooleanField(
        label="Expect the first push at once",
        required=False,
        help_text="Otherwise silence counts from the first push.",
    )

    FRONT = ("name", "interval", "silent_after")

    def __init__(self, *args: Any, monitor: Monitor | None = None, **kwargs: Any) -> None:
        self.monitor = monitor
        if monitor is not None:
            kwargs["initial"] = initial_of(monitor)
        super().__init__(*args, **kwargs)

    @property
    def shows_more(self) -> bool:
        """Whether something behind "More settings" is wrong, or changed in a form that is."""
        noted = {*self.errors, *(self.changed_data if self.errors else ())}
        return any(name not in self.FRONT for name in noted)

    def clean_name(self) -> str:
        """Refuse what a push URL could not carry."""
        name: str = self.cleaned_data["name"]
        try:
            check_monitor_name(name)
        except RefusedName:
            raise ValidationError(
                "Choose another name: without slashes and control characters, and not “results”."
            ) from None
        return name

    def clean_labels(self) -> dict[str, str]:
        """Read one `key=value` per line."""
        labels: dict[str, str] = {}
        for line in self.cleaned_data["labels"].splitlines():
            if not line.strip():
                continue
            key, found, value = line.partition("=")
            key, value = key.strip(), value.strip()
            if not found or not key:
                raise ValidationError(f"Write “{line.strip()[:80]}” as key=value.")
            if len(key) > MOST_LABEL_KEY or len(value) > MOST_LABEL_VALUE:
                raise ValidationError(
                    f"“{key[:80]}” is too long: {MOST_LABEL_KEY} characters for a key, "
                    f"{MOST_LABEL_VALUE} for a value."
                )
            labels[key] = value
        if len(labels) > MOST_LABELS:
            raise ValidationError(f"Keep at most {MOST_LABELS} labels.")
        return labels

    def clean(self) -> dict[str, Any]:
        """Check the schedule as a whole, and choose the silence where none was given."""
        data = super().clean() or self.cleaned_data
        if data.get("cron"):
            try:
                cron = parse_cron(data["cron"], data.get("cron_timezone") or "UTC")
            except InvalidSchedule as error:
                field = "cron" if error.field == "cron" else "cron_timezone"
                self.add_error(field, f"It {error.message}.")
            else:
                data["cron"], data["cron_timezone"] = cron.expression, cron.timezone
        else:
            data["cron_timezone"] = ""
        interval = data.get("interval")
        if interval and data.get("silent_after") is None and "silent_after" not in self.errors:
            data["silent_after"] = min(suggest_silent_after(interval), SILENT_MOST)
        silent = data.get("silent_after")
        if interval and silent and silent < interval and not data.get("cron"):
            self.add_error(
                "silent_after",
                f"That is shorter than the cadence, {say_duration(interval)}: it would be down "
                "between two pushes.",
            )
        if data.get("grace") is None and "grace" not in self.errors:
            data["grace"] = 0
        if data.get("cron") and 0 < data.get("grace", 0) < CRON_GRACE_LEAST_SECONDS:
            self.add_error("grace", "With a schedule the grace is at least 1 min.")
        return data

    def values(self) -> dict[str, Any]:
        """Return what the monitor service takes."""
        values = dict(self.cleaned_data)
        namespace = values.pop("namespace")
        if namespace and (self.monitor is None or namespace != self.monitor.namespace.name):
            values["namespace"] = namespace
        return values


def initial_of(monitor: Monitor) -> dict[str, Any]:
    """Return a monitor's settings as the form shows them."""
    plain = {name: getattr(monitor, name) for name in MonitorForm.base_fields if name != "labels"}
    lines = [f"{key}={value}" for key, value in sorted(monitor.labels.items())]
    return {**plain, "namespace": monitor.namespace.name, "labels": "\n".join(lines)}


class RotateForm(forms.Form):
    """When the old push URL or token stops working."""

    keep_old_for = forms.TypedChoiceField(
        label="The old one stops working", coerce=int, choices=OVERLAPS, initial=0
    )
