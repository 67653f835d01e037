from __future__ import annotations

from typing import Any

import pytest

from tests.access.world import Side, make_side


@pytest.fixture
def ours(db: Any) -> Side:
    return make_side("zebra")


@pytest.fixture
def theirs(db: Any) -> Side:
    return make_side("quokka")
