"""Forms about incidents and channels."""

from __future__ import annotations

from django import forms

from incidents.lifecycle.actions import MOST_NOTE


class NoteForm(forms.Form):
    """A person's line on the timeline."""

    text = forms.CharField(
        label="Add a note",
        max_length=MOST_NOTE,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "What you found, what you did"}),
    )
