"""What we change in allauth: whose log-in counts, what is asked again, and where links lead."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import urlsplit

from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse, ReauthenticationRequired
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.internal.flows.email_authentication import wipe_password
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db import transaction
from django.forms import BaseForm
from django.http import HttpRequest
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.account_mail import MailingAdapter
from accounts.models import User
from accounts.oidc import SignInServer, check_confirmation
from accounts.sessions import signed_in_recently
from accounts.teams import verify_address
from accounts.zones import zone_names


class AccountAdapter(MailingAdapter):
    """Account behaviour of this installation. Links come from BASE_URL, never the Host header."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return whether people may sign up with a password."""
        return settings.OIDC is None or not settings.OIDC.only

    def save_user(
        self, request: HttpRequest, user: User, form: BaseForm, commit: bool = True
    ) -> User:
        """Make an account; its time zone is what the browser says, if that is one."""
        guessed = request.POST.get("timezone", "")
        if guessed in zone_names():
            user.timezone = guessed
        saved: User = super().save_user(request, user, form, commit)
        return saved

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Return whether to ask again: not if the person has just logged in."""
        if not super().is_reauthentication_required(app=app, **kwargs):
            return False
        request = context.request
        if request is None or signed_in_recently(request):
            return False
        if _has_only_server(self, request.user):
            raise ReauthenticationRequired  # allauth itself would not ask them at all
        return True

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """Return how a person may confirm who they are; the first is what is asked."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if not methods and user.is_authenticated and _is_connected(user):
            url = reverse("me:reauthenticate-oidc")
            methods.append({"id": "oidc", "description": _("Use single sign-on"), "url": url})
        return methods

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        """Return the absolute link of a verification mail."""
        path = reverse("account_confirm_email", args=[emailconfirmation.key])
        return f"{settings.BASE_URL}{path}"

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Return the absolute link of a password reset mail."""
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return f"{settings.BASE_URL}{path.replace('UID-KEY', key)}"


def _is_connected(user: User) -> bool:
    if settings.OIDC is None:
        return False
    return bool(SocialAccount.objects.filter(user=user, provider=settings.OIDC.id).exists())


def _has_only_server(adapter: AccountAdapter, user: Any) -> bool:
    return [method["id"] for method in adapter.get_reauthentication_methods(user)] == ["oidc"]


class ServerLoginAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Who gets in by the OpenID Connect server of `OIDC_…`."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[Any]:
        """Return the servers of the environment; rows in the database are no way in."""
        from allauth.socialaccount.adapter import _build_apps_from_settings

        found = _build_apps_from_settings(provider=provider, client_id=client_id)
        return [app for apps in found.values() for app in apps]

    def get_provider(
        self, request: HttpRequest, provider: str, client_id: str | None = None
    ) -> Any:
        """Return the server, as we speak to it."""
        found = super().get_provider(request, provider, client_id=client_id)
        known = isinstance(found, OpenIDConnectProvider)
        return SignInServer(request, app=found.app) if known else found

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Return whether whoever the server knows may make an account: always."""
        return True

    def populate_user(
        self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]
    ) -> User:
        """Take over what the server calls the person; only a plain yes confirms an address."""
        for address in sociallogin.email_addresses:
            address.verified = address.verified is True or address.verified == "true"
        user: User = super().populate_user(request, sociallogin, data)
        given = (data.get("first_name"), data.get("last_name"))
        name = data.get("name") or " ".join(part for part in given if isinstance(part, str))
        user.name = str(name).replace("\0", "").strip()[:120]
        return user

    def authenticate_by_email(self, sociallogin: SocialLogin) -> tuple[User, str] | None:
        """Return the account that a confirmed address opens.

        The server must have confirmed the address. So must the account's owner: else it opens
        only an account that nobody has ever been able to log in to, such as a place that a team
        made for them. Whoever added somebody else's address to their own account gains nothing.
        """
        for email in [each.email for each in sociallogin.email_addresses if each.verified]:
            owned = EmailAddress.objects.filter(email__iexact=email, verified=True)
            if address := owned.select_related("user").first():
                return address.user, email
            user = User.objects.filter(email__iexact=email).first()
            if user and not EmailAddress.objects.filter(user=user, verified=True).exists():
                return user, email
        return None

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Refuse answers about two people, or that confirm nothing; clear out strangers' traces."""
        told = sociallogin.account.extra_data
        subjects = {str(told[part].get("sub")) for part in ("userinfo", "id_token") if part in told}
        if len(subjects) > 1:
            raise ImmediateHttpResponse(
                render(request, "socialaccount/authentication_error.html", status=401)
            )
        check_confirmation(request, sociallogin)
        email = sociallogin._did_authenticate_by_email
        user = sociallogin.user
        if not email or not isinstance(user, User):
            return
        if EmailAddress.objects.filter(user=user, email__iexact=email, verified=True).exists():
            return
        with transaction.atomic():
            wipe_password(request, user, email)
            SocialAccount.objects.filter(user=user).delete()
            Authenticator.objects.filter(user=user).delete()
            EmailAddress.objects.filter(user=user).delete()
            verify_address(user)


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Second factors: their secrets are encrypted by SECRET_KEY, passkeys belong to BASE_URL."""

    def encrypt(self, text: str) -> str:
        """Return a secret as it is stored."""
        return _boxes()[0].encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Return a stored secret; if the key has changed a random one, which no code fits."""
        for box in _boxes():
            try:
                return box.decrypt(encrypted_text).decode()
            except InvalidToken:
                continue
        return base64.b32encode(secrets.token_bytes(20)).decode()

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:  # noqa: A002
        """Return what a new passkey is called until its owner says otherwise."""
        count = Authenticator.objects.filter(user=user, type=type).count()
        return _("Passkey") if not count else _("Passkey %(number)s") % {"number": count + 1}

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Return whom passkeys are for: this installation, by the name people reach it by."""
        host = urlsplit(settings.BASE_URL).hostname or ""
        if settings.MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN:  # any name of the machine itself
            host = urlsplit(f"//{context.request.get_host()}").hostname or host
        return {"id": host, "name": "Tocsin"}


def _boxes() -> list[Fernet]:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    mixed = [hashlib.sha256(f"second factors:{key!s}".encode()).digest() for key in keys]
    return [Fernet(base64.urlsafe_b64encode(digest)) for digest in mixed]
