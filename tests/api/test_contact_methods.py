from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.models import Membership, Role, Scope, Team
from incidents.models import ContactMethod, Delivery, EscalationPolicy, EscalationStep
from incidents.models import EscalationTarget as Target
from tests.conftest import Api
from tests.factories import UserFactory, make_key

ANA = "ana@example.org"
MAIL = {"member": ANA, "kind": "email", "config": {"to": ["new@example.org"]}}
HOOK = {"member": ANA, "kind": "webhook", "config": {"url": "https://hooks.example.org/x"}}
NIGHT = {"weekdays": [0, 1], "from": "22:00", "to": "07:00", "timezone": "Europe/Berlin"}


@pytest.fixture
def ana(team: Team) -> Membership:
    with scopes_disabled():
        return Membership.objects.create(team=team, user=UserFactory(email=ANA), role=Role.MEMBER)


@pytest.fixture(autouse=True)
def _ana(ana: Membership) -> None:
    """Let there be a member Ana in every test."""


def codes(method_id: str) -> list[str]:
    with scopes_disabled():
        rows = Delivery.objects.filter(contact_method=method_id, event="contact.code")
        return [row.payload["code"] for row in rows.order_by("-id") if "code" in row.payload]


def rows(api: Api, member: str = ANA) -> list[tuple[str, int]]:
    listed = api.get(f"contact-methods?member={member}")["results"]
    return [(row["config"].get("to", ["hook"])[0], row["position"]) for row in listed]


def test_the_accounts_address_is_a_method(api: Api) -> None:
    [row] = api.get(f"contact-methods?member={ANA}")["results"]
    assert row.pop("id")
    assert row.pop("verified_at")
    assert row.pop("created_at")
    assert row == {
        "member": ANA,
        "name": "Account address",
        "kind": "email",
        "config": {"to": [ANA]},
        "position": 0,
        "delay": 0,
        "quiet_hours": [],
        "disabled_at": None,
    }


def test_a_method_is_used_once_its_code_is_entered(api: Api) -> None:
    made = api.make("contact-methods", **MAIL, name="Mobile mail", delay=120, quiet_hours=[NIGHT])
    assert made["verified_at"] is None
    assert (made["position"], made["delay"], made["quiet_hours"]) == (1, 120, [NIGHT])
    path = f"contact-methods/{made['id']}"
    assert api.get(path) == made
    [code] = codes(made["id"])
    api("POST", f"{path}/test", expect=409)
    wrong = "111111" if code != "111111" else "222222"
    problem = api("POST", f"{path}/verify", {"code": wrong}, expect=400).json()
    assert problem["errors"] == [
        {
            "field": "code",
            "code": "wrong",
            "detail": "This is not the code that was sent. Tries left: 4.",
        }
    ]
    verified = api("POST", f"{path}/verify", {"code": code}, expect=200).json()
    assert verified["verified_at"]
    assert {**verified, "verified_at": None} == made
    delivery = api("POST", f"{path}/test", expect=202).json()
    assert (delivery["kind"], delivery["state"], delivery["incident"]) == ("email", "pending", None)
    api("POST", f"{path}/send-code", expect=409)


def test_a_code_can_be_sent_anew_after_a_minute(api: Api) -> None:
    made = api.make("contact-methods", **MAIL)
    path = f"contact-methods/{made['id']}/send-code"
    early = api("POST", path, expect=429)
    assert 50 <= int(early["Retry-After"]) <= 60
    with scopes_disabled():
        back = now() - timedelta(minutes=2)
        ContactMethod.objects.filter(pk=made["id"]).update(code_sent_at=back)
        Delivery.objects.update(created_at=back)
    delivery = api("POST", path, expect=202).json()
    assert delivery["state"] == "pending"
    assert len(codes(made["id"])) == 1
    verify = f"contact-methods/{made['id']}/verify"
    api("POST", verify, {"code": codes(made["id"])[0]}, expect=200)


def test_no_answer_tells_the_code(api: Api) -> None:
    made = api.make("contact-methods", **MAIL)
    [code] = codes(made["id"])
    for path in ("deliveries", f"contact-methods/{made['id']}", "contact-methods"):
        text = api("GET", path, expect=200).content.decode()
        assert f'"{code}"' not in text
    [delivery] = api.get("deliveries")["results"]
    assert not {"payload", "code"} & set(delivery)
    assert f'"{code}"' not in str(api.get(f"deliveries/{delivery['id']}"))


def test_an_expired_code_and_too_many_tries_say_so(api: Api) -> None:
    made = api.make("contact-methods", **MAIL)
    path = f"contact-methods/{made['id']}/verify"
    [code] = codes(made["id"])
    wrong = {"code": "111111" if code != "111111" else "222222"}
    said = [api("POST", path, wrong, expect=400).json()["errors"][0]["code"] for _ in range(6)]
    assert said == ["wrong"] * 4 + ["too_many"] * 2
    with scopes_disabled():
        ContactMethod.objects.update(code_sent_at=now() - timedelta(minutes=16), code_tries=0)
    late = api("POST", path, {"code": code}, expect=400).json()
    assert late["errors"][0]["code"] == "expired"


@pytest.mark.parametrize(
    "body",
    [{}, {"code": ""}, {"code": 123456}, {"code": None}, {"code": []}, {"code": "1" * 21}],
)
def test_a_code_is_a_text(api: Api, body: Any) -> None:
    made = api.make("contact-methods", **MAIL)
    path = f"contact-methods/{made['id']}/verify"
    problem = api("POST", path, body, expect=400).json()
    assert problem["errors"][0]["field"] == "code"


def test_an_address_that_the_account_has_proved_needs_no_code(api: Api) -> None:
    made = api.make("contact-methods", **MAIL | {"config": {"address": ANA.upper()}})
    assert made["verified_at"]
    assert codes(made["id"]) == []


def test_a_webhooks_secret_is_shown_once(api: Api) -> None:
    made = api.make("contact-methods", **HOOK)
    assert made["config"]["secret"].startswith("whsec_")
    path = f"contact-methods/{made['id']}"
    assert api.get(path)["config"] == HOOK["config"]
    assert api("PATCH", path, {"name": "x"}, expect=200).json()["config"] == HOOK["config"]
    assert "whsec_" not in api("GET", "contact-methods", expect=200).content.decode()


def test_methods_stand_in_the_order_that_positions_say(api: Api) -> None:
    b = api.make("contact-methods", **MAIL | {"config": {"to": ["b@example.org"]}})
    api.make("contact-methods", **MAIL | {"config": {"to": ["c@example.org"]}}, position=0)
    assert rows(api) == [("c@example.org", 0), (ANA, 1), ("b@example.org", 2)]
    moved = api("PATCH", f"contact-methods/{b['id']}", {"position": 1}, expect=200).json()
    assert moved["position"] == 1
    api("DELETE", f"contact-methods/{b['id']}", expect=204)
    assert rows(api) == [("c@example.org", 0), (ANA, 1)]


def test_the_list_comes_in_pages_and_by_member(api: Api, rival: Api) -> None:
    for name in "bcd":
        api.make("contact-methods", **MAIL | {"config": {"to": [f"{name}@example.org"]}})
    first = api.get("contact-methods?limit=3")
    second = api.get(first["next"].removeprefix(first["next"].split("/api/v1/")[0] + "/api/v1/"))
    listed = first["results"] + second["results"]
    assert len({row["id"] for row in listed}) == len(listed) == 5, "Ana's four and the owner's"
    assert rows(api, "nobody@example.org") == []
    assert rows(api, ANA.upper()) == rows(api)
    assert rows(rival) == []


def test_a_changed_config_is_proved_anew_and_gets_a_code(api: Api) -> None:
    made = api.make("contact-methods", **MAIL)
    path = f"contact-methods/{made['id']}"
    api("POST", f"{path}/verify", {"code": codes(made["id"])[0]}, expect=200)
    same = api("PATCH", path, {"config": MAIL["config"], "delay": 5}, expect=200).json()
    assert same["verified_at"]
    changed = api("PATCH", path, {"config": {"to": ["else@example.org"]}}, expect=200).json()
    assert changed["verified_at"] is None
    [code] = codes(made["id"])
    api("POST", f"{path}/verify", {"code": code}, expect=200)
    read = api.get(path)
    assert api("PATCH", path, read, expect=200).json() == read


def test_kind_and_member_stay(api: Api, team: Team) -> None:
    made = api.make("contact-methods", **MAIL)
    with scopes_disabled():
        Membership.objects.create(team=team, user=UserFactory(email="bo@example.org"))
    for change in ({"kind": "webhook"}, {"member": "bo@example.org"}):
        problem = api("PATCH", f"contact-methods/{made['id']}", change, expect=400).json()
        assert [(e["field"], e["code"]) for e in problem["errors"]] == [
            (next(iter(change)), "immutable")
        ]


def test_a_disabled_one_works_again(api: Api) -> None:
    made = api.make("contact-methods", **MAIL)
    path = f"contact-methods/{made['id']}"
    with scopes_disabled():
        ContactMethod.objects.filter(pk=made["id"]).update(disabled_at=now(), verified_at=now())
    api("POST", f"{path}/test", expect=409)
    assert api("PATCH", path, {"disabled_at": None}, expect=200).json()["disabled_at"] is None
    api("POST", f"{path}/test", expect=202)


def test_the_last_usable_one_of_somebody_on_duty_stays(api: Api, ana: Membership) -> None:
    with scopes_disabled():
        policy = EscalationPolicy.objects.create(team=ana.team, name="ladder")
        step = EscalationStep.objects.create(team=ana.team, policy=policy, position=0)
        Target.objects.create(team=ana.team, step=step, position=0, membership=ana)
    [own] = api.get(f"contact-methods?member={ANA}")["results"]
    path = f"contact-methods/{own['id']}"
    assert "reached" in api("DELETE", path, expect=409).json()["detail"]
    api("PATCH", path, {"config": {"to": ["else@example.org"]}}, expect=409)
    made = api.make("contact-methods", **MAIL)
    api("DELETE", path, expect=409)
    api("POST", f"contact-methods/{made['id']}/verify", {"code": codes(made["id"])[0]}, expect=200)
    api("DELETE", path, expect=204)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"member": "nobody@example.org"}, "member"),
        ({"member": "rival@example.org"}, "member"),
        ({"member": "invited@example.org"}, "member"),
        ({"member": None}, "member"),
        ({"member": ""}, "member"),
        ({"member": 5}, "member"),
        ({"member": "x" * 300}, "member"),
        ({"kind": "pigeon"}, "kind"),
        ({"config": {"to": ["a@example.org", "b@example.org"]}}, "config.to"),
        ({"config": {"to": "nobody"}}, "config.to"),
        ({"config": []}, "config"),
        ({"config": {"to": [{"a": [[]]}]}}, "config.to"),
        ({"name": "x" * 121}, "name"),
        ({"name": None}, "name"),
        ({"delay": -1}, "delay"),
        ({"delay": 86_401}, "delay"),
        ({"delay": 10**30}, "delay"),
        ({"delay": "5"}, "delay"),
        ({"delay": True}, "delay"),
        ({"position": -1}, "position"),
        ({"position": 10**30}, "position"),
        ({"quiet_hours": {}}, "quiet_hours"),
        ({"quiet_hours": [5]}, "quiet_hours.0"),
        ({"quiet_hours": [NIGHT | {"weekdays": [7]}]}, "quiet_hours.0.weekdays.0"),
        ({"quiet_hours": [NIGHT | {"to": "25:00"}]}, "quiet_hours.0.to"),
        ({"quiet_hours": [NIGHT | {"timezone": "Atlantis"}]}, "quiet_hours.0.timezone"),
        ({"quiet_hours": [NIGHT] * 21}, "quiet_hours"),
        ({"quiet_hours": [{"weekdays": [1]}]}, "quiet_hours.0.from"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_wrong_field_is_named(
    api: Api, rival: Api, team: Team, change: dict[str, Any], field: str
) -> None:
    with scopes_disabled():
        rivals = Team.objects.get(slug="rival")
        Membership.objects.create(team=rivals, user=UserFactory(email="rival@example.org"))
        invited = UserFactory(email="invited@example.org")
        Membership.objects.create(team=team, user=invited, accepted_at=None)
    problem = api("POST", "contact-methods", MAIL | change, expect=400).json()
    assert field in problem["errors"][0]["field"]
    if str(change.get("member")).split("@")[0] in {"nobody", "rival", "invited"}:
        assert [(e["field"], e["code"]) for e in problem["errors"]] == [("member", "not_found")]
    with scopes_disabled():
        assert not ContactMethod.objects.exists()


@pytest.mark.parametrize("bad", ["\x00", "\ud800"])
def test_what_no_text_can_hold_is_malformed(api: Api, bad: str) -> None:
    for change in ({"member": bad}, {"name": bad}, {"config": {"to": bad}}, {"kind": bad}):
        api("POST", "contact-methods", MAIL | change, expect=400)
    made = api.make("contact-methods", **MAIL)
    api("POST", f"contact-methods/{made['id']}/verify", {"code": bad}, expect=400)
    api("GET", "contact-methods?member=%00", expect=400)


def test_a_twenty_first_method_is_refused(api: Api) -> None:
    for number in range(19):
        api.make("contact-methods", **MAIL | {"config": {"to": [f"a{number}@example.org"]}})
    assert "20" in api("POST", "contact-methods", MAIL, expect=409).json()["detail"]


@pytest.mark.parametrize("call", ["", "/send-code", "/verify", "/test"])
def test_a_read_key_looks_and_a_foreign_id_is_missing(
    api: Api, rival: Api, team: Team, call: str
) -> None:
    made = api.make("contact-methods", **MAIL)
    path = f"contact-methods/{made['id']}{call}"
    reader = Api(make_key(team, Scope.READ))
    method = "POST" if call else "PATCH"
    reader(method, path, {}, expect=403)
    assert reader.get(f"contact-methods/{made['id']}") == made
    foreign = rival(method, path, {"code": "x"}, expect=404)
    missing = rival(method, path.replace(made["id"], str(team.pk)), {"code": "x"}, expect=404)
    assert foreign.content == missing.content
    Api(make_key(team, Scope.WRITE))("POST", f"contact-methods/{made['id']}/send-code", expect=429)
