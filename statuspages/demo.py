"""The demo team's status page: what its customers would see of its monitors."""

from __future__ import annotations

from datetime import datetime, timedelta

from django_scopes import scopes_disabled

from accounts.models import Team
from monitors.models import Monitor
from statuspages.models import Component, StatusPage
from statuspages.services.components import create_component
from statuspages.services.pages import create_page, page_url
from statuspages.services.posts import add_update, create_maintenance_post, create_post

SLUG = "demo"

# In order: group, component, its description, and the monitors that it stands for.
COMPONENTS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("Shop", "Checkout", "Search, pay and refund.", ("checkout-loop",)),
    ("Shop", "Payments", "Cards and direct debit.", ("payment-processor", "queue-depth")),
    ("Shop", "Sign-up", "New accounts.", ("signup-loop",)),
    (
        "Platform",
        "Worker fleets",
        "In Frankfurt and in Oregon.",
        ("worker-fleet-frankfurt", "worker-fleet-oregon"),
    ),
    ("Platform", "Edge gateway", "", ("edge-gateway",)),
    ("Platform", "Backups", "Every night.", ("nightly-backup",)),
)


def make_page(*, team: Team, actor: str, now: datetime) -> str:
    """Make the published page with a post of the past and work ahead; return its address.

    Raises DuplicateSlug where another team has the page `demo`.
    """
    with scopes_disabled():
        page = create_page(
            team=team,
            name="Demo",
            slug=SLUG,
            description="The shop of the demo team, and what it runs on.",
            published=True,
        )
        found = {monitor.name: monitor for monitor in Monitor.objects.filter(team=team)}
        made = {
            name: create_component(
                page=page,
                name=name,
                group=group,
                description=description,
                monitors=[found[monitor] for monitor in monitors],
            )
            for group, name, description, monitors in COMPONENTS
        }
        _tell_past(page, made["Checkout"], actor=actor, now=now)
        begins = (now + timedelta(days=4)).replace(hour=21, minute=0, second=0, microsecond=0)
        create_maintenance_post(
            page=page,
            title="Upgrade of the worker fleets",
            body="Workers restart one after the other. Jobs may wait up to ten minutes.",
            scheduled_for=begins,
            scheduled_until=begins + timedelta(hours=2),
            components={made["Worker fleets"]: ""},
            notify=False,
            actor=actor,
        )
    return page_url(page)


def _tell_past(page: StatusPage, component: Component, *, actor: str, now: datetime) -> None:
    began = now - timedelta(days=3, hours=17)
    post = create_post(
        page=page,
        title="Some payments failed",
        body="About one payment in five is refused. We are looking for the reason.",
        impact="major",
        components={component: ""},
        at=began + timedelta(minutes=6),
        notify=False,
        actor=actor,
    )
    for minutes, status, body in (
        (15, "identified", "It is the last release. We are going back to the one before it."),
        (27, "monitoring", "The release before it is back. Payments go through again."),
        (44, "resolved", "Payments have gone through for a quarter of an hour."),
    ):
        add_update(
            post=post,
            status=status,
            body=body,
            at=began + timedelta(minutes=minutes),
            notify=False,
            actor=actor,
        )
