"""What can be found among incidents and on-call, and where one can go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from django.db.models import Model, Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.access import Access
from accounts.console.finding import Finder, Hit, Place, Question
from accounts.durations import say_time
from accounts.models import Scope
from accounts.zones import reader_zone
from incidents.models import (
    AlertRule,
    Channel,
    EscalationPolicy,
    Incident,
    IncidentState,
    Maintenance,
    Rotation,
)

M = TypeVar("M", bound=Model)

# How far back incidents are looked through: a search that fits none must end too.
LATEST = 5_000


def find_incidents(access: Access, question: Question) -> Iterable[Hit]:
    """Return the incidents that fit, among the team's latest; those that are not over first."""
    latest = Incident.objects.order_by("-id").values("pk")[:LATEST]
    found = Incident.objects.filter(
        question.within("monitor_name", "namespace", "summary"), pk__in=latest
    ).annotate(is_over=Q(state=IncidentState.RESOLVED))
    for incident in found.order_by("is_over", "-id")[: question.most]:
        here = {"team": access.team.slug, "pk": incident.pk}
        yield Hit(
            name=incident.monitor_name,
            url=reverse("console:incident", kwargs=here),
            detail=say_time(incident.down_since, reader_zone()),
            state=incident.state,
            cause=incident.cause,
        )


def find_rotations(access: Access, question: Question) -> Iterable[Hit]:
    """Return the rotations that fit."""
    for rotation in _named(Rotation.objects.all(), question):
        here = {"team": access.team.slug, "pk": rotation.pk}
        url = reverse("console:rotation", kwargs=here)
        yield Hit(name=rotation.name, url=url, detail=rotation.timezone)


def find_policies(access: Access, question: Question) -> Iterable[Hit]:
    """Return the escalation policies that fit."""
    url = reverse("console:policies", kwargs={"team": access.team.slug})
    for policy in _named(EscalationPolicy.objects.all(), question):
        yield Hit(name=policy.name, url=f"{url}#policy-{policy.pk}")


def find_rules(access: Access, question: Question) -> Iterable[Hit]:
    """Return the alert rules that fit."""
    for rule in _named(AlertRule.objects.all(), question):
        yield Hit(name=rule.name, url=_to_change(access, rule, "rule-edit", "rules"))


def find_channels(access: Access, question: Question) -> Iterable[Hit]:
    """Return the channels that fit."""
    for channel in _named(Channel.objects.all(), question, "kind"):
        url = _to_change(access, channel, "channel-edit", "channels")
        yield Hit(name=channel.name, url=url, detail=channel.kind)


def find_windows(access: Access, question: Question) -> Iterable[Hit]:
    """Return the maintenance windows that fit."""
    for window in _named(Maintenance.objects.all(), question):
        here = {"team": access.team.slug, "pk": window.pk}
        yield Hit(name=window.name, url=reverse("console:maintenance", kwargs=here))


def _named(things: QuerySet[M], question: Question, *fields: str) -> QuerySet[M]:
    return things.filter(question.within("name", *fields)).order_by("name")[: question.most]


def _to_change(access: Access, thing: Model, form: str, overview: str) -> str:
    """Return the form of a thing, or the list that it is in for whoever may only look."""
    here = {"team": access.team.slug}
    if access.allows(Scope.WRITE):
        return reverse(f"console:{form}", kwargs={**here, "pk": thing.pk})
    return reverse(f"console:{overview}", kwargs=here)


FINDERS = [
    Finder(_("Incidents"), find_incidents),
    Finder(_("Rotations"), find_rotations),
    Finder(_("Escalation policies"), find_policies),
    Finder(_("Alert rules"), find_rules),
    Finder(_("Channels"), find_channels),
    Finder(_("Maintenance windows"), find_windows),
]
HOME = Place(_("Home"), "home", keys="g h")
PLACES = [
    Place(_("Incidents"), "incidents", keys="g i"),
    Place(_("Incident insights"), "incident-insights"),
    Place(_("On-call"), "oncall", keys="g o"),
    Place(_("Escalation policies"), "policies"),
    Place(_("Alert rules"), "rules"),
    Place(_("How to reach me"), "contacts"),
    Place(_("Channels"), "channels"),
    Place(_("Delivery log"), "deliveries"),
    Place(_("Maintenance"), "maintenances"),
    Place(_("New rotation"), "rotation-new", needs=Scope.WRITE, action=True),
    Place(_("New escalation policy"), "policy-new", needs=Scope.WRITE, action=True),
    Place(_("New alert rule"), "rule-new", needs=Scope.WRITE, action=True),
    Place(_("New channel"), "channel-new", needs=Scope.WRITE, action=True),
    Place(_("New maintenance window"), "maintenance-new", needs=Scope.WRITE, action=True),
]
