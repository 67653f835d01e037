"""How to push: what to paste where, with the monitor's real address.

The texts are templates/monitors/snippets/*.txt. Names are the customer's text and are pasted into
shells and YAML: only their letters, digits and hyphens are used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.conf import settings
from django.template import Context, Engine

from monitors.models import DAY_SECONDS, Monitor
from monitors.queries import push_url

_HOUR = 3_600
_WAYS = (
    ("curl", "curl", "A pass, and a failure with what went wrong.", ("curl-pass", "curl-fail")),
    (
        "crontab",
        "crontab",
        "Runs the job and tells how it ended. Put your command in place of /path/to/job.",
        ("crontab", "crontab-exec"),
    ),
    (
        "systemd",
        "systemd timer",
        "Put your command in place of /path/to/job, then enable the timer.",
        ("systemd-service", "systemd-timer", "systemd-exec"),
    ),
    (
        "kubernetes",
        "Kubernetes CronJob",
        "Tells how the job ended. Use an image with curl, and your command for /path/to/job.",
        ("kubernetes",),
    ),
    (
        "github",
        "GitHub Actions",
        "The last step of a job. Store the push URL as the secret TOCSIN_PUSH_URL first.",
        ("github",),
    ),
    ("python", "Python", "Needs nothing but the standard library.", ("python",)),
)
_CAPTIONS = {
    "curl-pass": "A pass",
    "curl-fail": "A failure",
    "crontab": "crontab -e",
    "crontab-exec": "crontab -e, with the command tocsin: duration and end of the output too",
    "systemd-service": "/etc/systemd/system/{name}.service",
    "systemd-timer": "/etc/systemd/system/{name}.timer",
    "systemd-exec": "The service with the command tocsin: duration and end of the output too",
    "kubernetes": "cronjob.yaml",
    "github": "A step of a workflow",
    "python": "Python 3",
}


@dataclass(frozen=True, slots=True)
class Snippet:
    """One way to push: `key` is its anchor, `files` are (caption, text) to copy."""

    key: str
    title: str
    note: str
    files: tuple[tuple[str, str], ...]


def write_snippets(monitor: Monitor, slug: str, *, token: str | None) -> list[Snippet]:
    """Return the ways to push to a monitor. Without `token` they read it from $TOCSIN_TOKEN."""
    name = plain_name(monitor.name)
    bearer = ""
    if monitor.require_token:
        bearer = f' -H "Authorization: Bearer {token or "$TOCSIN_TOKEN"}"'
    curl = f"curl -fsS -m 10 --retry 3{bearer}"
    from_secret = ' -H "Authorization: Bearer $TOCSIN_TOKEN"' if monitor.require_token else ""
    values = {
        "name": name,
        "results": push_url(slug),
        "ping": f"{settings.BASE_URL}/api/ping/{slug}",
        "curl": curl,
        "unit_curl": curl.replace("$", "$$"),  # systemd reads a lone $ as its own
        "secret_curl": f"curl -fsS -m 10 --retry 3{from_secret}",  # never the token itself
        "json": "-H 'Content-Type: application/json'",
        "token": token,
        "require_token": monitor.require_token,
        "interval": monitor.interval,
        "cron": monitor.cron or cron_of(monitor.interval),
        "cron_timezone": monitor.cron_timezone,
    }
    # Not HTML yet: the page escapes the finished text.
    context, engine = Context(values, autoescape=False), Engine.get_default()
    return [
        Snippet(
            key,
            title,
            note,
            tuple(
                (
                    _CAPTIONS[file].format(name=name),
                    engine.get_template(f"monitors/snippets/{file}.txt").render(context).rstrip(),
                )
                for file in files
            ),
        )
        for key, title, note, files in _WAYS
    ]


def plain_name(name: str) -> str:
    """Return a name that shells, files and Kubernetes take as it is."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "tocsin-push"


def cron_of(interval: int) -> str:
    """Return the crontab schedule nearest to a cadence; cron knows nothing below a minute."""
    if interval >= DAY_SECONDS:
        return "15 3 * * *"
    if interval >= _HOUR:
        hours = round(interval / _HOUR)
        return "15 * * * *" if hours == 1 else f"15 */{hours} * * *"
    minutes = max(1, round(interval / 60))
    return "* * * * *" if minutes == 1 else f"*/{minutes} * * * *"
