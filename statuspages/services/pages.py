"""Making and changing status pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.models import Maintenance
from statuspages.models import Post, StatusPage, Subscriber
from statuspages.models.pages import Visibility
from statuspages.services import page_values
from statuspages.services.errors import BadField, check_texts, refuse_unknown
from statuspages.services.versions import changing_page
from statuspages.services.windows import drop_window

LOCALES = page_values.LOCALES
COLOURS = page_values.COLOURS
TOKEN_PREFIX = "tocsin-verify="  # noqa: S105 - it is published
_FIELDS = frozenset(
    {
        "name",
        "slug",
        "description",
        "support_url",
        "domain",
        "published",
        "visibility",
        "timezone",
        "locale",
        "robots",
        "colours",
        "weights",
        "auto_post",
        "auto_post_delay",
    }
)


class DuplicateSlug(Exception):  # noqa: N818 - it names what happened
    """Some page of this installation has the slug."""


def create_page(
    *, team: Team, name: str, slug: str, password: str | None = None, **fields: Any
) -> StatusPage:
    """Make a page, unpublished unless `published` is given. Raises DuplicateSlug, BadField.

    `fields` are those of `update_page`.
    """
    page = StatusPage(team=team)
    hashed = make_password(password) if password else None
    with _unique(), transaction.atomic(), scopes_disabled():
        _apply(page, {"name": name, "slug": slug, **fields}, hashed)
        page.save(force_insert=True)
    return page


def update_page(*, page: StatusPage, **fields: Any) -> StatusPage:
    """Change a page; what is not given stays. Raises DuplicateSlug, BadField, DoesNotExist.

    `name`, `slug`, `description`, `support_url`, `domain` (None or "" for none; another one must be
    proved anew), `published`, `visibility`, `timezone`, `locale`, `robots`, `colours` and `weights`
    (whole), `auto_post`, `auto_post_delay` in seconds, and `password`: one makes the page ask for
    it, None or "" takes it away.
    """
    # Hashing takes its time by design: not while the page is locked.
    hashed = None
    if "password" in fields:
        password = fields.pop("password")
        hashed = make_password(password) if password else ""
    with _unique(), changing_page(page.pk) as found:
        written = _apply(found, fields, hashed)
        found.save(update_fields=written)
    return found


def delete_page(*, page: StatusPage) -> None:
    """Delete a page and all that is on it; windows that its posts made and that go on are ended."""
    with transaction.atomic(), scopes_disabled():
        found = StatusPage.objects.select_for_update().get(pk=page.pk)
        for post in Post.objects.filter(page=found, is_maintenance=True, resolved_at=None):
            drop_window(post)
        Maintenance.objects.filter(status_page_id=found.pk).update(status_page_id=None)
        # Nobody puts a message in line for a row that is being deleted.
        list(Subscriber.objects.filter(page=found).select_for_update().values_list("pk"))
        found.delete()


def page_url(page: StatusPage) -> str:
    """Return the address of a page's root, with a slash at its end: its domain's once proved."""
    if page.domain and page.domain_verified_at:
        return f"https://{page.domain}/"
    return f"{settings.BASE_URL}/status/{page.slug}/"


def domain_record(page: StatusPage) -> str:
    """Return the text of the TXT record that proves the page's domain; "" without a domain."""
    return f"{TOKEN_PREFIX}{page.domain_token}" if page.domain else ""


def _apply(page: StatusPage, fields: dict[str, Any], hashed: str | None) -> list[str]:
    """Set the fields and return the columns written; `hashed` is None for an untouched password."""
    refuse_unknown(fields, _FIELDS)
    check_texts(StatusPage, fields, filled=("name",))
    written: dict[str, Any] = {}
    for name, value in fields.items():
        if name == "domain":
            written |= page_values.settle_domain(page, value)
        elif name in page_values.CLEANERS:
            written[name] = page_values.CLEANERS[name](value)
        else:
            written[name] = value
    written |= _settle_password(page, fields, hashed)
    for name, value in written.items():
        setattr(page, name, value)
    return list(written)


def _settle_password(
    page: StatusPage, fields: Mapping[str, Any], hashed: str | None
) -> dict[str, Any]:
    if hashed:
        return {"password_hash": hashed, "visibility": Visibility.PASSWORD}
    visibility = fields.get("visibility", page.visibility)
    if visibility != Visibility.PASSWORD:
        # A secret that opens nothing is not kept.
        return {"password_hash": ""} if page.password_hash else {}
    if hashed == "":
        return {"password_hash": "", "visibility": Visibility.PUBLIC}
    if not page.password_hash:
        raise BadField("password", "Give the password that visitors are to be asked for.")
    return {}


@contextmanager
def _unique() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if "statuspage_slug" in str(error):
            raise DuplicateSlug from error
        raise
