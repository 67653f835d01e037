"""Which rule an incident hits, and where that sends it: a function of rows and a time."""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.models import AlertRule, AlertRuleChannel

log = logging.getLogger(__name__)

CATCH_ALL_NAME = "Everything else"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a rule looks at."""

    labels: Mapping[str, str]
    namespace: str
    name: str
    severity: str
    cause: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as plain values; `channels` are ids in order of their names."""

    id: UUID
    name: str
    match: Mapping[str, Any]
    channels: tuple[UUID, ...] = ()
    continues: bool = False
    is_catch_all: bool = False
    policy: UUID | None = None


@dataclass(slots=True)
class Route:
    """Where an incident goes: channels and policies, each once, and whether the owners are mailed.

    `named_by` gives for each channel, in order, the name of the first rule that names it, and
    `policies` the same for each escalation policy.
    """

    named_by: dict[UUID, str] = field(default_factory=dict)
    policies: dict[UUID, str] = field(default_factory=dict)
    owners: bool = False
    rules: list[str] = field(default_factory=list)

    @property
    def channels(self) -> list[UUID]:
        """Return the channels in order."""
        return list(self.named_by)


def rule_matches(match: Mapping[str, Any], subject: Subject) -> bool:
    """Return whether every matcher that is set holds; within one matcher any entry suffices."""
    labels: Mapping[str, str] = match.get("labels") or {}
    if any(subject.labels.get(name) != value for name, value in labels.items()):
        return False
    namespaces, names = match.get("namespaces") or [], match.get("names") or []
    if namespaces and subject.namespace not in namespaces:
        return False
    if names and not any(fnmatch.fnmatchcase(subject.name, glob) for glob in names):
        return False
    severities, causes = match.get("severities") or [], match.get("causes") or []
    if severities and subject.severity not in severities:
        return False
    if causes and subject.cause not in causes:
        return False
    hours = match.get("hours") or []
    return not hours or any(within_hours(entry, subject.at) for entry in hours)


def within_hours(entry: Mapping[str, Any], at: datetime) -> bool:
    """Return whether `at` lies in [from, to) on one of the weekdays, by the entry's wall clock.

    A span whose `to` is not after its `from` runs past midnight and belongs to the day it began.
    """
    local = at.astimezone(ZoneInfo(entry.get("timezone") or "UTC"))
    weekdays = entry.get("weekdays") or list(range(7))
    start = time.fromisoformat(entry.get("from") or "00:00")
    end_text = entry.get("to") or "00:00"
    end = time(0) if end_text == "24:00" else time.fromisoformat(end_text)
    clock = local.time()
    if start < end:
        return local.weekday() in weekdays and start <= clock < end
    began_yesterday = clock < end and (local.weekday() - 1) % 7 in weekdays
    return began_yesterday or (clock >= start and local.weekday() in weekdays)


def matching_rules(rules: Iterable[Rule], subject: Subject) -> Iterator[Rule]:
    """Yield the rules that take the incident, in order: up to the first that does not continue.

    A stored rule that cannot be read any more (a time zone that is gone) takes nothing: the rules
    below it, the catch-all last, do.
    """
    for rule in rules:
        try:
            takes = rule.is_catch_all or rule_matches(rule.match, subject)
        except Exception:
            log.exception("alert rule %s cannot be read and is passed over", rule.id)
            continue
        if takes:
            yield rule
            if not rule.continues:
                return


def route(rules: Iterable[Rule], subject: Subject) -> Route:
    """Return where the incident goes.

    A catch-all with neither channels nor a policy goes to the owners' mail, and so does an incident
    whose rules together name neither: no incident goes nowhere.
    """
    found = Route()
    for rule in matching_rules(rules, subject):
        found.rules.append(rule.name)
        for channel in rule.channels:
            found.named_by.setdefault(channel, rule.name)
        if rule.policy:
            found.policies.setdefault(rule.policy, rule.name)
        if rule.is_catch_all and not rule.channels and not rule.policy:
            found.owners = True
    if not found.named_by and not found.policies:
        found.owners = True
    return found


def ensure_catch_all(team: Team) -> AlertRule:
    """Return the team's catch-all rule, making it if the team has none yet."""
    with scopes_disabled():
        rule, _ = AlertRule.objects.get_or_create(
            team=team, is_catch_all=True, defaults={"name": CATCH_ALL_NAME, "position": None}
        )
    return rule


def load_rules(team_ids: Iterable[UUID]) -> dict[UUID, list[Rule]]:
    """Return the rules of several teams, each in order with its catch-all last: two queries.

    A team without a stored catch-all has the default one. Disabled channels stay in: what is not
    sent because of that must be said on the timeline.
    """
    wanted = list(team_ids)
    with scopes_disabled():
        channels: dict[UUID, list[UUID]] = {}
        for link in AlertRuleChannel.objects.filter(team__in=wanted).order_by("channel__name"):
            channels.setdefault(link.rule_id, []).append(link.channel_id)
        rows = list(AlertRule.objects.filter(team__in=wanted).order_by("position"))
    found: dict[UUID, list[Rule]] = {team_id: [] for team_id in wanted}
    catch_all: dict[UUID, Rule] = {}
    for row in rows:
        rule = Rule(
            id=row.pk,
            name=row.name,
            match=row.match,
            channels=tuple(channels.get(row.pk, ())),
            continues=row.continue_matching,
            is_catch_all=row.is_catch_all,
            policy=row.policy_id,
        )
        if row.is_catch_all:
            catch_all[row.team_id] = rule
        else:
            found[row.team_id].append(rule)
    for team_id, rules in found.items():
        default = Rule(id=team_id, name=CATCH_ALL_NAME, match={}, is_catch_all=True)
        rules.append(catch_all.get(team_id, default))
    return found
