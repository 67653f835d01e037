"""The form of a component."""

from __future__ import annotations

from typing import Any

from django import forms

from statuspages.console.choices import monitors_field
from statuspages.console.looks import RULE_CHOICES, STATUS_CHOICES
from statuspages.models import Component
from statuspages.models.components import Rule


class ComponentForm(forms.Form):
    """Add or change a component; `values()` are the arguments of the service."""

    name = forms.CharField(
        max_length=120, help_text="As visitors know it, for example “Checkout” or “API”."
    )
    description = forms.CharField(
        label="Description (optional)",
        max_length=500,
        required=False,
        help_text="One sentence beside the name.",
    )
    group = forms.CharField(
        label="Group (optional)",
        max_length=120,
        required=False,
        help_text="The heading that it stands under. A new name makes a new group.",
        widget=forms.TextInput(attrs={"list": "groups", "autocomplete": "off"}),
    )
    rule = forms.ChoiceField(
        label="It is in a major outage when",
        choices=RULE_CHOICES,
        initial=Rule.ANY.value,
        help_text="With some down but not enough for that, it is in a partial outage.",
    )
    status = forms.ChoiceField(
        label="Its state",
        choices=[("", "Automatic: follows its monitors"), *STATUS_CHOICES],
        required=False,
        help_text="A state that you set stays until you change it, whatever the monitors say.",
    )
    show_uptime = forms.BooleanField(
        label="Show uptime and the bars of 90 days", required=False, initial=True
    )
    show_latency = forms.BooleanField(
        label="Show a plot of its latency",
        required=False,
        help_text="Of the latency that its monitors send.",
    )

    def __init__(self, *args: Any, component: Component | None = None, **kwargs: Any) -> None:
        if component is not None:
            kwargs["initial"] = {
                "name": component.name,
                "description": component.description,
                "group": component.group.name if component.group else "",
                "rule": component.rule,
                "status": component.manual_status,
                "show_uptime": component.show_uptime,
                "show_latency": component.show_latency,
                "monitors": [link.monitor_id for link in component.monitor_links.all()],
            }
        super().__init__(*args, **kwargs)
        self.fields["monitors"] = monitors_field(
            help_text="With none, it is operational until you set its state."
        )

    def values(self) -> dict[str, Any]:
        """Return what the component service takes."""
        return {**self.cleaned_data, "monitors": list(self.cleaned_data["monitors"])}
