"""Importing YAML documents: a look at what they would do, then the thing itself."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.access import Access
from accounts.console.pages import render_page, team_page
from accounts.models import Scope, Team
from manifests.applying import Outcome, Overtaken, apply_documents
from manifests.changes import UNCHANGED
from manifests.problems import Problem, Refused
from manifests.reading.documents import read_yaml
from monitors.console.importing import ImportForm
from monitors.services import QuotaExceeded
from monitors.waiting import Busy

MOST_CHARACTERS = 1_000_000
SHOWN = 1_000
_EXAMPLE = """\
apiVersion: tocsin/v1
kind: Monitor
metadata: {{name: nightly-backup, namespace: {slug}}}
spec:
  silent_after: 90000
  grace: 3600
"""


@team_page(Scope.WRITE)
def import_manifest(request: HttpRequest, access: Access) -> HttpResponse:
    """Ask for documents, show what they would do, and apply them once that was seen."""
    form = ImportForm(request.POST or None, request.FILES or None)
    context: dict[str, Any] = {
        "form": form,
        "example": _EXAMPLE.format(slug=access.team.slug),
        "section": "monitors",
    }
    if request.method != "POST" or not form.is_valid():
        return render_page(request, access, "monitors/import_manifest.html", context)
    text, seen = form.given, request.POST.get("seen")
    tried = _Tried(access.team, text)
    if tried.outcome is not None and seen == tried.digest:
        tried = _Tried(access.team, text, dry_run=False)
        if tried.outcome is not None:
            count = sum(result.action != UNCHANGED for result in tried.outcome.results)
            said = ngettext("%s thing was applied.", "%s things were applied.", count)
            messages.success(request, said % f"{count:,}")
            return redirect("console:monitors", team=access.team.slug)
    context |= {"tried": tried, "text": text, "is_anew": seen is not None}
    return render_page(request, access, "monitors/import_documents.html", context)


class _Tried:
    """What documents do, or why they cannot; unless it is no `dry_run`, nothing has changed."""

    def __init__(self, team: Team, text: str, *, dry_run: bool = True) -> None:
        self.text = text
        self.outcome: Outcome | None = None
        self.problems: list[Problem] = []
        try:
            self.outcome = _apply(team, text, dry_run=dry_run)
        except Refused as error:
            self.problems = error.problems[:SHOWN]
        except QuotaExceeded as error:
            said = _("Your plan allows %(quota)s monitors, and with these it would be more.")
            self._refuse("quota", said % {"quota": f"{error.quota:,}"})
        except Busy:
            said = _("Another change of this team is under way. Try again in a moment.")
            self._refuse("busy", said)
        except Overtaken:
            said = _("Something was changed by somebody else meanwhile. Try again.")
            self._refuse("overtaken", said)

    def _refuse(self, code: str, said: str) -> None:
        self.problems = [Problem("", code, said)]

    @property
    def shown(self) -> list[Any]:
        """The results, of very many the first."""
        return self.outcome.results[:SHOWN] if self.outcome else []

    @property
    def told(self) -> list[tuple[str, Problem]]:
        """The problems, each with its place in words."""
        return [(_say_place(problem.field), problem) for problem in self.problems]

    @property
    def digest(self) -> str:
        """What tells this outcome from another: the same text may do something else later."""
        results = self.outcome.results if self.outcome else []
        said = [
            (r.kind, r.namespace, r.name, r.action, [(c.field, c.before) for c in r.changes])
            for r in results
        ]
        # The new values are the text's, secrets too. Browsers end its lines in their own way.
        text = "\n".join(self.text.splitlines())
        return hashlib.sha256(json.dumps([text, said], default=str).encode()).hexdigest()


def _say_place(field: str) -> str:
    """Return in words where `documents[2].spec.steps[0].delay` is; nothing of other fields."""
    found = re.fullmatch(r"documents\[(\d+)\](?:\.(.+))?", field, re.DOTALL)
    if found is None:
        return ""
    number = int(found[1]) + 1
    if not found[2]:
        return _("Document %(number)s") % {"number": number}
    path = re.sub(r"^(?:spec|metadata)\.", "", found[2])
    path = re.sub(r"\[(\d+)\]", lambda index: f" {int(index[1]) + 1}", path)
    said = _("Document %(number)s, field “%(field)s”")
    return said % {"number": number, "field": path.replace(".", " → ")}


def _apply(team: Team, text: str, *, dry_run: bool) -> Outcome:
    if len(text) > MOST_CHARACTERS:
        said = _("The file is too large. Import it in parts, or apply it with the API.")
        raise Refused([Problem("documents", "max_length", said)])
    data = text.encode(errors="surrogatepass")
    documents = read_yaml(data)
    if not documents:
        raise Refused([Problem("documents", "required", _("There is no document."))])
    return apply_documents(team=team, documents=documents, dry_run=dry_run)
