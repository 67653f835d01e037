"""One result as a page, and the results that a page shows as a file."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse

from accounts.access import Access
from accounts.console.pages import is_htmx, render_page, team_page
from monitors.api.export import export_results
from monitors.console.results import NEWEST_FIRST, ResultFilters, find_result, results_of
from monitors.console.timespan import read_span
from monitors.console.views import read_monitor
from monitors.history import history_start
from monitors.queries import database_now


@team_page()
def show_result(request: HttpRequest, access: Access, pk: UUID, result: UUID) -> HttpResponse:
    """Show one result with its whole message; as a fragment the message alone."""
    monitor = read_monitor(pk)
    results = results_of(monitor, team=access.team, span=None, now=database_now())
    found = find_result(results, result, request.GET.get("at", ""))
    if found is None:
        raise Http404
    template = "monitors/page/_message.html" if is_htmx(request) else "monitors/page/result.html"
    context = {"monitor": monitor, "result": found, "section": "monitors"}
    return render_page(request, access, template, context)


@team_page()
def download(request: HttpRequest, access: Access, pk: UUID, form: str) -> HttpResponse:
    """Give the results that the same query string shows, of all pages, as a file."""
    monitor, now = read_monitor(pk), database_now()
    asked = read_span(request.GET, now=now, earliest=history_start(access.team, now))
    results = results_of(monitor, team=access.team, span=asked.span, now=now)
    filters = ResultFilters.of(request.GET)
    answer = export_results(
        monitor, filters.narrow(results), form=form, order=NEWEST_FIRST, until=now
    )
    return cast("HttpResponse", answer)  # streamed, which Django keeps apart from the others
