"""What is read as a document, and what is refused before it is one."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.problems import Refused
from manifests.reading.documents import MOST_DEPTH, read_json, read_yaml
from manifests.reading.writing import write_yaml
from tests.conftest import Api
from tests.manifests.bundles import YAML, apply

REFUSED = {
    "an anchor": ("a: &x 1\n", "alias"),
    "an alias": ("a: *x\n", "alias"),
    "a bomb": ("a: &a [1]\nb: &b [*a,*a]\nc: [*b,*b]\n", "alias"),
    "a recursive one": ("a: &a [*a]\n", "alias"),
    "a tag": ("a: !!python/object/apply:os.system [ls]\n", "tag"),
    "a plain tag": ("a: !!str 5\n", "tag"),
    "a local tag": ("a: !x {}\n", "tag"),
    "a key twice": ("a: 1\na: 2\n", "duplicate"),
    "a merge key": ("<<: {a: 1}\n", "key"),
    "a number as key": ("1: x\n", "key"),
    "null as key": ("~: x\n", "key"),
    "a list as key": ("[a]: x\n", "key"),
    "an object as key": ("{a: 1}: x\n", "key"),
    "broken brackets": ("a: [1\n", "yaml"),
    "broken indentation": ("kind: Monitor\n  bad: [yaml", "yaml"),
    "a tabulator": ("a:\n\t- 1\n", "yaml"),
    "a control character": ("a: \x07\n", "yaml"),
    "an escaped NUL": ('a: "\\0"\n', "nul"),
    "an escaped surrogate": ('a: "\\ud800"\n', "yaml"),
    "deep lists": ("[" * 100_000, "depth"),
    "deep mappings": ("{a: " * 100_000, "depth"),
    "deep blocks": ("".join(" " * n + "a:\n" for n in range(60)), "depth"),
    "a huge integer": ("a: " + "9" * 5000, "invalid"),
    "too many": ("---\na: 1\n" * 2001, "max_length"),
}


@pytest.mark.parametrize(("text", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_refused_at_once_and_says_where(text: str, code: str) -> None:
    began = time.monotonic()
    with pytest.raises(Refused) as caught:
        read_yaml(text.encode())
    assert time.monotonic() - began < 5
    [problem] = caught.value.problems
    assert problem.code == code
    assert problem.field.startswith("documents[")


def test_the_line_is_that_of_the_mistake() -> None:
    with pytest.raises(Refused) as caught:
        read_yaml(b"a: 1\n---\nb: 1\nc: *x\n")
    assert caught.value.problems[0].field == "documents[1]"
    assert "line 2" in caught.value.problems[0].detail.lower() or "Line 4" in str(caught.value)


def test_words_are_those_of_yaml_1_2() -> None:
    text = (
        "{a: yes, b: on, c: 1:30, d: 2027-03-01, e: 012, f: 0x10, g: 1_000, h: .inf, i: true,"
        " j: ~, k: -5, l: 2.5, m: 1e3, n: 'null', o: , p: +7, q: 1e}"
    )
    assert read_yaml(text.encode())[0].value == {
        "a": "yes",
        "b": "on",
        "c": "1:30",
        "d": "2027-03-01",
        "e": "012",
        "f": "0x10",
        "g": "1_000",
        "h": ".inf",
        "i": True,
        "j": None,
        "k": -5,
        "l": 2.5,
        "m": 1000.0,
        "n": "null",
        "o": None,
        "p": 7,
        "q": "1e",
    }


def test_empty_documents_count_and_are_left_out() -> None:
    found = read_yaml(b"---\n# nothing\n---\na: 1\n---\n---\nb: 1\n")
    assert [document.index for document in found] == [1, 3]
    assert read_yaml(b"") == []
    assert read_yaml(b"\xef\xbb\xbfa: 1\n")[0].value == {"a": 1}


_CHARACTERS = st.characters(
    exclude_categories=["Cs", "Cc", "Cn", "Co"], exclude_characters="\x7f\u2028\u2029\ufeff"
)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(-1e9, 1e9)
    | st.text(
        st.characters(
            exclude_categories=["Cs", "Cc", "Cn", "Co"], exclude_characters="\x7f\u2028\u2029\ufeff"
        ),
        max_size=20,
    )
    | st.sampled_from(
        ["yes", "1e5", "012", "~", "1:30", "0x1", "<<", "=", "2027-01-01", "-", "# a", "*a", "&a"]
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abc-_/ y", min_size=1, max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1), PLAIN, min_size=1, max_size=4))
def test_what_is_written_is_read_as_it_was_by_us_and_by_others(value: dict[str, Any]) -> None:
    text = write_yaml([value, value])
    assert [document.value for document in read_yaml(text.encode())] == [value, value]
    assert list(yaml.safe_load_all(text)) == [value, value]


def test_json_is_one_document_or_a_list(api: Api) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "a"},
        "stringData": {"k": "some-long-enough-token"},
    }
    assert api.post("apply", **secret)["results"][0]["action"] == "created"
    answer = api("POST", "apply", [secret], expect=200).json()
    assert answer["results"][0]["action"] == "unchanged"
    with pytest.raises(Refused):
        read_json(b"[" + b"{}," * 2001 + b"{}]")


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":2}',
        b"[" * 50 + b"]" * 50,
        b"[" * 100_000,
        b"nope",
        b"\xff",
        b'"\\u0000"',
        b"5",
        b"null",
        b"",
    ],
)
def test_json_that_is_none_is_a_400(api: Api, body: bytes) -> None:
    answer = api("POST", "apply", body)
    assert answer.status_code in (200, 400)
    assert answer.status_code == 400 or body in (b"null", b"")
    assert body != b"5" or answer.json()["errors"][0]["field"] == "documents[0]"


@pytest.mark.parametrize("kind", ["application/yaml", "text/yaml", "application/x-yaml"])
def test_yaml_goes_by_several_names(api: Api, kind: str) -> None:
    body = (
        b"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {k: abcdefghijklmnopq}\n"
    )
    api("POST", "apply", body, content_type=kind, expect=200)


def test_other_types_sizes_and_flags(api: Api) -> None:
    api("POST", "apply", b"a: 1", content_type="text/plain", expect=415)
    api("POST", "apply", b"#" * ((1 << 20) + 1), content_type=YAML, expect=413)
    assert apply(api, "#" * (1 << 20))["results"] == []
    api("POST", "apply", b"\xff\xfe", content_type=YAML, expect=400)
    assert apply(api, "", "?dry_run=yes", expect=400)["errors"][0]["field"] == "dry_run"


SHAPES = [
    ("Monitor", "[]"),
    ("Monitor", "{labels: [1]}"),
    ("Monitor", "{token_secret: {name: 5}}"),
    ("MonitorSet", "{monitors: [5, {}, {name: [1]}]}"),
    ("MonitorSet", "{monitors: {}, defaults: 5}"),
    ("MonitorSet", "{monitors: [], defaults: {grace: x}}"),
    ("Channel", "{kind: [x], config: 5}"),
    ("Channel", "{kind: slack, secrets: {url: 5}}"),
    ("Rotation", "{layers: [{members: 5}]}"),
    ("EscalationPolicy", "{steps: [{targets: [{}]}]}"),
    ("AlertRule", "{position: -1, match: 5}"),
    ("StatusPage", "{name: x, slug: y}"),
    ("StatusPage", "{name: x, components: [{name: []}]}"),
    ("StatusPage", "{name: x, colours: {sky: blue}}"),
    ("Maintenance", "{starts_at: 5, ends_at: x}"),
]


@pytest.mark.parametrize(("kind", "spec"), SHAPES)
def test_wrong_shapes_are_a_400_with_a_field(api: Api, kind: str, spec: str) -> None:
    text = f"apiVersion: tocsin/v1\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n"
    answer = apply(api, text, expect=400)
    assert all(each["field"].startswith("documents[0].spec") for each in answer["errors"])


@pytest.mark.parametrize(
    "rest",
    [
        "metadata: 5\nstringData: []",
        "metadata: {name: [1]}\nstringData: {a: [1]}",
        "metadata: {name: a}\ndata: {a: '%%'}",
        "metadata: {name: a}\ndata: {a: '/w=='}",
        "metadata: {name: a}\nstringData: {}",
        'metadata: {name: a}\nstringData: {"a\\nb": c}',
        "metadata: {name: a, namespace: A_b}\nstringData: {a: b}",
        "metadata: {name: a, labels: {}}\nstringData: {a: b}",
    ],
)
def test_wrong_secrets_are_a_400_with_a_field(api: Api, rest: str) -> None:
    answer = apply(api, f"apiVersion: v1\nkind: Secret\n{rest}\n", expect=400)
    assert all(each["field"].startswith("documents[0].") for each in answer["errors"])


def test_the_depth_that_is_allowed_is_enough() -> None:
    text = "[" * MOST_DEPTH + "]" * MOST_DEPTH
    assert len(read_yaml(text.encode())) == 1
