"""An Alertmanager of a monitor's own: a channel, and rules that lead some monitors to it.

The rules stand before all others and continue: the incident goes on to whatever the team's own
rules say. Monitors of one namespace with the same address and labels share them, a hundred to a
rule, so that thousands of monitors do not become thousands of rules.
"""

from __future__ import annotations

import glob
import re
from collections import defaultdict
from collections.abc import Iterable
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, F, OuterRef

from accounts.models import Team
from incidents.api.fields import MOST_ENTRIES
from incidents.channels.base import InvalidConfig
from incidents.channels.registry import KINDS
from incidents.models import AlertRule, AlertRuleChannel, Channel, EscalationTarget, empty_match
from incidents.routing import ensure_catch_all
from manifests.kinds.state import State
from manifests.kinds.wanted import Route, Wanted
from manifests.models import MonitorRoute
from monitors.models import Monitor

KIND = "alertmanager"
_ESCAPED = re.compile(r"\[([*?\[])\]")
# Plain http to a host name is stored although it may reach nothing: which networks the operator
# allows can change, and every refused delivery says so. This one allows no address by itself.
_ANY_NAME = (ip_network("255.255.255.255/32"),)
_MOST_NAME = 120
_BATCH = 500

Key = tuple[str, str]  # namespace and name of a monitor
Group = tuple[Route, str]  # what a rule is for: the route, and the namespace


class Routes:
    """The routes of the team's monitors: as they are, and as the documents want them."""

    def __init__(self, state: State) -> None:
        self._state = state
        rows = MonitorRoute.objects.filter(team=state.team).select_related("rule", "channel")
        self._rows = list(rows.order_by("rule__position"))
        self._present: dict[Key, Route] = {}
        for row in self._rows:
            if row.channel is not None:
                route = _route_of(row.channel)
                self._present |= dict.fromkeys(_monitors_of(row.rule), route)
        self._wanted = dict(self._present)
        self._cleaned: dict[Route, Route | None] = {}

    def present(self, key: Key) -> Route | None:
        """Return the route that a monitor has."""
        return self._present.get(key)

    def want(self, wanted: Wanted) -> Route | None:
        """Note what a document says of its monitor's route, and return it as it is stored."""
        self._wanted.pop(wanted.key, None)
        if wanted.route is None:
            return None
        if wanted.route not in self._cleaned:
            self._cleaned[wanted.route] = self._clean(wanted)
        route = self._cleaned[wanted.route]
        if route is not None:
            self._wanted[wanted.key] = route
        return route

    def move(self, old: Key, new: Key) -> None:
        """Let a monitor that was renamed keep its route."""
        if route := self._wanted.pop(old, None):
            self._wanted[new] = route

    def bring_back(self, key: Key, route: Route) -> None:
        """Give a monitor that was deleted and is back the route that it had."""
        if key not in self._present:
            self._wanted[key] = route

    def apply(self) -> None:
        """Make rules and channels as the monitors want them; the team's lock must be held."""
        self._drop_missing()
        gone = [row.rule_id for row in self._rows if row.channel is None]
        if self._wanted == self._present and not gone:
            return
        kept: dict[Group, list[MonitorRoute]] = defaultdict(list)
        for row in self._rows:
            if row.channel is not None:
                space = (row.rule.match.get("namespaces") or [""])[0]
                kept[_route_of(row.channel), space].append(row)
        needed: dict[Group, list[str]] = defaultdict(list)
        for (namespace, name), route in sorted(self._wanted.items(), key=lambda item: item[0]):
            needed[route, namespace].append(name)
        changed: list[AlertRule] = []
        lacking: list[tuple[Group, dict[str, Any], MonitorRoute | None]] = []
        for group, names in needed.items():
            rows = kept.pop(group, [])
            parts = [names[at : at + MOST_ENTRIES] for at in range(0, len(names), MOST_ENTRIES)]
            for index, part in enumerate(parts):
                match = empty_match() | {
                    "namespaces": [group[1]],
                    "names": [glob.escape(name) for name in part],
                }
                if index >= len(rows):
                    lacking.append((group, match, rows[0] if rows else None))
                elif rows[index].rule.match != match:
                    rows[index].rule.match = match
                    changed.append(rows[index].rule)
            gone += [row.rule_id for row in rows[len(parts) :]]
        gone += [row.rule_id for rows in kept.values() for row in rows]
        AlertRule.objects.bulk_update(changed, ["match"], batch_size=_BATCH)
        AlertRule.objects.filter(team=self._state.team, pk__in=gone).delete()
        self._create(lacking)
        if gone or lacking:
            _number(self._state.team)
        self._drop_channels()

    def _drop_missing(self) -> None:
        """Forget monitors that were deleted or renamed since."""
        unsure = set(self._wanted) & set(self._present)
        if not unsure:
            return
        there = Monitor.objects.filter(
            team=self._state.team,
            namespace__name__in={namespace for namespace, _ in unsure},
            name__in={name for _, name in unsure},
        )
        for key in unsure - set(there.values_list("namespace__name", "name")):
            del self._wanted[key]

    def _create(self, lacking: list[tuple[Group, dict[str, Any], MonitorRoute | None]]) -> None:
        """Make rules, and channels for those that have none: a few statements for all of them."""
        if not lacking:
            return
        team, channels = self._state.team, self._state.rows["Channel"]
        ensure_catch_all(team)
        numbered = AlertRule.objects.filter(team=team, is_catch_all=False)
        numbered.update(position=F("position") + len(lacking))
        ours = {row.channel_id for row in self._rows if row.made_channel}
        alike = {
            _route_of(row): (row, row.pk in ours)
            for row in reversed(channels.values())
            if row.kind == KIND and row.config == _config_of(_route_of(row))
        }
        channel_names = _Names(channels)
        rule_names = _Names(AlertRule.objects.filter(team=team).values_list("name", flat=True))
        made: list[Channel] = []
        rules: list[AlertRule] = []
        routes: list[MonitorRoute] = []
        for position, ((route, namespace), match, like) in enumerate(lacking):
            if like is not None and like.channel is not None:
                alike[route] = (like.channel, like.made_channel)
            if route not in alike:
                name = channel_names.take(f"Alertmanager {urlsplit(route.url).netloc}")
                fresh = Channel(team=team, name=name, kind=KIND, config=_config_of(route))
                channels[name] = fresh
                made.append(fresh)
                alike[route] = (fresh, True)
            channel, is_ours = alike[route]
            rules.append(
                AlertRule(
                    team=team,
                    name=rule_names.take(f"{channel.name}: {namespace}"),
                    match=match,
                    position=position,
                    continue_matching=True,
                )
            )
            routes.append(
                MonitorRoute(team=team, rule=rules[-1], channel=channel, made_channel=is_ours)
            )
        Channel.objects.bulk_create(made, batch_size=_BATCH)
        AlertRule.objects.bulk_create(rules, batch_size=_BATCH)
        AlertRuleChannel.objects.bulk_create(
            [AlertRuleChannel(team=team, rule=row.rule, channel=row.channel) for row in routes],
            batch_size=_BATCH,
        )
        MonitorRoute.objects.bulk_create(routes, batch_size=_BATCH)

    def _drop_channels(self) -> None:
        """Delete channels that were made for routes, if nothing uses them any more."""
        ours = {row.channel_id for row in self._rows if row.channel_id and row.made_channel}
        ours -= {pk for kind, pk in self._state.contained if kind == "Channel"}
        unused = Channel.objects.filter(team=self._state.team, pk__in=ours)
        for used in (AlertRuleChannel, EscalationTarget, MonitorRoute):
            unused = unused.exclude(Exists(used.objects.filter(channel=OuterRef("pk"))))
        for channel in unused:
            self._state.rows["Channel"].pop(channel.name, None)
        unused.delete()

    def _clean(self, wanted: Wanted) -> Route | None:
        route = wanted.route
        assert route is not None
        given = {"url": route.url, "labels": dict(route.labels)}
        allow = settings.OUTBOUND_ALLOW
        try:
            cleaned = KINDS[KIND].clean(given, allow=(*allow, *_ANY_NAME))
        except InvalidConfig as error:
            field = "alertmanagerUrl" if wanted.route_path.endswith(".alerting") else "url"
            for name, text in error.errors.items():
                path = f"{wanted.route_path}.{field if name == 'url' else name}"
                self._state.problems.add(path, "invalid", text)
            return None
        if urlsplit(route.url).scheme == "http" and not allow:
            self._state.warnings.append(
                f"{wanted.route_path}: Alerts cannot be sent over plain http until the operator "
                "allows a network for it."
            )
        return Route(cleaned["url"], tuple(sorted(cleaned.get("labels", {}).items())))


def own_channels(team: Team) -> frozenset[UUID]:
    """Return the channels that were made for routes and that nothing else leads to."""
    routes = MonitorRoute.objects.filter(team=team)
    made = routes.filter(made_channel=True, channel__isnull=False)
    others = AlertRuleChannel.objects.filter(team=team).exclude(rule__in=routes.values("rule"))
    paged = EscalationTarget.objects.filter(team=team, channel__isnull=False)
    needed = {
        *others.values_list("channel_id", flat=True),
        *paged.values_list("channel_id", flat=True),
    }
    return frozenset(set(made.values_list("channel_id", flat=True)) - needed)


class _Names:
    """Names that are free yet, numbered from the second on."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._last: dict[str, int] = {}

    def take(self, name: str) -> str:
        """Return a free name like this one, which is then taken."""
        number = self._last.get(name, 0) + 1
        while (found := _numbered(name, number)) in self._taken:
            number += 1
        self._last[name] = number
        self._taken.add(found)
        return found


def _numbered(name: str, number: int) -> str:
    suffix = f" {number}" if number > 1 else ""
    return name[: _MOST_NAME - len(suffix)] + suffix


def _number(team: Team) -> None:
    """Let the rules stand at 0, 1, 2 … again."""
    moved = []
    rows = AlertRule.objects.filter(team=team, is_catch_all=False).order_by("position")
    for index, row in enumerate(rows):
        if row.position != index:
            row.position = index
            moved.append(row)
    AlertRule.objects.bulk_update(moved, ["position"], batch_size=_BATCH)


def _config_of(route: Route) -> dict[str, Any]:
    labels = dict(route.labels)
    return {"url": route.url, "labels": labels} if labels else {"url": route.url}


def _route_of(channel: Channel) -> Route:
    labels = channel.config.get("labels") or {}
    return Route(channel.config.get("url", ""), tuple(sorted(labels.items())))


def _monitors_of(rule: AlertRule) -> list[Key]:
    names = [_ESCAPED.sub(r"\1", name) for name in rule.match.get("names") or []]
    return [(space, name) for space in rule.match.get("namespaces") or [] for name in names]
