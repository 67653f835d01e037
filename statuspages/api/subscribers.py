"""`/api/v1/status-pages/{id}/subscribers`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, Throttled, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import get_object
from accounts.api.fields import StrictChoice, StrictSerializer, StrictText
from accounts.api.problems import CONTENT_TYPE, Conflict
from accounts.api.views import TenantViewSet
from incidents.api.fields import show_instant
from statuspages.api.fields import ComponentsField
from statuspages.api.refusals import refusals, refuse
from statuspages.models import Component, StatusPage, Subscriber
from statuspages.models.subscribers import SubscriberKind
from statuspages.services.components import TooMany
from statuspages.services.pages import LOCALES
from statuspages.subscribers import subscribing
from statuspages.subscribers.standings import STANDINGS, standing_of
from statuspages.subscribers.subscribing import (
    MOST_SUBSCRIBERS,
    MOST_URL,
    AskedAlready,
    DuplicateSubscriber,
    NotWaiting,
)
from statuspages.subscribers.throttles import PAUSE_SECONDS

_ONE = OpenApiParameter("subscriber", {"type": "string", "format": "uuid"}, OpenApiParameter.PATH)
_FILTERS = [
    OpenApiParameter("state", OpenApiTypes.STR, enum=list(STANDINGS)),
    OpenApiParameter("kind", OpenApiTypes.STR, enum=list(SubscriberKind.values)),
]
_FIXED = ("kind", "address")


class StatusPageSubscriberSerializer(StrictSerializer):
    """Who is told of a page's posts."""

    sometimes = ("secret",)

    id = serializers.UUIDField(read_only=True)
    kind = StrictChoice(SubscriberKind.choices, help_text="Cannot be changed.")
    address = StrictText(
        max_length=MOST_URL, help_text="A mail address, or a webhook's URL. Cannot be changed."
    )
    components = ComponentsField(required=False, help_text="Empty: everything on the page.")
    locale = StrictChoice(LOCALES, required=False, help_text="The page's unless given.")
    state = serializers.ChoiceField(
        list(STANDINGS),
        read_only=True,
        help_text="waiting: the address has not agreed yet. disabled: messages were refused for "
        "too long.",
    )
    confirmed_at = serializers.DateTimeField(read_only=True, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)
    secret = serializers.CharField(
        read_only=True,
        required=False,
        help_text="What a webhook's requests are signed with; in the answer that creates it alone.",
    )

    def to_representation(self, subscriber: Subscriber) -> dict[str, Any]:
        """Return the subscriber; components that the page has no longer are left out."""
        ids: Mapping[str, str] = self.context["ids"]
        confirmed = subscriber.confirmed_at
        return {
            "id": str(subscriber.pk),
            "kind": subscriber.kind,
            "address": subscriber.address,
            "components": [ids[code] for code in subscriber.components if code in ids],
            "locale": subscriber.locale,
            "state": standing_of(subscriber),
            "confirmed_at": show_instant(confirmed) if confirmed else None,
            "created_at": show_instant(subscriber.created_at),
        }


_SENT_AGAIN = {
    200: StatusPageSubscriberSerializer,
    (429, CONTENT_TYPE): {"$ref": "#/components/schemas/Problem"},
}


@extend_schema_view(
    retrieve=extend_schema(parameters=[_ONE]),
    partial_update=extend_schema(parameters=[_ONE]),
    destroy=extend_schema(parameters=[_ONE]),
)
class StatusPageSubscriberViewSet(TenantViewSet):
    """Who follows a page."""

    resource = "status_page_subscribers"
    singular = "status_page_subscriber"
    live_fields = ("state", "confirmed_at")
    conflicts = ("create",)
    lookup_url_kwarg = "subscriber"

    @extend_schema(parameters=_FILTERS, responses=StatusPageSubscriberSerializer(many=True))
    def list(self, request: Request, **kwargs: str) -> Response:
        """List subscribers, newest first."""
        page = self._page()
        rows = self.page(_filter(Subscriber.objects.filter(page=page), request.query_params))
        return self.get_paginated_response(_show(page, rows))

    @extend_schema(
        request=StatusPageSubscriberSerializer, responses={201: StatusPageSubscriberSerializer}
    )
    def create(self, request: Request, **kwargs: str) -> Response:
        """Add a subscriber. A mail address is asked to confirm; a webhook is told at once."""
        page = self._page()
        fields = self.read_body(StatusPageSubscriberSerializer, page=page)
        try:
            with refusals():
                subscriber = subscribing.add_subscriber(
                    page=page,
                    kind=fields["kind"],
                    address=fields["address"],
                    components=_codes(fields.get("components", ())),
                    locale=fields.get("locale"),
                )
        except DuplicateSubscriber as error:
            raise Conflict("The page has this subscriber.") from error
        except TooMany as error:
            raise Conflict(f"A page has at most {MOST_SUBSCRIBERS} subscribers.") from error
        shown = _show(page, [subscriber])[0]
        if subscriber.secret:
            shown["secret"] = subscriber.secret
        return Response(shown, status=201)

    @extend_schema(responses=StatusPageSubscriberSerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read a subscriber."""
        page = self._page()
        return Response(_show(page, [self._find(page)])[0])

    @extend_schema(request=StatusPageSubscriberSerializer, responses=StatusPageSubscriberSerializer)
    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Change what a subscriber is told of, and in which language."""
        page = self._page()
        subscriber = self._find(page)
        fields = self.read_body(StatusPageSubscriberSerializer, partial=True, page=page)
        for name in _FIXED:
            if fields.pop(name, getattr(subscriber, name)) != getattr(subscriber, name):
                raise refuse(name, "Cannot be changed. Delete the subscriber and add another.")
        if "components" in fields:
            fields["components"] = _codes(fields["components"])
        if fields:
            with refusals():
                subscriber = subscribing.update_subscriber(subscriber=subscriber, **fields)
        return Response(_show(page, [subscriber])[0])

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Delete a subscriber, who is told nothing more, and what was still to be sent."""
        subscribing.unsubscribe(subscriber=self._find(self._page()))
        return Response(status=204)

    @extend_schema(parameters=[_ONE], request=None, responses=_SENT_AGAIN)
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, **kwargs: str) -> Response:
        """Send a waiting subscriber the link once more: each ten minutes, five times a day."""
        page = self._page()
        try:
            subscriber = subscribing.ask_again(subscriber=self._find(page))
        except NotWaiting as error:
            raise Conflict("The subscriber does not wait to be confirmed.") from error
        except AskedAlready as error:
            raise Throttled(wait=PAUSE_SECONDS) from error
        return Response(_show(page, [subscriber])[0])

    def _page(self) -> StatusPage:
        return self.find(StatusPage.objects.all())

    def _find(self, page: StatusPage) -> Subscriber:
        return get_object(Subscriber.objects.filter(page=page), self.kwargs["subscriber"])


def _show(page: StatusPage, rows: Sequence[Subscriber]) -> list[dict[str, Any]]:
    codes = Component.objects.filter(page=page).values_list("code", "pk")
    ids = {code: str(pk) for code, pk in codes}
    context = {"ids": ids}
    return [dict(StatusPageSubscriberSerializer(row, context=context).data) for row in rows]


def _filter(rows: QuerySet[Subscriber], query: QueryDict) -> QuerySet[Subscriber]:
    if (state := query.get("state")) is not None:
        rows = rows.filter(STANDINGS[_word("state", state, list(STANDINGS))])
    if (kind := query.get("kind")) is not None:
        rows = rows.filter(kind=_word("kind", kind, SubscriberKind.values))
    return rows


def _word(name: str, value: str, words: Sequence[str]) -> str:
    if value not in words:
        text = f"Must be one of: {', '.join(words)}."
        raise ValidationError({name: [ErrorDetail(text, code="invalid_choice")]})
    return value


def _codes(components: Sequence[Component]) -> list[str]:
    return [component.code for component in components]
