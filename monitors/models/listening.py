"""Whether this installation listens and its engine runs: no tenant's rows."""

from __future__ import annotations

from django.db import models


class GapCause(models.TextChoices):
    """Who noticed that we did not listen."""

    STAMP = "stamp"  # no process could commit a push
    CANARY = "canary"  # processes could, but our own pushes did not reach them


class ListeningStamp(models.Model):
    """The one row that says when this installation last could accept a push."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"listening at {self.at}"


class ListeningGap(models.Model):
    """A time in which this installation could not accept pushes; deadlines are extended by it."""

    id = models.BigAutoField(primary_key=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(db_index=True)
    cause = models.CharField(
        max_length=6, choices=GapCause.choices, default=GapCause.STAMP, db_default=GapCause.STAMP
    )

    def __str__(self) -> str:
        return f"{self.started_at} to {self.ended_at}"


class Canary(models.Model):
    """The one row that says how our own pushes through the public path fare.

    `good_at` is the last that got through; None while none has since the address was changed or
    since the canary lost its say. While `deaf_from` is set and `held_until` lies ahead, silence
    after `deaf_from` is not judged: see `monitors.canary`.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    url = models.CharField(max_length=300, default="", blank=True)
    next_at = models.DateTimeField()
    good_at = models.DateTimeField(null=True)
    failed_from = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, default="", blank=True)
    deaf_from = models.DateTimeField(null=True)
    held_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"last through at {self.good_at}"


class MassGuard(models.Model):
    """The one row that says whether a wave of silences is held back: see `monitors.mass_guard`.

    `recent` counts the latest silences by second and team, `count_at` is when a further count may
    be made. `armed` is how many monitors each team had armed at `armed_at`. From `rest_until` on
    the guard may hold back again.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    recent = models.JSONField(default=dict)
    count_at = models.DateTimeField(null=True)
    armed = models.JSONField(null=True)
    armed_at = models.DateTimeField(null=True)
    held_from = models.DateTimeField(null=True)
    held_until = models.DateTimeField(null=True)
    rest_until = models.DateTimeField(null=True)
    monitors = models.PositiveIntegerField(default=0)
    teams = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"held back until {self.held_until}"


class EngineStamp(models.Model):
    """When a part of the engine last completed a round."""

    name = models.CharField(primary_key=True, max_length=32)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.at}"
