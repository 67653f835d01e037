"""`/api/v1/apply`, `/api/v1/export` and `/api/v1/manifests/schema`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiRequest, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.problems import Conflict, QuotaReached, Unavailable
from accounts.api.views import TenantViewSet
from manifests.api.media import (
    DocumentsJSONParser,
    DocumentsJSONRenderer,
    OldYamlParser,
    TextYamlParser,
    YamlParser,
    YamlRenderer,
    problem_of,
)
from manifests.applying import Overtaken, apply_documents
from manifests.changes import Result
from manifests.exporting import export_documents, used_secrets
from manifests.problems import Refused
from manifests.reading.kinds import KINDS
from manifests.reading.schema import manifest_schema
from manifests.reading.writing import write_yaml
from monitors.services import QuotaExceeded
from monitors.waiting import Busy

_ACTIONS = ["created", "updated", "unchanged", "deleted"]
_DOCUMENT = {"type": "object", "additionalProperties": True, "nullable": True}
_DOCUMENTS = {"oneOf": [_DOCUMENT, {"type": "array", "items": _DOCUMENT}]}
_EXAMPLE = """\
apiVersion: tocsin/v1
kind: Monitor
metadata: {name: nightly-backup, namespace: acme}
spec:
  silent_after: 90000
  grace: 3600
"""


class ChangeSerializer(serializers.Serializer[Any]):
    """A field that is different. Secrets are masked."""

    field = serializers.CharField()
    to = serializers.JSONField(allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        """Return the fields; `from` is no name that Python lets a class have."""
        fields = super().get_fields()
        return {
            "field": fields["field"],
            "from": serializers.JSONField(allow_null=True),
            "to": fields["to"],
        }


class ResultOfApplySerializer(serializers.Serializer[Any]):
    """What became of one thing; `changes` only with `dry_run`."""

    sometimes = ("changes",)

    kind = serializers.CharField()
    namespace = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    action = serializers.ChoiceField(_ACTIONS)
    changes = ChangeSerializer(many=True, required=False)


class AppliedSerializer(serializers.Serializer[Any]):
    """What became of everything, in the order of the documents; what was pruned comes last."""

    results = ResultOfApplySerializer(many=True)
    warnings = serializers.ListField(child=serializers.CharField())


class ApplyViewSet(TenantViewSet):
    """Making the team's things as documents say."""

    resource = "manifests"
    singular = "manifest"
    quotas = ("create",)
    conflicts = ("create",)
    mails = ("create",)  # 503, as mailing may answer: another apply is under way
    parser_classes = [YamlParser, TextYamlParser, OldYamlParser, DocumentsJSONParser]

    @extend_schema(
        operation_id="apply_manifests",
        parameters=[
            OpenApiParameter("dry_run", OpenApiTypes.BOOL, description="Say what would change."),
            OpenApiParameter(
                "prune",
                OpenApiTypes.BOOL,
                description="Delete what an earlier apply created and is not contained any more.",
            ),
        ],
        request={
            "application/yaml": OpenApiRequest({"type": "string", "example": _EXAMPLE}),
            "application/json": OpenApiRequest(_DOCUMENTS),
        },
        responses={200: AppliedSerializer},
    )
    def create(self, request: Request) -> Response:
        """Apply documents: all of them, or none if anything is wrong with any."""
        dry_run, prune = _flag(request, "dry_run"), _flag(request, "prune")
        documents = request.data
        if not isinstance(documents, list):  # no body at all
            documents = []
        try:
            outcome = apply_documents(
                team=self.access.team, documents=documents, dry_run=dry_run, prune=prune
            )
        except Refused as error:
            raise problem_of(error) from error
        except Busy as error:
            text = "Another change of this team is under way. Nothing was applied."
            raise Unavailable(text) from error
        except Overtaken as error:
            text = "Something was changed by somebody else meanwhile. Nothing was applied."
            raise Conflict(text) from error
        except QuotaExceeded as error:
            text = f"The plan allows {error.quota} monitors; these would be more."
            raise QuotaReached(text) from error
        results = [_show(result, dry_run=dry_run) for result in outcome.results]
        return Response({"results": results, "warnings": outcome.warnings})


class ExportViewSet(TenantViewSet):
    """What the team has, as documents."""

    resource = "manifests"
    singular = "manifest"
    renderer_classes = [YamlRenderer, DocumentsJSONRenderer]
    pagination_class = None

    @extend_schema(
        operation_id="export_manifests",
        parameters=[
            OpenApiParameter("namespace", str, description="Only what lies in this namespace."),
            OpenApiParameter("kind", str, description="Only documents of this kind."),
        ],
        responses={
            (200, "application/yaml"): OpenApiResponse(OpenApiTypes.STR),
            (200, "application/json"): OpenApiResponse(  # a list of these
                {"type": "object", "additionalProperties": True}
            ),
        },
    )
    def list(self, request: Request) -> Response:
        """Export documents that apply back as unchanged. Values of Secrets are not among them."""
        team, query = self.access.team, request.query_params
        namespace, kind = query.get("namespace") or None, query.get("kind") or None
        known = sorted({each.name for each in KINDS})
        if kind is not None and kind not in known:
            text = f"Must be one of: {', '.join(known)}."
            raise ValidationError({"kind": [ErrorDetail(text, code="invalid_choice")]})
        documents = export_documents(team=team, namespace=namespace, kind=kind)
        if isinstance(request.accepted_renderer, DocumentsJSONRenderer):
            return Response(documents)
        heading = [f"Needs the Secret {name}" for name in used_secrets(team, namespace)]
        return Response(write_yaml(documents, heading=heading))


class ManifestSchemaView(APIView):
    """The JSON Schema of documents, for editors: no key is needed."""

    authentication_classes = []
    permission_classes = [AllowAny]
    schema = None
    metadata_class = None

    def get(self, request: Request) -> Response:
        """Return the schema."""
        return Response(manifest_schema(), headers={"Cache-Control": "public, max-age=300"})


def _flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name, "false")
    if text not in ("true", "false"):
        detail = ErrorDetail("Must be true or false.", code="invalid")
        raise ValidationError({name: [detail]})
    return text == "true"


def _show(result: Result, *, dry_run: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "kind": result.kind,
        "namespace": result.namespace,
        "name": result.name,
        "action": result.action,
    }
    if dry_run:
        shown["changes"] = [
            {"field": change.field, "from": change.before, "to": change.after}
            for change in result.changes
        ]
    return shown
