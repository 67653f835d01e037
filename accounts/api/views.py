"""What every view of the REST API stands on: inside one team, bounded, and strict."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, TypeVar, cast
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.db import connection, transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.exceptions import ErrorDetail, Throttled, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts.access import Access, get_object
from accounts.api.authentication import bearer_token
from accounts.api.pagination import NEWEST_FIRST, PageOrder
from accounts.api.problems import PreconditionFailed, TooLarge
from accounts.api.rates import Usage, count_request
from accounts.api.receipts import Receipt, Repeated, open_receipt
from accounts.api.schema import TenantSchema
from accounts.api.validators import is_known, make_tag, may_write

MOST_BODY_BYTES = 1 << 20
M = TypeVar("M", bound=Model)


class TenantView(APIView):
    """A view whose queries see one team's rows: that of the key which the request carries."""

    schema = TenantSchema()
    metadata_class = None
    most_body_bytes = MOST_BODY_BYTES
    _oversized = False
    _receipt: Receipt | None = None
    _usage: Usage | None = None
    _is_guarded = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer within the team's scope, which ends with the answer whatever happens."""
        try:
            with ExitStack() as self._scopes:
                response = super().dispatch(request, *args, **kwargs)
                if isinstance(response, Response):
                    self.add_validator(response)
                    response.render()
        except BaseException:
            if self._receipt is not None:
                self._receipt.give_back()
            raise
        if self._receipt is not None and isinstance(response, Response):
            self._receipt.keep(response)
        if self._usage is not None:
            for name, value in self._usage.headers.items():
                response[name] = value
        return response

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Wrap the request, with a body of bounded size.

        A chunked body has no Content-Length, for which DRF would read an empty one.
        """
        if request.method in ("POST", "PATCH", "PUT"):
            body = request.read(self.most_body_bytes + 1)
            self._oversized = len(body) > self.most_body_bytes
            request._body = b"" if self._oversized else body
            request.META["CONTENT_LENGTH"] = str(len(body))
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check key, scope, body size and query string, then enter the team."""
        super().initial(request, *args, **kwargs)
        if self._oversized:
            raise TooLarge(f"The body is larger than {self.most_body_bytes} bytes.")
        for name, values in request.query_params.lists():
            if any("\x00" in value for value in values):
                raise ValidationError(
                    {name: [ErrorDetail("Must not hold a NUL character.", code="nul")]}
                )
        if request.method == "POST" and self.access.key is not None:
            self._receipt = open_receipt(
                request,
                key=self.access.key,
                secret=bearer_token(request) or "",
                body=request._request.body,
            )
        address = request.META.get("REMOTE_ADDR") or ""
        self._scopes.enter_context(self.access.inside(address=address))

    def check_permissions(self, request: Request) -> None:
        """Count the request first: one that is refused is counted too."""
        if isinstance(request.auth, Access):
            self._count()
        super().check_permissions(request)

    def add_validator(self, response: Response) -> None:
        """Give the answer its ETag, where it has one."""

    def _count(self) -> None:
        """Count the request of the key. Raises Throttled."""
        key = self.access.key
        self._usage = None if key is None else count_request(key)
        if self._usage is not None and self._usage.is_over:
            raise Throttled(self._usage.reset, "Too many requests of this key.")

    @property
    def access(self) -> Access:
        """What the request's key opens."""
        return cast("Access", self.request.auth)

    def handle_exception(self, exc: Exception) -> Response:
        """Answer 404 for a thing that was deleted while we worked on it."""
        if isinstance(exc, Repeated):
            return exc.answer
        if self._is_guarded:
            transaction.set_rollback(True)
        if isinstance(exc, ObjectDoesNotExist):
            exc = Http404()
        return super().handle_exception(exc)

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """Say in Allow what can be done here."""
        return Response(status=204)


class TenantViewSet(TenantView, GenericViewSet[Any]):
    """Several actions on one kind of the team's things, found by the `id` in the path."""

    lookup_url_kwarg = "id"
    lookup_value_regex = "[^/]+"
    page_order: PageOrder = NEWEST_FIRST
    filter_backends: list[Any] = []
    resource: str
    live_fields: tuple[str, ...] = ()  # of the resource: what changes by itself

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Enter the team, and see to `If-Match` before anything is changed."""
        super().initial(request, *args, **kwargs)
        header = request.META.get("HTTP_IF_MATCH")
        if header is None or self.action not in ("partial_update", "destroy"):
            return
        if (retrieve := getattr(self, "retrieve", None)) is None:
            return
        # From the comparison to the change nobody else who compares may come between.
        self._scopes.enter_context(transaction.atomic())
        self._is_guarded = True
        with connection.cursor() as cursor:
            pk = self._spelt_one_way(self.kwargs[self.lookup_url_kwarg])
            # With the team: who waits for another team's lock knows that there is something.
            name = f"{self.access.team.pk}:{self.resource}:{pk}"
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        present = make_tag(retrieve(request, **kwargs).data, live_fields=self.live_fields)
        if not may_write(header, present):
            raise PreconditionFailed

    def add_validator(self, response: Response) -> None:
        """Give what was read or changed its ETag; 304 without a body if the client has it."""
        if self.action not in ("retrieve", "partial_update") or response.status_code != 200:
            return
        tag = make_tag(response.data, live_fields=self.live_fields)
        response["ETag"] = tag
        header = self.request.META.get("HTTP_IF_NONE_MATCH")
        if self.action == "retrieve" and header is not None and is_known(header, tag):
            response.status_code = 304
            response.data = None

    @staticmethod
    def _spelt_one_way(pk: str) -> str:
        """Return an id as we spell it: capitals, braces and hyphens left out name the same row."""
        try:
            return str(UUID(pk))
        except ValueError:
            return pk

    def find(self, rows: QuerySet[M]) -> M:
        """Return the row that the path names; 404 for missing, foreign and malformed ids alike."""
        return get_object(rows, self.kwargs["id"])

    def page(self, rows: QuerySet[M]) -> list[M]:
        """Return the rows of the page that was asked for."""
        return cast("list[M]", self.paginate_queryset(rows))

    def read_body(self, serializer: type[Any], *, partial: bool = False, **context: Any) -> Any:
        """Return the validated body. Raises ValidationError."""
        reader = serializer(
            data=self.request.data,
            partial=partial,
            context={**self.get_serializer_context(), **context},
        )
        reader.is_valid(raise_exception=True)
        return reader.validated_data
