"""Make the partitions of the coming week."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils.timezone import now

from monitors.partitions import ensure_partitions


class Command(BaseCommand):
    help = "Create the daily partitions of the push results, a week ahead."

    def handle(self, *args: Any, **options: Any) -> None:
        made = ensure_partitions(now=now())
        self.stdout.write(f"{made} partitions made")
