"""How to push: what to paste where, with the monitor's real address.

Names are the customer's text and are pasted into shells and YAML: only their letters, digits and
hyphens are used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.conf import settings

from monitors.models import DAY_SECONDS, Monitor
from monitors.queries import push_url

_HOUR = 3_600
_JSON = "-H 'Content-Type: application/json'"


@dataclass(frozen=True, slots=True)
class Snippet:
    """One way to push: `key` is its anchor, `files` are (caption, text) to copy."""

    key: str
    title: str
    note: str
    files: tuple[tuple[str, str], ...]


def write_snippets(monitor: Monitor, slug: str, *, token: str | None) -> list[Snippet]:
    """Return the ways to push to a monitor. Without `token` they read it from $TOCSIN_TOKEN."""
    results, ping = push_url(slug), f"{settings.BASE_URL}/api/ping/{slug}"
    bearer = ""
    if monitor.require_token:
        bearer = f' -H "Authorization: Bearer {token or "$TOCSIN_TOKEN"}"'
    curl = f"curl -fsS -m 10 --retry 3{bearer}"
    quiet = f"{curl} -o /dev/null"
    name = plain_name(monitor.name)
    cron = monitor.cron or cron_of(monitor.interval)
    return [
        Snippet(
            "curl",
            "curl",
            "A pass, and a failure with what went wrong.",
            (
                ("Pass", f'{curl} {_JSON} -d \'{{"status": "pass"}}\' \\\n  {results}'),
                (
                    "Fail",
                    f'{curl} {_JSON} -d \'{{"status": "fail", "message": "disk full"}}\' \\\n'
                    f"  {results}",
                ),
            ),
        ),
        Snippet(
            "crontab",
            "crontab",
            "Runs the job and tells how it ended. Put your command in place of /path/to/job.",
            (
                (
                    "crontab -e",
                    f"{cron} if /path/to/job; then {quiet} {ping}; else {quiet} {ping}/fail; fi",
                ),
            ),
        ),
        Snippet(
            "systemd",
            "systemd timer",
            f"Then: systemctl daemon-reload && systemctl enable --now {name}.timer",
            (
                (
                    f"/etc/systemd/system/{name}.service",
                    "[Unit]\n"
                    f"Description=Job watched by Tocsin ({name})\n\n"
                    "[Service]\n"
                    "Type=oneshot\n"
                    "ExecStart=/path/to/job\n"
                    "# Tells how it ended, whether it succeeded or not.\n"
                    f'ExecStopPost=/bin/sh -c \'[ "$$SERVICE_RESULT" = success ] || fail=/fail; '
                    f'exec {quiet.replace("$", "$$")} "{ping}$$fail"\'',
                ),
                (
                    f"/etc/systemd/system/{name}.timer",
                    "[Timer]\n"
                    "OnBootSec=30s\n"
                    f"OnUnitActiveSec={monitor.interval}s\n"
                    "AccuracySec=1s\n\n"
                    "[Install]\n"
                    "WantedBy=timers.target",
                ),
            ),
        ),
        Snippet(
            "kubernetes",
            "Kubernetes CronJob",
            "Pushes from inside the cluster; add your own check before the curl.",
            (("cronjob.yaml", _cronjob(name, cron, ping, bearer)),),
        ),
        Snippet(
            "github",
            "GitHub Actions",
            "The last step of a job. Store the address below as the secret TOCSIN_URL.",
            (("Secret TOCSIN_URL", results), ("Step", _github_step(bearer))),
        ),
        Snippet(
            "python",
            "Python",
            "Standard library only.",
            (("Python 3", _python(results, monitor.require_token, token)),),
        ),
    ]


def plain_name(name: str) -> str:
    """Return a name that shells, files and Kubernetes take as it is."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "tocsin-push"


def cron_of(interval: int) -> str:
    """Return the crontab schedule nearest to a cadence; cron knows nothing below a minute."""
    if interval >= DAY_SECONDS:
        return "15 3 * * *"
    if interval >= _HOUR:
        hours = max(1, round(interval / _HOUR))
        return "15 * * * *" if hours == 1 else f"15 */{hours} * * *"
    minutes = max(1, round(interval / 60))
    return "* * * * *" if minutes == 1 else f"*/{minutes} * * * *"


def _cronjob(name: str, cron: str, ping: str, bearer: str) -> str:
    arguments = ["-fsS", "-m", "10", "--retry", "3"]
    lines = [f"            - {argument}" for argument in arguments]
    lines[2:5] = ['            - "10"', "            - --retry", '            - "3"']
    secret = ""
    if bearer:
        lines += ["            - -H", '            - "Authorization: Bearer $(TOCSIN_TOKEN)"']
        secret = (
            "\n            env:\n"
            "            - name: TOCSIN_TOKEN\n"
            "              valueFrom:\n"
            f"                secretKeyRef: {{name: {name}, key: token}}"
        )
    listed = "\n".join(lines)
    return (
        "apiVersion: batch/v1\n"
        "kind: CronJob\n"
        "metadata:\n"
        f"  name: {name}\n"
        "spec:\n"
        f'  schedule: "{cron}"\n'
        "  concurrencyPolicy: Forbid\n"
        "  jobTemplate:\n"
        "    spec:\n"
        "      template:\n"
        "        spec:\n"
        "          restartPolicy: Never\n"
        "          containers:\n"
        "          - name: push\n"
        "            image: curlimages/curl\n"
        "            args:\n"
        f"{listed}\n"
        f"            - {ping}{secret}"
    )


def _github_step(bearer: str) -> str:
    header = ' -H "Authorization: Bearer $TOCSIN_TOKEN"' if bearer else ""
    token = "\n    TOCSIN_TOKEN: ${{ secrets.TOCSIN_TOKEN }}" if bearer else ""
    return (
        "- name: Tell Tocsin\n"
        "  if: always()\n"
        "  env:\n"
        "    TOCSIN_URL: ${{ secrets.TOCSIN_URL }}"
        f"{token}\n"
        "    STATUS: ${{ job.status == 'success' && 'pass' || 'fail' }}\n"
        "  run: |\n"
        f"    curl -fsS -m 10 --retry 3{header} {_JSON} \\\n"
        '      -d "{\\"status\\": \\"$STATUS\\"}" "$TOCSIN_URL"'
    )


def _python(url: str, require_token: bool, token: str | None) -> str:
    imports, header = "import json\nimport urllib.request\n", ""
    if require_token:
        secret = f'"{token}"' if token else 'os.environ["TOCSIN_TOKEN"]'
        imports += "" if token else "import os\n"
        header = f', "Authorization": "Bearer " + {secret}'
    return (
        f"{imports}\n\n"
        "def push(status, message=None, latency_ms=None):\n"
        '    body = {"status": status, "message": message, "latency_ms": latency_ms}\n'
        "    request = urllib.request.Request(\n"
        f'        "{url}",\n'
        "        data=json.dumps(body).encode(),\n"
        f'        headers={{"Content-Type": "application/json"{header}}},\n'
        "    )\n"
        "    urllib.request.urlopen(request, timeout=10).close()\n\n\n"
        'push("pass")'
    )
