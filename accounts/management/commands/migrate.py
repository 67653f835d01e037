"""`migrate` beside a serving installation: as the owner, and waiting for no lock for long.

A statement that waits for a lock makes everybody behind it wait too, pushes first of all. So each
wait is short; when it is over the migration is rolled back, pushes go on, and it is tried again.
"""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import CommandError, CommandParser, no_translations
from django.core.management.commands import migrate
from django.db import OperationalError, connections

from accounts.database.standing import as_owner

LOCK_KEY = 7_203_099  # pg_try_advisory_lock: one migrate at a time
LOCK_TIMEOUT_SECONDS = 2.0
STATEMENT_TIMEOUT_SECONDS = 60.0
GIVE_UP_SECONDS = 180.0
PAUSE_SECONDS = 1.0
RETRIED = {"55P03": "a lock", "40P01": "a deadlock"}  # lock_not_available, deadlock_detected
CANCELLED = "57014"  # query_canceled


class Command(migrate.Command):
    """Django's migrate, with timeouts."""

    help = (
        "Bring the database up to date beside running processes: short waits for locks, each "
        "migration tried again until it gets them. Talk to PostgreSQL itself, not to a pooler."
    )
    _doing = "the preparation"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        for name, default, text in (
            ("--lock-timeout", LOCK_TIMEOUT_SECONDS, "a statement waits for a lock, and pushes"),
            ("--statement-timeout", STATEMENT_TIMEOUT_SECONDS, "a statement may take"),
            ("--give-up-after", GIVE_UP_SECONDS, "to try again and again"),
        ):
            text = f"Seconds that {text} at most." if "try" not in text else f"Seconds {text}."
            parser.add_argument(name, type=float, default=default, metavar="SECONDS", help=text)

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        with as_owner():
            if options["plan"] or options["check_unapplied"]:
                super().handle(*args, **options)
            else:
                self._migrate(*args, **options)

    def _migrate(self, *args: Any, **options: Any) -> None:
        self._connection = connections[options["database"]]
        self._timeouts = options["lock_timeout"], options["statement_timeout"]
        until = time.monotonic() + options["give_up_after"]
        self._take_turn(until)
        try:
            self._try_until(until, *args, **options)
        finally:
            self._leave()

    def _try_until(self, until: float, *args: Any, **options: Any) -> None:
        while True:
            self._set_timeouts(atomic=True)
            try:
                super().handle(*args, **options)
            except OperationalError as error:
                state = getattr(error.__cause__, "sqlstate", None)
                if state == CANCELLED:
                    raise CommandError(
                        f"{self._doing}: a statement took longer than {self._timeouts[1]:g} s and "
                        "was rolled back; see --statement-timeout"
                    ) from error
                if state not in RETRIED:
                    raise
                said = f"{self._doing}: {RETRIED[state]} was in the way, rolled back"
                if time.monotonic() + PAUSE_SECONDS >= until:
                    raise CommandError(
                        f"{said}; gave up after {options['give_up_after']:g} s. Look in "
                        "pg_stat_activity for a long transaction, end it, and run migrate again."
                    ) from error
                self.stderr.write(f"{said}; trying again")
                time.sleep(PAUSE_SECONDS)
            else:
                return

    def migration_progress_callback(
        self, action: str, migration: Any = None, fake: bool = False
    ) -> None:
        """Set the timeouts of the migration that begins, and say what Django says."""
        if migration is not None and action in ("apply_start", "unapply_start"):
            self._doing = str(migration)
            self._set_timeouts(atomic=migration.atomic)
        elif action in ("apply_success", "unapply_success"):
            self._doing = "what follows the migrations"
            self._set_timeouts(atomic=True)
        super().migration_progress_callback(action, migration, fake)

    def _set_timeouts(self, *, atomic: bool) -> None:
        # What runs outside a transaction builds indexes CONCURRENTLY: that takes its time, keeps
        # nobody waiting, and leaves an invalid index behind when it is broken off.
        lock, statement = self._timeouts if atomic else (0, 0)
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('lock_timeout', %s, false), "
                "set_config('statement_timeout', %s, false)",
                [f"{lock * 1000:.0f}ms", f"{statement * 1000:.0f}ms"],
            )

    def _take_turn(self, until: float) -> None:
        with self._connection.cursor() as cursor:
            while True:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY])
                if cursor.fetchone()[0]:
                    return
                if time.monotonic() >= until:
                    raise CommandError("another migrate is running; gave up waiting for it")
                time.sleep(PAUSE_SECONDS)

    def _leave(self) -> None:
        if self._connection.connection is None or not self._connection.is_usable():
            return
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])
            cursor.execute("RESET lock_timeout")
            cursor.execute("RESET statement_timeout")
