"""Amounts of money in templates."""

from __future__ import annotations

from decimal import Decimal

from django import template

register = template.Library()


@register.filter
def rate(amount: Decimal) -> str:
    """Return a rate as "1,250.50": with two digits behind the point, or as many as it has."""
    digits = -int(amount.normalize().as_tuple().exponent)
    return f"{amount:,.{max(2, digits)}f}"
