"""The statuspages application."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.db.models.signals import post_migrate

if TYPE_CHECKING:
    from accounts.access import Access
    from incidents.models import Incident


class StatuspagesConfig(AppConfig):
    """Register the room with Django."""

    name = "statuspages"
    # Parts of the engine that the standby begins where their stamps are old: stamp, function.
    standby_parts = (
        ("pages", "statuspages.tasks.start_round"),
        ("subscribers", "statuspages.tasks.start_telling"),
    )
    # What takes this room's messages as sent after a restore (incidents.restoring).
    restore_parts = ("statuspages.subscribers.restoring.take_as_sent",)
    # What a demo has of this room: called with the team, who does it, and the time.
    demo_parts = ("statuspages.demo.make_page",)

    def ready(self) -> None:
        """Let windows be announced on pages, and declare what the audit log watches."""
        from accounts.audit_triggers import install
        from accounts.erasing import register_cleaner
        from incidents.console import panels
        from incidents.maintenance import announcing
        from statuspages import audited  # noqa: F401  # it declares
        from statuspages.services import announced

        announcing.register(announced)
        panels.register("posts", incident=_show_posts, home=_show_open_posts)
        register_cleaner(_remove_files)
        post_migrate.connect(install, sender=self)


# Not above: what writes posts brings many packages, and not every process shows pages.
def _show_posts(access: Access, incident: Incident) -> str:
    from statuspages.console.incident_panel import show_posts

    return show_posts(access, incident)


def _show_open_posts(access: Access, now: datetime) -> str:
    from statuspages.console.incident_panel import show_open_posts

    return show_open_posts(access, now)


def _remove_files() -> None:
    # Not above: what serves pages brings many packages.
    from statuspages.serving.exporting import remove_strangers

    remove_strangers()
