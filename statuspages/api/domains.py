"""`POST /api/v1/status-pages/{id}/verify-domain`."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import get_object
from accounts.api.problems import Conflict
from accounts.api.views import TenantViewSet
from monitors.queries import database_now
from statuspages.api.pages import StatusPageSerializer
from statuspages.models import StatusPage
from statuspages.serving.domains import TAKEN, verify_domain


class PageDomainViewSet(TenantViewSet):
    """The proof of a page's domain."""

    resource = "status_pages"
    singular = "status_page_domain"
    conflicts = ("verify",)

    @extend_schema(request=None, responses=StatusPageSerializer)
    @action(detail=True, methods=["post"], url_path="verify-domain")
    def verify(self, request: Request, **kwargs: str) -> Response:
        """Look for the TXT record now; 400 says what was found instead."""
        page = self.find(StatusPage.objects.all())
        proof = verify_domain(page, now=database_now())
        if proof.problem == TAKEN:
            raise Conflict(TAKEN)
        if not proof.proved:
            raise ValidationError({"domain": [ErrorDetail(proof.problem, code="not_proved")]})
        return Response(StatusPageSerializer(get_object(StatusPage.objects.all(), page.pk)).data)
