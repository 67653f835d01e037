"""The push endpoints: the contract of a push, behind the lane.

Everything that is not a plain success is answered here, so that there is one wording of each
refusal. A refused push changes nothing and does not reset the silence clock.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_to_bytes
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.db.models import Q
from django.db.models.functions import Now
from django.http import QueryDict
from django_scopes import scopes_disabled
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.authentication import bearer_token
from accounts.api.parsers import parse_json
from accounts.api.problems import TooLarge, TooSlow, Unavailable
from accounts.api.schema import ProblemSchema
from accounts.ids import uuid7
from monitors.ingest import record_push
from monitors.ingest.body import MOST_BYTES, BodyOutcome
from monitors.ingest.fields import (
    JSONNumber,
    PushAnswerSerializer,
    PushFormSerializer,
    PushSerializer,
    invalid,
    read_fields,
)
from monitors.ingest.limits import Refusal, push_limits
from monitors.ingest.push import NotStored, Push, TooManyWaiting
from monitors.models import Monitor
from monitors.services import token_is_valid

MOST_RECEIPT = 64
_SLUG = re.compile(r"^[0-9A-Za-z]{1,64}$")
_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
_JSON_TYPES = {"application/json"}
_FORM_TYPES = {"application/x-www-form-urlencoded", "multipart/form-data"}
UNAUTHORISED = "The token is missing or wrong."
SLUG_OR_TOKEN: list[Any] = [{}, {"pushToken": []}]  # an empty entry: also without
PUSH_BODY = {
    "application/json": PushSerializer,
    "application/x-www-form-urlencoded": PushFormSerializer,
}
RECEIPT_PARAMETER = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "maxLength": MOST_RECEIPT},
    OpenApiParameter.HEADER,
    description="Up to 64 characters; a repeat within 24 h gets the first answer, stored once.",
)


class TokenRefused(exceptions.APIException):
    """No token, or not this monitor's: one answer, whether the monitor exists or not."""

    status_code = 401
    default_detail = UNAUTHORISED
    auth_header = 'Bearer realm="push"'


class TooManyPushes(exceptions.Throttled):
    """More pushes of this monitor wait than are kept waiting."""

    def __init__(self) -> None:
        super().__init__(wait=1)
        self.detail = exceptions.ErrorDetail(
            "Too many pushes of this monitor are waiting. Try again in a second.", "throttled"
        )


class OverLimit(exceptions.Throttled):
    """More pushes than the operator lets through."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(wait=refusal.wait)
        self.detail = exceptions.ErrorDetail(refusal.text, "throttled")


class PushView(APIView):
    """What the three endpoints share: reading the body, finding the monitor, storing."""

    schema = ProblemSchema()
    refusals: tuple[str, ...] = ("400", "401", "404", "408", "413", "429", "503")
    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []
    parser_classes: list[Any] = []

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Answer JSON whatever the client says it accepts: a push is never refused for that."""
        return super().perform_content_negotiation(request, force=True)

    def find_by_slug(self, slug: str) -> Monitor:
        """Return the monitor of a slug that is current or in its overlap; NotFound otherwise."""
        if _SLUG.match(slug):
            alive = Q(push_keys__expires_at=None) | Q(push_keys__expires_at__gt=Now())
            with scopes_disabled():
                found = (
                    Monitor.objects.select_related("secret")
                    .filter(alive, push_keys__value=slug)
                    .first()
                )
            if found is not None:
                if (limits := push_limits()) is not None:
                    limits.learn(slug, found.pk, found.team_id)
                return found
        raise exceptions.NotFound("No monitor has this slug.")

    def find_allowed(self, request: Request, slug: str) -> Monitor:
        """Return the monitor of a slug that the request's token, if any, opens.

        Raises NotFound, and TokenRefused for a wrong token, or a missing one that is required.
        """
        monitor = self.find_by_slug(slug)
        token = bearer_token(request)
        if token is None and monitor.require_token:
            raise TokenRefused
        if token is not None and not token_is_valid(monitor, token):
            raise TokenRefused
        return monitor

    def store(self, request: Request, monitor: Monitor, fields: dict[str, Any]) -> Response:
        """Store the push and answer 201, or say why not."""
        _check_limits(request, monitor)
        try:
            answer = record_push(
                Push(
                    id=uuid7(),
                    monitor=UUID(str(monitor.pk)),
                    fail=fields["status"] == "fail",
                    latency_ms=fields["latency_ms"],
                    message=fields["message"],
                    labels=fields["labels"],
                    receipt=_receipt(request),
                )
            )
        except (TooManyWaiting, NotStored) as error:
            raise _refusal(error) from error
        if answer is None:
            raise exceptions.NotFound("No monitor has this slug.")
        return Response(msgspec.to_builtins(answer), status=201)

    def handle_exception(self, exc: Exception) -> Response:
        """Answer 503 while the database is away: never a 500."""
        if isinstance(exc, (DatabaseError, InterfaceError)):
            exc = Unavailable("The push was not stored. Send it again in a second.")
        return super().handle_exception(exc)


class SlugPushView(PushView):
    """Push a result; the slug in the path is the credential."""

    refusals = (*PushView.refusals, "415")

    @extend_schema(
        operation_id="push_by_slug",
        tags=["push"],
        auth=SLUG_OR_TOKEN,
        request=PUSH_BODY,
        responses={201: PushAnswerSerializer},
        parameters=[RECEIPT_PARAMETER],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Store one result of the monitor with this slug.

        The same names may be given as a form, or in the query string without a body.
        """
        refused = getattr(request._request, "scope", {}).get("tocsin.refused")
        if refused is not None:
            # The lane took it and the recorder would not: no database has to be asked again.
            raise _refusal(refused)
        body = read_push_body(request)
        monitor = self.find_allowed(request, slug)
        return self.store(request, monitor, _read(request, body))


class NamePushView(PushView):
    """Push a result by namespace and name; the bearer token is the credential."""

    refusals = (*PushView.refusals, "415")

    @extend_schema(
        operation_id="push_by_name",
        tags=["push"],
        auth=SLUG_OR_TOKEN[1:],
        request=PUSH_BODY,
        responses={201: PushAnswerSerializer},
        parameters=[RECEIPT_PARAMETER],
    )
    def post(self, request: Request, namespace: str, name: str) -> Response:
        """Store one result of the monitor of this name, by its token."""
        body = read_push_body(request)
        token = bearer_token(request)
        if token is None or "\x00" in namespace + name:
            raise TokenRefused
        with scopes_disabled():
            monitor = (
                Monitor.objects.select_related("secret")
                .filter(namespace__name=namespace, name=name)
                .first()
            )
        if monitor is None or not token_is_valid(monitor, token):
            raise TokenRefused
        return self.store(request, monitor, _read(request, body))


def _ping(operation_id: str, word: str) -> Any:
    return extend_schema(
        operation_id=operation_id,
        tags=["push"],
        auth=SLUG_OR_TOKEN,
        request={"text/plain": str},
        responses={201: PushAnswerSerializer},
        parameters=[RECEIPT_PARAMETER],
        description=f"Store a {word} of the monitor with this slug. A text body becomes the "
        "message.",
    )


@extend_schema_view(get=_ping("ping_pass", "pass"), post=_ping("post_ping_pass", "pass"))
class PingView(PushView):
    """Pass or fail without a body, for curl in a crontab."""

    status = "pass"

    def get(self, request: Request, slug: str) -> Response:
        """Store a result of the monitor with this slug; a text body becomes the message."""
        body = read_push_body(request)
        monitor = self.find_allowed(request, slug)
        message = body.decode("utf-8", "replace").replace("\x00", "�").strip()
        fields = read_fields({"status": self.status, "message": message or None}, typed=True)
        return self.store(request, monitor, fields)

    def head(self, request: Request, slug: str) -> Response:
        """Do what GET does."""
        return self.get(request, slug)

    def post(self, request: Request, slug: str) -> Response:
        """Do what GET does."""
        return self.get(request, slug)


@extend_schema_view(get=_ping("ping_fail", "fail"), post=_ping("post_ping_fail", "fail"))
class FailPingView(PingView):
    """The same for a fail."""

    status = "fail"


def _check_limits(request: Request, monitor: Monitor) -> None:
    """Count the push where that was not done in front of Django. Raises OverLimit."""
    if (limits := push_limits()) is None:
        return
    counted = getattr(request._request, "scope", {}).get("tocsin.counted", ())
    refusal = None
    if "address" not in counted:
        refusal = limits.check_address(request.META.get("REMOTE_ADDR") or "")
    if refusal is None and "monitor" not in counted:
        refusal = limits.check_monitor(monitor.pk, monitor.team_id)
    if refusal is not None:
        raise OverLimit(refusal)


def _refusal(error: TooManyWaiting | NotStored) -> exceptions.APIException:
    if isinstance(error, TooManyWaiting):
        return TooManyPushes()
    return Unavailable("The push was not stored, or is not known to be. Send it again.")


def _receipt(request: Request) -> str | None:
    key: str = request.META.get("HTTP_IDEMPOTENCY_KEY", "")
    if len(key) > MOST_RECEIPT or not key.isprintable():
        raise invalid("Idempotency-Key", f"Must be at most {MOST_RECEIPT} printable characters.")
    return key or None


def read_push_body(request: Request) -> bytes:
    """Return the body as it arrived. Raises TooLarge, TooSlow."""
    scope = getattr(request._request, "scope", {})
    outcome = scope.get("tocsin.body", BodyOutcome.COMPLETE)
    if outcome is BodyOutcome.TOO_LARGE:
        raise TooLarge(f"The body is larger than {MOST_BYTES} bytes.")
    if outcome is BodyOutcome.TOO_SLOW:
        raise TooSlow("The body did not arrive within 10 seconds.")
    body: bytes = request._request.body
    if len(body) > MOST_BYTES:
        raise TooLarge(f"The body is larger than {MOST_BYTES} bytes.")
    return body


def _read(request: Request, body: bytes) -> dict[str, Any]:
    """Return the fields of the push, from JSON, a form, or the query string if there is no body."""
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise exceptions.UnsupportedMediaType(
            request.META["HTTP_CONTENT_ENCODING"], "A compressed body is not supported."
        )
    content_type = request.META.get("CONTENT_TYPE", "")
    media_type = content_type.split(";")[0].strip().lower()
    charset = _CHARSET.search(content_type)
    if charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise exceptions.UnsupportedMediaType(content_type, "The body must be UTF-8.")
    if not body:
        query = _query_bytes(request)
        if query:
            return read_fields(_form(query), typed=False)
        raise invalid("status", "This field is required: pass or fail.", "required")
    if media_type in _JSON_TYPES:
        data = parse_json(body, parse_int=JSONNumber, parse_float=JSONNumber)
        return read_fields(data, typed=True)
    if media_type in _FORM_TYPES:
        data = _multipart(request, body) if media_type.startswith("multipart") else _form(body)
        return read_fields(data, typed=False)
    raise exceptions.UnsupportedMediaType(
        media_type or "(none)", "Send application/json or a form."
    )


def _query_bytes(request: Request) -> bytes:
    """Return the query string as it was sent, or what WSGI made of it."""
    scope = getattr(request._request, "scope", None)
    if scope is not None:
        return bytes(scope["query_string"])
    query: str = request.META.get("QUERY_STRING", "")
    return query.encode("latin-1", "replace")


def _form(data: bytes) -> dict[str, str]:
    """Return the fields of an urlencoded form; of duplicate names the last wins."""
    fields: dict[str, str] = {}
    try:
        for pair in data.split(b"&"):
            if pair:
                name, _, value = pair.replace(b"+", b" ").partition(b"=")
                fields[unquote_to_bytes(name).decode()] = unquote_to_bytes(value).decode()
    except UnicodeDecodeError as error:
        raise exceptions.ParseError("The form is not UTF-8.") from error
    return fields


def _multipart(request: Request, body: bytes) -> dict[str, str]:
    try:
        body.decode()
        form: QueryDict = request._request.POST
    except Exception as error:
        raise exceptions.ParseError("The form is not valid multipart in UTF-8.") from error
    if (form.encoding or settings.DEFAULT_CHARSET) != settings.DEFAULT_CHARSET:
        raise exceptions.ParseError("The form is not UTF-8.")
    return {name: str(form[name]) for name in form}
