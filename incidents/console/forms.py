"""Forms about incidents and channels."""

from __future__ import annotations

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
