"""A mail backend that writes each message as one complete .eml file.

Django's own file backend appends all messages of a connection to one .log file, with dashed lines
between them and no moment at which a reader can tell a whole message from a half-written one.
Here a file appears under its name only when it is complete and on disk.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from incidents.channels.base import DELIVERY_HEADER

_KEY = re.compile(r"[0-9A-Za-z-]{1,64}")


class EmailBackend(BaseEmailBackend):
    """Write `<time>-<delivery key or a new uuid>.eml` below `settings.MAIL_DIR`."""

    def __init__(self, fail_silently: bool = False, **kwargs: Any) -> None:
        super().__init__(fail_silently=fail_silently, **kwargs)
        self.directory = Path(settings.MAIL_DIR)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Write the messages and return how many. Raises OSError unless it is to fail silently."""
        written = 0
        for message in email_messages:
            if not message.recipients():
                continue
            try:
                self._write(message)
            except OSError:
                if not self.fail_silently:
                    raise
            else:
                written += 1
        return written

    def _write(self, message: EmailMessage) -> None:
        content = message.message().as_bytes()
        key = str(message.extra_headers.get(DELIVERY_HEADER, ""))
        if not _KEY.fullmatch(key):
            key = str(uuid.uuid4())
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}Z-{key}"
        self.directory.mkdir(parents=True, exist_ok=True)
        # Readers look for *.eml, so a file that a crash left behind half-written is never one.
        partial = self.directory / f".{name}.{uuid.uuid4().hex}.partial"
        try:
            with partial.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(self.directory / f"{name}.eml")
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        _sync_directory(self.directory)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
