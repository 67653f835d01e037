"""How this installation is doing, in figures, each with its limit and what to do beyond it.

No figure tells of one team. What `/readyz` judges is read and judged here by the same limits.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import django
import redis
from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _
from django_scopes import scopes_disabled

from accounts.database.standing import as_owner
from accounts.durations import say_duration
from accounts.internal import INTERNAL_TEAM
from config import health
from config.celery import app
from config.figures import BAD, WELL, Figure
from config.watch_figures import watch_figures
from incidents.engine import stamp_ages
from monitors.models import ListeningGap
from monitors.partitions import DAYS_ALARM
from tocsin import __version__

QUEUE_LIMIT = 500  # messages: each task is put in once a second, and expires
CONNECTIONS_PERCENT = 80
DISK_PERCENT = 10
FAILED_PERCENT = 5
FEWEST_MAILS = 20  # below this a percentage says nothing
GAP_DAYS = 30
MOST_GAPS = 50
MOST_TABLES = 8
STAMP_FORGOTTEN_SECONDS = 86_400.0
_KIB = 1024

# name: database
# Sizes and connections; partitions count for their table.
_DATABASE = """
SELECT pg_database_size(current_database()), current_setting('max_connections')::int,
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
  current_setting('server_version')
"""
_TABLES = """
SELECT coalesce(p.relname, c.relname) AS name, sum(pg_total_relation_size(c.oid))::bigint AS size,
  count(*) FILTER (WHERE c.relispartition)
FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
  LEFT JOIN pg_class p ON p.oid = i.inhparent
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %s
"""
# name: sent
# How the mails and the other messages of a day ended; ids begin with the time they were made at.
_SENT = """
SELECT kind = 'email', count(*) FILTER (WHERE state = 'delivered'),
  count(*) FILTER (WHERE state = 'failed')
FROM incidents_delivery WHERE id >= %s AND team_id <> %s GROUP BY 1
"""


@dataclass(frozen=True)
class Group:
    """Figures that belong together."""

    title: str
    figures: list[Figure]


def read_figures(*, now: datetime) -> list[Group]:
    """Return every figure, by group."""
    with scopes_disabled():
        engine = health.read_engine()
        return [
            Group(_("Pushes and engine"), list(_engine(engine))),
            Group(_("Messages"), list(_messages(engine, now=now))),
            Group(_("Who watches the watcher"), list(watch_figures(now=now))),
            Group(_("Queues"), list(_queues())),
            Group(_("Processes"), list(_processes())),
            Group(_("Database"), list(_database(engine))),
            Group(_("This machine"), list(_machine())),
        ]


def read_gaps(*, now: datetime) -> list[ListeningGap]:
    """Return the latest times in which no push could be accepted, of the last 30 days."""
    since = now - timedelta(days=GAP_DAYS)
    return list(ListeningGap.objects.filter(ended_at__gte=since).order_by("-ended_at")[:MOST_GAPS])


def read_tables() -> list[dict[str, Any]]:
    """Return the largest tables: name, size in bytes and in words, number of partitions."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES, [MOST_TABLES])
        return [
            {"name": name, "bytes": size, "size": say_bytes(size), "partitions": parts}
            for name, size, parts in cursor.fetchall()
        ]


def say_bytes(count: float) -> str:
    """Return a size as "1.4 GiB"."""
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    step = 0
    while count >= _KIB and step < len(units) - 1:
        count, step = count / _KIB, step + 1
    return f"{count:.0f} {units[step]}" if step == 0 else f"{count:.1f} {units[step]}"


def _age(
    name: str,
    label: str,
    seconds: float | None,
    limit: float,
    remedy: str,
    *,
    none: tuple[str, str] = (WELL, ""),
) -> Figure:
    """Return the figure of an age; `none` is the state and the words where there is none."""
    if seconds is None:
        state, value = none
        value = value or _("nothing waits")
    else:
        seconds = max(0.0, seconds)
        state, value = (BAD if seconds > limit else WELL), say_duration(seconds)
    most = _("at most %(limit)s") % {"limit": say_duration(limit)}
    return Figure(name, label, value, seconds, most, state, remedy if state != WELL else "")


def _engine(engine: dict[str, float | None]) -> Iterator[Figure]:
    yield _age(
        "listening_seconds",
        _("Pushes were last accepted"),
        engine["listening_seconds"],
        health.LISTENING_SECONDS,
        _("No web or ingest process can store a push. Look at their logs and at the database."),
        none=(BAD, _("never yet")),
    )
    yield _age(
        "engine_seconds",
        _("The engine last completed a round"),
        engine["engine_seconds"],
        health.FRESH_SECONDS,
        _("Neither worker-engine nor standby runs. Start them; the standby needs no broker."),
        none=(BAD, _("never yet")),
    )
    yield _age(
        "sweep_lag_seconds",
        _("The sweep lags behind by"),
        engine["sweep_lag_seconds"],
        health.SWEEP_SECONDS,
        _("More monitors are due than one round handles. Look for slow queries and locks."),
    )
    yield _age(
        "transition_seconds",
        _("The oldest change of state without an incident"),
        engine["transition_seconds"],
        health.OUTBOX_SECONDS,
        _("The engine stumbles over one change. Its log names the monitor."),
    )


def _messages(engine: dict[str, float | None], *, now: datetime) -> Iterator[Figure]:
    yield _age(
        "deliver_seconds",
        _("Messages were last looked for"),
        engine["deliver_seconds"],
        health.FRESH_SECONDS,
        _("Neither worker-deliver nor standby runs. Start them."),
        none=(BAD, _("never yet")),
    )
    yield _age(
        "outbox_seconds",
        _("The oldest message that should be sent by now"),
        engine["outbox_seconds"],
        health.OUTBOX_SECONDS,
        _("Sending is slower than what comes in: look at the mail server and the network."),
    )
    since = UUID(int=int((now - timedelta(days=1)).timestamp() * 1000) << 80)
    with connection.cursor() as cursor:
        cursor.execute(_SENT, [since, INTERNAL_TEAM])
        ended = {is_mail: (sent, failed) for is_mail, sent, failed in cursor.fetchall()}
    yield _failures(
        "mails_failed",
        _("Mails that failed, of those of 24 hours"),
        ended.get(True, (0, 0)),
        _("Look at EMAIL_URL, the mail server's log and what receivers say of our domain."),
    )
    yield _failures(
        "messages_failed",
        _("Other messages that failed, of those of 24 hours"),
        ended.get(False, (0, 0)),
        _("One kind or one team may be to blame: a team's support page counts them by kind."),
    )


def _failures(name: str, label: str, ended: tuple[int, int], remedy: str) -> Figure:
    sent, failed = ended
    total = sent + failed
    percent = 100.0 * failed / total if total else 0.0
    is_bad = percent > FAILED_PERCENT and total >= FEWEST_MAILS
    value = _("%(failed)s of %(total)s") % {"failed": failed, "total": total}
    limit = _("at most %(percent)s%%, from %(fewest)s on") % {
        "percent": FAILED_PERCENT,
        "fewest": FEWEST_MAILS,
    }
    return Figure(
        name, label, value, failed, limit, BAD if is_bad else WELL, remedy if is_bad else ""
    )


def _queues() -> Iterator[Figure]:
    remedy = _("Start the broker; the standby carries on meanwhile, from the database.")
    names = sorted({"engine", *(route["queue"] for route in app.conf.task_routes.values())})
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    try:
        client.ping()
        lengths = {name: int(client.llen(name)) for name in names}
    except (redis.RedisError, OSError) as error:
        limit = _("within 1 s")
        said = _("does not answer (%(error)s)") % {"error": type(error).__name__}
        yield Figure("broker", _("Broker"), said, None, limit, BAD, remedy)
        return
    finally:
        client.close()
    yield Figure("broker", _("Broker"), _("answers"), None, _("within 1 s"), WELL)
    for name, length in lengths.items():
        is_bad = length > QUEUE_LIMIT
        yield Figure(
            f"queue_{name}",
            _("Waiting in the queue %(name)s") % {"name": name},
            str(length),
            length,
            _("at most %(limit)s") % {"limit": QUEUE_LIMIT},
            BAD if is_bad else WELL,
            _("No worker takes from it: look at worker-%(name)s.") % {"name": name}
            if is_bad
            else "",
        )


def _processes() -> Iterator[Figure]:
    """Give each part that has completed a round within a day."""
    ages = stamp_ages()
    for name in sorted(ages):
        part, _colon, runner = name.partition(":")
        if ages[name] > STAMP_FORGOTTEN_SECONDS:
            continue
        # Of the engine's parts one each is enough, and that the freshest is too old is said above.
        label = f"{part} ({runner})" if runner else part
        yield Figure(f"stamp_{name}", label, _ago(ages[name]), ages[name])


def _ago(seconds: float) -> str:
    return _("%(time)s ago") % {"time": say_duration(max(0.0, seconds))}


def _database(engine: dict[str, float | None]) -> Iterator[Figure]:
    # Other roles' sessions are shown to nobody else.
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(_DATABASE)
        size, most, used, version = cursor.fetchone()
    days = engine["partition_days"] or 0.0
    is_short = days < DAYS_ALARM
    yield Figure(
        "partition_days",
        _("Partitions are made ahead for"),
        _("%(days)s days") % {"days": int(days)},
        days,
        _("at least %(days)s days") % {"days": DAYS_ALARM},
        BAD if is_short else WELL,
        _("Run `manage.py ensure_partitions`: without one for today pushes are refused.")
        if is_short
        else "",
    )
    is_full = used * 100 > most * CONNECTIONS_PERCENT
    yield Figure(
        "connections",
        _("Connections in use"),
        _("%(used)s of %(most)s") % {"used": used, "most": most},
        used,
        _("at most %(percent)s%%") % {"percent": CONNECTIONS_PERCENT},
        BAD if is_full else WELL,
        _("Raise max_connections, or lower WEB_WORKERS or DJANGO_SLOTS.") if is_full else "",
    )
    yield Figure("database_bytes", _("Size"), say_bytes(size), size)
    yield Figure("postgresql", "PostgreSQL", version)


def _machine() -> Iterator[Figure]:
    if settings.EMBEDDED:
        disk = shutil.disk_usage(settings.TOCSIN_DATA)
        is_full = disk.free * 100 < disk.total * DISK_PERCENT
        yield Figure(
            "disk_free_bytes",
            _("Free where the data lies"),
            _("%(free)s of %(total)s")
            % {"free": say_bytes(disk.free), "total": say_bytes(disk.total)},
            disk.free,
            _("at least %(percent)s%%") % {"percent": DISK_PERCENT},
            BAD if is_full else WELL,
            _("Make room, or lower RESULT_DAYS: a full disk stops pushes.") if is_full else "",
        )
    yield Figure("tocsin", "Tocsin", __version__)
    yield Figure("django", "Django", django.get_version())
    yield Figure("python", "Python", platform.python_version())
