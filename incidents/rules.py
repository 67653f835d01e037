"""Changing a team's alert rules, which stand in one row: positions 0, 1, 2 … without a hole.

A position given is an insertion index: later rules move along, and one beyond the end is the end.
The catch-all has no position and stays last. Whoever changes the row of rules holds the team's
lock, so two changes at once cannot leave a hole or a double.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.models import AlertRule, AlertRuleChannel, Channel, EscalationPolicy
from incidents.routing import ensure_catch_all

_FIELDS = frozenset({"name", "match", "continue_matching", "policy"})


class DuplicateName(Exception):  # noqa: N818 - it names what happened
    """The team has a rule of that name."""


class TargetGone(Exception):  # noqa: N818
    """The policy or a channel that the rule names has just been deleted."""


class CatchAllFixed(Exception):  # noqa: N818
    """The catch-all cannot be deleted, moved or narrowed."""


def create_rule(
    *,
    team: Team,
    name: str,
    match: dict[str, Any],
    channels: Sequence[Channel] = (),
    policy: EscalationPolicy | None = None,
    continue_matching: bool = False,
    position: int | None = None,
) -> AlertRule:
    """Insert a rule at `position`, or at the end. Raises DuplicateName, TargetGone."""
    with _changing(team):
        ensure_catch_all(team)
        numbered = _numbered(team)
        end = numbered.count()
        index = end if position is None else min(position, end)
        numbered.filter(position__gte=index).update(position=F("position") + 1)
        rule = AlertRule.objects.create(
            team=team,
            name=name,
            match=match,
            policy=policy,
            continue_matching=continue_matching,
            position=index,
        )
        _set_channels(rule, channels)
    return rule


def update_rule(
    *,
    rule: AlertRule,
    position: int | None = None,
    channels: Sequence[Channel] | None = None,
    **fields: Any,
) -> AlertRule:
    """Change `name`, `match`, `continue_matching`, `policy`, the channels, and where it stands.

    What is not given stays; a `policy` of None is none. Raises DuplicateName, TargetGone,
    CatchAllFixed, and AlertRule.DoesNotExist if the rule has just been deleted.
    """
    unknown = set(fields) - _FIELDS
    if unknown:
        raise TypeError(f"not fields of a rule: {', '.join(sorted(unknown))}")
    with _changing(rule.team):
        rule = AlertRule.objects.get(pk=rule.pk)
        if rule.is_catch_all and (position is not None or _differs(rule, fields)):
            raise CatchAllFixed
        for name, value in fields.items():
            setattr(rule, name, value)
        rule.save(update_fields=list(fields))
        if channels is not None:
            _set_channels(rule, channels)
        if position is not None:
            _move(rule, position)
    return rule


def delete_rule(*, rule: AlertRule) -> None:
    """Take a rule out; later ones move up. Raises CatchAllFixed, AlertRule.DoesNotExist."""
    with _changing(rule.team):
        rule = AlertRule.objects.get(pk=rule.pk)
        if rule.position is None:
            raise CatchAllFixed
        rule.delete()
        _numbered(rule.team).filter(position__gt=rule.position).update(position=F("position") - 1)


def _move(rule: AlertRule, position: int) -> None:
    old = rule.position
    assert old is not None
    others = _numbered(rule.team).exclude(pk=rule.pk)
    new = min(position, others.count())
    if new < old:
        others.filter(position__gte=new, position__lt=old).update(position=F("position") + 1)
    elif new > old:
        others.filter(position__gt=old, position__lte=new).update(position=F("position") - 1)
    rule.position = new
    rule.save(update_fields=["position"])


def _numbered(team: Team) -> QuerySet[AlertRule]:
    return AlertRule.objects.filter(team=team, is_catch_all=False)


def _differs(rule: AlertRule, fields: dict[str, Any]) -> bool:
    free = {"name", "policy"}
    return any(getattr(rule, name) != value for name, value in fields.items() if name not in free)


def _set_channels(rule: AlertRule, channels: Sequence[Channel]) -> None:
    AlertRuleChannel.objects.filter(rule=rule).delete()
    AlertRuleChannel.objects.bulk_create(
        AlertRuleChannel(team_id=rule.team_id, rule=rule, channel=channel) for channel in channels
    )


@contextmanager
def _changing(team: Team) -> Iterator[None]:
    try:
        with transaction.atomic(), scopes_disabled():
            Team.objects.select_for_update(no_key=True).get(pk=team.pk)
            yield
    except IntegrityError as error:
        if "alertrule_name_once" in str(error):
            raise DuplicateName from error
        if "alertrule_policy_team" in str(error) or "alertrulechannel_channel" in str(error):
            raise TargetGone from error
        raise
