"""How many monitors a team had on each day: what the monthly statement counts."""

from __future__ import annotations

from django.db import models

from accounts.tenancy import TenantModel


class UsageDay(TenantModel):
    """The most monitors that a team had at once on one day (UTC)."""

    day = models.DateField()
    monitors = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "day"], name="usageday_once")]

    def __str__(self) -> str:
        return f"{self.monitors} on {self.day}"
