"""The components of a status page in its editor: their order, groups and states."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django_scopes import scopes_disabled

from accounts.models import Team
from statuspages.models import Component, ComponentGroup
from statuspages.services.components import create_component, delete_component
from statuspages.services.pages import create_page, delete_page
from tests.console.personas import make_monitor
from tests.racing import before_sql


@pytest.fixture
def page(people):
    return create_page(team=people.team, name="Acme status", slug="acme")


def at(page, rest=""):
    return f"/t/acme/status-pages/{page.pk}/{rest}"


def text_of(answer):
    return answer.content.decode()


def order_of(page):
    """Return the components by their group, as visitors see them."""
    with scopes_disabled():
        groups = [None, *ComponentGroup.objects.filter(page=page).order_by("position")]
        rows = Component.objects.filter(page=page).order_by("position")
        found = {
            group.name if group else "": [row.name for row in rows.filter(group=group)]
            for group in groups
        }
    return {name: names for name, names in found.items() if names}


def fill(page, **groups):
    for group, names in groups.items():
        for name in names:
            create_component(page=page, name=name, group=group if group != "alone" else None)
    with scopes_disabled():
        return (
            {row.name: row for row in Component.objects.filter(page=page)},
            {row.name: row for row in ComponentGroup.objects.filter(page=page)},
        )


def test_a_component_is_added_with_all_that_it_has(owner, people, page):
    one, two = make_monitor(people.team, "one"), make_monitor(people.team, "two")
    answer = owner.post(
        at(page, "components/new"),
        {
            "name": "Checkout",
            "description": "Paying",
            "group": "Shop",
            "monitors": [one.pk, two.pk],
            "rule": "majority",
            "status": "degraded_performance",
            "show_latency": "on",
        },
    )
    assert answer["Location"] == at(page)
    with scopes_disabled():
        made = Component.objects.select_related("group").get()
        watched = {link.monitor_id for link in made.monitor_links.all()}
    assert (made.name, made.description, made.group.name) == ("Checkout", "Paying", "Shop")
    assert (made.rule, made.manual_status) == ("majority", "degraded_performance")
    assert (made.show_uptime, made.show_latency) == (False, True)
    assert watched == {one.pk, two.pk}
    shown = text_of(owner.get(at(page)))
    assert "more than half down is a major outage" in shown
    assert "set by hand" in shown


def test_a_component_is_changed_and_shows_what_it_is(owner, people, page):
    monitor = make_monitor(people.team, "one")
    made = create_component(
        page=page, name="API", group="Core", monitors=[monitor], rule="all", show_uptime=False
    )
    form = owner.get(at(page, f"components/{made.pk}/edit")).context["form"]
    assert form["monitors"].value() == [monitor.pk]
    assert (form["rule"].value(), form["group"].value()) == ("all", "Core")
    assert form["show_uptime"].value() is False
    owner.post(
        at(page, f"components/{made.pk}/edit"),
        {"name": "Public API", "rule": "any", "group": "", "show_uptime": "on"},
    )
    with scopes_disabled():
        made.refresh_from_db()
        assert not made.monitor_links.exists()
    assert (made.name, made.rule, made.group_id, made.show_uptime) == (
        "Public API",
        "any",
        None,
        True,
    )
    assert order_of(page) == {"": ["Public API"]}


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        ({"name": ""}, "name", "This field is required."),
        ({"name": "Taken"}, "name", "Another component of this page has this name."),
        ({"name": "x" * 121}, "name", "at most 120"),
        ({"group": "x" * 121}, "group", "at most 120"),
        ({"rule": "some"}, "rule", "not one of the available choices"),
        ({"status": "on fire"}, "status", "not one of the available choices"),
        ({"monitors": [str(uuid4())]}, "monitors", "not one of the available choices"),
        ({"description": "a\0b"}, "description", "Null characters"),
    ],
)
def test_a_component_that_cannot_be_is_explained_at_its_field(owner, page, asked, field, said):
    create_component(page=page, name="Taken")
    answer = owner.post(at(page, "components/new"), {"name": "New", "rule": "any", **asked})
    assert answer.status_code == 200
    assert any(said in error for error in answer.context["form"].errors[field])
    assert order_of(page) == {"": ["Taken"]}


def test_a_monitor_of_another_team_cannot_be_chosen(owner, page):
    foreign = make_monitor(Team.objects.get(slug="elsewhere"), "theirs")
    answer = owner.post(
        at(page, "components/new"), {"name": "API", "rule": "any", "monitors": [foreign.pk]}
    )
    assert "monitors" in answer.context["form"].errors
    assert order_of(page) == {}


def test_buttons_move_a_component_within_its_group(owner, page):
    rows, _ = fill(page, Core=["a", "b", "c"])
    owner.post(at(page, f"components/{rows['a'].pk}/move"), {"to": "down"})
    assert order_of(page) == {"Core": ["b", "a", "c"]}
    owner.post(at(page, f"components/{rows['c'].pk}/move"), {"to": "up"})
    assert order_of(page) == {"Core": ["b", "c", "a"]}
    owner.post(at(page, f"components/{rows['b'].pk}/move"), {"to": "up"})
    assert order_of(page) == {"Core": ["b", "c", "a"]}


def test_a_component_is_dropped_into_another_group(owner, page):
    rows, groups = fill(page, alone=["x"], Core=["a", "b"], Edge=["c"])
    core = str(groups["Core"].pk)
    owner.post(at(page, f"components/{rows['c'].pk}/move"), {"group": core, "position": "1"})
    assert order_of(page) == {"": ["x"], "Core": ["a", "c", "b"]}, "and an empty group goes"
    owner.post(at(page, f"components/{rows['a'].pk}/move"), {"group": "", "position": "0"})
    assert order_of(page) == {"": ["a", "x"], "Core": ["c", "b"]}


@pytest.mark.parametrize("place", ["", "-1", "x", "1e3", "9" * 400, "1000000"])
def test_no_place_is_no_move(owner, page, place):
    rows, _ = fill(page, Core=["a", "b"])
    answer = owner.post(at(page, f"components/{rows['a'].pk}/move"), {"position": place})
    assert answer.status_code == 302
    assert order_of(page) == {"Core": ["a", "b"]}


def test_a_group_of_another_page_takes_nothing_in(owner, people, page):
    rows, _ = fill(page, Core=["a"])
    other = create_page(team=people.team, name="Other", slug="other")
    _, groups = fill(other, Theirs=["z"])
    for group in (str(groups["Theirs"].pk), "rubbish", str(uuid4())):
        asked = {"group": group, "position": "0"}
        answer = owner.post(at(page, f"components/{rows['a'].pk}/move"), asked)
        assert answer.status_code == 404
    assert owner.get(at(other, f"components/{rows['a'].pk}/edit")).status_code == 404
    assert order_of(page) == {"Core": ["a"]}


def test_groups_are_moved_and_renamed(owner, page):
    _, groups = fill(page, Core=["a"], Edge=["b"])
    owner.post(at(page, f"groups/{groups['Edge'].pk}/move"), {"to": "up"})
    assert list(order_of(page)) == ["Edge", "Core"]
    owner.post(at(page, f"groups/{groups['Edge'].pk}/move"), {"position": "1"})
    assert list(order_of(page)) == ["Core", "Edge"]
    owner.post(at(page, f"groups/{groups['Edge'].pk}/rename"), {"name": "Front"})
    assert list(order_of(page)) == ["Core", "Front"]
    for name, said in (("Core", "Another group has this name"), ("\0", "Must not be empty")):
        address = at(page, f"groups/{groups['Edge'].pk}/rename")
        assert said in text_of(owner.post(address, {"name": name}, follow=True))
    assert list(order_of(page)) == ["Core", "Front"]


def test_a_component_is_deleted_after_a_question(owner, page):
    rows, _ = fill(page, Core=["a", "b"])
    address = at(page, f"components/{rows['a'].pk}/delete")
    assert "Delete a?" in text_of(owner.get(address))
    assert order_of(page) == {"Core": ["a", "b"]}
    owner.post(address)
    assert order_of(page) == {"Core": ["b"]}


def test_what_is_gone_is_not_found(owner, page):
    rows, _ = fill(page, Core=["a"])
    address = at(page, f"components/{rows['a'].pk}/edit")
    delete_component(component=rows["a"])
    assert owner.post(address, {"name": "a", "rule": "any"}).status_code == 404
    delete_page(page=page)
    assert owner.get(at(page)).status_code == 404


@pytest.mark.parametrize("rest", ["components/new", "groups/{group}/rename"])
def test_a_page_that_goes_while_its_form_is_sent_is_said_to_be_gone(owner, page, rest):
    group = create_component(page=page, name="API", group="Core").group_id
    with before_sql("FOR NO KEY UPDATE", lambda: delete_page(page=page)) as met:
        answer = owner.post(
            at(page, rest.format(group=group)), {"name": "Web", "rule": "any", "status": ""}
        )
    assert met
    assert answer.status_code == 302
    shown = text_of(owner.get("/t/acme/status-pages/"))
    assert "in the meantime" in shown
