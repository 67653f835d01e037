"""The manifests application."""

from django.apps import AppConfig


class ManifestsConfig(AppConfig):
    """Register the room with Django."""

    name = "manifests"

    def ready(self) -> None:
        """Let routes follow their monitors."""
        from manifests.kinds import following

        following.connect()
