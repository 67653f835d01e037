"""The mass guard: an improbable wave of silences over several teams waits for half a minute.

Services of many teams do not fall silent together. When they seem to, it is most likely us: a path
that some pushes take and others do not, a clock, an error in the sweep itself. So the first such
wave is not written but held back for `MASS_GUARD_SECONDS` (30, at most 60) on the database's clock;
the operator is paged at once, the canary has the time to notice what is wrong, and what is then
still silent is written together and told in digests.

**What is improbable.** Within 30 s, the silences written and those that are due: of at least
`MASS_GUARD_TEAMS` (3) teams; without the team that has most of them still `MASS_GUARD_MONITORS`
(50), and `MASS_GUARD_PERCENT` (20) of the armed monitors of those other teams. One team's outage is
therefore never held back, however large, nor anything in an installation of one or two teams.

**What is never lost.** Holding back means that the batch is undone and nothing is judged for a
while: the alarms stay where they are, in the heartbeats, and so does the one row that says until
when. Whoever sweeps after that time goes on, whatever has died meanwhile. From then on the guard
rests for 15 minutes: an outage that is real is held back once.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from accounts.internal import INTERNAL_TEAM

WINDOW_SECONDS = 30
REST_SECONDS = 900
COUNT_SECONDS = 2  # counting what is due takes longer than judging a batch
CENSUS_SECONDS = 30  # counting all that is armed takes longer still
CENSUS_MARGIN = 2

# name: holds
# Whether silences are held back now.
HOLDS = "SELECT held_until > clock_timestamp() FROM monitors_massguard WHERE id = 1"

# name: guard
# What the guard knows, for whoever holds the sweep's lock.
GUARD = """
SELECT recent, extract(epoch FROM clock_timestamp())::bigint,
  coalesce(count_at <= clock_timestamp(), true), coalesce(rest_until > clock_timestamp(), false)
FROM monitors_massguard WHERE id = 1
"""
_MAKE = """
INSERT INTO monitors_massguard (id, recent, monitors, teams) VALUES (1, '{}', 0, 0)
ON CONFLICT DO NOTHING
"""

# name: teams
# How many of these monitors each team has; our own do not count.
TEAMS = """
SELECT team_id, count(*) FROM monitors_heartbeat
WHERE monitor_id = ANY(%(ids)s::uuid[]) AND team_id <> %(internal)s GROUP BY team_id
"""

# name: due
# How many monitors with fixed windows are due besides, of all teams but one.
DUE = """
SELECT h.team_id, count(*) FROM monitors_heartbeat h JOIN monitors_monitor m ON m.id = h.monitor_id
WHERE h.check_at <= %(until)s AND h.team_id <> ALL(%(left_out)s::uuid[]) AND m.cron = ''
  AND h.open_causes & 1 = 0
  AND h.clock_from + make_interval(secs => m.silent_after + m.grace) <= %(until)s
  AND NOT EXISTS (SELECT FROM monitors_listeninggap g WHERE g.ended_at > h.clock_from)
GROUP BY h.team_id
"""

# name: armed
# How many monitors could fall silent, by team.
ARMED = """
SELECT team_id, count(*) FROM monitors_heartbeat
WHERE check_at IS NOT NULL AND team_id <> %(internal)s GROUP BY team_id
"""

# name: census
# What ARMED said a moment ago.
CENSUS = """
SELECT armed FROM monitors_massguard
WHERE id = 1 AND armed_at <= clock_timestamp()
  AND armed_at > clock_timestamp() - make_interval(secs => %(kept)s)
"""

# name: keep_census
KEEP_CENSUS = """
UPDATE monitors_massguard SET armed = %(armed)s, armed_at = clock_timestamp() WHERE id = 1
"""

# name: tally
# Keep the latest silences.
TALLY = """
UPDATE monitors_massguard SET recent = %(recent)s,
  count_at = CASE WHEN %(counted)s THEN clock_timestamp() + make_interval(secs => %(every)s)
    ELSE count_at END
WHERE id = 1
"""

# name: hold
# From now on nothing is judged for a while; after that the guard rests.
HOLD = """
UPDATE monitors_massguard SET recent = '{}', monitors = %(monitors)s, teams = %(teams)s,
  count_at = NULL, held_from = clock_timestamp(),
  held_until = clock_timestamp() + make_interval(secs => %(hold)s),
  rest_until = clock_timestamp() + make_interval(secs => %(hold)s + %(rest)s)
WHERE id = 1
"""


@dataclass(frozen=True, slots=True)
class Wave:
    """Silences that are held back: how many, and of how many teams."""

    monitors: int
    teams: int


def is_holding(cursor: Any) -> bool:
    """Return whether silences are held back now."""
    cursor.execute(HOLDS)
    row = cursor.fetchone()
    return bool(row and row[0])


def find_wave(cursor: Any, silent: Sequence[Any], until: datetime) -> Wave | None:
    """Return the wave that these silences, just written, belong to; None if they are believable.

    The caller holds the sweep's lock. It undoes what it wrote if there is a wave, and calls `hold`.
    """
    if not silent or settings.MASS_GUARD_SECONDS <= 0:
        return None
    cursor.execute(_MAKE)
    cursor.execute(GUARD)
    recent, now, may_count, rests = cursor.fetchone()
    if rests:
        return None
    cursor.execute(TEAMS, {"ids": list(silent), "internal": INTERNAL_TEAM})
    fresh = {str(team): count for team, count in cursor.fetchall()}
    if not fresh:
        return None
    kept = json.loads(recent) if isinstance(recent, str) else recent
    kept = {second: by for second, by in kept.items() if int(second) > now - WINDOW_SECONDS}
    known: Counter[str] = Counter(kept.get(str(now), {}))
    known.update(fresh)
    kept[str(now)] = known
    totals = _add_up(kept.values())
    counts = may_count and len(totals) > 1
    if counts and (wave := _judge(cursor, totals, until)):
        return wave
    values = {"recent": json.dumps(kept), "counted": counts, "every": COUNT_SECONDS}
    cursor.execute(TALLY, values)
    return None


def hold(cursor: Any, wave: Wave) -> None:
    """Judge nothing for `MASS_GUARD_SECONDS`."""
    cursor.execute(_MAKE)
    values = {"hold": settings.MASS_GUARD_SECONDS, "rest": REST_SECONDS}
    cursor.execute(HOLD, {"monitors": wave.monitors, "teams": wave.teams} | values)


def _add_up(parts: Any) -> Counter[str]:
    totals: Counter[str] = Counter()
    for part in parts:
        totals.update(part)
    return totals


def _judge(cursor: Any, totals: Counter[str], until: datetime) -> Wave | None:
    largest, _ = totals.most_common(1)[0]
    cursor.execute(DUE, {"until": until, "left_out": [UUID(largest), INTERNAL_TEAM]})
    waiting: dict[str, int] = defaultdict(int, {str(team): n for team, n in cursor.fetchall()})
    whole = Counter(totals)
    whole.update(waiting)
    rest = whole.total() - max(whole.values())
    if len(whole) < settings.MASS_GUARD_TEAMS or rest < settings.MASS_GUARD_MONITORS:
        return None
    # What the last census said has changed a little since, by silences and by hand. Only what would
    # be no wave of twice the size is not worth another.
    census = _kept_census(cursor)
    if census is not None and not _is_wave(CENSUS_MARGIN * rest, census.total() - census[largest]):
        return None
    census = _take_census(cursor)
    written = totals.total() - totals[largest]
    if not _is_wave(rest, census.total() - census[largest] + written):
        return None
    return Wave(monitors=whole.total(), teams=len(whole))


def _is_wave(silent: int, armed: int) -> bool:
    return silent * 100 >= armed * int(settings.MASS_GUARD_PERCENT)


def _kept_census(cursor: Any) -> Counter[str] | None:
    cursor.execute(CENSUS, {"kept": CENSUS_SECONDS})
    row = cursor.fetchone()
    if row is None:
        return None
    return Counter(json.loads(row[0]) if isinstance(row[0], str) else row[0])


def _take_census(cursor: Any) -> Counter[str]:
    cursor.execute(ARMED, {"internal": INTERNAL_TEAM})
    census = Counter({str(team): count for team, count in cursor.fetchall()})
    cursor.execute(KEEP_CENSUS, {"armed": json.dumps(census)})
    return census
