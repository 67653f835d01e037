"""Buttons of a monitor's page: each a POST, each one call of a service."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts.access import Access
from accounts.console.pages import render_page, team_page
from accounts.models import Scope
from monitors import undo
from monitors.console.bulk import explain_interrupted, offer_undo, say_deleted
from monitors.console.forms import OVERLAPS, RotateForm
from monitors.console.views import read_monitor, setup_context
from monitors.services import (
    pause_monitor,
    resume_monitor,
    rotate_slug,
    rotate_token,
)


def _back(access: Access, pk: UUID) -> HttpResponse:
    return redirect("console:monitor", team=access.team.slug, pk=pk)


@require_POST
@team_page(Scope.WRITE)
def pause(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Stop judging a monitor."""
    monitor = read_monitor(pk)
    pause_monitor(monitor=monitor)
    messages.success(request, f"“{monitor.name}” is paused: pushes are stored and page nobody.")
    return _back(access, pk)


@require_POST
@team_page(Scope.WRITE)
def resume(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Judge a paused monitor again."""
    monitor = read_monitor(pk)
    resume_monitor(monitor=monitor)
    messages.success(request, f"“{monitor.name}” is watched again, from now.")
    return _back(access, pk)


@require_POST
@team_page(Scope.WRITE)
def change_slug(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Give a monitor a new push URL."""
    monitor = read_monitor(pk)
    seconds = _overlap(request, "slug")
    rotate_slug(monitor=monitor, keep_old_for_seconds=seconds)
    messages.success(
        request, f"“{monitor.name}” has a new push URL. The old one stops working {_when(seconds)}."
    )
    return _back(access, pk)


@require_POST
@team_page(Scope.WRITE)
def change_token(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Give a monitor a new token, and show it this once."""
    monitor = read_monitor(pk)
    seconds = _overlap(request, "token")
    token = rotate_token(monitor=monitor, keep_old_for_seconds=seconds)
    context = setup_context(monitor, token=token) | {
        "old_stops": _when(seconds),
        "section": "monitors",
    }
    response = render_page(request, access, "monitors/token.html", context)
    response["Cache-Control"] = "no-store"
    return response


@team_page(Scope.WRITE)
def delete(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask once more, by name, and delete a monitor; for a while it can be undone."""
    monitor = read_monitor(pk)
    if request.method == "POST":
        try:
            step = undo.change_monitors(
                team=access.team,
                actor=access.actor,
                verb=undo.DELETE,
                monitors=[monitor],
                say=say_deleted(monitor),
            )
        except undo.Interrupted as interrupted:
            explain_interrupted(request, interrupted)
            return _back(access, pk)
        if step is not None:
            offer_undo(request, step)
        return redirect("console:monitors", team=access.team.slug)
    return render_page(
        request, access, "monitors/delete.html", {"monitor": monitor, "section": "monitors"}
    )


def _overlap(request: HttpRequest, prefix: str) -> int:
    form = RotateForm(request.POST, prefix=prefix)
    return int(form.cleaned_data["keep_old_for"]) if form.is_valid() else 0


def _when(seconds: int) -> str:
    return dict(OVERLAPS)[seconds]
