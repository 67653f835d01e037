"""The `watchdog` kind: our own receiver, which the watchdog's messages go to.

No team can have such a channel: it is not among the kinds of the registry. The address is the
operator's (`CANARY_URL`), so it may be private without `OUTBOUND_ALLOW` being opened for anybody.
What is told travels in a signed header, so that nobody else can say that a round went well.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.core import signing

from incidents.channels.base import ChannelKind, Message, Outcome
from incidents.channels.verdicts import judge_error, judge_reply
from incidents.outbound.addresses import Network
from incidents.outbound.client import OutboundError, post

PATH = "/watchdog"
HEADER = "Tocsin-Watchdog"
SALT = "tocsin.watchdog"
SECONDS = 600  # a message older than this is none
_ANYWHERE = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


@dataclass(frozen=True)
class WatchdogKind(ChannelKind):
    """A signed word to ourselves."""

    name: ClassVar[str] = "watchdog"
    digests: ClassVar[bool] = False

    def clean(self, config: Mapping[str, Any], *, allow: Sequence[Network]) -> dict[str, Any]:
        """Return nothing: there is nothing to configure."""
        return {}

    def send(self, message: Message, config: Mapping[str, Any], *, now: datetime) -> Outcome:
        """Post what happened to which incident to ourselves."""
        told = {"event": message.event, "incident": message.payload["incident"]["id"]}
        try:
            reply = post(
                f"{settings.CANARY_URL}{PATH}",
                body=b"",
                headers={HEADER: signing.dumps(told, salt=SALT)},
                allow=_ANYWHERE,
                timeout_seconds=5,
                deadline_seconds=5,
            )
        except OutboundError as error:
            return judge_error(error)
        return judge_reply(reply, now=now)


def read_word(header: str) -> tuple[str, str] | None:
    """Return the event and the incident's id that a header tells of; None if we did not sign it."""
    try:
        told = signing.loads(header, salt=SALT, max_age=SECONDS)
    except signing.BadSignature:
        return None
    return str(told["event"]), str(told["incident"])


KIND = WatchdogKind()
