"""Panels that rooms above this one put on its pages: what they know of an incident or a team.

Such a room registers them when it is ready. Until it does, the places stay empty.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.utils.safestring import SafeString

from accounts.access import Access
from incidents.models import Incident

# Both are called inside the team's scope and return mark-up; nothing where there is nothing to say.
IncidentPanel = Callable[[Access, Incident], SafeString | str]
HomePanel = Callable[[Access, datetime], SafeString | str]

_of_incident: dict[str, IncidentPanel] = {}
_of_home: dict[str, HomePanel] = {}


def register(
    name: str, *, incident: IncidentPanel | None = None, home: HomePanel | None = None
) -> None:
    """Put a panel on the page of an incident, or on the home; once for each name."""
    if incident is not None:
        _of_incident[name] = incident
    if home is not None:
        _of_home[name] = home


def panels_of_incident(access: Access, incident: Incident) -> list[SafeString | str]:
    """Return the panels of an incident's page."""
    return [made for panel in _of_incident.values() if (made := panel(access, incident))]


def panels_of_home(access: Access, now: datetime) -> list[SafeString | str]:
    """Return the panels of a team's home."""
    return [made for panel in _of_home.values() if (made := panel(access, now))]
