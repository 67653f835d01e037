"""The form of a channel, built from what its kind says of its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.forms.widgets import Input

from incidents.channels.base import ChannelKind, Field, InvalidConfig
from incidents.channels.posting import HttpKind
from incidents.channels.registry import KINDS

_PREFIX, _CLEAR = "config_", "clear_"
_SHOWN_AS = {"email": "E-mail", "webhook": "Webhook"}
# What a kind is good for, in a line beside its name.
_BLURBS = {
    "email": "One mail to a shared address, or to a few.",
    "webhook": "Signed JSON to a URL of yours, as Standard Webhooks describe.",
    "slack": "A message in a Slack channel.",
    "discord": "A message in a Discord channel.",
    "teams": "A card in a Microsoft Teams channel.",
    "telegram": "A message from a bot, to a person or a group.",
    "ntfy": "A push notification, from ntfy.sh or a server of your own.",
    "pushover": "A push notification that can sound until it is seen.",
    "pagerduty": "Opens, acknowledges and resolves incidents of a PagerDuty service.",
    "opsgenie": "Creates, acknowledges and closes alerts in Opsgenie.",
    "alertmanager": "Alerts to a Prometheus Alertmanager, which groups and routes them.",
    "twilio_sms": "A text message to a phone, through Twilio.",
    "twilio_voice": "A call that reads aloud what is down, through Twilio.",
}
# Until a kind says it itself.
_FIELDS = {
    "email": (
        Field(
            "to", "Mail addresses", help="With commas between them.", placeholder="a@example.org"
        ),
    ),
    "webhook": (Field("url", "URL", input_type="url", placeholder="https://example.org/hook"),),
}
_WIDGETS: dict[str, type[Input]] = {
    "url": forms.URLInput,
    "email": forms.EmailInput,
    "tel": forms.TextInput,
    "password": forms.PasswordInput,
}


def label_of(kind: str) -> str:
    """Return a kind's name as people write it."""
    known = KINDS.get(kind)
    return (known.label if known else "") or _SHOWN_AS.get(kind, kind)


def list_kinds() -> list[tuple[str, str, str]]:
    """Return (name, label, what it is good for) of every kind, by label."""
    rows = [(name, label_of(name), _BLURBS.get(name, "")) for name in KINDS]
    return sorted(rows, key=lambda row: row[1].lower())


def fields_of(kind: ChannelKind) -> tuple[Field, ...]:
    """Return the fields of a kind's configuration."""
    return kind.fields or _FIELDS.get(kind.name, ())


def has_secret_address(kind: str) -> bool:
    """Return whether the address of such a channel is its secret."""
    known = KINDS.get(kind)
    return known is not None and "url" in known.secret_fields


def say_target(kind: str, config: Mapping[str, Any]) -> str:
    """Return where a channel's messages go, without its secrets; empty if nothing is left."""
    known = KINDS.get(kind)
    if known is None:
        return ""
    shown = known.hide_secrets(config)
    for field in fields_of(known):
        if field.input_type != "select" and shown.get(field.name):
            return _write_value(shown[field.name])
    return ""


class ChannelForm(forms.Form):
    """A channel of one kind, new or with its `stored` configuration.

    What is stored and secret is not shown, and stays when nothing is entered.
    """

    name = forms.CharField(
        max_length=120, help_text="For the list of channels, for example “storage team”."
    )

    def __init__(
        self,
        data: Any,
        *,
        kind: ChannelKind,
        name: str = "",
        stored: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial={"name": name})
        self.kind, self.stored = kind, dict(stored or {})
        self._told = fields_of(kind)
        for field in self._told:
            self._add(field)

    def config(self) -> dict[str, Any]:
        """Return the configuration as the channel services take it: kept secrets are left out."""
        config: dict[str, Any] = {}
        for field in self._told:
            value: Any = self.cleaned_data.get(_PREFIX + field.name, "")
            if self.kind.name == "email" and value:
                value = [part for part in value.replace(";", ",").split(",") if part.strip()]
                value = [part.strip() for part in value]
            if value or self._is_cleared(field):
                config[field.name] = value
        return config

    def refuse(self, error: InvalidConfig) -> None:
        """Say beside each field what is wrong with it."""
        for name, text in error.errors.items():
            shown = _PREFIX + name
            self.add_error(shown if shown in self.fields else None, text)

    def _is_cleared(self, field: Field) -> bool:
        # An empty secret means that nothing was entered; the stored one goes only when asked to.
        if field.name in self.kind.secret_fields:
            return bool(self.cleaned_data.get(_CLEAR + field.name))
        return bool(self.stored.get(field.name))

    def _add(self, field: Field) -> None:
        is_secret = field.name in self.kind.secret_fields
        is_kept = is_secret and bool(self.stored.get(field.name))
        options: dict[str, Any] = {
            "label": field.label if field.required else f"{field.label} (optional)",
            "help_text": field.help,
            "required": field.required and not is_kept,
        }
        name = _PREFIX + field.name
        if field.input_type == "select":
            choices = [(value, value) for value in field.choices]
            default = [] if field.required else [("", "Default")]
            self.fields[name] = forms.ChoiceField(choices=default + choices, **options)
        else:
            widget = _make_widget(field, is_secret=is_secret, is_kept=is_kept)
            self.fields[name] = forms.CharField(max_length=4000, widget=widget, **options)
        if not is_secret:
            self.initial[name] = _write_value(self.stored.get(field.name))
        elif is_kept and not field.required and isinstance(self.kind, HttpKind):
            label = f"Remove the stored {field.label[:1].lower()}{field.label[1:]}"
            self.fields[_CLEAR + field.name] = forms.BooleanField(label=label, required=False)


def _make_widget(field: Field, *, is_secret: bool, is_kept: bool) -> Input:
    attrs = {"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}
    placeholder = "Stored. Leave it empty to keep it." if is_kept else field.placeholder
    if placeholder:
        attrs["placeholder"] = placeholder
    if is_secret:
        # Else a browser offers the person's own password.
        return forms.PasswordInput(attrs=attrs | {"autocomplete": "new-password"})
    widget = _WIDGETS.get(field.input_type, forms.TextInput)(attrs=attrs)
    widget.input_type = field.input_type if field.input_type in _WIDGETS else "text"
    return widget


def _write_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={text}" for name, text in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value)
