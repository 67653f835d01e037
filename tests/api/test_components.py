"""Components of a page, through the REST API."""

from __future__ import annotations

from typing import Any

from django_scopes import scopes_disabled
from hypothesis import HealthCheck, given
from hypothesis import settings as tries
from hypothesis import strategies as st

from statuspages.models import Component, ComponentGroup
from tests.api.status_pages import NOBODY, make_page, refused, version
from tests.conftest import Api


def names(api: Api, page: Any) -> list[tuple[str | None, int, str]]:
    rows = api.get(f"status-pages/{page['id']}/components")["results"]
    return [(row["group"], row["position"], row["name"]) for row in rows]


def test_a_component_has_the_defaults(api: Api) -> None:
    page = make_page(api)
    path = f"status-pages/{page['id']}/components"
    before = version(page)
    made = api.make(path, name="API")
    assert made == {
        "id": made["id"],
        "name": "API",
        "description": "",
        "group": None,
        "position": 0,
        "monitors": [],
        "rule": "any",
        "status": None,
        "current_status": "operational",
        "show_uptime": True,
        "show_latency": False,
    }
    assert api.get(f"{path}/{made['id']}") == made
    assert api("PATCH", f"{path}/{made['id']}", made, expect=200).json() == made
    assert version(page) == before + 2
    api("POST", path, {"name": "API"}, expect=409)


def test_a_group_is_made_when_named_and_gone_when_empty(api: Api) -> None:
    page = make_page(api)
    path = f"status-pages/{page['id']}/components"
    ids = {
        name: api.make(path, name=name, group=group)["id"]
        for name, group in (("a", "Core"), ("b", "Core"), ("c", None), ("d", "Edge"), ("e", ""))
    }
    assert names(api, page) == [
        (None, 0, "c"),
        (None, 1, "e"),
        ("Core", 0, "a"),
        ("Core", 1, "b"),
        ("Edge", 0, "d"),
    ]
    api("PATCH", f"{path}/{ids['a']}", {"group": "Edge", "position": 0}, expect=200)
    assert names(api, page)[2:] == [("Core", 0, "b"), ("Edge", 0, "a"), ("Edge", 1, "d")]
    api("PATCH", f"{path}/{ids['b']}", {"group": None}, expect=200)
    assert names(api, page)[:3] == [(None, 0, "c"), (None, 1, "e"), (None, 2, "b")]
    api("DELETE", f"{path}/{ids['c']}", expect=204)
    assert names(api, page)[:2] == [(None, 0, "e"), (None, 1, "b")]
    with scopes_disabled():
        assert list(ComponentGroup.objects.values_list("name", "position")) == [("Edge", 0)]


@tries(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["add", "move", "delete"]),
            st.integers(0, 6),
            st.integers(0, 4),
            st.sampled_from([None, "x"]),
        ),
        max_size=12,
    )
)
def test_components_stand_as_lists_would(
    api: Api, steps: list[tuple[str, int, int, str | None]]
) -> None:
    for old in api.get("status-pages")["results"]:
        api("DELETE", f"status-pages/{old['id']}", expect=204)
    page = make_page(api)
    path = f"status-pages/{page['id']}/components"
    model: dict[str | None, list[str]] = {None: [], "x": []}
    ids = {}
    for number, (verb, which, position, group) in enumerate(steps):
        everything = model[None] + model["x"]
        if verb == "add":
            name = f"c{number}"
            ids[name] = api.make(path, name=name, group=group, position=position)["id"]
            model[group].insert(position, name)
        elif everything:
            name = everything[which % len(everything)]
            for row in model.values():
                if name in row:
                    row.remove(name)
            if verb == "move":
                body = {"group": group, "position": position}
                api("PATCH", f"{path}/{ids[name]}", body, expect=200)
                model[group].insert(position, name)
            else:
                api("DELETE", f"{path}/{ids[name]}", expect=204)
    assert names(api, page) == [
        (group, index, name) for group in (None, "x") for index, name in enumerate(model[group])
    ]


def test_a_component_stands_for_the_teams_own_monitors_only(api: Api, rival: Api) -> None:
    page = make_page(api)
    path = f"status-pages/{page['id']}/components"
    mine = api.make("monitors", name="m")["id"]
    foreign = rival.make("monitors", name="m")["id"]
    made = api.make(path, name="a", monitors=[mine, mine], rule="majority")
    assert (made["monitors"], made["rule"]) == ([mine], "majority")
    answers = set()
    for other in (foreign, NOBODY, "nonsense"):
        for method, where in (("POST", path), ("PATCH", f"{path}/{made['id']}")):
            body = {"name": "b", "monitors": [mine, other]}
            answers.add(api(method, where, body, expect=400).content)
    assert len(answers) == 1
    assert b"not_found" in answers.pop()
    assert (
        api("PATCH", f"{path}/{made['id']}", {"monitors": []}, expect=200).json()["monitors"] == []
    )


def test_a_status_is_set_by_hand_and_given_back(api: Api) -> None:
    page = make_page(api)
    path = f"status-pages/{page['id']}/components"
    made = api.make(path, name="a", status="partial_outage")
    assert made["status"] == "partial_outage"
    one = f"{path}/{made['id']}"
    assert api("PATCH", one, {"status": None}, expect=200).json()["status"] is None
    assert refused(api, "PATCH", one, {"status": "fine"}) == ("status", "invalid_choice")
    assert refused(api, "PATCH", one, {"rule": "most"}) == ("rule", "invalid_choice")
    assert refused(api, "PATCH", one, {"current_status_": "x"}) == ("current_status_", "unknown")


def test_history_is_marked_stale_when_monitors_or_rule_change_and_not_otherwise(api: Api) -> None:
    page = make_page(api)
    path = f"status-pages/{page['id']}/components"
    monitor = api.make("monitors", name="m")["id"]
    one = f"{path}/{api.make(path, name='a')['id']}"

    def is_stale_after(**body: Any) -> bool:
        with scopes_disabled():
            Component.objects.update(history_stale_at=None)
            api("PATCH", one, body, expect=200)
            return Component.objects.get().history_stale_at is not None

    assert is_stale_after(monitors=[monitor])
    assert is_stale_after(rule="all")
    assert not is_stale_after(monitors=[monitor], rule="all")
    assert not is_stale_after(name="b", status="major_outage", group="g")
