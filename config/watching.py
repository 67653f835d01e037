"""The last word on whether this installation is well: a ping to somebody else's service.

`WATCHDOG_URL` is asked for once a minute while pushes are stored, silence is found and messages go
out (the same test as `/readyz`), our own pushes get through, and the watchdog's last round went
well, not too long ago. When any of that ends, so do the pings, and whoever awaits them tells the
operator: that also covers what no process of ours can tell of, such as all of them being gone.
"""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import connection

from config.health import read_engine, stale_parts
from incidents.outbound.client import OutboundError, get
from incidents.watching.places import ANYWHERE
from incidents.watching.watchdog import is_well
from monitors.canary import FAILURES
from monitors.models import Canary

PING_SECONDS = 60
TIMEOUT_SECONDS = 5.0

log = logging.getLogger(__name__)

# name: claim
# Take this minute's ping, if nobody has.
CLAIM = """
INSERT INTO monitors_enginestamp AS s (name, at) VALUES ('ping', clock_timestamp())
ON CONFLICT (name) DO UPDATE SET at = excluded.at
WHERE s.at <= clock_timestamp() - make_interval(secs => %s)
"""


def reasons_not_to_ping() -> list[str]:
    """Return what is not well; nothing if a ping would be true."""
    reasons = [f"{part}: {why}" for part, why in stale_parts(read_engine()).items()]
    if settings.CANARY_SECONDS > 0 and Canary.objects.filter(failures__gte=FAILURES).exists():
        reasons.append("canary: our own pushes do not get through")
    if settings.WATCHDOG_SECONDS > 0 and not is_well():
        reasons.append("watchdog: its last round did not complete, or is long ago")
    return reasons


def ping_outside() -> bool:
    """Ask for `WATCHDOG_URL` if a minute has passed and all is well; return whether it answered."""
    if not settings.WATCHDOG_URL or reasons_not_to_ping():
        return False
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [PING_SECONDS])
        if not cursor.rowcount:
            return False
    try:
        reply = get(
            settings.WATCHDOG_URL,
            headers={},
            allow=ANYWHERE,
            timeout_seconds=TIMEOUT_SECONDS,
            deadline_seconds=TIMEOUT_SECONDS,
        )
    except OutboundError as error:
        log.warning("WATCHDOG_URL: %s", error)
        return False
    if not 200 <= reply.status < 300:
        log.warning("WATCHDOG_URL answered %s", reply.status)
        return False
    return True
