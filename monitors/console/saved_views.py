"""Saved views of the list: filters with a name, shared by the team."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from accounts.access import Access, get_object
from accounts.console.pages import render_page, team_page
from accounts.models import Scope
from monitors.console.bulk import back_to_list
from monitors.console.listing import ORDER_WORDS, Filters
from monitors.models import SavedView

MOST_VIEWS = 50


class ViewForm(forms.Form):
    """The name of a view."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=80,
        help_text=gettext_lazy("For example “Down in production”. The whole team sees it."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean_name(self) -> str:
        """Refuse what cannot be stored."""
        name: str = self.cleaned_data["name"]
        if len(name.encode(errors="ignore").decode()) != len(name):
            raise forms.ValidationError(_("It has a character that cannot be stored."))
        return name


@team_page()
def list_views(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the team's views and what each asks for."""
    views = [
        (view, say_filters(Filters.of(QueryDict(view.query))))
        for view in SavedView.objects.order_by("name", "pk")
    ]
    return render_page(
        request, access, "monitors/views.html", {"views": views, "section": "monitors"}
    )


@require_POST
@team_page(Scope.WRITE)
def save(request: HttpRequest, access: Access) -> HttpResponse:
    """Keep the filters that the list was looked at with, under a name."""
    filters = Filters.of(QueryDict(request.POST.get("query", "")))
    form = ViewForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Name: %s") % " ".join(map(str, form.errors["name"])))
    elif SavedView.objects.count() >= MOST_VIEWS:
        messages.error(request, _("There are %s views already. Delete one first.") % MOST_VIEWS)
    elif len(filters.query) > SavedView._meta.get_field("query").max_length:  # type: ignore[operator]
        messages.error(request, _("These filters are too long to be saved. Leave some out."))
    else:
        name = form.cleaned_data["name"]
        view = SavedView(team=access.team, name=name, query=filters.query, created_by=access.actor)
        if _store(view):
            messages.success(request, _("“%s” is saved for the team.") % name)
        else:
            messages.error(request, _("A view of the name “%s” exists. Choose another.") % name)
    return back_to_list(access, filters)


@team_page(Scope.WRITE)
def rename(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Give a view another name."""
    view = get_object(SavedView.objects.all(), pk)
    title = view.name
    form = ViewForm(request.POST or None, initial={"name": view.name})
    if request.method == "POST" and form.is_valid():
        view.name = form.cleaned_data["name"]
        if _store(view):
            messages.success(request, _("“%s” is saved.") % view.name)
            return redirect("console:views", team=access.team.slug)
        form.add_error("name", _("A view of that name exists. Choose another."))
    context = {"form": form, "view": view, "title_name": title, "section": "monitors"}
    return render_page(request, access, "monitors/view_form.html", context)


@team_page(Scope.WRITE)
def delete(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask once more, by name, and delete a view; the monitors stay."""
    view = get_object(SavedView.objects.all(), pk)
    if request.method == "POST":
        view.delete()
        messages.success(request, _("The view “%s” is deleted.") % view.name)
        return redirect("console:views", team=access.team.slug)
    context = {"view": view, "section": "monitors"}
    return render_page(request, access, "monitors/view_delete.html", context)


def _store(view: SavedView) -> bool:
    try:
        with transaction.atomic():
            view.save()
    except IntegrityError:
        return False
    return True


def say_filters(filters: Filters) -> list[tuple[str, str]]:
    """Return what filters ask for as (what, value), in words."""
    said: list[tuple[Any, Any]] = [
        (_("Search"), filters.search),
        (_("State"), filters.state),
        *((_("Label"), label.replace(":", "=", 1)) for label in filters.labels),
        (_("Namespace"), filters.namespace),
        (_("Severity"), filters.severity),
        (_("Cause"), filters.cause),
    ]
    if filters.sort != "state":
        said.append((_("Order"), ORDER_WORDS[filters.sort]))
    return [(str(what), str(value)) for what, value in said if value]
