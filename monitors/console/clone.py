"""A new monitor like one that there is."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse

from accounts.access import Access
from accounts.console.pages import team_page
from accounts.models import Scope
from accounts.teams import NameTaken
from monitors.console.forms import MonitorForm, initial_of
from monitors.console.views import explain, read_monitor, render_form, show_setup
from monitors.models import Monitor
from monitors.services import DuplicateName, QuotaExceeded, create_monitor

MOST_NAME = 253


@team_page(Scope.WRITE)
def clone(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask for a new monitor with the settings of another; it gets a URL and a token of its own."""
    like = read_monitor(pk)
    initial = initial_of(like) | {"name": _free_name(like)}
    form = MonitorForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            monitor, token = create_monitor(
                team=access.team, **({"timeout": like.timeout} | form.values())
            )
        except (DuplicateName, NameTaken, QuotaExceeded) as error:
            explain(form, error)
        else:
            return show_setup(request, access, read_monitor(monitor.pk), token=token)
    return render_form(request, access, {"form": form, "like": like})


def _free_name(like: Monitor) -> str:
    """Return a name that is not taken: "nightly-2" beside "nightly"."""
    stem, dash, number = like.name.rpartition("-")
    if not (dash and stem and number.isascii() and number.isdecimal() and len(number) < 4):
        stem, number = like.name, "1"
    stem = stem[: MOST_NAME - 8]
    there = set(
        Monitor.objects.filter(
            namespace=like.namespace_id, name__startswith=f"{stem}-"
        ).values_list("name", flat=True)
    )
    next_number = int(number) + 1
    while f"{stem}-{next_number}" in there:
        next_number += 1
    return f"{stem}-{next_number}"
