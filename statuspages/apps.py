"""The statuspages application."""

from django.apps import AppConfig


class StatuspagesConfig(AppConfig):
    """Register the room with Django."""

    name = "statuspages"
    # Parts of the engine that the standby begins where their stamps are old: stamp, function.
    standby_parts = (
        ("pages", "statuspages.tasks.start_round"),
        ("subscribers", "statuspages.tasks.start_telling"),
    )

    def ready(self) -> None:
        """Let maintenance windows be announced on pages."""
        from incidents.maintenance import announcing
        from statuspages.services import announced

        announcing.register(announced)
