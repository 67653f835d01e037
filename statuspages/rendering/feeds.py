"""RSS, Atom and iCalendar: one entry per incident or maintenance, revised in place."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from xml.etree import ElementTree as Xml

from django.utils.html import escape
from icalendar import Calendar as ICalendar
from icalendar import Event

from statuspages.rendering.order import last_change, revised_at
from statuspages.rendering.text import plain_text, render_markdown
from statuspages.rendering.times import Calendar, iso_utc, zone_of
from statuspages.rendering.words import words_of
from statuspages.view import PageView, PostView

_ATOM = "http://www.w3.org/2005/Atom"
LONGEST = 50
Xml.register_namespace("atom", _ATOM)


def _entries(view: PageView) -> list[PostView]:
    posts = (*view.posts, *view.maintenances)
    return sorted(posts, key=lambda post: (revised_at(post), post.code), reverse=True)[:LONGEST]


def _link(view: PageView, post: PostView) -> str:
    return f"{view.url}posts/{post.code}"


def _identity(view: PageView, post: PostView) -> str:
    # Not the address: that changes when the page moves to a domain of its own.
    return f"tag:{view.code}.tocsin,2026:{post.code}"


def _title(view: PageView, post: PostView) -> str:
    return f"{post.title} — {words_of(view.locale)[post.status]}"


def _content(view: PageView, post: PostView) -> str:
    """Return all updates as HTML, newest first."""
    words = words_of(view.locale)
    calendar = Calendar(words, zone_of(view.timezone))
    parts = []
    if post.scheduled_for and post.scheduled_until:
        parts.append(f"<p>{escape(calendar.span(post.scheduled_for, post.scheduled_until))}</p>")
    for update in post.updates:
        at = f"<time datetime='{iso_utc(update.at)}'>{escape(calendar.moment(update.at))}</time>"
        parts.append(f"<p><strong>{escape(words[update.status])}</strong> ({at})</p>")
        parts.append(render_markdown(update.body))
    return "".join(parts)


def _add(parent: Xml.Element, name: str, text: str = "", **attributes: str) -> Xml.Element:
    child = Xml.SubElement(parent, name, attributes)
    child.text = text or None
    return child


def _bytes(root: Xml.Element) -> bytes:
    written: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def write_rss(view: PageView) -> bytes:
    """Return the incidents and maintenances as RSS 2.0."""
    root = Xml.Element("rss", {"version": "2.0"})
    channel = _add(root, "channel")
    title = words_of(view.locale)["title"].format(name=view.name)
    _add(channel, "title", title)
    _add(channel, "link", view.url)
    _add(channel, "description", view.description or title)
    _add(channel, "language", view.locale)
    _add(channel, "lastBuildDate", format_datetime(last_change(view).astimezone(UTC)))
    _add(
        channel,
        f"{{{_ATOM}}}link",
        href=f"{view.url}history.rss",
        rel="self",
        type="application/rss+xml",
    )
    for post in _entries(view):
        item = _add(channel, "item")
        _add(item, "title", _title(view, post))
        _add(item, "link", _link(view, post))
        _add(item, "guid", _identity(view, post), isPermaLink="false")
        _add(item, "pubDate", format_datetime(revised_at(post).astimezone(UTC)))
        _add(item, "description", _content(view, post))
    return _bytes(root)


def write_atom(view: PageView) -> bytes:
    """Return the incidents and maintenances as Atom (RFC 4287)."""
    root = Xml.Element("feed", {"xmlns": _ATOM, "xml:lang": view.locale})
    _add(root, "id", f"tag:{view.code}.tocsin,2026:page")
    _add(root, "title", words_of(view.locale)["title"].format(name=view.name))
    _add(root, "updated", iso_utc(last_change(view)))
    _add(root, "link", rel="alternate", type="text/html", href=view.url)
    _add(root, "link", rel="self", type="application/atom+xml", href=f"{view.url}history.atom")
    _add(_add(root, "author"), "name", view.name)
    for post in _entries(view):
        entry = _add(root, "entry")
        _add(entry, "id", _identity(view, post))
        _add(entry, "title", _title(view, post))
        _add(entry, "published", iso_utc(post.created_at))
        _add(entry, "updated", iso_utc(revised_at(post)))
        _add(entry, "link", rel="alternate", type="text/html", href=_link(view, post))
        _add(entry, "content", _content(view, post), type="html")
    return _bytes(root)


def _whole_seconds(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0)


def write_calendar(view: PageView) -> bytes:
    """Return the maintenances as iCalendar (RFC 5545), to be subscribed to."""
    words = words_of(view.locale)
    calendar = ICalendar()
    calendar.add("prodid", "-//Tocsin//Status page//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", words["title"].format(name=view.name))
    calendar.add("x-wr-timezone", view.timezone)
    names = {component.code: component.name for component in view.components}
    for post in view.maintenances:
        if post.scheduled_for is None:
            continue
        event = Event()
        event.add("uid", f"{post.code}@{view.code}.tocsin")
        revised = revised_at(post)
        # Grows with every revision, as RFC 5546 asks, without a counter to keep.
        event.add("sequence", max(0, int((revised - post.created_at).total_seconds())))
        event.add("dtstamp", _whole_seconds(revised))
        event.add("created", _whole_seconds(post.created_at))
        event.add("last-modified", _whole_seconds(revised))
        event.add("dtstart", _whole_seconds(post.scheduled_for))
        if post.scheduled_until is not None and post.scheduled_until > post.scheduled_for:
            event.add("dtend", _whole_seconds(post.scheduled_until))
        event.add("summary", f"{view.name}: {post.title}")
        affected = [names[code] for code in post.component_codes if code in names]
        lines = [words[post.status], ", ".join(affected)]
        lines += [plain_text(update.body) for update in post.updates[:1]]
        event.add("description", "\n\n".join(line for line in lines if line))
        event.add("url", _link(view, post))
        event.add("status", "CONFIRMED")
        event.add("transp", "TRANSPARENT")
        calendar.add_component(event)
    written: bytes = calendar.to_ical()
    return written
