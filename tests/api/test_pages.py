from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.database.standing import as_owner
from accounts.ids import uuid7
from accounts.models import Team
from monitors.models import Monitor, PushResult, Transition
from tests.conftest import Api
from tests.factories import MonitorFactory


def walk(api: Api, path: str) -> list[list[Any]]:
    """Return the pages from the first to the last, and check that going back shows the same."""
    pages, link, seen = [], f"/api/v1/{path}", 0
    assert api.get(link)["previous"] is None
    while link:
        page = api.get(_local(link))
        pages.append(page["results"])
        last, link = page, page["next"]
        seen += 1
        assert seen < 50
    back, link = [last["results"]], last["previous"]
    while link:
        page = api.get(_local(link))
        back.insert(0, page["results"])
        assert page["next"]
        link = page["previous"]
    assert [row for page in back for row in page] == [row for page in pages for row in page]
    return pages


def _local(link: str) -> str:
    return link.removeprefix(settings.BASE_URL)


@pytest.mark.parametrize(("rows", "sizes"), [(0, [0]), (3, [3]), (4, [3, 1]), (7, [3, 3, 1])])
def test_pages_hold_every_row_once(api: Api, team: Team, rows: int, sizes: list[int]) -> None:
    made = [MonitorFactory(team=team).name for _ in range(rows)]
    pages = walk(api, "monitors?limit=3")
    assert [len(page) for page in pages] == sizes
    assert [row["name"] for page in pages for row in page] == made[::-1]


def test_rules_are_paged_in_order_with_the_catch_all_last(api: Api) -> None:
    for name in "abcde":
        api.make("alert-rules", name=name)
    pages = walk(api, "alert-rules?limit=2")
    assert [row["position"] for page in pages for row in page] == [0, 1, 2, 3, 4, None]


def test_rows_that_come_between_pages_change_nothing_before_them(api: Api, team: Team) -> None:
    MonitorFactory.create_batch(4, team=team)
    first = api.get("monitors?limit=2")
    MonitorFactory(team=team)
    second = api.get(_local(first["next"]))
    names = [row["name"] for row in first["results"] + second["results"]]
    assert len(set(names)) == 4
    assert second["next"] is None


def test_links_are_ours_whatever_the_host_header_says(api: Api, team: Team) -> None:
    MonitorFactory.create_batch(2, team=team, labels={"a": "b"})
    path = "monitors?limit=1&label=a:b"
    link = api("GET", path, headers={"Host": "localhost"}).json()["next"]
    assert link.startswith(settings.BASE_URL + "/api/v1/monitors?")
    query = parse_qs(urlsplit(link).query)
    assert (query["limit"], query["label"]) == (["1"], ["a:b"])


@pytest.mark.parametrize("limit", ["0", "-1", "abc", "1.5", "", "%D9%A3", "000"])
def test_a_limit_that_is_none_is_refused(api: Api, limit: str) -> None:
    problem = api("GET", f"monitors?limit={limit}", expect=400).json()
    assert problem["errors"][0]["field"] == "limit"


def test_a_limit_beyond_the_most_is_the_most(api: Api, team: Team) -> None:
    MonitorFactory(team=team)
    assert len(api.get("monitors?limit=5000")["results"]) == 1
    assert len(api.get("monitors?limit=" + "9" * 5000)["results"]) == 1


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "%00",
        "W10",
        "WyJuIl0",
        "WyJuIiwieCJd",
        "bnVsbA",
        "WyJuIiw1XQ",
        "e30",
        "%C3%A9",
        "W" * 600,
    ],
)
def test_a_made_up_cursor_is_refused(api: Api, cursor: str) -> None:
    for path in ("monitors", "alert-rules"):
        api("GET", f"{path}?cursor={cursor}", expect=400)


def results_of(monitor: Monitor, times: list[datetime], **fields: Any) -> None:
    with scopes_disabled():
        PushResult.objects.bulk_create(
            PushResult(
                id=uuid7(),
                team_id=monitor.team_id,
                monitor=monitor,
                received_at=at,
                status="pass",
                **fields,
            )
            for at in times
        )


def test_results_of_equal_times_are_neither_skipped_nor_repeated(api: Api, team: Team) -> None:
    monitor, other = MonitorFactory(team=team), MonitorFactory(team=team)
    at = now()
    results_of(monitor, [at] * 7 + [at + timedelta(microseconds=1)] * 2 + [at - timedelta(days=1)])
    results_of(other, [at])
    pages = walk(api, f"monitors/{monitor.pk}/results?limit=3")
    found = [row for page in pages for row in page]
    assert len({row["id"] for row in found}) == len(found) == 10
    times = [row["received_at"] for row in found]
    assert times == sorted(times, reverse=True)


def test_results_are_filtered(api: Api, team: Team) -> None:
    monitor = MonitorFactory(team=team)
    at = now().astimezone(UTC).replace(microsecond=0)
    results_of(monitor, [at - timedelta(hours=n) for n in range(4)], labels={"az": "b"})
    with scopes_disabled():
        PushResult.objects.filter(received_at=at).update(status="fail", labels=None, message="x")
    path = f"monitors/{monitor.pk}/results"
    [failed] = api.get(f"{path}?status=fail")["results"]
    assert failed == {
        "id": failed["id"],
        "status": "fail",
        "latency_ms": None,
        "message": "x",
        "labels": {},
        "received_at": at.isoformat().replace("+00:00", "Z"),
    }
    assert [r["labels"] for r in api.get(f"{path}?status=pass")["results"]] == [{"az": "b"}] * 3
    since = (at - timedelta(hours=2)).isoformat()  # with a + that a client forgot to quote
    assert len(api.get(f"{path}?since={since}")["results"]) == 3
    assert len(api.get(f"{path}?until={since}")["results"]) == 1
    for query in ("since=yesterday", "until=2027-01-01", "since=0001-01-01T00:00:00Z", "status=up"):
        api("GET", f"{path}?{query}", expect=400)


def test_a_page_of_results_is_read_from_the_index(api: Api, team: Team) -> None:
    monitor = MonitorFactory(team=team)
    start = now() - timedelta(hours=2)
    results_of(monitor, [start + timedelta(seconds=n) for n in range(3000)])
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("ANALYZE monitors_pushresult")
    first = api.get(f"monitors/{monitor.pk}/results?limit=10")
    with connection.execute_wrapper(_explain_results) as _:
        api.get(_local(first["next"]))
    [plan] = _plans
    assert "Index" in plan
    assert "Sort" not in plan.replace("Sort Key", "")


_plans: list[str] = []


def _explain_results(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    if 'FROM "monitors_pushresult"' in sql and not sql.startswith("EXPLAIN"):
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + sql, params)
            _plans.append("\n".join(row[0] for row in cursor.fetchall()))
    return execute(sql, params, many, context)


def test_transitions_are_paged_by_their_order(api: Api, team: Team) -> None:
    monitor = MonitorFactory(team=team)
    at = now()
    with scopes_disabled():
        for n in range(5):
            Transition.objects.create(
                team=team,
                monitor=monitor,
                at=at,
                from_state="up" if n % 2 else "down",
                to_state="down" if n % 2 else "up",
                cause="failure" if n % 2 else None,
            )
    pages = walk(api, f"monitors/{monitor.pk}/transitions?limit=2")
    assert [row["to"] for page in pages for row in page] == ["up", "down", "up", "down", "up"]


def test_a_host_that_is_not_ours_is_refused_as_a_problem(api: Api) -> None:
    answer = api("GET", "monitors", headers={"Host": "evil.example"}, expect=400)
    assert answer.headers["Content-Type"] == "application/problem+json"
