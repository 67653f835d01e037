"""How often anybody may have mails sent to an address that need not be theirs.

The counts are in the database: all processes share them, and they last when a process does not.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from typing import Any

from django.conf import settings
from django.db import connection

from statuspages.models import Subscriber

MOST_ASKED_PER_HOUR = 30
PAUSE_SECONDS = 600
MOST_PER_DAY = 5
MOST_PER_DAY_EVERYWHERE = 20

# name: count_ask
# One more by this name within the time that began with its first.
_COUNT_ASK = """
INSERT INTO statuspages_askingnetwork AS a (network, since, count) VALUES (%(name)s, now(), 1)
ON CONFLICT (network) DO UPDATE SET
  count = CASE WHEN a.since < now() - %(seconds)s * interval '1 s' THEN 1 ELSE a.count + 1 END,
  since = CASE WHEN a.since < now() - %(seconds)s * interval '1 s' THEN now() ELSE a.since END
RETURNING count
"""

# name: count_sent
# What the subscriber was sent that anybody can ask for: just now, and today.
_COUNT_SENT = """
SELECT count(*) FILTER (WHERE created_at > now() - %(pause)s * interval '1 s'), count(*)
FROM statuspages_subscribermessage
WHERE subscriber_id = %(id)s AND event <> 'page.update' AND created_at > now() - interval '1 day'
"""


def is_asking_too_often(network: str) -> bool:
    """Count one more for the visitor's network, and say if that is more than 30 in an hour.

    Of an IPv6 address the network is its /64. Nothing is counted where the address is not known.
    """
    if not network:
        return False
    return _count(_network(network), seconds=3_600) > MOST_ASKED_PER_HOUR


def has_had_enough(subscriber: Subscriber) -> bool:
    """Say if the address was sent a link within ten minutes, or often enough today; else count one.

    Of all pages together that is counted by address: deleting a subscriber, or a page, and making
    it anew takes nothing back.
    """
    values: dict[str, Any] = {"id": subscriber.pk, "pause": PAUSE_SECONDS}
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_SENT, values)
        just_now, today = cursor.fetchone()
    if just_now or today >= MOST_PER_DAY:
        return True
    name = f"{subscriber.kind}\0{subscriber.address.lower()}"
    return _count(name, seconds=86_400) > MOST_PER_DAY_EVERYWHERE


def _count(name: str, *, seconds: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_ASK, {"name": _digest(name), "seconds": seconds})
        return int(cursor.fetchone()[0])


def _network(text: str) -> str:
    try:
        address = ipaddress.ip_address(text.partition("/")[0])
    except ValueError:
        return text[:100]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 64), strict=False))
        address = address.ipv4_mapped
    return str(address)


def _digest(network: str) -> str:
    """Return a name for a network or an address: who asked is nobody's business, how often is."""
    key = f"statuspages.asking:{settings.SECRET_KEY}".encode()
    return hmac.new(key, network.encode(errors="replace"), hashlib.sha256).hexdigest()[:32]
