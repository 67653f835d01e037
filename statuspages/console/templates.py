"""A page's templates: words that were found before they are needed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from accounts.access import Access, get_object
from accounts.console.pages import team_page
from accounts.models import Scope
from accounts.templatetags.wording import straight
from statuspages.console.frame import find_page, render_tab
from statuspages.console.post_forms import TemplateForm
from statuspages.console.post_page import back_to
from statuspages.console.post_words import WORDS
from statuspages.console.refusing import REFUSALS, attempt, say_refusal
from statuspages.models import PostTemplate, StatusPage
from statuspages.services.posts import MAINTENANCE_STATUSES
from statuspages.services.templates import create_template, delete_template, update_template

MOST_ROWS = 500


@team_page()
def list_templates(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Show the templates by name."""
    page = find_page(pk)
    search = request.GET.get("search", "").replace("\x00", "").strip()[:200]
    found = PostTemplate.objects.filter(page=page)
    total = found.count()
    if search:
        found = found.filter(name__icontains=search)
    rows = [
        {
            "template": template,
            "word": WORDS[template.status],
            "is_maintenance": template.status in MAINTENANCE_STATUSES,
        }
        for template in found.order_by("name")[:MOST_ROWS]
    ]
    context = {"rows": rows, "total": total, "search": search}
    return _render(request, access, page, "templates", context)


@team_page(Scope.WRITE)
def create(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask for a new template."""
    page = find_page(pk)
    form = TemplateForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        made = attempt(form, lambda: create_template(page=page, **form.cleaned_data))
        if made is not None:
            messages.success(request, f"“{straight(made.name)}” is ready.")
            return back_to(access, page, "templates")
    return _render(request, access, page, "template_form", {"form": form})


@team_page(Scope.WRITE)
def edit(request: HttpRequest, access: Access, pk: UUID, template: UUID) -> HttpResponse:
    """Ask for changes to a template."""
    page = find_page(pk)
    found = get_object(PostTemplate.objects.filter(page=page), template)
    names = ("name", "status", "impact", "title", "body")
    form = TemplateForm(
        request.POST if request.method == "POST" else None,
        initial={name: getattr(found, name) for name in names},
    )
    name = found.name
    if form.is_valid():
        saved = attempt(form, lambda: update_template(template=found, **form.cleaned_data))
        if saved is not None:
            messages.success(request, f"“{straight(saved.name)}” is saved.")
            return back_to(access, page, "templates")
    context = {"form": form, "template": found, "name": name}
    return _render(request, access, page, "template_form", context)


@team_page(Scope.WRITE)
def delete(request: HttpRequest, access: Access, pk: UUID, template: UUID) -> HttpResponse:
    """Ask once more, by name, and delete a template."""
    page = find_page(pk)
    found = get_object(PostTemplate.objects.filter(page=page), template)
    if request.method == "POST":
        try:
            delete_template(template=found)
        except REFUSALS as error:
            messages.error(request, say_refusal(error))
        else:
            messages.success(request, f"“{straight(found.name)}” is deleted.")
        return back_to(access, page, "templates")
    return _render(request, access, page, "template_delete", {"template": found})


def _render(
    request: HttpRequest, access: Access, page: StatusPage, name: str, context: dict[str, Any]
) -> HttpResponse:
    template = f"statuspages/console/{name}.html"
    return render_tab(request, access, template, page=page, tab="templates", context=context)
