"""The incidents application."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class IncidentsConfig(AppConfig):
    """Register the room with Django."""

    name = "incidents"

    def ready(self) -> None:
        """Declare what the audit log watches; its triggers follow the migrations."""
        from accounts.audit_triggers import install
        from incidents import audited  # noqa: F401  # it declares

        post_migrate.connect(install, sender=self)
