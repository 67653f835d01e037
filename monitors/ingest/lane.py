"""The lane: pushes that are certainly good go past Django, straight to the recorder.

The lane has no error text of its own. It takes a POST of small, strictly decoded JSON with the
contract's canonical names to `/api/push/<slug>/results`, and answers it only if it was stored;
everything else, and every answer that is not a plain 201, is Django's: the body is replayed to the
view that is the contract. A table of cases is driven through both ways and compared in the tests.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from time import perf_counter
from typing import Annotated, Any, Literal

import msgspec

from monitors.ingest.measures import ANSWERS
from monitors.ingest.push import NotStored, Push, TooManyWaiting
from monitors.ingest.recorder import Recorder

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

PREFIX = "/api/push/"
SUFFIX = "/results"
SLUG_LENGTH = 12
_PATH_LENGTH = len(PREFIX) + SLUG_LENGTH + len(SUFFIX)
MOST_BYTES = 16_384
# Headers that change what a request means: with any of them it is Django's.
_OTHERS_MATTER = frozenset(
    {b"authorization", b"content-encoding", b"idempotency-key", b"transfer-encoding", b"expect"}
)
_JSON_TYPES = frozenset({b"application/json", b"application/json; charset=utf-8"})


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    status: Literal["pass", "fail", "up", "down"]
    latency_ms: Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None = None
    message: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None
    labels: (
        Annotated[
            dict[
                Annotated[str, msgspec.Meta(min_length=1, max_length=63)],
                Annotated[str, msgspec.Meta(max_length=255)],
            ],
            msgspec.Meta(max_length=32),
        ]
        | None
    ) = None


# As config.requests has it: nothing else of a request comes back in a header of ours.
_sane_id = re.compile(rb"[0-9A-Za-z][0-9A-Za-z._:-]{7,63}").fullmatch
_decode = msgspec.json.Decoder(_Body).decode
_encode = msgspec.json.Encoder().encode


def fast_slug(scope: Scope) -> str | None:
    """Return the slug if the request's head allows the lane, else None."""
    path: str = scope["path"]
    if (
        scope["method"] != "POST"
        or len(path) != _PATH_LENGTH
        or not path.startswith(PREFIX)
        or not path.endswith(SUFFIX)
        or scope["query_string"]
    ):
        return None
    slug = path[len(PREFIX) : -len(SUFFIX)]
    if not (slug.isascii() and slug.isalnum()):
        return None
    json_body = has_length = False
    for name, value in scope["headers"]:
        if name == b"content-type":
            if json_body or value not in _JSON_TYPES:
                return None  # Django reads two types as one that does not exist
            json_body = True
        elif name == b"content-length":
            has_length = len(value) <= 5 and value.isdigit() and int(value) <= MOST_BYTES
        elif name in _OTHERS_MATTER:
            return None
        elif name == b"x-request-id" and _sane_id(value):
            scope["tocsin.request_id"] = value
    return slug if json_body and has_length else None


def certainly_good(slug: str, body: bytes) -> Push | None:
    """Return the push if the body is beyond doubt, else None.

    NUL escapes are left to Django. msgspec refuses by itself what is not UTF-8, lone surrogates,
    numbers out of range, unknown names and nesting where none belongs.
    """
    if b"\\u0000" in body:
        return None
    try:
        parsed = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return Push(
        fail=parsed.status in ("fail", "down"),
        slug=slug,
        latency_ms=None if parsed.latency_ms is None else parsed.latency_ms + 0.0,  # -0 is 0
        message=parsed.message,
        labels=parsed.labels,
    )


async def try_lane(
    recorder: Recorder, slug: str, body: bytes, send: Send, request_id: bytes | None = None
) -> bool:
    """Store the push and answer 201; False if Django has to answer (nothing was stored then)."""
    started = perf_counter()
    push = certainly_good(slug, body)
    if push is None:
        return False
    try:
        answer = await recorder.record(push)
    except (NotStored, TooManyWaiting) as error:
        # Django words the refusal. It must not try again by itself: the first try may have been
        # committed.
        raise LaneRefused(error) from error
    if answer is None:
        return False
    payload = _encode(answer)
    echo = () if request_id is None else ((b"x-request-id", request_id),)
    await send(
        {
            "type": "http.response.start",
            "status": 201,
            "headers": [
                *echo,
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(payload)),
                (b"x-content-type-options", b"nosniff"),
            ],
        }
    )
    await send({"type": "http.response.body", "body": payload})
    ANSWERS.observe(perf_counter() - started)
    return True


class LaneRefused(Exception):  # noqa: N818 - it names what happened
    """The recorder refused the push: `cause` is NotStored or TooManyWaiting."""

    def __init__(self, cause: NotStored | TooManyWaiting) -> None:
        super().__init__()
        self.cause = cause
