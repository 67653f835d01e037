"""The OpenAPI description of what our views have in common, and the page that shows it."""

from __future__ import annotations

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

from accounts.api.problems import CONTENT_TYPE

ID_PARAMETER = OpenApiParameter("id", {"type": "string", "format": "uuid"}, OpenApiParameter.PATH)
_REFUSALS = {
    "400": "The request is malformed or invalid; `errors` names the fields.",
    "401": "The key is missing, unknown, expired or revoked.",
    "402": "The plan's number of monitors is used up.",
    "403": "The key's scope is too small.",
    "404": "There is no such thing in this team.",
    "409": "The name is taken, or the state does not allow it.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "429": "Too soon; Retry-After says how many seconds are left.",
    "503": "It cannot be done now; the detail says what was kept.",
}
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


class TenantSchema(AutoSchema):
    """Operations named `list_monitors`, tagged by resource, with the problems they may answer.

    A view says `resource = "monitors"`, `singular = "monitor"`, and in `conflicts`, `quotas`,
    `waits` and `mails` which of its actions may answer 409, 402, 429 or 503.
    """

    view: Any

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
        """Return the path's id, wherever there is one."""
        return [ID_PARAMETER] if "{id}" in self.path else []

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
        return bodies

    def _postprocess_serializer_schema(
        self, schema: dict[str, Any], serializer: Any, direction: str
    ) -> dict[str, Any]:
        base: Any = super()
        schema = base._postprocess_serializer_schema(schema, serializer, direction)
        # What may be left out of a request is in every answer all the same.
        if direction == "response" and schema.get("properties"):
            schema["required"] = sorted(schema["properties"])
        return schema

    def _refusals(self) -> list[str]:
        action = self.view.action
        statuses = {"400", "401"}
        if "{id}" in self.path:
            statuses.add("404")
        if self.method != "GET":
            statuses.add("403")
        if self.method in ("POST", "PATCH"):
            statuses |= {"413", "415"}
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
