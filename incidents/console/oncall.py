"""On-call at a glance: who is on call now in each rotation, and the month."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from accounts.access import Access
from accounts.console.pages import render_page, team_page
from incidents.console.roster import (
    Person,
    Standing,
    list_people,
    read_month,
    read_standing,
    say_unreachable,
    show_month,
)
from incidents.console.searching import offer_search, read_search, read_word, says
from incidents.models import Rotation, RotationMember
from incidents.oncall.loading import load_schedules
from monitors.queries import database_now

DAY = timedelta(days=1)
WHO = {"": _lazy("All"), "mine": _lazy("I take turns"), "nobody": _lazy("Nobody on call")}


@team_page()
def show_overview(request: HttpRequest, access: Access) -> HttpResponse:
    """Show who is on call in every rotation, and a month of all of them or of one."""
    now = database_now()
    everything = list(Rotation.objects.order_by("name"))
    context: dict[str, Any] = {"total": len(everything), "section": "oncall", "now": now}
    if everything:
        people = list_people()
        asked = read_month(request, rotations=everything, now=now)
        schedules = load_schedules(
            [rotation.pk for rotation in everything],
            # A day's slack: one rotation's month may begin by another zone's midnight.
            since=min(now, asked.start) - DAY,
            until=max(now, asked.end) + DAY,
        )
        standings = [
            read_standing(rotation, schedules[rotation.pk], people=people, now=now)
            for rotation in everything
            if rotation.pk in schedules  # it may have been deleted just now
        ]
        standings, finder = _find(request, access, standings, people)
        rotations = [one.rotation for one in standings]
        wanted = request.GET.get("rotation")
        chosen = next((one for one in rotations if str(one.pk) == wanted), None)
        shown = [chosen] if chosen else rotations
        asked = read_month(request, rotations=shown or everything, now=now)
        warnings = say_unreachable({one.member for one in standings}, people)
        context |= {
            "rotations": rotations,
            "finder": finder,
            "chosen": chosen,
            "month_url": reverse("console:oncall", kwargs={"team": access.team.slug}),
            "standings": [(one, warnings.get(one.member)) for one in standings],
            **show_month(
                asked,
                [(rotation, schedules[rotation.pk]) for rotation in shown],
                people=people,
                names_rows=chosen is None and len(rotations) > 1,
            ),
        }
    return render_page(request, access, "oncall/overview.html", context)


def _find(
    request: HttpRequest,
    access: Access,
    standings: Sequence[Standing],
    people: Mapping[Hashable, Person],
) -> tuple[list[Standing], dict[str, object]]:
    """Return the rotations that the address asks for, and what the form of the search needs."""
    mine: set[UUID] = set(
        RotationMember.objects.filter(membership__user=access.user).values_list(
            "layer__rotation", flat=True
        )
    )
    tests: dict[str, Callable[[Standing], bool]] = {
        "": lambda _one: True,
        "mine": lambda one: one.rotation.pk in mine,
        "nobody": lambda one: one.current is None,
    }
    search, who = read_search(request), read_word(request, "who", WHO)
    found = [one for one in standings if says(search, _words_of(one, people))]
    finder = offer_search(
        here=request.path,
        label=_("Search rotations and who is on call"),
        search=search,
        param="who",
        chosen=who,
        choices=[(name, str(word), sum(map(tests[name], found))) for name, word in WHO.items()],
    )
    return list(filter(tests[who], found)), finder


def _words_of(one: Standing, people: Mapping[Hashable, Person]) -> list[str]:
    person = people.get(one.member)
    named = [person.name, person.membership.user.email] if person else []
    return [one.rotation.name, *named]
