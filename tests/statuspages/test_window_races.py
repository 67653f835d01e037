"""A page is deleted at the moment in which a window is to be announced on it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.models import Maintenance
from statuspages.services.pages import delete_page
from tests.conftest import Api
from tests.racing import PATIENCE_SECONDS, before_sql, start
from tests.statuspages.pages import make_page

pytestmark = pytest.mark.django_db(transaction=True)


def body(page: Any) -> dict[str, Any]:
    return {
        "name": "Upgrade",
        "labels": {"env": "production"},
        "starts_at": now().isoformat(),
        "ends_at": (now() + timedelta(hours=1)).isoformat(),
        "status_page": str(page.pk),
    }


def test_a_page_that_was_there_a_moment_ago_is_missing(api: Api, team: Team) -> None:
    page = make_page(team)

    def delete() -> None:
        start(lambda: delete_page(page=page)).result(PATIENCE_SECONDS)

    with before_sql("FOR KEY SHARE", delete) as met:
        answer = api("POST", "maintenances", body(page), expect=400).json()
    assert met
    [error] = answer["errors"]
    assert (error["field"], error["code"]) == ("status_page", "not_found")
    with scopes_disabled():
        assert not Maintenance.objects.exists()


@pytest.mark.parametrize("is_new", [True, False])
def test_whoever_deletes_it_a_moment_later_finds_the_window(
    api: Api, team: Team, is_new: bool
) -> None:
    page = make_page(team)
    path = "maintenances"
    if not is_new:
        path += "/" + api.make("maintenances", **body(page) | {"status_page": None})["id"]
    deleting: list[Any] = []

    def delete() -> None:
        deleting.append(start(lambda: delete_page(page=page)))

    with before_sql('INSERT INTO "incidents_maintenance"' if is_new else "FOR NO KEY", delete):
        method = "POST" if is_new else "PATCH"
        answer = api(method, path, body(page), expect=201 if is_new else 200)
    assert answer.json()["status_page"] in (str(page.pk), None)
    [future] = deleting
    future.result(PATIENCE_SECONDS)
    with scopes_disabled():
        assert Maintenance.objects.get().status_page_id is None
