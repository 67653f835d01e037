"""Every route there is, and what each is for; a route that is not listed here fails the tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

READ, WRITE, ADMIN = "read", "write", "admin"


def _things(
    change: str = WRITE, look: str = READ, *, fixed: bool = False
) -> tuple[dict[str, str], ...]:
    one = {"GET": look, "PATCH": change, "DELETE": change}
    if fixed:
        del one["PATCH"]
    return {"GET": look, "POST": change}, one


def _resource(path: str, last: str = "id", **how: Any) -> dict[str, dict[str, str]]:
    many, one = _things(**how)
    return {path: many, f"{path}/{{{last}}}": one}


def _actions(path: str, *names: str, needs: str = WRITE) -> dict[str, dict[str, str]]:
    return {f"{path}/{{id}}/{name}": {"POST": needs} for name in names}


def _looks(*paths: str, needs: str = READ) -> dict[str, dict[str, str]]:
    return {path: {"GET": needs} for path in paths}


_PAGE = "status-pages/{id}"
# Below /api/v1/: the least scope for each method.
API: dict[str, dict[str, str]] = {
    **_resource("members", change=ADMIN),
    **_resource("invitations", change=ADMIN),
    **_actions("invitations", "resend", needs=ADMIN),
    **_resource("api-keys", change=ADMIN, look=ADMIN),
    **_resource("namespaces", fixed=True),
    **_looks("audit-events", needs=ADMIN),
    **_resource("monitors"),
    "monitors/bulk": {"POST": WRITE},
    "monitors/bulk-action": {"POST": WRITE},
    **_actions("monitors", "pause", "resume", "rotate-slug", "rotate-token"),
    **_looks(
        *(
            f"monitors/{{id}}/{name}"
            for name in ("results", "results.csv", "results.json", "transitions", "uptime")
        )
    ),
    **_looks("incidents", "incidents/{id}", "deliveries", "deliveries/{id}"),
    **_actions("incidents", "acknowledge", "assign", "notes", "resolve", "snooze"),
    **_resource("channels"),
    **_actions("channels", "test"),
    **_resource("contact-methods"),
    **_actions("contact-methods", "send-code", "test", "verify"),
    **_resource("alert-rules"),
    "alert-rules/dry-run": {"POST": READ},
    **_resource("escalation-policies"),
    **_resource("maintenances"),
    **_resource("rotations"),
    **_looks("rotations/{id}/on-call", "rotations/{id}/shifts"),
    **_actions("rotations", "rotate-calendar-key", "revoke-calendar-key"),
    **_resource("rotations/{id}/overrides", "override"),
    **_resource("status-pages"),
    **_actions("status-pages", "verify-domain"),
    **_resource(f"{_PAGE}/components", "component"),
    **_resource(f"{_PAGE}/posts", "post"),
    f"{_PAGE}/posts/{{post}}/cancel": {"POST": WRITE},
    **_resource(f"{_PAGE}/posts/{{post}}/updates", "update"),
    **_resource(f"{_PAGE}/subscribers", "subscriber"),
    f"{_PAGE}/subscribers/{{subscriber}}/resend": {"POST": WRITE},
    **_resource(f"{_PAGE}/templates", "template"),
    "apply": {"POST": WRITE},
    "export": {"GET": READ},
}
# Who may come here is another question, or nobody's: tests of test_outside.py, or of theirs.
OUTSIDE = {
    "api/v1/schema",
    "api/v1/docs",
    "api/v1/manifests/schema",
    "api/v1/rotations/{rotation_id}/calendar.ics",
    "api/v1/",
    "api/",
    "api/push/{slug}/results",
    "api/push/{namespace}/{name}",
    "api/ping/{slug}",
    "api/ping/{slug}/fail",
    "api/ping/{slug}/alertmanager",
    "readyz",
    "metrics",
    "robots.txt",
    "favicon.ico",
    "internal/tls-ask",
    "watchdog",  # its words are signed by ourselves
    "badge/{key}.{form}",
    "status/{slug}",
    "status/{slug}/",
    "status/{slug}/subscribe",
    "status/{slug}/subscribe/asked",
    "status/{slug}/subscribe/confirm/{token}",
    "status/{slug}/subscribe/manage/{token}",
    "status/{slug}/subscribe/unsubscribe/{token}",
}
# All of these are walked through by tests/console/test_access.py, and are the log-in's.
CONSOLE_MODULES = (
    "accounts.console.",
    "monitors.console.",
    "incidents.console.",
    "statuspages.console.",
    "manifests.console.",
    "django.views.generic.",  # a redirect
    "config.staff",  # the operator's: tests/accounts/test_staff.py
    "accounts.admin",
    "django.contrib.admin.",
    "allauth.",
)


def all_routes() -> Iterator[tuple[str, Any]]:
    """Give the path and the view of every route, as the resolver has them."""
    return _walk(get_resolver("config.urls").url_patterns, "")


def _walk(patterns: list[Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for each in patterns:
        path = f"{prefix}{each.pattern}"
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, path)
        elif isinstance(each, URLPattern):
            yield _plain(path), each.callback


def _plain(path: str) -> str:
    """Return `monitors/{id}` for what Django writes as a regular expression or with converters."""
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", re.sub(r"\(\?P<(\w+)>[^()]*\)", r"{\1}", path))
    path = path.replace("{path}", "").replace(".*", "").replace("/?$", "")
    return path.replace("^", "").replace("$", "").replace("\\.", ".")
