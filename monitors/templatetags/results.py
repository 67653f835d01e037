"""Where a result of a list leads to."""

from __future__ import annotations

from django import template

from monitors.console.results import ResultRow, result_query

register = template.Library()


@register.filter
def at_query(row: ResultRow) -> str:
    """Return the query string of a result's own page."""
    return result_query(row)
