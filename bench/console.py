"""The console of a large team: 5,000 monitors, a million results of the last day.

Ten of the monitors push every second, the others some thirty times a day; a hundred are down. Each
page is asked for by one person, one after the other, of gunicorn as `make up` runs it: the time is
that of the whole answer over loopback. A form without any of the team's rows is the smallest page,
which the others are compared to.
"""

from __future__ import annotations

import dataclasses
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from bench.installation import Bed, serving
from bench.load import LoadFailed
from bench.pages import APPLICATION

MONITORS, RESULTS, BUSY, DOWN, RESOLVED = 5_000, 1_000_000, 10, 100, 2_000
DAY_SECONDS = 86_400
TEAM = "bench-console"
EMAIL = "console@bench.example"
SMALLEST = "form of a new monitor"

# name: make_console_monitors
# The busy ones come first by name; every fiftieth of the others is down.
MAKE_MONITORS = """
WITH made AS (
  INSERT INTO monitors_monitor (team_id, id, namespace_id, name, description, "interval",
    silent_after, grace, cron, cron_timezone, failures_to_open, passes_to_close, severity, labels,
    require_token, arm_on_create, runbook_url, created_at, updated_at)
  SELECT %(team)s, ('019c0000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, %(namespace)s,
    CASE WHEN i <= %(busy)s THEN 'a-busy-' ELSE 'worker-' END || lpad(i::text, 5, '0'), '',
    60, 90, 0, '', '', 1, 1, (ARRAY['critical', 'warning', 'info'])[i %% 3 + 1],
    jsonb_build_object('region', 'region-' || i %% 7, 'service', 'service-' || i %% 50,
      'env', CASE i %% 5 WHEN 0 THEN 'staging' ELSE 'production' END),
    false, false, '', now() - interval '30 days', now()
  FROM generate_series(1, %(monitors)s) AS i RETURNING team_id, id
), keys AS (
  INSERT INTO monitors_pushkey (team_id, value, monitor_id, is_current, created_at)
  SELECT team_id, right(id::text, 12), id, true, now() FROM made
)
INSERT INTO monitors_heartbeat (team_id, monitor_id, state, cause, open_causes, last_push_at,
  last_status, consecutive_fails, consecutive_slow, consecutive_passes, down_since, clock_from)
SELECT team_id, id, CASE WHEN is_down THEN 'down' ELSE 'up' END,
  CASE WHEN is_down THEN 'failure' END, CASE WHEN is_down THEN 2 ELSE 0 END, now(),
  CASE WHEN is_down THEN 'fail' ELSE 'pass' END, is_down::int, 0, (NOT is_down)::int,
  CASE WHEN is_down THEN now() - interval '1 hour' END, now()
FROM (SELECT *, row_number() OVER (ORDER BY id) > %(busy)s
  AND row_number() OVER (ORDER BY id) %% %(every)s = 0 AS is_down FROM made) m
"""

# name: make_console_results
# Results spread evenly over the last day.
MAKE_RESULTS = """
INSERT INTO monitors_pushresult (team_id, monitor_id, received_at, id, status, latency_ms)
SELECT m.team_id, m.id, now() - make_interval(secs => %(day)s * (n - 0.5) / %(each)s),
  gen_random_uuid(), 'pass', 50 + 20 * sin(n / 500.0) + 10 * random()
FROM generate_series(1, %(each)s) AS n, monitors_monitor m
WHERE m.team_id = %(team)s AND (m.name LIKE 'a-busy-%%') = %(busy)s
"""

# name: make_console_transitions
# A monitor that is down went down an hour ago; every third of all was down once today.
MAKE_TRANSITIONS = """
INSERT INTO monitors_transition
  (team_id, monitor_id, at, from_state, to_state, cause, detail, handled_at)
SELECT t.team_id, t.id, now() - make_interval(mins => t.ago), t.was, t.becomes,
  CASE t.becomes WHEN 'down' THEN 'failure' END, '', now()
FROM (
  SELECT m.team_id, m.id, c.ago, c.was, c.becomes
  FROM monitors_monitor m JOIN monitors_heartbeat h ON h.monitor_id = m.id
  CROSS JOIN (VALUES (400, 'up', 'down'), (380, 'down', 'up'), (60, 'up', 'down'))
    AS c (ago, was, becomes)
  WHERE m.team_id = %(team)s AND CASE WHEN c.ago = 60 THEN h.state = 'down'
    ELSE right(m.id::text, 1) IN ('0', '3', '6', '9', 'c') END
) t ORDER BY t.ago DESC
"""

# name: make_console_incidents
# What is down has an open incident; older ones are resolved.
MAKE_INCIDENTS = """
INSERT INTO incidents_incident (team_id, id, monitor_id, monitor_name, namespace, state, cause,
  severity, summary, down_since, opened_at, resolved_at, resolved_reason, flapping, step_seq)
SELECT m.team_id, gen_random_uuid(), m.id, m.name, %(slug)s, i.state, 'failure', m.severity,
  m.name || ' reported a failure', i.at, i.at, i.until,
  CASE WHEN i.until IS NOT NULL THEN 'recovered' END, false, 0
FROM (
  SELECT monitor_id AS id, 'open' AS state, down_since AS at, NULL::timestamptz AS until
  FROM monitors_heartbeat WHERE team_id = %(team)s AND state = 'down'
  UNION ALL
  SELECT ('019c0000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'resolved',
    now() - make_interval(hours => n + 2), now() - make_interval(hours => n + 1)
  FROM generate_series(1, %(resolved)s) AS n
) i JOIN monitors_monitor m ON m.id = i.id
"""


@dataclasses.dataclass(frozen=True)
class Look:
    """How long one page took."""

    name: str
    p50_ms: float
    most_ms: float
    times_smallest: float
    body_bytes: int


@dataclasses.dataclass(frozen=True)
class Filled:
    """The team, and who looks at it."""

    cookie: str
    monitors: int
    results: int
    monitor_id: str


def fill_team(
    bed: Bed, *, monitors: int = MONITORS, results: int = RESULTS, busy: int = BUSY
) -> Filled:
    """Make the team with its monitors, results and incidents, and a session of its owner's."""
    from django.db import connection as ours
    from django_scopes import scopes_disabled

    from accounts.models import Namespace, User
    from accounts.teams import create_team, verify_address

    user = User.objects.create_user(EMAIL)
    verify_address(user)
    team = create_team(slug=TEAM, name="Bench", owner=user)
    with scopes_disabled():
        namespace = Namespace.objects.get(team=team)
    cookie = log_in(user)
    ours.close()
    rest = max(1, (results - busy * DAY_SECONDS) // (monitors - busy))
    values: dict[str, Any] = {
        "team": team.pk,
        "namespace": namespace.pk,
        "slug": TEAM,
        "monitors": monitors,
        "busy": busy,
        "every": max(2, monitors // DOWN),
        "day": DAY_SECONDS,
        "resolved": min(RESOLVED, monitors),
    }
    with bed.connect() as connection:
        connection.execute("SET session_replication_role = replica; SET work_mem = '256MB'")
        connection.execute(MAKE_MONITORS, values)
        stored = 0
        for is_busy, each in ((True, DAY_SECONDS), (False, rest)):
            done = connection.execute(MAKE_RESULTS, {**values, "busy": is_busy, "each": each})
            stored += done.rowcount
        connection.execute(MAKE_TRANSITIONS, values)
        connection.execute(MAKE_INCIDENTS, values)
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")
        row: Any = connection.execute(
            "SELECT id FROM monitors_monitor WHERE team_id = %s ORDER BY name LIMIT 1", [team.pk]
        ).fetchone()
    return Filled(cookie, monitors, stored, str(row[0]))


def log_in(user: Any) -> str:
    """Return the cookie of a new session of theirs."""
    from importlib import import_module

    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


def pages_of(filled: Filled) -> dict[str, str]:
    """Return the pages that are measured, by name, the smallest last."""
    return {
        "list, worst first": "monitors/",
        "list, those that push every second": "monitors/?sort=name",
        "list, asked again": "monitors/?sort=name#again",
        "list, the last page": f"monitors/?page={-(-filled.monitors // 50)}",
        "list, one label and a search": "monitors/?label=service%3Aservice-7&search=worker",
        "home": "",
        "monitor that pushes every second": f"monitors/{filled.monitor_id}/",
        "incidents": "incidents/",
        SMALLEST: "monitors/new",
    }


def measure_console(bed: Bed, *, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Fill the team and ask for each page in turns, `rounds` times; return the figures."""
    import requests

    filled = fill_team(bed)
    say(f"{filled.monitors:,} monitors, {filled.results:,} results")
    paths = pages_of(filled)
    times: dict[str, list[float]] = {name: [] for name in paths}
    sizes: dict[str, int] = {}
    with serving(APPLICATION, bed) as url, requests.Session() as session:
        session.headers["Cookie"] = filled.cookie
        order = list(paths)
        for n in range(rounds + 2):
            random.Random(n).shuffle(order)
            for name in order:
                path, _, again = paths[name].partition("#")
                headers = {"HX-Request": "true"} if again else {}
                started = time.perf_counter()
                answer = session.get(
                    f"{url}/t/{TEAM}/{path}", headers=headers, timeout=30, allow_redirects=False
                )
                took = time.perf_counter() - started
                if answer.status_code != 200:
                    raise LoadFailed(f"{name}: {answer.status_code}")
                sizes[name] = len(answer.content)
                if n >= 2:  # the first rounds warm templates and caches
                    times[name].append(took * 1000)
    smallest = statistics.median(times[SMALLEST])
    looks = []
    for name, found in times.items():
        p50 = statistics.median(found)
        looks.append(Look(name, p50, max(found), p50 / smallest, sizes[name]))
        say(f"{name}: {p50:.0f} ms, {p50 / smallest:.1f} x the smallest, {sizes[name]:,} bytes")
    return {
        "monitors": filled.monitors,
        "results": filled.results,
        "busy": BUSY,
        "pages": [dataclasses.asdict(look) for look in looks],
    }
