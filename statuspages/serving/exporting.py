"""Snapshots as files, so that a plain web server shows pages with the application dead.

Below PAGES_EXPORT_DIR each public page has a directory named by its slug, and its verified domain
is a link beside it. A file is whole or absent: it is written under another name and moved. What
is not public is not there. The files are made from the stored snapshots, under a lock, so that the
last one to write always writes the newest.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from accounts.database.standing import across_teams
from accounts.models import SLUG_PATTERN
from statuspages.models import Asset, PageSnapshot, StatusPage
from statuspages.models.pages import Visibility
from statuspages.services.assets import asset_path

logger = logging.getLogger(__name__)
_LOCK_NAME = ".lock"
_WHOLE = ".whole"  # there once everything has been written: who empties the directory removes it
_OWNERS = ".owners"  # a file for each directory of ours, with its page: a slug may change hands
_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_DOMAIN = re.compile(r"(?=.{4,253}$)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")
_TEMPORARY = ".new-"
_RETRY_SECONDS = 60.0
_READABLE = 0o755
_caught_up: dict[str, float] = {}  # when this process last brought a directory up to date


def export_page(page_id: UUID) -> None:
    """Bring a page's files up to date, or remove them; does nothing without PAGES_EXPORT_DIR.

    A disk that cannot be written to is logged, and stops nothing else.
    """
    if not settings.PAGES_EXPORT_DIR:
        return
    try:
        with _locked() as root, across_teams():
            page = _public().filter(pk=page_id).first()
            if page is not None:
                _write_page(root, page)
            _remove_strangers(root)
    except OSError as error:
        logger.warning("Status pages could not be written to files: %s", error)


def export_all() -> None:
    """Write every public page, and remove what no longer is one: for a directory that is behind."""
    if not settings.PAGES_EXPORT_DIR:
        return
    try:
        with _locked() as root, across_teams():
            for page in _public().iterator():
                _write_page(root, page)
            _remove_strangers(root)
    except OSError as error:
        logger.warning("Status pages could not be written to files: %s", error)


def catch_up() -> None:
    """Write everything if this process has not yet, or if the directory is new or was emptied.

    For every round: costs one look at the disk. A new directory lacks what only files need
    (histories, badges in all styles), so its pages are rendered anew too, by the next round.
    """
    directory = settings.PAGES_EXPORT_DIR
    if not directory:
        return
    at = _caught_up.get(directory)
    whole = (Path(directory) / _WHOLE).is_file()
    if at is not None and (whole or time.monotonic() - at < _RETRY_SECONDS):
        return
    _caught_up[directory] = time.monotonic()
    export_all()
    if whole:
        return
    try:
        with _locked() as root, across_teams():
            if not (root / _WHOLE).exists():
                _public().update(rendered_version=0)
                (root / _WHOLE).touch()
    except OSError as error:
        logger.warning("Status pages could not be written to files: %s", error)


def remove_strangers() -> None:
    """Remove the files of pages that are deleted, renamed or no longer public."""
    if not settings.PAGES_EXPORT_DIR:
        return
    try:
        with _locked() as root, across_teams():
            _remove_strangers(root)
    except OSError as error:
        logger.warning("Files of status pages could not be removed: %s", error)


def file_name(path: str) -> str | None:
    """Return where a snapshot's path lies below its page's directory; None if it has no file.

    A path with a query has none: a plain web server would not tell it from the one without.
    """
    trimmed = path.removesuffix("/")
    parts = trimmed.split("/") if trimmed else []
    if not all(_SEGMENT.fullmatch(part) for part in parts):
        return None
    if not parts or path.endswith("/") or "." not in parts[-1]:
        parts.append("index.html")
    return "/".join(parts)


def _public() -> QuerySet[StatusPage]:
    return StatusPage.objects.filter(published=True, visibility=Visibility.PUBLIC)


@contextlib.contextmanager
def _locked() -> Iterator[Path]:
    root = Path(settings.PAGES_EXPORT_DIR).absolute()
    _make_directory(root)
    with (root / _LOCK_NAME).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield root


def _write_page(root: Path, page: StatusPage) -> None:
    if not re.fullmatch(SLUG_PATTERN, page.slug):
        return
    place = root / page.slug
    if place.is_symlink():
        return  # nothing of ours: never written through
    _write(root / _OWNERS / page.slug, str(page.pk).encode())
    _make_directory(place)
    written: set[str] = set()
    rows = PageSnapshot.objects.filter(page=page).values_list("path", "body", "gzipped")
    for path, body, gzipped in rows:
        name = file_name(path)
        if name is not None:
            _write(place / name, bytes(body))
            _write(place / f"{name}.gz", bytes(gzipped))
            written |= {name, f"{name}.gz"}
    for asset in Asset.objects.filter(page=page):
        for name in (asset_path(asset), f"assets/{asset.kind}-{asset.sha256[:12]}"):
            _write(place / name, bytes(asset.content))
            written.add(name)
    for found in list(place.rglob("*")):
        if (found.is_symlink() or found.is_file()) and str(found.relative_to(place)) not in written:
            found.unlink()
        elif found.is_dir():
            _open_directory(found)
    _open_directory(place)
    _link_domain(root, page)


def _link_domain(root: Path, page: StatusPage) -> None:
    domain = page.domain or ""
    if page.domain_verified_at is None or not _DOMAIN.fullmatch(domain):
        return
    link = root / domain
    if link.is_symlink() and link.readlink() == Path(page.slug):
        return
    if link.exists() and not link.is_symlink():
        return
    temporary = root / f"{_TEMPORARY}{page.pk}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(page.slug)
    temporary.replace(link)


def _remove_strangers(root: Path) -> None:
    """Remove what belongs to no public page; what we did not make is left alone."""
    slugs: dict[str, str] = {}
    links: dict[str, str] = {}
    for pk, slug, domain, verified_at in _public().values_list(
        "pk", "slug", "domain", "domain_verified_at"
    ):
        slugs[slug] = str(pk)
        if domain and verified_at:
            links[domain] = slug
    for found in list(root.iterdir()):
        owner = root / _OWNERS / found.name
        if found.is_symlink():
            target = str(found.readlink())
            if re.fullmatch(SLUG_PATTERN, target) and links.get(found.name) != target:
                found.unlink()
        elif owner.is_file() and slugs.get(found.name) != owner.read_text():
            shutil.rmtree(found)
            owner.unlink()


def _make_directory(place: Path) -> None:
    if not place.is_dir():
        _make_directory(place.parent)
        place.mkdir(exist_ok=True)
        _open_directory(place)


def _open_directory(place: Path) -> None:
    # The web server that reads it has another account, and our umask may be a private one.
    if stat.S_IMODE(place.stat().st_mode) != _READABLE:
        place.chmod(_READABLE)


def _write(target: Path, content: bytes) -> None:
    _make_directory(target.parent)
    with contextlib.suppress(FileNotFoundError):
        if not target.is_symlink() and target.read_bytes() == content:
            return
    number, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=target.parent)
    try:
        with os.fdopen(number, "wb") as file:
            os.fchmod(number, 0o644)
            file.write(content)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
