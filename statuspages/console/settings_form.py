"""The form of a page's settings; its pictures and its domain have forms of their own."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.console.forms import DurationField
from statuspages.console.colours import ColourRow, advise, drawn_colours, label_of
from statuspages.models import StatusPage
from statuspages.models.pages import AutoPost, Visibility
from statuspages.rendering.words import LOCALES
from statuspages.services.errors import BadField
from statuspages.services.page_values import COLOURS, MOST_DELAY, clean_colours

MOST_PASSWORD = 200
_COLOUR = "colour_"
_WEIGHT = "weight_"
_PLAIN = {"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}
_VISIBILITIES = [
    (Visibility.PUBLIC.value, "Everybody"),
    (Visibility.PASSWORD.value, "Whoever knows the password"),
    (Visibility.MEMBERS.value, "Members of this team who are logged in"),
]
_AUTOMATIC = [
    (AutoPost.OFF.value, "Post nothing"),
    (AutoPost.DRAFT.value, "Write a draft that one of us publishes"),
    (AutoPost.PUBLISH.value, "Publish it, update it and resolve it"),
]
# As the services name what they refuse.
_FIELDS = {"weights.major": "weight_major", "weights.partial": "weight_partial"}


class SettingsForm(forms.Form):
    """Change a page; `values()` are the arguments of the service."""

    name = forms.CharField(max_length=120)
    slug = forms.CharField(
        label="Address",
        max_length=63,
        help_text="Links to the old address stop working when it changes.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    description = forms.CharField(
        label="Description (optional)",
        max_length=1000,
        required=False,
        help_text="A few words at the top: what the page tells of.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    support_url = forms.CharField(
        label="Where visitors ask for help (optional)",
        max_length=500,
        required=False,
        help_text="https://… or mailto:help@example.org",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    published = forms.BooleanField(label="Published", required=False)
    visibility = forms.ChoiceField(label="Who may look", choices=_VISIBILITIES)
    password = forms.CharField(
        label="Password of the page",
        max_length=MOST_PASSWORD,
        required=False,
        strip=False,
        # Else a browser offers the person's own password.
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    robots = forms.BooleanField(label="Search engines may list it", required=False)
    locale = forms.ChoiceField(
        label="Language",
        choices=[(code, words["language"]) for code, words in LOCALES.items()],
        help_text="Visitors can choose another one.",
    )
    timezone = forms.CharField(
        label="Time zone",
        max_length=64,
        help_text="A day on the page is a day there.",
        widget=forms.TextInput(attrs={"list": "zones", **_PLAIN}),
    )
    weight_major = forms.FloatField(
        label="A major outage counts",
        min_value=0,
        max_value=1,
        widget=forms.NumberInput(attrs={"step": "0.05"}),
    )
    weight_partial = forms.FloatField(
        label="A partial outage counts",
        min_value=0,
        max_value=1,
        widget=forms.NumberInput(attrs={"step": "0.05"}),
    )
    auto_post = forms.ChoiceField(label="When a monitor of it goes down", choices=_AUTOMATIC)
    auto_post_delay = DurationField(
        label="But only after",
        least=0,
        most=MOST_DELAY,
        help_text="What is over by then stays private. For example 2 min.",
    )

    def __init__(self, data: Any, *, page: StatusPage) -> None:
        super().__init__(data, initial=initial_of(page))
        for name in COLOURS:
            self.fields[_COLOUR + name] = forms.CharField(
                label=label_of(name),
                required=False,
                max_length=7,
                widget=forms.TextInput(attrs={**_PLAIN, "pattern": "#[0-9a-fA-F]{6}"}),
            )
        kept = "Stored. Leave it empty to keep it." if page.password_hash else ""
        self.fields["password"].widget.attrs["placeholder"] = kept

    def clean(self) -> dict[str, Any]:
        """Check each colour."""
        data = super().clean() or self.cleaned_data
        colours: dict[str, str] = {}
        for name in COLOURS:
            value = data.get(_COLOUR + name, "")
            try:
                colours |= clean_colours({name: value})
            except BadField as error:
                self.add_error(_COLOUR + name, error.text)
        data["colours"] = colours
        return data

    def values(self) -> dict[str, Any]:
        """Return what the page service takes; a password only where it is asked for."""
        data = self.cleaned_data
        kept = [name for name in type(self).base_fields if not name.startswith(_WEIGHT)]
        found = {name: data[name] for name in kept if name != "password"}
        found["colours"] = data["colours"]
        found["weights"] = {"major": data["weight_major"], "partial": data["weight_partial"]}
        if data["visibility"] == Visibility.PASSWORD and data["password"]:
            found["password"] = data["password"]
        return found

    def refuse(self, error: BadField) -> None:
        """Say at its field what the service refused."""
        name = _FIELDS.get(error.field, error.field)
        self.add_error(name if name in self.fields else None, error.text)

    def colours(self) -> dict[str, str]:
        """Return the colours that are entered and sound."""
        found: dict[str, str] = {}
        for name in COLOURS:
            try:
                found |= clean_colours({name: self[_COLOUR + name].value()})
            except BadField:
                continue
        return found

    def colour_rows(self, names: tuple[str, ...]) -> list[ColourRow]:
        """Return the fields of some colours with what is drawn now."""
        colours = self.colours()
        drawn = drawn_colours(colours)
        rows = []
        for name in names:
            rest = {key: value for key, value in colours.items() if key != name}
            usual = drawn_colours(rest)[name]
            field = self[_COLOUR + name]
            shown = colours.get(name, drawn[name])
            rows.append(ColourRow(field, shown, usual, advise(colours, name)))
        return rows


def initial_of(page: StatusPage) -> dict[str, Any]:
    """Return a page as the form shows it."""
    same = [name for name in SettingsForm.base_fields if hasattr(page, name)]
    return {
        **{name: getattr(page, name) for name in same},
        **{_WEIGHT + kind: weight for kind, weight in page.weights.items()},
        **{_COLOUR + name: colour for name, colour in page.colours.items()},
    }
