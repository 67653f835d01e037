"""API keys in the console: named once, ending, shown once, searched and revoked by name."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.keys import KeyNameTaken, create_api_key, rename_api_key, revoke_api_key
from accounts.models import ApiKey, Scope
from tests.console.test_team import main_of
from tests.racing import at_once

PAGE = "/t/acme/settings/keys"


def key_named(name):
    with scopes_disabled():
        return ApiKey.objects.filter(name=name).order_by("-created_at").first()


@pytest.mark.parametrize(("days", "wanted"), [("30", 30), ("365", 365), ("", None)])
def test_a_key_ends_when_its_maker_says(owner, days, wanted):
    answer = owner.post(PAGE, {"name": "ci", "scope": "read", "days": days})
    assert answer.status_code == 200
    expires = key_named("ci").expires_at
    if wanted is None:
        assert expires is None
    else:
        assert expires - now() == pytest.approx(timedelta(days=wanted), abs=timedelta(minutes=1))


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "", "scope": "read"},
        {"name": "x", "scope": "god"},
        {"name": "x", "scope": "read", "days": "12"},
        {"name": "x\x00", "scope": "read"},
        {"name": "x" * 121, "scope": "read"},
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_made(owner, fields):
    answer = owner.post(PAGE, fields)
    assert answer.status_code == 200
    assert "invalid-feedback" in main_of(answer)
    with scopes_disabled():
        assert not ApiKey.objects.exists()


def test_two_live_keys_do_not_share_a_name(people, owner):
    owner.post(PAGE, {"name": "ci", "scope": "read"})
    page = main_of(owner.post(PAGE, {"name": "ci", "scope": "read"}))
    assert "A live key is called “ci”." in page
    assert not re.search(r"tk_\w{8}_\w{40}", page)
    revoke_api_key(key=key_named("ci"), now=now())
    assert re.search(r"tk_\w{8}_\w{40}", main_of(owner.post(PAGE, {"name": "ci", "scope": "read"})))
    with scopes_disabled():
        ApiKey.objects.filter(revoked_at=None).update(expires_at=now() - timedelta(seconds=1))
    assert re.search(r"tk_\w{8}_\w{40}", main_of(owner.post(PAGE, {"name": "ci", "scope": "read"})))


def test_a_key_is_not_renamed_to_one_that_lives(people):
    first, _ = create_api_key(team=people.team, name="a", scope=Scope.READ)
    create_api_key(team=people.team, name="b", scope=Scope.READ)
    rename_api_key(key=first, name="a")
    with pytest.raises(KeyNameTaken):
        rename_api_key(key=first, name="b")


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_gets_the_name(people):
    def make():
        try:
            create_api_key(team=people.team, name="ci", scope=Scope.READ)
        except KeyNameTaken:
            return "taken"
        return "made"

    assert sorted(at_once(make, make)) == ["made", "taken"]


def test_revoking_asks_by_name_first(people, owner):
    key, _ = create_api_key(team=people.team, name="terraform", scope=Scope.READ)
    path = f"{PAGE}/{key.pk}/revoke"
    assert path in main_of(owner.get(PAGE))
    assert "Revoke the key <bdi>terraform</bdi>?" in main_of(owner.get(path))
    assert key_named("terraform").revoked_at is None
    assert "opens nothing any more" in main_of(owner.post(path, follow=True))
    assert '<td class="main">terraform' not in main_of(owner.get(PAGE))
    assert '<td class="main">terraform' in main_of(owner.get(f"{PAGE}?state=revoked"))


def test_keys_are_found_by_name_and_state_at_a_constant_cost(people, owner):
    def cost():
        with CaptureQueriesContext(connection) as done:
            assert owner.get(PAGE).status_code == 200
        return len(done)

    create_api_key(team=people.team, name="first", scope=Scope.READ)
    owner.get(PAGE)
    before = cost()
    for number in range(60):
        create_api_key(team=people.team, name=f"key-{number}", scope=Scope.READ)
    assert cost() == before
    page = main_of(owner.get(f"{PAGE}?search=KEY-17"))
    assert "key-17" in page
    assert "key-18" not in page
    assert "No key matches" in main_of(owner.get(f"{PAGE}?search=%00nothing&state=expired"))
