"""The list of status pages, a new one, its settings, and its end."""

from __future__ import annotations

import io

import pytest
from django_scopes import scopes_disabled

from accounts.models import Namespace
from statuspages.models import Component, Post, StatusPage, Subscriber
from statuspages.services.components import create_component
from statuspages.services.pages import create_page
from tests.console.personas import make_monitor
from tests.console.pictures import make_png

LIST = "/t/acme/status-pages/"


@pytest.fixture
def page(people):
    return create_page(team=people.team, name="Acme status", slug="acme")


def at(page, rest=""):
    return f"{LIST}{page.pk}/{rest}"


def read(page):
    with scopes_disabled():
        return StatusPage.objects.get(pk=page.pk)


def text_of(answer):
    return answer.content.decode()


def settings_of(page, **changes):
    """Return what the form of the settings sends."""
    return {
        "name": page.name,
        "slug": page.slug,
        "visibility": "public",
        "locale": "en",
        "timezone": "UTC",
        "weight_major": "1",
        "weight_partial": "0.3",
        "auto_post": "off",
        "auto_post_delay": "2 min",
        **changes,
    }


def components_of(page):
    with scopes_disabled():
        rows = Component.objects.filter(page=page).order_by("position")
        return [
            (row.name, sorted(link.monitor.name for link in row.monitor_links.all()))
            for row in rows
        ]


def make_post(page, **fields):
    with scopes_disabled():
        fields = {"title": "Slow", "status": "investigating", **fields}
        return Post.objects.create(team=page.team, page=page, **fields)


def test_the_empty_list_teaches_what_a_page_is_for(owner, browse, people):
    assert "Make the first page" in text_of(owner.get(LIST))
    viewer = text_of(browse(people.viewer).get(LIST))
    assert "Make the first page" not in viewer
    assert "Tell visitors before they ask" in viewer


def test_the_list_says_how_each_page_is(owner, page):
    create_component(page=page, name="API", status="operational")
    broken = create_component(page=page, name="Shop", status="partial_outage")
    with scopes_disabled():
        Component.objects.filter(pk=broken.pk).update(status="partial_outage")
        Subscriber.objects.create(
            team=page.team,
            page=page,
            kind="email",
            address="a@b.example",
            confirmed_at=page.created_at,
        )
        Subscriber.objects.create(team=page.team, page=page, kind="email", address="c@d.example")
    make_post(page, published_at=page.created_at)
    make_post(page)  # a draft
    make_post(page, published_at=page.created_at, status="scheduled", is_maintenance=True)
    row = text_of(owner.get(LIST))
    row = row[row.index("<tbody>") : row.index("</tbody>")]
    assert "Acme status" in row
    assert "Minor outage" in row, "as the page itself says it"
    assert "Not published" in row
    for label, number in (("Components", 2), ("Open incidents", 1), ("Subscribers", 1)):
        assert f'data-label="{label}">{number}<' in row


@pytest.mark.parametrize(
    ("statuses", "impact", "said"),
    [
        ((), None, "Nothing to show yet"),
        (("operational", "operational"), None, "All systems operational"),
        (("operational", "degraded_performance"), None, "Some systems are slower than usual"),
        (("operational", "operational", "major_outage"), None, "Partial outage"),
        (("major_outage",), None, "Major outage"),
        (("operational", "under_maintenance"), None, "Maintenance under way"),
        (("operational",), "critical", "Major outage"),
    ],
)
def test_the_editor_and_the_list_say_what_the_page_says(owner, page, statuses, impact, said):
    for number, status in enumerate(statuses):
        made = create_component(page=page, name=str(number), status=status)
        with scopes_disabled():
            Component.objects.filter(pk=made.pk).update(status=status)
    if impact:
        make_post(page, published_at=page.created_at, impact=impact)
    assert f"<span>{said}</span>" in text_of(owner.get(LIST))
    if statuses:
        assert f"<span>{said}</span>" in text_of(owner.get(at(page)))
        assert f"<h2>{said}</h2>" in text_of(owner.get(at(page, "preview")))


def test_the_list_is_searched_by_name_and_address(owner, people, page):
    create_page(team=people.team, name="Other", slug="warehouse")
    found = text_of(owner.get(LIST, {"search": "WAREH"}))
    assert "Other" in found
    assert "Acme status" not in found
    nothing = owner.get(LIST, {"search": "none\0such"})
    assert "No page matches" in text_of(nothing)


def test_a_page_begins_with_the_monitors_that_were_chosen(owner, people):
    api, shop = make_monitor(people.team, "api"), make_monitor(people.team, "shop")
    make_monitor(people.team, "other")
    answer = owner.post(
        f"{LIST}new", {"name": "Acme Größe", "start": "monitors", "monitors": [api.pk, shop.pk]}
    )
    with scopes_disabled():
        made = StatusPage.objects.get()
    assert answer["Location"] == at(made)
    assert (made.slug, made.published) == ("acme-groe", False)
    assert components_of(made) == [("api", ["api"]), ("shop", ["shop"])]


def test_a_page_begins_with_one_component_for_each_value_of_a_label(owner, people):
    for name, labels in (
        ("a", {"service": "web"}),
        ("b", {"service": "web"}),
        ("c", {"service": "db"}),
        ("d", {"tier": "1"}),
    ):
        make_monitor(people.team, name, labels=labels)
    asked = {"name": "Acme", "slug": "up", "start": "label", "label": "service"}
    owner.post(f"{LIST}new", asked)
    with scopes_disabled():
        made = StatusPage.objects.get(slug="up")
    assert components_of(made) == [("db", ["c"]), ("web", ["a", "b"])]


def test_a_page_begins_with_one_component_for_each_namespace(owner, people):
    make_monitor(people.team, "a")
    with scopes_disabled():
        Namespace.objects.create(team=people.team, name="acme-eu")
    make_monitor(people.team, "b", namespace="acme-eu")
    owner.post(f"{LIST}new", {"name": "Acme", "slug": "up", "start": "namespaces"})
    with scopes_disabled():
        made = StatusPage.objects.get(slug="up")
    assert components_of(made) == [("acme", ["a"]), ("acme-eu", ["b"])]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "状態", "start": "nothing"}, "none follows from this name"),
        ({"slug": "UPPER"}, "lower-case"),
        ({"slug": "acme"}, "Another status page has this address."),
        ({"start": "monitors"}, "Choose at least one monitor"),
        ({"start": "monitors", "monitors": ["x"]}, "not a valid"),
        ({"start": "label", "label": "none"}, "No monitor carries this label."),
        ({"start": "namespaces"}, "There is no monitor yet."),
        ({"start": "rubbish"}, "not one of the available choices"),
        ({"name": "a\0b"}, "Null characters"),
    ],
)
def test_a_new_page_says_what_is_wrong(owner, page, asked, said):
    answer = owner.post(f"{LIST}new", {"name": "New", "start": "nothing", **asked})
    assert answer.status_code == 200
    assert said in text_of(answer)
    with scopes_disabled():
        assert StatusPage.objects.count() == 1


def test_settings_are_stored(owner, page):
    answer = owner.post(
        at(page, "settings"),
        settings_of(
            page,
            name="Acme",
            slug="acme-up",
            description="All of it",
            support_url="mailto:help@acme.example",
            published="on",
            locale="de",
            timezone="Europe/Berlin",
            colour_accent="#AA0000",
            weight_partial="0.5",
            auto_post="draft",
            auto_post_delay="5 min",
        ),
    )
    assert answer.status_code == 302
    found = read(page)
    assert (found.name, found.slug, found.description) == ("Acme", "acme-up", "All of it")
    assert found.support_url == "mailto:help@acme.example"
    assert (found.published, found.robots) == (True, False)
    assert (found.locale, found.timezone) == ("de", "Europe/Berlin")
    assert found.colours == {"accent": "#aa0000"}
    assert found.weights == {"major": 1.0, "partial": 0.5}
    assert (found.auto_post, found.auto_post_delay) == ("draft", 300)


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"name": " "}, "name", "This field is required."),
        ({"slug": "two words"}, "slug", "lower-case"),
        ({"slug": "taken"}, "slug", "Another status page has this address."),
        ({"support_url": "javascript:alert(1)"}, "support_url", "http, https or mailto"),
        ({"timezone": "Mars/Base"}, "timezone", "not a known IANA time zone"),
        ({"visibility": "password"}, "password", "Give the password"),
        ({"colour_up": "green"}, "colour_up", "Must be a colour such as"),
        ({"weight_major": "2"}, "weight_major", "less than or equal to 1"),
        ({"weight_major": "nan"}, "weight_major", "Enter a number."),
        ({"auto_post_delay": "soon"}, "auto_post_delay", "duration such as"),
        ({"locale": "xx"}, "locale", "not one of the available choices"),
    ],
)
def test_a_setting_that_cannot_be_is_named_at_its_field(owner, people, page, changes, field, said):
    create_page(team=people.team, name="Taken", slug="taken")
    before = read(page)
    answer = owner.post(at(page, "settings"), settings_of(page, **changes))
    assert answer.status_code == 200
    assert any(said in error for error in answer.context["form"].errors[field])
    assert said in text_of(answer)
    assert read(page).version == before.version


def test_a_password_is_stored_kept_and_taken_away(owner, page):
    asked = settings_of(page, visibility="password")
    owner.post(at(page, "settings"), {**asked, "password": " open sesame "})
    stored = read(page).password_hash
    assert stored
    owner.post(at(page, "settings"), asked)
    assert read(page).password_hash == stored
    assert "open sesame" not in text_of(owner.get(at(page, "settings")))
    owner.post(at(page, "settings"), settings_of(page, password="left over"))
    assert (read(page).visibility, read(page).password_hash) == ("public", "")


def test_a_colour_that_cannot_be_read_comes_with_advice(owner, page):
    owner.post(at(page, "settings"), settings_of(page, colour_text="#eeeeee", colour_up="#006600"))
    shown = text_of(owner.get(at(page, "settings")))
    assert shown.count("Hard to read") == 1
    assert "1.1 : 1 on #ffffff" in shown


def test_publishing_says_what_is_not_ready(owner, page):
    assert "It has no components" in text_of(owner.get(at(page)))
    create_component(page=page, name="API")
    assert "A component has no monitor" in text_of(owner.get(at(page)))
    owner.post(at(page, "publish"), {"published": "1"})
    assert read(page).published
    owner.post(at(page, "publish"), {"published": "0"})
    assert not read(page).published


def test_a_page_is_deleted_by_its_name_alone(owner, page):
    create_component(page=page, name="API")
    wrong = owner.post(at(page, "delete"), {"name": "Acme"})
    assert "This is not the name of the page." in text_of(wrong)
    assert "With it go 1 component and their history" in text_of(wrong)
    owner.post(at(page, "delete"), {"name": " acme  STATUS "})
    with scopes_disabled():
        assert not StatusPage.objects.exists()
    assert owner.get(at(page, "delete")).status_code == 404


def test_pictures_are_taken_in_shown_and_removed(owner, browse, people, page):
    def send(content, kind="logo"):
        file = io.BytesIO(content)
        file.name = "logo.png"
        return owner.post(at(page, "pictures"), {"kind": kind, "picture": file})

    assert send(make_png()).status_code == 302
    sent = browse(people.viewer).get(at(page, "pictures/logo"))
    assert (sent["Content-Type"], sent.content) == ("image/png", make_png())
    assert sent["X-Content-Type-Options"] == "nosniff"
    assert "Must be a PNG, JPEG" in text_of(send(b"<svg/>"))
    assert "Must be at most 2 MB." in text_of(send(make_png() + b"\0" * (2 << 20)))
    assert "Choose a file first." in text_of(owner.post(at(page, "pictures"), {"kind": "favicon"}))
    assert owner.post(at(page, "pictures"), {"kind": "poster"}).status_code == 404
    owner.post(at(page, "pictures"), {"kind": "logo", "do": "remove"})
    assert owner.get(at(page, "pictures/logo")).status_code == 404


def test_viewers_see_no_form(browse, people, page):
    create_component(page=page, name="API", group="Core")
    viewer = browse(people.viewer)
    for address in (LIST, at(page)):
        shown = text_of(viewer.get(address))
        main = shown[shown.index("<main") :]
        assert 'method="post"' not in main, address
        assert "/settings" not in main.replace("/t/acme/settings", ""), address
        assert "components/new" not in main, address
