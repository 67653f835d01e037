"""What the environment says about signing in: an OpenID Connect server, and where passkeys work.

Nothing is asked of any server while `OIDC_SERVER_URL` is unset.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True)
class OidcServer:
    """The server that people may sign in with.

    `only` switches passwords off. With `trust_email` every address that it names counts as
    confirmed, else only those that it says it has confirmed.
    """

    url: str
    client_id: str
    client_secret: str
    name: str
    id: str
    only: bool = False
    trust_email: bool = False


def read_oidc(env: Mapping[str, str]) -> OidcServer | None:
    """Return the server of `OIDC_…`, or None if there is none.

    Raises ImproperlyConfigured, which names the variable.
    """
    url = env.get("OIDC_SERVER_URL", "").strip().rstrip("/")
    if not url:
        if _is_on(env, "OIDC_ONLY"):
            raise ImproperlyConfigured("OIDC_ONLY: set OIDC_SERVER_URL too, or nobody can log in.")
        return None
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ImproperlyConfigured("OIDC_SERVER_URL: this is no http or https address.")
    if parts.scheme == "http" and not is_plain_loopback(url):
        raise ImproperlyConfigured("OIDC_SERVER_URL: use https, except on this machine itself.")
    client_id = env.get("OIDC_CLIENT_ID", "").strip()
    if not client_id:
        raise ImproperlyConfigured("OIDC_CLIENT_ID: set it together with OIDC_SERVER_URL.")
    ident = env.get("OIDC_ID", "").strip() or "oidc"
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", ident):
        raise ImproperlyConfigured("OIDC_ID: use up to 40 lower-case letters, digits and hyphens.")
    return OidcServer(
        url=url,
        client_id=client_id,
        client_secret=env.get("OIDC_CLIENT_SECRET", "").strip(),
        name=env.get("OIDC_NAME", "").strip() or "single sign-on",
        id=ident,
        only=_is_on(env, "OIDC_ONLY"),
        trust_email=_is_on(env, "OIDC_TRUST_EMAIL"),
    )


def provider_settings(server: OidcServer | None) -> dict[str, Any]:
    """Return what allauth wants to know about the server; nothing for None."""
    if server is None:
        return {}
    settings: dict[str, Any] = {"server_url": server.url, "oauth_pkce_enabled": True}
    if server.trust_email:
        settings["verified_email"] = True
    app = {
        "provider_id": server.id,
        "name": server.name,
        "client_id": server.client_id,
        "secret": server.client_secret,
        "settings": settings,
    }
    return {"openid_connect": {"APPS": [app]}}


def is_plain_loopback(url: str) -> bool:
    """Return whether an address is plain HTTP at this machine itself."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http":
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_on(env: Mapping[str, str], name: str) -> bool:
    value = env.get(name, "").strip().lower()
    if value not in {"", "on", "off"}:
        raise ImproperlyConfigured(f"{name}: use on or off.")
    return value == "on"
