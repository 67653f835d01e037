"""The monitors application."""

from django.apps import AppConfig


class MonitorsConfig(AppConfig):
    """Register the room with Django."""

    name = "monitors"
