"""The canary: a push of our own over the public path, every few seconds."""

from __future__ import annotations

import json
import time

from django.conf import settings

from incidents.outbound.client import OutboundError, Reply
from incidents.watching.places import CANARY, find_monitor, push_publicly
from monitors.canary import claim_canary, note_failure, note_success

_CREATED, _TOO_MANY = 201, 429


def send_canary() -> bool | None:
    """Send one canary if it is time, and note what became of it; None if it was not time."""
    if settings.CANARY_SECONDS <= 0 or not claim_canary():
        return None
    _, slug = find_monitor(CANARY)
    began = time.monotonic()
    try:
        error = _judge(push_publicly(slug))
    except OutboundError as refused:
        error = str(refused)
    if error:
        note_failure(settings.CANARY_URL, error, seconds=time.monotonic() - began)
        return False
    note_success(settings.CANARY_URL)
    return True


def _judge(reply: Reply) -> str:
    """Return what is wrong with an answer, or nothing: others than us answer on our address too.

    A limit that the operator set is ours: whoever is told to wait did reach us.
    """
    try:
        body = json.loads(reply.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return f"answered {reply.status}, and not as we do"
    if reply.status == _CREATED and body.get("ok") is True:
        return ""
    if reply.status == _TOO_MANY and body.get("status") == _TOO_MANY:
        return ""
    return f"answered {reply.status}"
