"""Which representations a page has, and the bytes of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from statuspages.rendering.atlassian import ANSWERS, write_answer
from statuspages.rendering.badges import STYLES, write_badge, write_badge_json
from statuspages.rendering.feeds import write_atom, write_calendar, write_rss
from statuspages.rendering.html import write_history, write_page, write_post
from statuspages.rendering.order import find_component, find_post
from statuspages.rendering.text import clean_view
from statuspages.rendering.words import LOCALES
from statuspages.view import PageView

HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=utf-8"
SVG = "image/svg+xml; charset=utf-8"

_API = re.compile(r"api/v2/([a-z/-]+)\.json")
_BADGE = re.compile(
    rf"(?:components/([0-9A-Za-z-]{{12,36}})/)?badge(?:-({'|'.join(STYLES)}))?\.(svg|json)"
)
_LOCALISED = re.compile(rf"(?:({'|'.join(LOCALES)})/)?(|history|posts/[0-9a-z]{{12}})")


@dataclass(frozen=True, slots=True)
class Rendering:
    """The bytes of one representation."""

    content_type: str
    body: bytes


_FEEDS: Mapping[str, tuple[str, Callable[[PageView], bytes]]] = {
    "history.rss": ("application/rss+xml; charset=utf-8", write_rss),
    "history.atom": ("application/atom+xml; charset=utf-8", write_atom),
    "maintenance.ics": ("text/calendar; charset=utf-8", write_calendar),
}


def normalize(path: str, query: str = "") -> str:
    """Return the path that names the same representation without a query.

    A badge's `?style=` becomes part of its name; every other query means nothing.
    """
    if not query or not (path == "badge.svg" or path.endswith("/badge.svg")):
        return path
    style = parse_qs(query[:200]).get("style", [""])[0]
    if style not in STYLES or style == "flat":
        return path
    return f"{path.removesuffix('.svg')}-{style}.svg"


def is_path(path: str) -> bool:
    """Return whether a page could have a representation there: looks at the path alone."""
    found = _API.fullmatch(path)
    return (
        path in _FEEDS
        or (found is not None and found[1] in ANSWERS)
        or _BADGE.fullmatch(path) is not None
        or _LOCALISED.fullmatch(path) is not None
    )


def standard_paths(view: PageView) -> list[str]:
    """Return what is rendered with every change: what machines ask for, and the page itself."""
    del view
    return ["", *(f"api/v2/{name}.json" for name in ANSWERS), *_FEEDS, "badge.svg", "badge.json"]


def all_paths(view: PageView) -> list[str]:
    """Return every path of the page, as files for a plain web server need them."""
    pages = ["history", *(f"posts/{p.code}" for p in (*view.posts, *view.maintenances))]
    others = [locale for locale in LOCALES if locale != view.locale]
    styles = [f"-{style}" for style in STYLES if style != "flat"]
    paths = [*standard_paths(view), *pages, *(f"badge{style}.svg" for style in styles)]
    for locale in others:
        paths += [f"{locale}/", *(f"{locale}/{page}" for page in pages)]
    for component in view.components:
        below = f"components/{component.code}/badge"
        paths += [f"{below}.json", f"{below}.svg", *(f"{below}{style}.svg" for style in styles)]
    return paths


def render(view: PageView, path: str) -> Rendering | None:
    """Return the representation at a path below the page's root; None if there is none.

    The path is as `normalize` returns it. The same view gives the same bytes.
    """
    view = clean_view(view)
    if path in _FEEDS:
        content_type, write = _FEEDS[path]
        return Rendering(content_type, write(view))
    if (found := _API.fullmatch(path)) and found[1] in ANSWERS:
        return Rendering(JSON, write_answer(view, found[1]))
    if found := _BADGE.fullmatch(path):
        return _render_badge(view, found)
    if found := _LOCALISED.fullmatch(path):
        return _render_html(view, found[1] or view.locale, found[2], localised=bool(found[1]))
    return None


def _render_badge(view: PageView, found: re.Match[str]) -> Rendering | None:
    code, style, kind = found.groups()
    component = find_component(view, code) if code else None
    if (code and component is None) or (style and kind == "json"):
        return None
    if kind == "json":
        return Rendering(JSON, write_badge_json(view, component))
    return Rendering(SVG, write_badge(view, style or "flat", component))


def _render_html(view: PageView, locale: str, name: str, *, localised: bool) -> Rendering | None:
    root = "../" * (localised + name.count("/")) or "./"
    if not name:
        return Rendering(HTML, write_page(view, locale, root))
    if name == "history":
        return Rendering(HTML, write_history(view, locale, root))
    post = find_post(view, name.removeprefix("posts/"))
    return None if post is None else Rendering(HTML, write_post(view, locale, root, post))
