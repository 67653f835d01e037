from __future__ import annotations

import base64
from typing import Any

import pytest
from django.utils.timezone import now
from django_scopes import scopes_disabled

from incidents.models import Channel, Delivery
from tests.conftest import Api

HOOK = {"url": "https://hooks.example.org/x"}
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


def stored(channel_id: str) -> Channel:
    with scopes_disabled():
        return Channel.objects.get(pk=channel_id)


def test_a_generated_secret_is_shown_once(api: Api) -> None:
    made = api.make("channels", name="hook", kind="webhook", config=HOOK)
    assert set(made) == {"id", "name", "kind", "config", "disabled_at"}
    assert made["config"]["secret"].startswith("whsec_")
    assert api.get(f"channels/{made['id']}")["config"] == HOOK
    assert api.get("channels")["results"][0]["config"] == HOOK
    assert stored(made["id"]).config == made["config"]


def test_a_given_secret_is_kept_and_shown_once(api: Api) -> None:
    made = api.make("channels", name="hook", kind="webhook", config=HOOK | {"secret": SECRET})
    assert made["config"]["secret"] == SECRET
    assert "secret" not in api.get(f"channels/{made['id']}")["config"]


def test_a_change_keeps_the_secret_it_does_not_mention(api: Api) -> None:
    made = api.make("channels", name="hook", kind="webhook", config=HOOK)
    path, secret = f"channels/{made['id']}", made["config"]["secret"]
    moved = {"url": "https://hooks.example.org/y"}
    assert api("PATCH", path, {"config": moved}, expect=200).json()["config"] == moved
    assert stored(made["id"]).config == moved | {"secret": secret}
    assert api("PATCH", path, {"config": {"secret": SECRET}}, expect=200).json()["config"] == moved
    assert stored(made["id"]).config == moved | {"secret": SECRET}
    read = api.get(path)
    assert api("PATCH", path, read, expect=200).json() == read
    assert stored(made["id"]).config == moved | {"secret": SECRET}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "email", "config": {"to": ["a@example.org"]}}, "name"),
        ({"name": "x", "config": HOOK}, "kind"),
        ({"name": "x", "kind": "pigeon", "config": HOOK}, "kind"),
        ({"name": "x", "kind": ["webhook"], "config": HOOK}, "kind"),
        ({"name": "x", "kind": "webhook"}, "config"),
        ({"name": "x", "kind": "webhook", "config": []}, "config"),
        ({"name": "x", "kind": "webhook", "config": None}, "config"),
        ({"name": "x", "kind": "webhook", "config": {}}, "config.url"),
        ({"name": "x", "kind": "webhook", "config": {"url": 5}}, "config.url"),
        ({"name": "x", "kind": "webhook", "config": HOOK | {"to": 1}}, "config.to"),
        ({"name": "x", "kind": "webhook", "config": HOOK | {"secret": "a"}}, "config.secret"),
        ({"name": "x", "kind": "webhook", "config": {"url": "https://[::1]/"}}, "config.url"),
        ({"name": "x", "kind": "email", "config": {"to": ["nobody"]}}, "config.to"),
        ({"name": "x", "kind": "webhook", "config": HOOK, "colour": 1}, "colour"),
    ],
)
def test_a_wrong_field_is_named(api: Api, body: dict[str, Any], field: str) -> None:
    problem = api("POST", "channels", body, expect=400).json()
    assert [error["field"] for error in problem["errors"]] == [field]
    assert api.get("channels")["results"] == []


def test_the_kind_stays(api: Api) -> None:
    made = api.make("channels", name="hook", kind="webhook", config=HOOK)
    problem = api("PATCH", f"channels/{made['id']}", {"kind": "email"}, expect=400).json()
    assert problem["errors"][0]["field"] == "kind"
    api("PATCH", f"channels/{made['id']}", {"kind": "webhook", "name": "new"}, expect=200)


def test_a_name_is_taken_once(api: Api, rival: Api) -> None:
    first = api.make("channels", name="hook", kind="webhook", config=HOOK)
    api("POST", "channels", {"name": "hook", "kind": "webhook", "config": HOOK}, expect=409)
    other = api.make("channels", name="other", kind="webhook", config=HOOK)
    api("PATCH", f"channels/{other['id']}", {"name": "hook"}, expect=409)
    api("PATCH", f"channels/{first['id']}", {"name": "hook"}, expect=200)
    rival.make("channels", name="hook", kind="webhook", config=HOOK)


def test_a_disabled_channel_works_again(api: Api) -> None:
    made = api.make("channels", name="hook", kind="webhook", config=HOOK)
    path = f"channels/{made['id']}"
    with scopes_disabled():
        Channel.objects.update(disabled_at=now(), disabled_reason="410")
    read = api.get(path)
    assert read["disabled_at"]
    assert api("PATCH", path, read, expect=200).json() == read
    assert api("PATCH", path, {"disabled_at": None}, expect=200).json()["disabled_at"] is None
    assert stored(made["id"]).disabled_reason == ""
    with scopes_disabled():
        Channel.objects.update(disabled_at=now())
    moved = {"config": {"url": "https://hooks.example.org/y"}}
    assert api("PATCH", path, moved, expect=200).json()["disabled_at"] is None


def test_a_test_is_a_delivery(api: Api) -> None:
    made = api.make("channels", name="hook", kind="webhook", config=HOOK)
    delivery = api("POST", f"channels/{made['id']}/test", expect=202).json()
    assert (delivery["channel"], delivery["kind"], delivery["state"]) == (
        made["id"],
        "webhook",
        "pending",
    )
    assert (delivery["incident"], delivery["attempts"]) == (None, [])
    assert api.get(f"deliveries/{delivery['id']}") == delivery
    assert api.get(f"deliveries?channel={made['id']}")["results"] == [delivery]


def test_deleting_leaves_what_has_not_gone_out_and_keeps_the_log(api: Api) -> None:
    made = api.make("channels", name="hook", kind="webhook", config=HOOK)
    waiting = api("POST", f"channels/{made['id']}/test", expect=202).json()
    gone = api("POST", f"channels/{made['id']}/test", expect=202).json()
    with scopes_disabled():
        Delivery.objects.filter(pk=gone["id"]).update(state="delivered")
    api("DELETE", f"channels/{made['id']}", expect=204)
    # It fails when its turn comes, and a page that fails goes to the owners.
    assert api.get(f"deliveries/{waiting['id']}")["state"] == "pending"
    assert api.get(f"deliveries/{gone['id']}")["state"] == "delivered"
    assert api.get("channels")["results"] == []
