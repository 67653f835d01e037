"""Forms about incidents and channels."""

from __future__ import annotations

import re
from typing import Any

from django import forms

from incidents.lifecycle.actions import MOST_NOTE
from incidents.models import Channel


class NoteForm(forms.Form):
    """A person's line on the timeline."""

    text = forms.CharField(
        label="Add a note",
        max_length=MOST_NOTE,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "What you found, what you did"}),
    )


class ChannelForm(forms.Form):
    """A new channel: mail or a webhook."""

    name = forms.CharField(max_length=120, help_text="For example “storage team”.")
    kind = forms.ChoiceField(
        choices=[("email", "E-mail"), ("webhook", "Webhook, signed (Standard Webhooks)")]
    )
    target = forms.CharField(
        label="Where to",
        max_length=4000,
        help_text="Mail addresses with commas between them, or the URL of the webhook.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )

    def values(self) -> dict[str, Any]:
        """Return what the channel service takes."""
        data = self.cleaned_data
        config: dict[str, Any] = {"url": data["target"]}
        if data["kind"] == "email":
            config = {"to": [part for part in re.split(r"[,;\s]+", data["target"]) if part]}
        return {"name": data["name"], "kind": data["kind"], "config": config}


class RouteForm(forms.Form):
    """Where incidents go that no other rule takes."""

    channels: forms.ModelMultipleChoiceField[Channel] = forms.ModelMultipleChoiceField(
        queryset=None,
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Only here, inside a request's scope, may the channels be asked for.
        self.fields["channels"].queryset = Channel.objects.order_by("name")  # type: ignore[attr-defined]
