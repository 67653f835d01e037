"""The incidents application."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class IncidentsConfig(AppConfig):
    """Register the room with Django."""

    name = "incidents"

    def ready(self) -> None:
        """Declare what the audit log watches; its triggers follow the migrations."""
        from accounts.audit_triggers import install
        from accounts.erasing import register_path
        from incidents import audited  # noqa: F401  # it declares
        from incidents.models import Escalation, Notification, TimelineEvent

        for big in (Escalation, Notification, TimelineEvent):
            register_path(big, through="incident")
        post_migrate.connect(install, sender=self)
