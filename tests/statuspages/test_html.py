from __future__ import annotations

import gzip
import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from statuspages.rendering.colours import palette
from statuspages.rendering.html import content_policy
from statuspages.rendering.representations import all_paths, is_path, normalize, render
from statuspages.rendering.words import LOCALES
from tests.statuspages.views import (
    NOW,
    TODAY,
    make_big_view,
    make_code,
    make_component,
    make_day,
    make_days,
    make_incident,
    make_latency,
    make_maintenance,
    make_resolved,
    make_update,
    make_view,
    make_views,
)

VIEWS = make_views()
HEADINGS = {"h1", "h2", "h3", "h4"}
VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source"}


class Reader(HTMLParser):
    """Reads a page, and complains of tags that do not match and of ids that are there twice."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(view, path: str = "") -> Reader:
    rendering = render(view, path)
    assert rendering is not None
    assert rendering.content_type == "text/html; charset=utf-8"
    reader = Reader()
    reader.feed(rendering.body.decode())
    reader.close()
    assert reader.open == []
    ids = [attrs["id"] for _, attrs in reader.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    return reader


@pytest.mark.parametrize("name", VIEWS)
def test_every_page_is_well_formed_and_asks_no_other_host(name):
    view = VIEWS[name]
    for path in [p for p in all_paths(view) if not re.search(r"\.\w+$", p)]:
        page = read(view, path)
        assert not page.all("script")
        assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on")]
        for tag in ("img", "source", "iframe", "object", "embed", "video", "audio"):
            assert page.all(tag) == []
        loaded = [a["href"] for a in page.all("link") if a["rel"] in ("icon", "stylesheet")]
        assert all(address.startswith("data:") for address in loaded)
        assert len(page.all("h1")) == 1
        assert "url(http" not in palette(view.colours)


def test_rendering_twice_gives_the_same_bytes():
    for path in all_paths(VIEWS["open_incident"]):
        first, second = (render(VIEWS["open_incident"], path) for _ in range(2))
        assert first is not None
        assert first == second
        assert is_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "nope",
        "de",
        "xx/",
        "de/de/",
        "../",
        "history/",
        "posts/zzzzzzzzzzzz",
        "api/v2/x.json",
        "api/v2/summary.xml",
        "components/zzzzzzzzzzzz/badge.svg",
        "badge-plastic.svg",
        "badge-flat.json",
        "badge.svg?style=flat",
        "\x00",
        "",
    ],
)
def test_other_paths_have_no_representation(path):
    assert (render(VIEWS["open_incident"], path) is None) == (path != "")


def test_queries_mean_nothing_but_a_badge_s_style():
    assert normalize("badge.svg", "style=flat-square") == "badge-flat-square.svg"
    assert normalize("badge.svg", "style=for-the-badge&x=1") == "badge-for-the-badge.svg"
    assert normalize("badge.svg", "style=flat") == "badge.svg"
    assert normalize("badge.svg", "style=../../x") == "badge.svg"
    assert normalize("components/a/badge.svg", "style=flat-square") == (
        "components/a/badge-flat-square.svg"
    )
    assert normalize("", "utm_source=x") == ""
    assert normalize("xbadge.svg", "style=flat-square") == "xbadge.svg"


@pytest.mark.parametrize(
    ("name", "headline", "look"),
    [
        ("all_up", "All systems operational", "up"),
        ("degraded", "Some systems are slower than usual", "degraded"),
        ("major", "Partial outage", "partial"),
        ("critical", "Major outage", "major"),
        ("maintenance", "Maintenance under way", "maint"),
        ("resolved", "All systems operational", "up"),
        ("empty", "No components yet", "none"),
    ],
)
def test_the_banner_says_the_state_in_words_and_a_shape(name, headline, look):
    html = render(VIEWS[name], "").body.decode()
    banner = html[html.index('<div class="banner') :].split("</h2>")[0]
    assert f'class="banner {look}"' in banner
    assert f"#s-{look}" in banner
    assert banner.endswith(headline)


def test_open_incidents_stand_above_components_and_those_above_plans_and_the_past():
    text = read(VIEWS["open_incident"]).text
    places = [
        text.index(part)
        for part in (
            "Open incidents",
            "Errors when uploading files",
            "Components",
            "Planned maintenance",
            "Database upgrade",
            "Past incidents",
            "Slow dashboards",
            "Subscribe by e-mail",
        )
    ]
    assert places == sorted(places)
    assert "A full disk on one storage node" in text
    assert "Lasted 41 min" in text


def test_past_incidents_are_of_fifteen_days_and_the_rest_is_in_the_history():
    view = make_view(posts=(make_resolved("near", 14, title="Near"), make_resolved("far", 20)))
    html = render(view, "").body.decode()
    assert f'id="p-{make_code("near")}"' in html
    assert f'id="p-{make_code("far")}"' not in html
    assert "22 November 2026" in html
    assert f"posts/{make_code('far')}" in render(view, "history").body.decode()


def test_the_history_has_months_and_maintenances_newest_first():
    view = make_view(
        posts=(make_resolved("near", 3, title="Near"), make_resolved("far", 40, title="Far")),
        maintenances=(make_maintenance("mid", -500, status="completed", resolved_at=NOW),),
    )
    text = read(view, "history").text
    places = [text.index(w) for w in ("November 2026", "Near", "Database", "October 2026", "Far")]
    assert places == sorted(places)
    assert "Nothing happened in the last 90 days." in read(make_view(), "history").text


def test_a_post_has_its_page_with_all_updates_in_every_language():
    code = make_code("inc1")
    for locale in ("", "de/", "ja/"):
        page = read(VIEWS["open_incident"], f"{locale}posts/{code}")
        assert "Errors when uploading files" in page.text
        assert "Some uploads fail with error 503" in page.text
        assert "full disk" in page.text


def test_days_say_what_happened_and_no_data_is_never_an_outage():
    days = (
        make_day(date(2026, 11, 19)),
        make_day(date(2026, 11, 20), no_data=86_400),
        make_day(date(2026, 11, 21), maintenance=86_400),
        make_day(TODAY, major=200, partial=60),
    )
    view = make_view(components=(make_component("API", days=days),), groups=())
    page = read(view)
    text = page.text.replace("\xa0", " ")
    assert "22 Nov: 3 min 20 s major outage, 1 min partial outage, uptime 99.747%" in text
    assert "19 Nov: no trouble, uptime 100%" in text
    assert "20 Nov: no data 21 Nov: 1 d maintenance" in text
    classes = [attrs.get("class") for attrs in page.all("rect") if "class" in attrs]
    assert classes == ["none", "up", "none", "maint", "major"]
    label = next(a["aria-label"] for a in page.all("svg") if a.get("class") == "bars")
    assert "Days with trouble: 1. Days without data: 87." in label
    widths = [float(a["x"]) for a in page.all("rect") if "x" in a]
    assert widths[-1] + 4 == 90 * 5 - 1


def test_days_alike_in_a_row_are_one_line_of_the_table():
    days = tuple(make_day(date(2026, 11, n), no_data=86_400) for n in range(1, 22))
    view = make_view(components=(make_component("API", days=(*days, make_day(TODAY))),), groups=())
    html = render(view, "").body.decode()
    assert '<th scope="row">1 Nov – 21 Nov</th><td>no data</td><td>—</td>' in html


def test_a_page_of_fifty_components_is_small():
    view = make_big_view(posts=(make_incident(), make_resolved()))
    for path in ("", "ja/"):
        body = render(view, path).body
        assert body.count(b"<title>") >= 50 * 90
        assert len(gzip.compress(body, 9)) < 60_000


def test_a_page_of_fifty_troubled_components_is_small_too():
    view = make_big_view()
    components = tuple(
        replace(component, days=make_days(number, trouble=0.3))
        for number, component in enumerate(view.components)
    )
    body = render(replace(view, components=components), "").body
    assert len(gzip.compress(body, 9)) < 60_000


def test_the_formula_is_printed_with_the_page_s_weights():
    page = read(make_view(weights={"major": 1.0, "partial": 0.5}))
    assert "1 − (1 × major outage + 0.5 × partial outage) ÷" in page.text
    german = read(make_view(weights={"major": 1.0, "partial": 0.25}), "de/")
    assert "0,25 × Teilausfall" in german.text
    assert "zone Europe/Berlin" in page.text


def test_times_are_in_the_page_s_zone_with_utc_on_hover():
    page = render(VIEWS["all_up"], "").body.decode()
    assert (
        '<time datetime="2026-11-22T14:02:11Z" title="2026-11-22 14:02 UTC">'
        "22 November 2026, 15:02 CET</time>" in page
    )


def test_a_zone_without_letters_is_shown_as_its_distance_and_an_unknown_one_as_utc():
    page = read(make_view(timezone="America/Sao_Paulo"))
    assert "22 November 2026, 11:02 UTC-03" in page.text
    assert "14:02 UTC" in read(make_view(timezone="Mars/Base")).text


@pytest.mark.parametrize("locale", LOCALES)
def test_every_language_has_its_page_with_links_that_stay_in_it(locale):
    view = make_view(posts=(make_incident(),))
    path = "" if locale == "en" else f"{locale}/"
    page = read(view, path)
    assert page.all("html") == [{"lang": locale, "dir": "ltr"}]
    links = [a["href"] for a in page.all("a")]
    root = "./" if locale == "en" else "../"
    home = root if locale == "en" else f"../{locale}/"
    assert f"{home}history" in links
    assert f"{home}posts/{make_code('inc1')}" in links
    assert f"{root}history.rss" in links
    assert page.all("form")[0] == {"class": "box", "method": "post", "action": f"{root}subscribe"}
    canonical = next(a["href"] for a in page.all("link") if a["rel"] == "canonical")
    assert canonical == f"https://status.acme.example/{path}"
    others = {a["hreflang"] for a in page.all("link") if "hreflang" in a}
    assert others == set(LOCALES)


def test_a_japanese_page_speaks_japanese_and_offers_english():
    page = read(VIEWS["japanese"])
    assert page.all("html")[0]["lang"] == "ja"
    assert "2026年11月22日, 23:02 JST 時点" in page.text
    assert "en/" in " ".join(a["href"] for a in page.all("a"))
    assert read(VIEWS["japanese"], "en/").all("html")[0]["lang"] == "en"


def test_robots_open_graph_and_pictures():
    assets = {
        "logo": "https://status.acme.example/assets/logo-1",
        "dark_logo": "assets/dark-1",
        "favicon": "/status/acme/assets/fav",
    }
    page = read(make_view(assets=assets, robots=False), "de/history")
    metas = {a.get("name") or a.get("property"): a.get("content") for a in page.all("meta")}
    assert metas["robots"] == "noindex, nofollow"
    assert metas["og:image"] == assets["logo"]
    assert metas["og:title"] == "Verlauf – Status von Acme"
    assert metas["og:url"] == "https://status.acme.example/de/history"
    assert page.all("img")[0] == {"src": "../assets/logo-1", "alt": "Status von Acme"}
    dark = {"srcset": "../assets/dark-1", "media": "(prefers-color-scheme: dark)"}
    assert page.all("source")[0] == dark
    assert [a["href"] for a in page.all("link") if a["rel"] == "icon"] == [assets["favicon"]]
    assert "robots" not in {a.get("name") for a in read(make_view()).all("meta")}


def test_own_pictures_are_found_whatever_address_the_page_is_read_at():
    own = {kind: f"https://status.acme.example/assets/{kind}" for kind in ("logo", "favicon")}
    page = read(make_view(assets=own))
    shown = [page.all("img")[0]["src"]]
    shown += [a["href"] for a in page.all("link") if a["rel"] == "icon"]
    assert shown == ["./assets/logo", "./assets/favicon"]
    strange = read(make_view(assets={"logo": "https://cdn.acme.example/logo"}))
    assert strange.all("img")[0]["src"] == "https://cdn.acme.example/logo"


def test_the_policy_names_the_styles_and_the_hosts_of_pictures_only():
    view = make_view(
        assets={
            "logo": "https://cdn.acme.example/l.png",
            "favicon": "https://x; script-src *",
        }
    )
    policy = content_policy(view)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "img-src 'self' data: https://cdn.acme.example;" in policy
    assert "script-src" not in policy
    page = read(view)
    assert page.all("meta")[1] == {"http-equiv": "Content-Security-Policy", "content": policy}
    assert not [attrs for _, attrs in page.tags if "style" in attrs]


def test_subscribers_choose_components_by_their_codes():
    page = read(make_view())
    inputs = {(a["name"], a.get("value", "")) for a in page.all("input")}
    assert ("components", make_code("c3x")) in inputs
    assert {name for name, _ in inputs} == {"email", "url", "components", "locale", "subject"}
    assert read(make_view(extras={"subscribe": False})).all("form") == []


def test_hostile_words_stay_words():
    view = VIEWS["hostile"]
    for path in ("", "history", "de/", f"posts/{make_code('inc1')}", f"posts/{make_code('mnt1')}"):
        html = render(view, path).body.decode()
        page = read(view, path)
        assert page.all("script") == page.all("img") == []
        for attrs in page.all("a"):
            assert re.match(r"(\.{1,2}/|#|https://(evil\.)?example)", attrs["href"])
            if attrs["href"].startswith("https"):
                assert attrs["rel"] == "nofollow noopener noreferrer"
        assert "\u202e" not in html
        assert "\x00" not in html
        assert "<script>alert(1)</script>" in page.text
        assert "{{ 7*7 }}" in page.text


def test_response_times_have_gaps_and_a_table():
    view = make_view(
        components=(make_component("API", latency=make_latency(24)),), groups=(), locale="de"
    )
    page = read(view)
    plots = [a for a in page.all("div") if a.get("class") == "plot"]
    assert "Antwortzeit von API" in plots[0]["aria-label"]
    line = next(a["d"] for a in page.all("path") if a.get("class") == "median")
    assert line.count("M") == 3
    assert page.text.count("Keine Daten") >= 4
    long = make_view(components=(make_component("API", latency=make_latency(200)),), groups=())
    assert len(read(long).all("th")) < 60


def test_a_component_may_hide_its_bars_and_a_group_may_be_empty():
    hidden = make_component("API", show_uptime=False)
    view = make_view(components=(hidden,), groups=())
    assert [a for a in read(view).all("svg") if a.get("class") == "bars"] == []
    assert "How uptime is counted" not in read(view).text
    group = replace(VIEWS["all_up"].groups[0], component_codes=("gone00000000",))
    assert "Core" in read(make_view(components=(), groups=(group,))).text


def test_headings_step_down_by_one():
    for name in VIEWS:
        for path in ("", "history"):
            levels = [int(tag[1]) for tag, _ in read(VIEWS[name], path).tags if tag in HEADINGS]
            assert all(after - before <= 1 for before, after in pairwise(levels)), (name, path)


def test_an_update_without_words_is_shown_with_its_status():
    view = make_view(posts=(make_incident(updates=(make_update("u", "monitoring", "", 1),)),))
    assert "Monitoring" in read(view).text
    assert "No details yet." in read(make_view(posts=(make_incident(updates=()),))).text
