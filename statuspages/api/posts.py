"""`/api/v1/status-pages/{id}/posts`: incidents and planned maintenance."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import get_object
from accounts.api.fields import StrictBoolean, StrictSerializer, StrictText
from accounts.api.views import TenantViewSet
from incidents.api.fields import InstantField, show_instant
from statuspages.api.fields import (
    ComponentsField,
    ComponentStatusesField,
    ImpactField,
    PostStatusField,
)
from statuspages.api.refusals import refusals, refuse
from statuspages.models import Component, Post, PostComponent, PostUpdate, StatusPage
from statuspages.models.posts import PostStatus
from statuspages.services import posts

MOST_BODY = 20_000
POST = OpenApiParameter("post", {"type": "string", "format": "uuid"}, OpenApiParameter.PATH)
_NOTIFY = "Whether subscribers are told; true unless given."
_SCHEDULE = ("scheduled_for", "scheduled_until")


class PostUpdateSerializer(StrictSerializer):
    """One word on how it goes."""

    id = serializers.UUIDField(read_only=True)
    status = PostStatusField(required=False, help_text="Stays unless given.")
    body = StrictText(max_length=MOST_BODY, required=False, allow_blank=True, help_text="Markdown.")
    at = InstantField(required=False, help_text="Now unless given.")
    component_statuses = ComponentStatusesField(required=False, write_only=True)
    notify = StrictBoolean(required=False, write_only=True, help_text=_NOTIFY)

    def to_representation(self, update: PostUpdate) -> dict[str, Any]:
        """Return the update."""
        return {
            "id": str(update.pk),
            "status": update.status,
            "body": update.body,
            "at": show_instant(update.at),
        }


class StatusPagePostSerializer(StrictSerializer):
    """An incident; with `scheduled_for` and `scheduled_until` a planned maintenance."""

    id = serializers.UUIDField(read_only=True)
    title = StrictText(max_length=200)
    impact = ImpactField(
        required=False,
        help_text="Of the worst of component_statuses unless given.",
    )
    status = PostStatusField(required=False, help_text="Another one adds an update that says so.")
    components = ComponentsField(required=False)
    component_statuses = ComponentStatusesField(required=False)
    body = StrictText(
        max_length=MOST_BODY,
        required=False,
        allow_blank=True,
        write_only=True,
        help_text="Markdown, of the update that this adds.",
    )
    at = InstantField(
        required=False, write_only=True, help_text="Of that update; now unless given."
    )
    started_at = InstantField(required=False)
    resolved_at = serializers.DateTimeField(read_only=True, allow_null=True)
    scheduled_for = InstantField(required=False, allow_null=True)
    scheduled_until = InstantField(required=False, allow_null=True)
    silence = StrictBoolean(
        required=False,
        write_only=True,
        help_text="Make a maintenance window of the components' monitors, so that nobody is paged.",
    )
    published = StrictBoolean(
        required=False, help_text="true unless given; a draft is seen by nobody."
    )
    notify = StrictBoolean(required=False, write_only=True, help_text=_NOTIFY)
    automatic = StrictBoolean(
        required=False,
        help_text="Whether it goes on by itself. false takes it over; true may be sent back.",
    )
    updates = PostUpdateSerializer(many=True, read_only=True)
    created_at = serializers.DateTimeField(read_only=True)

    def to_representation(self, post: Post) -> dict[str, Any]:
        """Return the post; its updates newest first."""
        links = sorted(
            post.component_links.all(), key=lambda link: (link.component.position, link.pk)
        )
        return {
            "id": str(post.pk),
            "title": post.title,
            "impact": post.impact,
            "status": post.status,
            "components": [str(link.component_id) for link in links],
            "component_statuses": {
                str(link.component_id): link.status for link in links if link.status
            },
            "started_at": show_instant(post.started_at),
            "resolved_at": show_instant(post.resolved_at) if post.resolved_at else None,
            "scheduled_for": show_instant(post.scheduled_for) if post.scheduled_for else None,
            "scheduled_until": show_instant(post.scheduled_until) if post.scheduled_until else None,
            "published": post.published_at is not None,
            "automatic": post.automatic,
            "updates": [PostUpdateSerializer(update).data for update in post.updates.all()],
            "created_at": show_instant(post.created_at),
        }


class CancelSerializer(StrictSerializer):
    """Why planned work is called off."""

    body = StrictText(max_length=MOST_BODY, required=False, allow_blank=True)
    notify = StrictBoolean(required=False, help_text=_NOTIFY)


@extend_schema_view(
    retrieve=extend_schema(parameters=[POST]),
    partial_update=extend_schema(parameters=[POST]),
    destroy=extend_schema(parameters=[POST]),
)
class StatusPagePostViewSet(TenantViewSet):
    """What is written on a page."""

    resource = "status_page_posts"
    singular = "status_page_post"
    conflicts = ("partial_update", "destroy", "cancel")
    lookup_url_kwarg = "post"

    @extend_schema(responses=StatusPagePostSerializer(many=True))
    def list(self, request: Request, **kwargs: str) -> Response:
        """List posts, drafts too, newest first."""
        rows = self.page(_rows().filter(page=self._page()))
        return self.get_paginated_response(StatusPagePostSerializer(rows, many=True).data)

    @extend_schema(request=StatusPagePostSerializer, responses={201: StatusPagePostSerializer})
    def create(self, request: Request, **kwargs: str) -> Response:
        """Write a post, with its first update."""
        page = self._page()
        fields = self.read_body(StatusPagePostSerializer, page=page)
        fields.pop("automatic", None)  # what a person writes never is, and planned work always
        fields["components"] = _claims(fields)
        started_at = fields.pop("started_at", None)
        planned = [name for name in _SCHEDULE if fields.get(name) is not None]
        with refusals(), transaction.atomic():
            if planned:
                made = _plan(page, fields, self.access.actor)
            else:
                for name in _SCHEDULE:
                    fields.pop(name, None)
                if fields.pop("silence", False):
                    raise refuse("silence", "Only planned maintenance silences its monitors.")
                made = posts.create_post(page=page, actor=self.access.actor, **fields)
                if started_at is not None:
                    posts.update_post(post=made, started_at=started_at)
        return _answer(made, status=201)

    @extend_schema(responses=StatusPagePostSerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read a post."""
        return _answer(self._find())

    @extend_schema(request=StatusPagePostSerializer, responses=StatusPagePostSerializer)
    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Change, publish or take over a post, or, with another status or a body, add an update."""
        post = self._find()
        fields = self.read_body(StatusPagePostSerializer, partial=True, page=post.page)
        said = {name: fields.pop(name) for name in ("status", "body", "at") if name in fields}
        notify = fields.pop("notify", True)
        if fields.pop("silence", False):
            raise refuse("silence", "Can be asked for when the maintenance is planned.")
        said |= {name: claims for name, claims in _said_of(fields, said).items() if claims}
        if {"components", "component_statuses"} & set(fields):
            fields["components"] = _claims(fields, post)
        actor = self.access.actor
        adds = said.get("status", post.status) != post.status or bool(said.get("body"))
        if "at" in said and not adds:
            raise refuse("at", "Goes with a status or a body.")
        with refusals(), transaction.atomic():
            if fields:
                told = notify and not adds  # one word at once is enough
                post = posts.update_post(post=post, notify=told, actor=actor, **fields)
            if adds:
                posts.add_update(post=post, notify=notify, actor=actor, **said)
        return _answer(post)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Delete a post as if it had never been; a window that it made ends."""
        with refusals():
            posts.delete_post(post=self._find())
        return Response(status=204)

    @extend_schema(
        operation_id="cancel_status_page_post",
        parameters=[POST],
        request=CancelSerializer,
        responses=StatusPagePostSerializer,
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, **kwargs: str) -> Response:
        """Call planned maintenance off; a window that it made ends."""
        post = self._find()
        fields = self.read_body(CancelSerializer)
        with refusals():
            posts.cancel_post(post=post, actor=self.access.actor, **fields)
        return _answer(post)

    def _page(self) -> StatusPage:
        return self.find(StatusPage.objects.all())

    def _find(self) -> Post:
        rows = Post.objects.select_related("page").filter(page=self._page())
        return get_object(rows, self.kwargs["post"])


def _plan(page: StatusPage, fields: dict[str, Any], actor: str) -> Post:
    for name in _SCHEDULE:
        if fields.get(name) is None:
            raise refuse(name, "Planned maintenance needs a start and an end.")
    if fields.pop("status", PostStatus.SCHEDULED) != PostStatus.SCHEDULED:
        raise refuse("status", "Planned maintenance begins as scheduled.")
    if fields.pop("at", None) is not None:
        raise refuse("at", "Planned maintenance is announced now.")
    return posts.create_maintenance_post(page=page, actor=actor, **fields)


def _said_of(fields: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """Return the statuses that an update tells of; at the end all are automatic again."""
    statuses = fields.get("component_statuses") or {}
    over = said.get("status") in posts.OVER
    return {"components": {} if over else {c: status for c, status in statuses.items() if status}}


def _claims(fields: dict[str, Any], post: Post | None = None) -> dict[Component, str]:
    """Return what a body says of components, those that only have a status given included."""
    named = fields.pop("components", None)
    statuses = fields.pop("component_statuses", None)
    links = PostComponent.objects.filter(post=post).select_related("component") if post else ()
    present = {link.component: link.status for link in links}
    chosen = list(present) if named is None else list(named)
    chosen += [component for component, status in (statuses or {}).items() if status]
    said = present if statuses is None else statuses
    return {component: said.get(component, "") for component in chosen}


def _rows() -> QuerySet[Post]:
    links = PostComponent.objects.select_related("component")
    updates = PostUpdate.objects.order_by("-at", "-id")
    return Post.objects.prefetch_related(
        Prefetch("component_links", links), Prefetch("updates", updates)
    )


def _answer(post: Post, *, status: int = 200) -> Response:
    return Response(StatusPagePostSerializer(get_object(_rows(), post.pk)).data, status=status)
