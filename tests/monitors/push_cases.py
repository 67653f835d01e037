"""One table of pushes: what contract allows, what it refuses, and bytes of people who mean harm."""

from __future__ import annotations

import json
from dataclasses import dataclass

JSON = ((b"content-type", b"application/json"),)
FORM = ((b"content-type", b"application/x-www-form-urlencoded"),)
Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Case:
    """One request and its expected status."""

    name: str
    status: int
    body: bytes = b""
    headers: Headers = JSON
    query: bytes = b""
    method: str = "POST"
    chunks: int = 0
    suffix: str = "/results"


def _pass(**fields: object) -> bytes:
    return json.dumps({"status": "pass", **fields}, ensure_ascii=False).encode()


def _raw(inner: bytes) -> bytes:
    return b'{"status":"pass",' + inner + b"}"


def _type(value: bytes) -> Headers:
    return ((b"content-type", value),)


_MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="status"\r\n\r\nfail\r\n'
    b'--b\r\nContent-Disposition: form-data; name="message"\r\n\r\nd\xc3\xa9j\xc3\xa0\r\n--b--\r\n'
)

GOOD = [
    Case("pass", 201, b'{"status":"pass"}'),
    Case("fail", 201, b'{"status":"fail"}'),
    Case("up", 201, b'{"status":"up"}'),
    Case("down", 201, b'{"status":"down"}'),
    Case("any case", 201, b'{"status":"PaSs"}'),
    Case("spaces in the JSON", 201, b' \n{ "status" :\t"pass" } \r\n'),
    Case("an escaped key", 201, rb'{"st\u0061tus":"p\u0061ss"}'),
    Case("charset", 201, b'{"status":"pass"}', _type(b"application/json; charset=utf-8")),
    Case("charset quoted", 201, b'{"status":"pass"}', _type(b'Application/JSON;charset="UTF-8"')),
    Case("chunked", 201, _pass(message="in pieces", labels={"a": "b"}), chunks=4),
    Case("trailing slash", 201, _pass(), suffix="/results/"),
    Case("alias state", 201, b'{"state":"up"}'),
    Case("canonical beats alias", 201, b'{"status":"pass","state":"nonsense"}'),
    Case("null beside its alias", 201, _raw(b'"latency_ms":null,"latency":7')),
    Case("aliases", 201, b'{"state":"down","latencyMs":12.5,"msg":"m"}'),
    Case("the first alias", 201, _raw(b'"latency":1,"latencyMs":2')),
    Case("unknown fields", 201, _raw(b'"x":[1,{"y":null}],"z":1e999,"big":' + b"9" * 5000)),
    Case("all fields", 201, _pass(latency_ms=1.5, message="m", labels={"a": "b"})),
    Case("all null", 201, _pass(latency_ms=None, message=None, labels=None)),
    Case("empty message and labels", 201, _pass(message="", labels={})),
    Case("latency 0", 201, _pass(latency_ms=0)),
    Case("latency -0", 201, _raw(b'"latency_ms":-0.0')),
    Case("latency most", 201, _raw(b'"latency_ms":1e9')),
    Case("latency tiny", 201, _raw(b'"latency_ms":1e-400')),
    Case("latency of many digits", 201, _raw(b'"latency_ms":0.1' + b"0123456789" * 80)),
    Case("latency 1E+2", 201, _raw(b'"latency_ms":1E+2')),
    Case("message of 10,000 wide characters", 201, _pass(message="🐘" * 10_000)),
    Case("message of 4,000 wide characters", 201, _pass(message="🐘" * 4000)),
    Case("message of 10,001", 201, _pass(message="é" * 10_001)),
    Case("message of astral pairs", 201, _raw(rb'"message":"\ud83d\ude00 \\u0000 \"q\""')),
    Case("message of odd characters", 201, _pass(message="\x7f\u202e\ufeff\ufffe\t\r\n\x01")),
    Case("32 labels", 201, _pass(labels={f"k{n}": "v" for n in range(32)})),
    Case("label at its limits", 201, _pass(labels={"é" * 63: "ü" * 255})),
    Case("an empty label value", 201, _pass(labels={"a": ""})),
    Case("scalars as labels", 201, _raw(b'"labels":{"a":true,"b":false,"c":null,"d":"x"}')),
    Case("numbers keep their text", 201, _raw(b'"labels":{"a":1.0,"b":1e5,"c":-0,"d":1E+05}')),
    Case("a number of 255 digits", 201, _raw(b'"labels":{"a":' + b"1" * 255 + b"}")),
    Case("an infinite number as label text", 201, _raw(b'"labels":{"a":1e999}')),
    Case("duplicate status", 201, b'{"status":"fail","status":"pass"}'),
    Case("a duplicate that was wrong", 201, b'{"status":"maybe","status":"pass"}'),
    Case("duplicate label", 201, _raw(b'"labels":{"a":"1","a":"2"}')),
    Case(
        "40 duplicates are one label",
        201,
        _raw(b'"labels":{' + b",".join(b'"a":"%d"' % n for n in range(40)) + b"}"),
    ),
    Case("another scheme is ignored", 201, _pass(), (*JSON, (b"authorization", b"Basic eDp5"))),
    Case("a form", 201, b"status=fail&message=d%C3%A9j%C3%A0+vu&latency_ms=12", FORM),
    Case("a form of aliases", 201, b"state=UP&msg=m&latency=1.5", FORM),
    Case("a form: the last wins", 201, b"status=fail&status=pass", FORM),
    Case("a form: empty latency is none", 201, b"status=pass&latency_ms=", FORM),
    Case("multipart", 201, _MULTIPART, _type(b"multipart/form-data; boundary=b")),
    Case("a query", 201, b"", (), b"status=up&msg=from+curl&latency=3"),
    Case("a query beside a JSON type", 201, b"", JSON, b"status=down"),
    Case("a query beside a body is not read", 201, _pass(), JSON, b"status=fail"),
]

_DEEP = b'{"status":"pass","labels":' + b"[" * 30_000 + b"]" * 30_000 + b"}"
BAD = [
    Case("nothing", 400),
    Case("nothing chunked", 400, b"", chunks=1),
    Case("half JSON", 400, b"{"),
    Case("two documents", 400, b'{"status":"pass"}{}'),
    Case("a list", 400, b"[]"),
    Case("null", 400, b"null"),
    Case("a text", 400, b'"pass"'),
    Case("single quotes", 400, b"{'status':'pass'}"),
    Case("a comma too many", 400, b'{"status":"pass",}'),
    Case("a byte order mark", 400, b'\xef\xbb\xbf{"status":"pass"}'),
    Case("UTF-16", 400, '{"status":"pass"}'.encode("utf-16")),
    Case("status a number", 400, b'{"status":1}'),
    Case("status true", 400, b'{"status":true}'),
    Case("status null", 400, b'{"status":null}'),
    Case("status null beside its alias", 400, b'{"status":null,"state":"up"}'),
    Case("status unknown", 400, b'{"status":"maybe"}'),
    Case("status with a space", 400, b'{"status":"pass "}'),
    Case("no status", 400, b'{"latency_ms":3}'),
    Case("the last status is wrong", 400, b'{"status":"pass","status":"maybe"}'),
    Case("latency infinite", 400, _raw(b'"latency_ms":1e999')),
    Case("latency NaN", 400, _raw(b'"latency_ms":NaN')),
    Case("NaN in an ignored field", 400, _raw(b'"x":NaN')),
    Case("latency negative", 400, _raw(b'"latency_ms":-1')),
    Case("latency too high", 400, _raw(b'"latency_ms":1000000000.5')),
    Case("latency of 5,000 digits", 400, _raw(b'"latency_ms":' + b"9" * 5000)),
    Case("latency a text", 400, _pass(latency_ms="5")),
    Case("latency true", 400, _pass(latency_ms=True)),
    Case("a leading zero", 400, _raw(b'"latency_ms":007')),
    Case("NUL in a message", 400, _raw(rb'"message":"\u0000"')),
    Case("a raw NUL", 400, _raw(b'"message":"a\x00b"')),
    Case("a raw line end", 400, _raw(b'"message":"a\nb"')),
    Case("a raw control character", 400, _raw(b'"message":"a\x1fb"')),
    Case("a lone surrogate", 400, _raw(rb'"message":"\ud800"')),
    Case("a lone low surrogate", 400, _raw(rb'"message":"\udc00x"')),
    Case("surrogates in UTF-8", 400, _raw(b'"message":"\xed\xa0\x80"')),
    Case("bad UTF-8", 400, _raw(b'"message":"\xff\xfe"')),
    Case("overlong UTF-8", 400, _raw(b'"message":"\xc0\xaf"')),
    Case("bad UTF-8 in an ignored field", 400, _raw(b'"x":"\xff"')),
    Case("a message that is an object", 400, _pass(message={"a": 1})),
    Case("a message that is a number", 400, _pass(message=5)),
    Case("NUL in a label's name", 400, _raw(rb'"labels":{"\u0000":"a"}')),
    Case("NUL in a label", 400, _raw(rb'"labels":{"a":"\u0000"}')),
    Case("a surrogate in a label", 400, _raw(rb'"labels":{"a":"\ud800"}')),
    Case("a nested label", 400, _pass(labels={"a": {"b": 1}})),
    Case("a list as label", 400, _pass(labels={"a": []})),
    Case("labels a list", 400, _pass(labels=[1])),
    Case("labels a text", 400, _pass(labels="a=b")),
    Case("33 labels", 400, _pass(labels={f"k{n}": "v" for n in range(33)})),
    Case("an empty label name", 400, _pass(labels={"": "v"})),
    Case("a label name too long", 400, _pass(labels={"é" * 64: "v"})),
    Case("a label too long", 400, _pass(labels={"a": "ü" * 256})),
    Case("a number too long", 400, _raw(b'"labels":{"a":' + b"1" * 256 + b"}")),
    Case("nested 30,000 deep", 400, _DEEP),
    Case("objects 10,000 deep", 400, b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    Case("a form with NUL", 400, b"status=%00", FORM),
    Case("a form with a NUL message", 400, b"status=pass&msg=%00", FORM),
    Case("a form that is not UTF-8", 400, b"status=pass&msg=%ff", FORM),
    Case("a form with a wrong number", 400, b"status=pass&latency=fast", FORM),
    Case("a form with a Python number", 400, b"status=pass&latency=1_000", FORM),
    Case("a form with infinity", 400, b"status=pass&latency=inf", FORM),
    Case("a form with foreign digits", 400, "status=pass&latency=１２".encode(), FORM),
    Case("a form with too many digits", 400, b"status=pass&latency=" + b"9" * 400, FORM),
    Case("a form without a status", 400, b"msg=x", FORM),
    Case("broken multipart", 400, b"--b\r\n", _type(b"multipart/form-data; boundary=b")),
    Case("multipart without a boundary", 400, _MULTIPART, _type(b"multipart/form-data")),
    Case("an empty query", 400, b"", (), b"x=1"),
    Case("a query that is not UTF-8", 400, b"", (), b"status=up&msg=%ff"),
    Case("an idempotency key too long", 400, _pass(), (*JSON, (b"idempotency-key", b"k" * 65))),
    Case("an idempotency key of controls", 400, _pass(), (*JSON, (b"idempotency-key", b"\x01"))),
    Case("a wrong token", 401, _pass(), (*JSON, (b"authorization", b"Bearer nonsense"))),
    Case("an empty token", 401, _pass(), (*JSON, (b"authorization", b"Bearer "))),
    Case("a token of strange bytes", 401, _pass(), (*JSON, (b"authorization", b"bearer \xff\xfe"))),
    Case("GET", 405, b"", (), b"status=up", "GET"),
    Case("PUT", 405, _pass(), method="PUT"),
    Case("PATCH", 405, _pass(), method="PATCH"),
    Case("DELETE", 405, b"", method="DELETE"),
    Case("just over 64 KiB", 413, _pass(message="x" * 65_536)),
    Case("over 64 KiB in chunks", 413, _pass(message="x" * 70_000), chunks=9),
    Case("XML", 415, b"<a/>", _type(b"application/xml")),
    Case("text", 415, b'{"status":"pass"}', _type(b"text/plain")),
    Case("no type", 415, b'{"status":"pass"}', ()),
    Case("two types", 415, _pass(), (*_type(b"text/plain"), *JSON)),
    Case("another charset", 415, _pass(), _type(b"application/json; charset=latin-1")),
    Case("gzip", 415, b"\x1f\x8b\x08\x00garbage", (*JSON, (b"content-encoding", b"gzip"))),
]
CASES = GOOD + BAD
# Bytes that RFC 3986 allows nowhere, but that curl sends as they were typed.
RAW_QUERIES = [
    Case("a query with raw UTF-8", 201, b"", (), "status=up&msg=Ωé".encode()),
    Case("a query of raw bad bytes", 400, b"", (), b"status=up&msg=\xff"),
]
