"""The form of a subscriber: where to, of which components, in which language."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms

from statuspages.models import Component, Subscriber
from statuspages.models.subscribers import SubscriberKind
from statuspages.rendering.words import LOCALES

MOST_ADDRESS = 2048
_LANGUAGES = [(code, words["language"]) for code, words in LOCALES.items()]


class SubscriberForm(forms.Form):
    """Add a subscriber, or change what it is told of."""

    address = forms.CharField(max_length=MOST_ADDRESS)
    components = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
    )
    locale = forms.ChoiceField(label="Language", choices=_LANGUAGES)

    def __init__(
        self,
        *args: Any,
        kind: str,
        components: Iterable[Component],
        subscriber: Subscriber | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.kind = kind
        choices = [(component.code, component.name) for component in components]
        self.fields["components"].choices = choices  # type: ignore[attr-defined]
        if subscriber is not None:
            del self.fields["address"]
            self.fields["components"].initial = subscriber.components
            self.fields["locale"].initial = subscriber.locale
            return
        address = self.fields["address"]
        if kind == SubscriberKind.EMAIL:
            address.label = "E-mail address"
            address.help_text = "Its owner gets a mail with a link, and is told of nothing before "
            address.help_text += "having followed it."
            address.widget = forms.EmailInput(attrs={"autocomplete": "off"})
        else:
            address.label = "URL"
            address.help_text = "It is sent a signed POST for every update, from now on."
            address.widget = forms.URLInput(
                attrs={"autocomplete": "off", "placeholder": "https://…"}
            )

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        data = dict(self.cleaned_data)
        return {**data, "components": list(data["components"])}
