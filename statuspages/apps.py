"""The statuspages application."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class StatuspagesConfig(AppConfig):
    """Register the room with Django."""

    name = "statuspages"
    # Parts of the engine that the standby begins where their stamps are old: stamp, function.
    standby_parts = (
        ("pages", "statuspages.tasks.start_round"),
        ("subscribers", "statuspages.tasks.start_telling"),
    )

    def ready(self) -> None:
        """Let windows be announced on pages, and declare what the audit log watches."""
        from accounts.audit_triggers import install
        from incidents.maintenance import announcing
        from statuspages import audited  # noqa: F401  # it declares
        from statuspages.services import announced

        announcing.register(announced)
        post_migrate.connect(install, sender=self)
