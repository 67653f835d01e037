"""The application's clock is an hour wrong: the database's clock rules."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.doing import Steady
from tests.system.whole import Whole, running_with, until

pytestmark = [pytest.mark.system, pytest.mark.faults]
# Read by every Python process of the installation as it starts.
WRONG = """
import datetime
import time_machine
_wrong = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours={hours})
time_machine.travel(_wrong, tick=True).start()
"""


@pytest.fixture(params=[1, -1], ids=["ahead", "behind"])
def wrong(request: pytest.FixtureRequest) -> Iterator[Whole]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sitecustomize.py").write_text(WRONG.format(hours=request.param))
        with running_with(PYTHONPATH=folder) as installation:
            yield installation


def test_no_state_changes_and_a_silence_is_found(wrong: Whole) -> None:
    assert sys.version_info >= (3, 11)
    healthy = [wrong.monitor(f"well-{n}", silent_after=8, interval=2) for n in range(5)]
    dead = wrong.monitor("dead", silent_after=8, interval=2)
    with Steady(wrong, healthy, every=2):
        began = time.monotonic()
        wrong.push(dead)
        [incident] = until(lambda: wrong.incidents(dead), "the silence", seconds=14)
        assert time.monotonic() - began >= 8
        assert incident["cause"] == "silence"
        until(lambda: any("dead" in str(m["Subject"]) for m in wrong.mails()), "mail", seconds=10)
        time.sleep(4)
        for monitor in healthy:
            assert wrong.incidents(monitor) == []
            assert wrong.incidents(monitor, "resolved") == []
