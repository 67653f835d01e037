"""The export of a team as a download."""

from __future__ import annotations

import asyncio
import io
import zipfile

import pytest
from django_scopes import scopes_disabled

from accounts.models import Membership
from monitors.models import PushKey
from tests.console.personas import make_monitor, push
from tests.console.test_team import main_of
from tests.monitors.pushing import ask, running_application

PAGE = "/t/acme/settings/export"


def test_the_page_says_what_is_in_it_and_the_button_sends_it(people, owner):
    monitor = make_monitor(people.team)
    push(monitor)
    assert "Secrets are not in it" in main_of(owner.get(PAGE))
    answer = owner.post(PAGE)
    assert answer["Content-Type"] == "application/zip"
    assert answer["Cache-Control"] == "no-store"
    assert answer["Content-Disposition"].startswith('attachment; filename="tocsin-acme-')
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        names = archive.namelist()
        assert {"README.txt", "team.json", "manifests.yaml"} <= set(names)
        assert "nightly-backup" in archive.read("monitors/monitor.jsonl").decode()
        everything = b"".join(archive.read(name) for name in names).decode()
    with scopes_disabled():
        assert PushKey.objects.get().value not in everything


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_it_is_for_owners_and_admins(people, browse, role):
    client = browse(getattr(people, role))
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE).status_code == 403
    with scopes_disabled():
        Membership.objects.filter(user=getattr(people, role)).update(role="admin")
    assert client.post(PAGE).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_it_is_streamed_by_the_server(people, owner):
    make_monitor(people.team)
    page = owner.get(PAGE).content.decode()
    token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    cookies = "; ".join(f"{name}={each.value}" for name, each in owner.cookies.items())

    async def fetch():
        async with running_application() as app:
            return await ask(
                app,
                "POST",
                PAGE,
                body=f"csrfmiddlewaretoken={token}".encode(),
                headers=(
                    (b"cookie", cookies.encode()),
                    (b"content-type", b"application/x-www-form-urlencoded"),
                ),
                host=b"127.0.0.1:8000",
            )

    reply = asyncio.run(fetch())
    assert reply.status == 200
    with zipfile.ZipFile(io.BytesIO(reply.body)) as archive:
        assert archive.testzip() is None
