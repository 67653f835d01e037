"""The way to many PostgreSQL nodes, as SQL to read."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from manifests.distribution import REFERENCE, read_distribution


class Command(BaseCommand):
    help = (
        "Print what would distribute the tables of this database with Citus, by team. It changes "
        "nothing. docs/scaling.md says when, and what the code needs first."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        plan = read_distribution()
        self._part("Keys that cannot lead to one node, and team_id in every unique constraint")
        self._say(plan.preparation())
        self._part("Whole on every node")
        for table in plan.reference:
            self.stdout.write(f"-- {table}: {REFERENCE[table]}")
        self._say(plan.placement())
        self._part("On the coordinator alone, as they are")
        for table in plan.local:
            self.stdout.write(f"-- {table}")

    def _part(self, title: str) -> None:
        self.stdout.write(f"\n-- {title}")

    def _say(self, statements: list[str]) -> None:
        for statement in statements:
            self.stdout.write(f"{statement};")
