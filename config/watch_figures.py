"""How this installation watches itself, in figures."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.utils.translation import gettext as _

from accounts.durations import say_duration
from config.figures import BAD, PLAIN, UNKNOWN, WELL, Figure
from incidents.models import WatchRound
from incidents.watching.watchdog import FAILED, ROUND_SECONDS
from incidents.watching.watchdog import WELL as WENT_WELL
from monitors.canary import FAILURES
from monitors.models import Canary, EngineStamp, MassGuard


def watch_figures(*, now: datetime) -> Iterator[Figure]:
    """Give the canary, the watchdog, the ping and the guard."""
    yield _canary(now)
    yield _watchdog(now)
    yield _ping(now)
    yield _guard(now)


def _canary(now: datetime) -> Figure:
    name, label = "canary_seconds", _("Our own pushes over the public path")
    every = settings.CANARY_SECONDS
    if every <= 0:
        return Figure(name, label, _("turned off"), state=PLAIN)
    canary = Canary.objects.filter(pk=1).first()
    limit = _("every %(every)s") % {"every": say_duration(every)}
    if canary is None or (canary.good_at is None and canary.failures < FAILURES):
        return Figure(name, label, _("not yet"), None, limit, UNKNOWN)
    age = (now - canary.good_at).total_seconds() if canary.good_at else None
    if canary.failures < FAILURES and age is not None and age < max(60, 4 * every):
        value = _("got through %(time)s ago") % {"time": say_duration(max(0.0, age))}
        return Figure(name, label, value, age, limit, WELL)
    if canary.failures < FAILURES:
        value = _("none was sent for %(time)s") % {"time": say_duration(age or 0)}
        remedy = _("Beat, worker-engine and standby are all away: start them.")
        return Figure(name, label, value, age, limit, BAD, remedy)
    value = _("do not get through: %(error)s") % {"error": canary.error}
    remedy = _("Look at the proxy, its certificate and CANARY_URL.")
    if canary.held_until is not None and canary.held_until > now:
        left = say_duration((canary.held_until - now).total_seconds())
        remedy = _(
            "Silence is not judged meanwhile, for %(left)s at most. Look at the proxy, its "
            "certificate and CANARY_URL."
        ) % {"left": left}
    return Figure(name, label, value, age, limit, BAD, remedy)


def _watchdog(now: datetime) -> Figure:
    name, label = "watchdog_seconds", _("The watchdog's last round")
    every = settings.WATCHDOG_SECONDS
    if every <= 0:
        return Figure(name, label, _("turned off"), state=PLAIN)
    limit = _("every %(every)s") % {"every": say_duration(every)}
    judged = WatchRound.objects.filter(result__in=(WENT_WELL, FAILED)).order_by("-id").first()
    if judged is None or judged.ended_at is None:
        return Figure(name, label, _("none yet"), None, limit, UNKNOWN)
    age = max(0.0, (now - judged.ended_at).total_seconds())
    ago = say_duration(age)
    if judged.result == FAILED:
        value = _("waited in vain for %(what)s, %(ago)s ago") % {"what": judged.stuck, "ago": ago}
        remedy = _("Real outages may fare the same. Look at the figures above and at the logs.")
        return Figure(name, label, value, age, limit, BAD, remedy)
    took = say_duration((judged.ended_at - judged.started_at).total_seconds())
    value = _("took %(took)s, %(ago)s ago") % {"took": took, "ago": ago}
    if age > 2 * every + ROUND_SECONDS:
        remedy = _("No round was judged since: beat, worker-engine or standby do not look.")
        return Figure(name, label, value, age, limit, BAD, remedy)
    return Figure(name, label, value, age, limit, WELL)


def _ping(now: datetime) -> Figure:
    name, label = "ping", _("Ping to somebody outside")
    if not settings.WATCHDOG_URL:
        return Figure(name, label, _("none: WATCHDOG_URL is not set"))
    at = EngineStamp.objects.filter(name="ping").values_list("at", flat=True).first()
    limit = _("every %(every)s") % {"every": say_duration(60)}
    if at is None:
        return Figure(name, label, _("none yet"), None, limit, UNKNOWN)
    age = max(0.0, (now - at).total_seconds())
    value = _("%(time)s ago") % {"time": say_duration(age)}
    late = now - at > timedelta(seconds=180)
    remedy = _("It is held back while anything on this page is stale.") if late else ""
    return Figure(name, label, value, age, limit, BAD if late else WELL, remedy)


def _guard(now: datetime) -> Figure:
    name, label = "mass_guard", _("Waves of silences held back")
    if settings.MASS_GUARD_SECONDS <= 0:
        return Figure(name, label, _("turned off"))
    held = MassGuard.objects.defer("recent", "armed")  # which may be long
    guard = held.filter(held_from__isnull=False).first()
    if guard is None or guard.held_from is None or guard.held_until is None:
        return Figure(name, label, _("never"))
    said = {"monitors": guard.monitors, "teams": guard.teams}
    if guard.held_until > now:
        value = _("%(monitors)s monitors of %(teams)s teams wait") % said
        remedy = _("They are paged in digests when the time is over. Is it us?")
        return Figure(name, label, value, guard.monitors, "", BAD, remedy)
    ago = say_duration((now - guard.held_from).total_seconds())
    value = _("%(monitors)s monitors of %(teams)s teams, %(ago)s ago") % (said | {"ago": ago})
    return Figure(name, label, value, guard.monitors)
