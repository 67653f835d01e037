"""How many monitors a team had on each day: what the monthly statement counts."""

from __future__ import annotations

from django.db import models

from accounts.tenancy import TenantModel


class UsageDay(TenantModel):
    """The most monitors that a team had at once on one day (UTC), and what one cost that day.

    `rate` is the plan's, per monitor and month; null without a plan. It is kept with the day, so
    that a statement of the past stays as it was when the plan changes.
    """

    day = models.DateField()
    monitors = models.PositiveIntegerField()
    rate = models.DecimalField(max_digits=10, decimal_places=4, null=True)
    currency = models.CharField(max_length=3, default="", blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "day"], name="usageday_once")]

    def __str__(self) -> str:
        return f"{self.monitors} on {self.day}"
