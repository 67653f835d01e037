"""The form of an alert rule, edited without a script, and the one that asks for a dry run."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from accounts.models import Namespace
from accounts.zones import zone_names
from incidents.console.rotation_forms import Hours, read_wall
from incidents.models import AlertRule, Channel, EscalationPolicy, empty_match
from incidents.policies.rehearsal import subject_of
from incidents.routing import Subject
from monitors.ingest.fields import MOST_LABEL_KEY, MOST_LABEL_VALUE, MOST_LABELS
from monitors.models import Monitor, Severity
from monitors.state import Cause

MOST_NAME, MOST_GLOB, MOST_ENTRIES = 120, 253, 100
SEVERITIES = [(value, value.capitalize()) for value in Severity.values]
CAUSES = [
    (Cause.SILENCE.value, "It went silent"),
    (Cause.FAILURE.value, "It failed"),
    (Cause.LATENCY.value, "It is slow"),
]
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


@dataclass
class ZonedHours(Hours):
    """Hours of the week in which a rule takes incidents, by the clocks of a zone."""

    timezone: str = "UTC"


@dataclass
class RuleDraft:
    """A rule as it was typed so far. Lists are of ids and words, as text."""

    name: str = ""
    labels: str = ""
    namespaces: list[str] = field(default_factory=list)
    names: str = ""
    severities: list[str] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    hours: list[ZonedHours] = field(default_factory=list)
    policy: str = ""
    channels: list[str] = field(default_factory=list)
    continues: bool = False
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.errors and not any(entry.error for entry in self.hours)

    def change(self, what: str) -> None:
        """Do what a button says: "add-hours", "drop-hours:1"."""
        action, _, number = what.partition(":")
        if action == "add-hours" and len(self.hours) < MOST_ENTRIES:
            zone = self.hours[-1].timezone if self.hours else "UTC"
            self.hours.append(ZonedHours(timezone=zone, is_new=True))
        elif action == "drop-hours" and re.fullmatch("[0-9]{1,3}", number):
            del self.hours[int(number) : int(number) + 1]


def draft_of(rule: AlertRule) -> RuleDraft:
    """Return a rule as the form shows it."""
    match = {**empty_match(), **rule.match}
    return RuleDraft(
        name=rule.name,
        labels="\n".join(f"{key}={value}" for key, value in match["labels"].items()),
        namespaces=list(match["namespaces"]),
        names="\n".join(match["names"]),
        severities=list(match["severities"]),
        causes=list(match["causes"]),
        hours=[
            ZonedHours(
                weekdays=[str(day) for day in entry.get("weekdays") or range(7)],
                start=entry.get("from") or "00:00",
                end=_show_end(entry.get("to")),
                timezone=entry.get("timezone") or "UTC",
            )
            for entry in match["hours"]
        ],
        policy=str(rule.policy_id or ""),
        channels=[str(pk) for pk in rule.channels.values_list("pk", flat=True)],
        continues=rule.continue_matching,
    )


def read_draft(data: QueryDict) -> RuleDraft:
    """Return what a form sent, untouched."""
    hours = [
        ZonedHours(
            weekdays=data.getlist(f"hours-{n}-weekday"),
            start=data.get(f"hours-{n}-from", ""),
            end=data.get(f"hours-{n}-to", ""),
            timezone=data.get(f"hours-{n}-timezone", "").strip(),
        )
        for n in range(min(len(data.getlist("hours")), MOST_ENTRIES))
    ]
    return RuleDraft(
        name=data.get("name", ""),
        labels=data.get("labels", ""),
        namespaces=data.getlist("namespaces"),
        names=data.get("names", ""),
        severities=data.getlist("severities"),
        causes=data.getlist("causes"),
        hours=hours,
        policy=data.get("policy", ""),
        channels=data.getlist("channels"),
        continues="continue" in data,
    )


def read_values(draft: RuleDraft, *, is_catch_all: bool) -> dict[str, Any]:
    """Return what the services take; what is wrong is noted in the draft."""
    name = draft.name.strip()
    if not name or len(name) > MOST_NAME or not name.isprintable():
        draft.errors["name"] = f"Give it a name of up to {MOST_NAME} characters."
    values: dict[str, Any] = {
        "name": name,
        "policy": _find_policy(draft),
        "channels": _find_channels(draft),
    }
    if is_catch_all:
        return values
    match = {
        "labels": _read_labels(draft),
        "namespaces": _read_namespaces(draft),
        "names": _read_names(draft),
        "severities": _read_words(draft, "severities", Severity.values),
        "causes": _read_words(draft, "causes", [cause.value for cause in Cause]),
        "hours": [_read_hours(entry) for entry in draft.hours],
    }
    return values | {"match": match, "continue_matching": draft.continues}


def namespace_choices(draft: RuleDraft) -> list[str]:
    """Return the team's namespaces, and those that the rule names though the team has them not."""
    ours = list(Namespace.objects.order_by("name").values_list("name", flat=True))
    return ours + sorted(set(draft.namespaces) - set(ours))


def _find_policy(draft: RuleDraft) -> EscalationPolicy | None:
    if not draft.policy:
        return None
    found = EscalationPolicy.objects.filter(pk__in=_ids([draft.policy])).first()
    if found is None:
        draft.errors["policy"] = "This policy is gone. Choose another."
    return found


def _find_channels(draft: RuleDraft) -> list[Channel]:
    found = list(Channel.objects.filter(pk__in=_ids(draft.channels)).order_by("name"))
    if len(found) != len(set(draft.channels)):
        draft.errors["channels"] = "One of these channels is gone. Choose again."
    return found


def _ids(texts: list[str]) -> list[UUID]:
    ids = []
    for text in texts:
        try:
            ids.append(UUID(text))
        except ValueError:
            continue
    return ids


def _read_labels(draft: RuleDraft) -> dict[str, str]:
    labels: dict[str, str] = {}
    for line in filter(str.strip, draft.labels.splitlines()):
        key, found, value = (part.strip() for part in line.partition("="))
        if not found or not key or not line.strip().isprintable():
            draft.errors["labels"] = f"Write “{line.strip()[:80]}” as key=value."
        elif len(key) > MOST_LABEL_KEY or len(value) > MOST_LABEL_VALUE:
            draft.errors["labels"] = (
                f"“{key[:80]}” is too long: {MOST_LABEL_KEY} characters for a key, "
                f"{MOST_LABEL_VALUE} for a value."
            )
        labels[key] = value
    if len(labels) > MOST_LABELS:
        draft.errors["labels"] = f"Keep at most {MOST_LABELS} labels."
    return labels


def _read_namespaces(draft: RuleDraft) -> list[str]:
    wanted = list(dict.fromkeys(draft.namespaces))
    if len(wanted) > MOST_ENTRIES or any(
        not 0 < len(name) <= 63 or not name.isprintable() for name in wanted
    ):
        draft.errors["namespaces"] = "Choose again."
    return wanted


def _read_names(draft: RuleDraft) -> list[str]:
    lines = (line.strip() for line in draft.names.splitlines())
    names = list(dict.fromkeys(line for line in lines if line))
    if len(names) > MOST_ENTRIES or any(
        len(name) > MOST_GLOB or not name.isprintable() for name in names
    ):
        draft.errors["names"] = (
            f"Give up to {MOST_ENTRIES} names, each of up to {MOST_GLOB} characters."
        )
    return names


def _read_words(draft: RuleDraft, name: str, words: list[str]) -> list[str]:
    chosen = list(dict.fromkeys(getattr(draft, name)))
    if set(chosen) - set(words):
        draft.errors[name] = "Choose again."
    return chosen


def _read_hours(entry: ZonedHours) -> dict[str, Any]:
    days = sorted({int(day) for day in entry.weekdays if re.fullmatch("[0-6]", day)})
    if not days:
        entry.error = "Choose at least one day."
    elif not _CLOCK.fullmatch(entry.start) or not _CLOCK.fullmatch(entry.end):
        entry.error = "Give both times, as 09:00."
    elif entry.timezone not in zone_names():
        entry.error = "Choose a time zone, for example Europe/Berlin."
    return {
        "weekdays": days,
        "from": entry.start,
        "to": entry.end,
        "timezone": entry.timezone,
    }


def _show_end(text: str | None) -> str:
    # A time field knows no 24:00; 00:00 as the end means the same.
    return "00:00" if text in (None, "24:00") else text


class DryRunForm(forms.Form):
    """Which monitor, why, and when (UTC)."""

    monitor = forms.CharField(
        max_length=320,
        widget=forms.TextInput(
            attrs={"list": "monitors", "autocapitalize": "none", "spellcheck": "false"}
        ),
        help_text="Its name, or namespace/name.",
    )
    made_up = forms.BooleanField(
        label="It does not exist yet",
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )
    labels = forms.CharField(
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "tier=gold"}),
        help_text="One key=value a line. Empty for those that it has.",
    )
    severity = forms.ChoiceField(
        choices=[("", "The monitor's own"), *SEVERITIES],
        required=False,
    )
    cause = forms.ChoiceField(
        label="What happens", choices=CAUSES, required=False, initial=Cause.SILENCE.value
    )
    at = forms.CharField(
        label="When (UTC)",
        required=False,
        max_length=30,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text="Empty for now.",
    )

    def clean_monitor(self) -> Monitor | None:
        """Find the monitor; None for one that is made up.

        Raises ValidationError if the team has none or several of the name.
        """
        text = self.cleaned_data["monitor"].strip()
        namespace, found, name = text.rpartition("/")
        if self.data.get("made_up"):
            if not name:
                raise ValidationError("Give it a name after the slash.")
            return None
        monitors = Monitor.objects.select_related("namespace").filter(name=name)
        if found:
            monitors = monitors.filter(namespace__name=namespace)
        rows = list(monitors[:2])
        if len(rows) > 1:
            raise ValidationError("Several have this name: write it as namespace/name.")
        if not rows:
            raise ValidationError(
                "No monitor has this name. Tick “It does not exist yet” to make one up."
            )
        return rows[0]

    def clean_labels(self) -> dict[str, str]:
        """Return the labels. Raises ValidationError naming the line that is none."""
        draft = RuleDraft(labels=self.cleaned_data["labels"])
        labels = _read_labels(draft)
        if "labels" in draft.errors:
            raise ValidationError(draft.errors["labels"])
        return labels

    def clean_cause(self) -> str:
        """Return the cause; silence unless another is chosen."""
        return self.cleaned_data["cause"] or Cause.SILENCE.value

    def clean_at(self) -> datetime | None:
        """Return the instant, None for now."""
        text = self.cleaned_data["at"]
        return read_wall(text).replace(tzinfo=UTC) if text else None

    def subject(self, *, now: datetime) -> Subject:
        """Return what rules would look at: the monitor as it is, changed as far as was asked."""
        asked = self.cleaned_data
        monitor: Monitor | None = asked["monitor"]
        at = asked["at"] or now
        if monitor is not None:
            found = subject_of(
                monitor, cause=asked["cause"], at=at, severity=asked["severity"] or None
            )
            return replace(found, labels=asked["labels"]) if asked["labels"] else found
        namespace, _slash, name = self.data["monitor"].strip().rpartition("/")
        first = Namespace.objects.order_by("created_at", "name").values_list("name", flat=True)
        return Subject(
            labels=asked["labels"],
            namespace=namespace or first.first() or "",
            name=name,
            severity=asked["severity"] or Severity.CRITICAL.value,
            cause=asked["cause"],
            at=at,
        )
