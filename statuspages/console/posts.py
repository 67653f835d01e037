"""What people write on a status page: the list, writing an incident, and changing a post."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import IntegrityError, transaction
from django.db.models import Case, Count, Exists, OuterRef, Q, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.http import require_POST

from accounts.access import Access
from accounts.console.pages import team_page
from accounts.models import Scope
from accounts.templatetags.wording import straight
from incidents.models import Incident
from statuspages.console.frame import find_page, render_tab
from statuspages.console.post_forms import (
    IncidentForm,
    PostForm,
    template_values,
)
from statuspages.console.post_page import (
    back_to,
    chosen_template,
    find_post,
    show_list_of,
    templates_for,
    to_post,
    window_behind,
)
from statuspages.console.post_words import (
    as_html,
    count_told,
    describe,
    status_choices,
    with_components,
    zone_of,
)
from statuspages.console.posts_about import begin_with, find_incident, post_about
from statuspages.console.refusing import REFUSALS, attempt, say_refusal
from statuspages.models import Post, PostUpdate, StatusPage
from statuspages.models.posts import PostStatus
from statuspages.services import posts

PAGE_ROWS = 50
KINDS = {"": "Incidents", "maintenance": "Planned maintenance", "all": "Both"}
STANDINGS = {"open": "Open", "draft": "Drafts", "over": "Over"}
_STANDS = {
    "open": Q(resolved_at=None, published_at__isnull=False),
    "draft": Q(published_at=None),
    "over": Q(resolved_at__isnull=False, published_at__isnull=False),
}


@dataclass(frozen=True)
class Filters:
    """What the address asks for; what is no word of ours asks for nothing."""

    standing: str
    kind: str
    status: str
    search: str

    @property
    def active(self) -> bool:
        """Return whether anything is filtered."""
        return bool(self.standing or self.kind or self.status or self.search)


def read_filters(query: QueryDict) -> Filters:
    """Return the filters of a query string."""
    standing, kind = query.get("standing", ""), query.get("kind", "")
    status = query.get("status", "")
    return Filters(
        standing=standing if standing in STANDINGS else "",
        kind=kind if kind in KINDS else "",
        status=status if status in PostStatus.values else "",
        search=query.get("search", "").replace("\x00", "").strip()[:200],
    )


def _select(page: StatusPage, filters: Filters) -> QuerySet[Post]:
    found = Post.objects.filter(page=page)
    if filters.kind != "all":
        found = found.filter(is_maintenance=filters.kind == "maintenance")
    if filters.status:
        found = found.filter(status=filters.status)
    if filters.search:
        said = PostUpdate.objects.filter(post=OuterRef("pk"), body__icontains=filters.search)
        found = found.filter(Q(title__icontains=filters.search) | Exists(said))
    return found


@team_page()
def list_posts(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Show what is open, then what is over, newest first."""
    page = find_page(pk)
    filters = read_filters(request.GET)
    found = _select(page, filters)
    counts = found.aggregate(
        all=Count("pk"), **{name: Count("pk", filter=stands) for name, stands in _STANDS.items()}
    )
    if filters.standing:
        found = found.filter(_STANDS[filters.standing])
    rank = Case(When(resolved_at=None, then=Value(0)), default=Value(1))
    newest = with_components(found).order_by(rank, "-started_at", "-pk")
    rows = Paginator(newest, PAGE_ROWS).get_page(request.GET.get("page"))
    zone = zone_of(page)
    context = {
        "rows": rows,
        "posts": [describe(post, zone) for post in rows.object_list],
        "filters": filters,
        "matching": counts.pop("all"),
        "standings": [(name, word, counts[name]) for name, word in STANDINGS.items()],
        "kinds": list(KINDS.items()),
        "statuses": status_choices(PostStatus),
    }
    return render_tab(
        request,
        access,
        "statuspages/console/posts.html",
        page=page,
        tab="posts",
        context=context,
    )


@team_page(Scope.WRITE)
def create(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask for an incident: from scratch, from a template, or about an incident of monitors."""
    page = find_page(pk)
    preview = None
    about = find_incident(request)
    if about is not None and (told := post_about(page, about)) is not None:
        messages.info(request, "This page tells of the incident already: say here how it goes.")
        return to_post(access, told)
    if request.method != "POST":
        form = IncidentForm(page=page, initial=_begin_with(request, page, about))
    elif request.POST.get("do") == "preview":
        typed = IncidentForm(request.POST, page=page).raw_values()
        form = IncidentForm(page=page, initial=typed)
        preview = as_html(typed["body"] or "")
    else:
        form = IncidentForm(request.POST, page=page)
        published = request.POST.get("do") != "draft"
        if form.is_valid():
            try:
                made = attempt(
                    form,
                    lambda: _write(page, form, access.actor, published=published, about=about),
                )
            except IntegrityError:  # somebody, or the monitors, told of it in this moment
                if about is None or (told := post_about(page, about)) is None:
                    raise
                messages.info(request, "Somebody was faster: this page tells of it already.")
                return to_post(access, told)
            if made is not None:
                done = "is on the page" if published else "is kept as a draft"
                messages.success(request, f"“{straight(made.title)}” {done}.")
                return to_post(access, made)
    context = {
        "form": form,
        "preview": preview,
        "about": about,
        "words": templates_for(page, posts.INCIDENT_STATUSES),
        "used": request.GET.get("template", ""),
        "told": count_told(page),
    }
    template = "statuspages/console/post_new.html"
    return render_tab(request, access, template, page=page, tab="posts", context=context)


def _write(
    page: StatusPage,
    form: IncidentForm,
    actor: str,
    *,
    published: bool,
    about: Incident | None,
) -> Post:
    data = form.cleaned_data
    started_at = form.instant("started_at")
    with transaction.atomic():
        post = posts.create_post(
            page=page,
            title=data["title"],
            body=data["body"],
            status=data["status"],
            impact=data["impact"] or None,
            components=form.claims(),
            published=published,
            notify=data["notify"],
            actor=actor,
            incident_id=about.pk if about is not None else None,
        )
        if started_at is not None:
            posts.update_post(post=post, started_at=started_at, notify=False, actor=actor)
    return post


def _begin_with(request: HttpRequest, page: StatusPage, about: Incident | None) -> dict[str, Any]:
    found = begin_with(about, page) if about is not None else {}
    if (template := chosen_template(request, page)) is not None:
        found |= template_values(template)
        if template.status == PostStatus.POSTMORTEM:
            found["status"] = PostStatus.RESOLVED
    return found


@team_page(Scope.WRITE)
def edit(request: HttpRequest, access: Access, pk: UUID, post: UUID) -> HttpResponse:
    """Ask for changes to a post's title, impact, times and components."""
    page = find_page(pk)
    found = find_post(page, post)
    window, is_announced = window_behind(found)
    data = request.POST if request.method == "POST" else None
    form = PostForm(data, page=page, post=found, is_announced=is_announced)
    if form.is_valid():
        saved = attempt(
            form,
            lambda: posts.update_post(
                post=found, notify=False, actor=access.actor, **form.values()
            ),
        )
        if saved is not None:
            messages.success(request, f"“{straight(saved.title)}” is saved.")
            return to_post(access, saved)
    context = {"form": form, "post": found, "window": window, "is_announced": is_announced}
    template = "statuspages/console/post_edit.html"
    return render_tab(
        request, access, template, page=page, tab=show_list_of(found), context=context
    )


@require_POST
@team_page(Scope.WRITE)
def publish(request: HttpRequest, access: Access, pk: UUID, post: UUID) -> HttpResponse:
    """Let visitors see a draft."""
    found = find_post(find_page(pk), post)
    notify = "notify" in request.POST
    try:
        posts.publish_draft(post=found, notify=notify, actor=access.actor)
    except REFUSALS as error:
        messages.error(request, say_refusal(error))
    else:
        messages.success(request, f"“{straight(found.title)}” is on the page.")
    return to_post(access, found)


@require_POST
@team_page(Scope.WRITE)
def take(request: HttpRequest, access: Access, pk: UUID, post: UUID) -> HttpResponse:
    """Take an incident over from the monitors: from then on only people write it."""
    found = find_post(find_page(pk), post)
    if found.is_maintenance or not found.automatic:
        messages.error(request, "People write this one already.")
        return to_post(access, found)
    try:
        posts.update_post(post=found, automatic=False, notify=False, actor=access.actor)
    except REFUSALS as error:
        messages.error(request, say_refusal(error))
    else:
        title = straight(found.title)
        messages.success(request, f"“{title}” is yours. It stays as it is until somebody writes.")
    return to_post(access, found)


@team_page(Scope.WRITE)
def delete(request: HttpRequest, access: Access, pk: UUID, post: UUID) -> HttpResponse:
    """Ask once more, by title, and delete a post."""
    page = find_page(pk)
    found = find_post(page, post)
    window, is_announced = window_behind(found)
    if request.method == "POST":
        try:
            posts.delete_post(post=found)
        except REFUSALS as error:
            messages.error(request, say_refusal(error))
            return to_post(access, found)
        messages.success(request, f"“{straight(found.title)}” is deleted.")
        return back_to(access, page, show_list_of(found))
    context = {"post": found, "window": window, "is_announced": is_announced}
    template = "statuspages/console/post_delete.html"
    return render_tab(
        request, access, template, page=page, tab=show_list_of(found), context=context
    )
