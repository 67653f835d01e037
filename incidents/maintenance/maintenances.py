"""Changing a team's maintenance windows, and writing out their occurrences as spans.

Whether a monitor is in maintenance is asked for every outage of every batch, so it is a look-up
among spans, not arithmetic. A window that repeats has its spans written 60 days ahead, and
`refresh_spans` extends them; one that does not has its only span from the start.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import IntegrityError, transaction
from django_scopes import scopes_disabled

from accounts.models import Team
from accounts.zones import zone_names
from incidents.maintenance.announcing import hold_page
from incidents.maintenance.recurrence import clean_rrule
from incidents.maintenance.windows import BadRule, BadWindow, Window, check_window, spans
from incidents.models import Maintenance, MaintenanceMonitor, MaintenanceSpan
from monitors.models import Monitor
from monitors.queries import database_now

AHEAD = timedelta(days=60)
EXTEND_BELOW = timedelta(days=30)
KEEP_PAST = timedelta(days=400)
_COLUMNS = {
    **{name: name for name in ("name", "labels", "starts_at", "ends_at", "rrule", "timezone")},
    "status_page": "status_page_id",
}

log = logging.getLogger(__name__)


class DuplicateName(Exception):  # noqa: N818 - it names what happened
    """The team has a window of that name."""


class MonitorGone(Exception):  # noqa: N818
    """A monitor that the window should name was deleted at this moment."""


class PageGone(Exception):  # noqa: N818
    """The team has no status page of that id, or it was deleted at this moment."""


class NothingChosen(Exception):  # noqa: N818
    """The window names no monitor and no label, so it would cover nothing."""


def create_maintenance(
    *,
    team: Team,
    name: str,
    monitors: Collection[Monitor] = (),
    labels: Mapping[str, str] | None = None,
    starts_at: datetime,
    ends_at: datetime,
    rrule: str = "",
    timezone: str = "UTC",
    status_page: UUID | None = None,
) -> Maintenance:
    """Create a window for the monitors named and for those that carry all the labels.

    On its `status_page` each occurrence of the next two weeks is announced. Raises DuplicateName,
    NothingChosen, MonitorGone, PageGone, and BadWindow or BadRule, which say why.
    """
    maintenance = Maintenance(
        team=team,
        name=name,
        labels=dict(labels or {}),
        starts_at=starts_at,
        ends_at=ends_at,
        rrule=clean_rrule(rrule),
        timezone=timezone,
        status_page_id=status_page,
    )
    _check(maintenance)
    with _changing():
        _hold_page(team.pk, status_page)
        maintenance.save(force_insert=True)
        _name_monitors(maintenance, monitors)
        _rewrite_spans(maintenance)
    return maintenance


def update_maintenance(
    *,
    maintenance: Maintenance,
    monitors: Collection[Monitor] | None = None,
    **fields: object,
) -> Maintenance:
    """Change `name`, `labels`, the times, `rrule`, `timezone`, `status_page`, and the monitors.

    Occurrences that are over stay as they were; one that has begun ends now, unless the new
    definition has it as well. Raises as `create_maintenance` does, and Maintenance.DoesNotExist
    if the window has just been deleted.
    """
    if unknown := set(fields) - set(_COLUMNS):
        raise TypeError(f"not fields of a window: {', '.join(sorted(unknown))}")
    with _changing():
        _hold_page(maintenance.team_id, fields.get("status_page"))
        found = Maintenance.objects.select_for_update(no_key=True).get(pk=maintenance.pk)
        for name, value in fields.items():
            setattr(found, _COLUMNS[name], clean_rrule(value) if name == "rrule" else value)  # type: ignore[arg-type]
        _check(found)
        found.save(update_fields=[_COLUMNS[name] for name in fields])
        if monitors is not None:
            _name_monitors(found, monitors)
        elif "labels" in fields and not found.labels and not found.monitor_links.exists():
            raise NothingChosen
        _rewrite_spans(found)
    return found


def end_maintenance(*, maintenance: Maintenance) -> Maintenance:
    """End a window that is on and does not repeat, at this moment."""
    return update_maintenance(maintenance=maintenance, ends_at=database_now())


def delete_maintenance(*, maintenance: Maintenance) -> None:
    """Delete a window and every trace of its occurrences; what it held back opens."""
    with _changing():
        Maintenance.objects.filter(pk=maintenance.pk).delete()


def refresh_spans(*, now: datetime, limit: int) -> int:
    """Extend the spans of up to `limit` windows that repeat; return how many there were.

    Spans that ended over 400 days ago are dropped. Call it every hour or so, for all teams.
    """
    with _changing():
        MaintenanceSpan.objects.filter(ends_at__lt=now - KEEP_PAST).delete()
        due = Maintenance.objects.filter(spans_until__lt=now + EXTEND_BELOW).order_by("spans_until")
        found = list(due.select_for_update(no_key=True, skip_locked=True)[:limit])
        for maintenance in found:
            written = maintenance.spans_until
            assert written is not None
            _write_spans(maintenance, since=min(written, now), until=now + AHEAD)
    return len(found)


def window_of(maintenance: Maintenance) -> Window:
    """Return the definition of a window. Raises BadWindow for a time zone that is not there."""
    try:
        zone = ZoneInfo(maintenance.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadWindow("This is not a known IANA time zone.", "timezone") from None
    return Window(maintenance.starts_at, maintenance.ends_at, maintenance.rrule, zone)


def _hold_page(team_id: UUID, page_id: object) -> None:
    # Before the window's row: whoever deletes a page takes the locks in this order.
    if isinstance(page_id, UUID) and not hold_page(team_id, page_id):
        raise PageGone


def _check(maintenance: Maintenance) -> None:
    if maintenance.timezone not in zone_names():
        raise BadWindow("This is not a known IANA time zone.", "timezone")
    check_window(window_of(maintenance))


def _rewrite_spans(maintenance: Maintenance) -> None:
    now = database_now()
    rows = MaintenanceSpan.objects.filter(maintenance=maintenance)
    rows.filter(starts_at__gte=now).delete()
    until = now + AHEAD if maintenance.rrule else maintenance.ends_at
    fresh = [start for start, _ in spans(window_of(maintenance), now, until)]
    rows.filter(starts_at__in=fresh).delete()
    rows.filter(ends_at__gt=now).update(ends_at=now)  # it was maintenance until this moment
    _write_spans(maintenance, since=now, until=until)


def _write_spans(maintenance: Maintenance, *, since: datetime, until: datetime) -> None:
    try:
        found = spans(window_of(maintenance), since, until)
    except (BadRule, BadWindow):
        # It was good when it was stored: the zone is gone. The others must not wait for this one.
        log.exception("cannot extend maintenance window %s", maintenance.pk)
        found = []
    MaintenanceSpan.objects.bulk_create(
        (
            MaintenanceSpan(
                team_id=maintenance.team_id, maintenance=maintenance, starts_at=start, ends_at=end
            )
            for start, end in found
        ),
        ignore_conflicts=True,
    )
    maintenance.spans_until = until if maintenance.rrule else None
    maintenance.save(update_fields=["spans_until"])


def _name_monitors(maintenance: Maintenance, monitors: Collection[Monitor]) -> None:
    if not monitors and not maintenance.labels:
        raise NothingChosen
    MaintenanceMonitor.objects.filter(maintenance=maintenance).delete()
    MaintenanceMonitor.objects.bulk_create(
        MaintenanceMonitor(
            team_id=maintenance.team_id, maintenance=maintenance, monitor_id=monitor_id
        )
        for monitor_id in dict.fromkeys(monitor.pk for monitor in monitors)
    )


@contextmanager
def _changing() -> Iterator[None]:
    try:
        with transaction.atomic(), scopes_disabled():
            yield
    except IntegrityError as error:
        if "maintenance_name_once" in str(error):
            raise DuplicateName from error
        if "maintenancemonitor_monitor_team" in str(error):
            raise MonitorGone from error
        raise
