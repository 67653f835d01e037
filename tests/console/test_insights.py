"""How a team fares: weeks of incidents as charts, a table and a file."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, timedelta, timezone

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_scopes import scopes_disabled

from accounts.ids import uuid7
from incidents.console.insight_charts import draw_bars, draw_lines, round_up
from incidents.console.insights import _zone_known
from incidents.models import Incident, TimelineEvent
from monitors.queries import database_now

PAGE = "/t/acme/incidents/insights"
FILE = "/t/acme/incidents/insights.csv"
SECOND = timedelta(seconds=1)


def monday(*, weeks_ago):
    today = database_now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=today.weekday(), weeks=weeks_ago)


def make(team, at, *, taken=None, lasted=None, name="db", **fields):
    """Make an incident that was acknowledged and resolved so many seconds after it opened."""
    with scopes_disabled():
        incident = Incident.objects.create(
            id=_id_at(at),
            team=team,
            monitor_id=fields.pop("monitor_id", None) or uuid7(),
            monitor_name=name,
            **{"namespace": "acme", "cause": "failure", "severity": "critical"} | fields,
            summary="x",
            state="open" if lasted is None else "resolved",
            down_since=at,
            opened_at=at,
            resolved_at=None if lasted is None else at + lasted * SECOND,
        )
        if taken is not None:
            # The later one is not what counts.
            for kind, seconds in (("snoozed", taken), ("acknowledged", taken + 5_000)):
                TimelineEvent.objects.create(
                    team=team, incident=incident, at=at + seconds * SECOND, kind=kind, actor="a@b.c"
                )
    return incident


def _id_at(at):
    number = (int(at.timestamp() * 1000) << 80) | (uuid7().int & ((1 << 80) - 1))
    return type(uuid7())(int=number)


def rows_of(client, query=""):
    answer = client.get(f"{FILE}?{query}")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer["Content-Disposition"]
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def test_mean_and_median_count_from_the_opening_and_gaps_stay_empty(owner, people):
    noon = monday(weeks_ago=2) + timedelta(hours=12)
    make(people.team, noon, taken=60, lasted=600)
    make(people.team, noon, taken=120, lasted=600)
    make(people.team, noon + timedelta(hours=10), taken=600, lasted=6000)
    make(people.team, noon, lasted=None)
    rows = rows_of(owner, "weeks=4")
    assert [row["incidents"] for row in rows] == ["0", "4", "0", "0"]
    week = rows[1]
    assert week["week"] == f"{noon:%Y-%m-%d}"
    assert week["out_of_hours"] == "1"
    assert (float(week["acknowledge_mean_s"]), float(week["acknowledge_median_s"])) == (260, 120)
    assert (float(week["resolve_mean_s"]), float(week["resolve_median_s"])) == (2400, 600)
    assert {rows[0][name] for name in week if name.endswith("_s")} == {""}
    page = owner.get(f"{PAGE}?weeks=4").content.decode()
    assert "4 min 20 s" in page
    assert "25 %" in page


def test_severity_namespace_and_range_narrow_it(owner, people):
    at = monday(weeks_ago=6) + timedelta(days=5)
    make(people.team, at, lasted=60)
    make(people.team, at, lasted=60, severity="info")
    make(people.team, at, lasted=60, namespace="batch")
    make(people.team, monday(weeks_ago=20), lasted=60)

    def count(query):
        return sum(int(row["incidents"]) for row in rows_of(owner, query))

    assert count("") == 3
    assert count("weeks=12&severity=info") == 1
    assert count("namespace=batch") == 1
    assert count("weeks=4") == 0
    assert count("weeks=26") == 4
    assert count("weeks=9999&severity=%00x") == 3
    assert "No incident in this time" in owner.get(f"{PAGE}?weeks=4").content.decode()


def test_noisy_monitors_come_first_and_no_cell_is_a_formula(owner, people):
    at = monday(weeks_ago=1)
    noisy = uuid7()
    for _ in range(3):
        make(people.team, at, lasted=100, monitor_id=noisy, name="=cmd|' /C calc'!A0")
    make(people.team, at, lasted=60, name="quiet <b>")
    rows = rows_of(owner, "what=monitors")
    assert [(row["monitor"], row["incidents"]) for row in rows] == [
        ("'=cmd|' /C calc'!A0", "3"),
        ("quiet <b>", "1"),
    ]
    assert float(rows[0]["down_s"]) == 300
    page = owner.get(PAGE).content.decode()
    assert "quiet &lt;b&gt;" in page
    assert page.index("calc") < page.index("quiet &lt;b&gt;")
    assert f"?monitor={noisy}" in page


def test_other_teams_count_nothing(browse, people):
    make(people.team, monday(weeks_ago=1), lasted=60)
    page = browse(people.stranger).get("/t/elsewhere/incidents/insights").content.decode()
    assert "No incident in this time" in page


def test_the_number_of_queries_is_that_of_none(owner, people):
    make(people.team, monday(weeks_ago=1), lasted=60, taken=5)
    owner.get(PAGE)
    with CaptureQueriesContext(connection) as few:
        owner.get(PAGE)
    for n in range(40):
        make(people.team, monday(weeks_ago=n % 11), lasted=60 + n, taken=n, name=f"m-{n}")
    with CaptureQueriesContext(connection) as many:
        page = owner.get(PAGE)
    assert len(many) <= len(few)
    assert len(re.findall(r'class="dot"', page.content.decode())) == 22, "two charts of eleven"


def test_a_week_without_a_value_is_a_gap_in_the_line():
    lines = draw_lines(
        [("a", 10, 10), ("b", None, None), ("c", 20, 20), ("d", 20, 10)], said=("mean", "median")
    )
    assert lines.path.count("M") == 2
    assert len(lines.medians) == 3
    assert lines.medians[1].title == "c: median 20 s"
    assert draw_lines([("a", None, None)], said=("mean", "median")).is_empty


@pytest.mark.parametrize(
    ("most", "top"), [(0, 1), (1, 1), (61, 120), (4000, 7200), (1e12, 2_592_000)]
)
def test_scales_end_in_round_durations(most, top):
    assert round_up(most) == top


def test_a_bars_part_is_never_taller_than_the_bar():
    bars = draw_bars([("a", 3, 1, "t"), ("b", 0, 0, "t"), ("c", 7, 7, "t")])
    assert len(bars.bars) == 2
    assert bars.bars[0].part_height < bars.bars[0].height
    assert bars.bars[1].part_height == bars.bars[1].height


def test_weeks_and_hours_are_those_of_the_readers_zone(owner, people):
    people.owner.timezone = "Asia/Tokyo"
    people.owner.save()
    # Sunday 23:30 of UTC is Monday 08:30 in Tokyo, 09:30 an hour later.
    for hours in (-0.5, 0.5):
        make(people.team, monday(weeks_ago=1) + timedelta(hours=hours), lasted=60)
    page = owner.get(f"{PAGE}?weeks=4").content.decode()
    assert "09:00–18:00 Asia/Tokyo" in page
    counts = [(row["incidents"], row["out_of_hours"]) for row in rows_of(owner, "weeks=4")]
    assert ("2", "1") in counts


def test_a_zone_that_the_database_does_not_know_is_utc(db):
    odd = timezone(timedelta(0), "Mars/Olympus")
    assert _zone_known(odd) is UTC
