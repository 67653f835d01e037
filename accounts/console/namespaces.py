"""The names that monitors live under: claimed while they are free, given back when empty."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from accounts.access import Access, get_object
from accounts.console.forms import NamespaceForm
from accounts.console.pages import render_page, team_page
from accounts.console.settings_search import read_search
from accounts.models import Namespace, Scope
from accounts.teams import InUse, NameTaken, count_contents, create_namespace, delete_namespace

PAGE_ROWS = 50


@dataclass(frozen=True)
class Row:
    """A namespace as a row: how many things are in it, by what they are called."""

    namespace: Namespace
    contents: dict[str, int]
    is_own: bool

    @property
    def is_empty(self) -> bool:
        """Return whether it can be given back."""
        return not self.is_own and not any(self.contents.values())


@team_page()
def list_namespaces(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the team's namespaces; a POST claims another one."""
    form = NamespaceForm(request.POST or None)
    if request.method == "POST":
        access.require(Scope.WRITE)
        if form.is_valid() and _claim(request, access, form):
            return redirect("console:namespaces", team=access.team.slug)
    search = read_search(request)
    found = Namespace.objects.filter(name__icontains=search).order_by("name")
    page = Paginator(found, PAGE_ROWS).get_page(request.GET.get("page"))
    shown = list(page)
    counts = count_contents(shown)
    context = {
        "form": form,
        "page": page,
        "rows": [Row(each, counts[each.pk], each.name == access.team.slug) for each in shown],
        "search": search,
        "section": "settings",
    }
    return render_page(request, access, "accounts/namespaces.html", context)


def _claim(request: HttpRequest, access: Access, form: NamespaceForm) -> bool:
    name = form.cleaned_data["name"]
    try:
        create_namespace(team=access.team, name=name)
    except NameTaken:
        if Namespace.objects.filter(name=name).exists():
            form.add_error("name", _("Your team has this namespace already."))
        else:
            form.add_error(
                "name",
                _("“%(name)s” is taken by another team of this installation. Choose another name.")
                % {"name": name},
            )
    except ValidationError as error:
        form.add_error("name", error)
    else:
        messages.success(request, _("The namespace %(name)s is yours.") % {"name": name})
        return True
    return False


@team_page(Scope.WRITE)
def release(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask once more, by name, and give a namespace back."""
    namespace = get_object(Namespace.objects.select_related("team"), pk)
    problem = ""
    if request.method == "POST":
        try:
            delete_namespace(namespace=namespace)
        except InUse as error:
            problem = str(error)
        else:
            messages.success(
                request,
                _("The namespace %(name)s is free: any team can claim it.")
                % {"name": namespace.name},
            )
            return redirect("console:namespaces", team=access.team.slug)
    row = Row(
        namespace, count_contents([namespace])[namespace.pk], namespace.name == access.team.slug
    )
    context = {"row": row, "namespace": namespace, "problem": problem, "section": "settings"}
    return render_page(request, access, "accounts/namespace_release.html", context)
