"""What the pages about accounts ask of the settings."""

from __future__ import annotations

from typing import Any

from django import template
from django.conf import settings

register = template.Library()


@register.simple_tag
def oidc_server() -> Any:
    """Return the OpenID Connect server people may sign in with, or None."""
    return settings.OIDC
