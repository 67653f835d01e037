"""Requests to apply: documents with a wrong value at any path, YAML of any bytes."""

from __future__ import annotations

import copy
import json
from typing import Any

import yaml
from hypothesis import strategies as st

from manifests.reading.documents import read_yaml
from tests.fuzz.asked import Asked
from tests.fuzz.jsons import torn
from tests.manifests.bundles import ALERTING, bundle, push_monitor, secret
from tests.manifests.test_kinds import EVERYTHING

OWNER = "owner@example.org"
_SEEDS: list[Any] = [
    each.value
    for text in (EVERYTHING, bundle(secret("tok"), push_monitor("backup", extra=ALERTING)))
    for each in read_yaml(text.replace("OWNER", OWNER).encode())
]
_BY_KIND = {document["kind"]: document for document in _SEEDS}
_STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1, 2**31, 2**63, 10**30, 0.5, -0.0, 1e308, float("inf")]),
    st.sampled_from(
        [
            "",
            " ",
            "\x00",
            chr(0xD800),
            "x" * 300,
            "x" * 20000,
            "🐘",
            "acme",
            "rival",
            "../a",
            "a/b",
            "é" * 63,
            "\u202e",
            "\ufeff",
            "{{ x }}",
            "%s",
            "1",
            "true",
            "2027-03-01T00:00:00Z",
            "2027-02-30T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "0000-01-01",
            "Europe/Berlin",
            "+99:99",
            "FREQ=SECONDLY",
            "FREQ=DAILY;COUNT=999999999",
            "FREQ=DAILY;INTERVAL=0",
            "RRULE:",
            "https://[",
            "http://127.0.0.1/",
            "https://a:99999/",
            "javascript:x",
            "https://\x7f/",
            "* * * * *",
            "0 0 31 2 *",
            "@reboot",
            "*/0 * * * *",
            "09:00",
            "24:00",
            "#fff",
        ]
    ),
    st.text(max_size=10),
    st.sampled_from([[], {}, [[]], [{}], {"": ""}, {"x": {"y": []}}, [None], ["a", "a"], [1, "a"]]),
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, each in inner:
        found.append((*path, key))
        if isinstance(each, dict | list):
            found += _paths(each, (*path, key))
    return found


_PATHS = {kind: _paths(document) for kind, document in _BY_KIND.items()}


@st.composite
def _documents(draw: st.DrawFn) -> list[Any]:
    """Return documents that would be right but for what was done to them."""
    kinds = draw(st.lists(st.sampled_from(sorted(_BY_KIND)), min_size=1, max_size=3, unique=True))
    made: list[Any] = [copy.deepcopy(_BY_KIND[kind]) for kind in kinds]
    if draw(st.booleans()):
        made = [copy.deepcopy(each) for each in _SEEDS if each["kind"] not in kinds] + made
    for document, kind in zip(made[-len(kinds) :], kinds, strict=True):
        for _ in range(draw(st.integers(0, 2))):
            _change(draw, document, draw(st.sampled_from(_PATHS[kind])))
    if draw(st.integers(0, 7)) == 0:
        made.append(draw(_STRANGE))
    return made


def _change(draw: st.DrawFn, document: Any, path: tuple[Any, ...]) -> None:
    holder = document
    try:
        for key in path[:-1]:
            holder = holder[key]
        how = draw(st.sampled_from(["replace", "replace", "drop", "add", "twice"]))
        if how == "replace":
            holder[path[-1]] = draw(_STRANGE)
        elif how == "drop":
            del holder[path[-1]]
        elif how == "twice" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[path[-1]]))
        elif isinstance(holder, dict):
            holder[draw(st.sampled_from(["x", "", "id", "team", "name", "spec", "<<"]))] = 1
    except (KeyError, IndexError, TypeError):
        pass  # an earlier change took the place away


def _as_yaml(documents: list[Any]) -> bytes:
    # An encoder that writes strangers as escapes, as people's tools do.
    return yaml.safe_dump_all(documents, allow_unicode=False, width=10_000).encode(
        "utf-8", "replace"
    )


def _as_json(documents: list[Any]) -> bytes:
    return json.dumps(documents if len(documents) != 1 else documents[0]).encode()


_PIECES = st.sampled_from(
    [
        "---\n",
        "...\n",
        "--- ",
        "a: ",
        "b: ",
        "- ",
        "  ",
        "\t",
        "\n",
        "&x ",
        "*x",
        "<<: *x\n",
        "? ",
        ": ",
        "!!str ",
        "!!python/object:os.system ",
        "!x ",
        "!<tag:x> ",
        "%YAML 1.1\n",
        "%TAG ! x\n",
        "|\n",
        ">-\n",
        "'",
        '"',
        '"\\0"',
        '"\\ud800"',
        '"\\U0001F418"',
        "[",
        "]",
        "{",
        "}",
        ",",
        "#",
        "~",
        "null",
        "yes",
        "012",
        "1e999",
        "9" * 40,
        "-",
        "=",
        "\ufeff",
        "\u2028",
        "\x85",
        "\r",
        "apiVersion: tocsin/v1\n",
        "kind: Monitor\n",
        "metadata: {name: a}\n",
        "spec: {}\n",
        "🐘",
    ]
)
_SOUP = st.lists(_PIECES, max_size=25).map(lambda parts: "".join(parts).encode())
_BODIES = st.one_of(
    _documents().map(lambda made: (b"application/yaml", _as_yaml(made))),
    _documents().map(lambda made: (b"application/json", _as_json(made))),
    torn(_documents().map(_as_yaml)).map(lambda body: (b"application/yaml", body)),
    _SOUP.map(lambda body: (b"application/yaml", body)),
    torn(_SOUP).map(lambda body: (b"text/yaml", body)),
    torn(_documents().map(_as_json)).map(lambda body: (b"application/json", body)),
)
_TYPES = st.sampled_from([b"", b"text/plain", b"application/yaml; charset=latin-1", b"\xff"])
_QUERIES = st.sampled_from(
    [b"", b"", b"", b"prune=true", b"dry_run=true", b"prune=maybe", b"dry_run=%00", b"\xff=\xff"]
)


@st.composite
def applies(draw: st.DrawFn) -> Asked:
    """Return a request to apply."""
    kind, body = draw(_BODIES)
    if draw(st.integers(0, 15)) == 0:
        kind = draw(_TYPES)
    return Asked("POST", "/api/v1/apply", ((b"content-type", kind),), body, 0, draw(_QUERIES))
