"""To be run once after a restore to a point in time, before anything else."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from incidents.restoring import QUIET_SECONDS, StillRunning, quieten_restored


class Command(BaseCommand):
    help = (
        "After the database was restored to a point before the failure: take what was due then as "
        "sent, so that nobody is paged again for it, and hold back steps and timers for a while. "
        "Run it before the processes start; not after a crash or a failover that lost nothing. "
        "Prints one JSON object."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--quiet-seconds",
            type=float,
            default=QUIET_SECONDS,
            help=f"for how long escalations and snoozes wait at least ({QUIET_SECONDS})",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = quieten_restored(quiet_seconds=options["quiet_seconds"])
        except StillRunning as error:
            raise CommandError("processes work on this database: stop them first") from error
        answer = {
            "restored_to": done.point.isoformat(),
            "quiet_until": done.quiet_until.isoformat(),
            "taken_as_sent": done.taken_as_sent,
            "open_incidents": [
                {"id": str(pk), "team": team, "monitor": monitor} for pk, team, monitor in done.open
            ],
        }
        self.stdout.write(json.dumps(answer, indent=2))
