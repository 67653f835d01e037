"""The accounts application."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    """Register the room with Django."""

    name = "accounts"

    def ready(self) -> None:
        """Declare what the audit log watches; its triggers follow the migrations."""
        from accounts import audited  # noqa: F401  # it declares
        from accounts.audit_triggers import install

        post_migrate.connect(install, sender=self)
