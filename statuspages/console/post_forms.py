"""The forms of posts, their updates and templates. Times are those of the page's zone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django import forms

from incidents.console.maintenance_form import WallField
from statuspages.console.post_words import (
    WORDS,
    claims_of,
    is_over,
    may_have_postmortem,
    read_wall,
    show_wall,
    status_choices,
    zone_of,
)
from statuspages.models import Component, Post, PostTemplate, PostUpdate, StatusPage
from statuspages.models.components import ComponentStatus
from statuspages.models.posts import Impact, PostStatus
from statuspages.services.posts import INCIDENT_STATUSES, MAINTENANCE_STATUSES

MOST_BODY = 20_000
MARKDOWN = "Markdown: **bold**, [a link](https://…), lists. Pictures and HTML are not shown."
AFFECTED = "affected"
_UNTOUCHED = "keep"
_AUTOMATIC = "automatic"
_IMPACTS = [(value, WORDS[f"impact_{value}"]) for value in Impact.values]
INCIDENT_IMPACTS = [row for row in _IMPACTS if row[0] != Impact.MAINTENANCE]
_STATUSES = [(value, WORDS[value]) for value in ComponentStatus.values]


class MarkdownField(forms.CharField):
    """Text over several lines, kept as it was typed, with LF at the ends of lines."""

    def __init__(self, *, rows: int = 6, **options: Any) -> None:
        widget = forms.Textarea(attrs={"rows": rows})
        super().__init__(max_length=MOST_BODY, strip=False, widget=widget, **options)

    def to_python(self, value: Any) -> str:
        """Return the text."""
        text: str = super().to_python(value) or ""
        return text.replace("\r\n", "\n") if text.strip() else ""


class TickField(forms.BooleanField):
    """A box to tick, drawn by our own templates."""

    def __init__(self, **options: Any) -> None:
        box = forms.CheckboxInput(attrs={"class": "form-check-input"})
        super().__init__(required=False, widget=box, **options)


class PageForm(forms.Form):
    """A form about a page; `draft_of` gives the same form with what was typed, unjudged."""

    def __init__(self, *args: Any, page: StatusPage, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.page = page
        self.zone = zone_of(page)
        self.components: list[Component] = []

    def raw_values(self) -> dict[str, Any]:
        """Return what was typed, as values to begin another form with."""
        return {
            name: field.widget.value_from_datadict(self.data, self.files, self.add_prefix(name))
            for name, field in self.fields.items()
        }

    def instant(self, name: str, stored: datetime | None = None) -> datetime | None:
        """Return the instant of a field of wall-clock time; None if it is empty."""
        wall = self.cleaned_data.get(name)
        return read_wall(wall, self.zone, stored) if wall else None

    def offer_components(
        self, components: Iterable[Component], choices: Sequence[tuple[str, str]], first: Any
    ) -> None:
        """Add a field for each component: a choice, or with no choices a box to tick."""
        self.components = list(components)
        for component in self.components:
            name = f"component-{component.pk}"
            field: forms.Field
            if choices:
                field = forms.ChoiceField(
                    choices=choices,
                    required=False,
                    widget=forms.Select(attrs={"class": "form-select"}),
                )
            else:
                field = TickField()
            field.label = component.name
            field.initial = first(component)
            self.fields[name] = field

    def component_fields(self) -> list[Any]:
        """Return the fields of the components, bound."""
        return [self[f"component-{component.pk}"] for component in self.components]

    def plain_fields(self) -> list[Any]:
        """Return all other fields, bound."""
        return [field for field in self if not field.name.startswith("component-")]

    def chosen(self) -> dict[Component, Any]:
        """Return what was chosen for each component."""
        return {c: self.cleaned_data.get(f"component-{c.pk}") for c in self.components}


def components_of(page: StatusPage) -> list[Component]:
    """Return a page's components as visitors see them one after the other."""
    rows = Component.objects.filter(page=page)
    return list(rows.order_by("group__position", "position", "name"))


def _claim(value: Any) -> str:
    return "" if value in (AFFECTED, True) else str(value)


class IncidentForm(PageForm):
    """Write an incident."""

    title = forms.CharField(
        max_length=200, help_text="What visitors notice, for example “Sign-in is slow”."
    )
    status = forms.ChoiceField(
        label="How far it has come",
        choices=status_choices(INCIDENT_STATUSES[:4]),
        initial=PostStatus.INVESTIGATING,
    )
    impact = forms.ChoiceField(
        choices=[("", "As bad as the worst of the components"), *INCIDENT_IMPACTS], required=False
    )
    body = MarkdownField(label="What visitors are told", required=False, help_text=MARKDOWN)
    started_at = WallField(label="Started at", required=False)
    notify = TickField(label="Tell subscribers", initial=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[
            "started_at"
        ].help_text = f"In {self.page.timezone}. Leave it empty if it has just begun."
        choices = [("", "Not affected"), (AFFECTED, "Affected, state as measured"), *_STATUSES]
        self.offer_components(components_of(self.page), choices, lambda _: "")

    def claims(self) -> dict[Component, str]:
        """Return what the post says of components."""
        return {c: _claim(value) for c, value in self.chosen().items() if value}


class PlanForm(PageForm):
    """Plan maintenance."""

    title = forms.CharField(
        max_length=200, help_text="What is done, for example “Database upgrade”."
    )
    scheduled_for = WallField(label="From")
    scheduled_until = WallField(label="Until")
    body = MarkdownField(
        label="What visitors are told",
        required=False,
        help_text=f"Say what will not work meanwhile. {MARKDOWN}",
    )
    silence = forms.BooleanField(
        label="Silence the monitors of these components",
        required=False,
        help_text="Makes a maintenance window of the same time: no incident opens, nobody is "
        "paged.",
    )
    notify = TickField(label="Tell subscribers", initial=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("scheduled_for", "scheduled_until"):
            self.fields[name].help_text = f"In {self.page.timezone}."
        self.offer_components(components_of(self.page), (), lambda _: False)

    def clean(self) -> dict[str, Any]:
        """Check that it ends after it begins."""
        data = super().clean() or self.cleaned_data
        _check_span(self)
        return data

    def claims(self) -> dict[Component, str]:
        """Return the components that it is about."""
        return {c: "" for c, ticked in self.chosen().items() if ticked}


class PostForm(PageForm):
    """Change what a post says of itself; `values()` are arguments of the service."""

    title = forms.CharField(max_length=200)
    impact = forms.ChoiceField(choices=INCIDENT_IMPACTS)
    started_at = WallField(label="Started at")
    scheduled_for = WallField(label="From")
    scheduled_until = WallField(label="Until")

    def __init__(self, *args: Any, post: Post, is_announced: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.post = post
        self.before = claims_of(post)
        unwanted = ["started_at"]
        if not post.is_maintenance:
            unwanted = ["scheduled_for", "scheduled_until"]
        elif is_announced:
            unwanted += ["scheduled_for", "scheduled_until"]
        if post.is_maintenance:
            self.fields["impact"].choices = _IMPACTS  # type: ignore[attr-defined]
        for name in unwanted:
            del self.fields[name]
        self.fields["title"].initial = post.title
        self.fields["impact"].initial = post.impact
        for name in ("started_at", "scheduled_for", "scheduled_until"):
            stored = getattr(post, name)
            if name in self.fields and stored:
                self.fields[name].initial = show_wall(stored, self.zone)
                self.fields[name].help_text = f"In {self.page.timezone}."
        # Before it begins and after it is over a post says nothing of how components are.
        self.is_plain = post.resolved_at is not None or post.status == PostStatus.SCHEDULED
        choices = [("", "Not affected"), (AFFECTED, "Affected, state as measured"), *_STATUSES]
        self.offer_components(
            components_of(self.page),
            () if self.is_plain else choices,
            lambda component: component in self.before if self.is_plain else self._said(component),
        )

    def _said(self, component: Component) -> str:
        return self.before[component] or AFFECTED if component in self.before else ""

    def clean(self) -> dict[str, Any]:
        """Check that planned work ends after it begins."""
        data = super().clean() or self.cleaned_data
        _check_span(self, self.post)
        return data

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        found: dict[str, Any] = {name: self.cleaned_data[name] for name in ("title", "impact")}
        for name in ("started_at", "scheduled_for", "scheduled_until"):
            if name in self.fields:
                found[name] = self.instant(name, getattr(self.post, name))
        found["components"] = {c: _claim(value) for c, value in self.chosen().items() if value}
        return found


class UpdateForm(PageForm):
    """Say how it goes."""

    status = forms.ChoiceField(label="How far it has come")
    body = MarkdownField(label="What visitors are told", required=False, help_text=MARKDOWN)
    notify = TickField(label="Tell subscribers", initial=True)

    def __init__(self, *args: Any, post: Post, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["status"].choices = statuses_of(post)  # type: ignore[attr-defined]
        self.fields["status"].initial = post.status
        if post.published_at is None:
            del self.fields["notify"]
        keep = (_UNTOUCHED, "Leave it as it is")
        choices = [keep, *_STATUSES, (_AUTOMATIC, "As measured")]
        self.offer_components(components_of(self.page), choices, lambda _: _UNTOUCHED)
        self.before = claims_of(post)

    def near_fields(self) -> list[Any]:
        """Return the fields of the components that the post is about already."""
        return [self[f"component-{c.pk}"] for c in self.components if c in self.before]

    def far_fields(self) -> list[Any]:
        """Return the fields of the page's other components."""
        return [self[f"component-{c.pk}"] for c in self.components if c not in self.before]

    def claims(self) -> dict[Component, str]:
        """Return what this says of components; at the end all follow what is measured again."""
        if is_over(self.cleaned_data["status"]):
            return {}
        chosen = self.chosen().items()
        return {
            c: "" if value == _AUTOMATIC else value
            for c, value in chosen
            if value and value != _UNTOUCHED
        }


class UpdateEditForm(PageForm):
    """Correct an update; `values()` are arguments of the service."""

    status = forms.ChoiceField(label="How far it had come")
    at = WallField(label="When")
    body = MarkdownField(label="What visitors are told", required=False, help_text=MARKDOWN)

    def __init__(self, *args: Any, update: PostUpdate, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.update = update
        choices = statuses_of(update.post)
        if update.status not in dict(choices):
            choices = [*choices, (update.status, WORDS[update.status])]
        self.fields["status"].choices = choices  # type: ignore[attr-defined]
        self.fields["status"].initial = update.status
        self.fields["body"].initial = update.body
        self.fields["at"].initial = show_wall(update.at, self.zone)
        self.fields["at"].help_text = f"In {self.page.timezone}."

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        data = self.cleaned_data
        at = self.instant("at", self.update.at)
        return {"status": data["status"], "body": data["body"], "at": at}


class TemplateForm(forms.Form):
    """Keep words for later; its values are the fields of the service."""

    name = forms.CharField(
        max_length=120, help_text="How the team finds it. Visitors never see it."
    )
    status = forms.ChoiceField(
        label="How far it has come",
        choices=[
            ("Incident", status_choices(INCIDENT_STATUSES)),
            ("Planned maintenance", status_choices(MAINTENANCE_STATUSES)),
        ],
        initial=PostStatus.INVESTIGATING,
    )
    impact = forms.ChoiceField(choices=_IMPACTS, initial=Impact.MINOR)
    title = forms.CharField(
        max_length=200, required=False, help_text="Of a new post. Updates have none."
    )
    body = MarkdownField(label="What visitors are told", required=False, help_text=MARKDOWN, rows=8)


def statuses_of(post: Post) -> list[tuple[str, str]]:
    """Return the statuses that an update of a post can have."""
    if post.is_maintenance:
        return status_choices(MAINTENANCE_STATUSES)
    with_story = may_have_postmortem(post)
    return status_choices(INCIDENT_STATUSES if with_story else INCIDENT_STATUSES[:4])


def template_values(template: PostTemplate) -> dict[str, str]:
    """Return a template's words as values to begin a form with."""
    names = ("title", "status", "impact", "body")
    return {name: value for name in names if (value := getattr(template, name))}


def plan_times(now: datetime, page: StatusPage) -> dict[str, datetime]:
    """Return the times that a plan begins with: the next full hour of the page's zone, one long."""
    hour = show_wall(now, zone_of(page)).replace(minute=0, second=0, microsecond=0)
    begins = hour + timedelta(hours=1)
    return {"scheduled_for": begins, "scheduled_until": begins + timedelta(hours=1)}


def _check_span(form: PageForm, stored: Post | None = None) -> None:
    # By instants: where clocks are put back, what ends later may stand earlier on the wall.
    begins, ends = (
        form.instant(name, getattr(stored, name, None))
        for name in ("scheduled_for", "scheduled_until")
    )
    if begins and ends and ends <= begins:
        form.add_error("scheduled_until", "Must be later than when it begins.")
