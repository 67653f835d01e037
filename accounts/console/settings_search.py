"""What the lists of a team's settings are searched for."""

from __future__ import annotations

from django.http import HttpRequest

MOST_SEARCH = 254


def read_search(request: HttpRequest) -> str:
    """Return what the address asks for, short enough to be looked for; empty for nothing."""
    return request.GET.get("search", "").replace("\x00", "").strip()[:MOST_SEARCH]
