"""The statuspages application."""

from django.apps import AppConfig


class StatuspagesConfig(AppConfig):
    """Register the room with Django."""

    name = "statuspages"
    # A part of the engine that the standby begins where its stamp is old: (stamp, function).
    standby_part = ("pages", "statuspages.tasks.start_round")
