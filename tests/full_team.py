"""A team with rows in every table that teams have, those of rooms yet to come included."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import models, transaction
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.erasing import tenant_models
from accounts.ids import uuid7
from accounts.models import Team, User
from accounts.tenancy import TenantModel
from monitors.models import Monitor, PushResult
from tests.api.test_pages import results_of

_numbers = itertools.count(1)
# Where a table wants one of several things.
_LEFT_EMPTY = {"incidents_escalationtarget": {"membership", "channel"}}


def fill_team(team: Team, rows: int = 2) -> dict[str, list[Any]]:
    """Put rows into every table; texts and bytes are canaries: `<column>-canary-<number>`.

    The later rows of a table that refers to itself refer to the first. Returns the rows by table.
    """
    made: dict[str, list[Any]] = {}
    with scopes_disabled(), transaction.atomic():
        for model in reversed(tenant_models()):
            table = model._meta.db_table
            made[table] = []
            for _ in range(rows):
                made[table].append(_make(model, team, made))
        monitor = Monitor.objects.filter(team=team).first()
        assert monitor is not None
        results_of(monitor, [now() - timedelta(minutes=n) for n in range(3)])
        made[PushResult._meta.db_table] = list(PushResult.objects.filter(team=team))
    return made


def _make(model: type[TenantModel], team: Team, made: dict[str, list[Any]]) -> Any:
    values: dict[str, Any] = {"team": team}
    for field in model._meta.concrete_fields:
        if field.name == "team" or isinstance(field, models.AutoField | models.CompositePrimaryKey):
            continue
        if field.name in _LEFT_EMPTY.get(model._meta.db_table, ()):
            continue
        value = _value(model, field, made)
        if value is not None:
            values[field.name] = value
    row = model(**values)
    row.save(force_insert=True)
    return row


def _value(model: type[TenantModel], field: Any, made: dict[str, list[Any]]) -> Any:
    number = next(_numbers)
    canary = f"{field.attname}-canary-{number}"
    if field.is_relation:
        if field.related_model is User:
            return User.objects.create_user(f"{canary.lower()}@example.org")
        parents = made.get(field.related_model._meta.db_table, [])
        if field.related_model is model:
            return parents[0] if parents else None
        # One of its own for each, where there may be one alone.
        return parents[len(made[model._meta.db_table]) % len(parents)]
    if field.choices:
        return field.choices[-1][0]
    for kind, make in _VALUES:
        if isinstance(field, kind):
            return make(number, canary)
    if field.name == "domain":
        return f"canary-{number}.example.org"
    text = canary.replace("_", "-")
    return text[-field.max_length :].strip("-") if field.max_length else text


_VALUES: list[tuple[Any, Callable[[int, str], Any]]] = [
    (models.UUIDField, lambda number, canary: uuid7()),
    (models.BooleanField, lambda number, canary: False),
    (models.DateTimeField, lambda number, canary: now() + timedelta(seconds=number)),
    (models.DateField, lambda number, canary: now().date() + timedelta(days=number)),
    (models.JSONField, lambda number, canary: {"canary": canary}),
    (models.BinaryField, lambda number, canary: canary.encode()),
    (
        models.IntegerField | models.FloatField | models.DecimalField,
        lambda number, canary: number % 30_000,
    ),
]
