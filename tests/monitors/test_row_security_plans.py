"""Row-level security costs the engine nothing: its statements are planned as without."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django_scopes import scope, scopes_disabled

from accounts.database.standing import as_owner
from accounts.models import Team
from monitors import sweep
from monitors.ingest import statement
from monitors.queries import database_now
from tests.monitors.pushing import make_monitors

BATCH = {"batch": '[{"n": 0, "slug": "abcdefghijkl", "fail": false}]'}


def plan(sql: str, values: Any, *, session: str = "") -> str:
    with connection.cursor() as cursor:
        if session:
            cursor.execute(session)
        cursor.execute(f"EXPLAIN (COSTS OFF) {sql}", values)
        return "\n".join(row[0] for row in cursor.fetchall())


def in_words(planned: str) -> list[list[str]]:
    """Return the words of each line, sorted: which side of an equation is named first is chance."""
    return [sorted(re.findall(r"[\w.:]+", line)) for line in planned.splitlines()]


def values() -> dict[str, Any]:
    ids = ["01890000-0000-7000-8000-000000000000"]
    return {"limit": 2000, "until": database_now(), "ids": ids, "rows": "[]"} | BATCH


@pytest.mark.parametrize(
    "name", ["RECORD", "RECORD_ONCE", "LOCK", "CLAIM", "APPLY_FIXED", "APPLY_GIVEN", "IRREGULAR"]
)
def test_the_engines_statements_have_the_owners_plans(team: Team, name: str) -> None:
    make_monitors(team, 3)
    sql = getattr(statement, name, None) or getattr(sweep, name)
    session = statement.SESSION if hasattr(statement, name) else ""
    given = values()
    with as_owner():
        bare = plan(sql, given, session=session)
    with scopes_disabled():
        secured = plan(sql, given, session=session)
    assert in_words(secured) == in_words(bare)
    with scope(team=team):
        assert plan(sql, given) != bare  # the policy of a team would show


def test_a_teams_conditions_reach_their_indexes(team: Team) -> None:
    """The policy's condition is one more, and hides no index from those beside it."""
    (monitor,) = make_monitors(team, 1)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    for sql, reached in (
        (
            "SELECT * FROM monitors_pushresult WHERE monitor_id = %(id)s ORDER BY received_at DESC",
            "Index Cond: (monitor_id = ",
        ),
        ("SELECT * FROM monitors_monitor WHERE id = %(id)s", "(id = "),
        ("SELECT * FROM monitors_monitor WHERE name = 'x'", "team"),
    ):
        with scope(team=team):
            found = plan(sql, {"id": monitor.pk})
        assert "Index Cond" in found, found
        assert reached in found, found
