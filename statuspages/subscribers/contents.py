"""What a message tells, read from the page as it is now.

One update goes to thousands. The page is read once for each of its versions, not for each message.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from monitors.queries import database_now
from statuspages.engine.loading import load_page
from statuspages.models import StatusPage, Subscriber, SubscriberMessage
from statuspages.models.subscribers import MessageEvent
from statuspages.rendering.atlassian import shape_told
from statuspages.rendering.text import clean_line, clean_view
from statuspages.services.pages import page_url
from statuspages.subscribers.links import confirm_url, manage_url
from statuspages.view import PageView, PostView, UpdateView

_MOST_PAGES = 16

_views: OrderedDict[UUID, tuple[int, PageView]] = OrderedDict()
_loading = threading.Lock()


@dataclass(frozen=True, slots=True)
class Told:
    """An update as visitors may see it, with its post and its page; all text is cleaned."""

    view: PageView
    post: PostView
    update: UpdateView


def find_told(message: SubscriberMessage) -> Told | None:
    """Return what a message of an update tells; None if that is not to be seen any more."""
    row, page = message.post_update, message.subscriber.page
    if row is None or row.post.published_at is None or not page.published:
        return None
    view = _view_of(page)
    for post in (*view.posts, *view.maintenances):
        if post.code == row.post.code:
            found = [update for update in post.updates if update.code == row.code]
            return Told(view, post, found[0]) if found else None
    return None


def webhook_payload(message: SubscriberMessage, told: Told | None) -> dict[str, Any]:
    """Return the `data` of what is posted to a webhook."""
    subscriber = message.subscriber
    page = subscriber.page
    if told is not None:
        shape = shape_told(told.view, told.post, told.update)
        return {**shape, "manage_url": manage_url(page, subscriber)}
    about = {
        "page": {"id": page.code, "name": clean_line(page.name), "url": page_url(page).rstrip("/")}
    }
    if message.event == MessageEvent.CONFIRM:
        return {**about, "confirm_url": _confirm_url(message, subscriber)}
    return {**about, "manage_url": manage_url(page, subscriber)}


def _confirm_url(message: SubscriberMessage, subscriber: Subscriber) -> str:
    # From the message's own time: the same link on every attempt.
    return confirm_url(subscriber.page, subscriber, asked_at=message.created_at)


def _view_of(page: StatusPage) -> PageView:
    with _loading:
        version, view = _views.get(page.pk, (None, None))
        if view is None or version != page.version:
            view = clean_view(load_page(page, now=database_now()))
            _views[page.pk] = (page.version, view)
        _views.move_to_end(page.pk)
        while len(_views) > _MOST_PAGES:
            _views.popitem(last=False)
        return view
