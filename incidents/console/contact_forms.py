"""Forms about a person's contact methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from accounts.console.forms import DurationField
from accounts.zones import zone_names
from incidents.channels.base import ChannelKind
from incidents.channels.registry import KINDS
from incidents.console.channel_forms import ChannelForm, label_of
from incidents.contacts import MOST_DELAY_SECONDS
from incidents.models import ContactMethod

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# What a kind is for one person, in a line beside its name.
_BLURBS = {
    "email": "A mail to an address of yours.",
    "twilio_sms": "A text message to your phone.",
    "twilio_voice": "A call that reads aloud what is down.",
    "telegram": "A message from a bot.",
    "ntfy": "A push notification, from ntfy.sh or a server of your own.",
    "pushover": "A push notification that can sound until you have seen it.",
    "slack": "A message in Slack.",
    "discord": "A message in Discord.",
    "teams": "A card in Microsoft Teams.",
    "webhook": "Signed JSON to a program of yours.",
}


def list_contact_kinds() -> list[tuple[str, str, str]]:
    """Return (name, label, what it is) of the kinds that can bring a code to a person."""
    return [(name, label_of(name), text) for name, text in _BLURBS.items() if name in KINDS]


class ContactForm(ChannelForm):
    """A contact method of one kind, new or stored."""

    def __init__(self, data: Any, *, kind: ChannelKind, method: ContactMethod | None) -> None:
        super().__init__(
            data,
            kind=kind,
            name=method.name if method else "",
            stored=method.config if method else None,
        )
        name = self.fields["name"]
        name.required, name.help_text = False, "If you like, for example “work phone”."
        if kind.name == "email":
            attrs = {"autocomplete": "email", "placeholder": "you@example.org"}
            self.fields["config_to"] = forms.EmailField(
                label="Mail address", max_length=254, widget=forms.EmailInput(attrs=attrs)
            )
        self.fields["delay"] = DurationField(
            least=0,
            most=MOST_DELAY_SECONDS,
            required=False,
            label="Wait before it",
            initial=method.delay if method else 0,
            help_text="After the way before it, such as 2 min. 0 s: together with it.",
        )
        self.order_fields([*(f for f in self.fields if f != "name"), "name"])

    def settings(self) -> dict[str, Any]:
        """Return everything as the services take it."""
        return {
            "config": self.config(),
            "name": self.cleaned_data["name"],
            "delay": self.cleaned_data["delay"] or 0,
        }


class QuietForm(forms.Form):
    """One entry of the hours in which what is not critical is held back."""

    weekdays = forms.MultipleChoiceField(
        label="Days",
        choices=[(str(number), word) for number, word in enumerate(_WEEKDAYS)],
        initial=[str(number) for number in range(7)],
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        error_messages={"required": "Choose at least one day."},
    )
    start = forms.TimeField(
        label="From",
        initial="22:00",
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    end = forms.TimeField(
        label="To",
        initial="07:00",
        help_text="Not later than “from”: on the next day.",
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    timezone = forms.CharField(
        label="Zone",
        max_length=64,
        initial="UTC",
        help_text="Such as Europe/Berlin.",
        widget=forms.TextInput(
            attrs={"list": "zones", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )

    def clean_timezone(self) -> str:
        """Return the zone's name. Raises ValidationError for an unknown one."""
        zone: str = self.cleaned_data["timezone"]
        if zone not in zone_names():
            raise ValidationError("Choose a zone such as Europe/Berlin or UTC.")
        return zone

    def entry(self) -> dict[str, Any]:
        """Return the hours as they are stored."""
        data = self.cleaned_data
        days: Sequence[str] = data["weekdays"]
        return {
            "weekdays": sorted(int(day) for day in days),
            "from": f"{data['start']:%H:%M}",
            "to": f"{data['end']:%H:%M}",
            "timezone": data["timezone"],
        }
