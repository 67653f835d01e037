"""Whoever waits for a lock in vain is told to try again, not that something broke."""

from __future__ import annotations

import pytest
from django.db import connection

from accounts.models import Team
from tests.conftest import Api
from tests.factories import TeamFactory, make_key
from tests.racing import session


@pytest.mark.django_db(transaction=True)
def test_a_change_that_waits_in_vain_is_503_and_can_be_tried_again() -> None:
    team: Team = TeamFactory(slug="acme")
    api = Api(make_key(team))
    monitor = api.make("monitors", name="busy")
    body = {"action": "pause", "ids": [monitor["id"]]}
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '200ms'")
    try:
        with session() as other, other.transaction():
            other.execute(
                "SELECT 1 FROM monitors_heartbeat WHERE monitor_id = %s FOR UPDATE", [monitor["id"]]
            )
            for method, path, sent in (
                ("POST", "monitors/bulk-action", body),
                ("POST", f"monitors/{monitor['id']}/pause", {}),
                ("DELETE", f"monitors/{monitor['id']}", None),
            ):
                answer = api(method, path, sent, expect=503)
                assert answer["Retry-After"] == "1"
                assert "Try again" in answer.json()["detail"]
        assert api.post("monitors/bulk-action", **body)["count"] == 1
        assert api.get(f"monitors/{monitor['id']}")["state"] == "paused"
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
