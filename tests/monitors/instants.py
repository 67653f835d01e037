"""Instants that tests of schedules and deadlines speak of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, settings

from monitors.schedule import Gap

START = datetime(2027, 1, 1, 12, tzinfo=UTC)
NEW_YORK = "America/New_York"
few = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
# (zone, a day on which its clock changes)
CHANGES = [
    (NEW_YORK, "2027-03-14"), (NEW_YORK, "2027-11-07"),
    ("Europe/Berlin", "2027-03-28"), ("Europe/Berlin", "2027-10-31"),
    ("Australia/Lord_Howe", "2027-04-03"), ("Australia/Lord_Howe", "2027-10-02"),
    ("Pacific/Apia", "2011-12-30"), ("Pacific/Apia", "2012-03-31"),
    ("Africa/Cairo", "2027-04-30"), ("America/Santiago", "2027-04-04"),
    ("Asia/Kolkata", "2027-03-14"), ("UTC", "2027-03-14"),
]  # fmt: skip


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def gaps_of(*spans: tuple[float, float]) -> list[Gap]:
    return [Gap(at(start), at(end)) for start, end in spans]
