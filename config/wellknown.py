"""What browsers and crawlers ask every site for."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

ROBOTS = "User-agent: *\nDisallow: /t/\nDisallow: /accounts/\n"
_DAY_SECONDS = 86_400


@require_safe
@cache_control(public=True, max_age=_DAY_SECONDS)
def robots(request: HttpRequest) -> HttpResponse:
    """Answer which pages a crawler need not try: those that only show a log-in form."""
    return HttpResponse(ROBOTS, content_type="text/plain; charset=utf-8")


@require_safe
@cache_control(public=True, max_age=_DAY_SECONDS)
def favicon(request: HttpRequest) -> HttpResponse:
    """Answer 204: our pages name their icon, and what shows no page needs none."""
    return HttpResponse(status=204)
