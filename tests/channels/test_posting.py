"""What all kinds that post to a provider have in common, each against one on loopback."""

from __future__ import annotations

import socket
from dataclasses import replace
from urllib.parse import quote, urlsplit

import pytest

from incidents.channels.base import InvalidConfig
from incidents.channels.posting import ConfigReader, HttpKind, encode_json, mask_text
from incidents.channels.registry import KINDS
from tests.channels.chats import KEY, LOOPBACK, NOW, attempt, base, message
from tests.channels.samples import SAMPLES
from tests.providers import Answer, Provider

POSTING = {name: kind for name, kind in KINDS.items() if isinstance(kind, HttpKind)}
each_kind = pytest.mark.parametrize("name", POSTING)


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.BASE_URL = "https://tocsin.example"
    settings.OUTBOUND_ALLOW = LOOPBACK


def send(name, answer):
    outcome, got = attempt(POSTING[name], SAMPLES[name], answer=answer)
    assert len(got) == 1
    return outcome


def secrets_of(name):
    config = POSTING[name].clean(SAMPLES[name]("http://127.0.0.1:9"), allow=LOOPBACK)
    return [config[field] for field in POSTING[name].secret_fields if field in config]


@each_kind
@pytest.mark.parametrize(
    ("status", "kind", "disables"),
    [
        (200, "sent", False),
        (201, "sent", False),
        (202, "sent", False),
        (204, "sent", False),
        (301, "failed", False),
        (400, "failed", False),
        (401, "failed", False),
        (403, "failed", False),
        (404, "failed", False),
        (410, "failed", True),
        (429, "retry", False),
        (500, "retry", False),
        (503, "retry", False),
    ],
)
def test_each_status_is_judged(name, status, kind, disables):
    outcome = send(name, Answer(status))
    assert (outcome.kind, outcome.disable_channel) == (kind, disables)
    assert str(status) in outcome.detail


@each_kind
@pytest.mark.parametrize(("value", "seconds"), [("17", 17), ("999999", 3600), (None, None)])
def test_retry_after_is_honoured_and_capped(name, value, seconds):
    outcome = send(name, Answer(429, {"Retry-After": value} if value else {}))
    assert (outcome.kind, outcome.retry_after_seconds) == ("retry", seconds)


@each_kind
@pytest.mark.parametrize(
    "answer",
    [Answer(reset=True), Answer(delay_seconds=20), Answer(drip_seconds=0.1)],
    ids=["reset", "slow", "drip"],
)
def test_no_complete_answer_is_tried_again(name, answer):
    hasty = replace(POSTING[name], timeout_seconds=0.3, deadline_seconds=0.5)
    outcome, _ = attempt(hasty, SAMPLES[name], answer=answer)
    assert outcome.kind == "retry"


@each_kind
def test_every_attempt_carries_the_key_and_the_same_bytes(name):
    kind = POSTING[name]
    with Provider(lambda n: 503 if n < 3 else 200) as provider:
        config = kind.clean(SAMPLES[name](base(provider)), allow=LOOPBACK)
        kinds = [kind.send(message(), config, now=NOW).kind for _ in range(3)]
    assert kinds == ["retry", "retry", "sent"]
    assert {got.headers["x-tocsin-delivery"] for got in provider.got} == {KEY}
    assert len({(got.path, got.body) for got in provider.got}) == 1
    assert provider.got[0].headers["user-agent"] == "Tocsin (+https://tocsin.example)"


@each_kind
@pytest.mark.parametrize("room", [0, 150, 190])
def test_what_a_provider_repeats_of_a_secret_is_hidden(name, room):
    kind = POSTING[name]
    with Provider() as provider:
        config = kind.clean(SAMPLES[name](base(provider)), allow=LOOPBACK)
        secrets = [config[field] for field in kind.secret_fields if field in config]
        assert secrets
        for secret in secrets:
            for piece in pieces_of(secret):
                said = "x" * room + f" bad {piece} in request"
                provider.answer = lambda n, said=said: Answer(400, body=said.encode())
                outcome = kind.send(message(), config, now=NOW)
                assert outcome.kind == "failed"
                # Not its beginning either, where the detail was cut.
                assert piece.removeprefix(base(provider))[:16] not in outcome.detail
                assert "bad" in outcome.detail


def pieces_of(secret):
    """What of a secret may be said by itself: of a URL its path, its query and long parts."""
    if "://" not in secret:
        return {secret, quote(secret, safe="")}
    parts = urlsplit(secret)
    long = {piece for piece in parts.path.split("/") if len(piece) > 20}
    return {secret, parts.path, f"{parts.path}?{parts.query}".rstrip("?"), *long}


@each_kind
def test_secrets_are_not_read_back(name):
    kind = POSTING[name]
    config = kind.clean(SAMPLES[name]("http://127.0.0.1:9"), allow=LOOPBACK)
    shown = str(kind.hide_secrets(config))
    assert not [secret for secret in secrets_of(name) if secret in shown]


@each_kind
def test_cleaning_twice_changes_nothing(name):
    kind = POSTING[name]
    config = kind.clean(SAMPLES[name]("http://127.0.0.1:9"), allow=LOOPBACK)
    assert kind.clean(config, allow=LOOPBACK) == config


@each_kind
@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "2130706433",
        "10.0.0.1",
        "0x7f.1",
        "[::1]",
    ],
)
def test_an_inner_address_is_refused_when_saved(name, address):
    with pytest.raises(InvalidConfig):
        POSTING[name].clean(SAMPLES[name](f"https://{address}"), allow=())


@each_kind
def test_an_inner_address_is_refused_when_sent(name, settings):
    with Provider() as provider:
        config = POSTING[name].clean(SAMPLES[name](base(provider)), allow=LOOPBACK)
        settings.OUTBOUND_ALLOW = ()
        outcome = POSTING[name].send(message(), config, now=NOW)
    assert (outcome.kind, outcome.detail) == ("failed", "refused: address not allowed")
    assert provider.connections == 0


@each_kind
def test_a_name_that_leads_inside_is_refused_when_sent(name):
    def resolve(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", port))]

    kind = replace(POSTING[name], resolve=resolve)
    config = kind.clean(SAMPLES[name]("https://rebinds.example"), allow=())
    outcome = kind.send(message(), config, now=NOW)
    assert (outcome.kind, outcome.detail) == ("failed", "refused: address not allowed")


@each_kind
def test_a_redirect_is_not_followed(name):
    with Provider() as inner:
        outcome = send(name, Answer(302, {"Location": inner.url}))
    assert outcome.kind == "failed"
    assert inner.connections == 0


@each_kind
def test_a_stored_secret_goes_to_no_new_server(name):
    kind = POSTING[name]
    if not kind.server_field:
        pytest.skip("the address is itself the secret")
    stored = kind.clean(SAMPLES[name]("https://here.example"), allow=())
    shown = kind.hide_secrets(stored)
    assert kind.clean(kind.keep_secrets(shown, stored=stored), allow=()) == stored
    moved = {**shown, kind.server_field: "https://there.example"}
    with pytest.raises(InvalidConfig) as error:
        kind.keep_secrets(moved, stored=stored)
    assert set(error.value.errors) <= kind.secret_fields
    again = {**moved, **{name: stored[name] for name in kind.secret_fields if name in stored}}
    assert kind.keep_secrets(again, stored=stored) == again


@each_kind
@pytest.mark.parametrize("value", [7, True, [], {}, "\x00", "\ud800", "a\r\nb", "x" * 99_999, 1e99])
def test_any_value_of_any_field_is_judged_and_not_repeated(name, value):
    kind = POSTING[name]
    sample = SAMPLES[name]("https://here.example")
    names = {field.name for field in kind.fields}
    refused = []
    for field in names:
        try:
            kind.clean({**sample, field: value}, allow=())
        except InvalidConfig as error:
            refused.append(error)
    assert refused
    for error in refused:
        assert set(error.errors) <= names
        assert len(str(error)) < 500
        assert str(error).isprintable()


@each_kind
def test_the_form_asks_for_what_the_configuration_knows(name):
    kind = POSTING[name]
    assert kind.label
    names = [field.name for field in kind.fields]
    assert len(set(names)) == len(names)
    assert kind.secret_fields <= set(names)
    assert set(kind.clean(SAMPLES[name]("https://here.example"), allow=())) <= set(names)
    with pytest.raises(InvalidConfig) as error:
        kind.clean({}, allow=())
    assert set(error.value.errors) <= set(names)


def test_a_reader_says_all_that_is_wrong_at_once():
    reader = ConfigReader({"a": "no", "c": "https://10.0.0.1"}, {"a", "b", "c"})
    reader.text("a", "[0-9]+", wrong="Give digits.")
    reader.text("b", "[0-9]+", wrong="Give digits.", missing="Give b.")
    reader.url("c", allow=())
    reader.fail("a", "Not shown: the first thing said of a field stays.")
    with pytest.raises(InvalidConfig) as error:
        reader.finish()
    assert list(error.value.errors) == ["a", "b", "c"]
    assert error.value.errors["a"] == "Give digits."


def test_json_does_not_depend_on_order_and_takes_any_text():
    assert encode_json({"b": 1, "a": "é\ud800"}) == '{"a":"é?","b":1}'.encode()
    assert encode_json({"a": "é\ud800", "b": 1}) == encode_json({"b": 1, "a": "é\ud800"})


def test_a_secret_is_masked_whole_before_its_pieces():
    url = "https://hooks.example/abcdefghijklmnopqrstuvwxyz?sig=ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    said = f"{url} /abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ hooks.example"
    assert mask_text(said, [url]) == "[hidden] [hidden] [hidden] hooks.example"
    assert mask_text("nothing", [""]) == "nothing"
