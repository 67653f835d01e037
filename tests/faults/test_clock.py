"""The application's clock is an hour wrong: the database's clock rules."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.doing import FULL, assert_never_down
from tests.faults.invariants import assert_sound
from tests.faults.pressing import Pressed
from tests.system.whole import Whole, running_with, until

pytestmark = [pytest.mark.system, pytest.mark.faults]
# Read by every Python process of the installation as it starts.
WRONG = """
import datetime
import time_machine
command = open("/proc/self/cmdline").read()
_wrong = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours={hours})
time_machine.travel(_wrong, tick=True).start()
"""
HOURS = {"ahead": "1", "behind": "-1", "at odds": "-1 if 'worker' in command else 1"}


@pytest.fixture(params=HOURS if FULL else ["ahead"])
def wrong(request: pytest.FixtureRequest) -> Iterator[Whole]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sitecustomize.py").write_text(WRONG.format(hours=HOURS[request.param]))
        with running_with(PYTHONPATH=folder) as installation:
            yield installation


def test_no_state_changes_and_a_silence_is_found(wrong: Whole) -> None:
    healthy = [wrong.monitor(f"well-{n}", silent_after=8, interval=2) for n in range(5)]
    dead = wrong.monitor("dead", silent_after=8, interval=2)
    with Pressed(wrong, healthy, rate=2.5) as pressed:
        wrong.push(dead)
        [incident] = until(lambda: wrong.incidents(dead), "the silence", seconds=40)
        assert incident["cause"] == "silence"
        until(lambda: any("dead" in str(m["Subject"]) for m in wrong.mails()), "mail", seconds=20)
        before = pressed.count()
        until(lambda: pressed.count() > before + 25, "pushes for longer than the window")
        assert_never_down(wrong, healthy)
    assert set(pressed.statuses) == {"201"}
    assert_sound(wrong, pressed.answered)
