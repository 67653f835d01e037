"""Rendering on write: once, whole, at the newest version, and nothing for what there is not."""

from __future__ import annotations

import gzip
import hashlib
from typing import Any

import pytest
from django.db import connection
from django_scopes import scopes_disabled

from statuspages.models import PageSnapshot, StatusPage
from statuspages.services.versions import touch_page
from statuspages.serving import snapshots
from statuspages.serving.snapshots import render_one, render_page, render_stale
from tests.factories import TeamFactory
from tests.racing import at_once, before_sql, session, start
from tests.statuspages.visiting import again, change, make_page

pytestmark = pytest.mark.django_db(transaction=True)
STANDARD = {
    "",
    "api/v2/summary.json",
    "history.rss",
    "history.atom",
    "maintenance.ics",
    "badge.svg",
}


def kept(page: StatusPage) -> dict[str, PageSnapshot]:
    with scopes_disabled():
        return {row.path: row for row in PageSnapshot.objects.filter(page=page)}


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The pages that were loaded to be rendered, in order."""
    seen: list[Any] = []
    real = snapshots.load_page

    def load(page: StatusPage, **options: Any) -> Any:
        seen.append(page.pk)
        return real(page, **options)

    monkeypatch.setattr(snapshots, "load_page", load)
    return seen


def test_a_page_is_stored_whole_with_tags_and_versions(team):
    page = make_page(team)
    rows = kept(page)
    assert set(rows) >= STANDARD
    assert page.rendered_version == page.version
    for row in rows.values():
        body = bytes(row.body)
        assert row.version == page.version
        assert row.team_id == team.pk
        assert gzip.decompress(bytes(row.gzipped)) == body
        assert row.etag == f'"{hashlib.sha256(body).hexdigest()}"'


def test_gzipped_bytes_are_the_same_for_the_same_body(team):
    assert snapshots.make_snapshot("text/plain", b"x" * 999) == snapshots.make_snapshot(
        "text/plain", "x" * 999
    )


def test_only_stale_pages_are_rendered_and_within_the_limit(team):
    pages = [make_page(team, f"p{n}") for n in range(4)]
    assert render_stale(limit=10) == 0
    for page in pages[:3]:
        touch_page(page.pk)
    assert render_stale(limit=2) == 2
    assert render_stale(limit=2) == 1
    assert [again(page).rendered_version - again(page).version for page in pages] == [0] * 4


def test_paths_that_somebody_has_asked_for_are_rendered_with_every_change(team):
    page = make_page(team)
    assert render_one(page.pk, "de/history") is not None
    change(page, name="Zebra")
    assert b"Zebra" in bytes(kept(page)["de/history"].body)


def test_an_unpublished_page_keeps_nothing(team):
    page = make_page(team)
    page = change(page, published=False)
    assert kept(page) == {}
    assert page.rendered_version == page.version
    assert render_one(page.pk, "") is None
    assert kept(page) == {}


@pytest.mark.parametrize(
    "path",
    [
        "nothing",
        "api/v2/nothing.json",
        "components/zzzzzzzzzzzz/badge.svg",
        "posts/zzzzzzzzzzzz",
        "xx/",
        "a" * 5000,
        "badge.svg\x00",
        "../acme/",
        "\ud800",
    ],
)
def test_what_there_is_not_is_never_stored(team, path):
    page = make_page(team)
    before = set(kept(page))
    assert render_one(page.pk, path) is None
    assert set(kept(page)) == before


def test_a_made_up_id_is_looked_for_once_per_version(team, loads):
    page = make_page(team)
    loads.clear()
    for _ in range(5):
        assert render_one(page.pk, "posts/zzzzzzzzzzzz") is None
    assert len(loads) == 1
    touch_page(page.pk)
    assert render_one(page.pk, "posts/zzzzzzzzzzzz") is None
    assert len(loads) == 2


def test_a_page_keeps_so_many_paths_and_serves_the_others_unkept(team, monkeypatch):
    page = make_page(team)
    monkeypatch.setattr(snapshots, "MOST_PATHS", len(kept(page)) + 1)
    assert render_one(page.pk, "de/") is not None
    assert render_one(page.pk, "fr/") is not None
    assert "de/" in kept(page)
    assert "fr/" not in kept(page)


def test_twenty_who_ask_for_the_same_at_once_cost_one_rendering(team, loads):
    page = make_page(team, rendered=False)
    found = at_once(*[lambda: render_one(page.pk, "history")] * 20)
    assert len({snapshot.etag for snapshot in found if snapshot}) == 1
    assert all(found)
    assert len(loads) == 1


def test_another_process_that_renders_the_same_is_waited_for(team, loads):
    """A session beside ours holds the lock, stores the row, and lets go."""
    page = make_page(team)
    render_one(page.pk, "history")
    loads.clear()
    with session() as other:
        with other.transaction():
            other.execute(snapshots.LOCK, [f"{page.pk}/history"])
            other.execute(
                "CREATE TEMP TABLE moved AS SELECT * FROM statuspages_pagesnapshot "
                "WHERE path = 'history'"
            )
        other.execute("DELETE FROM statuspages_pagesnapshot WHERE path = 'history'")
        with other.transaction():
            other.execute(snapshots.LOCK, [f"{page.pk}/history"])
            waiting = start(lambda: render_one(page.pk, "history"))
            _wait_until_blocked(other)
            other.execute("INSERT INTO statuspages_pagesnapshot SELECT * FROM moved")
        assert waiting.result(10) is not None
    assert loads == []


def _wait_until_blocked(other: Any) -> None:
    import time

    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        row = other.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        ).fetchone()
        if row[0]:
            return
        time.sleep(0.02)
    raise AssertionError("nobody waits for the lock")


def test_a_change_during_a_rendering_leaves_the_page_stale(team):
    page = make_page(team)
    touch_page(page.pk)

    def meanwhile() -> None:
        start(lambda: touch_page(page.pk)).result(10)

    with before_sql('FROM "statuspages_component"', meanwhile) as met:
        render_page(page.pk)
    assert met
    page = again(page)
    assert page.rendered_version == page.version - 1
    assert render_stale() == 1
    assert again(page).rendered_version == page.version


def test_a_cold_miss_that_was_overtaken_by_a_change_stores_nothing(team):
    page = make_page(team)

    def meanwhile() -> None:
        start(lambda: change(page, name="Zebra")).result(10)

    with before_sql('FROM "statuspages_component"', meanwhile) as met:
        assert render_one(page.pk, "de/") is not None
    assert met
    assert "de/" not in kept(page)
    assert b"Zebra" in (render_one(page.pk, "de/") or pytest.fail("none")).body
    assert kept(page)["de/"].version == again(page).version


def test_who_changes_a_page_does_not_wait_for_its_rendering(team):
    page = make_page(team)
    touch_page(page.pk)
    done: list[bool] = []

    def meanwhile() -> None:
        start(lambda: change(page, rendered=False, name="Zebra")).result(5)
        done.append(True)

    with before_sql("INSERT INTO statuspages_pagesnapshot", meanwhile):
        render_stale()
    assert done == [True]


def test_a_page_that_cannot_be_rendered_holds_up_no_other(team, monkeypatch):
    broken, fine = make_page(team, "broken"), make_page(team, "fine")
    for page in (broken, fine):
        touch_page(page.pk)
    real = snapshots.load_page

    def load(page: StatusPage, **options: Any) -> Any:
        if page.pk == broken.pk:
            raise RuntimeError("broken")
        return real(page, **options)

    monkeypatch.setattr(snapshots, "load_page", load)
    assert render_stale() == 1
    assert again(fine).rendered_version == again(fine).version
    touch_page(fine.pk)
    assert render_stale(limit=1) == 1  # the broken one waits, and takes nobody's place
    monkeypatch.setattr(snapshots, "load_page", real)
    monkeypatch.setattr(snapshots, "_RETRY_SECONDS", 0.0)
    assert render_stale() == 1
    assert again(broken).rendered_version == again(broken).version


def test_two_that_render_stale_pages_share_the_work(team):
    pages = [make_page(team, f"p{n}") for n in range(6)]
    for page in pages:
        touch_page(page.pk)
    assert sum(at_once(render_stale, render_stale, render_stale)) == 6


def test_a_row_cannot_be_of_another_team_than_its_page(team):
    from django.db import IntegrityError, transaction

    page = make_page(team)
    other = TeamFactory(slug="rival")
    row = [other.pk, page.pk, "x", 1, "text/plain", '"x"', b"x", b"x"]
    refused = pytest.raises(IntegrityError)
    with scopes_disabled(), connection.cursor() as cursor, refused, transaction.atomic():
        cursor.execute(snapshots.STORE, row)


def test_rendering_a_page_that_is_gone_is_no_error(team):
    page = make_page(team)
    with scopes_disabled():
        StatusPage.objects.filter(pk=page.pk).delete()
    assert render_page(page.pk) is False
    assert render_one(page.pk, "") is None
