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
        from accounts.database import row_security

        post_migrate.connect(install, sender=self)
        post_migrate.connect(row_security.install, sender=self)
        self._watch_sessions()

    def _watch_sessions(self) -> None:
        """Stamp new sessions; end others where a change to the log-in asks for it."""
        from allauth.account.signals import password_reset
        from allauth.mfa import signals
        from django.contrib.auth.signals import user_logged_in

        from accounts.account_mail import confirm_by_reset
        from accounts.sessions import end_others_if_asked, note_new_factor, stamp_session

        user_logged_in.connect(stamp_session)
        password_reset.connect(confirm_by_reset)
        signals.authenticator_added.connect(note_new_factor)
        for changed in (
            signals.authenticator_added,
            signals.authenticator_removed,
            signals.authenticator_reset,
        ):
            changed.connect(end_others_if_asked)
