"""Monitors to tick in a form, those that are ticked first; not ten thousand of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django import forms

from monitors.models import Monitor

MOST_LISTED = 1000


def monitors_field(**options: Any) -> forms.ModelMultipleChoiceField[Monitor]:
    """Return a field of the team's monitors; call inside the team's scope."""
    return forms.ModelMultipleChoiceField(
        queryset=Monitor.objects.select_related("namespace").order_by("name"),
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        **options,
    )


def list_choices(ticked: Iterable[Any]) -> dict[str, Any]:
    """Return what `_monitors.html` shows, for the ids that are ticked."""
    ids = {str(value) for value in ticked if _is_id(value)}
    named = Monitor.objects.select_related("namespace").order_by("name")
    chosen = list(named.filter(pk__in=ids))
    others = list(named.exclude(pk__in=ids)[: MOST_LISTED + 1])
    return {
        "chosen": chosen,
        "others": others[:MOST_LISTED],
        "more_monitors": len(others) > MOST_LISTED,
    }


def _is_id(value: Any) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True
