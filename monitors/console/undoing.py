"""Taking changes back: what one did to monitors in the last minutes, each with its button."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts.access import Access, get_object
from accounts.console.pages import render_page, team_page
from accounts.models import Scope
from monitors import undo
from monitors.console.bulk import say_busy
from monitors.models import UndoStep
from monitors.queries import database_now


@team_page(Scope.WRITE)
def list_steps(request: HttpRequest, access: Access) -> HttpResponse:
    """Show what this person can take back, newest first."""
    now = database_now()
    steps = list(undo.open_steps(actor=access.actor, now=now)[:100])
    context = {"steps": steps, "now": now, "section": "monitors"}
    return render_page(request, access, "monitors/undo.html", context)


@require_POST
@team_page(Scope.WRITE)
def take_back(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Take one of one's own changes back; say why where that cannot be."""
    step = get_object(UndoStep.objects.filter(actor=access.actor), pk)
    try:
        undone = undo.undo_step(step=step)
    except (
        undo.NotOpen,
        undo.NameTaken,
        undo.Gone,
        undo.QuotaExceeded,
        undo.Overtaken,
    ) as error:
        messages.error(request, explain_refusal(error))
        return redirect("console:monitors-undo", team=access.team.slug)
    messages.success(request, _say_undone(step.verb, undone))
    return redirect("console:monitors", team=access.team.slug)


def explain_refusal(error: Exception) -> str:
    """Return why a change cannot be taken back, and what to do."""
    if isinstance(error, undo.NameTaken):
        names = ", ".join(f"“{name[:80]}”" for name in error.names)
        if error.count > len(error.names):
            names = _("%(names)s and others") % {"names": names}
        return (
            _(
                "Nothing was brought back: a monitor of the same name has been made since (%s). "
                "Rename or delete it, then undo again."
            )
            % names
        )
    if isinstance(error, undo.Gone):
        if error.kind == "secret":
            return _(
                "Nothing was brought back: the Secret that gave the token has been deleted since. "
                "Create the monitors anew."
            )
        return _(
            "Nothing was brought back: the namespace has been deleted since. Create it again and "
            "the monitors anew."
        )
    if isinstance(error, undo.QuotaExceeded):
        return ngettext(
            "Nothing was brought back: your plan allows %(count)s monitor, and these would be "
            "more. Delete some that you no longer need, then undo again.",
            "Nothing was brought back: your plan allows %(count)s monitors, and these would "
            "be more. Delete some that you no longer need, then undo again.",
            error.quota,
        ) % {"count": f"{error.quota:,}"}
    if isinstance(error, undo.Overtaken):
        if not error.count:
            return say_busy()
        return ngettext(
            "%(count)s monitor is as it was before. Somebody else is changing others just now: "
            "undo again for the rest.",
            "%(count)s monitors are as they were before. Somebody else is changing others just "
            "now: undo again for the rest.",
            error.count,
        ) % {"count": f"{error.count:,}"}
    return _("This can no longer be undone: it was taken back already, or ten minutes are over.")


def _say_undone(verb: str, undone: undo.Undone) -> str:
    if verb == undo.DELETE:
        said = ngettext(
            "Undone: %(count)s monitor is back. It waits for its next push.",
            "Undone: %(count)s monitors are back. They wait for their next push.",
            undone.count,
        )
    elif verb == undo.PAUSE:
        said = ngettext(
            "Undone: %(count)s monitor is watched again, from now. Incidents that the pause ended "
            "stay ended.",
            "Undone: %(count)s monitors are watched again, from now. Incidents that the pause "
            "ended stay ended.",
            undone.count,
        )
    else:
        said = ngettext(
            "Undone: %(count)s monitor is as it was before.",
            "Undone: %(count)s monitors are as they were before.",
            undone.count,
        )
    if undone.left:
        said += " " + ngettext(
            "%(left)s was changed or deleted since and is left as it is.",
            "%(left)s were changed or deleted since and are left as they are.",
            undone.left,
        )
    return said % {"count": f"{undone.count:,}", "left": f"{undone.left:,}"}
