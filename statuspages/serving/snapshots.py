"""Rendering on write: pages that changed are made into bytes, and visitors get the bytes.

`StatusPage.version` grows with each change. A snapshot carries the version that was read before
its page was, so it is never newer than it says: whatever changes meanwhile is rendered again.

Renderers of one page take turns by an advisory lock and not by the page's row, on which whoever
changes the page would have to wait for them.
"""

from __future__ import annotations

import logging
import re
import time
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django_scopes import scopes_disabled

from monitors.queries import database_now
from statuspages.engine.loading import load_page
from statuspages.models import PageSnapshot, StatusPage
from statuspages.models.pages import Visibility
from statuspages.rendering.representations import all_paths, is_path, render, standard_paths
from statuspages.serving import exporting
from statuspages.serving.answers import compress, make_etag
from statuspages.view import PageView

logger = logging.getLogger(__name__)
MOST_PATHS = 1_000  # snapshots that one page keeps; what is beyond is rendered when it is asked for
MOST_PATH_LENGTH = 200
_RETRY_SECONDS = 30.0
_MOST_UNKNOWN = 4_096

# name: lock
# One renderer at a time for what the text names, until the transaction ends.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 7203014))"
TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 7203014))"

# name: store
# Keep the bytes, unless somebody was faster with newer ones.
STORE = """
INSERT INTO statuspages_pagesnapshot
  (team_id, page_id, path, version, content_type, etag, body, gzipped, rendered_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp())
ON CONFLICT (page_id, path) DO UPDATE SET version = excluded.version,
  content_type = excluded.content_type, etag = excluded.etag, body = excluded.body,
  gzipped = excluded.gzipped, rendered_at = excluded.rendered_at
WHERE statuspages_pagesnapshot.version <= excluded.version
"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One representation as bytes."""

    content_type: str
    etag: str
    body: bytes
    gzipped: bytes


_flights: dict[tuple[UUID, str], Future[Snapshot | None]] = {}
_flights_lock = Lock()
_unknown: OrderedDict[tuple[UUID, int, str], None] = OrderedDict()
_failed: dict[UUID, float] = {}


def render_page(page_id: UUID) -> bool:
    """Render everything that is kept of a page, at its present version; False if it is gone.

    All of it is stored in one transaction. A page that is not published keeps nothing. Raises
    what rendering raises.
    """
    with scopes_disabled(), transaction.atomic():
        _lock(str(page_id))
        page = StatusPage.objects.filter(pk=page_id).first()
        if page is None:
            return False
        _render(page)
    exporting.export_page(page_id)
    return True


def render_stale(limit: int = 50) -> int:
    """Render pages that have changed since they were rendered; return how many.

    Pages that another process renders now are skipped, and so are for half a minute those whose
    rendering failed: one page that cannot be rendered holds up no other.
    """
    rendered = 0
    with scopes_disabled():
        stale = StatusPage.objects.filter(rendered_version__lt=F("version"))
        waiting = [page for page, at in _failed.items() if time.monotonic() - at < _RETRY_SECONDS]
        for page_id in list(
            stale.exclude(pk__in=waiting).order_by("id").values_list("pk", flat=True)[:limit]
        ):
            try:
                done = _render_if_stale(page_id)
            except Exception:
                logger.exception("A status page could not be rendered: %s", page_id)
                _failed[page_id] = time.monotonic()
                continue
            _failed.pop(page_id, None)
            if done:
                rendered += 1
                exporting.export_page(page_id)
    return rendered


def render_one(page_id: UUID, path: str) -> Snapshot | None:
    """Return one representation, rendered if it is not kept yet; None for what there is not.

    However many ask at once, in this process and in others, it is rendered once. `path` is as
    `normalize` gives it. Unpublished pages have none.
    """
    if len(path) > MOST_PATH_LENGTH or not is_path(path):
        return None
    key = (page_id, path)
    with _flights_lock:
        flight = _flights.get(key)
        if flight is None:
            mine: Future[Snapshot | None] = Future()
            _flights[key] = mine
    if flight is not None:
        return flight.result()
    try:
        found = _render_one(page_id, path)
    except BaseException as error:
        mine.set_exception(error)
        raise
    else:
        mine.set_result(found)
        return found
    finally:
        with _flights_lock:
            del _flights[key]


def _render_if_stale(page_id: UUID) -> bool:
    with transaction.atomic():
        if not _try_lock(str(page_id)):
            return False
        page = StatusPage.objects.filter(pk=page_id, rendered_version__lt=F("version")).first()
        if page is None:
            return False
        _render(page)
        return True


def _render(page: StatusPage) -> None:
    """Store all representations; the caller holds the page's lock in a transaction."""
    mine = PageSnapshot.objects.filter(page=page)
    if page.published:
        view = load_page(page, now=database_now())
        standard = standard_paths(view)
        if settings.PAGES_EXPORT_DIR and is_open(page):
            standard += _linked_paths(view)
        others = set(mine.values_list("path", flat=True)) - set(standard)
        rows, gone = [], []
        for path in [*dict.fromkeys(standard), *sorted(others)]:
            rendering = render(view, path)
            if rendering is None:
                gone.append(path)
            else:
                rows.append(_row(page, path, make_snapshot(rendering.content_type, rendering.body)))
        with connection.cursor() as cursor:
            cursor.executemany(STORE, rows)
        if gone:
            mine.filter(path__in=gone).delete()
    else:
        mine.delete()
    StatusPage.objects.filter(pk=page.pk, rendered_version__lt=page.version).update(
        rendered_version=page.version
    )


def _linked_paths(view: PageView) -> list[str]:
    """Return what else files must have, since nobody renders it when it is asked for.

    Posts and histories in other languages than the page's own are left out: they would be most of
    the work.
    """
    others = re.compile(r"[a-z]{2}/.+")
    return [path for path in all_paths(view) if not others.fullmatch(path)][:MOST_PATHS]


def _render_one(page_id: UUID, path: str) -> Snapshot | None:
    with scopes_disabled(), transaction.atomic():
        if found := _kept(page_id, path):
            return found
        _lock(f"{page_id}/{path}")
        if found := _kept(page_id, path):
            return found
        page = StatusPage.objects.filter(pk=page_id, published=True).first()
        if page is None or (page_id, page.version, path) in _unknown:
            return None
        rendering = render(load_page(page, now=database_now()), path)
        if rendering is None:
            _remember_unknown((page_id, page.version, path))
            return None
        snapshot = make_snapshot(rendering.content_type, rendering.body)
        # Stored under the page's lock, and only if the page is as it was: a row of an old version
        # that comes after the renderer of the new one has looked would stay for ever. If a
        # renderer is at work nothing is stored, and the next visitor tries again.
        if _try_lock(str(page_id)) and _may_store(page):
            with connection.cursor() as cursor:
                cursor.execute(STORE, _row(page, path, snapshot))
        return snapshot


def _kept(page_id: UUID, path: str) -> Snapshot | None:
    row = (
        PageSnapshot.objects.filter(page_id=page_id, page__published=True, path=path)
        .values_list("content_type", "etag", "body", "gzipped")
        .first()
    )
    if row is None:
        return None
    return Snapshot(row[0], row[1], bytes(row[2]), bytes(row[3]))


def make_snapshot(content_type: str, body: bytes | str) -> Snapshot:
    """Return the bytes of a rendering, with their tag and gzipped."""
    raw = body.encode() if isinstance(body, str) else body
    return Snapshot(content_type, make_etag(raw), raw, compress(raw))


def _row(page: StatusPage, path: str, snapshot: Snapshot) -> tuple[Any, ...]:
    return (
        page.team_id,
        page.pk,
        path,
        page.version,
        snapshot.content_type,
        snapshot.etag,
        snapshot.body,
        snapshot.gzipped,
    )


def _lock(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [name])


def _try_lock(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(TRY_LOCK, [name])
        return bool(cursor.fetchone()[0])


def _may_store(page: StatusPage) -> bool:
    present = StatusPage.objects.filter(pk=page.pk, published=True, version=page.version)
    return present.exists() and PageSnapshot.objects.filter(page=page).count() < MOST_PATHS


def _remember_unknown(key: tuple[UUID, int, str]) -> None:
    _unknown[key] = None
    while len(_unknown) > _MOST_UNKNOWN:
        _unknown.popitem(last=False)


def is_open(page: StatusPage) -> bool:
    """Return whether anybody may look at the page."""
    return page.published and page.visibility == Visibility.PUBLIC
