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
    # Whoever holds one of these addresses can write to that place: of a URL with a password, a
    # provider's webhook, a bot; and what a query calls a secret.
    (
        re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,20}://)[^\s/@\"'<>]*:[^\s/@\"'<>]*@"),
        r"\1[redacted]@",
    ),
    (re.compile(r"(?i)(hooks\.slack(?:-gov)?\.com/)[^\s\"'<>]+"), r"\1[redacted]"),
    (re.compile(r"(?i)(discord(?:app)?\.com/api/(?:v\d+/)?webhooks/)[^\s\"'<>]+"), r"\1[redacted]"),
    (re.compile(r"(?i)(webhook\.office\.com/)[^\s\"'<>]+"), r"\1[redacted]"),
    (re.compile(r"(/bot)\d+:[0-9A-Za-z_-]{20,}"), r"\1[redacted]"),
    (
        re.compile(
            r"(?i)([?&](?:access_|api_?)?(?:token|secret|sig|signature|password|apikey|api_key|code)=)"
            r"[^\s&\"'<>]+"
        ),
        r"\1[redacted]",
    ),
    (
        re.compile(r"[0-9A-Za-z._%+-]{1,64}@(?:[0-9A-Za-z-]{1,63}\.)+[A-Za-z]{2,63}\b"),
        "[address redacted]",
    ),
)


def redact(text: str) -> str:
    """Return `text` with slugs, tokens, keys, secrets of URLs and mail addresses masked."""
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
