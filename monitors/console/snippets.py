"""How to push: what to paste where, with the monitor's real address, in twelve forms.

Each form is written for both endpoints: the push URL, whose slug is the credential, and the
monitor's name, which needs the token. The texts are templates/monitors/snippets/*.txt. Names are
the customer's text and are pasted into shells and YAML: only their letters, digits and hyphens are
used, and elsewhere what percent-encoding leaves of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from django.conf import settings
from django.template import Context, Engine
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from monitors.models import DAY_SECONDS, Monitor
from monitors.queries import push_url

Words = str | Promise
BY_SLUG, BY_NAME = "slug", "name"
_HOUR = 3_600
_JOB = _("Runs the job and tells how it ended. Put your command in place of /path/to/job.")
_WAYS: tuple[tuple[str, Words, Words, tuple[str, ...]], ...] = (
    ("curl", "curl", _("A pass, and a failure with what went wrong."), ("curl-pass", "curl-fail")),
    ("wget", "wget", _("Where there is no curl; BusyBox has it too."), ("wget-pass", "wget-fail")),
    ("crontab", "crontab", _JOB, ("crontab", "crontab-exec")),
    (
        "systemd",
        _("systemd timer"),
        _("Put your command in place of /path/to/job, then enable the timer."),
        ("systemd-service", "systemd-timer", "systemd-exec"),
    ),
    (
        "kubernetes",
        "Kubernetes CronJob",
        _("Tells how the job ended. Use an image with curl, and your command for /path/to/job."),
        ("kubernetes",),
    ),
    (
        "github",
        "GitHub Actions",
        _("The last step of a job. Store its secret first."),
        ("github",),
    ),
    (
        "docker",
        _("Docker or a shell loop"),
        _("Says again and again that the host, or what the check looks at, is well."),
        ("docker", "loop"),
    ),
    (
        "tocsin",
        _("The command tocsin"),
        _("With the duration and the end of the output; exit code and signals stay the job's."),
        ("tocsin-exec", "tocsin-push"),
    ),
    ("python", "Python", _("Needs nothing but the standard library."), ("python",)),
    ("node", "Node.js", _("Node.js 18 or later; needs no package."), ("node",)),
    ("go", "Go", _("Needs nothing but the standard library."), ("go",)),
    (
        "powershell",
        "PowerShell",
        _("PowerShell 5 or later, on Windows and elsewhere."),
        ("powershell",),
    ),
)
WAYS: tuple[tuple[str, Words], ...] = tuple((key, title) for key, title, *_rest in _WAYS)
_CAPTIONS: dict[str, Words] = {
    "curl-pass": _("A pass"),
    "curl-fail": _("A failure"),
    "wget-pass": _("A pass"),
    "wget-fail": _("A failure"),
    "crontab": "crontab -e",
    "crontab-exec": _("crontab -e, with the command tocsin: duration and end of the output too"),
    "systemd-service": "/etc/systemd/system/{name}.service",
    "systemd-timer": "/etc/systemd/system/{name}.timer",
    "systemd-exec": _("The service with the command tocsin: duration and end of the output too"),
    "kubernetes": "cronjob.yaml",
    "github": _("A step of a workflow"),
    "docker": _("A container that pushes for ever"),
    "loop": _("A script that checks something, for ever"),
    "tocsin-exec": _("Run a job"),
    "tocsin-push": _("Push a result"),
    "python": "Python 3",
    "node": "push.mjs",
    "go": "main.go",
    "powershell": "push.ps1",
}


@dataclass(frozen=True, slots=True)
class Snippet:
    """One way to push: `key` is its anchor, `files` are (caption, text) to copy."""

    key: str
    title: Words
    note: Words
    files: tuple[tuple[str, str], ...]


def named_url(monitor: Monitor) -> str:
    """Return the URL that takes pushes by name, with the token."""
    name = quote(monitor.name, safe="")
    return f"{settings.BASE_URL}/api/push/{monitor.namespace.name}/{name}"


def write_snippets(
    monitor: Monitor,
    slug: str,
    *,
    token: str | None,
    by: str = BY_SLUG,
    only: Sequence[str] | None = None,
) -> list[Snippet]:
    """Return the ways to push to a monitor, by its push URL or by its name; `only` names some.

    Without `token` they read it from $TOCSIN_TOKEN, where one is needed.
    """
    context = Context(_values(monitor, slug, token=token, by=by), autoescape=False)
    name = plain_name(monitor.name)
    # Not HTML yet: the page escapes the finished text.
    engine = Engine.get_default()
    return [
        Snippet(
            key,
            title,
            note,
            tuple(
                (
                    str(_CAPTIONS[file]).replace("{name}", name),
                    engine.get_template(f"monitors/snippets/{file}.txt").render(context).rstrip(),
                )
                for file in files
            ),
        )
        for key, title, note, files in _WAYS
        if only is None or key in only
    ]


def _values(monitor: Monitor, slug: str, *, token: str | None, by: str) -> dict[str, object]:
    by_name = by == BY_NAME
    needs_token = by_name or monitor.require_token
    bearer = f' -H "Authorization: Bearer {token or "$TOCSIN_TOKEN"}"' if needs_token else ""
    secret = ' -H "Authorization: Bearer $TOCSIN_TOKEN"' if needs_token else ""
    curl = f"curl -fsS -m 10 --retry 3{bearer}"
    results = named_url(monitor) if by_name else push_url(slug)
    ping = f"{settings.BASE_URL}/api/ping/{slug}"
    ways = ("-d status=pass " + results, "-d status=fail " + results)
    passes, fails = ways if by_name else (ping, f"{ping}/fail")
    return {
        "name": plain_name(monitor.name),
        "results": results,
        "cron_results": results.replace("%", r"\%"),  # cron reads a lone % as the end of a line
        "unit_results": results.replace("%", "%%"),  # and systemd as the start of a specifier
        "ping": ping,
        "cron_passes": passes.replace("%", r"\%"),
        "cron_fails": fails.replace("%", r"\%"),
        "curl": curl,
        "unit_curl": curl.replace("$", "$$"),  # systemd reads a lone $ as its own
        "secret_curl": f"curl -fsS -m 10 --retry 3{secret}",  # never the token itself
        "wget": "wget -q -O /dev/null -T 10"
        + (f' --header="Authorization: Bearer {token or "$TOCSIN_TOKEN"}"' if needs_token else ""),
        "json": "-H 'Content-Type: application/json'",
        "token": token,
        "require_token": needs_token,
        "by_name": by_name,
        "base": settings.BASE_URL,
        "namespace": monitor.namespace.name,
        # What is no plain word is left to whoever knows how their shell quotes it.
        "shell_name": monitor.name if _PLAIN.fullmatch(monitor.name) else "NAME-OF-THE-MONITOR",
        "interval": monitor.interval,
        "cron": monitor.cron or cron_of(monitor.interval),
        "cron_timezone": monitor.cron_timezone,
    }


_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


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
