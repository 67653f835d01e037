"""The updates of a post: saying how it goes, correcting what was said, taking it back."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from accounts.access import Access, get_object
from accounts.console.pages import team_page
from accounts.models import Scope
from statuspages.console.frame import find_page, render_tab
from statuspages.console.post_forms import UpdateEditForm, UpdateForm
from statuspages.console.post_page import find_post, render_post, show_list_of, to_post
from statuspages.console.post_words import WORDS, as_html
from statuspages.console.refusing import REFUSALS, attempt, say_refusal
from statuspages.models import Post, PostUpdate
from statuspages.services import posts


def _find(post: Post, pk: UUID) -> PostUpdate:
    return get_object(PostUpdate.objects.select_related("post").filter(post=post), pk)


@team_page(Scope.WRITE)
def add(request: HttpRequest, access: Access, pk: UUID, post: UUID) -> HttpResponse:
    """Say how it goes, or show first what visitors would read."""
    page = find_page(pk)
    found = find_post(page, post)
    if request.method != "POST":
        return to_post(access, found)
    form = UpdateForm(request.POST, page=page, post=found)
    if request.POST.get("do") == "preview":
        typed = form.raw_values()
        form = UpdateForm(page=page, post=found, initial=typed)
        preview = as_html(typed["body"] or "")
        return render_post(request, access, page, found, form=form, preview=preview)
    if form.is_valid():
        data = form.cleaned_data
        made = attempt(
            form,
            lambda: posts.add_update(
                post=found,
                status=data["status"],
                body=data["body"],
                components=form.claims(),
                notify=data.get("notify", False),
                actor=access.actor,
            ),
        )
        if made is not None:
            messages.success(request, f"It now says: {WORDS[made.status].lower()}.")
            return to_post(access, found)
    return render_post(request, access, page, found, form=form)


@team_page(Scope.WRITE)
def edit(request: HttpRequest, access: Access, pk: UUID, post: UUID, update: UUID) -> HttpResponse:
    """Ask for a correction of an update."""
    page = find_page(pk)
    found = _find(find_post(page, post), update)
    preview = None
    if request.method != "POST":
        form = UpdateEditForm(page=page, update=found)
    elif request.POST.get("do") == "preview":
        typed = UpdateEditForm(request.POST, page=page, update=found).raw_values()
        form = UpdateEditForm(page=page, update=found, initial=typed)
        preview = as_html(typed["body"] or "")
    else:
        form = UpdateEditForm(request.POST, page=page, update=found)
        if form.is_valid():
            values = form.values()
            saved = attempt(
                form,
                lambda: posts.edit_update(update=found, actor=access.actor, **values),
            )
            if saved is not None:
                messages.success(request, "The update is saved. Subscribers are not told again.")
                return to_post(access, found.post)
    return render_tab(
        request,
        access,
        "statuspages/console/update_edit.html",
        page=page,
        tab=show_list_of(found.post),
        context={"form": form, "preview": preview, "update": found, "post": found.post},
    )


@team_page(Scope.WRITE)
def delete(
    request: HttpRequest, access: Access, pk: UUID, post: UUID, update: UUID
) -> HttpResponse:
    """Ask once more, and take an update back."""
    page = find_page(pk)
    found = _find(find_post(page, post), update)
    if request.method == "POST":
        try:
            posts.delete_update(update=found, actor=access.actor)
        except REFUSALS as error:
            messages.error(request, say_refusal(error))
        else:
            messages.success(request, "The update is deleted.")
        return to_post(access, found.post)
    return render_tab(
        request,
        access,
        "statuspages/console/update_delete.html",
        page=page,
        tab=show_list_of(found.post),
        context={
            "update": found,
            "post": found.post,
            "word": WORDS[found.status],
            "body": as_html(found.body),
            "is_only": found.post.updates.count() == 1,
        },
    )
