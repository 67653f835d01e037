"""Subscribers of a status page in the console: the list, adding, removing, the file."""

from __future__ import annotations

import csv
import io

import pytest
from django.utils.timezone import now
from django_scopes import scopes_disabled

from statuspages.console.post_words import count_told
from statuspages.console.subscribers import tame
from statuspages.models import Subscriber
from statuspages.subscribers.subscribing import add_subscriber, confirm
from tests.console.status_pages import base_of, main_of, make_component, make_page, text_of
from tests.statuspages.following import age, messages

HOOK = "https://hooks.example/a"


@pytest.fixture
def page(people):
    return make_page(people.team)


@pytest.fixture
def api(page):
    return make_component(page, "API")


def at(page, then=""):
    return f"{base_of(page)}subscribers/{then}"


def only():
    with scopes_disabled():
        return Subscriber.objects.get()


def add(page, address, kind="email", **fields):
    return add_subscriber(page=page, kind=kind, address=address, **fields)


def test_an_empty_list_teaches(owner, page):
    shown = text_of(owner.get(at(page)))
    assert "No subscriber yet" in shown
    assert "Download" not in shown


def test_an_address_has_to_be_confirmed_by_its_owner(owner, page, api):
    assert "is told of nothing before" in text_of(owner.get(at(page, "new?kind=email")))
    shown = text_of(
        owner.post(
            at(page, "new?kind=email"),
            {"address": "v@example.org", "components": [api.code], "locale": "de"},
            follow=True,
        )
    )
    assert "v@example.org is told of nothing before following the link there." in shown
    assert "Waiting" in shown
    one = only()
    assert (one.components, one.locale, one.confirmed_at) == ([api.code], "de", None)


def test_the_secret_of_a_webhook_is_shown_once(owner, page):
    answer = owner.post(at(page, "new?kind=webhook"), {"address": HOOK, "locale": "en"})
    secret = only().secret
    assert secret.startswith("whsec_")
    assert secret in main_of(answer)
    assert answer["Cache-Control"] == "no-store"
    assert only().confirmed_at is not None
    for where in (at(page), at(page, f"{only().pk}/edit"), at(page, "export")):
        assert secret not in owner.get(where).content.decode()


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("email", {"address": ""}, "This field is required."),
        ("email", {"address": "nobody"}, "Must be an e-mail address."),
        ("email", {"address": "taken@example.org"}, "It follows the page already."),
        ("email", {"components": ["odd"]}, "Select a valid choice"),
        ("email", {"locale": "xx"}, "Select a valid choice"),
        ("webhook", {"address": "ftp://hooks.example/"}, "http"),
        ("webhook", {"address": "http://[::1"}, "URL"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(owner, page, kind, change, said):
    add(page, "taken@example.org")
    fields = {"address": "v@example.org", "locale": "en"} | change
    shown = owner.post(at(page, f"new?kind={kind}"), fields)
    assert said in text_of(shown)
    assert "Some answers need another look" in text_of(shown)
    assert only().address == "taken@example.org"


def test_components_and_language_are_changed(owner, page, api):
    one = add(page, "v@example.org")
    where = at(page, f"{one.pk}/edit")
    assert 'name="address"' not in main_of(owner.get(where))
    owner.post(where, {"components": [api.code], "locale": "fr"})
    assert (only().components, only().locale) == ([api.code], "fr")
    assert "checked" in main_of(owner.get(where))
    owner.post(where, {"locale": "fr"})
    assert only().components == []


def test_one_is_removed_after_a_question(owner, page):
    one = add(page, "v@example.org")
    where = at(page, f"{one.pk}/delete")
    asked = text_of(owner.get(where))
    assert "Remove this subscriber?" in asked
    assert "v@example.org" in asked
    assert "v@example.org is forgotten." in text_of(owner.post(where, follow=True))
    with scopes_disabled():
        assert not Subscriber.objects.exists()


def fill(page, api):
    add(page, "waiting@example.org")
    confirm(subscriber=add(page, "ann@example.org", components=[api.code]))
    add(page, HOOK, kind="webhook")
    gone = add(page, "gone@example.org")
    with scopes_disabled():
        Subscriber.objects.filter(pk=gone.pk).update(disabled_at=now())


def test_the_list_is_searched_and_filtered(owner, page, api):
    fill(page, api)
    names = ("waiting@", "ann@", "hooks.example", "gone@")
    for query, wanted in {
        "": set(names),
        "state=waiting": {"waiting@"},
        "state=confirmed": {"ann@", "hooks.example"},
        "state=disabled": {"gone@"},
        "kind=webhook": {"hooks.example"},
        "search=ANN": {"ann@"},
        "search=%00&state=odd&kind=odd": set(names),
    }.items():
        shown = main_of(owner.get(at(page, f"?{query}")))
        assert {name for name in names if name in shown} == wanted, query
    shown = text_of(owner.get(at(page)))
    assert "All 4" in shown
    assert "the whole page" in shown
    assert "API" in shown
    assert "No subscriber matches" in text_of(owner.get(at(page, "?search=nobody")))


def read(answer):
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def test_the_file_has_what_the_filters_show(owner, page, api):
    fill(page, api)
    rows = read(owner.get(at(page, "export")))
    assert [row["state"] for row in rows] == ["waiting", "confirmed", "confirmed", "disabled"]
    assert rows[1]["components"] == "API"
    assert rows[1]["confirmed_at"].endswith("Z")
    assert rows[0]["confirmed_at"] == ""
    [row] = read(owner.get(at(page, "export?kind=webhook")))
    assert row["address"] == HOOK
    assert "kind=webhook" in main_of(owner.get(at(page, "?kind=webhook"))).split("export?")[1]


def test_no_cell_of_the_file_is_a_formula(owner, page):
    evil = make_component(page, "=HYPERLINK(1)")
    add(page, "+1@example.org", components=[evil.code])
    [row] = read(owner.get(at(page, "export")))
    assert row["address"] == "'+1@example.org"
    assert row["components"] == "'=HYPERLINK(1)"


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", " =1", "＝1"])
def test_formulas_are_tamed(cell):
    assert tame(cell) == f"'{cell}"


def test_other_cells_stay():
    assert tame("a=1") == "a=1"
    assert tame("") == ""


def test_another_page_s_subscriber_is_missing(owner, people, page):
    one = add(make_page(people.team, slug="other"), "v@example.org")
    for then in ("edit", "delete"):
        assert owner.post(at(page, f"{one.pk}/{then}")).status_code == 404


def test_viewers_see_them_and_no_button(browse, people, page):
    add(page, "v@example.org")
    shown = main_of(browse(people.viewer).get(at(page)))
    assert "v@example.org" in shown
    for word in ("/edit", "/delete", "subscribers/new"):
        assert word not in shown


def test_who_waits_can_be_sent_the_link_again(owner, page):
    one = add(page, "v@example.org")
    again = f"{at(page)}{one.pk}/resend"
    assert again in main_of(owner.get(at(page)))
    assert "within ten minutes" in text_of(owner.post(again, follow=True))
    age("subscribermessage", created_at="11 minutes")
    assert "v@example.org is sent the link once more." in text_of(owner.post(again, follow=True))
    assert len(messages()) == 2
    confirm(subscriber=one)
    assert again not in main_of(owner.get(at(page)))
    assert "does not wait to be confirmed" in text_of(owner.post(again, follow=True))
    assert len(messages()) == 2


def test_a_viewer_is_offered_no_link_again(browse, people, page):
    viewer = browse(people.viewer)
    one = add(page, "v@example.org")
    assert "resend" not in main_of(viewer.get(at(page)))
    age("subscribermessage", created_at="11 minutes")
    assert viewer.post(f"{at(page)}{one.pk}/resend").status_code == 403
    assert len(messages()) == 1


def test_a_choice_of_which_nothing_is_left_counts_as_the_whole_page(page, api):
    confirm(subscriber=add(page, "a@example.org", components=[api.code]))
    web = make_component(page, "Web")
    with scopes_disabled():
        assert count_told(page, [web.code]) == 0
        api.delete()
        assert count_told(page, [web.code]) == 1
