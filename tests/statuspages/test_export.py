"""Pages as files: whole, of public pages alone, and there without us."""

from __future__ import annotations

import gzip
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django_scopes import scopes_disabled

from statuspages.models import StatusPage
from statuspages.services.assets import asset_path, set_asset
from statuspages.services.versions import touch_page
from statuspages.serving import exporting
from statuspages.serving.exporting import export_all, export_page, file_name, remove_strangers
from statuspages.serving.snapshots import render_one, render_stale
from statuspages.tasks import write_files
from tests.statuspages.test_gate import PNG
from tests.statuspages.visiting import PASSWORD, again, change, get, make_page, own_domain

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def new_process() -> None:
    forget_directories()


@pytest.fixture
def place(tmp_path: Path, settings: Any) -> Path:
    settings.PAGES_EXPORT_DIR = str(tmp_path / "pages")
    return tmp_path / "pages"


def files(place: Path) -> set[str]:
    return {
        str(found.relative_to(place))
        for found in place.rglob("*")
        if found.is_file() and not str(found.relative_to(place)).startswith(".")
    }


def test_what_visitors_are_served_is_what_lies_there(team, place):
    make_page(team)
    names = {
        "": "index.html",
        "history": "history/index.html",
        "de/": "de/index.html",
        "api/v2/summary.json": "api/v2/summary.json",
        "history.rss": "history.rss",
        "badge.svg": "badge.svg",
    }
    for path, name in names.items():
        body = (place / "acme" / name).read_bytes()
        assert body == get(f"/status/acme/{path}").body, path
        assert gzip.decompress((place / "acme" / f"{name}.gz").read_bytes()) == body
    assert not [name for name in files(place) if ".new-" in name]
    assert (place / "acme" / "index.html").stat().st_mode & 0o777 == 0o644
    assert not list((place / "acme").rglob(".*"))  # nothing that is not a page's


def test_a_change_is_in_the_files_once_it_is_rendered(team, place):
    page = make_page(team)
    change(page, name="Zebra", rendered=False)
    assert b"Zebra" not in (place / "acme/index.html").read_bytes()
    assert render_stale() == 1
    assert b"Zebra" in (place / "acme/index.html").read_bytes()
    assert b"Zebra" in (place / "acme/history.rss").read_bytes()


@pytest.mark.parametrize(
    "closing", [{"published": False}, {"password": PASSWORD}, {"visibility": "members"}]
)
def test_what_is_no_longer_public_is_removed(team, place, closing):
    page = own_domain(make_page(team))
    make_page(team, "other")
    assert (place / "status.acme.example" / "index.html").is_file()
    change(page, **closing)
    assert not (place / "acme").exists()
    assert not (place / "status.acme.example").is_symlink()
    assert (place / "other" / "index.html").is_file()


def test_a_gated_page_is_never_written(team, place):
    page = make_page(team, password=PASSWORD)
    render_one(page.pk, "history")
    export_page(page.pk)
    export_all()
    assert files(place) == set()


def test_deleted_and_renamed_pages_leave_nothing_behind(team, place):
    page = own_domain(make_page(team))
    change(page, slug="renamed")
    assert not (place / "acme").exists()
    assert (place / "status.acme.example" / "index.html").is_file()
    with scopes_disabled():
        StatusPage.objects.filter(pk=page.pk).delete()
    remove_strangers()
    assert files(place) == set()
    assert not (place / "status.acme.example").is_symlink()


def test_a_domain_is_a_link_as_long_as_it_is_proved(team, place):
    page = own_domain(make_page(team))
    link = place / "status.acme.example"
    assert str(link.readlink()) == "acme"
    change(page, domain="new.acme.example")
    assert not link.is_symlink()
    assert not (place / "new.acme.example").exists()


def test_pictures_lie_beside_the_page_under_their_addresses(team, place):
    page = make_page(team)
    logo = set_asset(page=page, kind="logo", content=PNG)
    render_stale()
    assert (place / "acme" / asset_path(logo)).read_bytes() == PNG
    assert (place / "acme" / f"assets/logo-{logo.sha256[:12]}").read_bytes() == PNG


def test_what_is_not_ours_is_left_alone_and_nothing_is_written_through_it(team, place, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    place.mkdir()
    (place / "robots.txt").write_text("mine")
    (place / "theirs").mkdir()
    (place / "theirs" / "index.html").write_text("mine")
    (place / "acme").symlink_to(elsewhere)
    make_page(team)
    export_all()
    assert list(elsewhere.iterdir()) == []
    assert (place / "robots.txt").read_text() == "mine"
    assert (place / "theirs" / "index.html").read_text() == "mine"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("", "index.html"),
        ("de/", "de/index.html"),
        ("de/history", "de/history/index.html"),
        ("components/abc/badge-flat-square.svg", "components/abc/badge-flat-square.svg"),
        ("..", None),
        ("../other/index.html", None),
        ("a/../b", None),
        ("/etc/passwd", None),
        ("a//b", None),
        (".page", None),
        ("a\x00b", None),
        ("badge.svg?style=flat", None),
        ("a\nb", None),
    ],
)
def test_no_path_leads_out_of_the_directory(path, name):
    assert file_name(path) == name


def test_a_disk_that_cannot_be_written_stops_no_rendering(team, settings, tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("")
    settings.PAGES_EXPORT_DIR = str(blocked / "pages")
    page = make_page(team)
    assert page.rendered_version == page.version
    assert "could not be written" in caplog.text


@pytest.fixture
def private_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("private_umask")
def test_a_web_server_with_another_account_reads_all_of_it(team, place):
    page = make_page(team)
    (place / "acme/de").chmod(0o700)  # as an earlier release left it
    (place / "acme").chmod(0o700)
    change(page, name="Acme again")
    inside = [place / "acme", *(place / "acme").rglob("*")]
    closed = [str(f) for f in (place, *inside) if f.stat().st_mode & 0o005 == 0]
    closed += [str(f) for f in inside if f.is_dir() and f.stat().st_mode & 0o001 == 0]
    assert len(inside) > 20
    assert closed == []


def test_a_reader_never_sees_half_a_file(team, place):
    page = make_page(team)
    target = place / "acme/index.html"
    whole, stop, broken = set(), threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            try:
                text = target.read_bytes()
            except FileNotFoundError:
                broken.append("missing")
            else:
                whole.add(text.rstrip().endswith(b"</html>"))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for n in range(15):
            change(page, name=f"Name {n}")
    finally:
        stop.set()
        reader.join()
    assert whole == {True}
    assert broken == []


def test_a_directory_that_was_behind_is_brought_up_to_date(team, place, settings):
    settings.PAGES_EXPORT_DIR = ""
    page = make_page(team)
    touch_page(page.pk)
    render_stale()
    assert not place.exists()
    settings.PAGES_EXPORT_DIR = str(place)
    export_all()
    assert (place / "acme/index.html").read_bytes() == get("/status/acme/").body
    assert again(page).rendered_version == again(page).version


def test_an_emptied_directory_fills_itself(team, place):
    make_page(team)
    write_files()
    before = files(place)
    assert "acme/de/index.html" in before
    assert render_stale() == 1  # a new directory's pages are rendered anew, once
    write_files()
    assert render_stale() == 0
    shutil.rmtree(place)
    forget_directories()
    write_files()
    assert files(place) == before


def test_a_page_from_before_there_was_a_directory_gets_all_its_files(team, place, settings):
    settings.PAGES_EXPORT_DIR = ""
    make_page(team)
    settings.PAGES_EXPORT_DIR = str(place)
    write_files()
    assert (place / "acme/index.html").is_file()
    assert not (place / "acme/history/index.html").exists()
    render_stale()
    assert (place / "acme/history/index.html").is_file()


def test_a_process_that_starts_looks_once_at_what_is_there(team, place):
    make_page(team)
    write_files()
    (place / "acme/index.html").write_bytes(b"old")
    write_files()
    assert (place / "acme/index.html").read_bytes() == b"old"
    forget_directories()
    write_files()
    assert (place / "acme/index.html").read_bytes() == get("/status/acme/").body


def forget_directories() -> None:
    """Be a process that has just begun."""
    exporting._caught_up.clear()
