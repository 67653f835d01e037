"""The mail that carries an invitation's link."""

from __future__ import annotations

import logging
import smtplib
import unicodedata

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.durations import say_time
from accounts.models import Invitation, Role, Team

MOST_NAME_CHARACTERS = 80
ROLE_WORDS = {
    Role.OWNER: "an owner",
    Role.ADMIN: "an admin",
    Role.MEMBER: "a member",
    Role.VIEWER: "a viewer",
}
log = logging.getLogger(__name__)


class MailNotSent(Exception):  # noqa: N818 - it names what happened
    """No mail server took the mail to the address that it names."""


def send_invitation(invitation: Invitation, token: str) -> None:
    """Mail the link of that token to the invited address. Raises MailNotSent."""
    team = mailable_name(invitation.team)
    context = {
        "headline": f"Join {team} on Tocsin",
        "team": team,
        "role": ROLE_WORDS[Role(invitation.role)],
        "inviter": safe_line(invitation.invited_by),
        "email": invitation.email,
        "link": settings.BASE_URL + reverse("console:invitation", kwargs={"token": token}),
        "until": say_time(invitation.expires_at),
        "base_url": settings.BASE_URL,
    }
    mail = EmailMultiAlternatives(
        subject=context["headline"],
        body=render_to_string("mail/invitation.txt", context),
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[invitation.email],
        headers={"Auto-Submitted": "auto-generated"},
    )
    mail.attach_alternative(render_to_string("mail/invitation.html", context), "text/html")
    try:
        mail.send()
    # A ValueError is an address or a header that cannot be written down for the mail server.
    except (smtplib.SMTPException, OSError, ValueError) as error:
        log.warning("an invitation could not be mailed: %s", type(error).__name__)
        raise MailNotSent(invitation.email) from error


def mailable_name(team: Team) -> str:
    """Return what a mail calls a team: its short name where its name is not only a name.

    Anybody can make a team and invite anybody: a name must not carry a link of its own.
    """
    name = safe_line(team.name)
    linked = any(part in name.lower() for part in ("://", "www.", "/", "@"))
    return team.slug if linked or not name else name


def safe_line(text: str, limit: int = MOST_NAME_CHARACTERS) -> str:
    """Return foreign text as one line: no line ends, controls or marks that turn or hide text."""
    shown = (
        " " if unicodedata.category(char) in {"Cc", "Zl", "Zp"} else char
        for char in text
        if unicodedata.category(char) not in {"Cf", "Cs", "Co"} or char in "\u200c\u200d"
    )
    line = " ".join("".join(shown).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
