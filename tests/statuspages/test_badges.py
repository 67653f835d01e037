from __future__ import annotations

import json
from xml.etree import ElementTree as Xml

import pytest
from jsonschema import Draft202012Validator

from statuspages.rendering.badges import STYLES
from statuspages.rendering.representations import normalize, render
from tests.statuspages.views import make_code, make_component, make_view, make_views

VIEWS = make_views()
SVG = "{http://www.w3.org/2000/svg}"
# https://shields.io/badges/endpoint-badge; its other fields are optional.
ENDPOINT = {
    "type": "object",
    "properties": {
        "schemaVersion": {"const": 1},
        "label": {"type": "string", "minLength": 1},
        "message": {"type": "string", "minLength": 1},
        "color": {"enum": ["brightgreen", "yellow", "orange", "red", "blue"]},
    },
    "required": ["schemaVersion", "label", "message", "color"],
    "additionalProperties": False,
}


def svg(view, path: str = "badge.svg") -> Xml.Element:
    rendering = render(view, path)
    assert rendering.content_type == "image/svg+xml; charset=utf-8"
    return Xml.fromstring(rendering.body)


def words(view, path: str = "badge.json") -> tuple[str, str, str]:
    rendering = render(view, path)
    assert rendering.content_type == "application/json; charset=utf-8"
    found = json.loads(rendering.body)
    Draft202012Validator(ENDPOINT).validate(found)
    return found["label"], found["message"], found["color"]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", VIEWS)
def test_badges_are_well_formed_and_say_their_words_to_everybody(name, style):
    badge = svg(VIEWS[name], normalize("badge.svg", f"style={style}"))
    title = badge.findtext(f"{SVG}title")
    assert title == badge.get("aria-label")
    assert badge.get("role") == "img"
    texts = [element.text or "" for element in badge.iter(f"{SVG}text")]
    assert ": ".join(texts) == title
    ends = [
        float(element.get("x", "")) + float(element.get("textLength", ""))
        for element in badge.iter(f"{SVG}text")
    ]
    assert ends == sorted(ends)
    assert ends[1] < float(badge.get("width", ""))
    assert not [element for element in badge.iter() if element.tag.endswith("script")]


@pytest.mark.parametrize(
    ("name", "message", "colour"),
    [
        ("all_up", "Operational", "brightgreen"),
        ("degraded", "Degraded performance", "yellow"),
        ("partial", "Minor outage", "yellow"),
        ("major", "Partial outage", "orange"),
        ("critical", "Major outage", "red"),
        ("maintenance", "Under maintenance", "blue"),
    ],
)
def test_the_badge_of_a_page_says_its_state(name, message, colour):
    assert words(VIEWS[name]) == ("Acme", message, colour)
    assert svg(VIEWS[name]).findtext(f"{SVG}title") == f"Acme: {message}"


def test_a_component_is_found_by_its_code_and_by_its_uuid():
    view = make_view(statuses=("operational", "major_outage"))
    component = view.components[1]
    for name in (component.code, component.id, component.id.upper()):
        assert words(view, f"components/{name}/badge.json") == ("Uploads", "Major outage", "red")
        title = svg(view, f"components/{name}/badge-flat-square.svg").findtext(f"{SVG}title")
        assert title == "Uploads: Major outage"
    assert render(view, f"components/{make_code('c9x')}/badge.svg") is None
    assert render(view, "components/0198e0aa-0000-7000-8000-0000000000ff/badge.json") is None


def test_styles_differ_as_shields_do():
    view = VIEWS["all_up"]
    flat, square, loud = (svg(view, normalize("badge.svg", f"style={s}")) for s in STYLES)
    assert flat.find(f"{SVG}linearGradient") is not None
    assert square.find(f"{SVG}linearGradient") is None
    assert (flat.get("height"), square.get("height"), loud.get("height")) == ("20", "20", "28")
    assert loud.findtext(f"{SVG}title") == "ACME: OPERATIONAL"


def test_long_and_hostile_names_stay_text_of_a_bounded_width():
    view = VIEWS["hostile"]
    badge = svg(view, f"components/{make_code('c1x')}/badge.svg")
    assert "<script>" in (badge.findtext(f"{SVG}title") or "")
    long = make_view(components=(make_component("N" * 120),), groups=())
    label, _, _ = words(long, f"components/{make_code('c1x')}/badge.json")
    assert label == "N" * 59 + "…"


def test_a_japanese_badge_has_room_for_its_wide_letters():
    badge = svg(VIEWS["japanese"])
    assert badge.findtext(f"{SVG}title") == "アクメ株式会社: 一部障害"
    assert float(badge.get("width", "")) > 130


def test_a_page_whose_name_is_nothing_visible_is_called_status():
    assert words(make_view(name="\u202e"))[0] == "status"
