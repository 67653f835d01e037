"""A mass outage with one person on call, on a whole installation as `make up` runs it.

Ten thousand monitors of one team fall due in one moment. A rotation of one person is paged for all
of them, while monitors of another team fail by pushes. Then all ten thousand pass again.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from bench.whole import Installation, Receiver, made_up

LEAD_SECONDS = 6.0  # from making the monitors fall due to the moment in which they do
MOST_SECONDS = 60.0  # so long each part may take before it counts as never
LOOK_SECONDS = 0.1
OTHERS_AT = (1.0, 5.0, 20.0)
MINUTE, SLACK_SECONDS = 60.0, 1.0
PERSON, OTHER = "ana@acme.example", "ben@beta.example"

_MONITOR_ID = "('019c0000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid"

# name: make_monitors
# Monitors of the team, up for an hour, as an INSERT for each table.
MAKE_MONITORS = f"""
INSERT INTO monitors_monitor (team_id, id, namespace_id, name, description, "interval",
  silent_after, grace, cron, cron_timezone, failures_to_open, passes_to_close, severity, labels,
  require_token, arm_on_create, runbook_url, created_at, updated_at)
SELECT n.team_id, {_MONITOR_ID}, n.id, 'worker-' || i, '', 60, 90, 0, '', '', 1, 1, 'critical',
  jsonb_build_object('region', 'region-' || i %% 7, 'service', 'service-' || i %% 50),
  false, false, '', now(), now()
FROM generate_series(1, %(monitors)s::bigint) AS i, accounts_namespace n WHERE n.name = 'acme'
"""
MAKE_HEARTBEATS = """
INSERT INTO monitors_heartbeat (team_id, monitor_id, state, open_causes, consecutive_fails,
  consecutive_slow, consecutive_passes, last_status, last_push_at, clock_from, check_at)
SELECT team_id, id, 'up', 0, 0, 0, 60, 'pass', now(), now(), now() + interval '1 hour'
FROM monitors_monitor WHERE name LIKE 'worker-%'
"""
MAKE_KEYS = """
INSERT INTO monitors_pushkey (team_id, value, monitor_id, is_current, created_at)
SELECT team_id, right(id::text, 12), id, true, now() FROM monitors_monitor
WHERE name LIKE 'worker-%'
"""

# name: silence_all
# Let all of them fall due in the same moment, a little later than now.
SILENCE = """
UPDATE monitors_heartbeat h SET check_at = %(due)s,
  clock_from = %(due)s - make_interval(secs => m.silent_after),
  last_push_at = %(due)s - make_interval(secs => m.silent_after)
FROM monitors_monitor m WHERE m.id = h.monitor_id AND m.name LIKE 'worker-%%'
"""

# name: recover_all
# Let all of them pass again, as the recorder would write it.
RECOVER = """
WITH moved AS (
  UPDATE monitors_heartbeat h SET state = 'up', cause = NULL, open_causes = 0, down_since = NULL,
    last_push_at = now(), clock_from = now(), check_at = now() + interval '1 hour'
  FROM monitors_monitor m WHERE m.id = h.monitor_id AND m.name LIKE 'worker-%'
    AND h.state = 'down' RETURNING h.team_id, h.monitor_id)
INSERT INTO monitors_transition (team_id, monitor_id, at, from_state, to_state, detail)
SELECT team_id, monitor_id, clock_timestamp(), 'down', 'up', '' FROM moved
"""

# name: count_incidents
# How many incidents of the outage there are, open and resolved.
INCIDENTS = """
SELECT count(*) FILTER (WHERE state = 'open'), count(*) FILTER (WHERE state = 'resolved')
FROM incidents_incident WHERE monitor_name LIKE 'worker-%'
"""

# name: count_deliveries
# How many messages of an event a contact has got, and when the last of them was recorded as
# delivered, in Unix seconds.
DELIVERIES = """
SELECT count(*), extract(epoch FROM max(finished_at))::float FROM incidents_delivery
WHERE event = %s AND contact LIKE %s AND state = 'delivered'
"""

# name: read_delivery
# What a mail carried: its own event, or a digest's counts.
CARRIED = "SELECT event, payload -> 'counts' FROM incidents_delivery WHERE id::text = %s"


@dataclass
class Paging:
    """What one person got of a turn of the outage; times in seconds from its moment."""

    first_seconds: float = float("nan")
    all_seconds: float = float("nan")  # until every message was delivered, by itself or in a digest
    per_minute: list[int] = field(default_factory=list)
    least_apart_seconds: float = float("nan")
    at: list[float] = field(default_factory=list)  # of each message
    subjects: list[str] = field(default_factory=list)
    told: int = 0  # as the messages themselves have it
    delivered: int = 0
    subjects_right: bool = False


@dataclass(frozen=True)
class Other:
    """The page of another team's monitor: seconds from its push until it arrived."""

    after_seconds: float
    webhook_seconds: float
    mail_seconds: float


@dataclass
class Outage:
    """A mass outage with one person on call."""

    monitors: int
    load_before: float
    first_open_seconds: float = float("nan")
    half_open_seconds: float = float("nan")
    all_open_seconds: float = float("nan")
    all_resolved_seconds: float = float("nan")
    opened: Paging = field(default_factory=Paging)
    resolved: Paging = field(default_factory=Paging)
    most_in_a_minute: int = 0  # to the person on call, over both turns
    others: list[Other] = field(default_factory=list)
    listening_gaps: int = 0


def measure_on_call(
    *, monitors: int, minutes: float, parent: Path | None, say: Callable[[str], None]
) -> Outage:
    """Return how an outage of so many monitors went; each turn is watched for `minutes`."""
    with Receiver() as receiver, made_up(parent) as installation:
        return _measure(installation, receiver, monitors, minutes * MINUTE, say)


def _measure(
    installation: Installation,
    receiver: Receiver,
    monitors: int,
    seconds: float,
    say: Callable[[str], None],
) -> Outage:
    _route_to_one_person(installation, installation.bootstrap(PERSON, "acme"))
    others = _make_others(installation, receiver, installation.bootstrap(OTHER, "beta"))
    with installation.connect() as connection:
        connection.execute(MAKE_MONITORS, {"monitors": monitors})
        connection.execute(MAKE_HEARTBEATS)
        connection.execute(MAKE_KEYS)
        for table in ("monitors_monitor", "monitors_heartbeat", "monitors_pushkey"):
            connection.execute(f"VACUUM (ANALYZE) {table}")
        time.sleep(5)  # mails of the making, and the first looks at rotations
        outage = Outage(monitors=monitors, load_before=os.getloadavg()[0])
        connection.execute("TRUNCATE monitors_listeninggap")
        due = time.time() + LEAD_SECONDS
        connection.execute(SILENCE, {"due": datetime.fromtimestamp(due, UTC)})
        connection.execute("VACUUM (ANALYZE) monitors_heartbeat")
        failing = threading.Thread(
            target=_fail_others, args=(installation, receiver, others, due, outage.others)
        )
        failing.start()
        marks = _watch(connection, due, 0, [1, monitors // 2, monitors])
        outage.first_open_seconds, outage.half_open_seconds, outage.all_open_seconds = marks
        say(
            f"{monitors:,} silent at once: first incident open after {marks[0]:.1f} s, half "
            f"after {marks[1]:.1f} s, all after {marks[2]:.1f} s"
        )
        failing.join()
        for other in outage.others:
            say(
                f"another team's page, {other.after_seconds:g} s after: webhook "
                f"{other.webhook_seconds:.1f} s, mail {other.mail_seconds:.1f} s"
            )
        outage.opened = _read_paging(installation, connection, "opened", due, seconds, monitors)
        _say_paging(outage.opened, "opened", say)
        recovered = time.time()
        connection.execute(RECOVER)
        [outage.all_resolved_seconds] = _watch(connection, recovered, 1, [monitors])
        say(f"all resolved after {outage.all_resolved_seconds:.1f} s")
        outage.resolved = _read_paging(
            installation, connection, "resolved", recovered, seconds, monitors
        )
        _say_paging(outage.resolved, "resolved", say)
        outage.most_in_a_minute = most_in_a_minute(
            [due + at for at in outage.opened.at] + [recovered + at for at in outage.resolved.at]
        )
        say(f"most messages to the person in a minute: {outage.most_in_a_minute}")
        gaps = connection.execute("SELECT count(*) FROM monitors_listeninggap").fetchone()
        outage.listening_gaps = gaps[0] if gaps else 0
    return outage


def _route_to_one_person(installation: Installation, key: str) -> None:
    """Page the owner, through a rotation and a policy, for everything."""
    layer = {"unit": "week", "length": 1, "handoff": "2026-01-05T09:00", "members": [PERSON]}
    rotation = installation.create(key, "rotations", name="all", timezone="UTC", layers=[layer])
    steps = [{"delay": 0, "targets": [{"rotation": rotation["id"]}]}]
    policy = installation.create(key, "escalation-policies", name="all", steps=steps)
    installation.create(key, "alert-rules", name="all", position=0, match={}, policy=policy["id"])


def _make_others(
    installation: Installation, receiver: Receiver, key: str
) -> Sequence[dict[str, Any]]:
    """Return monitors of another team, up, whose failures page a webhook and a person."""
    channel = installation.create(
        key, "channels", name="hook", kind="webhook", config={"url": receiver.url}
    )
    targets = [{"channel": channel["id"]}, {"member": OTHER}]
    steps = [{"delay": 0, "targets": targets}]
    policy = installation.create(key, "escalation-policies", name="all", steps=steps)
    installation.create(key, "alert-rules", name="all", position=0, match={}, policy=policy["id"])
    monitors = [
        installation.create(key, "monitors", name=f"other-{number}-end", silent_after=3600)
        for number in range(len(OTHERS_AT))
    ]
    for monitor in monitors:
        installation.push(monitor, "pass")
    return monitors


def _watch(
    connection: psycopg.Connection[tuple[Any, ...]], start: float, column: int, marks: list[int]
) -> list[float]:
    """Return when so many incidents were committed, in seconds from `start`; inf for never."""
    reached: list[float] = []
    time.sleep(max(0.0, start - time.time()))
    while len(reached) < len(marks) and time.time() < start + MOST_SECONDS:
        row: Any = connection.execute(INCIDENTS).fetchone()
        at = time.time() - start
        while len(reached) < len(marks) and row[column] >= marks[len(reached)]:
            reached.append(at)
        time.sleep(LOOK_SECONDS)
    return reached + [float("inf")] * (len(marks) - len(reached))


def _fail_others(
    installation: Installation,
    receiver: Receiver,
    monitors: Sequence[dict[str, Any]],
    due: float,
    found: list[Other],
) -> None:
    """Let the other team's monitors fail, each in its moment, and note when their pages come."""
    pushed = []
    for after, monitor in zip(OTHERS_AT, monitors, strict=True):
        time.sleep(max(0.0, due + after - time.time()))
        pushed.append(time.time())
        installation.push(monitor, "fail")
    for after, monitor, at in zip(OTHERS_AT, monitors, pushed, strict=True):
        name, came = monitor["name"], float("inf")
        while time.time() < at + MOST_SECONDS:
            mails = installation.mails(OTHER, since=at)
            came = next((mail.at for mail in mails if name in mail.subject), float("inf"))
            if came < float("inf") and name in receiver.arrived:
                break
            time.sleep(LOOK_SECONDS)
        hooked = receiver.arrived.get(name, float("inf"))
        found.append(Other(after, hooked - at, came - at))


def _read_paging(
    installation: Installation,
    connection: psycopg.Connection[tuple[Any, ...]],
    kind: str,
    start: float,
    seconds: float,
    monitors: int,
) -> Paging:
    """Watch what the person gets of one turn for so long, and return it."""
    paging = Paging(all_seconds=float("inf"))
    pattern = f"%{PERSON}"
    time.sleep(max(0.0, start + seconds - time.time()))
    row: Any = connection.execute(DELIVERIES, [f"incident.{kind}", pattern]).fetchone()
    paging.delivered = row[0]
    if row[0] == monitors:
        paging.all_seconds = row[1] - start
    mails = installation.mails(PERSON, since=start)
    if not mails:
        return paging
    times = [mail.at - start for mail in mails]
    paging.at, paging.first_seconds = times, times[0]
    paging.per_minute = per_minute(times, seconds)
    paging.least_apart_seconds = min(
        (later - sooner for sooner, later in itertools.pairwise(times)),
        default=float("inf"),
    )
    paging.subjects = [mail.subject for mail in mails]
    paging.subjects_right = True
    for mail in mails:
        row = connection.execute(CARRIED, [mail.key]).fetchone()
        event, counts = row or ("", None)
        carried = counts.get(kind, 0) if counts else int(event == f"incident.{kind}")
        paging.told += carried
        if counts and str(carried) not in re.findall(r"\d+", mail.subject.replace(",", "")):
            paging.subjects_right = False
    return paging


def per_minute(times: Sequence[float], seconds: float) -> list[int]:
    """Return how many messages came in each minute, counted from the first message."""
    first = times[0]
    minutes = max(1, int((seconds - first) // MINUTE) + 1)
    counts = [0] * minutes
    for at in times:
        counts[min(minutes - 1, int((at - first) // MINUTE))] += 1
    return counts


def most_in_a_minute(times: Sequence[float]) -> int:
    """Return how many messages came in the busiest minute, for times in order.

    The pace is kept by the moment of the claim. A mail is written some tenths of a second later,
    one sooner than the other, so a minute is a second shorter here.
    """
    return max(
        (sum(start <= at < start + MINUTE - SLACK_SECONDS for at in times) for start in times),
        default=0,
    )


def _say_paging(paging: Paging, kind: str, say: Callable[[str], None]) -> None:
    say(
        f"{kind}: first message after {paging.first_seconds:.1f} s, by minute "
        f"{paging.per_minute}, {paging.least_apart_seconds:.1f} s apart, {paging.told:,} told, "
        f"{paging.delivered:,} delivered after {paging.all_seconds:.1f} s: {paging.subjects}"
    )


if __name__ == "__main__":
    began = time.monotonic()
    print(
        measure_on_call(
            monitors=int(sys.argv[1]),
            minutes=float(sys.argv[2]),
            parent=None,
            say=lambda line: print(f"[{time.monotonic() - began:5.0f} s] {line}", flush=True),
        )
    )
