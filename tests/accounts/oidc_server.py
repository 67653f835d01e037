"""A small OpenID Connect server on loopback: discovery, authorization, tokens and userinfo."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt

CLIENT_ID = "tocsin"
CLIENT_SECRET = "s3cret-s3cret-s3cret-s3cret-s3cret"


@dataclass
class OidcProvider:
    """What it says of the person who is at the browser; `refuses` sends them back unheard.

    They logged in there `logged_in_ago` seconds ago; a server that was asked how long ago says so,
    unless that is None.
    """

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    id_token_sub: str | None = None
    logged_in_ago: Any = 0
    says_always: bool = False
    refuses: str = ""
    asked: list[str] = field(default_factory=list)
    authorized: list[dict[str, str]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/jwks",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }

    def authorize(self, query: dict[str, str]) -> str:
        """Return where the browser goes next."""
        self.authorized.append(query)
        if self.refuses:
            told = {"error": self.refuses, "state": query["state"]}
        else:
            code = secrets.token_urlsafe(12)
            self.codes[code] = query
            told = {"code": code, "state": query["state"]}
        return f"{query['redirect_uri']}?{urlencode(told)}"

    def give_tokens(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Exchange a code once, for the client that it was made for and its verifier."""
        query = self.codes.pop(form.get("code", ""), None)
        if query is None or form.get("client_secret") != CLIENT_SECRET:
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            query.get("code_challenge") != challenge
            or query["redirect_uri"] != form["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        told = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 60}
        subject = self.id_token_sub or self.claims.get("sub")
        if isinstance(subject, str):
            told["sub"] = subject
        ago = self.logged_in_ago
        if ago is not None and ("max_age" in query or self.says_always):
            told["auth_time"] = now - ago if type(ago) is int else ago
        token = jwt.encode(told, CLIENT_SECRET, algorithm="HS256")
        return 200, {"access_token": "at-1", "token_type": "Bearer", "id_token": token}


class _Handler(BaseHTTPRequestHandler):
    provider: OidcProvider

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.provider.asked.append(parts.path)
        if parts.path == "/.well-known/openid-configuration":
            self._answer(200, self.provider.discovery())
        elif parts.path == "/authorize":
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self.send_response(302)
            self.send_header("Location", self.provider.authorize(query))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif parts.path == "/userinfo" and self.headers.get("Authorization") == "Bearer at-1":
            self._answer(200, self.provider.claims)
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        self.provider.asked.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self._answer(*self.provider.give_tokens(form))

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextlib.contextmanager
def serve_oidc() -> Iterator[OidcProvider]:
    provider = OidcProvider()
    handler = type("Handler", (_Handler,), {"provider": provider})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
