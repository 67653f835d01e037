"""The `alertmanager` kind: what Prometheus would post, for monitors that push.

Alertmanager knows an alert by its labels alone and takes it for resolved once it is not told of it
any more. So the labels are the same in all that is said of an incident, and while it lasts the
alert is sent anew: if we die, it lapses with `endsAt`.
https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from accounts.durations import say_time
from incidents.channels.base import Field, Message, Outcome
from incidents.channels.facts import IncidentFacts, read_facts
from incidents.channels.posting import ConfigReader, HttpKind
from incidents.channels.wording import clean_line
from incidents.outbound.addresses import Network

ALERT_NAME = "MonitorDown"
RESEND_SECONDS = 60
LASTS = timedelta(minutes=5)  # what Prometheus has, too: four re-sends may go missing
TEST_LASTS = timedelta(minutes=1)
_PATH = "/api/v2/alerts"
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_MAX_LABELS, _MAX_LABEL_VALUE = 32, 255
# These tell one monitor's alert from another's.
_OURS_ALONE = frozenset({"monitor", "namespace"})


@dataclass(frozen=True)
class AlertmanagerKind(HttpKind):
    """Alerts to a Prometheus Alertmanager."""

    name: ClassVar[str] = "alertmanager"
    label: ClassVar[str] = "Alertmanager"
    fields: ClassVar[tuple[Field, ...]] = (
        Field(
            "url",
            "Address",
            help="Of Alertmanager itself; /api/v2/alerts is added.",
            input_type="url",
            placeholder="https://alertmanager.example.com",
        ),
        Field(
            "labels",
            "Extra labels",
            help="For its routes, as name=value with commas between them. They come last and win.",
            required=False,
            placeholder="cluster=eu, severity=page",
        ),
        Field("username", "User name", help="For basic authentication.", required=False),
        Field("password", "Password", input_type="password", required=False),
        Field(
            "token",
            "Bearer token",
            help="Instead of a user name and password.",
            input_type="password",
            required=False,
        ),
    )
    secret_fields: ClassVar[frozenset[str]] = frozenset({"password", "token"})
    server_field: ClassVar[str] = "url"
    events: ClassVar[frozenset[str]] = frozenset(
        {"incident.opened", "incident.firing", "incident.resolved"}
    )
    digests: ClassVar[bool] = False
    keeps_account: ClassVar[bool] = True
    resend_seconds: ClassVar[int | None] = RESEND_SECONDS

    def clean(self, config: Mapping[str, Any], *, allow: Sequence[Network]) -> dict[str, Any]:
        """Return `{"url", "labels"?, "username"?, "password"?, "token"?}`. Raises InvalidConfig.

        `labels` are an object, or text like "name=value, name=value".
        """
        reader = ConfigReader(config, {"url", "labels", "username", "password", "token"})
        url = reader.url("url", allow=allow, missing="Give the address of Alertmanager.")
        if "?" in url or "#" in url:
            reader.fail("url", "Give the address without ? and #.")
        elif url:
            reader.cleaned["url"] = url.rstrip("/").removesuffix(_PATH)
        _read_labels(reader, config.get("labels"))
        plain = "[^\x00-\x1f\x7f\ud800-\udfff]{1,500}"
        username = reader.text(
            "username", "[^:\x00-\x1f\x7f\ud800-\udfff]{1,200}", wrong="Give a name without colon."
        )
        password = reader.text("password", plain, wrong="Give one line of text.")
        token = reader.text("token", r"[\x21-\x7e]{1,2000}", wrong="Give a token without spaces.")
        if token and (username or password):
            reader.fail("token", "Give either a user name and password, or a token.")
        if username and not password:
            reader.fail("password", "Give the password, too.")
        if password and not username:
            reader.fail("username", "Give the user name, too.")
        return reader.finish()

    def keep_secrets(
        self, config: Mapping[str, Any], *, stored: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return a new `config` with the stored secret of the same way to log in, if any."""
        unused = "token" if config.get("username") or config.get("password") else "password"
        left = {name: value for name, value in stored.items() if name != unused}
        return super().keep_secrets(config, stored=left)

    def send(self, message: Message, config: Mapping[str, Any], *, now: datetime) -> Outcome:
        """Post the alert: firing, still firing, or resolved."""
        if message.event not in self.events | {"channel.test"}:
            return Outcome("failed", f"Alertmanager is not told of {message.event}.")
        headers, secret = _authorize(config)
        return self.post_json(
            config["url"].rstrip("/") + _PATH,
            [write_alert(message, config.get("labels") or {}, now=now)],
            key=message.key,
            now=now,
            headers=headers,
            secrets=secret,
        )


def write_alert(message: Message, extra: Mapping[str, str], *, now: datetime) -> dict[str, Any]:
    """Return the alert for `message`; `extra` are the channel's own labels."""
    facts = read_facts(message)
    if message.event == "channel.test":
        labels = {"alertname": "TocsinTest", "severity": "info", "team": facts.team}
        annotations = {"summary": "Test from Tocsin: nothing is down, and it ends by itself."}
        starts, ends = message.at, max(now, message.at) + TEST_LASTS
    else:
        labels, annotations = _label(facts), _annotate(facts)
        # The later clock counts: an alert must not end before it has arrived.
        starts, ends = facts.down_since, max(now, message.at) + LASTS
        if message.event == "incident.resolved":
            ends = max(facts.resolved_at or message.at, starts)
    labels |= extra
    alert: dict[str, Any] = {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": _say(starts),
        "endsAt": _say(ends),
    }
    if facts.url:
        alert["generatorURL"] = facts.url
    return alert


def _label(facts: IncidentFacts) -> dict[str, str]:
    fixed = {
        "alertname": ALERT_NAME,
        "monitor": facts.name,
        "namespace": facts.namespace,
        "severity": facts.severity,
        "cause": facts.cause,
        "team": facts.team,
    }
    labels: dict[str, str] = {}
    # A name that is right as it is comes before one that had to be changed into it.
    for name, value in sorted(
        facts.labels.items(), key=lambda pair: (_LABEL_NAME.fullmatch(pair[0]) is None, pair[0])
    ):
        labels.setdefault(_name_label(name, taken=fixed), value)
    return labels | fixed


def _name_label(name: str, *, taken: Mapping[str, str]) -> str:
    valid = re.sub(r"[^a-zA-Z0-9_]", "_", name) or "_"
    # Two underscores in front are Prometheus's own.
    return f"label_{valid}" if valid in taken or re.match(r"[0-9]|__", valid) else valid


def _annotate(facts: IncidentFacts) -> dict[str, str]:
    return {
        "summary": f"{facts.title} is {facts.cause_word}",
        "description": f"Down since {say_time(facts.down_since)}. {facts.summary}".strip(),
        "runbook_url": facts.runbook,
        "incident": facts.id,
    }


def _authorize(config: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    if token := config.get("token"):
        return {"Authorization": f"Bearer {token}"}, (token,)
    if password := config.get("password"):
        coded = base64.b64encode(f"{config['username']}:{password}".encode()).decode()
        return {"Authorization": f"Basic {coded}"}, (password, coded)
    return {}, ()


def _read_labels(reader: ConfigReader, given: Any) -> None:
    if given is None or given in ("", {}):
        return
    if isinstance(given, str):
        pairs = [part.partition("=") for part in given.split(",") if part.strip()]
        if not all(middle for _, middle, _ in pairs):
            reader.fail("labels", "Write them as name=value, with commas between them.")
            return
        given = {name.strip(): value.strip() for name, _, value in pairs}
    if not isinstance(given, Mapping) or len(given) > _MAX_LABELS:
        reader.fail("labels", f"Give at most {_MAX_LABELS} labels, each a name with a value.")
        return
    for name, value in given.items():
        if not isinstance(name, str) or not _LABEL_NAME.fullmatch(name) or name[:2] == "__":
            reader.fail("labels", "A label's name has letters, digits and _, no digit in front.")
        elif name in _OURS_ALONE:
            reader.fail("labels", f"The label {name} is always the monitor's own.")
        elif not isinstance(value, str) or len(value) > _MAX_LABEL_VALUE:
            reader.fail("labels", f"A label has text of up to {_MAX_LABEL_VALUE} characters.")
    if "labels" not in reader.errors:
        reader.cleaned["labels"] = {
            name: clean_line(value, _MAX_LABEL_VALUE) for name, value in given.items()
        }


def _say(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


KIND = AlertmanagerKind()
