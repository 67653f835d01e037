"""What this installation tells its operator, and how it watches itself: no tenant's rows."""

from __future__ import annotations

from django.db import models


class NoticeKind(models.TextChoices):
    """What the operator is told of. Of each kind at most one mail goes out in 15 minutes."""

    GAP = "gap", "We were not listening"
    CANARY = "canary", "Our own pushes do not get through"
    GUARD = "guard", "A wave of silences is held back"
    ENGINE = "engine", "The standby does the engine's work"
    WATCHDOG = "watchdog", "The watchdog's round did not complete"


class OperatorNotice(models.Model):
    """One thing that the operator is told; `key` says what it is about, so that it is told once.

    While it is not mailed, `try_at` is when it may be tried: it is moved ahead before each try.
    """

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=8, choices=NoticeKind.choices)
    key = models.CharField(max_length=80, unique=True)
    at = models.DateTimeField()
    text = models.TextField(max_length=1000)
    try_at = models.DateTimeField()
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index("kind", name="operatornotice_unmailed", condition=models.Q(mailed_at=None))
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at}"


class WatchRound(models.Model):
    """One round of the watchdog: a monitor goes silent, is told of, recovers, and is told of.

    `result` is empty while the round runs, then `well`, `failed`, or `void` where nothing was to be
    judged: we were not listening ourselves. `stuck` says what a failed round waited for.
    """

    id = models.BigAutoField(primary_key=True)
    started_at = models.DateTimeField()
    incident_id = models.UUIDField(null=True)
    told_at = models.DateTimeField(null=True)
    over_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    result = models.CharField(max_length=6, default="", blank=True)
    stuck = models.CharField(max_length=80, default="", blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                models.Value(1), condition=models.Q(ended_at=None), name="watchround_one_runs"
            )
        ]

    def __str__(self) -> str:
        return f"{self.result or 'running'} since {self.started_at}"
