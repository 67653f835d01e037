"""Subscribers of status pages through the REST API."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.models import Scope, Team
from statuspages.models import Subscriber
from tests.conftest import Api
from tests.factories import make_key
from tests.statuspages.following import age, messages

NOBODY = "01890000-0000-7000-8000-000000000000"
HOOK = "https://hooks.example.org/status"


@pytest.fixture
def page(api: Api) -> Any:
    return api.make("status-pages", name="Acme", slug="acme", locale="de")


@pytest.fixture
def path(page: Any) -> str:
    return f"status-pages/{page['id']}/subscribers"


def component(api: Api, page: Any, name: str = "API") -> str:
    return str(api.make(f"status-pages/{page['id']}/components", name=name)["id"])


def refused(api: Api, method: str, path: str, body: Any) -> tuple[str, str]:
    errors = api(method, path, body, expect=400).json()["errors"]
    return errors[0]["field"], errors[0]["code"]


def test_a_mail_address_waits_for_its_owner(api: Api, path: str) -> None:
    made = api.make(path, kind="email", address="ana@example.org")
    assert made == {
        "id": made["id"],
        "kind": "email",
        "address": "ana@example.org",
        "components": [],
        "locale": "de",
        "state": "waiting",
        "confirmed_at": None,
        "created_at": made["created_at"],
    }
    assert made["created_at"].endswith("Z")
    assert api.get(f"{path}/{made['id']}") == made
    assert api.get(path)["results"] == [made]


def test_a_webhook_is_told_at_once_and_its_secret_is_shown_once(api: Api, path: str) -> None:
    made = api.make(path, kind="webhook", address=HOOK, locale="ja")
    assert made.pop("secret").startswith("whsec_")
    assert made["state"] == "confirmed"
    assert made["confirmed_at"].endswith("Z")
    assert made["locale"] == "ja"
    assert api.get(f"{path}/{made['id']}") == made
    assert api.get(path)["results"] == [made]


def test_components_are_named_by_their_ids(api: Api, page: Any, path: str) -> None:
    first, second = component(api, page), component(api, page, "Web")
    made = api.make(path, kind="email", address="ana@example.org", components=[second, first])
    assert made["components"] == [second, first]
    one = f"{path}/{made['id']}"
    changed = api("PATCH", one, {"components": [first], "locale": "fr"}, expect=200).json()
    assert (changed["components"], changed["locale"]) == ([first], "fr")
    assert api("PATCH", one, {"locale": "es"}, expect=200).json()["components"] == [first]
    assert api("PATCH", one, {"components": []}, expect=200).json()["components"] == []
    api("PATCH", one, {"components": [first, second]}, expect=200)
    api("DELETE", f"status-pages/{page['id']}/components/{first}", expect=204)
    assert api.get(one)["components"] == [second]


def test_what_was_read_can_be_sent_back_and_another_address_cannot(api: Api, path: str) -> None:
    made = api.make(path, kind="email", address="ana@example.org")
    one = f"{path}/{made['id']}"
    assert api("PATCH", one, made, expect=200).json() == made
    assert refused(api, "PATCH", one, {"address": "ben@example.org"}) == ("address", "invalid")
    assert refused(api, "PATCH", one, {"kind": "webhook"}) == ("kind", "invalid")


def test_the_same_address_is_there_once(api: Api, path: str) -> None:
    api.make(path, kind="email", address="ana@example.org")
    again = {"kind": "email", "address": "Ana@Example.org"}
    assert "subscriber" in api("POST", path, again, expect=409).json()["detail"]
    other = api.make("status-pages", name="Other", slug="other")
    api.make(f"status-pages/{other['id']}/subscribers", **again)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "kind"),
        ({"kind": "sms", "address": "x"}, "kind"),
        ({"kind": ["email"], "address": "ana@example.org"}, "kind"),
        ({"kind": "email"}, "address"),
        ({"kind": "email", "address": "ana"}, "address"),
        ({"kind": "email", "address": "a@example.org\nBcc: b@example.org"}, "address"),
        ({"kind": "email", "address": 5}, "address"),
        ({"kind": "email", "address": "x" * 5000}, "address"),
        ({"kind": "webhook", "address": "ftp://example.org"}, "address"),
        ({"kind": "webhook", "address": "http://127.0.0.1:5432/"}, "address"),
        ({"kind": "webhook", "address": "http://169.254.169.254/latest"}, "address"),
        ({"kind": "email", "address": "a@example.org", "components": "API"}, "components"),
        ({"kind": "email", "address": "a@example.org", "components": [NOBODY]}, "components"),
        ({"kind": "email", "address": "a@example.org", "locale": "xx"}, "locale"),
        ({"kind": "email", "address": "a@example.org", "confirmed": True}, "confirmed"),
    ],
)
def test_a_mistake_is_a_400_that_names_the_field(
    api: Api, path: str, body: Any, field: str
) -> None:
    name, _ = refused(api, "POST", path, body)
    assert name.split(".")[0] == field
    assert api.get(path)["results"] == []


def test_a_list_can_be_narrowed(api: Api, path: str) -> None:
    mail = api.make(path, kind="email", address="ana@example.org")
    hook = api.make(path, kind="webhook", address=HOOK)
    off = api.make(path, kind="email", address="off@example.org")
    with scopes_disabled():
        Subscriber.objects.filter(pk=off["id"]).update(disabled_at=now())

    def ids(query: str) -> list[str]:
        return [row["id"] for row in api.get(f"{path}?{query}")["results"]]

    assert ids("") == [off["id"], hook["id"], mail["id"]]
    assert ids("state=waiting") == [mail["id"]]
    assert ids("state=confirmed") == [hook["id"]]
    assert ids("state=disabled&kind=email") == [off["id"]]
    assert ids("state=disabled&kind=webhook") == []
    for query in ("state=gone", "kind=sms", "state=%00"):
        api("GET", f"{path}?{query}", expect=400)
    first = api.get(f"{path}?limit=1")
    assert [row["id"] for row in first["results"]] == [off["id"]]
    assert first["next"]


def test_deleting_ends_it(api: Api, path: str) -> None:
    made = api.make(path, kind="email", address="ana@example.org")
    api("DELETE", f"{path}/{made['id']}", expect=204)
    api("GET", f"{path}/{made['id']}", expect=404)
    with scopes_disabled():
        assert not Subscriber.objects.exists()


def test_nobody_reaches_another_team_s_subscribers(
    api: Api, rival: Api, page: Any, path: str
) -> None:
    made = api.make(path, kind="email", address="ana@example.org")
    theirs = rival.make("status-pages", name="R", slug="rival")
    below = f"status-pages/{theirs['id']}/subscribers"
    foreign = component(rival, theirs)
    for method in ("GET", "PATCH", "DELETE"):
        rival(method, f"{path}/{made['id']}", {}, expect=404)
        rival(method, f"{below}/{made['id']}", {}, expect=404)
        rival(method, f"{below}/nonsense", {}, expect=404)
    other = api.make("status-pages", name="Other", slug="other")
    api("GET", f"status-pages/{other['id']}/subscribers/{made['id']}", expect=404)
    body = {"kind": "email", "address": "b@example.org", "components": [foreign]}
    errors = api("POST", path, body, expect=400).json()["errors"]
    body["components"] = [NOBODY]
    assert errors == api("POST", path, body, expect=400).json()["errors"]


def test_a_read_key_reads(api: Api, team: Team, path: str) -> None:
    made = api.make(path, kind="email", address="ana@example.org")
    reader = Api(make_key(team, Scope.READ))
    assert reader.get(path)["results"] == [made]
    for method, place in (("POST", path), ("PATCH", f"{path}/{made['id']}")):
        reader(method, place, {}, expect=403)
    reader("DELETE", f"{path}/{made['id']}", expect=403)


def test_the_link_is_sent_again_to_who_waits(api: Api, path: str) -> None:
    one = f"{path}/{api.make(path, kind='email', address='ana@example.org')['id']}"
    early = api("POST", f"{one}/resend", expect=429)
    assert early["Retry-After"] == "600"
    age("subscribermessage", created_at="11 minutes")
    assert api("POST", f"{one}/resend", expect=200).json() == api.get(one)
    assert [message.event for message in messages()] == ["subscription.confirm"] * 2
    hook = f"{path}/{api.make(path, kind='webhook', address=HOOK)['id']}"
    api("POST", f"{hook}/resend", expect=409)
    api("POST", f"{path}/{NOBODY}/resend", expect=404)


def test_only_the_team_s_writers_send_it_again(
    api: Api, rival: Api, team: Team, path: str, page: Any
) -> None:
    one = api.make(path, kind="email", address="ana@example.org")["id"]
    reader = Api(make_key(team, Scope.READ))
    age("subscribermessage", created_at="11 minutes")
    reader("POST", f"{path}/{one}/resend", expect=403)
    rival("POST", f"{path}/{one}/resend", expect=404)
    theirs = rival.make("status-pages", name="Theirs", slug="theirs")["id"]
    rival("POST", f"status-pages/{theirs}/subscribers/{one}/resend", expect=404)
    assert len(messages()) == 1
