"""A walk over every table: whose it is, whom it may point to, and what the database enforces."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction
from django.utils.timezone import now
from django_scopes import scope, scopes_disabled
from django_scopes.exceptions import ScopeError

from accounts.models import ApiKey, Membership, Namespace, Team
from accounts.tenancy import TenantKey, TenantModel
from incidents.models import (
    AlertRule,
    AlertRuleChannel,
    Channel,
    Delivery,
    Incident,
    Notification,
    TimelineEvent,
)
from monitors.models import Heartbeat, Monitor, PushKey, PushReceipt, Secret
from monitors.services import create_monitor
from tests.factories import TeamFactory

ROOMS = ["accounts", "monitors", "incidents", "statuspages", "manifests"]
# Tables of the installation, which belong to no team, each with its reason.
SHARED = {
    "accounts.User": "a person may be in several teams",
    "accounts.Plan": "what the operator sells to any team",
    "accounts.Team": "it is the tenant",
    "monitors.ListeningStamp": "whether this installation can be pushed to",
    "monitors.ListeningGap": "the same, of the past",
    "monitors.Canary": "whether our own pushes get through",
    "monitors.MassGuard": "whether a wave of silences over several teams is held back",
    "incidents.OperatorNotice": "what the operator is told of this installation",
    "incidents.WatchRound": "whether this installation still finds, tells and ends an outage",
    "monitors.EngineStamp": "whether this installation's engine runs",
    "statuspages.AskingNetwork": "visitors of any page, counted together",
}
# References without a constraint in the database, each with its reason.
LOOSE = {
    "monitors.PushResult.team": "partitioned and append-only: checked by the statement's join",
    "monitors.PushResult.monitor": "results go with their day's partition",
    "monitors.Transition.monitor": "outlives its monitor",
}
OURS = [model for room in ROOMS for model in apps.get_app_config(room).get_models()]
TENANTS = [model for model in OURS if issubclass(model, TenantModel)]


def label(model: Any) -> str:
    name: str = model._meta.label
    return name


def references(model: Any) -> list[Any]:
    return [field for field in model._meta.concrete_fields if field.is_relation]


def constraints(table: str) -> list[tuple[list[str], str, list[str], bool]]:
    """Return a table's foreign keys: its columns, the target, its columns, and if validated."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT ARRAY(SELECT attname::text FROM unnest(c.conkey) WITH ORDINALITY k(n, i)
                     JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY i),
              c.confrelid::regclass::text,
              ARRAY(SELECT attname::text FROM unnest(c.confkey) WITH ORDINALITY k(n, i)
                     JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.n ORDER BY i),
              c.convalidated
            FROM pg_constraint c WHERE c.contype = 'f' AND c.conrelid = %s::regclass
            """,
            [table],
        )
        return list(cursor.fetchall())


def test_every_table_is_a_tenants_or_is_shared_for_a_reason():
    shared = {label(model) for model in OURS if model not in TENANTS}
    assert shared == set(SHARED)


@pytest.mark.parametrize("model", TENANTS, ids=label)
def test_a_tenants_rows_belong_to_one_team_for_ever(model):
    team = model._meta.get_field("team")
    assert team.related_model is Team
    assert not team.null
    assert not team.editable or label(model) in {"monitors.PushResult", "monitors.Transition"}


@pytest.mark.parametrize("model", TENANTS, ids=label)
def test_every_query_of_a_tenants_table_must_name_its_team(model, db):
    for query in (model.objects.all, model.objects.count, lambda: model.objects.filter(pk=None)):
        with pytest.raises(ScopeError):
            query()
    with scopes_disabled():
        assert model.objects.count() == 0
    with scope(team=TeamFactory()):
        sql = str(model.objects.all().query)
    assert '"team_id" = ' in sql


@pytest.mark.parametrize("model", TENANTS, ids=label)
def test_every_reference_between_tenants_is_held_within_the_team_by_the_database(model, db):
    """Read from pg_constraint: what Django believes is not what the database does."""
    found = constraints(model._meta.db_table)
    for field in references(model):
        name = f"{label(model)}.{field.name}"
        target = field.related_model
        if name in LOOSE:
            assert not any(field.column in columns for columns, *_ in found), name
            continue
        if issubclass(target, TenantModel):
            wanted = (["team_id", field.column], ["team_id", target._meta.pk.column])
        else:
            wanted = ([field.column], [target._meta.pk.column])
        matching = [
            valid
            for columns, table, columns_there, valid in found
            if (columns, columns_there) == wanted and table == target._meta.db_table
        ]
        assert matching == [True], f"{name} is not held by the database"


@pytest.mark.parametrize("model", TENANTS, ids=label)
def test_every_reference_between_tenants_is_declared(model):
    declared = {c.field for c in model._meta.constraints if isinstance(c, TenantKey)}
    between = {
        field.name
        for field in references(model)
        if issubclass(field.related_model, TenantModel)
        and f"{label(model)}.{field.name}" not in LOOSE
    }
    assert declared == between


def test_the_lists_of_exceptions_hold_nothing_that_is_gone():
    fields = {f"{label(model)}.{field.name}" for model in OURS for field in references(model)}
    assert set(LOOSE) <= fields
    assert set(SHARED) <= {label(model) for model in OURS}


def test_references_point_down_the_rooms():
    """manifests → statuspages → incidents → monitors → accounts, never up."""
    for model in OURS:
        for field in [*references(model), *model._meta.many_to_many]:
            there = field.related_model._meta.app_label
            if there in ROOMS:
                assert ROOMS.index(there) <= ROOMS.index(model._meta.app_label), field


def test_every_text_of_a_tenants_has_a_limit_or_is_meant_to_be_long():
    long = {
        f"{label(model)}.{field.name}"
        for model in TENANTS
        for field in model._meta.concrete_fields
        if isinstance(field, models.TextField) and field.max_length is None
    }
    assert long == {"monitors.PushResult.message", "incidents.TimelineEvent.text"}


# --- what the database refuses, whatever the code says --------------------------------------


@pytest.fixture
def two(db) -> dict[str, Any]:
    """Two teams, with one of everything in the first."""
    home, away = TeamFactory(slug="home"), TeamFactory(slug="away")
    with scopes_disabled():
        monitor, _ = create_monitor(team=home, name="m")
        namespace = Namespace.objects.get(team=home)
        channel = Channel.objects.create(team=home, name="c", kind="webhook")
        rule = AlertRule.objects.create(team=home, name="r", position=0)
        incident = Incident.objects.create(
            team=home,
            monitor_id=monitor.pk,
            monitor_name="m",
            namespace="home",
            cause="failure",
            severity="critical",
            summary="s",
            down_since=now(),
            opened_at=now(),
        )
        delivery = Delivery.objects.create(
            team=home,
            contact="c",
            kind="webhook",
            event="e",
            payload={},
            next_attempt_at=now(),
            created_at=now(),
        )
        return {
            "home": home,
            "away": away,
            "monitor": monitor,
            "namespace": namespace,
            "channel": channel,
            "rule": rule,
            "incident": incident,
            "delivery": delivery,
            "member": Membership.objects.get(team=home),
        }


def _delivery(**fields: Any) -> Delivery:
    at = now()
    return Delivery(
        contact="c", kind="k", event="e", payload={}, next_attempt_at=at, created_at=at, **fields
    )


FOREIGN: dict[str, Any] = {
    "monitor": lambda t: Monitor(team=t["away"], namespace=t["namespace"], name="x"),
    "monitor by secret": lambda t: Monitor(
        team=t["away"],
        namespace=Namespace.objects.get(team=t["away"]),
        name="x",
        secret=Secret.objects.create(
            team=t["home"], namespace=t["namespace"], name="s", key="k", token_hash=b"x"
        ),
    ),
    "secret": lambda t: Secret(
        team=t["away"], namespace=t["namespace"], name="s", key="k", token_hash=b"x"
    ),
    "push key": lambda t: PushKey(team=t["away"], monitor=t["monitor"], is_current=False),
    "receipt": lambda t: PushReceipt(
        team=t["away"], monitor=t["monitor"], key="k", answer={}, created_at=now()
    ),
    "API key": lambda t: ApiKey(
        team=t["away"], name="k", prefix="p", key_hash=b"x", created_by=t["member"]
    ),
    "rule's channel": lambda t: AlertRuleChannel(
        team=t["home"],
        rule=t["rule"],
        channel=Channel.objects.create(team=t["away"], name="c", kind="webhook"),
    ),
    "channel's rule": lambda t: AlertRuleChannel(
        team=t["away"],
        rule=t["rule"],
        channel=Channel.objects.create(team=t["away"], name="c", kind="webhook"),
    ),
    "previous incident": lambda t: Incident(
        team=t["away"],
        monitor_id=t["away"].pk,
        previous=t["incident"],
        down_since=now(),
        opened_at=now(),
    ),
    "timeline": lambda t: TimelineEvent(team=t["away"], incident=t["incident"], at=now(), kind="k"),
    "delivery of an incident": lambda t: _delivery(team=t["away"], incident=t["incident"]),
    "delivery by a channel": lambda t: _delivery(team=t["away"], channel=t["channel"]),
    "delivery after another": lambda t: _delivery(team=t["away"], after=t["delivery"]),
    "notification": lambda t: Notification(
        team=t["away"], incident=t["incident"], kind="k", contact="c", created_at=now()
    ),
    "notification's delivery": lambda t: Notification(
        team=t["home"],
        incident=t["incident"],
        kind="k",
        contact="c",
        created_at=now(),
        delivery=Delivery.objects.bulk_create([_delivery(team=t["away"])])[0],
    ),
}


def checked(change: Any) -> None:
    """Make a change, and let the database judge it now and not at the commit."""
    with transaction.atomic(), connection.cursor() as cursor:
        change()
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize("row", FOREIGN)
def test_a_row_that_points_into_another_team_is_refused(two, row):
    def store() -> None:
        FOREIGN[row](two).save(force_insert=True)

    with scopes_disabled(), pytest.raises(IntegrityError, match="foreign key"):
        checked(store)


def test_a_row_cannot_be_moved_to_another_team(two):
    with scopes_disabled():
        for model in (Heartbeat, PushKey, Monitor):
            rows = model.objects.filter(team=two["home"])
            with pytest.raises(IntegrityError):
                checked(lambda rows=rows: rows.update(team=two["away"]))


def test_within_a_scope_another_teams_rows_do_not_exist(two):
    with scope(team=two["away"]):
        assert not Monitor.objects.exists()
        assert not Incident.objects.filter(pk=two["incident"].pk).exists()
        assert Monitor.objects.filter(pk=two["monitor"].pk).update(name="stolen") == 0
        assert Monitor.objects.filter(pk=two["monitor"].pk).delete()[0] == 0
    with scopes_disabled():
        assert Monitor.objects.get().name == "m"


def test_deleting_a_team_leaves_nothing_of_it_and_all_of_the_other(two):
    with scopes_disabled():
        create_monitor(team=two["away"], name="stays")
        two["home"].delete()
        for model in TENANTS:
            assert not model.objects.filter(team=two["home"].pk).exists(), model
        assert Monitor.objects.get().name == "stays"
