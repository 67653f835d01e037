"""What a look at the outbox reads is what is due, however much waits for its minute to be over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from accounts.database.standing import as_owner
from accounts.models import Team
from incidents.delivery import outbox
from incidents.models import Delivery
from monitors.queries import database_now
from tests.factories import TeamFactory

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 3000
CLAIM = {
    "limit": 32,
    "per_team": outbox.MOST_PER_TEAM,
    "lease": outbox.LEASE_SECONDS,
    "sending": outbox.SENDING_SECONDS,
}


def wait_in_line(team: Team, count: int, **fields: Any) -> None:
    """Make messages that wait for 25 s, which is also when many a lease ends."""
    at = database_now()
    made = {"next_attempt_at": at + timedelta(seconds=25), "paced": False, **fields}
    Delivery.objects.bulk_create(
        Delivery(
            team=team,
            contact="email:ana@example.org",
            kind="email",
            event="incident.opened",
            payload={},
            direct=True,
            created_at=at,
            **made,
        )
        for _ in range(count)
    )


@pytest.fixture
def flooded(team: Team) -> Team:
    """One team's thousands wait, three of its messages are being sent; another's page is due."""
    wait_in_line(team, MANY)
    wait_in_line(team, 3, state="sending")
    wait_in_line(TeamFactory(slug="calm"), 1, next_attempt_at=database_now(), paced=True)
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("ANALYZE incidents_delivery")
    return team


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


def rows_read(sql: str, values: dict[str, Any]) -> float:
    """Return how many rows of the outbox a statement reads, those that it passes over too."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", values)
        ((found,),) = cursor.fetchall()
    (explained,) = json.loads(found) if isinstance(found, str) else found
    return sum(
        node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for node in _nodes(explained["Plan"])
        if node.get("Relation Name") == "incidents_delivery" and "Scan" in node["Node Type"]
    )


def test_a_claim_does_not_read_what_waits(flooded: Team) -> None:
    assert rows_read(outbox.CLAIM, CLAIM) < 30


@pytest.mark.parametrize("name", ["DROP_SEEN", "DROP_ORPHANS", "DROP_STALE_DIGESTS"])
def test_what_is_dropped_is_not_looked_for_among_what_waits(flooded: Team, name: str) -> None:
    assert rows_read(getattr(outbox, name), {}) < 30


def test_a_team_holds_no_more_senders_than_its_share_while_much_of_it_waits(flooded: Team) -> None:
    wait_in_line(flooded, 20, next_attempt_at=database_now(), paced=True)
    claimed = outbox.claim(limit=32)
    assert sum(leased.team_id == flooded.pk for leased in claimed) == outbox.MOST_PER_TEAM - 3
    assert len(claimed) == outbox.MOST_PER_TEAM - 3 + 1


def test_a_lease_whose_sender_must_have_died_holds_no_place(flooded: Team) -> None:
    soon = database_now() + timedelta(seconds=outbox.LEASE_SECONDS - outbox.SENDING_SECONDS - 1)
    Delivery.objects.filter(state="sending").update(next_attempt_at=soon)
    wait_in_line(flooded, 20, next_attempt_at=database_now(), paced=True)
    claimed = outbox.claim(limit=32)
    assert sum(leased.team_id == flooded.pk for leased in claimed) == outbox.MOST_PER_TEAM
