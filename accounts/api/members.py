"""`/api/v1/members`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ValidationError as InvalidAddress
from django.core.validators import validate_email
from django.db.models import QuerySet
from django.utils.timezone import now as clock
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, Throttled, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import invitations, members
from accounts.api.fields import StrictChoice, StrictSerializer, StrictText, refuse_changes
from accounts.api.problems import Conflict, Unavailable
from accounts.api.views import TenantViewSet
from accounts.models import Membership, Role, Scope

MOST_ADDRESS_CHARACTERS = 254


@extend_schema_field({"type": "string", "format": "email", "maxLength": MOST_ADDRESS_CHARACTERS})
class AddressField(StrictText):
    """A mail address, kept in lower case."""

    def to_internal_value(self, data: Any) -> str:
        """Return the address. Raises ValidationError for what is none."""
        address = super().to_internal_value(data).lower()
        if len(address) <= MOST_ADDRESS_CHARACTERS:
            try:
                validate_email(address)
            except InvalidAddress:
                pass
            else:
                return address
        raise ValidationError([ErrorDetail("Must be a mail address.", code="invalid")])


@extend_schema_field({"type": "string", "enum": Role.values}, component_name="Role")
class RoleField(StrictChoice):
    """What a member may do."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=Role.values, **options)


class MemberSerializer(StrictSerializer):
    """A person's place in the team. `accepted_at` is null until they have accepted it."""

    id = serializers.UUIDField(read_only=True)
    email = AddressField(source="user.email")
    name = StrictText(
        source="user.name",
        max_length=120,
        required=False,
        allow_blank=True,
        help_text="Until the place is accepted; people name themselves.",
    )
    role = RoleField(required=False, help_text="`member` unless given.")
    accepted_at = serializers.DateTimeField(read_only=True, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)

    def to_representation(self, member: Membership) -> dict[str, Any]:
        """Return the place; a person's own name is shown once they have accepted it."""
        return {**super().to_representation(member), "name": member.name}


class MemberChangeSerializer(StrictSerializer):
    """What can be changed of a member; the rest may be sent back as it was."""

    id = serializers.UUIDField(read_only=True)
    email = serializers.EmailField(read_only=True)
    name = serializers.CharField(read_only=True)
    role = RoleField()
    accepted_at = serializers.DateTimeField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)


class MemberViewSet(TenantViewSet):
    """The team's people."""

    resource = "members"
    singular = "member"
    needed_scope = Scope.ADMIN
    conflicts = ("create", "partial_update", "destroy")
    mails = ("create",)

    @extend_schema(
        parameters=[OpenApiParameter("email", str, description="Only the member of this address.")],
        responses=MemberSerializer(many=True),
    )
    def list(self, request: Request) -> Response:
        """List members, newest first; `accepted_at` is null for those who have yet to accept."""
        rows = _rows()
        if "email" in request.query_params:
            rows = rows.filter(user__email=request.query_params["email"].strip().lower())
        return self.get_paginated_response(MemberSerializer(self.page(rows), many=True).data)

    @extend_schema(request=MemberSerializer, responses={201: MemberSerializer})
    def create(self, request: Request) -> Response:
        """Make a place at once, and mail an invitation to take it; until then nothing pages them.

        It can be put into rotations right away. 503 if no mail server took the invitation: both
        stay, and the invitation can be sent again.
        """
        fields = self.read_body(MemberSerializer)
        person = fields["user"]
        with refusals():
            member = members.add_member(
                access=self.access,
                email=person["email"],
                name=person.get("name", ""),
                role=fields.get("role", Role.MEMBER),
                now=clock(),
            )
        return Response(MemberSerializer(member).data, status=201)

    @extend_schema(responses=MemberSerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read a member."""
        return Response(MemberSerializer(self.find(_rows())).data)

    @extend_schema(request=MemberChangeSerializer, responses=MemberSerializer)
    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Change a member's role. The last owner stays one: 409."""
        member = self.find(_rows())
        fields = self.read_body(MemberChangeSerializer, partial=True)
        refuse_changes(request.data, MemberSerializer(member).data, "email")
        if "role" in fields:
            with refusals():
                member = members.change_role(access=self.access, member=member, role=fields["role"])
        return Response(MemberSerializer(member).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Take a person out of the team; the API keys that they made stay. The last owner: 409."""
        with refusals():
            members.remove_member(access=self.access, member=self.find(_rows()))
        return Response(status=204)


def _rows() -> QuerySet[Membership]:
    return Membership.objects.select_related("user")


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what the services of members and invitations refuse into its problem."""
    try:
        yield
    except invitations.AlreadyMember as error:
        raise Conflict("The team has a member of this address.") from error
    except invitations.AlreadyInvited as error:
        raise Conflict("This address has an open invitation; send that one again.") from error
    except invitations.TooManyOpen as error:
        text = f"The team has {invitations.MOST_OPEN} open invitations; revoke some first."
        raise Conflict(text) from error
    except members.LastOwner as error:
        raise Conflict(
            "This is the team's last owner; make somebody else an owner first."
        ) from error
    except invitations.SentJustNow as error:
        raise Throttled(error.wait, "The invitation was sent less than a minute ago.") from error
    except invitations.MailNotSent as error:
        raise Unavailable(
            "No mail server took the invitation. It is kept: send it again with "
            "POST /api/v1/invitations/{id}/resend."
        ) from error
