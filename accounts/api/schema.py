"""The OpenAPI description of what our views have in common, and the page that shows it."""

from __future__ import annotations

import re
from typing import Any, Literal

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.utils import OpenApiParameter
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from accounts.api.fields import StrictSerializer, StrictText
from accounts.api.problems import CONTENT_TYPE

ID_PARAMETER = OpenApiParameter("id", {"type": "string", "format": "uuid"}, OpenApiParameter.PATH)
IDEMPOTENCY_PARAMETER = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "maxLength": 255},
    OpenApiParameter.HEADER,
    description="A repeat within 24 h gets the first answer and does nothing.",
)
IF_MATCH_PARAMETER = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` that was read: 412 if somebody has changed it since.",
)
IF_NONE_MATCH_PARAMETER = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` of the answer that you have: 304 without a body if it still holds.",
)
ETAG_HEADER = OpenApiParameter(
    "ETag", str, OpenApiParameter.HEADER, response=["200"], description="For `If-Match`."
)
_REFUSALS = {
    "400": "The request is malformed or invalid; `errors` names the fields.",
    "401": "The key or token is missing, unknown, expired or revoked.",
    "402": "The plan's number of monitors is used up.",
    "403": "The key's scope is too small.",
    "404": "There is no such thing in this team.",
    "406": "No type that `Accept` names can be answered.",
    "408": "The body did not arrive in time.",
    "409": "The name is taken, or the state does not allow it.",
    "412": "It was changed since it was read: `If-Match` does not hold.",
    "413": "The body is too large.",
    "415": "The body is of a type that is not read here.",
    "422": "The `Idempotency-Key` was used for another request.",
    "429": "Too soon, or too often; `Retry-After` says how many seconds are left.",
    "503": "It cannot be done now; the detail says what was kept.",
}
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds until it is worth trying again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    }
}
_SENTENCE_END = re.compile(r"[.;:](?=\s|$)")
_VERBS = {"list": "list", "retrieve": "read", "create": "create", "partial_update": "update"}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "detail"],
                "properties": {
                    "field": {"type": "string"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How an API key is sent."""

    target_class = "accounts.api.authentication.ApiKeyAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return the Bearer scheme."""
        return {"type": "http", "scheme": "bearer"}


class ProblemSchema(AutoSchema):
    """Operations with a summary, and with the problems (`refusals` of the view) they may answer."""

    view: Any

    def get_summary(self) -> str:
        """Return what the description says first."""
        first = self.get_description().partition("\n")[0]
        return _SENTENCE_END.split(first, maxsplit=1)[0]

    def _get_response_bodies(
        self, direction: Literal["request", "response"] = "response"
    ) -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        component = ResolvedComponent(  # type: ignore[no-untyped-call]
            name="Problem", type=ResolvedComponent.SCHEMA, object="Problem", schema=_PROBLEM
        )
        self.registry.register_on_missing(component)
        for status in self._refusals():
            bodies[status] = {
                "description": _REFUSALS[status],
                "content": {CONTENT_TYPE: {"schema": component.ref}},
            }
            if status in ("429", "503"):
                bodies[status]["headers"] = _RETRY_AFTER
        return bodies

    def _map_serializer_field(
        self, field: Any, direction: str, bypass_extensions: bool = False
    ) -> dict[str, Any]:
        base: Any = super()
        schema: dict[str, Any] = base._map_serializer_field(field, direction, bypass_extensions)
        is_plain = schema.get("type") == "string" and not {"enum", "format", "pattern"} & {*schema}
        is_said = isinstance(field, StrictText) and field.trim_whitespace and not field.allow_blank
        if direction == "request" and is_plain and is_said:
            schema["pattern"] = r"\S"  # nothing but white space is nothing
        return schema

    def _postprocess_serializer_schema(
        self, schema: dict[str, Any], serializer: Any, direction: str
    ) -> dict[str, Any]:
        base: Any = super()
        schema = base._postprocess_serializer_schema(schema, serializer, direction)
        if not schema.get("properties"):
            return schema
        if direction == "response":
            # What may be left out of a request is in every answer all the same, but for what the
            # serializer names as being there only `sometimes`.
            sometimes = getattr(serializer, "sometimes", ())
            schema["required"] = sorted({*schema["properties"]} - {*sometimes})
            if not schema["required"]:
                schema.pop("required")
        elif isinstance(serializer, StrictSerializer):
            schema["additionalProperties"] = False
        return schema

    def _refusals(self) -> list[str]:
        return sorted(self.view.refusals)


class TenantSchema(ProblemSchema):
    """Operations named `list_monitors`, tagged by resource, with the problems they may answer.

    A view says `resource = "monitors"`, `singular = "monitor"`, and in `conflicts`, `quotas`,
    `waits` and `mails` which of its actions may answer 409, 402, 429 or 503.
    """

    def get_operation_id(self) -> str:
        """Return verb and resource; an action's own name with the resource in the singular."""
        action: str = self.view.action
        if action == "list":
            return f"list_{self.view.resource}"
        verb = _VERBS.get(action, "delete" if action == "destroy" else action)
        return f"{verb}_{self.view.singular}"

    def get_tags(self) -> list[str]:
        """Return the resource."""
        return [self.view.resource.replace("_", "-")]

    def get_override_parameters(self) -> list[Any]:
        """Return the path's id, wherever there is one, and the headers that have a meaning."""
        action = getattr(self.view, "action", None)
        parameters = [ID_PARAMETER] if "{id}" in self.path else []
        if self.method == "POST":
            parameters.append(IDEMPOTENCY_PARAMETER)
        if action in ("partial_update", "destroy") and hasattr(self.view, "retrieve"):
            parameters.append(IF_MATCH_PARAMETER)
        if action in ("retrieve", "partial_update"):
            parameters.append(ETAG_HEADER)
        if self._is_one_read():
            parameters.append(IF_NONE_MATCH_PARAMETER)
        return parameters

    def _get_response_bodies(
        self, direction: Literal["request", "response"] = "response"
    ) -> dict[str, Any]:
        bodies = super()._get_response_bodies(direction)
        if self._is_one_read():
            bodies["304"] = {"description": "It is as the `ETag` in `If-None-Match` says."}
        return bodies

    def _is_one_read(self) -> bool:
        return self.method == "GET" and self.view.action == "retrieve"

    def _refusals(self) -> list[str]:
        action = self.view.action
        statuses = {"400", "401", "406", "429"}
        # With several renderers `format` may name one that there is not.
        if "{id}" in self.path or len(self.view.renderer_classes) > 1:
            statuses.add("404")
        if self.method != "GET" or hasattr(self.view, "read_scope"):
            statuses.add("403")
        if self.method in ("POST", "PATCH"):
            statuses |= {"413", "415"}
        if self.method == "POST":
            statuses |= {"409", "422"}
        if action in ("partial_update", "destroy") and hasattr(self.view, "retrieve"):
            statuses.add("412")
        kinds = {"conflicts": "409", "quotas": "402", "waits": "429", "mails": "503"}
        statuses |= {s for kind, s in kinds.items() if action in getattr(self.view, kind, ())}
        return sorted(statuses)


class SchemaView(SpectacularAPIView):
    """The OpenAPI document, JSON unless YAML is asked for."""

    renderer_classes = [
        OpenApiJsonRenderer2,
        OpenApiJsonRenderer,
        OpenApiYamlRenderer,
        OpenApiYamlRenderer2,
    ]


class DocsView(SpectacularSwaggerSplitView):
    """The page that shows it, from files of ours alone."""

    url_name = "api-schema"

    def _dump(self, data: Any) -> Any:
        # Swagger UI would ask a validator on the web about every schema it shows.
        if isinstance(data, dict) and "deepLinking" in data:
            data = data | {"validatorUrl": None}
        return super()._dump(data)  # type: ignore[no-untyped-call]


def drop_optional_slashes(endpoints: list[Any], **_: Any) -> list[Any]:
    """Return the endpoints without the trailing slash that some paths tolerate."""
    return [(path.rstrip("/"), *others) for path, *others in endpoints]
