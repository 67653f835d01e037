"""The mails of allauth: what happens where one cannot be sent, and to whoever signs up again."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlencode

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.stagekit import clear_login
from allauth.account.models import EmailAddress
from allauth.account.utils import user_pk_to_url_str
from allauth.core import context as current
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.models import SocialAccount
from django.contrib import messages
from django.forms import BaseForm
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django_scopes import scopes_disabled

from accounts.models import User
from accounts.teams import verify_address

log = logging.getLogger(__name__)


class MailingAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """What is mailed about accounts. No mail server, or a mail that cannot be made, is no 500."""

    def save_user(
        self, request: HttpRequest, user: User, form: BaseForm, commit: bool = True
    ) -> User:
        """Make an account, and note that this request has made it."""
        saved: User = super().save_user(request, user, form, commit)
        current.request.allauth.made = saved.pk
        return saved

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail that somebody waits for; where that fails, say so on the page they were on.

        An account that this request has made is taken back: without its mail nobody could confirm
        it. Raises ImmediateHttpResponse.
        """
        try:
            super().send_mail(template_prefix, email, context)
        except Exception as error:
            log.exception("a mail could not be sent: %s", template_prefix)
            request = current.request
            if getattr(request.allauth, "only_tells", False):
                return
            made = getattr(request.allauth, "made", None)
            if made is not None:
                with scopes_disabled():
                    User.objects.filter(pk=made).delete()
                clear_login(request)
                said = _(
                    "The mail with your link could not be sent, so no account was made. "
                    "Try again in a few minutes."
                )
            else:
                said = _("The mail could not be sent. Try again in a few minutes.")
            if request.method != "POST":
                raise  # the page would only send us here again
            messages.error(request, said)
            raise ImmediateHttpResponse(redirect(_address_of(request))) from error

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Tell a person what has changed in their account; it has, whether the mail goes or not."""
        current.request.allauth.only_tells = True
        try:
            super().send_notification_mail(*args, **kwargs)
        finally:
            current.request.allauth.only_tells = False

    def send_account_already_exists_mail(self, email: str) -> None:
        """Mail whoever signs up with an address that has an account.

        Where nobody ever confirmed the address, it is the link that confirms it. If the password is
        not the account's, it may be a stranger's account: the link then has a new one chosen, which
        whoever made the account does not know.
        """
        user = User.objects.filter(email__iexact=email, is_active=True).first()
        if user is None or EmailAddress.objects.filter(user=user, verified=True).exists():
            super().send_account_already_exists_mail(email)
            return
        request = current.request
        if user.check_password(request.POST.get("password1", "")):
            address, _made = EmailAddress.objects.get_or_create(
                user=user, email=user.email, defaults={"primary": True}
            )
            address.send_confirmation(request, signup=True)
            return
        token = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
        url = self.get_reset_password_from_key_url(f"{user_pk_to_url_str(user)}-{token}")
        context = {"user": user, "password_reset_url": url}
        self.send_mail("account/email/account_not_confirmed", email, context)


def _address_of(request: HttpRequest) -> str:
    """Return the page that a form was sent from, which leads on to where it would have led."""
    onward = request.POST.get("next", "")
    return f"{request.path}?{urlencode({'next': onward})}" if onward else request.get_full_path()


def confirm_by_reset(sender: type[User], user: User, **_others: Any) -> None:
    """Confirm the address of an account that nobody ever confirmed: its mailed link was opened.

    Only where no other address can have got the link, and no other way into the account exists.
    """
    addresses = list(EmailAddress.objects.filter(user=user))
    own = all(each.email.lower() == user.email.lower() for each in addresses)
    if not own or any(each.verified for each in addresses):
        return
    if not SocialAccount.objects.filter(user=user).exists():
        verify_address(user)
