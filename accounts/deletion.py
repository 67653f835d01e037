"""Asking for a team's deletion, and calling it off: owners' matters, with days between."""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse
from django_scopes import scopes_disabled

from accounts.access import Access
from accounts.durations import say_time
from accounts.invitation_mail import mailable_name, safe_line
from accounts.models import Membership, Role, Team

log = logging.getLogger(__name__)


class WrongName(Exception):  # noqa: N818 - these name what happened
    """What was typed is not the team's short name."""


class TooLate(Exception):  # noqa: N818
    """The team is being erased."""


def ask_deletion(*, access: Access, typed: str) -> Team:
    """Have the team erased in `TEAM_DELETION_DAYS` days, and mail its owners and admins.

    Asking again changes nothing. Raises WrongName unless `typed` is the team's slug,
    PermissionDenied for anybody but an owner.
    """
    _require_owner(access)
    if typed.strip() != access.team.slug:
        raise WrongName(typed)
    days = timedelta(days=settings.TEAM_DELETION_DAYS)
    with transaction.atomic():
        asked = Team.objects.filter(pk=access.team.pk, delete_at=None).update(
            delete_at=Now() + Value(days), delete_asked_by=access.actor
        )
    team = Team.objects.get(pk=access.team.pk)
    if asked:
        _mail(team, "mail/team_deletion", f"{mailable_name(team)} will be deleted", access.actor)
    return team


def keep_team(*, access: Access) -> Team:
    """Call the deletion off, and mail owners and admins. Keeping twice is keeping once.

    Raises TooLate once the time has come, PermissionDenied for anybody but an owner.
    """
    _require_owner(access)
    with transaction.atomic():
        team = Team.objects.select_for_update(no_key=True).filter(pk=access.team.pk).first()
        if team is None:
            raise TooLate
        rows = Team.objects.filter(pk=team.pk, delete_at__gt=Now())
        kept = rows.update(delete_at=None, delete_asked_by="")
        if not kept and team.delete_at is not None:
            raise TooLate
    team.refresh_from_db()
    if kept:
        _mail(team, "mail/team_kept", f"{mailable_name(team)} is kept", access.actor)
    return team


def _require_owner(access: Access) -> None:
    if access.role is not Role.OWNER:
        raise PermissionDenied("Only an owner can do this.")


def _mail(team: Team, template: str, subject: str, actor: str) -> None:
    """Mail each owner and admin; a mail server that fails is logged, and stops nothing."""
    context: dict[str, Any] = {
        "headline": subject,
        "team": mailable_name(team),
        "slug": team.slug,
        "actor": safe_line(actor),
        "at": say_time(team.delete_at) if team.delete_at else "",
        "link": settings.BASE_URL + reverse("console:team-settings", kwargs={"team": team.slug}),
        "base_url": settings.BASE_URL,
    }
    text = render_to_string(f"{template}.txt", context)
    html = render_to_string(f"{template}.html", context)
    try:
        server = get_connection()
        for address in _heads(team):
            mail = EmailMultiAlternatives(
                subject=subject,
                body=text,
                from_email=settings.DEFAULT_FROM_EMAIL,
                to=[address],
                headers={"Auto-Submitted": "auto-generated"},
                connection=server,
            )
            mail.attach_alternative(html, "text/html")
            mail.send()
    # A ValueError is an address or a header that cannot be written down for the mail server.
    except (smtplib.SMTPException, OSError, ValueError) as error:
        log.warning("a team's deletion could not be mailed: %s", type(error).__name__)


def _heads(team: Team) -> Iterable[str]:
    with scopes_disabled():
        people = Membership.objects.filter(
            team=team,
            role__in=[Role.OWNER, Role.ADMIN],
            accepted_at__isnull=False,
            user__is_active=True,
        )
        return list(people.order_by("created_at").values_list("user__email", flat=True))
