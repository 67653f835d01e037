"""Where the palette and the search page can lead."""

from __future__ import annotations

from django import template

from accounts.access import Access
from accounts.console.finding import Way, list_ways

register = template.Library()


@register.simple_tag
def pages_of(access: Access) -> list[Way]:
    """Return the pages that somebody may open."""
    return list_ways(access, actions=False)


@register.simple_tag
def actions_of(access: Access) -> list[Way]:
    """Return what somebody may begin."""
    return list_ways(access, actions=True)
