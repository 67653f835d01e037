"""What the kinds share that post to a provider over HTTP: one guarded request, and its settings.

A kind derives from HttpKind, reads its configuration with a ConfigReader, and sends with
`post_json` or `post_form`. A provider that says more than its status does (a wait, "chat not
found") is judged by a function of its own, given as `judge`.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit

from django.conf import settings

from incidents.channels.base import (
    DELIVERY_HEADER,
    ChannelKind,
    InvalidConfig,
    Outcome,
    refuse_unknown_fields,
)
from incidents.channels.verdicts import judge_error, judge_reply
from incidents.outbound.addresses import Network
from incidents.outbound.client import OutboundError, Reply, Resolve, post
from incidents.outbound.urls import UnsafeUrl, check_url

_MASK = "[hidden]"
# Shorter pieces of a URL are words like "powerautomate", not credentials.
_MIN_SECRET_PIECE = 16


# Reads an answer: judge(reply, now=now).
JudgeReply = Callable[..., Outcome]


@dataclass(frozen=True)
class HttpKind(ChannelKind):
    """A kind that posts to a provider. The limits are fields so that a test need not wait.

    `server_field` names the part of the configuration that says where the secrets are sent, and
    `server_default` is what stands for a missing one.
    """

    server_field: ClassVar[str] = ""
    server_default: ClassVar[str] = ""
    timeout_seconds: float = 10
    deadline_seconds: float = 15
    resolve: Resolve = socket.getaddrinfo

    def post_json(
        self,
        url: str,
        content: Mapping[str, Any] | Sequence[Any],
        *,
        key: str,
        now: datetime,
        headers: Mapping[str, str] | None = None,
        secrets: Iterable[str] = (),
        judge: JudgeReply = judge_reply,
    ) -> Outcome:
        """Post `content` as JSON once and return what the answer means.

        `key` is the message's, sent in a header; `secrets` never appear in the outcome's detail.
        """
        body = encode_json(content)
        kind = {"Content-Type": "application/json; charset=utf-8"}
        return self._post(url, body, kind | dict(headers or {}), key, now, secrets, judge)

    def post_form(
        self,
        url: str,
        fields: Mapping[str, str],
        *,
        key: str,
        now: datetime,
        headers: Mapping[str, str] | None = None,
        secrets: Iterable[str] = (),
        judge: JudgeReply = judge_reply,
    ) -> Outcome:
        """Post `fields` as an HTML form would, and return what the answer means."""
        body = urlencode(fields, errors="replace").encode("ascii")
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._post(url, body, kind | dict(headers or {}), key, now, secrets, judge)

    def keep_secrets(
        self, config: Mapping[str, Any], *, stored: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return a new `config` completed with the stored secrets, unless they would go elsewhere.

        Who may edit a channel may not read its secrets, so a new server does not get them. Raises
        InvalidConfig.
        """
        missing = [name for name in self.secret_fields if name in stored and name not in config]
        if self.server_field and self._server(config) != self._server(stored) and missing:
            raise InvalidConfig(
                dict.fromkeys(sorted(missing), "The server has changed: give this again.")
            )
        return super().keep_secrets(config, stored=stored)

    def _server(self, config: Mapping[str, Any]) -> str:
        value = config.get(self.server_field) or self.server_default
        return str(value).strip().rstrip("/")

    def _post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        key: str,
        now: datetime,
        secrets: Iterable[str],
        judge: JudgeReply,
    ) -> Outcome:
        fixed = {"User-Agent": f"Tocsin (+{settings.BASE_URL})", DELIVERY_HEADER: key}
        try:
            reply = post(
                url,
                body=body,
                headers=fixed | dict(headers),
                allow=settings.OUTBOUND_ALLOW,
                timeout_seconds=self.timeout_seconds,
                deadline_seconds=self.deadline_seconds,
                resolve=self.resolve,
            )
        except OutboundError as error:
            outcome = judge_error(error)
        else:
            outcome = judge(mask_reply(reply, secrets), now=now)
        return replace(outcome, detail=mask_text(outcome.detail, secrets))


class ConfigReader:
    """Reads a configuration field by field and collects what is wrong, to say it all at once."""

    def __init__(self, config: Mapping[str, Any], known: Iterable[str]) -> None:
        refuse_unknown_fields(config, frozenset(known))
        self._config = config
        self.errors: dict[str, str] = {}
        self.cleaned: dict[str, Any] = {}

    def text(
        self,
        name: str,
        pattern: str,
        *,
        wrong: str,
        missing: str = "",
        default: str = "",
    ) -> str:
        """Keep and return a trimmed text that is `pattern` as a whole.

        `wrong` says what a right one looks like; without `missing` the field is optional. A bad
        value is never repeated: it may be a secret in the wrong place.
        """
        value = self._config.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            # Ids are written as numbers as often as not; a huge one would not even print.
            value = str(value) if abs(value) < 10**30 else "?"
        if value is None or (isinstance(value, str) and not value.strip()):
            return self._absent(name, missing, default)
        text = value.strip() if isinstance(value, str) else ""
        if not re.fullmatch(pattern, text):
            self.errors[name] = wrong
            return ""
        self.cleaned[name] = text
        return text

    def url(
        self, name: str, *, allow: Sequence[Network], missing: str = "", default: str = ""
    ) -> str:
        """Keep and return a trimmed URL that a request may go to; a default stays unwritten."""
        value = self._config.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            return self._absent(name, missing, default)
        text = value.strip() if isinstance(value, str) else ""
        try:
            check_url(text, allow)
        except UnsafeUrl as error:
            self.errors[name] = str(error)
            return ""
        self.cleaned[name] = text
        return text

    def fail(self, name: str, text: str) -> None:
        """Note that a field is wrong; the first thing said of it stays."""
        self.errors.setdefault(name, text)

    def finish(self) -> dict[str, Any]:
        """Return the cleaned configuration. Raises InvalidConfig with all that is wrong."""
        if self.errors:
            raise InvalidConfig(self.errors)
        return self.cleaned

    def _absent(self, name: str, missing: str, default: str) -> str:
        if missing:
            self.errors[name] = missing
        return default


def encode_json(content: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """Return `content` as compact UTF-8 JSON, the same bytes for the same content."""
    text = json.dumps(
        content, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str
    )
    # Half surrogates, which no encoding can carry, become question marks.
    return text.encode("utf-8", "replace")


def read_object(reply: Reply) -> dict[str, Any]:
    """Return the JSON object in a reply; an empty one if there is none."""
    try:
        content = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def mask_text(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without the secrets, nor the telling pieces of a secret URL."""
    for piece in _pieces(secrets):
        text = text.replace(piece, _MASK)
    return text


def mask_reply(reply: Reply, secrets: Iterable[str]) -> Reply:
    """Return `reply` with the secrets taken out of its body before anything is cut off it."""
    body = reply.body
    for piece in _pieces(secrets):
        body = body.replace(piece.encode("utf-8", "replace"), _MASK.encode())
    return replace(reply, body=body)


def _pieces(secrets: Iterable[str]) -> list[str]:
    found: set[str] = set()
    for secret in secrets:
        found |= {secret, quote(secret, safe=""), quote(secret)}
        if secret.startswith(("https://", "http://")):
            parts = urlsplit(secret)
            pieces = {parts.path, *re.split(r"[/&=?]", f"{parts.path}?{parts.query}")}
            found |= {piece for piece in pieces if len(piece) >= _MIN_SECRET_PIECE}
    # The longest first: a piece of a secret must not break up the whole of it.
    return sorted((piece for piece in found if piece), key=len, reverse=True)
