"""A new page, and what it begins with, so that it is of use in one step."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db import transaction
from django.utils.text import slugify

from accounts.models import Team
from monitors.models import Monitor
from statuspages.console.choices import monitors_field
from statuspages.models import StatusPage
from statuspages.services.components import MOST_MONITORS, create_component
from statuspages.services.pages import create_page

MOST_AT_START = 100
MOST_NAME = 120
NOTHING, MONITORS, NAMESPACES, LABEL = "nothing", "monitors", "namespaces", "label"
_STARTS = [
    (MONITORS, "One component for each monitor that I choose"),
    (NAMESPACES, "One component for each namespace, with all of its monitors"),
    (LABEL, "One component for each value of a label, for example “service”"),
    (NOTHING, "Nothing; I add components myself"),
]


@dataclass(frozen=True, slots=True)
class Draft:
    """A component to be made."""

    name: str
    monitors: tuple[Monitor, ...]


class NewPageForm(forms.Form):
    """A name, an address, and what to begin with."""

    name = forms.CharField(
        max_length=MOST_NAME,
        help_text="What visitors call you, for example “Acme”.",
        widget=forms.TextInput(attrs={"autofocus": True, "data-slug-for": "id_slug"}),
    )
    slug = forms.CharField(
        label="Address",
        max_length=63,
        required=False,
        help_text="Lower-case letters, digits and hyphens. Left empty, it follows from the name.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )
    start = forms.ChoiceField(label="Begin with", choices=_STARTS, initial=MONITORS)
    label = forms.CharField(
        label="Label",
        max_length=63,
        required=False,
        widget=forms.TextInput(attrs={"list": "labels", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["monitors"] = monitors_field()

    def clean(self) -> dict[str, Any]:
        """Work out the address if none is given, and the components."""
        data = super().clean() or self.cleaned_data
        if not data.get("slug") and data.get("name") and "slug" not in self.errors:
            data["slug"] = slugify(data["name"])[:40].strip("-_")
            if not data["slug"]:
                self.add_error("slug", "Choose an address: none follows from this name.")
        if not self.errors:
            data["drafts"] = self._drafts()
        return data

    def _drafts(self) -> list[Draft]:
        data = self.cleaned_data
        if data["start"] == NOTHING:
            return []
        if data["start"] == MONITORS:
            field, drafts = "monitors", draft_each(list(data["monitors"]))
            if not drafts:
                self.add_error(field, "Choose at least one monitor, or begin with nothing.")
        elif data["start"] == NAMESPACES:
            field, drafts = "start", draft_namespaces()
            if not drafts:
                self.add_error(field, "There is no monitor yet. Begin with nothing.")
        else:
            field, drafts = "label", draft_values(data["label"].strip())
            if not drafts:
                self.add_error(field, "No monitor carries this label.")
        if len(drafts) > MOST_AT_START:
            text = f"These are {len(drafts)} components. Begin with at most {MOST_AT_START}."
            self.add_error(field, text)
        if any(len(draft.monitors) > MOST_MONITORS for draft in drafts):
            text = f"One of them would have more than {MOST_MONITORS} monitors. Choose otherwise."
            self.add_error(field, text)
        return drafts


def draft_each(monitors: Sequence[Monitor]) -> list[Draft]:
    """Return one component per monitor; names that would be twice are told apart."""
    names = Counter(monitor.name[:MOST_NAME] for monitor in monitors)
    return _unique(
        [
            (m.name if names[m.name[:MOST_NAME]] == 1 else f"{m.namespace.name}/{m.name}", [m])
            for m in monitors
        ]
    )


def draft_namespaces() -> list[Draft]:
    """Return one component per namespace that has monitors, by name."""
    return _grouped([(monitor.namespace.name, monitor) for monitor in _all()])


def draft_values(label: str) -> list[Draft]:
    """Return one component per value of a label, by value."""
    if not label:
        return []
    carrying = [monitor for monitor in _all() if monitor.labels.get(label)]
    return _grouped([(str(monitor.labels[label]), monitor) for monitor in carrying])


def label_names() -> list[str]:
    """Return the labels that the team's monitors carry."""
    return sorted({name for labels in Monitor.objects.values_list("labels") for name in labels[0]})


def create_started_page(*, team: Team, name: str, slug: str, drafts: Sequence[Draft]) -> StatusPage:
    """Make a page with its components, or nothing at all. Raises what the services raise."""
    with transaction.atomic():
        page = create_page(team=team, name=name, slug=slug)
        for draft in drafts:
            create_component(page=page, name=draft.name, monitors=draft.monitors)
    return page


def _all() -> list[Monitor]:
    return list(Monitor.objects.select_related("namespace").order_by("name"))


def _grouped(rows: Sequence[tuple[str, Monitor]]) -> list[Draft]:
    found: dict[str, list[Monitor]] = defaultdict(list)
    for name, monitor in rows:
        found[name].append(monitor)
    return _unique(sorted(found.items()))


def _unique(rows: Sequence[tuple[str, list[Monitor]]]) -> list[Draft]:
    taken: set[str] = set()
    drafts = []
    for long_name, monitors in rows:
        name, count = long_name[:MOST_NAME], 1
        while name in taken:
            count += 1
            name = f"{long_name[: MOST_NAME - 5]} {count}"
        taken.add(name)
        drafts.append(Draft(name, tuple(monitors)))
    return drafts
