"""The registry of channel kinds."""

from __future__ import annotations

import pytest

from incidents.channels.registry import KINDS, kind


def test_the_kinds_of_today():
    assert sorted(KINDS) == [
        "alertmanager",
        "discord",
        "email",
        "ntfy",
        "opsgenie",
        "pagerduty",
        "pushover",
        "slack",
        "teams",
        "telegram",
        "twilio_sms",
        "twilio_voice",
        "webhook",
    ]
    assert kind("webhook").secret_fields == {"secret"}
    assert kind("email").secret_fields == frozenset()
    assert all(KINDS[name].name == name for name in KINDS)


def test_an_unknown_kind_names_the_known_ones():
    with pytest.raises(KeyError, match=r"discord, email, ntfy"):
        kind("pigeon")
