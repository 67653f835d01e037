"""Requests to the push endpoints: bodies, forms, queries, headers and paths."""

from __future__ import annotations

from urllib.parse import quote_from_bytes

from hypothesis import strategies as st

from tests.fuzz.asked import Asked, Headers
from tests.fuzz.jsons import SCALARS, TEXTS, nested, torn, values, write_object

_NAMES = st.sampled_from(
    ["status", "state", "latency_ms", "latency", "latencyMs", "message", "msg", "labels", "x"]
).map(lambda name: f'"{name}"')
_STATUSES = st.sampled_from(['"pass"', '"fail"', '"up"', '"down"', '"PaSs"', '"maybe"', "null"])
_LABELS = st.lists(st.tuples(TEXTS, SCALARS), max_size=4).map(write_object) | st.integers(
    30, 35
).map(lambda count: write_object([(f'"k{n}"', '"v"') for n in range(count)]))
_STATUS = st.tuples(st.sampled_from(['"status"', '"state"', r'"st\u0061tus"']), _STATUSES)
_PLAIN = st.one_of(
    st.tuples(st.just('"latency_ms"'), SCALARS),
    st.tuples(st.just('"message"'), TEXTS),
    st.tuples(st.just('"labels"'), _LABELS),
)
_ANY = st.tuples(_NAMES | TEXTS, values())
_OBJECTS = st.builds(
    lambda first, rest: write_object([first, *rest]),
    _STATUS,
    st.lists(_PLAIN | _ANY, max_size=4),
)
_WHOLE = st.one_of(
    _OBJECTS,
    _OBJECTS,
    values(),
    st.integers(1, 30_000).map(nested),
    st.integers(1, 9000).map(lambda n: '{"status":"pass","message":"' + "é" * n + '"}'),
).map(lambda text: text.encode("utf-8", "surrogatepass"))
JSON_BODIES = torn(_WHOLE)

_FORM_NAMES = st.sampled_from(["status", "state", "latency", "latency_ms", "message", "msg", "x"])
_FORM_VALUES = st.sampled_from(
    [b"pass", b"fail", b"up", b"12", b"1e3", b"", b"inf", b"1_0", b"\x00", b"\xff"]
) | st.binary(max_size=6)
_FORMS = st.lists(st.tuples(_FORM_NAMES, _FORM_VALUES), max_size=5).map(
    lambda pairs: "&".join(f"{name}={quote_from_bytes(value)}" for name, value in pairs).encode()
)
_PARTS = st.lists(st.tuples(_FORM_NAMES, _FORM_VALUES), max_size=3).map(
    lambda pairs: (
        b"".join(
            b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
            % (name.encode(), value)
            for name, value in pairs
        )
        + b"--b--\r\n"
    )
)
# What a server lets through as a header's value: no NUL and no line end.
_HEADER_BYTES = st.binary(max_size=12).map(
    lambda value: bytes(byte for byte in value if byte not in b"\x00\r\n").strip()
)
_TYPES = st.one_of(
    st.just(b"application/json"),
    st.sampled_from(
        [
            b"application/json; charset=utf-8",
            b'Application/JSON;charset="UTF-8"',
            b"application/json; charset=latin-1",
            b"application/json;",
            b"text/plain",
            b"multipart/form-data; boundary=b",
            b"multipart/form-data",
            b'multipart/form-data; boundary="\xff"',
            b"application/x-www-form-urlencoded",
            b"application/x-www-form-urlencoded; charset=utf-16",
            b"application/x-www-form-urlencoded; charset=no-such",
            b"",
        ]
    ),
    _HEADER_BYTES,
)
_OTHERS = st.sampled_from(
    [
        b"authorization",
        b"idempotency-key",
        b"content-encoding",
        b"content-type",
        b"accept",
        b"accept-language",
        b"cookie",
        b"expect",
        b"if-match",
        b"x-forwarded-for",
        b"x-http-method-override",
        b"range",
    ]
)
_VALUES = _HEADER_BYTES | st.sampled_from(
    [b"Bearer ", b"Bearer x", b"Basic eDp5", b"k" * 64, b"k" * 65, b"gzip", b"identity", b"*/*"]
)


def _typed(kind: bytes) -> st.SearchStrategy[Headers]:
    return st.just(((b"content-type", kind),))


_JSON = st.tuples(_typed(b"application/json"), JSON_BODIES)
_BODIES = st.one_of(
    _JSON,
    _JSON,
    st.tuples(_typed(b"application/x-www-form-urlencoded"), torn(_FORMS)),
    st.tuples(_typed(b"multipart/form-data; boundary=b"), torn(_PARTS)),
    st.tuples(_TYPES.map(lambda kind: ((b"content-type", kind),)), torn(_WHOLE | _FORMS | _PARTS)),
    st.just(((), b"")),
)
_METHODS = st.sampled_from(["POST"] * 12 + ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
_SEGMENT = st.text(st.characters(exclude_categories=["Cs"]), max_size=14)
_TARGETS = st.one_of(
    *[st.just("/api/push/{slug}/results")] * 8,
    st.sampled_from(
        [
            "/api/push/{slug}/results/",
            "/api/push/acme/{name}",
            "/api/ping/{slug}",
            "/api/ping/{slug}/fail",
            "/api/push/{slug}",
        ]
    ),
    st.builds(
        lambda slug, rest: f"/api/push/{slug}/{rest}".replace("{", "").replace("?", ""),
        _SEGMENT,
        st.just("results") | _SEGMENT,
    ).filter(lambda path: " " not in path and "\n" not in path),
)
_QUERIES = st.one_of(
    *[st.just(b"")] * 5, _FORMS, st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b""))
)


@st.composite
def pushes(draw: st.DrawFn) -> Asked:
    """Return a request to a push endpoint; most go to the one that has the lane."""
    headers, body = draw(_BODIES)
    more = draw(st.lists(st.tuples(_OTHERS, _VALUES), max_size=2)) if draw(st.booleans()) else []
    return Asked(
        method=draw(_METHODS),
        target=draw(_TARGETS),
        headers=(*headers, *more),
        body=body,
        pieces=draw(st.sampled_from([0, 0, 0, 1, 3])),
        query=draw(_QUERIES),
    )
