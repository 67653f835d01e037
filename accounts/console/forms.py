"""Forms about teams and keys, and the field that reads durations."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.durations import parse_duration, say_duration
from accounts.models import RESERVED_SLUGS, Role, Scope, User, validate_slug


class DurationField(forms.CharField):
    """Seconds, written as "90", "90 s" or "1 min 30 s"."""

    def __init__(self, *, least: int, most: int, **kwargs: Any) -> None:
        self.least, self.most = least, most
        super().__init__(max_length=60, **kwargs)
        self.widget.attrs.setdefault("autocomplete", "off")

    def prepare_value(self, value: Any) -> Any:
        """Return stored seconds as words; what was typed stays as it was."""
        return say_duration(value, units=4) if isinstance(value, int) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether other seconds are meant, however they are written."""
        try:
            return bool((parse_duration(data) if data else None) != initial)
        except ValueError:
            return True

    def clean(self, value: Any) -> Any:
        """Return the seconds, or None if nothing was given."""
        text = super().clean(value)
        if not text:
            return None
        try:
            seconds = parse_duration(text)
        except ValueError:
            raise ValidationError("Write a duration such as 90 s, 5 min or 1 h 30 min.") from None
        if not self.least <= seconds <= self.most:
            least, most = say_duration(self.least), say_duration(self.most)
            raise ValidationError(f"Choose between {least} and {most}.")
        return seconds


class TeamForm(forms.Form):
    """A new team: what people call it, and what its addresses and namespaces begin with."""

    name = forms.CharField(
        label="Team name",
        max_length=120,
        widget=forms.TextInput(attrs={"autofocus": True, "data-slug-for": "id_slug"}),
    )
    slug = forms.CharField(
        label="Short name",
        max_length=63,
        validators=[validate_slug],
        help_text="Part of every address of your team, and its first namespace. It cannot be "
        "changed. Lower-case letters, digits and hyphens.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )

    def clean_slug(self) -> str:
        """Refuse words that are paths of ours."""
        slug: str = self.cleaned_data["slug"]
        if slug in RESERVED_SLUGS:
            raise ValidationError(f"“{slug}” is a reserved word. Choose another short name.")
        return slug


class RenameForm(forms.Form):
    """What people call the team."""

    name = forms.CharField(label=_("Team name"), max_length=120)


class NamespaceForm(forms.Form):
    """A namespace to be claimed."""

    name = forms.CharField(
        label=_("Name"),
        max_length=63,
        validators=[validate_slug],
        help_text=_("Lower-case letters, digits and hyphens, with a letter or digit at both ends."),
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )


class DeletionForm(forms.Form):
    """The team's short name, typed by whoever means it."""

    slug = forms.CharField(
        label=_("The team's short name"),
        max_length=63,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )


class KeyForm(forms.Form):
    """A new API key."""

    name = forms.CharField(
        label=_("Name"),
        max_length=120,
        help_text=_("What will use it, for example “terraform”. No two live keys share a name."),
    )
    scope = forms.ChoiceField(
        label=_("Scope"),
        help_text=_("Each includes the ones above it. Choose the least that does the work."),
        choices=[
            (Scope.READ.value, _("Read: look at everything")),
            (Scope.WRITE.value, _("Write: also change monitors, channels and incidents")),
            (Scope.ADMIN.value, _("Admin: also members and keys")),
        ],
    )
    days = forms.TypedChoiceField(
        label=_("Ends"),
        required=False,
        coerce=int,
        empty_value=None,
        initial="90",
        help_text=_("It opens nothing from then on. A key that ends limits what a leak can do."),
        choices=[
            ("7", _("in 7 days")),
            ("30", _("in 30 days")),
            ("90", _("in 90 days")),
            ("365", _("in a year")),
            ("", _("never")),
        ],
    )


ROLE_CHOICES = [
    (Role.VIEWER.value, "Viewer: look at everything"),
    (Role.MEMBER.value, "Member: also change monitors"),
    (Role.ADMIN.value, "Admin: also people and keys"),
    (Role.OWNER.value, "Owner: also other owners"),
]


class InviteForm(forms.Form):
    """Somebody to invite. The roles offered are those that the inviter may give."""

    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )
    role = forms.ChoiceField(initial=Role.MEMBER.value)

    def __init__(self, *args: Any, roles: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["role"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [choice for choice in ROLE_CHOICES if choice[0] in roles]

    def clean_email(self) -> str:
        """Return the address in lower case."""
        email: str = self.cleaned_data["email"].lower()
        if len(email) > 254:
            raise ValidationError("Use an address of up to 254 characters.")
        return email


class JoinForm(forms.Form):
    """An account for whoever was invited; the address is the invitation's."""

    name = forms.CharField(
        label="Your name",
        max_length=120,
        required=False,
        help_text="How your team sees you. Optional.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password = forms.CharField(
        label="Choose a password",
        max_length=1024,
        strip=False,
        help_text=password_validation.password_validators_help_text_html(),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean_password(self) -> str:
        """Refuse a password that is easy to guess."""
        password: str = self.cleaned_data["password"]
        user = User(email=self.email, name=self.cleaned_data.get("name", ""))
        password_validation.validate_password(password, user)
        return password
