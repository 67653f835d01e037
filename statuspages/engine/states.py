"""How components are shown: by hand, by plan, by posts, or by what their monitors say.

Every second a few cheap statements find the components that may have changed; only these are worked
out, written, and their pages' versions counted up. Derived history is a function of the monitors'
changes: it is worked out again from where it may differ, so what was missed is made up for, and two
rounds write the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F
from django_scopes import scopes_disabled

from incidents.rows import insert_rows, run_with_rows
from monitors.queries import database_now
from statuspages.engine import candidates
from statuspages.engine.candidates import Candidate, Clock, Fresh
from statuspages.engine.spans import Standing, Stored, Verdict, decide
from statuspages.history import Change, Past
from statuspages.models import Component, ComponentSpan, StatusPage

LIMIT = 5000
HISTORY = timedelta(days=92)  # 90 days in any zone
_REBUILT_A_ROUND = 200

# name: lock_pages
# The pages of some components, locked as the services lock them; who is being changed waits for
# the next round.
_LOCK_PAGES = """
SELECT id FROM statuspages_statuspage
WHERE id IN (SELECT page_id FROM statuspages_component WHERE id = ANY(%s))
ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
"""

# name: components
_COMPONENTS = """
SELECT id, team_id, page_id, rule, manual_status, status, status_since,
  history_stale_at IS NOT NULL
FROM statuspages_component WHERE id = ANY(%s) AND page_id = ANY(%s)
"""

# name: said
# What open posts say of components; planned work that has begun says maintenance.
_SAID = """
SELECT l.component_id, l.status, p.is_maintenance AND p.status IN ('in_progress', 'verifying')
FROM statuspages_postcomponent l JOIN statuspages_post p ON p.id = l.post_id
WHERE l.component_id = ANY(%s) AND p.resolved_at IS NULL AND p.published_at IS NOT NULL
"""

# name: spans
_SPANS = """
SELECT s.component_id, s.id, s.kind, s.started_at, s.ended_at, s.derived
FROM unnest(%s::uuid[], %s::timestamptz[]) AS r(id, since)
JOIN statuspages_componentspan s ON s.component_id = r.id
  AND (s.ended_at IS NULL OR s.ended_at > r.since)
ORDER BY s.started_at, s.id
"""

# name: pasts
# How the monitors of components stand, and how they came to it: in one statement, so that the
# states fit the changes.
_PASTS = """
SELECT r.id, m.created_at, h.state, t.changes
FROM unnest(%s::uuid[], %s::timestamptz[]) AS r(id, since)
JOIN statuspages_componentmonitor l ON l.component_id = r.id
JOIN monitors_monitor m ON m.id = l.monitor_id
JOIN monitors_heartbeat h ON h.monitor_id = l.monitor_id
LEFT JOIN LATERAL (
  SELECT json_agg(json_build_array(at, from_state, to_state, since) ORDER BY id) AS changes
  FROM monitors_transition
  WHERE monitor_id = l.monitor_id AND at > r.since AND to_state <> from_state
    AND to_state <> 'deleted') t ON true
"""

# name: show
# Write how components are shown.
_SHOW = """
UPDATE statuspages_component c SET status = r.status, status_since = r.since
FROM json_to_recordset(%s::json) AS r(id uuid, status text, since timestamptz)
WHERE c.id = r.id
"""

# name: end_spans
# Write when spans ended, or that they did not.
_END = """
UPDATE statuspages_componentspan s SET ended_at = r.ended
FROM json_to_recordset(%s::json) AS r(id bigint, ended timestamptz)
WHERE s.id = r.id
"""

# Changes that this process has seen to, until they are too old to be found. Another process that
# sees to them again writes nothing new.
_seen: dict[int, datetime] = {}


def refresh_components(*, limit: int = LIMIT) -> int:
    """Work out and write how components are shown; return how many are shown otherwise.

    Safe to run twice at once: the second does nothing. At most `limit` changes of monitors are
    looked at, the rest in the next round.
    """
    with scopes_disabled():
        with transaction.atomic():
            clock = candidates.take_clock()
            if clock is None:
                return 0
            fresh = candidates.fresh_changes(since=clock.since, seen=list(_seen), limit=limit)
            found = candidates.find_candidates(clock, fresh, limit=_REBUILT_A_ROUND)
            shown, skipped = _refresh(found, clock.now) if found else (0, False)
            if not skipped:
                _stamp(clock, fresh, limit)
        if not skipped:
            _remember(clock, fresh)
    return shown


def rebuild_history(component_ids: Collection[UUID]) -> None:
    """Work the last 90 days of components out again, as their monitors or rule changed.

    What people said of them, and maintenance, stays.
    """
    with scopes_disabled():
        Component.objects.filter(pk__in=component_ids).update(history_stale_at=database_now())
    refresh_components()


def _stamp(clock: Clock, fresh: Sequence[Fresh], limit: int) -> None:
    if clock.is_all_due:
        candidates.stamp(candidates.STAMP_ALL, clock.now)
    handled = [change.handled_at for change in fresh if change.handled_at is not None]
    if len(handled) >= limit:
        candidates.stamp(candidates.STAMP, max(handled))
    elif clock.last is None or clock.now - clock.last >= candidates.STAMP_EVERY:
        candidates.stamp(candidates.STAMP, clock.now)


def _remember(clock: Clock, fresh: Sequence[Fresh]) -> None:
    old = clock.since - candidates.LOOK_BACK
    for pk in [pk for pk, at in _seen.items() if at < old]:
        del _seen[pk]
    _seen.update((change.id, change.handled_at or clock.now) for change in fresh)


def _refresh(found: Sequence[Candidate], now: datetime) -> tuple[int, bool]:
    """Return how many components are shown otherwise, and whether any had to be left for later."""
    ids = [candidate.id for candidate in found]
    pages = [row[0] for row in _rows(_LOCK_PAGES, ids)]
    standings = _read(found, pages, now)
    verdicts = [decide(standing, now=now) for standing in standings]
    _write(verdicts)
    return sum(verdict.is_visible for verdict in verdicts), len(standings) < len(ids)


def _read(found: Sequence[Candidate], pages: Sequence[UUID], now: datetime) -> list[Standing]:
    began = {candidate.id: candidate.began for candidate in found}
    standings: dict[UUID, Standing] = {}
    for pk, team, page, rule, manual, status, since, stale in _rows(
        _COMPONENTS, list(began), pages
    ):
        start = now - HISTORY if stale else min(began[pk] or since, since)
        standings[pk] = Standing(pk, team, page, rule, manual, status, since, stale, start)
    ids = list(standings)
    sinces = [standing.since for standing in standings.values()]
    for pk, status, is_on in _rows(_SAID, ids):
        if is_on:
            standings[pk].in_maintenance = True
        elif status:
            standings[pk].said.append(status)
    with connection.cursor() as cursor:
        cursor.execute(candidates.COVERED, {"now": now})
        for (pk,) in cursor.fetchall():
            if pk in standings:
                standings[pk].in_maintenance = True
    for pk, *span in _rows(_SPANS, ids, sinces):
        standings[pk].spans.append(Stored(*span))
    # A span that reaches into the time is worked out from its start.
    sinces = [min([s.since, *(span.start for span in s.spans)]) for s in standings.values()]
    for pk, born_at, state, changes in _rows(_PASTS, ids, sinces):
        standings[pk].pasts.append(Past(born_at, state, _changes(changes)))
    return list(standings.values())


def _write(verdicts: Sequence[Verdict]) -> None:
    dropped = [pk for verdict in verdicts for pk in verdict.dropped]
    if dropped:
        ComponentSpan.objects.filter(pk__in=dropped).delete()
    ends = [{"id": pk, "ended": end} for v in verdicts for pk, end in v.ended.items()]
    # The ended ones first: a component has one open span at most.
    run_with_rows(_END, [row for row in ends if row["ended"] is not None])
    run_with_rows(_END, [row for row in ends if row["ended"] is None])
    insert_rows(
        ComponentSpan,
        [
            {
                "team_id": verdict.standing.team_id,
                "component_id": verdict.standing.id,
                "kind": str(new.kind),
                "started_at": new.start,
                "ended_at": new.end,
                "derived": new.derived,
            }
            for verdict in verdicts
            for new in verdict.added
        ],
    )
    run_with_rows(
        _SHOW,
        [
            {"id": v.standing.id, "status": str(v.status), "since": v.status_since}
            for v in verdicts
            if v.status != v.standing.status
        ],
    )
    stale = [verdict.standing.id for verdict in verdicts if verdict.standing.is_stale]
    if stale:
        Component.objects.filter(pk__in=stale).update(history_stale_at=None)
    _touch_pages({verdict.standing.page_id for verdict in verdicts if verdict.is_visible})


def _touch_pages(page_ids: Iterable[UUID]) -> None:
    if ids := list(page_ids):
        StatusPage.objects.filter(pk__in=ids).update(
            version=F("version") + 1, updated_at=database_now()
        )


def _changes(rows: Iterable[tuple[str, str, str, str | None]] | None) -> list[Change]:
    return [
        Change(
            datetime.fromisoformat(at),
            from_state,
            to_state,
            datetime.fromisoformat(since) if since else None,
        )
        for at, from_state, to_state, since in (rows or ())
    ]


def _rows(statement: str, *parameters: Sequence[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(parameter) for parameter in parameters])
        return list(cursor.fetchall())
