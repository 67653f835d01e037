"""Visitors of status pages, through the real application as a server would run it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from django_scopes import scopes_disabled

from accounts.models import Team
from config.asgi import Application
from statuspages.models import StatusPage
from statuspages.services.pages import create_page, update_page
from statuspages.serving.snapshots import render_page
from tests.monitors.pushing import Reply, ask, running_application

T = TypeVar("T")
OURS = b"127.0.0.1:8000"
GZIP = (b"accept-encoding", b"gzip, deflate, br")
PASSWORD = "open sesame please"


def make_page(
    team: Team, slug: str = "acme", *, rendered: bool = True, **fields: Any
) -> StatusPage:
    """Create a published page, rendered unless told otherwise."""
    page = create_page(team=team, name=slug.title(), slug=slug, **{"published": True, **fields})
    if rendered:
        render_page(page.pk)
    return again(page)


def change(page: StatusPage, *, rendered: bool = True, **fields: Any) -> StatusPage:
    """Change a page as its people do."""
    update_page(page=page, **fields)
    if rendered:
        render_page(page.pk)
    return again(page)


def own_domain(page: StatusPage, domain: str = "status.acme.example") -> StatusPage:
    """Give the page a domain that is proved."""
    from django.utils.timezone import now

    page = change(page, domain=domain)
    with scopes_disabled():
        StatusPage.objects.filter(pk=page.pk).update(domain_verified_at=now())
    render_page(page.pk)
    return again(page)


def again(page: StatusPage) -> StatusPage:
    """Return the page as it is stored."""
    with scopes_disabled():
        return StatusPage.objects.select_related("team").get(pk=page.pk)


def by_lane(reply: Reply) -> bool:
    """Return whether the lane answered: Django adds its own headers."""
    return "x-frame-options" not in reply.headers


class Visitor:
    """Asks one running application."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def get(
        self, path: str, *headers: tuple[bytes, bytes], host: bytes = OURS, method: str = "GET"
    ) -> Reply:
        """Return the answer; a query may be in the path."""
        path, _, query = path.partition("?")
        return await ask(self.app, method, path, headers=headers, host=host, query=query.encode())

    async def post(self, path: str, body: bytes, *, host: bytes = OURS) -> Reply:
        """Return the answer to a form."""
        kind = (b"content-type", b"application/x-www-form-urlencoded")
        return await ask(self.app, "POST", path, body, headers=(kind,), host=host)


def visit(script: Callable[[Visitor], Awaitable[T]]) -> T:
    """Run a visit on an application that lives as long, and return what it returns."""

    async def run() -> T:
        async with running_application() as app:
            return await script(Visitor(app))

    return asyncio.run(run())


def get(path: str, *headers: tuple[bytes, bytes], **options: Any) -> Reply:
    """Return the answer to one request."""
    return visit(lambda visitor: visitor.get(path, *headers, **options))
