"""Sending a result until it is stored, in bounded time."""

from __future__ import annotations

import json
import random
import re
import threading
import time
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import click

from tocsin.client import send
from tocsin.options import check_url, read_secret
from tocsin.problems import Refused, Unreachable, explain, host_of
from tocsin.showing import length

ATTEMPT_SECONDS, HURRY_SECONDS = 5, 3


@dataclass(frozen=True)
class Target:
    """Where a monitor's results go."""

    url: str
    token: str | None


def read_target(
    url: str | None,
    slug: str | None,
    slug_file: str | None,
    namespace: str | None,
    name: str | None,
    token: str | None,
    token_file: str | None,
) -> Target:
    """Return where to push: by name if one is given, else by slug. Raises UsageError."""
    bearer = read_secret(token, token_file, "token")
    if namespace or name:
        if not (namespace and name and bearer):
            raise click.UsageError("A push by name needs --namespace, --name and a token.")
        path = "/".join(quote(part, safe="", errors="replace") for part in (namespace, name))
        return Target(f"{check_url(url)}/api/push/{path}", bearer)
    value = read_secret(slug, slug_file, "slug")
    if value is None:
        raise click.UsageError(
            "Say which monitor: give its slug, or set TOCSIN_SLUG or TOCSIN_SLUG_FILE."
        )
    whole = re.fullmatch(r"(https?://.+)/api/push/([^/?#]+)/results/?", value)
    if whole:
        url, value = whole[1], whole[2]
    if not re.fullmatch(r"[0-9A-Za-z_-]{1,64}", value):
        raise click.UsageError("The slug must be the 12 letters and digits in the push URL.")
    return Target(f"{check_url(url)}/api/push/{value}/results", bearer)


class Delivery:
    """One push on its way: sent again until it is stored or refused, or its time is over.

    It runs in a thread of its own, so that its time is bounded whatever the network does: a name
    server that hangs, or an answer of one byte a second.
    """

    def __init__(
        self, target: Target, fields: dict[str, Any], *, seconds: float, receipt: str = ""
    ) -> None:
        """Start sending. All attempts have one `receipt`, so that a repeat is stored once."""
        self._target = target
        self._body = json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace")
        self._receipt = receipt or uuid.uuid4().hex
        self._began = time.monotonic()
        self._until = self._began + seconds
        self._answer: Any = None
        self._error: Refused = Unreachable(f"{host_of(target.url)} gave no answer")
        self._ended = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def hurry(self) -> None:
        """Leave only a little time: somebody wants an end."""
        self._until = min(self._until, time.monotonic() + HURRY_SECONDS)

    def wait(self) -> Any:
        """Return the answer. Raises Refused and Unreachable."""
        while not self._ended.wait(0.1):
            if time.monotonic() > self._until:
                break
        if self._answer is not None:
            return self._answer
        if isinstance(self._error, Unreachable):
            took = length(time.monotonic() - self._began)
            raise Unreachable(f"{self._error.message.rstrip('.')}; gave up after {took}")
        raise self._error

    def _run(self) -> None:
        pause = 0.5
        while (left := self._until - time.monotonic()) > 0:
            try:
                self._answer = self._send(min(ATTEMPT_SECONDS, left))
                self._ended.set()
            except Unreachable as error:
                self._error = error
            except Refused as error:
                self._error = error
                self._ended.set()
            except Exception as error:  # noqa: BLE001 - a thread's trace would end in the job's mail
                self._error = Refused(f"the push failed: {type(error).__name__}")
                self._ended.set()
            if self._ended.is_set():
                return
            wait = max(pause * random.uniform(0.5, 1), self._error_wait())  # noqa: S311 - no secret
            if time.monotonic() + wait > self._until:  # of what use would the waiting be
                break
            time.sleep(wait)
            pause = min(pause * 2, 8)
        self._ended.set()

    def _error_wait(self) -> float:
        return self._error.retry_after if isinstance(self._error, Unreachable) else 0

    def _send(self, seconds: float) -> Any:
        answer = send(
            "POST",
            self._target.url,
            bearer=self._target.token,
            seconds=seconds,
            data=self._body,
            headers={"Content-Type": "application/json", "Idempotency-Key": self._receipt},
        )
        try:
            stored = answer.json()
            stored["received_at"]
        except (ValueError, KeyError, TypeError):
            raise Refused(explain(answer)) from None
        return stored
