"""What browsers may do with our pages: only our own files, and only scripts that a page names.

A page of ours says `<script nonce="{{ csp_nonce }}">` for each script; the nonce is made when a
template first asks for it, so what holds no script allows none. Status pages bring a policy of
their own (statuspages/serving/answers.py), as does whatever sets the header itself.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse

NONCE_BYTES = 16
# Everything that a browser could be asked for and that no page of ours needs.
PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "autoplay",
        "browsing-topics",
        "camera",
        "display-capture",
        "encrypted-media",
        "geolocation",
        "gyroscope",
        "hid",
        "idle-detection",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "serial",
        "usb",
        "xr-spatial-tracking",
    )
)
# For what is no page: nothing at all may come of opening it.
NOTHING = "default-src 'none'; frame-ancestors 'none'"
_DOCS = "/api/v1/docs"  # the interactive API documentation brings inline styles of its own
_SIGN_IN = "/accounts/"  # from here a form may lead to a sign-in provider


class Nonce:
    """A random value that lets one answer's scripts run; made when it is first written down."""

    def __init__(self) -> None:
        self._value = ""

    def __str__(self) -> str:
        if not self._value:
            self._value = secrets.token_urlsafe(NONCE_BYTES)
        return self._value

    @property
    def used(self) -> str:
        """The value if it was written into the answer, else nothing."""
        return self._value


def nonce(request: HttpRequest) -> dict[str, Any]:
    """Return what templates know: `csp_nonce` (the name that django-htmx's tags look for)."""
    found = getattr(request, "csp_nonce", None)
    return {} if found is None else {"csp_nonce": found}


def page_policy(
    *, script: str = "'none'", style: str = "'self'", form_targets: Iterable[str] = ()
) -> str:
    """Return the policy of a page.

    `script` and `style` are source lists; `form_targets` are origins, besides our own, that a
    submitted form may end at.
    """
    parts = [
        "default-src 'none'",
        f"script-src {script}",
        "script-src-attr 'none'",
        f"style-src {style}",
        # Bootstrap's style sheet draws its small marks from data: images.
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "frame-src 'self'",  # the preview of a status page
        "base-uri 'none'",
        " ".join(("form-action 'self'", *sorted(form_targets))),
        "frame-ancestors 'none'",
    ]
    if settings.BASE_URL.startswith("https:"):
        parts.append("upgrade-insecure-requests")
    return "; ".join(parts)


def sign_in_origins() -> set[str]:
    """Return the origins of the configured OpenID Connect providers.

    Browsers hold a redirect after a form to its page's `form-action` as well.
    """
    providers = getattr(settings, "SOCIALACCOUNT_PROVIDERS", {})
    origins = set()
    for app in providers.get("openid_connect", {}).get("APPS", ()):
        parts = urlsplit(str(app.get("settings", {}).get("server_url", "")))
        if parts.scheme in {"http", "https"} and parts.netloc:
            origins.add(f"{parts.scheme}://{parts.netloc}")
    return origins


class ContentSecurityPolicy:
    """Give each request a nonce, and each answer that has no policy yet the strictest one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request with the policy set."""
        made = Nonce()
        request.csp_nonce = made  # type: ignore[attr-defined]
        response = self.get_response(request)
        headers = response.headers
        is_page = headers.get("Content-Type", "").startswith("text/html")
        if is_page:
            headers.setdefault("Permissions-Policy", PERMISSIONS)
        if "Content-Security-Policy" in headers:
            return response
        if is_page:
            headers["Content-Security-Policy"] = _policy_of(request, made.used)
        else:
            headers["Content-Security-Policy"] = NOTHING
        return response


def _policy_of(request: HttpRequest, used: str) -> str:
    if request.path.startswith(_DOCS):
        return page_policy(script="'self'", style="'self' 'unsafe-inline'")
    targets = sign_in_origins() if request.path.startswith(_SIGN_IN) else ()
    return page_policy(script=f"'nonce-{used}'" if used else "'none'", form_targets=targets)
