"""New pages to somebody who is left alone for the rest of a minute."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import connection

from incidents.channels.registry import KINDS, OURS
from incidents.models import DeliveryState
from incidents.rows import Row

MINUTE = timedelta(seconds=60)  # for which a contact is left alone after a digest

# name: held_contacts
# The contacts of some teams whose minute is not over, those apart whose digest may still be open:
# what is new may join that.
_HELD = """
SELECT team_id, contact, hold_until FROM incidents_contactpace
WHERE team_id = ANY(%s) AND hold_until > clock_timestamp()
  AND hold_until <= clock_timestamp() + %s
"""


def hold_back(rows: Iterable[Row]) -> None:
    """Let unsaved deliveries of held contacts wait from the start, as the next look would.

    It saves a mass outage from writing each page twice (`incidents/delivery/pacing.py`, which sees
    to whatever is not held here). What goes to machines, or comes after another message, is left.
    """
    paced = [row for row in rows if _is_paced(row)]
    if not paced:
        return
    with connection.cursor() as cursor:
        values: list[Any] = [list({row["team_id"] for row in paced}), MINUTE]
        cursor.execute(_HELD, values)
        held = {(team, contact): until for team, contact, until in cursor.fetchall()}
    for row in paced if held else ():
        until = held.get((row["team_id"], row["contact"]))
        if until is not None and row["next_attempt_at"] < until:
            row["next_attempt_at"] = until


def _is_paced(row: Row) -> bool:
    kind = (KINDS | OURS).get(row["kind"])
    to_machine = row["channel_id"] is not None and kind is not None and not kind.digests
    leads = row["direct"] or row["channel_id"] is not None or row["contact_method_id"] is not None
    return (
        row["state"] == DeliveryState.PENDING
        and row["event"].startswith("incident.")
        and row["after_id"] is None
        and not row["paced"]
        and leads
        and not to_machine
    )
