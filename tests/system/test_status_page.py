"""A status page on a running installation: made by the API, served to anybody, soon up to date."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.whole import Whole, running, until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def whole() -> Iterator[Whole]:
    with running() as installation:
        yield installation


def summary(whole: Whole) -> Any:
    answer = whole.request("GET", "/status/acme-cloud/api/v2/summary.json")
    return answer.json if answer.status == 200 else None


def test_a_change_of_state_is_on_the_page_within_seconds(whole: Whole) -> None:
    monitor = whole.monitor("fleet", silent_after=3600)
    whole.push(monitor)
    body = {"name": "Acme Cloud", "slug": "acme-cloud", "published": True}
    page = whole.api("POST", "status-pages", body, expect=201)
    component = {"name": "Fleet", "monitors": [monitor["id"]]}
    whole.api("POST", f"status-pages/{page['id']}/components", component, expect=201)
    found = until(
        lambda: (summary(whole) or {}).get("components"), "the component on the page", seconds=5
    )
    assert [(each["name"], each["status"]) for each in found] == [("Fleet", "operational")]
    whole.push(monitor, "fail")
    until(lambda: summary(whole)["components"][0]["status"] == "major_outage", "outage", seconds=5)
    answer = whole.request("GET", "/status/acme-cloud/")
    assert answer.status == 200
    assert "set-cookie" not in {name.lower() for name in answer.headers}
    assert b"Fleet" in answer.body
    tag = {"If-None-Match": answer.headers["ETag"]}
    assert whole.request("GET", "/status/acme-cloud/", headers=tag).status == 304
    whole.api("PATCH", f"status-pages/{page['id']}", {"published": False})
    until(lambda: whole.request("GET", "/status/acme-cloud/").status == 404, "gone", seconds=5)
