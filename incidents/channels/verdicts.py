"""What an HTTP provider's answer, or its absence, means for a delivery."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from incidents.channels.base import Outcome
from incidents.channels.wording import clean_line
from incidents.outbound.client import OutboundError, Refused, Reply

MAX_RETRY_AFTER_SECONDS = 3600
_TRY_AGAIN = frozenset({408, 425, 429})


def judge_reply(reply: Reply, *, now: datetime) -> Outcome:
    """Return what `reply` means: 2xx sent; 5xx, 408, 425 and 429 again; everything else never.

    410 also asks to disable the channel. `now` is what a Retry-After date is measured against.
    """
    status = reply.status
    if 200 <= status < 300:
        return Outcome("sent", f"answered {status}")
    if 300 <= status < 400:
        return Outcome("failed", f"answered {status}: redirects are not followed, save the new URL")
    said = clean_line(reply.body[:1000].decode("utf-8", "replace"), 200)
    detail = f"answered {status}" + (f": {said}" if said else "")
    if 400 <= status < 500 and status not in _TRY_AGAIN:
        return Outcome("failed", detail, disable_channel=status == 410)
    return Outcome("retry", detail, read_retry_after(reply.headers.get("retry-after"), now=now))


def judge_error(error: OutboundError) -> Outcome:
    """Return what a missing answer means: a refused address never, all else again."""
    return Outcome("failed" if isinstance(error, Refused) else "retry", str(error))


def read_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for, 0..3600; None if it says nothing."""
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]{1,18}", text):
        seconds = float(text)
    else:
        try:
            at = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        # An HTTP date is always GMT; one that names no zone is read as that.
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = (at - now).total_seconds()
    return min(max(seconds, 0.0), float(MAX_RETRY_AFTER_SECONDS))
