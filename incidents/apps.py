"""The incidents application."""

from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    """Register the room with Django."""

    name = "incidents"
