"""What can be found among monitors, and where one can go."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Case, Value, When
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.access import Access
from accounts.console.finding import Finder, Hit, Place, Question
from accounts.models import Scope
from monitors.models import Monitor
from monitors.queries import database_now, standings


def find_monitors(access: Access, question: Question) -> Iterable[Hit]:
    """Return the monitors whose name, namespace or description fits, those named so first."""
    starts = When(name__istartswith=question.words[0], then=Value(0))
    named = When(question.within("name", "namespace__name"), then=Value(1))
    found = list(
        Monitor.objects.filter(question.within("name", "namespace__name", "description"))
        .select_related("heartbeat", "namespace")
        .order_by(Case(starts, named, default=Value(2)), "name", "pk")[: question.most]
    )
    standing = standings(found, now=database_now()) if found else {}
    for monitor in found:
        here = {"team": access.team.slug, "pk": monitor.pk}
        yield Hit(
            name=monitor.name,
            url=reverse("console:monitor", kwargs=here),
            detail=monitor.namespace.name,
            state=standing[monitor.pk].state,
            cause=standing[monitor.pk].cause,
        )


FINDERS = [Finder(_("Monitors"), find_monitors)]
PLACES = [
    Place(_("Monitors"), "monitors", keys="g m"),
    Place(_("Saved views"), "views"),
    Place(_("Plan and usage"), "usage"),
    Place(_("New monitor"), "monitor-new", keys="n", needs=Scope.WRITE, action=True),
    Place(_("Import monitors"), "monitors-import", needs=Scope.WRITE, action=True),
]
