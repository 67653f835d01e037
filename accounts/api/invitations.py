"""`/api/v1/invitations`."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.timezone import now as clock
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import invitations
from accounts.api.fields import StrictSerializer, refuse_changes
from accounts.api.members import AddressField, RoleField, refusals
from accounts.api.views import TenantViewSet
from accounts.models import Invitation, Role, Scope


class InvitationSerializer(StrictSerializer):
    """An open invitation. Its link is in the mail alone."""

    id = serializers.UUIDField(read_only=True)
    email = AddressField()
    role = RoleField(required=False, help_text="`member` unless given.")
    sent_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="null while no mail server has taken it."
    )
    expires_at = serializers.DateTimeField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)


class InvitationChangeSerializer(StrictSerializer):
    """What can be changed of an invitation; the rest may be sent back as it was."""

    id = serializers.UUIDField(read_only=True)
    email = serializers.EmailField(read_only=True)
    role = RoleField()
    sent_at = serializers.DateTimeField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)


class InvitationViewSet(TenantViewSet):
    """The team's open invitations: what was accepted is a member."""

    resource = "invitations"
    singular = "invitation"
    live_fields = ("sent_at",)
    needed_scope = Scope.ADMIN
    conflicts = ("create",)
    mails = ("create", "resend")
    waits = ("resend",)

    @extend_schema(responses=InvitationSerializer(many=True))
    def list(self, request: Request) -> Response:
        """List open invitations, newest first, those that have expired included."""
        return self.get_paginated_response(InvitationSerializer(self.page(_rows()), many=True).data)

    @extend_schema(request=InvitationSerializer, responses={201: InvitationSerializer})
    def create(self, request: Request) -> Response:
        """Invite an address, and mail it a link that works for seven days.

        409 for a member, or for an address with an open invitation. 503 if no mail server took
        the mail: the invitation stays and can be sent again.
        """
        fields = self.read_body(InvitationSerializer)
        with refusals():
            invitation = invitations.create_invitation(
                access=self.access,
                email=fields["email"],
                role=fields.get("role", Role.MEMBER),
                now=clock(),
            )
        return Response(InvitationSerializer(invitation).data, status=201)

    @extend_schema(responses=InvitationSerializer)
    def retrieve(self, request: Request, **kwargs: str) -> Response:
        """Read an invitation."""
        return Response(InvitationSerializer(self._find()).data)

    @extend_schema(request=InvitationChangeSerializer, responses=InvitationSerializer)
    def partial_update(self, request: Request, **kwargs: str) -> Response:
        """Offer another role."""
        invitation = self._find()
        fields = self.read_body(InvitationChangeSerializer, partial=True)
        refuse_changes(request.data, InvitationSerializer(invitation).data, "email")
        if "role" in fields:
            invitation = invitations.change_invited_role(
                access=self.access, invitation=invitation, role=fields["role"]
            )
        return Response(InvitationSerializer(invitation).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, **kwargs: str) -> Response:
        """Revoke an invitation: its link works no longer."""
        invitations.revoke_invitation(invitation=self._find())
        return Response(status=204)

    @extend_schema(request=None, responses=InvitationSerializer)
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, **kwargs: str) -> Response:
        """Mail a new link, good for seven days, at most once a minute; the old one dies."""
        with refusals():
            invitation = invitations.resend_invitation(invitation=self._find(), now=clock())
        return Response(InvitationSerializer(invitation).data)

    def _find(self) -> Invitation:
        return self.find(_rows().select_related("team"))


def _rows() -> QuerySet[Invitation]:
    return Invitation.objects.filter(accepted_at=None)
