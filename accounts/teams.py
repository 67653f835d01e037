"""Making teams, and claiming the names they live under."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django_scopes import scopes_disabled

from accounts.models import RESERVED_SLUGS, Membership, Namespace, Role, Team, User, validate_slug


class NameTaken(Exception):  # noqa: N818 - it names what happened
    """The slug or namespace belongs to somebody else."""


def create_team(*, slug: str, name: str, owner: User, quota: int | None = None) -> Team:
    """Create a team with its first namespace and its owner.

    Raises NameTaken if a team or namespace has the slug, ValidationError if it is not one.
    """
    validate_slug(slug)
    if slug in RESERVED_SLUGS:
        raise ValidationError(f"“{slug}” is a reserved word; choose another name.")
    try:
        with transaction.atomic(), scopes_disabled():
            team = Team.objects.create(slug=slug, name=name, monitor_quota=quota)
            Namespace.objects.create(team=team, name=slug)
            Membership.objects.create(team=team, user=owner, role=Role.OWNER)
    except IntegrityError as error:
        raise NameTaken(slug) from error
    return team


def sign_up_quota() -> int | None:
    """Return how many monitors a team that signs up may have; None for no limit."""
    quota: int | None = settings.MONITOR_QUOTA
    return quota


def claim_namespace(*, team: Team, name: str) -> Namespace:
    """Return the team's namespace of that name, claiming it if it is free.

    Raises NameTaken if it is another team's, ValidationError if it is not a name.
    """
    with scopes_disabled():
        found = Namespace.objects.filter(name=name).first()
        if found is None:
            validate_slug(name)
            try:
                with transaction.atomic():
                    return Namespace.objects.create(team=team, name=name)
            except IntegrityError:
                found = Namespace.objects.get(name=name)
    if found.team_id != team.pk:
        raise NameTaken(name)
    return found


def owner_addresses(team: Team) -> list[str]:
    """Return the verified addresses of the team's owners, in order of joining.

    A team must hear of its incidents whatever happens, so if no owner's address is verified the
    unverified ones are returned.
    """
    with scopes_disabled():
        emails = list(
            Membership.objects.filter(
                team=team, role=Role.OWNER, user__is_active=True, accepted_at__isnull=False
            )
            .order_by("created_at")
            .values_list("user__email", flat=True)
        )
    verified = {
        email.lower()
        for email in EmailAddress.objects.filter(email__in=emails, verified=True).values_list(
            "email", flat=True
        )
    }
    return [email for email in emails if email.lower() in verified] or emails


def verify_address(user: User) -> None:
    """Mark the person's address as verified, for log-in and as a contact."""
    EmailAddress.objects.update_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True}
    )
