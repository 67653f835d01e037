"""A monitor's page: results with search and pages, facets, uptime, latency, and what it costs."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.ids import uuid7
from accounts.models import Plan, Team
from monitors.console.facets import COUNTED
from monitors.console.results import LOOKED_AT, PAGE_ROWS, SEARCHED
from monitors.models import ListeningGap, Monitor, PushResult
from monitors.partitions import make_partitions
from tests.console.personas import make_incident, push

HUNDREDS = """
INSERT INTO monitors_pushresult
  (id, team_id, monitor_id, received_at, status, latency_ms, message, labels)
SELECT gen_random_uuid(), %(team)s, %(monitor)s, %(at)s - n * %(step)s * interval '1 second',
  CASE WHEN n %% 10 = 0 THEN 'fail' ELSE 'pass' END, n, 'row ' || n || '.',
  jsonb_build_object('host', 'w-' || n %% 3)
FROM generate_series(1, %(rows)s) n
"""


@pytest.fixture
def address(monitor):
    return f"/t/acme/monitors/{monitor.pk}/"


def fill(monitor, *, rows, step=1.0, at=None):
    at = at or now()
    days = int(rows * step // 86_400) + 2
    make_partitions([(at - timedelta(days=n)).date() for n in range(days)])
    values = {"team": monitor.team_id, "monitor": monitor.pk, "at": at, "step": step, "rows": rows}
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute(HUNDREDS, values)


def insert(monitor, *, message=None, labels=None, at=None, status="pass"):
    at, pk = at or now(), uuid7()
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO monitors_pushresult (id, team_id, monitor_id, received_at, status, "
            "message, labels) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [pk, monitor.team_id, monitor.pk, at, status, message, json.dumps(labels)],
        )
    return pk, at


def rows(page):
    return [int(n) for n in re.findall(r">row (\d+)\.<", page)]


def link(page, words):
    for target, text in re.findall(r'<a [^>]*href="([^"]+)"[^>]*>([^<]+)<', page):
        if text.strip() == words:
            return unescape(target)
    return None


def page_of(client, address, query=""):
    answer = client.get(address + query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_every_result_can_be_paged_to_and_back(owner, monitor, address):
    fill(monitor, rows=50)
    seen, query = [], ""
    pages = []
    while query is not None:
        page = page_of(owner, address, query)
        pages.append(rows(page))
        seen += rows(page)
        query = link(page, "Older")
    assert seen == list(range(1, 51))
    assert [len(each) for each in pages] == [PAGE_ROWS, PAGE_ROWS, 10]
    back = page_of(owner, address, link(page, "Newer"))
    assert rows(back) == list(range(21, 41))
    first = page_of(owner, address, link(back, "Newer"))
    assert rows(first) == list(range(1, 21))
    assert link(first, "Newer") is None
    assert rows(page_of(owner, address, link(page, "Newest"))) == list(range(1, 21))


def test_results_of_one_instant_are_neither_skipped_nor_shown_twice(owner, monitor, address):
    fill(monitor, rows=45, step=0)
    seen, query = [], ""
    while query is not None:
        page = page_of(owner, address, query)
        seen += rows(page)
        query = link(page, "Older")
    assert sorted(seen) == list(range(1, 46))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q=row+3", [3, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39]),
        ("?q=ROW+17.", [17]),
        ("?status=fail", [10, 20, 30, 40]),
        ("?status=fail&q=4", [40]),
        ("?label=host:w-1&q=row+1", [1, 10, 13, 16, 19]),
        ("?label=host:nowhere", []),
        ("?q=%25", []),
        ("?q=nothing+like+it", []),
    ],
)
def test_results_are_narrowed(owner, monitor, address, query, found):
    fill(monitor, rows=40)
    page = page_of(owner, address, query)
    assert rows(page) == found
    if not found:
        assert "No result matches." in page


@pytest.mark.parametrize(
    ("query", "looked"), [("?q=row+30000", SEARCHED), ("?label=host:none", LOOKED_AT)]
)
def test_a_narrowed_page_looks_at_so_many_and_says_so(owner, monitor, address, query, looked):
    fill(monitor, rows=LOOKED_AT + 10_050, step=0.5)
    page = page_of(owner, address, query)
    assert rows(page) == []
    assert f"A page looks through {looked} results at most: this one got back to" in page
    steps = 1
    while "None of these results matches" in page:
        page = page_of(owner, address, link(page, "Look further back"))
        steps += 1
    assert steps == -(-(LOOKED_AT + 10_050) // looked) - (looked == SEARCHED)
    assert rows(page) == ([30_000] if looked == SEARCHED else [])


def test_a_time_bounds_results_facets_and_plot(owner, monitor, address):
    until = now()
    fill(monitor, rows=30, step=60, at=until)
    page = page_of(owner, address, "?range=1h")
    assert len(rows(page)) == PAGE_ROWS
    start, end = (until - timedelta(minutes=n) for n in (10, 5))
    page = page_of(owner, address, f"?from={start:%Y-%m-%dT%H:%M:%SZ}&to={end:%Y-%m-%dT%H:%M:%SZ}")
    assert rows(page) == [6, 7, 8, 9, 10] or rows(page) == [5, 6, 7, 8, 9]
    counts = re.findall(r'<span class="num">(\d)</span>', page.partition('id="results"')[2])
    assert [int(n) for n in counts] in ([4, 1], [5, 0])
    earlier = page_of(owner, address, link_with(page, "Earlier"))
    assert set(rows(earlier)) <= set(range(10, 17))
    assert len(rows(earlier)) in {4, 5, 6}


def link_with(page, words):
    found = re.search(rf'href="([^"]+)"[^>]*>(?:<span[^>]*>[^<]*</span>)?\s*{words}', page)
    return unescape(found[1])


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?from=yesterday", "Write a time as"),
        ("?to=9999-99-99T00:00", "Write a time as"),
        ("?from=0001-01-01T00:00&to=0001-01-02T00:00", "Write a time as"),
        ("?from=2027-03-01T09:00&to=2027-03-01T08:00", "The end must come after"),
        ("?from=1999-03-01T09:00&to=1999-03-02T08:00", "Nothing is kept from that time"),
    ],
)
def test_a_time_that_is_none_is_explained(owner, monitor, address, query, said):
    push(monitor)
    page = page_of(owner, address, query)
    assert said in page
    assert 'aria-invalid="true"' in page


@pytest.mark.parametrize(
    "query",
    [
        "?before=x~y",
        "?before=2026-01-01T00:00:00Z~00000000-0000-0000-0000-000000000000",
        "?after=~",
        "?before=" + "9" * 500,
        "?q=%00&label=%00:%00&status=%00",
        "?q=%ED%A0%80",
        "?label=:&q=" + "x" * 3000,
        "?range=1y&from=&to=",
        "?push=nonsense&by=nonsense",
    ],
)
def test_nonsense_in_the_address_breaks_nothing(owner, monitor, address, query):
    push(monitor, message="fine")
    page_of(owner, address, query)
    page_of(owner, f"{address}history", query)
    assert b"".join(owner.get(f"{address}results.csv{query}")).startswith(b"id,received_at")


def test_facets_count_what_was_sent(owner, monitor, address):
    fill(monitor, rows=30)
    page = page_of(owner, address).partition('id="results"')[2].partition("<table")[0]
    counts = re.findall(r'>(w-\d) <span class="num soft">(\d+)<', page)
    assert counts == [("w-0", "10"), ("w-1", "10"), ("w-2", "10")]
    assert "label=host%3Aw-1" in page
    assert "Counted over" not in page


def test_facets_count_so_many_and_say_so(owner, monitor, address):
    fill(monitor, rows=COUNTED + 500)
    assert f"Counted over the newest {COUNTED} results" in page_of(owner, address)


def test_a_long_message_is_whole_on_demand_alone(owner, monitor, address):
    message = "begin " + "ä<" * 4_990 + " end"
    pk, at = insert(monitor, message=message, labels={"env": "prod"})
    page = page_of(owner, address)
    assert "begin" in page
    assert " end" not in page.partition('id="results"')[2].partition("State history")[0]
    assert f"Open the whole message, {len(message)} characters" in page
    whole = f"{address}results/{pk}"
    target = unescape(re.search(rf'href="({whole}[^"]+)"', page)[1])
    assert unescape(page_of(owner, target)).count("ä<") == 4_990
    fragment = owner.get(target, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in fragment
    assert " end" in fragment
    assert owner.get(whole).status_code == 200, "an id says when it was made"
    for query in ("?at=never", f"?at={(at - timedelta(1)).isoformat().replace('+', '%2B')}"):
        assert owner.get(whole + query).status_code == 404


def test_a_page_of_the_longest_messages_is_small(owner, people, monitor, address):
    labels = {f"{n}" + "k" * 60: "w" * 255 for n in range(32)}
    for n in range(PAGE_ROWS):
        insert(monitor, message=f"{n} " + '"' * 9_990, labels=labels)
    for incident in range(2):
        make_incident(monitor, message=f"{incident} " + "x" * 9_000)
        push(monitor)
    answer = owner.get(address)
    assert len(answer.content) < 250_000


def test_results_are_downloaded_as_they_are_narrowed(owner, people, monitor, address):
    fill(monitor, rows=40)
    page = page_of(owner, address, "?status=fail&q=row")
    target = link(page, "CSV")
    answer = owner.get(target)
    assert answer["Content-Disposition"].endswith('-results.csv"')
    lines = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))
    assert [line["message"] for line in lines] == ["row 10.", "row 20.", "row 30.", "row 40."]
    found = json.loads(b"".join(owner.get(target.replace(".csv", ".json"))))
    assert [each["message"] for each in found] == [line["message"] for line in lines]
    assert len(json.loads(b"".join(owner.get(f"{address}results.json")))) == 40


def test_what_the_plan_does_not_show_is_nowhere(owner, people, monitor, address):
    long_ago = now() - timedelta(days=5)
    make_partitions([long_ago.date()])
    pk, at = insert(monitor, message="long ago", at=long_ago)
    insert(monitor, message="just now")
    assert "long ago" in page_of(owner, address)
    plan = Plan.objects.create(name="Small", history_days=2)
    Team.objects.filter(pk=people.team.pk).update(plan=plan)
    page = page_of(owner, address)
    assert "long ago" not in page
    assert "Results of the last 2 days are shown. That is what the plan “Small” includes." in page
    assert b"long ago" not in b"".join(owner.get(f"{address}results.csv"))
    stamp = at.isoformat().replace("+00:00", "Z")
    assert owner.get(f"{address}results/{pk}?at={stamp}").status_code == 404


def test_another_teams_result_is_as_missing_as_any(browse, people, monitor):
    pk, at = insert(monitor, message="secret")
    stamp = at.isoformat().replace("+00:00", "Z")
    stranger = browse(people.stranger)
    for team in ("acme", "elsewhere"):
        base = f"/t/{team}/monitors/{monitor.pk}"
        for path in (f"results/{pk}?at={stamp}", "results.csv", "history", "badge"):
            assert stranger.get(f"{base}/{path}").status_code == 404


def test_uptime_is_said_with_since_when_it_is_known(owner, people, monitor, address):
    made = now() - timedelta(days=3)
    with scopes_disabled():
        Monitor.objects.filter(pk=monitor.pk).update(created_at=made)
    push(monitor)
    make_incident(monitor)
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE monitors_transition SET at = %s WHERE from_state = 'pending'", [made]
        )
        cursor.execute(
            "UPDATE monitors_transition SET at = now() - interval '12 hours' "
            "WHERE to_state = 'down'"
        )
    page = page_of(owner, address).partition('id="uptime"')[2].partition("</section>")[0]
    found = re.findall(r'class="uptime">([^<]+) %<', page)
    assert [round(float(each)) for each in found] == [50, 83, 83, 83]
    assert page.count("known since") == 3
    assert "Uptime = 1 − time down" in page


def test_the_first_screen_of_an_outage_says_what_to_do(owner, browse, people, monitor, address):
    incident = make_incident(monitor, message="disk full on /var")
    with scopes_disabled():
        Monitor.objects.filter(pk=monitor.pk).update(runbook_url="https://wiki.example/disk")
    page = page_of(owner, address)
    first = page.partition("data-live")[2].partition("</section>")[0]
    for words in ("reported a failure", "disk full on /var", "Nobody has acknowledged it yet"):
        assert words in first
    assert f"/t/acme/incidents/{incident.pk}/acknowledge" in first
    assert "https://wiki.example/disk" in first
    assert "Acknowledge" not in page_of(browse(people.viewer), address)
    owner.post(f"/t/acme/incidents/{incident.pk}/acknowledge")
    first = page_of(owner, address).partition("data-live")[2].partition("</section>")[0]
    assert "has acknowledged it" in first
    assert "/acknowledge" not in first


def test_a_monitor_is_cloned_from_its_own_page_by_those_who_may(owner, browse, people, address):
    link = f'href="{address}clone"'
    assert link in owner.get(address).content.decode()
    assert f"data-{link}" in owner.get(address).content.decode()
    assert link not in browse(people.viewer).get(address).content.decode()


def test_the_live_part_brings_new_results_and_history_with_it(owner, monitor, address):
    push(monitor, message="the first one")
    live = owner.get(address, headers={"HX-Request": "true"}).content.decode()
    assert live.count('hx-swap-oob="true"') == 4
    assert 'Pass</span></span> <span class="num">1</span>' in live
    assert "24 hours" in live
    assert "the first one" in live
    assert "data-plot" not in live
    older = owner.get(
        f"{address}?before={now().isoformat().replace('+00:00', 'Z')}~{uuid7()}",
        headers={"HX-Request": "true"},
    ).content.decode()
    assert 'id="result-rows"' not in older


def test_history_has_incidents_and_the_times_we_did_not_listen(owner, monitor, address):
    with scopes_disabled():
        Monitor.objects.filter(pk=monitor.pk).update(created_at=now() - timedelta(days=2))
    incident = make_incident(monitor, message="disk full")
    start = now() - timedelta(hours=5)
    ListeningGap.objects.create(started_at=start, ended_at=start + timedelta(minutes=7))
    ListeningGap.objects.create(
        started_at=now() - timedelta(days=9), ended_at=now() - timedelta(days=9, minutes=-5)
    )
    for page in (page_of(owner, address), page_of(owner, f"{address}history")):
        assert page.count("We were not listening for") == 1
        assert "We were not listening for 7 min" in page
        assert f"/t/acme/incidents/{incident.pk}/" in page
    narrowed = page_of(owner, f"{address}history?q=full")
    assert narrowed.count("Incident, open") == 1
    assert "not listening for" not in narrowed
    assert "No change matches" in page_of(owner, f"{address}history?q=nothing+like+it")
    assert "No change matches" not in page_of(owner, f"{address}history?state=down&cause=failure")


def test_history_is_paged_to_its_end(owner, people, monitor, address):
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO monitors_transition (team_id, monitor_id, at, from_state, to_state, "
            "detail) SELECT %s, %s, now() - (200 - n) * interval '1 minute', 'up', 'down', "
            "'change ' || n || '.' FROM generate_series(1, 120) n",
            [people.team.pk, monitor.pk],
        )
    seen, query = [], ""
    while query is not None:
        page = page_of(owner, f"{address}history", query)
        seen += [int(n) for n in re.findall(r">change (\d+)\.<", page)]
        query = link(page, "Older")
    assert seen == list(range(120, 0, -1))


def test_the_page_costs_as_many_queries_whatever_is_there(owner, people, monitor, address):
    push(monitor, latency_ms=3.0, labels={"host": "w-1"})
    make_incident(monitor)
    push(monitor)
    owner.get(address)
    queries = ("", "?q=row&status=pass&label=host:w-1&range=7d")
    few, many = [], []
    for found in (few, many):
        for query in queries:
            with CaptureQueriesContext(connection) as done:
                assert owner.get(address + query).status_code == 200
            found.append(len(done))
        with CaptureQueriesContext(connection) as done:
            owner.get(address, headers={"HX-Request": "true"})
        found.append(len(done))
        fill(monitor, rows=12_000, step=2)
        with scopes_disabled(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO monitors_transition (team_id, monitor_id, at, from_state, to_state, "
                "detail) SELECT %s, %s, now() - (200 - n) * interval '1 minute', 'up', 'down', '' "
                "FROM generate_series(1, 100) n",
                [people.team.pk, monitor.pk],
            )
    assert many == few or [m - f for m, f in zip(many, few, strict=True)] == [0, 0, 0]
    assert max(many) <= 45


def test_a_result_that_arrives_between_two_pages_moves_nothing(owner, monitor, address):
    fill(monitor, rows=30, at=now() - timedelta(minutes=1))
    older = link(page_of(owner, address), "Older")
    insert(monitor, message="row 999.")
    assert rows(page_of(owner, address, older)) == list(range(21, 31))
    with scopes_disabled():
        assert PushResult.objects.count() == 31
