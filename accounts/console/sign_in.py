"""allauth's forms of signing in, where ours say or check more."""

from __future__ import annotations

import struct
from typing import Any

from allauth.account.forms import AddEmailForm, LoginForm, ResetPasswordForm, SignupForm
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from allauth.mfa.utils import decrypt
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    EditWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as later

LONGEST_NAME = 80


def _refuse_passwords() -> None:
    if settings.OIDC is not None and settings.OIDC.only:
        raise ValidationError(
            _("Passwords are switched off here. Continue with %(name)s instead.")
            % {"name": settings.OIDC.name}
        )


class _Worded(forms.Form):
    """Calls an address what the rest of the console calls it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("login", "email"):
            if name in self.fields:
                self.fields[name].label = later("E-mail address")
                self.fields[name].widget.attrs.pop("placeholder", None)


class SignUpForm(_Worded, SignupForm):  # type: ignore[misc]
    """Making an account."""


class AnotherAddressForm(_Worded, AddEmailForm):  # type: ignore[misc]
    """Adding an address to one's account."""


class PasswordLoginForm(_Worded, LoginForm):  # type: ignore[misc]
    """Logging in with a password, unless the operator has switched passwords off."""

    def clean(self) -> Any:
        """Refuse before anything is looked up."""
        _refuse_passwords()
        return super().clean()


class PasswordResetForm(_Worded, ResetPasswordForm):  # type: ignore[misc]
    """Asking for a new password, likewise."""

    def clean(self) -> Any:
        """Refuse before a mail is sent."""
        _refuse_passwords()
        return super().clean()


def _use_once(authenticator: Authenticator, code: str) -> None:
    """Take a code of an authenticator app; raise ValidationError for one of an earlier time.

    allauth remembers used codes in a cache of each process, for less long than they work.
    """
    with transaction.atomic():
        locked = Authenticator.objects.select_for_update().get(pk=authenticator.pk)
        secret = decrypt(locked.data["secret"])
        shown = "".join(filter(str.isdigit, code))
        fitting = [
            counter
            for counter in yield_hotp_counters_from_time()
            if format_hotp_value(hotp_value(secret, counter)) == shown
        ]
        if not fitting or max(fitting) <= locked.data.get("last_counter", 0):
            raise get_adapter().validation_error("incorrect_code")
        locked.data["last_counter"] = max(fitting)
        locked.save(update_fields=["data"])
        authenticator.data = locked.data


class _OnceOnly(forms.Form):
    authenticator: Authenticator

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs |= {
            "autofocus": True,
            "autocapitalize": "none",
            "spellcheck": "false",
            "placeholder": "",
            "maxlength": "40",
        }

    def clean_code(self) -> str:
        """Check the code, and that it was not used before."""
        code: str = super().clean_code()  # type: ignore[misc]
        if self.authenticator.type == Authenticator.Type.TOTP:
            _use_once(self.authenticator, code)
        return code


class CodeForm(_OnceOnly, AuthenticateForm):  # type: ignore[misc]
    """The second step of logging in: a code of the app, or a recovery code."""


class CodeAgainForm(_OnceOnly, ReauthenticateForm):  # type: ignore[misc]
    """The same code, asked again before something that matters."""


# What fido2 raises, besides ValueError, for answers that are none.
_BROKEN = (KeyError, TypeError, ValueError, AttributeError, IndexError, struct.error)


class _Sturdy(forms.Form):
    def clean_credential(self) -> Any:
        """Take what a browser answered; a forged answer is an error of the form."""
        try:
            return super().clean_credential()  # type: ignore[misc]
        except ValidationError:
            raise
        except _BROKEN:
            raise get_adapter().validation_error("incorrect_code") from None


class PasskeyLoginForm(_Sturdy, LoginWebAuthnForm):  # type: ignore[misc]
    """Logging in with a passkey alone."""


class PasskeyStepForm(_Sturdy, AuthenticateWebAuthnForm):  # type: ignore[misc]
    """A passkey or security key as the second step."""

    @property
    def is_offered(self) -> bool:
        """Whether the account has one."""
        mine = Authenticator.objects.filter(user=self.user, type=Authenticator.Type.WEBAUTHN)
        return bool(mine.exists())


class PasskeyAgainForm(_Sturdy, ReauthenticateWebAuthnForm):  # type: ignore[misc]
    """A passkey, asked again before something that matters."""


class PasskeyForm(AddWebAuthnForm):  # type: ignore[misc]
    """A new passkey or security key. The browser fills in what it has made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name = self.fields["name"]
        name.label, name.max_length = later("Name"), LONGEST_NAME
        name.help_text = later("How you tell it from others, such as “work laptop”.")
        name.validators.append(_not_too_long)
        name.widget.attrs |= {"autocomplete": "off", "maxlength": str(LONGEST_NAME)}
        alone = self.fields["passwordless"]  # only where passkeys can log in, which is here
        alone.label, alone.initial = later("Log in with it alone"), True
        alone.help_text = later(
            "No password and no code are asked then. Untick it for a security key that cannot "
            "store passkeys: it works as the second step."
        )

    def clean(self) -> Any:
        """Take what the browser made; a forged answer is an error of the form."""
        try:
            return super().clean()
        except ValidationError:
            raise
        except _BROKEN:
            raise get_adapter().validation_error("incorrect_code") from None


class PasskeyNameForm(EditWebAuthnForm):  # type: ignore[misc]
    """A passkey's name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name = self.fields["name"]
        name.label = later("Name")
        name.validators.append(_not_too_long)
        name.widget.attrs |= {"autocomplete": "off", "maxlength": str(LONGEST_NAME)}


def _not_too_long(value: str) -> None:
    if len(value) > LONGEST_NAME:
        raise ValidationError(_("Use up to %(most)s characters.") % {"most": LONGEST_NAME})
