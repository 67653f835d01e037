"""ETags, and changes that are made only if nothing was changed meanwhile."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.models import MaintenanceSpan
from monitors.models import Monitor
from monitors.services import pause_monitor
from tests.api.test_doors import ours  # noqa: F401  # a fixture
from tests.conftest import Api


def tag_of(api: Api, path: str) -> str:
    tag: str = api("GET", path, expect=200)["ETag"]
    assert tag.startswith('"')
    return tag


def test_a_change_needs_the_tag_that_was_read(api: Api) -> None:
    path = f"monitors/{api.make('monitors', name='m')['id']}"
    read = tag_of(api, path)
    assert tag_of(api, path) == read
    changed = api("PATCH", path, {"grace": 9}, headers={"If-Match": read}, expect=200)
    assert changed["ETag"] == tag_of(api, path) != read
    stale = api("PATCH", path, {"grace": 7}, headers={"If-Match": read}, expect=412)
    assert stale["Content-Type"] == "application/problem+json"
    assert stale.json()["status"] == 412
    assert api.get(path)["grace"] == 9
    api("DELETE", path, headers={"If-Match": read}, expect=412)
    several = f'"other", {changed["ETag"]}'
    api("PATCH", path, {"grace": 5}, headers={"If-Match": several}, expect=200)
    api("DELETE", path, headers={"If-Match": "*"}, expect=204)
    api("DELETE", path, headers={"If-Match": "*"}, expect=404)


@pytest.mark.parametrize("tag", ["", "x", 'W/"{}"', '"', "{}", '""', "\u00e9"])
def test_what_is_no_tag_of_this_never_matches(api: Api, tag: str) -> None:
    path = f"monitors/{api.make('monitors', name='m')['id']}"
    header = tag.format(tag_of(api, path).strip('"'))
    api("PATCH", path, {"grace": 9}, headers={"If-Match": header}, expect=412)


def test_a_refused_change_under_if_match_changes_nothing(api: Api) -> None:
    api.make("monitors", name="taken")
    path = f"monitors/{api.make('monitors', name='m')['id']}"
    tag = tag_of(api, path)
    body = {"grace": 9, "name": "taken"}
    api("PATCH", path, body, headers={"If-Match": tag}, expect=409)
    api("PATCH", path, {"grace": "x"}, headers={"If-Match": tag}, expect=400)
    assert tag_of(api, path) == tag


def test_how_a_monitor_stands_is_in_its_tag_and_loses_nobodys_change(api: Api, team: Team) -> None:
    made = api.make("monitors", name="m")
    path = f"monitors/{made['id']}"
    read = tag_of(api, path)
    Api(None)("POST", f"/api/push/{made['slug']}/results", {"status": "pass"}, expect=201)
    assert tag_of(api, path) != read
    api("PATCH", path, {"grace": 9}, headers={"If-Match": read}, expect=200)
    read = tag_of(api, path)
    with scopes_disabled():
        pause_monitor(monitor=Monitor.objects.get(pk=made["id"]))
    api("PATCH", path, {"grace": 9}, headers={"If-Match": read}, expect=412)


def test_what_the_client_has_is_not_sent_again(api: Api) -> None:
    path = f"monitors/{api.make('monitors', name='m')['id']}"
    read = tag_of(api, path)
    for header in (read, f'"x", W/{read}'):
        again = api("GET", path, headers={"If-None-Match": header}, expect=304)
        assert again.content == b""
        assert again["ETag"] == read
    api("PATCH", path, {"grace": 9}, expect=200)
    api("GET", path, headers={"If-None-Match": read}, expect=200)


def test_every_resource_that_can_be_changed_has_a_tag(
    api: Api,
    ours: dict[str, Any],  # noqa: F811
) -> None:
    for resource, row in ours.items():
        path = f"{resource}/{row}"
        tag = tag_of(api, path)
        if resource in ("incidents", "deliveries", "namespaces"):
            continue
        answer = api("PATCH", path, {}, headers={"If-Match": tag})
        if answer.status_code == 200:
            assert answer["ETag"] == tag_of(api, path) == tag, resource
        else:
            assert answer.status_code in (400, 404), resource
        api("PATCH", path, {}, headers={"If-Match": '"x"'}, expect=412)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_read_the_same_one_writes(team: Team, key: str) -> None:
    api = Api(key)
    path = f"monitors/{api.make('monitors', name='m')['id']}"
    for grace in range(1, 6):
        tag, start, statuses = tag_of(api, path), threading.Barrier(2), []

        def write(
            value: int, tag: str = tag, start: threading.Barrier = start, seen: list[int] = statuses
        ) -> None:
            start.wait(20)
            answer = api("PATCH", path, {"grace": value}, headers={"If-Match": tag})
            seen.append(answer.status_code)
            connection.close()

        threads = [threading.Thread(target=write, args=(grace * 10 + n,)) for n in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(statuses) == [200, 412]


@pytest.mark.django_db(transaction=True)
def test_ids_that_are_spelt_otherwise_name_the_same_thing(team: Team, key: str) -> None:
    api = Api(key)
    pk = api.make("monitors", name="m")["id"]
    tag = tag_of(api, f"monitors/{pk}")
    spelt, statuses, start = [pk, pk.upper(), pk.replace("-", "")], [], threading.Barrier(3)

    def write(grace: int, path: str) -> None:
        start.wait(20)
        answer = api("PATCH", path, {"grace": grace}, headers={"If-Match": tag})
        statuses.append(answer.status_code)
        connection.close()

    threads = [
        threading.Thread(target=write, args=(n + 10, f"monitors/{one}"))
        for n, one in enumerate(spelt)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(statuses) == [200, 412, 412]


def test_what_changes_by_itself_stops_nobodys_change(api: Api) -> None:
    start = now() + timedelta(hours=1)
    times = {"starts_at": start.isoformat(), "ends_at": (start + timedelta(hours=1)).isoformat()}
    path = (
        f"maintenances/{api.make('maintenances', name='night', labels={'a': 'b'}, **times)['id']}"
    )
    read = tag_of(api, path)
    with scopes_disabled():
        past = now() - timedelta(minutes=1)
        MaintenanceSpan.objects.update(starts_at=past)
    assert api.get(path)["active"] is True
    assert tag_of(api, path) != read
    api("PATCH", path, {"name": "day"}, headers={"If-Match": read}, expect=200)
