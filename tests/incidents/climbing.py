"""A team whose ladder is climbed, and who was mailed."""

from __future__ import annotations

import pytest
from django.core import mail

from tests.factories import MonitorFactory, TeamFactory
from tests.incidents.ladders import add_member


@pytest.fixture
def team():
    return TeamFactory()


@pytest.fixture
def monitor(team):
    return MonitorFactory(team=team)


@pytest.fixture
def ana(team):
    return add_member(team, "ana@example.org")


@pytest.fixture
def ben(team):
    return add_member(team, "ben@example.org")


def told() -> list[str]:
    """Return the addresses that were mailed about an incident, in order."""
    return [letter.to[0] for letter in mail.outbox if "call:" not in letter.subject]
