"""`/api/v1/status-pages`."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import get_object
from accounts.api.fields import (
    SlugText,
    StrictBoolean,
    StrictChoice,
    StrictInteger,
    StrictSerializer,
    StrictText,
)
from accounts.api.views import TenantViewSet
from incidents.api.fields import show_instant
from statuspages.api.fields import ColoursField, PictureField, WeightsField
from statuspages.api.refusals import refusals, refuse
from statuspages.models import Asset, StatusPage
from statuspages.models.pages import AssetKind, AutoPost, Visibility
from statuspages.services import assets, pages
from statuspages.services.page_values import MOST_DELAY

MOST_BODY_BYTES = 4 << 20  # a picture of 2 MB in base64, and the rest
MOST_PASSWORD = 200


class StatusPageSerializer(StrictSerializer):
    """A page. To prove its domain, set a TXT record of `domain_token` there."""

    id = serializers.UUIDField(read_only=True)
    name = StrictText(max_length=120)
    slug = SlugText()
    description = StrictText(max_length=1000, required=False, allow_blank=True)
    support_url = StrictText(
        max_length=500, required=False, allow_blank=True, help_text="http, https or mailto."
    )
    domain = StrictText(max_length=253, required=False, allow_blank=True, allow_null=True)
    domain_verified_at = serializers.DateTimeField(read_only=True, allow_null=True)
    domain_checked_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="When the TXT record was last looked for."
    )
    domain_problem = serializers.CharField(
        read_only=True, help_text="What was found instead of the proof; empty if it was there."
    )
    domain_token = serializers.CharField(
        read_only=True, allow_null=True, help_text="The text of the TXT record to set."
    )
    published = StrictBoolean(required=False)
    visibility = StrictChoice(Visibility.choices, required=False)
    password = StrictText(
        max_length=MOST_PASSWORD,
        required=False,
        allow_blank=True,
        allow_null=True,
        write_only=True,
        trim_whitespace=False,
        help_text="Sets visibility to password; null takes it away.",
    )
    timezone = StrictText(max_length=64, required=False)
    locale = StrictChoice(pages.LOCALES, required=False)
    robots = StrictBoolean(required=False, help_text="Whether search engines may list it.")
    colours = ColoursField(required=False)
    weights = WeightsField(required=False)
    logo = PictureField(required=False, allow_null=True)
    dark_logo = PictureField(required=False, allow_null=True)
    favicon = PictureField(required=False, allow_null=True)
    auto_post = StrictChoice(
        AutoPost.choices,
        required=False,
        help_text="What a monitor's incident does on the page by itself.",
    )
    auto_post_delay = StrictInteger(
        max_value=MOST_DELAY, required=False, help_text="Seconds; blips stay private."
    )
    url = serializers.URLField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)

    def to_representation(self, page: StatusPage) -> dict[str, Any]:
        """Return the page."""
        pictures = {asset.kind: assets.asset_url(page, asset) for asset in page.assets.all()}
        verified, checked = page.domain_verified_at, page.domain_checked_at
        return {
            "id": str(page.pk),
            "name": page.name,
            "slug": page.slug,
            "description": page.description,
            "support_url": page.support_url,
            "domain": page.domain,
            "domain_verified_at": show_instant(verified) if verified else None,
            "domain_checked_at": show_instant(checked) if checked else None,
            "domain_problem": page.domain_problem,
            "domain_token": pages.domain_record(page) or None,
            "published": page.published,
            "visibility": page.visibility,
            "timezone": page.timezone,
            "locale": page.locale,
            "robots": page.robots,
            "colours": page.colours,
            "weights": page.weights,
            **{kind: pictures.get(kind) for kind in AssetKind.values},
            "auto_post": page.auto_post,
            "auto_post_delay": page.auto_post_delay,
            "url": pages.page_url(page),
            "created_at": show_instant(page.created_at),
        }


class StatusPageViewSet(TenantViewSet):
    """The team's status pages."""

    resource = "status_pages"
    singular = "status_page"
    live_fields = ("domain_verified_at", "domain_checked_at", "domain_problem")
    conflicts = ("create", "partial_update")
    most_body_bytes = MOST_BODY_BYTES

    @extend_schema(responses=StatusPageSerializer(many=True))
    def list(self, request: Request) -> Response:
        """List pages, newest first."""
        rows = self.page(_rows())
        return self.get_paginated_response(StatusPageSerializer(rows, many=True).data)

    @extend_schema(request=StatusPageSerializer, responses={201: StatusPageSerializer})
    def create(self, request: Request) -> Response:
        """Make a page. Nobody sees it until it is published."""
        fields = self.read_body(StatusPageSerializer)
        pictures = _take_pictures(fields)
        with refusals(), transaction.atomic():
            page = pages.create_page(team=self.access.team, **fields)
            _set_pictures(page, pictures)
        return _answer(page, status=201)

    @extend_schema(responses=StatusPageSerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read a page."""
        return _answer(self._find())

    @extend_schema(request=StatusPageSerializer, responses=StatusPageSerializer)
    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Change a page. Another domain must be proved anew."""
        page = self._find()
        fields = self.read_body(StatusPageSerializer, partial=True)
        pictures = _take_pictures(fields)
        with refusals(), transaction.atomic():
            if fields:
                page = pages.update_page(page=page, **fields)
            _set_pictures(page, pictures)
        return _answer(page)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Delete a page with all that is on it."""
        pages.delete_page(page=self._find())
        return Response(status=204)

    def _find(self) -> StatusPage:
        return self.find(StatusPage.objects.all())


def _take_pictures(fields: dict[str, Any]) -> dict[str, Any]:
    return {kind: fields.pop(kind) for kind in AssetKind.values if kind in fields}


def _set_pictures(page: StatusPage, pictures: dict[str, Any]) -> None:
    for kind, content in pictures.items():
        if content is None:
            assets.delete_asset(page=page, kind=kind)
        elif isinstance(content, bytes):
            assets.set_asset(page=page, kind=kind, content=content)
        else:
            present = Asset.objects.filter(page=page, kind=kind).defer("content").first()
            if present is None or not content.endswith(f"/{assets.asset_path(present)}"):
                raise refuse(kind, "Give the picture itself in base64, not an address.")


def _rows() -> QuerySet[StatusPage]:
    return StatusPage.objects.prefetch_related(Prefetch("assets", Asset.objects.defer("content")))


def _answer(page: StatusPage, *, status: int = 200) -> Response:
    return Response(StatusPageSerializer(get_object(_rows(), page.pk)).data, status=status)
