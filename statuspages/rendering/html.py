"""The pages that people read, as HTML that needs no script, no cookie and no other host."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from statuspages.rendering.atlassian import state_of
from statuspages.rendering.colours import palette
from statuspages.rendering.days import Bars, draw_days
from statuspages.rendering.latency import Plot, draw_latency
from statuspages.rendering.order import (
    active_maintenances,
    ordered_parts,
    unresolved_posts,
    upcoming_maintenances,
)
from statuspages.rendering.text import render_markdown
from statuspages.rendering.times import Calendar, zone_of
from statuspages.rendering.words import LOCALES, words_of
from statuspages.view import ComponentView, GroupView, PageView, PostView

PAST_DAYS = 15
# The shape and colour of each state, as the style sheet names them.
LOOKS: Mapping[str, str] = {
    "operational": "up",
    "degraded_performance": "degraded",
    "partial_outage": "partial",
    "major_outage": "major",
    "under_maintenance": "maint",
    "none": "up",
    "degraded": "degraded",
    "minor": "degraded",
    "major": "partial",
    "critical": "major",
    "maintenance": "maint",
}
_FAVICONS = {
    "up": "%231a7f4b",
    "degraded": "%239a6700",
    "partial": "%23b54708",
    "major": "%23c3293b",
    "maint": "%232f5fd0",
}


def squeeze(css: str) -> str:
    """Return a style sheet without comments and needless spaces."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    css = re.sub(r"\s+", " ", css)
    return re.sub(r"\s*([{};,>])\s*", r"\1", css).replace(";}", "}").strip()


STYLE = squeeze((Path(__file__).parent / "style.css").read_text(encoding="utf-8"))


def _hash(style: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"


STYLE_HASH = _hash(STYLE)


def content_policy(view: PageView) -> str:
    """Return the Content-Security-Policy of the page's HTML; the HTML carries it itself too.

    `frame-ancestors` is not in it: that is heard in a header only.
    """
    sources = {"'self'", "data:"}
    for address in view.assets.values():
        parts = urlsplit(address)
        if parts.scheme in {"http", "https"} and re.fullmatch(r"[\w.:\[\]-]+", parts.netloc):
            sources.add(f"{parts.scheme}://{parts.netloc}")
    return (
        f"default-src 'none'; style-src {STYLE_HASH} {_hash(palette(view.colours))};"
        f" img-src {' '.join(sorted(sources))}; form-action 'self'; base-uri 'none'"
    )


@dataclass(frozen=True, slots=True)
class Line:
    """A component as the page shows it."""

    component: ComponentView
    look: str
    state: str
    bars: Bars | None
    plot: Plot | None


@dataclass(frozen=True, slots=True)
class Part:
    """A group, or a component that stands alone."""

    group: GroupView | None
    look: str
    state: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """An update of a post."""

    status: str
    when: SafeString
    body: SafeString


@dataclass(frozen=True, slots=True)
class Entry:
    """A post as the page shows it."""

    post: PostView
    look: str
    impact: str
    status: str
    link: str
    when: SafeString
    lasted: str
    affected: str
    updates: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A component that subscribers may choose."""

    code: str
    name: str
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the past and what was posted on it."""

    name: SafeString
    entries: tuple[Entry, ...]


class _Maker:
    """Makes what the templates show, in one language."""

    def __init__(self, view: PageView, locale: str, root: str) -> None:
        self.view, self.locale, self.root = view, locale, root
        self.words = words_of(locale)
        self.calendar = Calendar(self.words, zone_of(view.timezone))
        # Links stay in the language that was chosen.
        self.home = root if locale == view.locale else f"{root}{locale}/"
        self.names = {component.code: component.name for component in view.components}

    def line(self, component: ComponentView) -> Line:
        bars = (
            draw_days(component, self.view.window_days, self.calendar)
            if component.show_uptime
            else None
        )
        return Line(
            component,
            LOOKS[component.status],
            self.words[component.status],
            bars,
            draw_latency(component, self.calendar),
        )

    def parts(self) -> list[Part]:
        """Return the groups as they stand, and lone components that follow each other as one."""
        found: list[Part] = []
        for group, below in ordered_parts(self.view):
            lines = tuple(self.line(component) for component in below)
            if group is not None:
                look, state = LOOKS[group.status], self.words[group.status]
                found.append(Part(group, look, state, lines))
            elif found and found[-1].group is None:
                found[-1] = Part(None, "", "", found[-1].lines + lines)
            else:
                found.append(Part(None, "", "", lines))
        return found

    def entry(self, post: PostView) -> Entry:
        calendar, words = self.calendar, self.words
        if post.scheduled_for and post.scheduled_until:
            span = calendar.span(post.scheduled_for, post.scheduled_until)
            when = calendar.stamp(post.scheduled_for, span)
        else:
            when = calendar.stamp(post.started_at)
        lasted = ""
        if post.resolved_at is not None and not post.is_maintenance:
            seconds = int((post.resolved_at - post.started_at).total_seconds())
            lasted = words["over_after"].format(duration=calendar.duration(max(seconds, 0)))
        return Entry(
            post=post,
            look="maint" if post.is_maintenance else LOOKS.get(post.impact, "none"),
            impact=words[f"impact_{post.impact}"],
            status=words[post.status],
            link=f"{self.home}posts/{post.code}",
            when=when,
            lasted=lasted,
            affected=", ".join(self.names[c] for c in post.component_codes if c in self.names),
            updates=tuple(
                Said(
                    words[update.status],
                    calendar.stamp(update.at),
                    mark_safe(render_markdown(update.body)),  # noqa: S308
                )
                for update in post.updates
            ),
        )

    def entries(self, posts: Iterable[PostView]) -> list[Entry]:
        return [self.entry(post) for post in posts]

    def day_of(self, post: PostView) -> date:
        return self.calendar.local_day(post.scheduled_for or post.started_at)

    def day(self, day: date, posts: Iterable[PostView]) -> Day:
        return Day(self._day_name(day), tuple(self.entries(posts)))

    def _day_name(self, day: date) -> SafeString:
        return format_html(
            '<time datetime="{}">{}</time>', day.isoformat(), self.calendar.full_day(day)
        )

    def past(self) -> list[Day]:
        """Return the last days, today first; days without incidents that follow are one."""
        today = self.calendar.local_day(self.view.as_of)
        over = [post for post in self.view.posts if post.is_over]
        days = [today - timedelta(days=n) for n in range(PAST_DAYS)]
        posted = [[post for post in over if self.day_of(post) == day] for day in days]
        found = []
        for quiet, run in groupby(range(PAST_DAYS), key=lambda n: not posted[n]):
            places = list(run)
            if quiet and len(places) > 1:
                ends = (self._day_name(days[places[-1]]), self._day_name(days[places[0]]))
                found.append(Day(format_html("{} – {}", *ends), ()))
            else:
                found += [self.day(days[n], posted[n]) for n in places]
        return found

    def months(self) -> list[tuple[str, list[Day]]]:
        """Return everything that was posted, by month and day, newest first."""
        posts = sorted(
            (*self.view.posts, *self.view.maintenances),
            key=lambda post: post.scheduled_for or post.started_at,
            reverse=True,
        )
        found: list[tuple[str, list[Day]]] = []
        for day, those in groupby(posts, key=self.day_of):
            month = self.calendar.month(day)
            if not found or found[-1][0] != month:
                found.append((month, []))
            found[-1][1].append(self.day(day, those))
        return found

    def asset(self, kind: str) -> str:
        # Ours are found wherever the page is read, whatever its own domain's records say now.
        address = self.view.assets.get(kind, "").removeprefix(self.view.url)
        if not address or urlsplit(address).scheme in {"http", "https"} or address[0] == "/":
            return address
        return self.root + address

    def formula(self) -> str:
        weights = {
            kind: self.calendar.number(Decimal(str(self.view.weights.get(kind, otherwise))))
            for kind, otherwise in (("major", 1), ("partial", 0.3))
        }
        return self.words["formula"].format(**weights)

    def base(self, name: str, title: str) -> dict[str, Any]:
        """Return what every page of the template shows; `name` is its path in any language."""
        view, words = self.view, self.words
        state = state_of(view)
        key = {"none": "all_up"}.get(state, state) if view.components else "nothing_yet"
        if not view.components and state != "none":
            key = state
        look = LOOKS[state] if key != "nothing_yet" else "none"
        own = view.locale if view.locale in LOCALES else "en"
        card = view.assets.get("logo", "")
        return {
            "view": view,
            "w": words,
            "locale": self.locale,
            "root": self.root,
            "home": self.home,
            "title": title,
            "page_title": words["title"].format(name=view.name),
            "address": view.url + ("" if self.locale == own else f"{self.locale}/") + name,
            "headline": words[key],
            "empty": key == "nothing_yet",
            "look": look,
            "as_of": format_html(words["as_of"], time=self.calendar.stamp(view.as_of)),
            "policy": content_policy(view),
            "style": mark_safe(STYLE),  # noqa: S308
            "palette": mark_safe(palette(view.colours)),  # noqa: S308
            "logo": self.asset("logo") or self.asset("dark_logo"),
            "dark_logo": self.asset("dark_logo") if self.asset("logo") else "",
            "favicon": self.asset("favicon") or draw_favicon(look),
            "card": card if "://" in card else "",
            "locales": [
                {
                    "code": code,
                    "name": spoken["language"],
                    "link": (self.root if code == own else f"{self.root}{code}/") + name,
                    "address": view.url + ("" if code == own else f"{code}/") + name,
                    "og": spoken["og_locale"],
                    "current": code == self.locale,
                }
                for code, spoken in LOCALES.items()
            ],
        }


def draw_favicon(look: str) -> str:
    """Return the address of an icon in a state's colour."""
    fill = _FAVICONS.get(look, "%2357606a")
    return (
        "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
        f"<circle cx='8' cy='8' r='7' fill='{fill}'/></svg>"
    )


def write_template(name: str, context: Mapping[str, Any]) -> bytes:
    """Return a template of statuspages/ with what it shows, without its indentation."""
    text = render_to_string(f"statuspages/{name}.html", dict(context))
    # Indentation of the templates says nothing to anybody; code blocks keep theirs.
    parts = re.split(r"(<pre>.*?</pre>)", text, flags=re.DOTALL)
    parts[::2] = [re.sub(r"\n\s*", "\n", part) for part in parts[::2]]
    return "".join(parts).encode()


def write_page(view: PageView, locale: str, root: str) -> bytes:
    """Return the page itself; `root` is the way from there to the page's root, e.g. "../"."""
    maker = _Maker(view, locale, root)
    base = maker.base("", maker.words["title"].format(name=view.name))
    planned = sorted(upcoming_maintenances(view), key=lambda m: m.scheduled_for or m.started_at)
    return write_template(
        "page/page",
        {
            **base,
            "open": maker.entries(unresolved_posts(view)),
            "running": maker.entries(active_maintenances(view)),
            "planned": maker.entries(planned),
            "parts": maker.parts(),
            "legend": [(LOOKS[s], maker.words[s]) for s in _LEGEND],
            "all_good": maker.words["all_good"].format(days=view.window_days),
            "shows_uptime": any(component.show_uptime for component in view.components),
            "formula": maker.formula(),
            "formula_note": maker.words["formula_note"].format(zone=view.timezone),
            "past": maker.past(),
            "subscribes": view.extras.get("subscribe", True),
            "choices": [
                Choice(component.code, component.name)
                for _, below in ordered_parts(view)
                for component in below
            ],
        },
    )


_LEGEND = (
    "operational",
    "degraded_performance",
    "partial_outage",
    "major_outage",
    "under_maintenance",
)


def write_history(view: PageView, locale: str, root: str) -> bytes:
    """Return the page of everything that was posted in the last 90 days."""
    maker = _Maker(view, locale, root)
    heading = maker.words["history_of"].format(days=view.window_days)
    title = f"{maker.words['history']} – {maker.words['title'].format(name=view.name)}"
    none = maker.words["no_history"].format(days=view.window_days)
    context = {"heading": heading, "months": maker.months(), "none": none}
    return write_template("page/history", {**maker.base("history", title), **context})


def write_post(view: PageView, locale: str, root: str, post: PostView) -> bytes:
    """Return the page of one incident or maintenance with all its updates."""
    maker = _Maker(view, locale, root)
    title = f"{post.title} – {maker.words['title'].format(name=view.name)}"
    return write_template(
        "page/post", {**maker.base(f"posts/{post.code}", title), "entry": maker.entry(post)}
    )
