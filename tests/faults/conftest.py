from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest

from tests.faults.invariants import assert_sound
from tests.providers import Provider
from tests.system.whole import Whole, running

Report = Callable[[str], None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests the time that a busy machine takes to start an installation for the first."""
    for item in items:
        if item.get_closest_marker("faults") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(420))


@pytest.fixture(scope="session")
def whole() -> Iterator[Whole]:
    """One installation for all that is done to it: each test leaves it sound, and it goes on."""
    with running() as installation:
        yield installation


@pytest.fixture
def receiver() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture
def report(capfd: pytest.CaptureFixture[str]) -> Report:
    """Show a line of figures although the test passes."""

    def say(line: str) -> None:
        with capfd.disabled():
            sys.stdout.write(f"\n  {line}\n")

    return say


@pytest.fixture
def answered() -> set[tuple[str, str]]:
    """The pushes of this test that were answered 201, as (monitor, result)."""
    return set()


@pytest.fixture(autouse=True)
def soundness(request: pytest.FixtureRequest, answered: set[tuple[str, str]]) -> Iterator[None]:
    """After each test the invariants hold."""
    yield
    if "whole" in request.fixturenames:
        assert_sound(request.getfixturevalue("whole"), answered)
