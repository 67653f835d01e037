"""Hand-offs: who is told that they are on call now, or no longer, and who is not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from accounts.models import Membership, Team
from incidents.contact_methods import create_method
from incidents.delivery.pool import deliver_here
from incidents.models import ContactMethod, Delivery, Rotation
from incidents.notifications.handoffs import announce_handoffs, look_for_leavers
from incidents.oncall.overrides import create_override
from incidents.oncall.rotations import LayerValues, create_rotation
from tests import racing
from tests.factories import TeamFactory, UserFactory

DAYS_AGO = 30


def member(team: Team, name: str) -> Membership:
    user = UserFactory(email=f"{name.lower()}@example.org")
    return Membership.objects.create(team=team, user=user)


def rotate(people: Sequence[Membership], name: str = "Primary") -> Rotation:
    """Return a rotation of daily turns whose present turn began an hour ago."""
    handoff = (now() - timedelta(days=DAYS_AGO, hours=1)).replace(second=0, tzinfo=None)
    layer = LayerValues(unit="day", length=1, handoff=handoff, members=people)
    return create_rotation(team=people[0].team, name=name, timezone="UTC", layers=[layer])


def seen(rotation: Rotation, present: Membership | None, *, check_at: Any = None) -> None:
    """Let the engine have looked two hours ago and found `present` on call."""
    Rotation.objects.filter(pk=rotation.pk).update(
        present=present, looked_at=now() - timedelta(hours=2), check_at=check_at or now()
    )


def told() -> list[tuple[str, str]]:
    rows = Delivery.objects.order_by("id")
    return [(row.contact.removeprefix("email:"), row.payload["role"]) for row in rows]


@pytest.fixture
def people(team: Team) -> list[Membership]:
    # The turn of the 30th day: of two people the first, of three the first as well.
    return [member(team, name) for name in ("Ana", "Bo", "Cy")]


def test_the_first_look_tells_nobody(people: list[Membership]) -> None:
    rotation = rotate(people)
    assert announce_handoffs() == 0
    rotation.refresh_from_db()
    assert rotation.present_id == people[0].pk
    assert rotation.looked_at is not None
    assert rotation.check_at is not None
    hours = (rotation.check_at - now()).total_seconds() / 3600
    assert 22.9 < hours < 23.1
    assert not Delivery.objects.exists()


def test_a_handoff_is_told_to_both(people: list[Membership], settings: Any) -> None:
    ana, _, cy = people
    ana.user.name = "Ana Lima"
    ana.user.save()
    rotation = rotate(people)
    seen(rotation, cy)
    assert announce_handoffs() == 2
    assert told() == [("cy@example.org", "outgoing"), ("ana@example.org", "incoming")]
    outgoing, incoming = Delivery.objects.order_by("id")
    rotation.refresh_from_db()
    assert rotation.check_at is not None
    url = f"{settings.BASE_URL}/t/acme/on-call/rotations/{rotation.pk}/"
    assert incoming.event == "rotation.handoff"
    assert incoming.incident_id is None
    assert incoming.contact_method_id is not None
    assert incoming.payload == {
        "team": {"slug": "acme", "name": "Acme"},
        "rotation": {"id": str(rotation.pk), "name": "Primary", "timezone": "UTC", "url": url},
        "incoming": "Ana Lima",
        "outgoing": "cy@example.org",
        "role": "incoming",
        "until": rotation.check_at.isoformat().replace("+00:00", "Z"),
        "reason": "You are on call now in the rotation “Primary”.",
        "url": url,
    }
    assert outgoing.payload["reason"] == "You were on call in the rotation “Primary”."
    assert announce_handoffs() == 0


def test_the_same_person_again_is_no_handoff(people: list[Membership]) -> None:
    rotation = rotate(people)
    seen(rotation, people[0])
    assert announce_handoffs() == 0
    assert not Delivery.objects.exists()


def test_what_was_slept_through_is_not_made_up_for(people: list[Membership]) -> None:
    rotation = rotate(people)
    seen(rotation, people[1], check_at=now() - timedelta(days=3))
    assert announce_handoffs() == 2
    assert told() == [("bo@example.org", "outgoing"), ("ana@example.org", "incoming")]


def test_nobody_needs_no_notice(people: list[Membership]) -> None:
    rotation = rotate(people[:1])
    seen(rotation, None)
    assert announce_handoffs() == 1
    assert told() == [("ana@example.org", "incoming")]
    assert Delivery.objects.get().payload["outgoing"] is None
    Delivery.objects.all().delete()
    rotation.layers.all().delete()
    seen(rotation, people[0])
    assert announce_handoffs() == 1
    assert told() == [("ana@example.org", "outgoing")]
    payload = Delivery.objects.get().payload
    assert (payload["incoming"], payload["until"]) == (None, None)
    rotation.refresh_from_db()
    assert (rotation.present_id, rotation.check_at) == (None, None)


def test_whoever_takes_over_from_somebody_who_left_the_team_is_told(
    people: list[Membership],
) -> None:
    rotation = rotate(people)
    announce_handoffs()
    people[0].delete()
    assert announce_handoffs() == 0
    assert look_for_leavers() == 1
    assert announce_handoffs() == 1
    assert told() == [("bo@example.org", "incoming")]
    assert look_for_leavers() == 0
    rotation.refresh_from_db()
    assert rotation.present_id == people[1].pk


def test_an_override_is_a_handoff(people: list[Membership]) -> None:
    rotation = rotate(people[:1])
    announce_handoffs()
    start = now() - timedelta(minutes=1)
    end = now() + timedelta(hours=2)
    create_override(rotation=rotation, start=start, end=end, membership=people[2], actor="x")
    assert announce_handoffs() == 2
    assert told() == [("ana@example.org", "outgoing"), ("cy@example.org", "incoming")]
    rotation.refresh_from_db()
    assert rotation.check_at == end


def test_an_override_years_on_is_waited_for(people: list[Membership]) -> None:
    rotation = create_rotation(team=people[0].team, name="Empty", timezone="UTC", layers=[])
    start = datetime.fromisoformat("2031-05-01T09:00Z")
    end = start + timedelta(days=1)
    create_override(rotation=rotation, start=start, end=end, membership=people[0], actor="x")
    announce_handoffs()
    rotation.refresh_from_db()
    assert rotation.check_at == start


def test_quiet_hours_hold_a_notice_back(people: list[Membership]) -> None:
    ana, bo, _ = people
    whole_day = {"weekdays": [0, 1, 2, 3, 4, 5, 6], "from": "00:00", "to": "24:00"}
    create_method(
        membership=ana,
        kind="email",
        config={"to": ["ana@example.org"]},
        position=0,
        quiet_hours=[whole_day | {"timezone": "UTC"}],
    )
    rotation = rotate(people)
    seen(rotation, bo)
    announce_handoffs()
    waits = {row.payload["role"]: row.next_attempt_at for row in Delivery.objects.all()}
    assert waits["outgoing"] <= now()
    assert waits["incoming"] > now() + timedelta(days=7)


def test_the_first_way_that_a_person_reads_is_used(people: list[Membership], settings: Any) -> None:
    ana, bo, _ = people
    second = create_method(membership=ana, kind="email", config={"to": ["second@example.org"]})
    create_method(membership=ana, kind="email", config={"to": ["unproved@example.org"]}, position=0)
    ContactMethod.objects.filter(pk=second.pk).update(verified_at=now(), position=7)
    ContactMethod.objects.filter(membership=ana, position=1).update(disabled_at=now())
    rotation = rotate(people)
    seen(rotation, bo)
    announce_handoffs()
    assert ("second@example.org", "incoming") in told()


def test_who_cannot_be_reached_is_left_out(people: list[Membership]) -> None:
    create_method(membership=people[0], kind="email", config={"to": ["x@example.org"]}, position=0)
    ContactMethod.objects.update(verified_at=None)
    rotation = rotate(people)
    seen(rotation, people[1])
    assert announce_handoffs() == 1
    assert told() == [("bo@example.org", "outgoing")]


def test_one_rotation_that_cannot_be_read_holds_up_no_other(
    people: list[Membership], team: Team
) -> None:
    broken, sound = rotate(people, "Broken"), rotate(people, "Sound")
    Rotation.objects.filter(pk=broken.pk).update(timezone="Europe/Atlantis")
    seen(broken, people[1])
    seen(sound, people[1])
    assert announce_handoffs() == 2
    broken.refresh_from_db()
    assert broken.present_id == people[1].pk, "it is not known who is on call"
    assert broken.check_at is not None
    assert broken.check_at > now()


def test_when_nothing_is_due_it_costs_one_query(people: list[Membership]) -> None:
    rotate(people)
    announce_handoffs()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert announce_handoffs() == 0
    assert len(queries) == 1


@pytest.mark.django_db(transaction=True)
def test_of_engines_that_look_at_once_one_tells() -> None:
    team = TeamFactory(slug="acme")
    people = [member(team, name) for name in ("Ana", "Bo", "Cy")]
    for number in range(6):
        seen(rotate(people, f"Rotation {number}"), people[2])
    counts = racing.at_once(*[announce_handoffs] * 4)
    assert sum(counts) == 12
    assert Delivery.objects.count() == 12
    assert sorted(set(told())) == [("ana@example.org", "incoming"), ("cy@example.org", "outgoing")]


@pytest.mark.django_db(transaction=True)
def test_an_engine_waits_for_no_other() -> None:
    team = TeamFactory(slug="acme")
    people = [member(team, name) for name in ("Ana", "Bo")]
    held, free = rotate(people, "Held"), rotate(people, "Free")
    for rotation in (held, free):
        seen(rotation, people[1])
    with racing.session() as other, other.transaction():
        other.execute("SELECT FROM incidents_rotation WHERE id = %s FOR UPDATE", [held.pk])
        assert announce_handoffs() == 2
    assert announce_handoffs() == 2
    assert announce_handoffs() == 0


@pytest.mark.django_db(transaction=True)
def test_a_notice_arrives_by_mail(mailoutbox: list[Any]) -> None:
    team = TeamFactory(slug="acme")
    people = [member(team, name) for name in ("Ana", "Bo")]
    rotation = rotate(people)
    seen(rotation, people[1])
    announce_handoffs()
    deliver_here()
    said = {mail.to[0]: mail.subject for mail in mailoutbox}
    assert said == {
        "ana@example.org": "[Tocsin] You are on call: Primary",
        "bo@example.org": "[Tocsin] You are off call: Primary",
    }
