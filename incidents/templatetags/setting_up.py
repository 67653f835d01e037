"""What is left of a team's set-up, for pages of any room."""

from __future__ import annotations

from typing import Any

from django import template

from accounts.access import Access
from accounts.models import Scope
from incidents.console.onboarding_steps import Setup, read_setup

register = template.Library()


@register.simple_tag(takes_context=True)
def setup_left(context: dict[str, Any]) -> Setup | None:
    """Return the set-up of the page's team while something is left of it; None for viewers."""
    access = context.get("access")
    if not isinstance(access, Access) or not access.allows(Scope.WRITE):
        return None
    setup = read_setup(access.team)
    return None if setup.is_over else setup
