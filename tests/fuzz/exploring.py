"""Running a check on what a strategy makes: a fixed few, or new ones for as long as is asked.

With FUZZ_SECONDS in the environment (`make fuzz`) each exploration goes on for so many seconds,
and the smallest request that fails is saved in the corpus: commit it with what mends it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.asked import Asked

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
_ROUND = 500  # examples between two looks at the clock


def explore(
    strategy: st.SearchStrategy[Asked],
    check: Callable[[Asked], None],
    *,
    examples: int,
    folder: Path,
    seconds: float = SECONDS,
) -> None:
    """Run `check` on what the strategy makes; it fails by raising.

    Without seconds the same `examples` are made each time, so that the suite says the same twice.
    """
    failing: list[Asked] = []

    @settings(
        max_examples=_ROUND if seconds else examples,
        derandomize=not seconds,
        database=None,
        deadline=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(asked: Asked) -> None:
        try:
            check(asked)
        except BaseException:
            failing[:] = [asked]  # the last one that is tried is the smallest
            raise

    end = time.monotonic() + seconds
    try:
        run()
        while time.monotonic() < end:
            run()
    except BaseException as error:
        if failing and seconds:
            error.add_note(f"saved as {failing[0].save(folder)}")
        raise
