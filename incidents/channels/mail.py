"""The `email` kind: text and HTML through Django's mail backend, threaded per incident."""

from __future__ import annotations

import contextlib
import functools
import io
import smtplib
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.header import Header
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends import smtp
from django.core.validators import validate_email
from django.template.loader import render_to_string

from incidents.channels.base import (
    DELIVERY_HEADER,
    ChannelKind,
    InvalidConfig,
    Message,
    Outcome,
    refuse_unknown_fields,
)
from incidents.channels.notice import write_notice
from incidents.channels.wording import clean_line, clip_text
from incidents.outbound.addresses import Network

TIMEOUT_SECONDS = 10
DEADLINE_SECONDS = 15
MAX_RECIPIENTS = 20
MAX_ADDRESS_CHARACTERS = 254
MAX_SUBJECT_CHARACTERS = 200
_SMTP_BACKEND = "django.core.mail.backends.smtp.EmailBackend"


@dataclass(frozen=True)
class EmailKind(ChannelKind):
    """One mail to a few addresses.

    The whole talk with an SMTP server ends at the deadline, well within a delivery's lease: else a
    slow server would get a second copy. The limits are fields so that a test need not wait.
    """

    name: ClassVar[str] = "email"
    timeout_seconds: float = TIMEOUT_SECONDS
    deadline_seconds: float = DEADLINE_SECONDS

    def clean(self, config: Mapping[str, Any], *, allow: Sequence[Network]) -> dict[str, Any]:
        """Return `{"to": [address, …]}`; a single `address` is taken too. Raises InvalidConfig."""
        refuse_unknown_fields(config, frozenset({"to", "address"}))
        field = "address" if config.get("to") is None and "address" in config else "to"
        if config.get("to") is not None and config.get("address") is not None:
            raise InvalidConfig({"address": "Give either `to` or `address`."})
        given = config.get(field)
        listed = [given] if isinstance(given, str) else given
        if not isinstance(listed, list | tuple) or not listed:
            raise InvalidConfig({field: "Give at least one mail address."})
        if len(listed) > MAX_RECIPIENTS:
            raise InvalidConfig({field: f"Give at most {MAX_RECIPIENTS} mail addresses."})
        bad = [value for value in listed if not _is_address(value)]
        if bad:
            raise InvalidConfig({field: f"Not a mail address: {clean_line(bad[0], 80)}"})
        return {"to": list(dict.fromkeys(listed))}

    def send(self, message: Message, config: Mapping[str, Any], *, now: datetime) -> Outcome:
        """Hand the mail to the mail server and report what it said."""
        return self.hand_over(build_mail(message, config["to"], now=now))

    def hand_over(self, mail: EmailMultiAlternatives) -> Outcome:
        """Send a mail that is built already, within the deadline, and report as `send` does."""
        end = time.monotonic() + self.deadline_seconds
        try:
            if settings.EMAIL_BACKEND == _SMTP_BACKEND:
                mail.connection = _SmtpBackend(end=end, timeout=self.timeout_seconds)
            else:
                mail.connection = get_connection(timeout=self.timeout_seconds)
            mail.send()
        except smtplib.SMTPRecipientsRefused as error:
            return _judge_recipients(error.recipients)
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            return _judge_code(error.smtp_code, error.smtp_error)
        except smtplib.SMTPAuthenticationError:
            # Our own configuration is wrong, not the message: it goes out once that is mended.
            return Outcome("retry", "the mail server refused our log-in")
        except (smtplib.SMTPException, OSError) as error:
            return self._judge_break(error, late=time.monotonic() >= end)
        except ValueError as error:
            # A header that cannot be written, an address that cannot be encoded.
            return Outcome("failed", f"the mail cannot be written: {clean_line(error)}")
        return Outcome("sent", "handed to the mail server")

    def _judge_break(self, error: Exception, *, late: bool) -> Outcome:
        if late:
            limit = f"{self.deadline_seconds:g} s"
            return Outcome("retry", f"the mail server did not take the mail within {limit}")
        # smtplib says "disconnected" of a wait that timed out, too.
        if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
            limit = f"{self.timeout_seconds:g} s"
            return Outcome("retry", f"the mail server did not answer within {limit}")
        return Outcome("retry", f"no connection to the mail server: {type(error).__name__}")


class _SmtpBackend(smtp.EmailBackend):
    """Django's SMTP, with its settings, up to `end` on the monotonic clock."""

    def __init__(self, *, end: float, timeout: float) -> None:
        super().__init__(timeout=timeout)
        self._end = end

    @property
    def connection_class(self) -> Any:
        """Return what makes the client."""
        return functools.partial(_TlsClient if self.use_ssl else _Client, end=self._end)

    def _close_connection(self, connection: smtplib.SMTP) -> None:
        # The mail is with the server, or refused, by now: a bad farewell changes neither.
        with contextlib.suppress(OSError):
            connection.quit()
        connection.close()


class _Client(smtplib.SMTP):
    """An SMTP client whose every wait is also limited by what is left until `end`.

    A name server cannot be hurried; but when it answers too late nothing is sent any more.
    """

    _end: float

    def __init__(self, *arguments: Any, end: float, **options: Any) -> None:
        self._end = end
        super().__init__(*arguments, **options)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for index, info in enumerate(found):
            # A silent first address leaves time for the next one.
            wait = self._next_wait() / (len(found) - index)
            try:
                sock = socket.create_connection(info[4][:2], wait)  # type: ignore[arg-type]
            except OSError:
                if index == len(found) - 1:
                    raise
                continue
            # For the handshake, which may follow at once.
            sock.settimeout(self._next_wait())
            return sock
        raise OSError("the mail server's name has no address")

    def send(self, s: Any) -> None:
        """Send `s` within what is left."""
        if self.sock is not None:
            self.sock.settimeout(self._next_wait())
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        """Return the server's answer, however it drips in, if it is complete in time."""
        if self.file is None and self.sock is not None:
            self.file = io.BufferedReader(_Incoming(self.sock, self._next_wait))
        reply = super().getreply()
        if self.sock is not None:
            # For the handshake after STARTTLS. An answer that came in time stands: never raise.
            self.sock.settimeout(max(0.001, self._left()))
        return reply

    def _left(self) -> float:
        return min(float(self.timeout), self._end - time.monotonic())

    def _next_wait(self) -> float:
        left = self._left()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left


class _TlsClient(smtplib.SMTP_SSL, _Client):
    """The same with TLS from the start: it wraps the socket that `_Client` connects."""

    def __init__(self, *arguments: Any, end: float, **options: Any) -> None:
        self._end = end
        smtplib.SMTP_SSL.__init__(self, *arguments, **options)


class _Incoming(io.RawIOBase):
    """What comes from a socket, each wait as long as `next_wait` says then."""

    def __init__(self, sock: socket.socket, next_wait: Callable[[], float]) -> None:
        self._sock, self._next_wait = sock, next_wait

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._next_wait())
        return self._sock.recv_into(buffer)


class Mail(EmailMultiAlternatives):
    """A mail whose subject is encoded right.

    Django leaves a subject as it is when it is ASCII, so that text in the form of an encoded word
    ("=?utf-8?…?=") would be decoded by the reader into whatever it hides, and folds others in
    front of their first character.
    """

    def message(self, **options: Any) -> Any:
        """Return the MIME message, its subject encoded here where it needs to be."""
        message = super().message(**options)
        subject = str(self.subject)
        if "=?" in subject or not subject.isascii():
            header: Any = Header(subject, "utf-8", header_name="Subject")
            message.replace_header("Subject", header)
        link = message["List-Unsubscribe"]
        if link is not None:
            message.replace_header("List-Unsubscribe", _OneLine(link))
        return message


class _OneLine(Header):
    """A header that is not folded: of a long link the first line would be empty, which confuses."""

    def encode(
        self, splitchars: str = ";, \t", maxlinelen: int | None = None, linesep: str = "\n"
    ) -> str:
        """Return the header's text, whatever the length of a line is to be."""
        return super().encode(splitchars, 0, linesep)


def build_mail(message: Message, to: Sequence[str], *, now: datetime) -> EmailMultiAlternatives:
    """Return the mail for `message`; its id is the same on every attempt."""
    notice = write_notice(message, now=now)
    context = {"notice": notice, "base_url": settings.BASE_URL}
    mail = Mail(
        subject=clip_text(clean_line(notice.subject, 400), MAX_SUBJECT_CHARACTERS),
        body=render_to_string("mail/incident_notice.txt", context).strip() + "\n",
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=list(to),
        headers=_build_headers(message),
    )
    mail.attach_alternative(render_to_string("mail/incident_notice.html", context), "text/html")
    return mail


def _build_headers(message: Message) -> dict[str, str]:
    domain = urlsplit(settings.BASE_URL).hostname or "localhost"
    key = clean_line(message.key, 64)
    headers = {
        "Message-ID": f"<{key}@{domain}>",
        DELIVERY_HEADER: key,
        "Auto-Submitted": "auto-generated",
    }
    incident = message.payload.get("incident")
    incident_id = clean_line(incident.get("id"), 64) if isinstance(incident, Mapping) else ""
    if incident_id:
        # No mail has this id: it is the root that all mails of the incident hang from.
        root = f"<incident-{incident_id}@{domain}>"
        headers |= {"In-Reply-To": root, "References": root}
    return headers


def _is_address(value: object) -> bool:
    if not isinstance(value, str) or len(value) > MAX_ADDRESS_CHARACTERS:
        return False
    try:
        validate_email(value)
    except ValidationError:
        return False
    return True


def _judge_recipients(refused: Mapping[str, tuple[int, bytes]]) -> Outcome:
    """Return again if any address was refused for now only, else never."""
    answers = list(refused.values())
    passing = [answer for answer in answers if answer[0] < 500]
    if passing:
        return _judge_code(*passing[0])
    return replace(_judge_code(*answers[0]), address_refused=True)


def _judge_code(code: int, text: bytes | str) -> Outcome:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    detail = f"the mail server answered {code}: {clean_line(said)}"
    return Outcome("failed" if code >= 500 else "retry", detail)


KIND = EmailKind()
