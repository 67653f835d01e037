"""Migrations run beside the release before, and wait for no lock for long."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.core.management import CommandError, call_command
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django_scopes import scopes_disabled

import monitors.migrations
from accounts.database.standing import as_owner
from accounts.management.commands.migrate import LOCK_KEY
from accounts.tenancy import TenantKey
from tests.ground.migration_rules import BIG, problems
from tests.monitors.pushing import make_monitors, push
from tests.racing import session, start

# What was there before anything was released; no release before them runs beside these.
BASELINE = {"accounts": 6, "incidents": 4, "manifests": 1, "monitors": 5, "statuspages": 2}


def ours() -> Iterator[tuple[Any, ProjectState]]:
    """Yield each migration of ours, in an order that they can run in, with the state before it."""
    loader = MigrationLoader(None)
    state = ProjectState(real_apps=loader.unmigrated_apps)
    done = set()
    for leaf in sorted(loader.graph.leaf_nodes()):
        for node in loader.graph.forwards_plan(leaf):
            if node in done:
                continue
            done.add(node)
            migration = loader.graph.nodes[node]
            if node[0] in BASELINE:
                yield migration, state.clone()
            migration.mutate_state(state, preserve=False)


def test_what_migrations_do_beside_the_release_before_is_safe_or_reviewed():
    found = {
        str(migration): trouble
        for migration, before in ours()
        if int(migration.name[:4]) > BASELINE[migration.app_label]
        and (trouble := problems(migration, before))
    }
    assert not found, "\n".join(f"{name}: {each}" for name, all_ in found.items() for each in all_)


def test_every_big_table_is_one():
    loader = MigrationLoader(None)
    models_there = set(loader.project_state().models)
    assert models_there >= BIG


def made(*operations: Any, atomic: bool = True, **reviewed: str) -> list[str]:
    """Return the problems of a migration of `incidents` with these operations."""
    members = {"operations": list(operations), "atomic": atomic, "reviewed": reviewed.get("r", {})}
    migration = type("Migration", (migrations.Migration,), members)("0999_more", "incidents")
    return problems(migration, MigrationLoader(None).project_state().clone())


INDEX = models.Index(fields=["kind"], name="delivery_kind")
TEXT = models.CharField(max_length=10)
LONGER = models.CharField(max_length=900)
NULLABLE = models.ForeignKey("incidents.incident", models.CASCADE, null=True)
REFUSED = {
    "RemoveField": migrations.RemoveField("incident", "flapping"),
    "DeleteModel": migrations.DeleteModel("HeldOutage"),
    "RenameField": migrations.RenameField("incident", "cause", "why"),
    "RenameModel": migrations.RenameModel("HeldOutage", "KeptOutage"),
    "AlterModelTable": migrations.AlterModelTable("HeldOutage", "outages"),
    "NOT NULL with a Python default only": migrations.AddField(
        "incident", "more", models.IntegerField(default=0)
    ),
    "a volatile default": migrations.AddField(
        "incident",
        "more",
        models.DateTimeField(null=True, db_default=models.functions.Now()),
    ),
    "an index under a lock": migrations.AddIndex("delivery", INDEX),
    "the index of a field": migrations.AddField(
        "delivery", "more", models.IntegerField(null=True, db_index=True)
    ),
    "a key under a lock": migrations.AddField("delivery", "more", NULLABLE),
    "a constraint on a big table": migrations.AddConstraint(
        "delivery", TenantKey(field="incident", name="again")
    ),
    "a narrower column": migrations.AlterField("incident", "summary", TEXT),
    "another type": migrations.AlterField("incident", "flapping", models.TextField()),
    "NOT NULL at once": migrations.AlterField("incident", "wake_at", models.DateTimeField()),
    "SQL of its own": migrations.RunSQL("SELECT 1"),
    "Python of its own": migrations.RunPython(lambda apps, editor: None),
    "SQL inside": migrations.SeparateDatabaseAndState([migrations.RunSQL("SELECT 1")]),
}
ALLOWED = {
    "a nullable column": migrations.AddField("delivery", "more", models.TextField(null=True)),
    "a column with a constant": migrations.AddField(
        "delivery", "more", models.BooleanField(default=False, db_default=False)
    ),
    "a wider column": migrations.AlterField(
        "incident", "summary", models.CharField(max_length=900)
    ),
    "an index of a small table": migrations.AddIndex(
        "rotation", models.Index(fields=["name"], name="rotation_name")
    ),
}


@pytest.mark.parametrize("operation", REFUSED.values(), ids=REFUSED)
def test_what_the_release_before_would_not_survive_is_refused(operation: Any) -> None:
    [problem] = made(operation)
    name = problem.split(":")[0]
    assert made(operation, r={name: "x"}) == [problem]
    assert made(operation, r={name: "unused since 1.4, and nobody locks it"}) == []


@pytest.mark.parametrize("operation", ALLOWED.values(), ids=ALLOWED)
def test_what_only_adds_is_allowed(operation: Any) -> None:
    assert made(operation) == []


def test_a_new_table_may_have_everything_at_once():
    fields = [("id", models.BigAutoField(primary_key=True)), ("kind", TEXT)]
    index = migrations.AddIndex("fresh", models.Index(fields=["kind"], name="fresh_kind"))
    assert made(migrations.CreateModel("Fresh", fields), index) == []


def test_an_index_built_beside_the_others_stands_alone_in_its_migration():
    beside = AddIndexConcurrently("delivery", INDEX)
    assert made(beside, atomic=False) == []
    assert len(made(beside, ALLOWED["a nullable column"], atomic=False)) == 1


def test_a_review_of_what_needs_none_is_refused():
    assert made(ALLOWED["a nullable column"], r={"RemoveField incidents.x.y": "unused since 1.1"})


# --- locks ----------------------------------------------------------------------------------

LOCKING = """
from django.db import migrations
class Migration(migrations.Migration):
    dependencies = [("monitors", {leaf!r})]
    operations = [migrations.RunSQL({sql!r}, migrations.RunSQL.noop)]
"""


@pytest.fixture
def one_more(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a function that adds a migration with one statement after all others of monitors."""
    name = "tests_more_migrations"
    package = tmp_path / name
    package.mkdir()
    path = list(monitors.migrations.__path__)
    (package / "__init__.py").write_text(f"__path__ += {path!r}\n")

    def add(sql: str) -> None:
        [leaf] = MigrationLoader(None).graph.leaf_nodes("monitors")
        (package / "9999_more.py").write_text(LOCKING.format(leaf=leaf[1], sql=sql))
        monkeypatch.syspath_prepend(tmp_path)
        settings.MIGRATION_MODULES = {"monitors": name}

    yield add
    for module in [each for each in sys.modules if each.split(".")[0] == name]:
        del sys.modules[module]
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE name = '9999_more'")


def migrate(*, said: io.StringIO | None = None, **options: Any) -> None:
    said = said or io.StringIO()
    call_command("migrate", "monitors", stdout=said, stderr=said, no_color=True, **options)


def was_applied() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM django_migrations WHERE name = '9999_more'")
        return bool(cursor.fetchone()[0])


LOCK = "LOCK TABLE monitors_heartbeat IN ACCESS EXCLUSIVE MODE"


@pytest.mark.django_db(transaction=True)
def test_a_migration_that_gets_no_lock_gives_up_and_pushes_go_on(team: Any, one_more: Any) -> None:
    with scopes_disabled():
        (monitor,) = make_monitors(team, 1)
        push(monitor)
        one_more(LOCK)
        with session() as reader:  # as a long report, or pg_dump
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM monitors_heartbeat")
            migrating = start(lambda: migrate(lock_timeout=0.5, give_up_after=4))
            longest, pushed = 0.0, 0
            while not migrating.done():
                began = time.monotonic()
                push(monitor)
                longest, pushed = max(longest, time.monotonic() - began), pushed + 1
            with pytest.raises(CommandError, match=r"9999_more: a lock was in the way.*gave up"):
                migrating.result()
            assert 0.2 < longest < 2.5, "a push waits behind the migration, and not for long"
            assert pushed > 20
            assert not was_applied()
            reader.execute("ROLLBACK")
        migrate()
        assert was_applied()


@pytest.mark.django_db(transaction=True)
def test_a_migration_is_tried_again_until_the_lock_is_free(one_more: Any) -> None:
    one_more(LOCK)
    with session() as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM monitors_heartbeat")
        said = io.StringIO()
        migrating = start(lambda: migrate(said=said, lock_timeout=0.2))
        while "trying again" not in said.getvalue() and not migrating.done():
            time.sleep(0.05)
        reader.execute("ROLLBACK")
        migrating.result(60)
    assert was_applied()


@pytest.mark.django_db(transaction=True)
def test_a_statement_that_takes_too_long_is_ended_and_named(one_more: Any) -> None:
    one_more("SELECT pg_sleep(30)")
    began = time.monotonic()
    with pytest.raises(CommandError, match=r"9999_more: a statement took longer than 0.3 s"):
        migrate(statement_timeout=0.3)
    assert time.monotonic() - began < 15
    assert not was_applied()


@pytest.mark.django_db(transaction=True)
def test_two_migrates_take_turns(one_more: Any) -> None:
    one_more("SELECT 1")
    with session() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        with pytest.raises(CommandError, match="another migrate is running"):
            migrate(give_up_after=0)
    migrate()
    assert was_applied()


@pytest.mark.django_db(transaction=True)
def test_the_session_is_left_as_it_was(one_more: Any) -> None:
    def timeouts() -> Any:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
            )
            return cursor.fetchone()

    before = timeouts()
    one_more("SELECT 1")
    migrate()
    assert timeouts() == before
