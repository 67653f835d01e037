"""The email kind at a mail server: what each answer means, and how long it is waited for."""

from __future__ import annotations

import email
import email.policy
import socket
import ssl
import time

import pytest

from incidents.channels.mail import EmailKind
from tests.channels.letters import (
    DASH,
    KIND,
    NOW,
    TO,
    message,
)
from tests.channels.test_tls import authority  # noqa: F401
from tests.providers import MailServer


@pytest.fixture
def smtp(settings):
    """Send through a mail server that answers what it is told."""
    settings.BASE_URL = "https://tocsin.example"
    settings.DEFAULT_FROM_EMAIL = "Tocsin <tocsin@tocsin.example>"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False

    def send(replies, *, kind=KIND, **server_options):
        with MailServer(replies, **server_options) as server:
            settings.EMAIL_PORT = server.port
            return kind.send(message(), TO, now=NOW), server.mails

    return send


def test_a_mail_goes_out_by_smtp(smtp):
    outcome, mails = smtp({})
    assert outcome.kind == "sent"
    (read,) = (email.message_from_bytes(raw, policy=email.policy.default) for raw in mails)
    assert read["Subject"] == f"[Tocsin] Down: fleet (acme) {DASH} silent"


@pytest.mark.parametrize(
    ("replies", "kind", "words"),
    [
        ({"rcpt": "450 mailbox busy"}, "retry", "450: mailbox busy"),
        ({"rcpt": "550 no such user"}, "failed", "550: no such user"),
        ({"mail": "451 later"}, "retry", "451"),
        ({"mail": "553 not you"}, "failed", "553"),
        ({"data": "452 disk full"}, "retry", "452"),
        ({"data": "554 spam"}, "failed", "554: spam"),
        ({"connect": "421 busy"}, "retry", "no connection"),
        ({"connect": "554 go away"}, "retry", "no connection"),
        ({"connect": ""}, "retry", "no connection"),
    ],
)
def test_each_answer_of_the_server_is_judged(smtp, replies, kind, words):
    outcome, _ = smtp(replies)
    assert outcome.kind == kind
    assert words in outcome.detail


def test_no_mail_server_is_tried_again(smtp, settings):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings.EMAIL_PORT = listener.getsockname()[1]
    outcome = KIND.send(message(), TO, now=NOW)
    assert outcome.kind == "retry"
    assert "no connection to the mail server" in outcome.detail


HASTY = EmailKind(timeout_seconds=10, deadline_seconds=0.6)


@pytest.mark.parametrize(
    "slow",
    [{"delays": {"every": 0.25}}, {"drip_seconds": 0.1}, {"delays": {"connect": 30}}],
    ids=["each reply", "each byte", "silent"],
)
def test_a_slow_server_does_not_hold_a_mail_beyond_the_deadline(smtp, slow):
    began = time.monotonic()
    outcome, mails = smtp({}, kind=HASTY, **slow)
    assert time.monotonic() - began < 1.5
    assert outcome.kind == "retry"
    assert outcome.detail == "the mail server did not take the mail within 0.6 s"
    assert mails == []


def test_a_server_that_does_not_answer_is_told_from_a_slow_one(smtp):
    kind = EmailKind(timeout_seconds=0.2)
    outcome, _ = smtp({}, kind=kind, delays={"mail": 30})
    assert (outcome.kind, outcome.detail) == (
        "retry",
        "the mail server did not answer within 0.2 s",
    )


@pytest.mark.parametrize(
    ("replies", "delays"),
    [({}, {"quit": 30}), ({"quit": "221 " + "x" * 9000}, {}), ({"quit": "gone"}, {})],
    ids=["silent", "too long", "odd"],
)
def test_a_mail_that_was_taken_is_sent_whatever_the_farewell(smtp, replies, delays):
    outcome, mails = smtp(replies, kind=HASTY, delays=delays)
    assert outcome.kind == "sent"
    assert len(mails) == 1


@pytest.mark.parametrize("starttls", [True, False])
def test_over_tls_the_deadline_holds_too(smtp, settings, monkeypatch, tmp_path, request, starttls):
    server, client = request.getfixturevalue("authority")
    trusted = tmp_path / "ca.pem"
    trusted.write_text(ssl.DER_cert_to_PEM_cert(client.get_ca_certs(binary_form=True)[0]))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    settings.EMAIL_HOST = "127.0.0.2"
    settings.EMAIL_USE_TLS, settings.EMAIL_USE_SSL = starttls, not starttls
    options = {"host": "127.0.0.2", "tls": server, "starttls": starttls}
    outcome, mails = smtp({}, **options)
    assert (outcome.kind, len(mails)) == ("sent", 1)
    began = time.monotonic()
    outcome, mails = smtp({}, kind=HASTY, delays={"rcpt": 30}, **options)
    assert time.monotonic() - began < 1.5
    assert outcome.detail == "the mail server did not take the mail within 0.6 s"
    assert mails == []
