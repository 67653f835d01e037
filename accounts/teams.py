"""Making teams, and claiming the names they live under."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Count, Model
from django_scopes import scopes_disabled

from accounts.database.standing import across_teams
from accounts.models import (
    RESERVED_SLUGS,
    Membership,
    Namespace,
    Plan,
    Role,
    Team,
    User,
    validate_slug,
)
from accounts.plans import default_plan


class NameTaken(Exception):  # noqa: N818 - it names what happened
    """The slug or namespace belongs to somebody else."""


class InUse(Exception):  # noqa: N818
    """The namespace cannot be given back; the text says why."""


def create_team(
    *, slug: str, name: str, owner: User, quota: int | None = None, plan: Plan | None = None
) -> Team:
    """Create a team with its first namespace and its owner.

    A `quota` of its own goes before its plan's.
    Raises NameTaken if a team or namespace has the slug, ValidationError if it is not one.
    """
    validate_slug(slug)
    if slug in RESERVED_SLUGS:
        raise ValidationError(f"“{slug}” is a reserved word; choose another name.")
    try:
        with transaction.atomic(), scopes_disabled():
            team = Team.objects.create(slug=slug, name=name, monitor_quota=quota, plan=plan)
            Namespace.objects.create(team=team, name=slug)
            Membership.objects.create(team=team, user=owner, role=Role.OWNER)
    except IntegrityError as error:
        raise NameTaken(slug) from error
    return team


def sign_up_team(*, slug: str, name: str, owner: User) -> Team:
    """Create a team of somebody who signs up: with the default plan, else with `MONITOR_QUOTA`.

    Raises as create_team does.
    """
    plan = default_plan()
    quota: int | None = settings.MONITOR_QUOTA if plan is None else None
    return create_team(slug=slug, name=name, owner=owner, quota=quota, plan=plan)


def rename_team(*, team: Team, name: str) -> None:
    """Give a team another name; its slug stays."""
    Team.objects.filter(pk=team.pk).update(name=name)
    team.name = name


def claim_namespace(*, team: Team, name: str) -> Namespace:
    """Return the team's namespace of that name, claiming it if it is free.

    Raises NameTaken if it is another team's, ValidationError if it is not a name.
    """
    with across_teams():  # it may be another team's
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


def create_namespace(*, team: Team, name: str) -> Namespace:
    """Claim a free name. Raises NameTaken if anybody has it, this team included."""
    validate_slug(name)
    try:
        with transaction.atomic(), scopes_disabled():
            return Namespace.objects.create(team=team, name=name)
    except IntegrityError as error:
        raise NameTaken(name) from error


def delete_namespace(*, namespace: Namespace) -> None:
    """Give a namespace back. Raises InUse for one that holds anything, and for the team's own."""
    if namespace.name == namespace.team.slug:
        raise InUse("This is the team's own name; it cannot be given back.")
    with transaction.atomic(), scopes_disabled():
        # What is put into it meanwhile waits for this lock, and then finds no namespace.
        Namespace.objects.select_for_update().get(pk=namespace.pk)
        if _holds_anything(namespace):
            raise InUse("The namespace is not empty: move or delete what is in it first.")
        namespace.delete()


def count_contents(namespaces: Collection[Namespace]) -> dict[UUID, dict[str, int]]:
    """Return for each namespace how many rows of any room refer to it, by what they are called."""
    found: dict[UUID, dict[str, int]] = {namespace.pk: {} for namespace in namespaces}
    for model, name in _references():
        with scopes_disabled():
            rows = model._base_manager.filter(**{f"{name}__in": list(found)})
            counts = rows.order_by().values_list(name).annotate(count=Count("pk"))
            for pk, count in counts:
                found[pk][str(model._meta.verbose_name_plural)] = count
    return found


def _holds_anything(namespace: Namespace) -> bool:
    """Return whether any row of any room refers to it."""
    return any(
        model._base_manager.filter(**{name: namespace}).exists() for model, name in _references()
    )


def _references() -> list[tuple[type[Model], str]]:
    """Return the tables that refer to namespaces, each with the name of its field."""
    fields = Namespace._meta.get_fields(include_hidden=True)
    return [
        (field.related_model, field.field.name)  # type: ignore[union-attr,misc]
        for field in fields
        if field.auto_created and not field.concrete
    ]


def owner_addresses(team: Team) -> list[str]:
    """Return the verified addresses of the team's owners, in order of joining.

    A team must hear of its incidents whatever happens, so if no owner's address is verified the
    unverified ones are returned.
    """
    return owner_addresses_by_team([team.pk])[team.pk]


def owner_addresses_by_team(team_ids: Iterable[UUID]) -> dict[UUID, list[str]]:
    """Return for many teams at once what `owner_addresses` says of each: two queries."""
    wanted = list(team_ids)
    emails: dict[UUID, list[str]] = {team_id: [] for team_id in wanted}
    with scopes_disabled():
        owners = Membership.objects.filter(
            team__in=wanted,
            role=Role.OWNER,
            accepted_at__isnull=False,
            user__is_active=True,
        )
        for team_id, email in owners.order_by("created_at").values_list("team_id", "user__email"):
            emails[team_id].append(email)
    everyone = [email for listed in emails.values() for email in listed]
    found = EmailAddress.objects.filter(email__in=everyone, verified=True)
    verified = {email.lower() for email in found.values_list("email", flat=True)}
    return {
        team_id: [email for email in listed if email.lower() in verified] or listed
        for team_id, listed in emails.items()
    }


def verify_address(user: User) -> None:
    """Mark the person's address as verified, for log-in and as a contact."""
    EmailAddress.objects.update_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True}
    )
