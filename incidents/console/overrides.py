"""An override in the console: changing it, and giving its time back."""

from __future__ import annotations

from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts.access import Access, get_object
from accounts.console.pages import render_page, team_page
from accounts.models import Membership, Scope
from accounts.templatetags.wording import straight
from incidents.console.month import say_local
from incidents.console.override_forms import LEFT, OverrideForm, say_overlap
from incidents.console.roster import list_people
from incidents.models import Rotation, RotationOverride
from incidents.oncall.overrides import EndsTooEarly, Overlap, delete_override, update_override
from monitors.queries import database_now


def _find(pk: UUID) -> RotationOverride:
    return get_object(RotationOverride.objects.select_related("rotation"), pk)


@team_page(Scope.WRITE)
def edit(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Change who stands in, and when."""
    row = _find(pk)
    zone = ZoneInfo(row.rotation.timezone)
    form = OverrideForm(
        request.POST if request.method == "POST" else None,
        people=list_people().values(),
        zone=zone,
        now=database_now(),
        stored=row,
    )
    if form.is_valid() and _save(form, row, zone):
        values = form.values()
        name = straight(values["membership"].get_full_name())
        start, end = say_local(values["start"], zone), say_local(values["end"], zone)
        messages.success(request, f"{name} stands in from {start} to {end}.")
        return redirect("console:rotation", team=access.team.slug, pk=row.rotation_id)
    context = {"override": row, "rotation": row.rotation, "form": form, "section": "oncall"}
    return render_page(request, access, "oncall/override.html", context)


def _save(form: OverrideForm, row: RotationOverride, zone: ZoneInfo) -> bool:
    """Return whether it is stored; if not, the form says why."""
    values = form.values()
    try:
        update_override(override=row, **values)
    except Overlap:
        said = say_overlap(row.rotation, values["start"], values["end"], zone, but=row.pk)
        form.add_error("start", said)
    except EndsTooEarly:
        form.add_error("end", "Choose a time after “From”.")
    except Membership.DoesNotExist:
        form.add_error("member", LEFT)
    except (Rotation.DoesNotExist, RotationOverride.DoesNotExist):
        raise Http404 from None
    return not form.errors


@require_POST
@team_page(Scope.WRITE)
def delete(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Give an override's time back to whose turn it is."""
    row = _find(pk)
    try:
        delete_override(override=row)
    except Rotation.DoesNotExist:
        raise Http404 from None
    messages.success(request, "The override is deleted: whoever has the turn is on call again.")
    return redirect("console:rotation", team=access.team.slug, pk=row.rotation_id)
