from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.providers import Provider
from tests.system.whole import Whole, running


@pytest.fixture(scope="module")
def whole() -> Iterator[Whole]:
    with running() as installation:
        yield installation


@pytest.fixture
def receiver() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider
