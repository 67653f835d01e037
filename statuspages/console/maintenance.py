"""Planned maintenance on a status page: what is on, what comes, what is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from accounts.access import Access
from accounts.console.pages import team_page
from accounts.models import Scope
from accounts.templatetags.wording import straight
from monitors.queries import database_now
from statuspages.console.frame import find_page, render_tab
from statuspages.console.post_forms import PlanForm, plan_times, template_values
from statuspages.console.post_page import (
    EXTENSIONS,
    chosen_template,
    find_post,
    templates_for,
    to_post,
    window_behind,
)
from statuspages.console.post_words import (
    as_html,
    count_told,
    describe,
    with_components,
    zone_of,
)
from statuspages.console.refusing import REFUSALS, attempt, say_refusal
from statuspages.models import Post, StatusPage
from statuspages.models.posts import PostStatus
from statuspages.services import posts
from statuspages.services.words import words_of

MOST_ROWS = 200
MOST_PAST = 50


@team_page()
def list_planned(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Show what is on now, then what comes, then what is over."""
    page = find_page(pk)
    zone = zone_of(page)
    planned: QuerySet[Post] = with_components(Post.objects.filter(page=page, is_maintenance=True))
    going = planned.filter(resolved_at=None).order_by("scheduled_for", "pk")
    past = planned.filter(resolved_at__isnull=False).order_by("-resolved_at", "-pk")
    groups = [
        ("on", "On now", going.exclude(status=PostStatus.SCHEDULED)[:MOST_ROWS]),
        ("coming", "Coming up", going.filter(status=PostStatus.SCHEDULED)[:MOST_ROWS]),
        ("over", "Over", past[:MOST_PAST]),
    ]
    told = [(name, title, [describe(post, zone) for post in rows]) for name, title, rows in groups]
    context = {"groups": [group for group in told if group[2]], "now": database_now()}
    return _render(request, access, page, "maintenance", context)


@team_page(Scope.WRITE)
def create(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask for the plan of a maintenance."""
    page = find_page(pk)
    preview = None
    if request.method != "POST":
        template = chosen_template(request, page)
        words = template_values(template) if template else {}
        form = PlanForm(page=page, initial=plan_times(database_now(), page) | words)
    elif request.POST.get("do") == "preview":
        typed = PlanForm(request.POST, page=page).raw_values()
        form = PlanForm(page=page, initial=typed)
        preview = as_html(typed["body"] or "")
    else:
        form = PlanForm(request.POST, page=page)
        published = request.POST.get("do") != "draft"
        if form.is_valid():
            made = attempt(form, lambda: _plan(page, form, access.actor, published=published))
            if made is not None:
                done = "is announced" if published else "is kept as a draft"
                messages.success(request, f"“{straight(made.title)}” {done}.")
                return to_post(access, made)
    context = {
        "form": form,
        "preview": preview,
        "words": templates_for(page, posts.MAINTENANCE_STATUSES),
        "used": request.GET.get("template", ""),
        "told": count_told(page),
    }
    return _render(request, access, page, "maintenance_new", context)


def _plan(page: StatusPage, form: PlanForm, actor: str, *, published: bool) -> Post:
    data = form.cleaned_data
    begins, ends = form.instant("scheduled_for"), form.instant("scheduled_until")
    assert begins is not None  # the form asks for both
    assert ends is not None
    return posts.create_maintenance_post(
        page=page,
        title=data["title"],
        scheduled_for=begins,
        scheduled_until=ends,
        body=data["body"],
        components=form.claims(),
        silence=data["silence"],
        published=published,
        notify=data["notify"],
        actor=actor,
    )


@team_page(Scope.WRITE)
def cancel(request: HttpRequest, access: Access, pk: UUID, post: UUID) -> HttpResponse:
    """Ask once more, with what visitors are told, and call planned work off."""
    page = find_page(pk)
    found = find_post(page, post)
    if request.method == "POST":
        body = request.POST.get("body", "").replace("\x00", "").replace("\r\n", "\n").strip()
        try:
            posts.cancel_post(
                post=found, body=body, notify="notify" in request.POST, actor=access.actor
            )
        except REFUSALS as error:
            messages.error(request, say_refusal(error))
        else:
            messages.success(request, f"“{straight(found.title)}” is cancelled.")
        return to_post(access, found)
    window, is_announced = window_behind(found)
    codes = [link.component.code for link in found.component_links.all()]
    context = {
        "post": found,
        "body": words_of(page.locale).cancelled,
        "window": window,
        "is_announced": is_announced,
        "told": count_told(page, codes),
    }
    return _render(request, access, page, "maintenance_cancel", context)


@require_POST
@team_page(Scope.WRITE)
def extend(request: HttpRequest, access: Access, pk: UUID, post: UUID) -> HttpResponse:
    """Let planned work end later."""
    found = find_post(find_page(pk), post)
    steps = {str(minutes): minutes for minutes, _ in EXTENSIONS}
    minutes = steps.get(request.POST.get("minutes", ""))
    _, is_announced = window_behind(found)
    if is_announced:
        messages.error(request, "Its maintenance window sets the times. Change them there.")
    elif minutes is None or found.scheduled_until is None or found.resolved_at is not None:
        messages.error(request, "Only maintenance that is not over can end later.")
    else:
        until = found.scheduled_until + timedelta(minutes=minutes)
        try:
            posts.update_post(post=found, scheduled_until=until, notify=False, actor=access.actor)
        except REFUSALS as error:
            messages.error(request, say_refusal(error))
        else:
            messages.success(request, f"“{straight(found.title)}” ends {minutes} min later.")
    return to_post(access, found)


def _render(
    request: HttpRequest, access: Access, page: StatusPage, name: str, context: dict[str, Any]
) -> HttpResponse:
    template = f"statuspages/console/{name}.html"
    return render_tab(request, access, template, page=page, tab="maintenance", context=context)
