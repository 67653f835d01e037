"""Finding anything of a team's by a few letters: what each room offers, and the page of it all.

The rooms say what can be found in them and where one can go (`Finder`, `Place`); the
configuration, which knows every room, hands all of it over. The command palette asks the same
page for its fragment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import Promise

from accounts.access import Access
from accounts.console.pages import is_htmx, render_page, team_page
from accounts.models import Scope

LEAST, MOST = 2, 100  # letters of a question
WORDS = 5
FEW, MANY = 6, 25  # hits of a kind in the palette and on the page


@dataclass(frozen=True, slots=True)
class Hit:
    """Something found: where it is, and what tells it from others of its name."""

    name: str
    url: str
    detail: str = ""
    state: str = ""
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for: every word must be somewhere in a thing's fields."""

    words: tuple[str, ...]
    most: int

    def within(self, *fields: str) -> Q:
        """Return the condition that each word is in one of the fields, in any case."""
        found = Q()
        for word in self.words:
            anywhere = Q()
            for field in fields:
                anywhere |= Q((f"{field}__icontains", word))
            found &= anywhere
        return found


@dataclass(frozen=True, slots=True)
class Finder:
    """How things of one kind are found. `find` returns at most `Question.most` hits."""

    title: str | Promise
    find: Callable[[Access, Question], Iterable[Hit]]


@dataclass(frozen=True, slots=True)
class Place:
    """A page or an action that everybody with the scope `needs` can go to.

    `route` is a name within the console, or one with its own namespace, which then has no team;
    `keys` is the shortcut, such as "g m".
    """

    title: str | Promise
    route: str
    keys: str = ""
    needs: Scope = Scope.READ
    action: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """A place as it stands in the list, with its address."""

    title: str
    url: str
    keys: str


@dataclass(frozen=True, slots=True)
class Found:
    """The hits of one kind."""

    title: str
    hits: list[Hit]


_finders: list[Finder] = []
_places: list[Place] = []


def register(finders: Sequence[Finder], places: Sequence[Place]) -> None:
    """Let a room's things be found and its pages be gone to, after those registered before."""
    _finders.extend(finder for finder in finders if finder not in _finders)
    _places.extend(place for place in places if place not in _places)


def ask(text: str, *, most: int) -> Question | None:
    """Return what a search asks for; None where it is too short to say anything."""
    text = " ".join(text.replace("\0", "")[:MOST].split())
    return Question(tuple(text.split()[:WORDS]), most) if len(text) >= LEAST else None


def find(access: Access, question: Question) -> list[Found]:
    """Return what a team has that answers, kind by kind. Call inside the team's scope."""
    groups = [Found(str(each.title), list(each.find(access, question))) for each in _finders]
    return [group for group in groups if group.hits]


def list_ways(access: Access, *, actions: bool) -> list[Way]:
    """Return the pages that this access opens, or the actions that it allows."""
    return [
        Way(title=str(place.title), url=_address(place, access), keys=place.keys)
        for place in _places
        if place.action is actions and access.allows(place.needs)
    ]


def _address(place: Place, access: Access) -> str:
    if ":" in place.route:
        return reverse(place.route)
    return reverse(f"console:{place.route}", kwargs={"team": access.team.slug})


@team_page()
def show_found(request: HttpRequest, access: Access) -> HttpResponse:
    """Answer a search with everything that fits it; the palette gets the fragment alone."""
    text = request.GET.get("q", "").replace("\0", "")[:MOST]
    fragment = is_htmx(request)
    question = ask(text, most=FEW if fragment else MANY)
    groups = find(access, question) if question else []
    return render_page(
        request,
        access,
        "finding/_options.html" if fragment else "finding/page.html",
        {
            "groups": groups,
            "text": text,
            "asked": question is not None,
            "total": sum(len(group.hits) for group in groups),
            "most": MANY,
            "least": LEAST,
            "section": "find",
        },
    )
