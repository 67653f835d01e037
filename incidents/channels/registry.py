"""The channel kinds that exist. A new kind is one file and one line here."""

from __future__ import annotations

from incidents.channels import (
    alertmanager,
    discord,
    mail,
    ntfy,
    opsgenie,
    pagerduty,
    pushover,
    slack,
    teams,
    telegram,
    twilio_sms,
    twilio_voice,
    watchdog,
    webhook,
)
from incidents.channels.base import ChannelKind

KINDS: dict[str, ChannelKind] = {
    module.KIND.name: module.KIND
    for module in (
        alertmanager,
        discord,
        mail,
        ntfy,
        opsgenie,
        pagerduty,
        pushover,
        slack,
        teams,
        telegram,
        twilio_sms,
        twilio_voice,
        webhook,
    )
}

# What no team can choose.
OURS: dict[str, ChannelKind] = {watchdog.KIND.name: watchdog.KIND}


def find_sender(name: str) -> ChannelKind | None:
    """Return the kind that sends messages to `name`, our own ones included."""
    return KINDS.get(name) or OURS.get(name)


def kind(name: str) -> ChannelKind:
    """Return the kind called `name`. Raises KeyError, naming the known kinds."""
    try:
        return KINDS[name]
    except KeyError:
        known = ", ".join(sorted(KINDS))
        raise KeyError(f"Unknown kind of channel. Known: {known}.") from None
