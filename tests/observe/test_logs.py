"""Log lines: JSON one by one, about the right things, and without anything that opens a door."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import os
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client

from accounts.observing import about, current
from config.gunicorn import logconfig_dict
from config.logs import log_form, logging_config, logs_requests, process_name, sends_messages
from incidents.delivery.pool import SenderPool
from incidents.engine import deliver_round, run_round
from tests.incidents.telling import deliveries, incidents, page
from tests.monitors.pushing import make_monitors, push, slug_of
from tests.providers import Provider


class Lines:
    """What a process would write with LOG_FORMAT=json."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        config = logging_config("json", access=True)
        formatter, redactor = config["formatters"]["json"], config["filters"]["redact"]
        self.handler = logging.StreamHandler(self.stream)
        configurator = logging.config.DictConfigurator(config)
        self.handler.setFormatter(configurator.configure_formatter(formatter))
        self.handler.addFilter(configurator.configure_filter(redactor))

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    def of(self, logger: str) -> list[dict[str, Any]]:
        return [line for line in self.all if line["logger"] == logger]


@pytest.fixture
def lines() -> Iterator[Lines]:
    written = Lines()
    root = logging.getLogger()
    access = logging.getLogger("tocsin.access")
    levels = root.level, access.level
    root.addHandler(written.handler)
    root.setLevel(logging.INFO)
    access.setLevel(logging.INFO)
    yield written
    root.removeHandler(written.handler)
    root.setLevel(levels[0])
    access.setLevel(levels[1])


SECRETS = {
    "slug": ("POST /api/push/{}/results", "aB3dE5gH7jK9"),
    "token": ("Authorization: Bearer {}", "s3cr3t-t0ken-of-a-monitor"),
    "key": ("key {} used", "tk_0a1b2c3d_9f8e7d6c5b4a39281706"),
    "mail": ("mail to {}", "ana.lopez+ops@acme.example"),
    "password": ("connecting to {}", "postgres://tocsin:pa55word@db.internal/tocsin"),
    "slack": ("POST {}", "https://hooks.slack.com/services/T01/B02/abcdefghijkl"),
    "discord": ("POST {}", "https://discord.com/api/webhooks/123456/AbC-dEf_0123456789"),
    "telegram": ("POST {}", "https://api.telegram.org/bot123456:AAHdqTcvCH1vGWJxfSeofSAs0K5/send"),
    "signature": ("POST https://x.example/hook?{}", "sig=Zm9vYmFyYmF6"),
    "signing": ("secret {}", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
}


@pytest.mark.parametrize("kind", SECRETS)
def test_no_secret_reaches_a_line_by_message_argument_context_or_traceback(
    lines: Lines, kind: str
) -> None:
    frame, secret = SECRETS[kind]
    said = frame.format(secret)
    log = logging.getLogger("tests.secrets")
    log.warning("plain: %s", said)
    log.warning(said)
    log.info("extra", extra={"route": said})
    with about(request_id=said):
        log.info("context")
    try:
        _fail(said)
    except RuntimeError:
        log.exception("failed")
    log.error("stack of %r", {"url": said}, stack_info=True)
    assert len(lines.of("tests.secrets")) == 6
    assert secret not in lines.text
    for part in ("pa55word", "AAHdqTcvCH1", "ana.lopez", "acme.example", "AbC-dEf", "abcdefghijkl"):
        assert part not in lines.text
    assert lines.text.count("redacted") >= 6


def _fail(said: str) -> None:
    raise RuntimeError(said)


def test_a_line_is_one_object_whatever_it_holds(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logging.getLogger("tests.odd")
    # To us alone: processes of a parallel run cannot tell each other of half a character.
    monkeypatch.setattr(log, "propagate", False)
    monkeypatch.setattr(log, "handlers", [lines.handler])
    log.warning('two\nlines "quoted" \x00 \ud800 %s', "é", extra={"incident_id": "0190"})
    [line] = lines.all
    assert lines.text.count("\n") == 1
    assert set(line) == {
        *("time", "level", "logger", "message", "process", "pid", "incident_id"),
    }
    assert line["time"].endswith("Z")
    assert (line["level"], line["pid"]) == ("WARNING", os.getpid())
    assert "two\nlines" in line["message"]


def test_a_wrong_call_of_the_log_fails_nobody(lines: Lines) -> None:
    logging.getLogger("tests.shape").warning("%d of %s", "x")
    assert lines.all[0]["message"] == "%d of %s"


@pytest.mark.django_db(transaction=True)
def test_an_incident_and_its_delivery_bear_their_ids(team, settings, lines: Lines) -> None:
    settings.OUTBOUND_ALLOW = (ip_network("127.0.0.0/8"),)
    [monitor] = make_monitors(team, 1)
    pool = SenderPool(senders=2)
    with Provider() as provider:
        page(team, monitor, provider)
        deliver_round(pool)  # by threads, which no ContextVar follows into
        pool.close()
    [incident], [delivery] = incidents(), deliveries()
    [opened] = lines.of("tocsin.incidents")
    assert "opened" in opened["message"]
    assert (opened["incident_id"], opened["monitor_id"], opened["team_id"]) == (
        str(incident.pk),
        str(monitor.pk),
        str(team.pk),
    )
    [sent] = lines.of("incidents.delivery.sender")
    assert sent["message"].endswith("by webhook: delivered")
    assert (sent["incident_id"], sent["delivery_id"], sent["monitor_id"], sent["team_id"]) == (
        str(incident.pk),
        str(delivery.pk),
        str(monitor.pk),
        str(team.pk),
    )
    assert slug_of(monitor) not in lines.text
    assert provider.url not in lines.text
    assert dict(current()) == {}


@pytest.mark.django_db(transaction=True)
def test_a_mass_outage_is_no_flood_of_lines(team, lines: Lines) -> None:
    for monitor in make_monitors(team, 130):
        push(monitor, "fail")
    run_round()
    said = [line["message"] for line in lines.of("tocsin.incidents")]
    assert len(said) == 21
    assert said[-1] == "and 110 more incidents opened"


@pytest.mark.django_db
def test_a_requests_id_is_taken_over_or_made_and_in_its_line(team, lines: Lines) -> None:
    [monitor] = make_monitors(team, 1)
    slug = slug_of(monitor)
    path = f"/api/push/{slug}/results"
    given = Client().post(path, {"status": "pass"}, headers={"X-Request-ID": "proxy-0123456789"})
    assert given["X-Request-ID"] == "proxy-0123456789"
    for wrong in ("short", "x" * 65, "a b c d e f g h", "<script>alert</script>"):
        made = Client().post(path, {"status": "nonsense"}, headers={"X-Request-ID": wrong})
        assert made.status_code == 400
        assert made["X-Request-ID"] != wrong
        assert len(made["X-Request-ID"]) == 32
    first, *others = lines.of("tocsin.access")
    assert (first["request_id"], first["method"], first["status"]) == (
        "proxy-0123456789",
        "POST",
        201,
    )
    assert first["seconds"] > 0
    assert "push" in first["route"]
    assert len({line["request_id"] for line in others}) == 4
    assert slug not in lines.text


@pytest.mark.django_db
def test_an_error_of_ours_bears_the_id_that_the_caller_was_told(
    settings, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = "nonsense://aB3dE5gH7jK9"  # whatever fails within a view
    logging.getLogger("django.request").addHandler(lines.handler)
    try:
        answer = Client(raise_request_exception=False).get("/metrics")
    finally:
        logging.getLogger("django.request").removeHandler(lines.handler)
    assert answer.status_code == 500
    [line] = lines.of("django.request")
    assert line["request_id"] == answer["X-Request-ID"]
    assert "Traceback" in line["exception"]


def test_the_form_follows_the_environment() -> None:
    assert log_form({}) == "text"
    assert log_form({"DATABASE_URL": "postgres://x"}) == "json"
    assert log_form({"DATABASE_URL": "postgres://x", "TOCSIN_EMBEDDED": "1"}) == "text"
    assert log_form({"DATABASE_URL": "postgres://x", "LOG_FORMAT": "text"}) == "text"
    assert not logs_requests({})
    assert logs_requests({"LOG_FORMAT": "json"})
    assert not logs_requests({"LOG_FORMAT": "json", "ACCESS_LOG": "off"})
    for wrong in ("xml", "JSON "):
        with pytest.raises(ValueError, match="LOG_FORMAT"):
            logging_config(wrong)


def test_a_wrong_form_stops_the_start_and_names_the_variable() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env={**os.environ, "LOG_FORMAT": "xml"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "LOG_FORMAT is text or json" in done.stderr


@pytest.mark.parametrize(
    ("command", "environ", "name"),
    [
        ("gunicorn config.asgi:application", {}, "web"),
        ("/opt/venv/bin/gunicorn config.asgi:application", {"TOCSIN_ROLE": "ingest"}, "ingest"),
        ("celery -A config worker -Q engine -n engine-1@h", {}, "worker-engine"),
        ("celery -A config beat", {}, "beat"),
        ("manage.py standby", {}, "standby"),
        ("manage.py migrate", {"TOCSIN_PROCESS": "migrate-7"}, "migrate-7"),
    ],
)
def test_a_process_is_named_after_its_command(command, environ, name) -> None:
    assert process_name(command.split(), environ) == name


@pytest.mark.parametrize(
    ("command", "sends"),
    [
        ("celery -A config worker --pool solo -Q deliver -n deliver-1@h", True),
        ("celery -A config worker -Q engine,deliver", True),
        ("celery -A config worker", True),
        ("manage.py standby", True),
        ("celery -A config worker --pool solo -Q engine -n engine-1@h", False),
        ("celery -A config beat", False),
        ("gunicorn config.asgi:application", False),
        ("manage.py migrate", False),
    ],
)
def test_what_sends_messages_is_told_by_its_command(command, sends) -> None:
    """It has connections for all its senders at once."""
    assert sends_messages(command.split()) is sends


def test_gunicorn_and_celery_write_the_same_lines() -> None:
    """In processes of their own: each configures logging as a whole."""
    script = (
        "import logging, logging.config;"
        "from config.gunicorn import logconfig_dict as c; logging.config.dictConfig(c);"
        "logging.getLogger('gunicorn.error').error('worker of %s', 'ana@acme.example')"
    )
    celery = (
        "from config.celery import app; import logging; app.log.setup(loglevel='WARNING');"
        "logging.getLogger('celery.worker').error('lost %s', 'redis://:pa55@broker/0');"
        "logging.getLogger('celery.worker').info('Task succeeded')"
    )
    for code, logger in ((script, "gunicorn.error"), (celery, "celery.worker")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "LOG_FORMAT": "json", "DJANGO_SETTINGS_MODULE": "config.settings"},
            capture_output=True,
            text=True,
            check=True,
        )
        [line] = [json.loads(each) for each in done.stderr.splitlines()]
        assert line["logger"] == logger
        assert "acme" not in line["message"]
        assert "pa55" not in line["message"]
    assert logconfig_dict["handlers"]["console"]["filters"] == ["redact"]
