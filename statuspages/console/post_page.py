"""The page of one post, incident or planned maintenance, with the form that adds an update."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.safestring import SafeString
from django.utils.timezone import now as clock

from accounts.access import Access, get_object
from accounts.console.pages import team_page
from accounts.models import Scope
from incidents.models import Incident, Maintenance
from statuspages.console.frame import find_page, render_tab
from statuspages.console.post_forms import UpdateForm, statuses_of, template_values
from statuspages.console.post_words import (
    COMPONENT_ICONS,
    WORDS,
    as_html,
    count_told,
    describe,
    may_have_postmortem,
    with_components,
    zone_of,
)
from statuspages.models import Post, PostNotice, PostTemplate, PostUpdate, StatusPage
from statuspages.models.posts import PostStatus
from statuspages.services.pages import page_url
from statuspages.services.posts import INCIDENT_STATUSES, MAINTENANCE_STATUSES
from statuspages.services.windows import is_announced
from statuspages.services.words import names_of, words_of

KEPT = timedelta(days=29)  # messages to subscribers are kept for 30
EXTENSIONS = [(30, "30 min"), (60, "1 h"), (120, "2 h"), (240, "4 h")]


@dataclass(frozen=True, slots=True)
class Change:
    """What an update says of a component."""

    name: str
    icon: str
    word: str


@dataclass(frozen=True, slots=True)
class Said:
    """An update as the team sees it."""

    update: PostUpdate
    word: str
    body: SafeString
    changes: tuple[Change, ...]
    notice: PostNotice | None
    told: int  # how many messages there are about it; they are kept for 30 days
    is_known: bool  # whether they would be there still

    @property
    def nobody(self) -> bool:
        """Whether it was told to nobody, since nobody had subscribed."""
        return self.told == 0 and self.is_known


def find_post(page: StatusPage, pk: UUID) -> Post:
    """Return the page's post of that id; Http404 for any other."""
    return get_object(with_components(Post.objects.select_related("page").filter(page=page)), pk)


def show_list_of(post: Post) -> str:
    """Return the tab whose list a post is in."""
    return "maintenance" if post.is_maintenance else "posts"


def back_to(access: Access, page: StatusPage, tab: str) -> HttpResponse:
    """Lead back to a tab of the page."""
    return redirect(f"console:status_page_{tab}", team=access.team.slug, pk=page.pk)


def to_post(access: Access, post: Post) -> HttpResponse:
    """Lead to the page of a post."""
    return redirect(
        "console:status_page_post", team=access.team.slug, pk=post.page_id, post=post.pk
    )


def templates_for(page: StatusPage, statuses: Any) -> QuerySet[PostTemplate]:
    """Return a page's templates that have one of these statuses, by name."""
    return PostTemplate.objects.filter(page=page, status__in=list(statuses)).order_by("name")


def chosen_template(request: HttpRequest, page: StatusPage) -> PostTemplate | None:
    """Return the template that the address names; None without one, and for a missing one."""
    try:
        chosen = UUID(request.GET.get("template", ""))
    except ValueError:
        return None
    return PostTemplate.objects.filter(page=page, pk=chosen).first()


def window_behind(post: Post) -> tuple[Maintenance | None, bool]:
    """Return the maintenance window of a post, and whether it announces itself by the post."""
    if post.maintenance_id is None:
        return None, False
    window = Maintenance.objects.filter(pk=post.maintenance_id).first()
    return window, post.resolved_at is None and is_announced(post)


@team_page()
def show(request: HttpRequest, access: Access, pk: UUID, post: UUID) -> HttpResponse:
    """Show a post and all its updates, newest first."""
    page = find_page(pk)
    found = find_post(page, post)
    form = None
    if access.allows(Scope.WRITE):
        form = UpdateForm(page=page, post=found, initial=_begin_with(request, page, found))
    return render_post(request, access, page, found, form=form)


def render_post(
    request: HttpRequest,
    access: Access,
    page: StatusPage,
    post: Post,
    *,
    form: UpdateForm | None,
    preview: SafeString | None = None,
) -> HttpResponse:
    """Render the page of a post with the form of its next update."""
    row = describe(post, zone_of(page))
    window, announced = window_behind(post)
    codes = [claim.component.code for claim in row.claims]
    statuses = MAINTENANCE_STATUSES if post.is_maintenance else INCIDENT_STATUSES
    updates = [_say(update) for update in _updates(post)]
    context: dict[str, Any] = {
        "post": post,
        "row": row,
        "form": form,
        "preview": preview,
        "updates": updates,
        "incident": _incident_of(post),
        "window": window,
        "is_announced": announced,
        "address": f"{page_url(page)}posts/{post.code}" if page.published else "",
        "told": count_told(page, codes),
        "words": templates_for(page, statuses),
        "used": request.GET.get("template", ""),
        "lacks_postmortem": may_have_postmortem(post)
        and all(said.update.status != PostStatus.POSTMORTEM for said in updates),
        "extensions": EXTENSIONS,
    }
    template = "statuspages/console/post.html"
    return render_tab(request, access, template, page=page, tab=show_list_of(post), context=context)


def _updates(post: Post) -> list[PostUpdate]:
    found = post.updates.select_related("notice").annotate(told=Count("messages"))
    return list(found.order_by("-at", "-id"))


def _say(update: PostUpdate) -> Said:
    changes = tuple(
        Change(
            name=str(row.get("name", "")),
            icon=COMPONENT_ICONS.get(str(row.get("new_status")), "pending"),
            word=WORDS.get(str(row.get("new_status")), ""),
        )
        for row in update.affected
        # A plan changes nothing yet.
        if update.status != PostStatus.SCHEDULED
    )
    notice = getattr(update, "notice", None)
    handled_at = notice.handled_at if notice is not None else None
    return Said(
        update=update,
        word=WORDS[update.status],
        body=as_html(update.body),
        changes=changes,
        notice=notice,
        told=update.told,  # type: ignore[attr-defined]
        is_known=handled_at is not None and clock() - handled_at < KEPT,
    )


def _incident_of(post: Post) -> Incident | None:
    if post.incident_id is None:
        return None
    return Incident.objects.filter(pk=post.incident_id).first()


def _begin_with(request: HttpRequest, page: StatusPage, post: Post) -> dict[str, Any]:
    """Return what the form of an update begins with: a template's words, or those of the end."""
    possible = dict(statuses_of(post))
    found: dict[str, Any] = {}
    template = chosen_template(request, page)
    if template is not None:
        found = template_values(template)
        if found.get("status") not in possible:
            found.pop("status", None)
    status = request.GET.get("status", "")
    if status in possible:
        found["status"] = status
        if template is None and post.resolved_at is None:
            found["body"] = _last_words(page, post, status)
    return found


def _last_words(page: StatusPage, post: Post, status: str) -> str:
    words = words_of(page.locale)
    if status == PostStatus.COMPLETED:
        return words.completed
    names = [link.component.name for link in post.component_links.all()]
    if status == PostStatus.RESOLVED and names:
        return words.resolved.format(names=names_of(names, words))
    return ""
