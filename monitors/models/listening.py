"""Whether this installation listens and its engine runs: no tenant's rows."""

from __future__ import annotations

from django.db import models


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

    def __str__(self) -> str:
        return f"{self.started_at} to {self.ended_at}"


class EngineStamp(models.Model):
    """When a part of the engine last completed a round."""

    name = models.CharField(primary_key=True, max_length=32)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.at}"
