"""What the services of status pages promise beyond what the REST API shows."""

from __future__ import annotations

import struct
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django_scopes import scopes_disabled

from accounts.models import Team
from monitors.queries import database_now
from statuspages.models import (
    Component,
    ComponentGroup,
    Post,
    PostComponent,
    PostNotice,
    PostUpdate,
    StatusPage,
)
from statuspages.services import assets, components, pages, posts, templates
from statuspages.services.errors import BadField, ComponentGone, DuplicateName, MonitorGone
from statuspages.services.pictures import BadPicture, read_picture
from statuspages.services.versions import touch_page
from tests.factories import MonitorFactory, TeamFactory
from tests.racing import at_once


@pytest.fixture
def page(team: Team) -> StatusPage:
    return pages.create_page(team=team, name="Acme", slug="acme")


def stored_version(page: StatusPage) -> int:
    with scopes_disabled():
        return StatusPage.objects.get(pk=page.pk).version


def test_a_version_that_was_not_committed_was_never_there(page: StatusPage) -> None:
    before = stored_version(page)
    with transaction.atomic():
        touch_page(page.pk)
        transaction.set_rollback(True)
    assert stored_version(page) == before
    touch_page(page.pk)
    assert stored_version(page) == before + 1


def test_a_page_that_is_gone_cannot_be_changed(page: StatusPage) -> None:
    pages.delete_page(page=page)
    for change in (
        lambda: pages.update_page(page=page, name="x"),
        lambda: pages.delete_page(page=page),
        lambda: components.create_component(page=page, name="x"),
        lambda: posts.create_post(page=page, title="x"),
        lambda: templates.create_template(page=page, name="x"),
        lambda: assets.set_asset(page=page, kind="logo", content=GIF),
    ):
        with pytest.raises(StatusPage.DoesNotExist):
            change()


def test_every_change_that_can_be_seen_makes_a_new_version(team: Team, page: StatusPage) -> None:
    seen = [stored_version(page)]

    def grew() -> bool:
        seen.append(stored_version(page))
        return seen[-1] > seen[-2]

    component = components.create_component(page=page, name="a", group="g")
    assert grew()
    components.update_component(component=component, status="major_outage")
    assert grew()
    with scopes_disabled():
        group = ComponentGroup.objects.get()
    components.rename_group(group=group, name="h")
    assert grew()
    components.move_group(group=group, position=0)
    assert grew()
    post = posts.create_post(page=page, title="x", components={component: "partial_outage"})
    assert grew()
    update = posts.add_update(post=post, body="y")
    assert grew()
    posts.edit_update(update=update, body="z")
    assert grew()
    posts.delete_update(update=update)
    assert grew()
    posts.delete_post(post=post)
    assert grew()
    components.delete_component(component=component)
    assert grew()
    assets.set_asset(page=page, kind="logo", content=GIF)
    assert grew()
    assets.delete_asset(page=page, kind="logo")
    assert grew()
    assets.delete_asset(page=page, kind="logo")
    assert not grew()


def test_what_is_shown_of_a_component_is_the_engines_to_write(page: StatusPage) -> None:
    component = components.create_component(page=page, name="a")
    with scopes_disabled():
        Component.objects.update(status="major_outage")
    components.update_component(component=component, name="b", status="operational")
    with scopes_disabled():
        assert Component.objects.get().status == "major_outage"


def test_groups_move_as_a_list_would(page: StatusPage) -> None:
    for name in "abc":
        components.create_component(page=page, name=name, group=f"g{name}")
    with scopes_disabled():
        groups = {group.name: group for group in ComponentGroup.objects.all()}
    components.move_group(group=groups["gc"], position=0)
    components.move_group(group=groups["ga"], position=99)
    with scopes_disabled():
        rows = ComponentGroup.objects.order_by("position")
        assert list(rows.values_list("name", "position")) == [("gc", 0), ("gb", 1), ("ga", 2)]
    with pytest.raises(DuplicateName):
        components.rename_group(group=groups["ga"], name="gb")
    with pytest.raises(BadField):
        components.rename_group(group=groups["ga"], name=" ")


def test_things_of_others_are_refused_whoever_calls(page: StatusPage) -> None:
    rival = TeamFactory()
    foreign = MonitorFactory(team=rival)
    with pytest.raises(MonitorGone):
        components.create_component(page=page, name="a", monitors=[foreign])
    theirs = components.create_component(
        page=pages.create_page(team=rival, name="x", slug="x"), name="a"
    )
    with pytest.raises(ComponentGone):
        posts.create_post(page=page, title="x", components={theirs: ""})
    post = posts.create_post(page=page, title="x")
    with pytest.raises(ComponentGone):
        posts.add_update(post=post, components={theirs: "major_outage"})
    with pytest.raises(ComponentGone):
        posts.update_post(post=post, components={theirs: ""})


def test_a_refused_change_leaves_nothing(page: StatusPage) -> None:
    before = stored_version(page)
    for refused in (
        lambda: posts.create_post(page=page, title="x", body="x" * 20_001),
        lambda: posts.create_post(page=page, title=" "),
        lambda: posts.create_post(page=page, title="x", impact="huge"),
        lambda: components.create_component(page=page, name="a", group="x" * 121),
        lambda: components.create_component(page=page, name="a", status="fine"),
        lambda: pages.update_page(page=page, name="x" * 121),
        lambda: pages.update_page(page=page, auto_post="x"),
    ):
        with pytest.raises(BadField):
            refused()
    with scopes_disabled():
        for model in (Post, PostUpdate, Component, ComponentGroup, PostNotice):
            assert not model.objects.exists()
    assert stored_version(page) == before


def test_the_monitors_may_write_and_resolve_a_post_of_their_own(page: StatusPage) -> None:
    component = components.create_component(page=page, name="a")
    incident = page.pk  # any id
    post = posts.create_post(
        page=page,
        title="a is down",
        components={component: ""},
        automatic=True,
        incident_id=incident,
    )
    posts.add_update(post=post, status="identified", automatic=True)
    posts.publish_draft(post=post)
    posts.add_update(post=post, status="resolved", automatic=True)
    with scopes_disabled():
        stored = Post.objects.get()
        assert (stored.automatic, stored.status) == (True, "resolved")
        assert PostNotice.objects.count() == 3
    with pytest.raises(IntegrityError), transaction.atomic():
        posts.create_post(page=page, title="again", automatic=True, incident_id=incident)


def test_an_update_that_is_written_late_does_not_undo_a_later_one(page: StatusPage) -> None:
    post = posts.create_post(page=page, title="x", at=database_now() - timedelta(hours=3))
    posts.add_update(post=post, status="resolved")
    posts.add_update(post=post, status="monitoring", at=database_now() - timedelta(hours=1))
    with scopes_disabled():
        stored = Post.objects.get()
    assert stored.status == "resolved"
    assert stored.resolved_at is not None
    assert stored.monitoring_at is not None
    assert stored.monitoring_at < stored.resolved_at


def test_a_deleted_component_leaves_its_posts(page: StatusPage) -> None:
    component = components.create_component(page=page, name="a")
    post = posts.create_post(page=page, title="x", components={component: "major_outage"})
    components.delete_component(component=component)
    posts.add_update(post=post, status="resolved")
    with scopes_disabled():
        assert Post.objects.get().status == "resolved"
        assert not PostComponent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_changes_at_once_leave_no_hole_and_lose_no_version() -> None:
    page = pages.create_page(team=TeamFactory(), name="Acme", slug="acme")
    before = stored_version(page)

    def add(number: int) -> Any:
        name = f"c{number}"
        return components.create_component(page=page, name=name, group="g", position=0)

    at_once(*[partial(add, number) for number in range(6)])
    with scopes_disabled():
        places = Component.objects.order_by("position").values_list("position", flat=True)
        assert list(places) == list(range(6))
        assert ComponentGroup.objects.count() == 1
    assert stored_version(page) == before + 6


GIF = b"GIF89a" + struct.pack("<HH", 3, 2) + b"\x00" * 10
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", 20, 30) + b"\x03\x01\x22\x00"
)
VP8 = b"RIFF\x00\x00\x00\x00WEBPVP8 \x00\x00\x00\x00\x00\x00\x00\x9d\x01\x2a" + struct.pack(
    "<HH", 20, 30
)
VP8L = b"RIFF\x00\x00\x00\x00WEBPVP8L\x00\x00\x00\x00\x2f" + struct.pack("<I", 19 | 29 << 14)
VP8X = b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\x13\x00\x00\x1d\x00\x00"
ICO = b"\x00\x00\x01\x00\x01\x00" + b"\x10\x10\x00\x00\x01\x00\x20\x00" + struct.pack("<II", 4, 22)
ICO += b"\x00" * 4


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (GIF, "image/gif"),
        (JPEG, "image/jpeg"),
        (VP8, "image/webp"),
        (VP8L, "image/webp"),
        (VP8X, "image/webp"),
        (ICO, "image/vnd.microsoft.icon"),
    ],
)
def test_a_picture_is_known_by_its_bytes_and_a_cut_one_is_refused(
    content: bytes, expected: str
) -> None:
    assert read_picture(content) == expected
    for length in range(6, len(content)):
        try:
            assert read_picture(content[:length]) == expected
        except BadPicture:
            continue


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
        b"<html>",
        b"GIF89a",
        b"GIF89a" + struct.pack("<HH", 0, 2),
        b"GIF89a" + struct.pack("<HH", 9000, 2),
        b"\xff\xd8\xff" + b"\xff" * 50,
        b"\xff\xd8\xff\xe0\x00\x00" * 5,
        b"RIFF\x00\x00\x00\x00WAVEfmt ",
        b"\x00\x00\x01\x00\xff\xff",
        b"\x00\x00\x01\x00\x00\x00",
        b"%PDF-1.4",
    ],
)
def test_what_is_no_picture_is_refused(content: bytes, page: Any) -> None:
    with pytest.raises(BadPicture):
        assets.set_asset(page=page, kind="logo", content=content)
