"""A team's status pages: the list, a new one, and the end of one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.access import Access
from accounts.console.pages import render_page, team_page
from accounts.models import Scope
from accounts.templatetags.wording import straight
from statuspages.console.choices import list_choices
from statuspages.console.frame import SECTION, find_page, render_tab
from statuspages.console.looks import headlines, open_incidents
from statuspages.console.starting import NewPageForm, create_started_page, label_names
from statuspages.models import Component, Post, StatusPage, Subscriber
from statuspages.services.errors import BadField, MonitorGone
from statuspages.services.pages import DuplicateSlug, delete_page, page_url

PAGE_ROWS = 50
SLUG_TAKEN = "Another status page has this address. Choose another one."


@team_page()
def list_pages(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the pages with how they are, by name."""
    search = request.GET.get("search", "").strip().replace("\0", "")[:200]
    pages = StatusPage.objects.order_by("name", "pk")
    total = pages.count()
    if search:
        words = Q(name__icontains=search) | Q(slug__icontains=search) | Q(domain__icontains=search)
        pages = pages.filter(words)
    shown = Paginator(pages, PAGE_ROWS).get_page(request.GET.get("page"))
    context = {
        "rows": _rows(list(shown.object_list)),
        "page": shown,
        "search": search,
        "total": total,
        "section": SECTION,
    }
    return render_page(request, access, "statuspages/console/list.html", context)


def _rows(pages: list[StatusPage]) -> list[dict[str, Any]]:
    looks = headlines(pages)
    components = _counts(Component.objects.filter(page__in=pages))
    posts = _counts(open_incidents(pages))
    agreed = Subscriber.objects.filter(confirmed_at__isnull=False, disabled_at=None)
    subscribers = _counts(agreed.filter(page__in=pages))
    return [
        {
            "page": page,
            "address": page_url(page),
            "look": looks[page.pk],
            "components": components.get(page.pk, 0),
            "posts": posts.get(page.pk, 0),
            "subscribers": subscribers.get(page.pk, 0),
        }
        for page in pages
    ]


def _counts(rows: QuerySet[Any]) -> dict[UUID, int]:
    return dict(rows.order_by().values_list("page_id").annotate(Count("pk")))


@team_page(Scope.WRITE)
def create(request: HttpRequest, access: Access) -> HttpResponse:
    """Ask for a new page and what it begins with. Nobody sees it until it is published."""
    form = NewPageForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and (page := _create(access, form)):
        text = f"“{straight(page.name)}” is ready. Look it over, then publish it."
        messages.success(request, text)
        return redirect("console:status_page", team=access.team.slug, pk=page.pk)
    context = {
        "form": form,
        "labels": label_names(),
        "section": SECTION,
        **list_choices(form["monitors"].value() or []),
    }
    return render_page(request, access, "statuspages/console/new.html", context)


def _create(access: Access, form: NewPageForm) -> StatusPage | None:
    """Return the stored page, or None with the reason in the form."""
    data = form.cleaned_data
    try:
        return create_started_page(
            team=access.team, name=data["name"], slug=data["slug"], drafts=data["drafts"]
        )
    except DuplicateSlug:
        form.add_error("slug", SLUG_TAKEN)
    except MonitorGone:
        form.add_error("monitors", "A monitor was just deleted. Choose again.")
    except BadField as error:
        form.add_error(error.field if error.field in form.fields else None, error.text)
    return None


@team_page(Scope.WRITE)
def delete(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask for the page's name, and delete it with all that is on it."""
    page = find_page(pk)
    typed = request.POST.get("name", "")
    is_right = _plain(typed) == _plain(page.name)
    if request.method == "POST" and is_right:
        try:
            delete_page(page=page)
        except StatusPage.DoesNotExist:
            messages.error(request, "This page was deleted in the meantime.")
        else:
            messages.success(request, f"“{straight(page.name)}” is deleted.")
        return redirect("console:status_pages", team=access.team.slug)
    confirmed = Q(confirmed_at__isnull=False)
    context = {
        "typed": typed,
        "wrong": request.method == "POST",
        "components": Component.objects.filter(page=page).count(),
        "posts": Post.objects.filter(page=page).count(),
        "subscribers": Subscriber.objects.filter(confirmed, page=page).count(),
    }
    return render_tab(
        request,
        access,
        "statuspages/console/delete.html",
        page=page,
        tab="settings",
        context=context,
    )


def _plain(name: str) -> str:
    # What is shown to be typed has its marks of direction taken out.
    return " ".join(straight(name).split()).casefold()
