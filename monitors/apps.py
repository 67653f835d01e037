"""The monitors application."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class MonitorsConfig(AppConfig):
    """Register the room with Django."""

    name = "monitors"

    def ready(self) -> None:
        """Declare what the audit log watches; its triggers follow the migrations."""
        from accounts.audit_triggers import install
        from monitors import audited  # noqa: F401  # it declares

        post_migrate.connect(install, sender=self)
