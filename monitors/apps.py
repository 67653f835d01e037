"""The monitors application."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class MonitorsConfig(AppConfig):
    """Register the room with Django."""

    name = "monitors"

    def ready(self) -> None:
        """Declare what the audit log watches; its triggers follow the migrations."""
        from accounts.audit_triggers import install
        from accounts.erasing import register_eraser, register_path
        from accounts.exporting import register_source
        from monitors import audited  # noqa: F401  # it declares
        from monitors.erasing import erase_results
        from monitors.exporting import export_results
        from monitors.models import Heartbeat, PushKey, PushReceipt, PushResult, Transition

        for big in (Heartbeat, PushKey, PushReceipt, Transition):
            register_path(big, through="monitor")
        register_eraser(erase_results, instead_of=PushResult)
        register_source(export_results, instead_of=PushResult)
        post_migrate.connect(install, sender=self)
