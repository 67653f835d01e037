"""What every view of the REST API stands on: inside one team, bounded, and strict."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, TypeVar, cast

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts.access import Access, get_object
from accounts.api.pagination import NEWEST_FIRST, PageOrder
from accounts.api.problems import TooLarge
from accounts.api.schema import TenantSchema

MOST_BODY_BYTES = 1 << 20
M = TypeVar("M", bound=Model)


class TenantView(APIView):
    """A view whose queries see one team's rows: that of the key which the request carries."""

    schema = TenantSchema()
    metadata_class = None
    most_body_bytes = MOST_BODY_BYTES
    _oversized = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer within the team's scope, which ends with the answer whatever happens."""
        with ExitStack() as self._scopes:
            return super().dispatch(request, *args, **kwargs)

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
        self._scopes.enter_context(self.access.inside())

    @property
    def access(self) -> Access:
        """What the request's key opens."""
        return cast("Access", self.request.auth)

    def handle_exception(self, exc: Exception) -> Response:
        """Answer 404 for a thing that was deleted while we worked on it."""
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
