"""What people watch: the patterns that a new monitor can start from, as data.

A pattern gives the form its first answers, and the finished monitor the lines that fit it. Which
one a monitor began with is not stored: any pattern's lines fit any monitor. The texts are
templates/monitors/patterns/*.txt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.template import Context, Engine
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from monitors.console.snippets import cron_of
from monitors.models import DAY_SECONDS, Monitor
from monitors.queries import push_url

Words = str | Promise
_MOST_TRIES = 50


@dataclass(frozen=True, slots=True)
class Pattern:
    """One kind of thing that pushes.

    `initial` are first answers of the monitor's form, `sets` says in words which of them stand
    behind "More settings". `files` are (caption, template) of the lines to paste.
    """

    key: str
    name: Words
    purpose: Words
    monitor_name: str
    initial: Mapping[str, Any]
    note: Words
    files: Sequence[tuple[Words, str]]
    icon: str
    sets: Words = ""
    by_schedule: bool = field(default=False)


PATTERNS = (
    Pattern(
        key="fleet",
        name=_("Air-gapped fleet"),
        purpose=_(
            "Workers that nobody can reach from outside say every minute that they are well."
        ),
        monitor_name="fleet-heartbeat",
        initial={"interval": 60, "silent_after": 90},
        note=_(
            "It needs nothing but a way out by HTTPS. Put the crontab line on every worker, or the "
            "script where being up is not being well. The label says which host spoke last; for "
            "an alarm when one host of many stops, make a monitor for each."
        ),
        files=(
            (_("crontab -e, on a worker"), "fleet-cron"),
            (_("heartbeat.sh, where a worker also tests itself"), "fleet-script"),
        ),
        icon="server-stack",
    ),
    Pattern(
        key="queue-depth",
        name=_("Queue depth"),
        purpose=_(
            "Pass below a limit that only you can see, fail above it: jobs waiting, lag, disk."
        ),
        monitor_name="queue-depth",
        initial={"interval": 60, "silent_after": 180, "failures_to_open": 2},
        note=_(
            "Set LIMIT to what is too much. It pushes a pass or a fail every minute; a count that "
            "cannot be taken is a fail too, and when nothing comes at all, silence opens the "
            "incident."
        ),
        files=(
            (_("/usr/local/bin/push-queue-depth"), "queue-depth"),
            (_("crontab -e"), "queue-depth-cron"),
        ),
        icon="queue-list",
        sets=_("It also waits for two fails in a row, so that one peak pages nobody."),
    ),
    Pattern(
        key="synthetic",
        name=_("Synthetic loop from CI"),
        purpose=_(
            "A test of several steps, such as log in, fetch and check out, run on a schedule."
        ),
        monitor_name="checkout-loop",
        initial={"interval": 300, "silent_after": 1_200, "failures_to_open": 2},
        note=_(
            "Any CI that can run a script on a schedule will do. Keep the push URL in a secret "
            "called TOCSIN_PUSH_URL. The step that failed becomes the message, and the time of the "
            "whole walk the latency."
        ),
        files=(
            (_("synthetic.sh, in your repository"), "synthetic-script"),
            (_(".github/workflows/synthetic.yml"), "synthetic-github"),
        ),
        icon="arrow-path",
        sets=_("It also waits for two fails in a row; schedules of CI are often minutes late."),
    ),
    Pattern(
        key="backup",
        name=_("Nightly backup"),
        purpose=_("One pass each night, when the file is there. A night without one is noticed."),
        monitor_name="nightly-backup",
        initial={
            "interval": DAY_SECONDS,
            "silent_after": 25 * 3_600,
            "grace": 3_600,
            "severity": "warning",
        },
        note=_(
            "A pass is sent only after the dump is complete and not empty. What it is not: a proof "
            "that it can be restored. Watch a restore in the same way."
        ),
        files=(
            (_("/usr/local/bin/nightly-backup"), "backup-script"),
            (_("crontab -e"), "backup-cron"),
        ),
        icon="archive-box",
        sets=_("It also has a grace of 1 h and the severity warning."),
    ),
    Pattern(
        key="cron",
        name=_("Cron job"),
        purpose=_("A job with a schedule. A run that does not come, or fails, opens an incident."),
        monitor_name="cron-job",
        initial={
            "interval": 3_600,
            "cron": "0 * * * *",
            "cron_timezone": "UTC",
            "grace": 300,
        },
        note=_(
            "Put your command in place of /path/to/job. Take the schedule and the time zone of the "
            "crontab: a push is due after each run."
        ),
        files=((_("crontab -e"), "cron"),),
        icon="clock",
        sets=_("It also has a grace of 5 min: a job may take that long to run."),
        by_schedule=True,
    ),
    Pattern(
        key="function",
        name=_("Serverless function"),
        purpose=_(
            "Each run says how it ended and how long it took, however the function is started."
        ),
        monitor_name="function",
        initial={"interval": 300, "silent_after": 900},
        note=_(
            "Wrap the handler once. An exception is pushed as a fail with its text and raised "
            "again, so that the platform sees it as before."
        ),
        files=(
            (_("Python: handler.py"), "function-python"),
            (_("Node.js: handler.mjs"), "function-node"),
        ),
        icon="bolt",
    ),
)
_BY_KEY = {pattern.key: pattern for pattern in PATTERNS}


def find_pattern(key: str) -> Pattern | None:
    """Return the pattern of that key; None for none."""
    return _BY_KEY.get(key)


def fill_form(pattern: Pattern | None, *, namespace: str) -> dict[str, Any]:
    """Return the first answers of a new monitor's form; its name is one that is still free.

    Call inside a team's scope.
    """
    if pattern is None:
        return {"interval": 60, "namespace": namespace}
    name = pattern.monitor_name
    taken = set(
        Monitor.objects.filter(namespace__name=namespace, name__startswith=name)
        .order_by("name")
        .values_list("name", flat=True)
    )
    tries = (f"{name}-{number}" if number > 1 else name for number in range(1, _MOST_TRIES))
    free = next((each for each in tries if each not in taken), "")
    return {"namespace": namespace, "name": free, **pattern.initial}


def write_pattern(
    pattern: Pattern, monitor: Monitor, slug: str, *, token: str | None
) -> list[tuple[str, str]]:
    """Return (caption, text) of a pattern's lines with the monitor's real address.

    A monitor that needs its token gets it written out where `token` is known; otherwise, and
    wherever a text is kept in a repository, it is read from $TOCSIN_TOKEN.
    """
    return [(str(caption), _render(file, monitor, slug, token)) for caption, file in pattern.files]


def write_try(monitor: Monitor, slug: str, *, token: str | None) -> str:
    """Return one line that pushes a pass at once."""
    return _render("try", monitor, slug, token)


def _render(file: str, monitor: Monitor, slug: str, token: str | None) -> str:
    curl = "curl -fsS -m 10 --retry 3"
    bearer = kept_apart = ""
    if monitor.require_token:
        bearer = f' -H "Authorization: Bearer {token or "$TOCSIN_TOKEN"}"'
        kept_apart = ' -H "Authorization: Bearer $TOCSIN_TOKEN"'
    values = {
        "results": push_url(slug),
        "ping": f"{settings.BASE_URL}/api/ping/{slug}",
        "curl": curl + bearer,
        "secret_curl": curl + kept_apart,
        "json": "-H 'Content-Type: application/json'",
        "require_token": monitor.require_token,
        "cron": monitor.cron or cron_of(monitor.interval),
    }
    # Not HTML yet: the page escapes the finished text.
    context, engine = Context(values, autoescape=False), Engine.get_default()
    return engine.get_template(f"monitors/patterns/{file}.txt").render(context).rstrip()
