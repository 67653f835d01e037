"""Where an incident would go, without one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_scopes import scopes_disabled

from accounts.models import Membership, Role, Scope, Team
from incidents.models import Channel, ContactMethod, Delivery, Incident
from incidents.oncall.rotations import LayerValues, create_rotation
from tests.conftest import Api
from tests.factories import UserFactory, make_key

NOBODY = "01890000-0000-7000-8000-000000000000"
DRY_RUN = "alert-rules/dry-run"
AT = "2027-03-01T09:00:00Z"  # a Monday


def join(team: Team, email: str) -> Membership:
    with scopes_disabled():
        user = UserFactory(email=email)
        return Membership.objects.create(team=team, user=user, role=Role.MEMBER)


@pytest.fixture
def monitor(api: Api) -> str:
    made: str = api.make("monitors", name="db-1", labels={"env": "prod"}, severity="warning")["id"]
    return made


def ask(api: Api, **body: Any) -> Any:
    return api.post(DRY_RUN, **body)


def refused(api: Api, **body: Any) -> list[tuple[str, str]]:
    problem = api("POST", DRY_RUN, body, expect=400).json()
    return [(error["field"], error["code"]) for error in problem["errors"]]


def test_without_rules_the_owners_are_mailed(api: Api, monitor: str) -> None:
    [rule] = api.get("alert-rules")["results"]
    answer = ask(api, monitor=monitor)
    assert datetime.fromisoformat(answer.pop("at")).tzinfo is not None
    assert answer == {
        "rules": [{"id": rule["id"], "name": rule["name"]}],
        "owners": True,
        "channels": [],
        "policies": [],
    }


def test_who_is_on_call_is_read_when_each_step_would_fire(
    api: Api, team: Team, monitor: str
) -> None:
    ana, ben = join(team, "ana@example.org"), join(team, "ben@example.org")
    layer = LayerValues(unit="hour", length=1, handoff=datetime(2027, 3, 1, 9), members=[ana, ben])
    rotation = create_rotation(team=team, name="Primary", timezone="UTC", layers=[layer])
    channel = api.make("channels", name="ops", kind="email", config={"to": ["ops@example.org"]})
    steps = [
        {"delay": 0, "targets": [{"rotation": str(rotation.pk)}]},
        {"delay": 3600, "targets": [{"rotation": str(rotation.pk)}, {"channel": channel["id"]}]},
        {"delay": 60, "targets": [{"member": "ana@example.org"}]},
    ]
    policy = api.make("escalation-policies", name="p", steps=steps)
    rule = api.make("alert-rules", name="night", policy=policy["id"], channels=[channel["id"]])
    answer = ask(api, monitor=monitor, at=AT)

    def person(email: str, after: int, **thing: str) -> dict[str, Any]:
        contacts = [{"kind": "email", "after": after, "label": email}]
        return {**thing, "person": email, "contacts": contacts, "remark": ""}

    told = {
        "channel": channel["id"],
        "person": None,
        "contacts": [{"kind": "email", "after": 3600, "label": "ops"}],
        "remark": "",
    }
    primary = {"rotation": str(rotation.pk)}
    assert answer == {
        "at": AT,
        "rules": [{"id": rule["id"], "name": "night"}],
        "owners": False,
        "channels": [{"id": channel["id"], "name": "ops"}],
        "policies": [
            {
                "id": policy["id"],
                "name": "p",
                "steps": [
                    {"after": 0, "targets": [person("ana@example.org", 0, **primary)]},
                    {"after": 3600, "targets": [person("ben@example.org", 3600, **primary), told]},
                    {
                        "after": 3660,
                        "targets": [person("ana@example.org", 3660, member="ana@example.org")],
                    },
                ],
            }
        ],
    }
    with scopes_disabled():
        assert not Incident.objects.exists()
        assert not Delivery.objects.exists()


def test_matchers_see_the_incident_that_might_be(api: Api, monitor: str) -> None:
    hours = [{"weekdays": [0], "from": "08:00", "to": "10:00"}]
    for name, match in (
        ("critical", {"severities": ["critical"]}),
        ("failed", {"causes": ["failure"]}),
        ("monday", {"hours": hours}),
        ("prod", {"labels": {"env": "prod"}, "names": ["db-*"], "namespaces": ["acme"]}),
    ):
        api.make("alert-rules", name=name, match=match, **{"continue": True})

    def hit(**body: Any) -> list[str]:
        return [rule["name"] for rule in ask(api, monitor=monitor, **body)["rules"]][:-1]

    assert hit(at="2027-03-02T09:00:00Z") == ["prod"]
    assert hit(at=AT) == ["monday", "prod"]
    assert hit(at="2027-03-01T10:30:00+01:00", cause="failure") == ["failed", "monday", "prod"]
    assert hit(at="2027-03-02T09:00:00Z", severity="critical") == ["critical", "prod"]
    assert hit(at=None, severity=None)[-1] == "prod"


def test_owners_are_mailed_when_nothing_that_rules_name_reaches_anybody(
    api: Api, team: Team, monitor: str
) -> None:
    ana = join(team, "ana@example.org")
    channel = api.make("channels", name="ops", kind="email", config={"to": ["ops@example.org"]})
    steps = [{"targets": [{"member": "ana@example.org"}]}]
    policy = api.make("escalation-policies", name="p", steps=steps)
    api.make("alert-rules", name="a", policy=policy["id"], channels=[channel["id"]])
    with scopes_disabled():
        Membership.objects.filter(pk=ana.pk).update(accepted_at=None)
        Channel.objects.update(disabled_at=AT)
    answer = ask(api, monitor=monitor)
    assert answer["owners"]
    [target] = answer["policies"][0]["steps"][0]["targets"]
    assert target["contacts"] == []
    assert target["remark"] == "ana@example.org has not accepted their place yet."
    with scopes_disabled():
        Channel.objects.update(disabled_at=None)
    assert not ask(api, monitor=monitor)["owners"]


def test_delays_and_quiet_hours_count_and_no_secret_is_shown(
    api: Api, team: Team, monitor: str
) -> None:
    ana = join(team, "ana@example.org")
    quiet = [{"weekdays": [0], "from": "08:00", "to": "10:00", "timezone": "UTC"}]
    with scopes_disabled():
        for position, (kind, delay, hours) in enumerate(
            [("webhook", 0, []), ("ntfy", 60, quiet), ("pushover", 60, [])]
        ):
            ContactMethod.objects.create(
                team=team,
                membership=ana,
                name="Phone" if kind == "ntfy" else "",
                kind=kind,
                config={"url": "https://x.example/s3cret", "token": "s3cret", "key": "s3cret"},
                position=position,
                delay=delay,
                quiet_hours=hours,
                verified_at=AT,
            )
    policy = api.make(
        "escalation-policies",
        name="p",
        steps=[{"delay": 10, "targets": [{"member": "ana@example.org"}]}],
    )
    api.make("alert-rules", name="a", policy=policy["id"])
    response = api("POST", DRY_RUN, {"monitor": monitor, "at": AT}, expect=200)
    assert b"s3cret" not in response.content
    [target] = response.json()["policies"][0]["steps"][0]["targets"]
    assert [contact["after"] for contact in target["contacts"]] == [10, 3600, 130]
    assert target["contacts"][1]["label"] == "Phone"
    answer = ask(api, monitor=monitor, at=AT, severity="critical")
    [target] = answer["policies"][0]["steps"][0]["targets"]
    assert [contact["after"] for contact in target["contacts"]] == [10, 70, 130]


def test_what_is_wrong_is_named(api: Api, rival: Api, monitor: str) -> None:
    theirs = rival.make("monitors", name="m")["id"]
    answers = {
        api("POST", DRY_RUN, {"monitor": pk}, expect=400).content
        for pk in (theirs, NOBODY, "nonsense")
    }
    assert len(answers) == 1
    assert refused(api, monitor=theirs) == [("monitor", "not_found")]
    for body, field in (
        ({}, "monitor"),
        ({"monitor": 5}, "monitor"),
        ({"monitor": monitor, "cause": "boredom"}, "cause"),
        ({"monitor": monitor, "cause": None}, "cause"),
        ({"monitor": monitor, "cause": {"a": []}}, "cause"),
        ({"monitor": monitor, "severity": "loud"}, "severity"),
        ({"monitor": monitor, "at": "tomorrow"}, "at"),
        ({"monitor": monitor, "at": "2027-03-01T09:00:00"}, "at"),
        ({"monitor": monitor, "at": "9999-12-31T23:59:59Z"}, "at"),
        ({"monitor": monitor, "at": "0001-01-01T00:00:00+14:00"}, "at"),
        ({"monitor": monitor, "at": 5}, "at"),
        ({"monitor": monitor, "when": AT}, "when"),
    ):
        assert [name for name, _ in refused(api, **body)] == [field], body


def test_a_key_that_reads_may_ask(team: Team, monitor: str) -> None:
    ask(Api(make_key(team, Scope.READ)), monitor=monitor)
    Api(None)("POST", DRY_RUN, {"monitor": monitor}, expect=401)


def test_it_costs_the_same_however_high_the_ladder(api: Api, team: Team, monitor: str) -> None:
    ana = join(team, "ana@example.org")
    layer = LayerValues(unit="day", length=1, handoff=datetime(2027, 3, 1, 9), members=[ana])
    steps = []
    for number in range(10):
        rotation = create_rotation(team=team, name=str(number), timezone="UTC", layers=[layer])
        steps.append({"delay": 60, "targets": [{"rotation": str(rotation.pk)}]})

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            ask(api, monitor=monitor)
        return len(captured)

    policy = api.make("escalation-policies", name="p", steps=steps[:1])
    api.make("alert-rules", name="a", policy=policy["id"])
    ask(api, monitor=monitor)
    few = queries()
    api("PATCH", f"escalation-policies/{policy['id']}", {"steps": steps}, expect=200)
    assert queries() <= few
