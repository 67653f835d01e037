"""Keeping credentials out of logs."""

from __future__ import annotations

import logging
import re

_PATTERNS = (
    (re.compile(r"(/api/(?:push|ping)/)[^/\s?\"']+"), r"\1[redacted]"),
    (re.compile(r"(?i)((?:/|%2F)invitations(?:/|%2F))[0-9a-z_-]{37,}"), r"\1[redacted]"),
    (re.compile(r"(/ack/)[^/\s?\"']+"), r"\1[redacted]"),
    (re.compile(r"(/subscribe/(?:confirm|manage|unsubscribe)/)[^/\s?\"']+"), r"\1[redacted]"),
    (re.compile(r"(?i)(bearer\s+)[^\s\"']+"), r"\1[redacted]"),
    (re.compile(r"\b(tk_[0-9A-Za-z]{8})_[0-9A-Za-z]+"), r"\1_[redacted]"),
    (re.compile(r"(/calendar\.ics\S*?[?&]key=)[^\s&\"']+"), r"\1[redacted]"),
    (re.compile(r"\bwhsec_[0-9A-Za-z+/=]+"), "whsec_[redacted]"),
)


def redact(text: str) -> str:
    """Return `text` with push slugs, tokens and keys of all kinds and signing secrets masked."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


class RedactSecrets(logging.Filter):
    """Mask credentials in every record, its traceback included."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; never drops it."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):
            text = str(record.msg)  # a log call with wrong arguments must not fail its caller
        record.msg = redact(text)
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True
