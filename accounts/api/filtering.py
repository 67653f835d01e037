"""Filters of simple lists, by django-filter: strict about what they cannot read."""

from __future__ import annotations

from typing import Any, TypeVar

import django_filters
from django import forms
from django.db.models import Model, QuerySet
from django.http import QueryDict
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.api.pagination import parse_instant

M = TypeVar("M", bound=Model)


class InstantField(forms.CharField):
    """An ISO 8601 time with an offset."""

    def clean(self, value: Any) -> Any:
        """Return the instant, None if none is asked for. Raises ValidationError."""
        if value is None:
            return None
        try:
            return parse_instant(super().clean(value))
        except (ValueError, OverflowError) as error:
            raise forms.ValidationError(
                "Must be an ISO 8601 time with an offset or Z.", code="invalid"
            ) from error


class InstantFilter(django_filters.Filter):  # type: ignore[misc]
    """Rows before or since a time."""

    field_class = InstantField


def narrow(
    filters: type[django_filters.FilterSet], rows: QuerySet[M], query: QueryDict
) -> QuerySet[M]:
    """Return the rows that the query string asks for. Raises ValidationError naming each field."""
    found = filters(query, queryset=rows)
    if not found.is_valid():
        raise ValidationError(
            {
                name: [ErrorDetail(str(text), code=error.code or "invalid") for text in error]
                for name, errors in found.errors.as_data().items()
                for error in errors
            }
        )
    narrowed: QuerySet[M] = found.qs
    return narrowed
