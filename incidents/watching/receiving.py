"""Our own receiver: `POST /watchdog`, where the watchdog's messages arrive over the public path."""

from __future__ import annotations

from uuid import UUID

from django.db.models import F
from django.db.models.functions import Coalesce, Now
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django_scopes import scopes_disabled

from accounts.api.problems import problem_response
from accounts.internal import INTERNAL_TEAM
from incidents.channels.base import OPENED
from incidents.channels.watchdog import HEADER, read_word
from incidents.models import Incident, WatchRound


@csrf_exempt
def receive(request: HttpRequest) -> HttpResponse:
    """Note that a message of the watchdog arrived; 404 for whoever else asks."""
    word = read_word(request.headers.get(HEADER, "")) if request.method == "POST" else None
    if word is None:
        return problem_response(404, "Not found.")
    note_word(*word)
    return HttpResponse(status=204)


def note_word(event: str, incident: str) -> None:
    """Note for the round that runs that it was told; a word of an earlier round changes nothing."""
    with scopes_disabled():
        found = Incident.objects.filter(pk=UUID(incident), team=INTERNAL_TEAM).first()
    if found is None:
        return
    running = WatchRound.objects.filter(ended_at=None, started_at__lte=found.opened_at)
    if event == OPENED:
        running.update(incident_id=found.pk, told_at=Coalesce(F("told_at"), Now()))
    elif event == "incident.resolved":
        running.filter(incident_id=found.pk).update(over_at=Coalesce(F("over_at"), Now()))
