"""From a snapshot's bytes to HTTP answers: what the lane and the views say must be the same."""

from __future__ import annotations

import gzip
import hashlib
import re
from base64 import b64encode
from functools import lru_cache

CACHED = b"public, max-age=10, stale-while-revalidate=30, stale-if-error=86400"
# For what is no page: a drawing that is opened by itself runs nothing.
INERT = b"default-src 'none'; style-src 'unsafe-inline'; sandbox"
# The page runs nothing; this is for what a browser might yet be talked into.
PERMISSIONS = b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"
ALLOWED = b"GET, HEAD, OPTIONS"
_NOTHING = " 'none'"
_STYLE = re.compile(rb"<style[^>]*>(.*?)</style>", re.DOTALL)
_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)

Headers = list[tuple[bytes, bytes]]


def compress(body: bytes) -> bytes:
    """Return the body gzipped, the same bytes for the same body."""
    return gzip.compress(body, 9, mtime=0)


def make_etag(body: bytes) -> str:
    """Return a strong entity tag for the body."""
    return f'"{hashlib.sha256(body).hexdigest()}"'


def page_policy(body: bytes) -> bytes:
    """Return the Content-Security-Policy of a page: only its own inline parts run, by hash."""
    styles, scripts = (
        "".join(
            f" 'sha256-{b64encode(hashlib.sha256(part).digest()).decode()}'"
            for part in sorted(set(pattern.findall(body)))
        )
        for pattern in (_STYLE, _SCRIPT)
    )
    return (
        f"default-src 'none'; style-src 'self'{styles}; script-src{scripts or _NOTHING}; "
        "img-src 'self' data: https:; connect-src 'self'; manifest-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ).encode()


def is_html(content_type: str) -> bool:
    """Return whether browsers show it as a page."""
    return content_type.startswith("text/html")


class Answers:
    """Everything that can be answered for one snapshot, made once.

    `etag` is that of the body as it is. The gzipped bytes are another representation and have a tag
    of their own, as strong tags must; either of them is recognised in If-None-Match.
    """

    __slots__ = (
        "body",
        "gzip_etag",
        "gzip_headers",
        "gzipped",
        "headers",
        "kept",
        "not_modified",
        "tags",
    )

    def __init__(self, *, content_type: str, etag: str, body: bytes, gzipped: bytes) -> None:
        self.body, self.gzipped = body, gzipped
        plain_etag = etag.encode()
        self.gzip_etag = etag[:-1].encode() + b'-gz"'
        self.tags = frozenset({plain_etag, self.gzip_etag})
        # What a cache needs is in a 304 too; the rest it has kept with the bytes.
        cached: Headers = [(b"cache-control", CACHED), (b"vary", b"Accept-Encoding")]
        self.kept: Headers = [(b"x-content-type-options", b"nosniff")]
        if is_html(content_type):
            self.kept.append((b"content-security-policy", page_policy(body)))
            self.kept.append((b"referrer-policy", b"same-origin"))
            self.kept.append((b"permissions-policy", PERMISSIONS))
        else:
            cached.append((b"access-control-allow-origin", b"*"))
            self.kept.append((b"content-security-policy", INERT))
        shared = [*cached, *self.kept]
        kind = (b"content-type", content_type.encode("latin1"))
        self.headers: Headers = [
            kind,
            (b"content-length", b"%d" % len(body)),
            (b"etag", plain_etag),
            *shared,
        ]
        self.gzip_headers: Headers = [
            kind,
            (b"content-length", b"%d" % len(gzipped)),
            (b"content-encoding", b"gzip"),
            (b"etag", self.gzip_etag),
            *shared,
        ]
        self.not_modified = {
            False: [(b"etag", plain_etag), *cached],
            True: [(b"etag", self.gzip_etag), *cached],
        }

    @property
    def size(self) -> int:
        """Return how many bytes it keeps."""
        return len(self.body) + len(self.gzipped)

    def answer(self, accepted: bytes, if_none_match: bytes) -> tuple[int, Headers, bytes]:
        """Return status, headers and body for a GET with these two request headers."""
        zipped = accepts_gzip(accepted)
        if if_none_match and (if_none_match in self.tags or self._matches(if_none_match)):
            return 304, self.not_modified[zipped], b""
        if zipped:
            return 200, self.gzip_headers, self.gzipped
        return 200, self.headers, self.body

    def _matches(self, value: bytes) -> bool:
        tags = [tag.strip() for tag in value.split(b",")]
        return any(tag == b"*" or tag.removeprefix(b"W/") in self.tags for tag in tags)


@lru_cache(maxsize=256)
def accepts_gzip(value: bytes) -> bool:
    """Return whether an Accept-Encoding header takes gzip."""
    quality: dict[bytes, float] = {}
    for part in value.lower().split(b","):
        name, _, parameters = part.partition(b";")
        q = 1.0
        for parameter in parameters.split(b";"):
            key, _, number = parameter.strip().partition(b"=")
            if key.strip() == b"q":
                try:
                    q = float(number)
                except ValueError:
                    q = 0.0
        quality[name.strip()] = q
    for name in (b"gzip", b"x-gzip", b"*"):
        if name in quality:
            return quality[name] > 0
    return False


def preflight_headers() -> Headers:
    """Return the headers that let any site read what is public."""
    return [
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-methods", ALLOWED),
        (b"access-control-allow-headers", b"*"),
        (b"access-control-max-age", b"86400"),
        (b"allow", ALLOWED),
        (b"content-length", b"0"),
    ]


def wants_html(path: str) -> bool:
    """Return whether a path below a page's root is one that a browser shows.

    Everything else (feeds, badges, JSON) has a name with an ending.
    """
    return "." not in path.rsplit("/", 1)[-1] and not path.startswith("assets/")


NEUTRAL_PAGE = (
    b'<!doctype html><html lang="en"><meta charset="utf-8">'
    b'<meta name="viewport" content="width=device-width"><title>Not found</title>'
    b"<h1>Not found</h1><p>There is nothing at this address.</p></html>\n"
)
NEUTRAL_JSON = (
    b'{"type": "about:blank", "title": "Not Found", "status": 404, "detail": "Not found."}'
)


def not_found(path: str) -> tuple[Headers, bytes]:
    """Return headers and body of a 404 that says nothing of what is or is not here."""
    body, kind = (
        (NEUTRAL_PAGE, b"text/html; charset=utf-8")
        if wants_html(path)
        else (NEUTRAL_JSON, b"application/problem+json")
    )
    headers: Headers = [
        (b"content-type", kind),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-cache"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
        (b"referrer-policy", b"same-origin"),
    ]
    if not wants_html(path):
        headers.append((b"access-control-allow-origin", b"*"))
    return headers, body
