"""`/api/v1/contact-methods`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, Throttled, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.fields import StrictInteger, StrictSerializer, StrictText
from accounts.api.pagination import PageOrder, parse_integer
from accounts.api.problems import Conflict
from accounts.api.views import TenantViewSet
from accounts.models import Membership
from incidents import contact_methods as methods
from incidents.api.channels import ConfigField, KindField
from incidents.api.fields import ListField, MemberField
from incidents.api.matchers import HoursSerializer
from incidents.api.serializers import DeliverySerializer
from incidents.channels.base import InvalidConfig
from incidents.channels.registry import KINDS
from incidents.contacts import MOST_DELAY_SECONDS, MOST_QUIET_HOURS, ensure_account_methods
from incidents.models import ContactMethod
from incidents.notifications.contacting import (
    AlreadyVerified,
    NotUsable,
    TooSoon,
    send_code,
    test_method,
)

IN_ORDER = PageOrder(
    (("membership_id", UUID), ("position", parse_integer), ("pk", UUID)), descending=False
)


@extend_schema_field(HoursSerializer(many=True))
class QuietHoursField(serializers.Field[Any, Any, Any, Any]):
    """Hours of the week, read whole: within a PATCH too they have their defaults."""

    def to_internal_value(self, data: Any) -> list[dict[str, Any]]:
        """Return the entries. Raises ValidationError."""
        reader = ListField(child=HoursSerializer(), most=MOST_QUIET_HOURS)
        entries: list[dict[str, Any]] = reader.run_validation(data)
        return [dict(entry) for entry in entries]

    def to_representation(self, value: Any) -> Any:
        """Return the entries as they are."""
        return value


class ContactMethodSerializer(StrictSerializer):
    """A way to reach a member. Secrets are written and never read."""

    id = serializers.UUIDField(read_only=True)
    member = MemberField(
        source="membership", accepted=True, help_text="A member's e-mail address; it stays."
    )
    name = StrictText(max_length=120, required=False, allow_blank=True)
    kind = KindField()
    config = ConfigField()
    position = StrictInteger(
        required=False,
        help_text="Insertion index: later methods of the member shift. The end unless given.",
    )
    delay = StrictInteger(
        required=False,
        max_value=MOST_DELAY_SECONDS,
        help_text="Seconds after the usable method before it.",
    )
    quiet_hours = QuietHoursField(
        required=False, help_text="When what is not critical is held back."
    )
    verified_at = serializers.DateTimeField(read_only=True, allow_null=True)
    disabled_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="Send null to make a disabled one work again."
    )
    created_at = serializers.DateTimeField(read_only=True)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Return the validated fields; of `disabled_at` only null can be said."""
        fields = super().run_validation(data)
        if isinstance(fields, dict) and fields.get("disabled_at") is not None:
            del fields["disabled_at"]
        return fields

    def to_representation(self, method: ContactMethod) -> dict[str, Any]:
        """Return the method without its secrets, or with what its creator must be told."""
        shown: dict[str, Any] = super().to_representation(method)
        kind = KINDS[method.kind]
        shown["config"] = kind.hide_secrets(method.config)
        if self.context.get("created") and kind.name == "webhook":
            shown["config"]["secret"] = method.config["secret"]
        return shown


class CodeSerializer(StrictSerializer):
    """The code that was sent."""

    code = StrictText(max_length=20, help_text="Six digits.")


_MEMBER = OpenApiParameter("member", OpenApiTypes.STR, description="Those of this address.")


class ContactMethodViewSet(TenantViewSet):
    """The ways in which members can be reached, by member and in the order they are tried."""

    resource = "contact_methods"
    singular = "contact_method"
    conflicts = ("create", "partial_update", "destroy", "send_code", "test")
    page_order = IN_ORDER

    @extend_schema(parameters=[_MEMBER], responses=ContactMethodSerializer(many=True))
    def list(self, request: Request) -> Response:
        """List contact methods, each member's in order.

        A member who has made none has the account's verified address as one.
        """
        members = _members()
        if email := request.query_params.get("member"):
            members = members.filter(user__email=email.strip().lower())
        ensure_account_methods(members.values_list("pk", flat=True))
        page = self.page(_methods().filter(membership__in=members))
        return self.get_paginated_response(ContactMethodSerializer(page, many=True).data)

    @extend_schema(request=ContactMethodSerializer, responses={201: ContactMethodSerializer})
    def create(self, request: Request) -> Response:
        """Create a method and send a code to it, unless it is verified already.

        An e-mail method has one address; one that the member's account has verified needs no code.
        A webhook's signing secret is in this answer and never shown again.
        """
        fields = self.read_body(ContactMethodSerializer)
        fields.pop("disabled_at", None)
        with _refusals():
            method = methods.create_method(**fields)
        return self._answer(method, status=201, created=True)

    @extend_schema(responses=ContactMethodSerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read a contact method."""
        return Response(ContactMethodSerializer(self._find()).data)

    @extend_schema(request=ContactMethodSerializer, responses=ContactMethodSerializer)
    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Change a method, or move it. Where a changed `config` leads has to be verified anew.

        Secrets that are not mentioned stay.
        """
        method = self._find()
        fields = self.read_body(ContactMethodSerializer, partial=True)
        if fields.pop("kind", method.kind) != method.kind:
            raise _immutable("kind")
        if fields.pop("membership", method.membership) != method.membership:
            raise _immutable("member")
        enable = "disabled_at" in fields and fields.pop("disabled_at") is None
        with _refusals():
            changed = methods.update_method(method=method, enable=enable, **fields)
        return self._answer(changed, proved_anew=changed.config != method.config)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Delete a method; later ones move up. The last usable one of somebody on call: 409."""
        with _refusals():
            methods.delete_method(method=self._find())
        return Response(status=204)

    @extend_schema(
        operation_id="send_contact_method_code",
        request=None,
        responses={202: DeliverySerializer},
    )
    @action(detail=True, methods=["post"], url_path="send-code")
    def send_code(self, request: Request, **kwargs: str) -> Response:
        """Send a new code, at most one a minute and ten a day; the last one is worthless then."""
        with _refusals():
            delivery = send_code(method=self._find(), actor=self.access.actor)
        return Response(DeliverySerializer(delivery).data, status=202)

    @extend_schema(request=CodeSerializer, responses=ContactMethodSerializer)
    @action(detail=True, methods=["post"])
    def verify(self, request: Request, **kwargs: str) -> Response:
        """Verify a method by the code that was sent to it, within 15 minutes and five tries."""
        method = self._find()
        code = self.read_body(CodeSerializer)["code"]
        with _refusals():
            method = methods.check_code(method=method, code=code)
        return Response(ContactMethodSerializer(_methods().get(pk=method.pk)).data)

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, **kwargs: str) -> Response:
        """Send a test message to a verified method; its delivery tells what became of it."""
        with _refusals():
            delivery = test_method(method=self._find(), actor=self.access.actor)
        return Response(DeliverySerializer(delivery).data, status=202)

    def _find(self) -> ContactMethod:
        return self.find(_methods())

    def _answer(
        self,
        method: ContactMethod,
        *,
        status: int = 200,
        created: bool = False,
        proved_anew: bool = False,
    ) -> Response:
        if (created or proved_anew) and method.verified_at is None:
            with suppress(TooSoon, AlreadyVerified):  # it can be asked for later
                send_code(method=method, actor=self.access.actor)
        shown = ContactMethodSerializer(_methods().get(pk=method.pk), context={"created": created})
        return Response(shown.data, status=status)


def _members() -> QuerySet[Membership]:
    return Membership.objects.select_related("user").filter(accepted_at__isnull=False)


def _methods() -> QuerySet[ContactMethod]:
    rows = ContactMethod.objects.select_related("membership__user")
    return rows.filter(membership__accepted_at__isnull=False)


def _immutable(name: str) -> ValidationError:
    text = f"The {name} of a contact method cannot change; create another contact method."
    return ValidationError({name: [ErrorDetail(text, code="immutable")]})


def _refuse_code(text: str, code: str) -> ValidationError:
    return ValidationError({"code": [ErrorDetail(text, code=code)]})


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what a service refuses into its problem."""
    try:
        yield
    except InvalidConfig as error:
        details = {
            field: [ErrorDetail(text, code="invalid")] for field, text in error.errors.items()
        }
        raise ValidationError({"config": details}) from error
    except methods.TooManyMethods as error:
        text = f"The member has {methods.MOST_METHODS} contact methods. Delete one first."
        raise Conflict(text) from error
    except methods.LastUsable as error:
        raise Conflict(
            "The member is in a rotation or an escalation policy and could be reached in no other "
            "way. Add and verify another contact method first."
        ) from error
    except methods.WrongCode as error:
        text = f"This is not the code that was sent. Tries left: {error.tries_left}."
        raise _refuse_code(text, "wrong") from error
    except methods.TooManyTries as error:
        raise _refuse_code("Too many wrong codes. Ask for a new one.", "too_many") from error
    except methods.CodeExpired as error:
        raise _refuse_code("No code is valid now. Ask for a new one.", "expired") from error
    except AlreadyVerified as error:
        raise Conflict("The contact method is verified already.") from error
    except NotUsable as error:
        raise Conflict("Only a verified contact method that is not disabled is sent to.") from error
    except TooSoon as error:
        raise Throttled(wait=error.seconds) from error
