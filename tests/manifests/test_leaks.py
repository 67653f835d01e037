"""What is secret in documents is told by nothing: no answer, no export, no audit event, no log."""

from __future__ import annotations

import logging

import pytest

from tests.conftest import Api
from tests.manifests.bundles import (
    YAML,
    actions,
    apply,
    bundle,
    document,
    export,
    push_monitor,
    secret,
)

TOKEN, LATER = "tok-0123456789abcdef-first", "tok-0123456789abcdef-later"
KEY, LATER_KEY = "a1" * 16, "b2" * 16
PASSWORD, LATER_PASSWORD = "first-pass-phrase-1", "later-pass-phrase-2"
VALUES = (TOKEN, LATER, KEY, LATER_KEY, PASSWORD, LATER_PASSWORD)


def documents(token: str, key: str, password: str) -> str:
    ref = "{name: %s, key: token}"
    return bundle(
        secret("tok", token),
        secret("pd", key),
        secret("pw", password),
        push_monitor("a"),
        push_monitor("b"),
        document("Channel", "c", f"{{kind: pagerduty, secrets: {{routing_key: {ref % 'pd'}}}}}"),
        document("StatusPage", "p", f"{{name: P, password_secret: {ref % 'pw'}}}"),
    )


def test_no_answer_export_audit_event_or_log_has_a_value(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    first, later = documents(*VALUES[::2]), documents(*VALUES[1::2])
    for text in (first, later):
        said.append(str(apply(api, text, "?dry_run=true")))
        said.append(str(apply(api, text)))
        said.append(export(api))
    wrong = first.replace("grace", "grac").replace("type: push", "type: http")
    said.append(str(apply(api, wrong, expect=400)))
    misplaced = first.replace("type: Opaque\nstringData:\n  token:", "type:")
    said.append(str(apply(api, misplaced, expect=400)))
    said.append(api("GET", "audit-events?limit=1000", expect=200).content.decode())
    assert "secret" in said[-1]
    assert "routing_key" in said[-1]
    said.append(caplog.text)
    for text in said:
        assert not [value for value in VALUES if value in text]


def test_a_change_of_all_secrets_at_once_reaches_all_that_use_them(api: Api) -> None:
    apply(api, documents(*VALUES[::2]))
    found = actions(apply(api, documents(*VALUES[1::2])))
    assert found == {
        "Secret tok": "updated",
        "Secret pd": "updated",
        "Secret pw": "updated",
        "Monitor a": "unchanged",
        "Monitor b": "unchanged",
        "Channel c": "updated",
        "StatusPage p": "updated",
    }
    for name in ("a", "b"):
        for token, status in ((TOKEN, 401), (LATER, 201)):
            headers = {"Authorization": f"Bearer {token}"}
            path = f"/api/push/acme/{name}"
            Api(None)("POST", path, {"status": "up"}, expect=status, headers=headers)


def test_a_repeat_with_the_same_idempotency_key_is_answered_as_the_first(api: Api) -> None:
    text = documents(*VALUES[::2]).encode()
    headers = {"Idempotency-Key": "one"}
    first = api("POST", "apply", text, expect=200, content_type=YAML, headers=headers)
    again = api("POST", "apply", text, expect=200, content_type=YAML, headers=headers)
    assert first.json() == again.json()
    assert again.json()["results"][0]["action"] == "created"
    assert set(actions(apply(api, text.decode())).values()) == {"unchanged"}


def test_the_old_name_of_the_rule_that_catches_all_is_free_at_once(api: Api) -> None:
    text = bundle(
        document("AlertRule", "Everything else", "{match: {severities: [info]}}"),
        document("AlertRule", "Rest", "{catch_all: true}"),
    )
    apply(api, document("AlertRule", "Everything else", "{catch_all: true}"))
    found = actions(apply(api, text))
    assert found == {"AlertRule Everything else": "created", "AlertRule Rest": "updated"}
    assert set(actions(apply(api, text)).values()) == {"unchanged"}
