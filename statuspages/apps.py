"""The statuspages application."""

from django.apps import AppConfig


class StatuspagesConfig(AppConfig):
    """Register the room with Django."""

    name = "statuspages"
