"""Escalation and incidents on a running installation, told to a receiver on loopback."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.providers import Provider
from tests.system.whole import Whole, running, until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def whole() -> Iterator[Whole]:
    with running() as installation:
        yield installation


@pytest.fixture
def receiver() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


class Said:
    """What a receiver was told of one monitor."""

    def __init__(self, receiver: Provider, name: str) -> None:
        self._receiver, self._name = receiver, name

    def __call__(self, event: str = "incident.opened") -> list[Any]:
        return [
            got
            for got in self._receiver.got
            if got.json["type"] == event and got.json["data"]["monitor"]["name"] == self._name
        ]


def channel(whole: Whole, receiver: Provider, name: str) -> str:
    body = {"name": name, "kind": "webhook", "config": {"url": receiver.url}}
    return str(whole.api("POST", "channels", body, expect=201)["id"])


def rotation(whole: Whole, name: str, *members: str) -> str:
    layer = {"unit": "week", "length": 1, "handoff": "2026-01-05T09:00", "members": list(members)}
    body = {"name": name, "timezone": "Europe/Berlin", "layers": [layer]}
    return str(whole.api("POST", "rotations", body, expect=201)["id"])


def routed(whole: Whole, name: str, *steps: tuple[int, dict[str, Any]], **fields: Any) -> Any:
    """Make a monitor whose incidents climb a policy of these steps; return the monitor."""
    rungs = [{"delay": delay, "targets": [target]} for delay, target in steps]
    policy = whole.api(
        "POST", "escalation-policies", {"name": name, "steps": rungs, **fields}, expect=201
    )
    rule = {"name": name, "position": 0, "match": {"names": [name]}, "policy": policy["id"]}
    whole.api("POST", "alert-rules", rule, expect=201)
    monitor = whole.monitor(name, silent_after=3600)
    whole.push(monitor)
    return monitor


def opened(whole: Whole, monitor: Any) -> Any:
    [incident] = until(lambda: whole.incidents(monitor), "incident", seconds=5)
    return whole.api("GET", f"incidents/{incident['id']}")


def timeline(whole: Whole, incident: Any) -> list[str]:
    events = whole.api("GET", f"incidents/{incident['id']}")["timeline"]
    return [event["kind"] for event in events]


def mails_to(whole: Whole, address: str, name: str) -> list[Any]:
    return [m for m in whole.mails() if address in str(m["To"]) and name in str(m["Subject"])]


def test_steps_come_at_their_delays_and_end_when_acknowledged(
    whole: Whole, receiver: Provider
) -> None:
    """E1 and E2."""
    first, second = (channel(whole, receiver, f"e1-{n}") for n in (1, 2))
    third = channel(whole, receiver, "e1-3")
    monitor = routed(
        whole,
        "e1",
        (0, {"channel": first}),
        (2, {"channel": second}),
        (3, {"channel": third}),
    )
    said = Said(receiver, "e1")
    whole.push(monitor, "fail")
    until(lambda: len(said()) == 2, "two steps", seconds=8)
    at_once, later = said()
    assert 1.5 < later.at - at_once.at < 4
    incident = opened(whole, monitor)
    whole.api("POST", f"incidents/{incident['id']}/acknowledge")
    time.sleep(4)
    assert len(said()) == 2
    whole.push(monitor)
    until(lambda: len(said("incident.resolved")) == 2, "recovery to those paged")


def test_a_rotation_pages_who_is_on_call_and_the_link_in_the_mail_acknowledges(
    whole: Whole,
) -> None:
    primary = rotation(whole, "primary", "ana@acme.example")
    now = whole.api("GET", f"rotations/{primary}/on-call")
    assert now["member"] == "ana@acme.example"
    monitor = routed(whole, "mailed", (0, {"rotation": primary}))
    whole.push(monitor, "fail")
    [mail] = until(lambda: mails_to(whole, "ana@acme.example", "mailed"), "mail", seconds=6)
    text = mail.get_body(("plain",)).get_content()
    [path] = re.findall(r"http://127\.0\.0\.1:\d+(/ack/\S+)", text)
    assert whole.request("GET", path).status == 200
    incident = opened(whole, monitor)
    assert incident["state"] == "open"
    assert whole.request("POST", path, {}).status == 302
    after = whole.api("GET", f"incidents/{incident['id']}")
    assert (after["state"], after["acknowledged_by"]) == (
        "acknowledged",
        "ana@acme.example (by link)",
    )
    whole.push(monitor)


def test_two_steps_repeated_twice_fire_six_times(whole: Whole, receiver: Provider) -> None:
    """E4."""
    target = {"channel": channel(whole, receiver, "e4")}
    monitor = routed(whole, "e4", (0, target), (1, target), repeat=2)
    whole.push(monitor, "fail")
    said = Said(receiver, "e4")
    until(lambda: len(said()) == 6, "six pages", seconds=30)
    incident = opened(whole, monitor)
    assert timeline(whole, incident).count("exhausted") == 1
    assert incident["state"] == "open"
    assert len({got.headers["webhook-id"] for got in said()}) == 6
    whole.push(monitor)


def test_an_empty_rotation_hands_over_at_once_and_at_last_to_the_owners(
    whole: Whole, receiver: Provider
) -> None:
    """E5 and E6."""
    empty = {"rotation": rotation(whole, "empty")}
    fallback = {"channel": channel(whole, receiver, "e5")}
    monitor = routed(whole, "e5", (0, empty), (3600, fallback))
    whole.push(monitor, "fail")
    until(lambda: Said(receiver, "e5")(), "the next step at once", seconds=6)
    lonely = routed(whole, "e6", (0, empty), (3600, empty))
    whole.push(lonely, "fail")
    until(lambda: mails_to(whole, "ana@acme.example", "e6"), "the owners' mail", seconds=8)
    for each in (monitor, lonely):
        assert "skipped" in timeline(whole, opened(whole, each))
        whole.push(each)


def test_a_channel_that_fails_for_good_leads_to_the_owners(
    whole: Whole, receiver: Provider
) -> None:
    """E6 and N3."""
    receiver.answer = lambda n: 401
    monitor = routed(whole, "refused", (0, {"channel": channel(whole, receiver, "refused")}))
    whole.push(monitor, "fail")
    until(lambda: mails_to(whole, "ana@acme.example", "refused"), "the owners' mail", seconds=8)
    assert len(receiver.got) == 1
    whole.push(monitor)


def test_a_snooze_that_ends_pages_anew(whole: Whole, receiver: Provider) -> None:
    """E9."""
    monitor = routed(whole, "e9", (0, {"channel": channel(whole, receiver, "e9")}))
    whole.push(monitor, "fail")
    said = Said(receiver, "e9")
    until(said, "page", seconds=5)
    incident = opened(whole, monitor)
    snoozed = whole.api("POST", f"incidents/{incident['id']}/snooze", {"seconds": 2})
    assert snoozed["snoozed_until"] is not None
    until(lambda: len(said()) == 2, "a second page", seconds=8)
    again = whole.api("GET", f"incidents/{incident['id']}")
    assert (again["state"], again["snoozed_until"]) == ("open", None)
    whole.push(monitor)


def test_a_person_is_reached_by_the_method_they_have_proved(
    whole: Whole, receiver: Provider
) -> None:
    body = {
        "member": "ana@acme.example",
        "kind": "webhook",
        "name": "phone",
        "config": {"url": receiver.url},
        "position": 0,
    }
    method = whole.api("POST", "contact-methods", body, expect=201)
    assert method["verified_at"] is None
    [code] = until(
        lambda: [g.json["data"]["code"] for g in receiver.got if g.json["type"] == "contact.code"],
        "the code",
        seconds=6,
    )
    monitor = routed(whole, "proved", (0, {"member": "ana@acme.example"}))
    whole.push(monitor, "fail")
    until(lambda: mails_to(whole, "ana@acme.example", "proved"), "mail: not verified yet")
    whole.push(monitor)
    whole.api("POST", f"contact-methods/{method['id']}/verify", {"code": code})
    until(lambda: not whole.incidents(monitor), "recovered")
    whole.push(monitor, "fail")
    until(Said(receiver, "proved"), "page", seconds=6)
    whole.push(monitor)
    whole.api("DELETE", f"contact-methods/{method['id']}", expect=204)


def test_down_inside_a_maintenance_window_opens_at_its_end(
    whole: Whole, receiver: Provider
) -> None:
    """I7."""
    monitor = routed(whole, "i7", (0, {"channel": channel(whole, receiver, "i7")}))
    now = datetime.now(UTC)
    window = {
        "name": "i7",
        "monitors": [monitor["id"]],
        "starts_at": (now - timedelta(seconds=60)).isoformat(),
        "ends_at": (now + timedelta(seconds=5)).isoformat(),
    }
    whole.api("POST", "maintenances", window, expect=201)
    whole.push(monitor, "fail")
    time.sleep(2)
    assert whole.incidents(monitor) == []
    assert whole.api("GET", f"monitors/{monitor['id']}")["state"] == "down"
    [incident] = until(lambda: whole.incidents(monitor), "opened at the end", seconds=8)
    assert datetime.fromisoformat(incident["down_since"]) < now + timedelta(seconds=3)
    assert datetime.fromisoformat(incident["opened_at"]) >= now + timedelta(seconds=5)
    until(Said(receiver, "i7"), "page", seconds=5)
    whole.push(monitor)


def test_the_fourth_change_makes_it_flap(whole: Whole, receiver: Provider) -> None:
    """I5."""
    monitor = routed(whole, "i5", (0, {"channel": channel(whole, receiver, "i5")}))
    said = Said(receiver, "i5")
    for number, status in enumerate(("fail", "pass", "fail")):
        whole.push(monitor, status)
        event = "incident.opened" if status == "fail" else "incident.resolved"
        until(lambda e=event, n=number: len(said(e)) == n // 2 + 1, event, seconds=6)
    whole.push(monitor)
    until(lambda: said("incident.flapping"), "one notice", seconds=6)
    for status in ("fail", "pass", "fail"):
        whole.push(monitor, status)
    time.sleep(3)
    [incident] = whole.incidents(monitor)
    assert incident["flapping"] is True
    assert [len(said(f"incident.{e}")) for e in ("opened", "resolved", "flapping")] == [2, 1, 1]
    whole.api("POST", f"monitors/{monitor['id']}/pause", {})


def test_a_mass_outage_is_a_digest_and_another_teams_page_is_not_late(whole: Whole) -> None:
    """I9, in small: the bench has ten thousand."""
    primary = rotation(whole, "masses", "ana@acme.example")
    body = {
        "name": "masses",
        "steps": [{"delay": 0, "targets": [{"rotation": primary}]}],
    }
    policy = whole.api("POST", "escalation-policies", body, expect=201)
    rule = {"name": "masses", "position": 0, "match": {"names": ["mass-*"]}}
    whole.api("POST", "alert-rules", {**rule, "policy": policy["id"]}, expect=201)
    monitors = [whole.monitor(f"mass-{n}", silent_after=3600) for n in range(60)]
    for monitor in monitors:
        whole.push(monitor, "fail")
    until(
        lambda: len(whole.api("GET", "incidents?state=open&limit=1000")["results"]) >= 60,
        "all open",
        seconds=10,
    )
    until(
        lambda: [m for m in whole.mails() if re.search(r": \d+ down", str(m["Subject"]))],
        "a digest",
        seconds=70,
    )
    single = [m for m in whole.mails() if "Down: mass-" in str(m["Subject"])]
    assert len(single) <= 10
    for monitor in monitors:
        whole.api("POST", f"monitors/{monitor['id']}/pause", {})
