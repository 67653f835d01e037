"""The audit log: who changed what, and from what to what."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, QueryDict

from accounts.access import Access
from accounts.audit_log import changed_fields, narrow_events
from accounts.audit_triggers import HIDDEN
from accounts.console.pages import render_page, team_page
from accounts.durations import say_time
from accounts.models import AuditEvent, Scope
from accounts.zones import reader_zone

PAGE_ROWS = 50
# As the log has instants: they are shown in the reader's zone.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[+-]\d\d(?::?\d\d)?|Z)")
FIELD_WORDS = {
    "at": "time",
    "body": "text",
    "created_at": "made",
    "delete_at": "to be deleted",
    "delete_asked_by": "deletion asked for by",
    "disabled_at": "disabled since",
    "domain_verified_at": "domain proved",
    "ends_at": "end",
    "expires_at": "expiry",
    "published_at": "published",
    "resolved_at": "resolved",
    "revoked_at": "revoked",
    "scheduled_for": "begin",
    "scheduled_until": "end",
    "starts_at": "begin",
    "started_at": "begin",
    "verified_at": "confirmed",
}
MOST_SHOWN = 2000
KIND_WORDS = {
    "alert_rule": "Alert rule",
    "api_key": "API key",
    "channel": "Channel",
    "component": "Component",
    "component_group": "Component group",
    "contact_method": "Contact method",
    "escalation_policy": "Escalation policy",
    "incident": "Incident",
    "invitation": "Invitation",
    "maintenance": "Maintenance",
    "member": "Member",
    "monitor": "Monitor",
    "namespace": "Namespace",
    "override": "Override",
    "post": "Status page post",
    "post_template": "Post template",
    "rotation": "Rotation",
    "saved_view": "Saved view",
    "secret": "Secret",
    "status_page": "Status page",
    "subscriber": "Subscriber",
    "team": "Team",
}


@dataclass(frozen=True)
class Filters:
    """What the address asks for."""

    search: str
    kind: str
    actor: str
    since: str
    until: str

    @property
    def active(self) -> bool:
        """Return whether anything is filtered."""
        return bool(self.search or self.kind or self.actor or self.since or self.until)


@dataclass(frozen=True)
class Change:
    """One field of an event, as text; empty where there was or is none."""

    field: str
    before: str
    after: str

    @property
    def hidden(self) -> bool:
        """Return whether it became another secret."""
        return self.before == self.after == HIDDEN


@dataclass(frozen=True)
class Entry:
    """An event as a row of the page."""

    event: AuditEvent
    kind: str
    deed: str
    changes: list[Change]


@team_page(Scope.ADMIN)
def list_events(request: HttpRequest, access: Access) -> HttpResponse:
    """Show what people and keys did, newest first."""
    filters = read_filters(request.GET)
    events = narrow_events(
        AuditEvent.objects.order_by("-at", "-id"),
        search=filters.search,
        kind=filters.kind,
        actor=filters.actor,
        since=_midnight(filters.since),
        until=_midnight(filters.until, days=1),
    )
    page = Paginator(events, PAGE_ROWS).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "page": page,
        "entries": [show_event(event) for event in page],
        "filters": filters,
        "kinds": sorted(KIND_WORDS.items(), key=lambda row: row[1]),
        "section": "settings",
    }
    return render_page(request, access, "accounts/audit.html", context)


def read_filters(query: QueryDict) -> Filters:
    """Return the filters of a query string; what cannot be read filters nothing."""

    def read(name: str) -> str:
        return query.get(name, "").replace("\x00", "").strip()[:254]

    kind = read("kind")
    return Filters(
        search=read("search"),
        kind=kind if kind in KIND_WORDS else "",
        actor=read("actor"),
        since=read("since") if _midnight(read("since")) else "",
        until=read("until") if _midnight(read("until")) else "",
    )


def show_event(event: AuditEvent) -> Entry:
    """Return the row for an event."""
    before, after = changed_fields(event)
    fields = [*after, *(name for name in before if name not in after)]
    word = event.action.rpartition(".")[2]
    return Entry(
        event=event,
        kind=KIND_WORDS.get(event.kind, event.kind.replace("_", " ").capitalize()),
        deed=word,
        changes=[
            Change(_words(name), _text(before, name), _text(after, name))
            for name in fields
            if word == "updated" or before.get(name) not in _EMPTY or after.get(name) not in _EMPTY
        ],
    )


_EMPTY: tuple[Any, ...] = (None, "", [], {})


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    if name not in values or value is None:
        text = ""
    elif isinstance(value, list) and all(isinstance(part, dict) for part in value):
        text = "\n".join(_line(part) for part in value)
    elif isinstance(value, dict):
        text = _line(value)
    else:
        text = _plain(value)
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…"


def _line(part: dict[str, Any]) -> str:
    """Return a part of a thing on one line; what it has not is left out."""
    said = [f"{_words(k)}: {_plain(v)}" for k, v in part.items() if v not in _EMPTY]
    return ", ".join(said)


def _plain(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if not _INSTANT.fullmatch(value):
        return value
    try:
        return say_time(datetime.fromisoformat(value), reader_zone())
    except ValueError:
        return value


def _words(name: str) -> str:
    return FIELD_WORDS.get(name) or name.removesuffix("_hash").replace("_", " ")


def _midnight(text: str, *, days: int = 0) -> datetime | None:
    """Return the beginning of a day in UTC, `days` later; None for what is no day."""
    try:
        day = date.fromisoformat(text)
        if not 1970 <= day.year <= 9000:
            return None
        return datetime.combine(day, time(), tzinfo=UTC) + timedelta(days=days)
    except ValueError:
        return None
