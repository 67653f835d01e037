"""Changing monitors: names, quotas, keys, and what each change leaves behind."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django_scopes import scopes_disabled

from accounts.keys import hash_token
from accounts.models import Namespace, Team
from accounts.teams import NameTaken
from monitors.models import Heartbeat, Monitor, PushKey, PushReceipt
from monitors.services import (
    DuplicateName,
    QuotaExceeded,
    create_monitor,
    delete_monitor,
    pause_monitor,
    resume_monitor,
    rotate_slug,
    rotate_token,
    token_is_valid,
    update_monitor,
)
from tests.factories import TeamFactory
from tests.monitors.pushing import heartbeat, push, results, slug_of, transitions
from tests.racing import at_once, session, start, wait_for_lock

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _unscoped():
    with scopes_disabled():
        yield


def test_a_new_monitor_is_complete(team):
    monitor, token = create_monitor(team=team, name="m")
    assert token
    assert monitor.namespace.name == "acme"
    assert (heartbeat(monitor).state, heartbeat(monitor).check_at) == ("pending", None)
    assert len(slug_of(monitor)) == 12
    assert bytes(Monitor.objects.get().token_hash) == hash_token(token)
    assert token not in str(Monitor.objects.values())


def test_a_name_is_free_again_in_another_namespace_or_after_deletion(team):
    monitor, _ = create_monitor(team=team, name="m")
    with pytest.raises(DuplicateName), transaction.atomic():
        create_monitor(team=team, name="m")
    create_monitor(team=team, name="m", namespace="acme-staging")
    other, _ = create_monitor(team=team, name="other")
    with pytest.raises(DuplicateName), transaction.atomic():
        update_monitor(monitor=other, name="m")
    delete_monitor(monitor=monitor)
    create_monitor(team=team, name="m")


def test_a_namespace_is_claimed_by_its_first_user(team):
    rival = TeamFactory(slug="rival")
    create_monitor(team=team, name="m", namespace="shared")
    for namespace in ("shared", "acme"):
        with pytest.raises(NameTaken), transaction.atomic():
            create_monitor(team=rival, name="m", namespace=namespace)
    with pytest.raises(ValidationError), transaction.atomic():
        create_monitor(team=rival, name="m", namespace="No Such Name")
    assert Monitor.objects.filter(team=rival).count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_free_namespace_is_claimed_once_by_two_at_once(team):
    rival = TeamFactory(slug="rival")

    def claim(who: Team) -> str:
        try:
            create_monitor(team=who, name="m", namespace="free")
        except NameTaken:
            return "taken"
        return "claimed"

    assert sorted(at_once(lambda: claim(team), lambda: claim(rival))) == ["claimed", "taken"]
    assert Namespace.objects.filter(name="free").count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_last_place_of_a_quota_is_given_once(team):
    Team.objects.update(monitor_quota=3)
    create_monitor(team=team, name="first")

    def create(name: str) -> str:
        try:
            create_monitor(team=team, name=name)
        except QuotaExceeded as error:
            return f"refused: {error.quota}"
        return "created"

    outcomes = at_once(*(lambda n=n: create(f"m-{n}") for n in range(6)))
    assert sorted(outcomes) == ["created"] * 2 + ["refused: 3"] * 4
    assert Monitor.objects.count() == 3


def test_a_monitor_that_was_deleted_gives_its_place_back(team):
    Team.objects.update(monitor_quota=1)
    monitor, _ = create_monitor(team=team, name="m")
    with pytest.raises(QuotaExceeded), transaction.atomic():
        create_monitor(team=team, name="n")
    delete_monitor(monitor=monitor)
    create_monitor(team=team, name="n")


def test_deleting_takes_the_keys_and_leaves_the_history(team):
    monitor, _ = create_monitor(team=team, name="m")
    push(monitor, receipt="k")
    push(monitor, "fail")
    kept = Monitor(pk=monitor.pk)
    delete_monitor(monitor=monitor)
    for model in (Heartbeat, PushKey, PushReceipt):
        assert not model.objects.exists()
    assert transitions(kept)[-1] == ("down", "deleted", None)
    assert len(results(kept)) == 2


def test_pausing_and_resuming_twice_changes_nothing(team):
    monitor, _ = create_monitor(team=team, name="m")
    push(monitor, "fail")
    for _ in range(2):
        pause_monitor(monitor=monitor)
    for _ in range(2):
        resume_monitor(monitor=monitor)
    assert transitions(monitor)[1:] == [("down", "paused", None), ("paused", "pending", None)]
    found = heartbeat(monitor)
    assert (found.consecutive_fails, found.cause, found.open_causes) == (0, None, 0)


@pytest.mark.django_db(transaction=True)
def test_pausing_twice_at_once_is_one_transition(team):
    monitor, _ = create_monitor(team=team, name="m")
    at_once(*[lambda: pause_monitor(monitor=monitor)] * 4)
    assert transitions(monitor) == [("pending", "paused", None)]


@pytest.mark.django_db(transaction=True)
def test_a_push_that_meets_a_pause_is_stored_as_one_of_a_paused_monitor(team):
    monitor, _ = create_monitor(team=team, name="m")
    with session() as watcher, transaction.atomic():
        pause_monitor(monitor=monitor)
        answer = start(lambda: push(monitor, "fail"))
        wait_for_lock(watcher)
    assert answer.result(10).state == "paused"
    assert transitions(monitor) == [("pending", "paused", None)]
    assert len(results(monitor)) == 1


@pytest.mark.django_db(transaction=True)
def test_two_rotations_at_once_leave_one_present_slug(team):
    monitor, _ = create_monitor(team=team, name="m")
    at_once(*[lambda: rotate_slug(monitor=monitor, keep_old_for_seconds=60)] * 4)
    assert PushKey.objects.filter(is_current=True).count() == 1
    assert PushKey.objects.count() == 5


def test_rotating_a_token_leaves_the_slug_alone_and_the_other_way_round(team):
    monitor, token = create_monitor(team=team, name="m")
    slug = slug_of(monitor)
    second = rotate_token(monitor=monitor)
    assert slug_of(monitor) == slug
    rotate_slug(monitor=monitor)
    assert slug_of(monitor) != slug
    fresh = Monitor.objects.get()
    assert (token_is_valid(fresh, token), token_is_valid(fresh, second)) == (False, True)


def test_only_fields_that_may_be_edited_are(team):
    monitor, _ = create_monitor(team=team, name="m")
    for field in ("token_hash", "team", "heartbeat", "nonsense"):
        with pytest.raises(TypeError):
            update_monitor(monitor=monitor, **{field: None})
    with pytest.raises(TypeError):
        create_monitor(team=team, name="n", token_hash=b"x")
