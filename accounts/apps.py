"""The accounts application."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Register the room with Django."""

    name = "accounts"
