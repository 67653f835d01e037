"""Who would be paged as things stand, adding a place to that, and trying it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from accounts.access import Access
from accounts.models import Membership, Scope, Team
from accounts.teams import owner_addresses
from incidents.contacts import usable_methods
from incidents.destinations import DuplicateName, create_channel
from incidents.models import AlertRule, Channel, ContactMethod, Delivery
from incidents.notifications import test_channel
from incidents.notifications.contacting import NotUsable, test_method
from incidents.policies.rehearsal import Rehearsal, rehearse, subject_of
from incidents.routing import Subject, ensure_catch_all
from incidents.rules import update_rule
from monitors.models import Monitor, Severity
from monitors.queries import database_now
from monitors.state import Cause

MOST_TESTS = 10
_MOST_NAMES = 50


@dataclass(frozen=True, slots=True)
class Receivers:
    """Where a test page goes: channels that incidents go to, and oneself if one is paged.

    `others` says that somebody else is paged as well, who is left in peace. `is_own_choice` says
    that nobody but others would be paged, and oneself stands in for them.
    """

    channels: Sequence[Channel]
    me: bool
    others: bool
    is_own_choice: bool


def rehearse_for(team: Team, monitor: Monitor | None) -> Rehearsal:
    """Return what silence of a monitor would do now; without one, of any that no rule names."""
    at = database_now()
    if monitor is not None:
        return rehearse(team=team, subject=subject_of(monitor, cause=Cause.SILENCE, at=at))
    subject = Subject(
        labels={},
        namespace=team.slug,
        name="",
        severity=Severity.CRITICAL.value,
        cause=Cause.SILENCE.value,
        at=at,
    )
    return rehearse(team=team, subject=subject)


def find_receivers(access: Access, found: Rehearsal) -> Receivers:
    """Return who would get a test of what was rehearsed."""
    ids = {channel.pk for channel in found.channels}
    people: set[str] = set(owner_addresses(access.team)) if found.owners else set()
    for policy in found.policies:
        for step in policy.steps:
            for reached in step.targets:
                ids |= {way.channel_id for way in reached.contacts if way.channel_id}
                if reached.person and "channel" not in reached.target:
                    people.add(reached.person.lower())
    channels = list(Channel.objects.filter(pk__in=ids, disabled_at=None).order_by("name"))
    own = {access.user.email.lower()} if access.user else set()
    others = {person.lower() for person in people} - own
    me = bool(own & {person.lower() for person in people})
    alone = not channels and not me
    return Receivers(channels[:MOST_TESTS], me or alone, bool(others), alone)


def send_tests(access: Access, receivers: Receivers) -> list[Delivery]:
    """Queue a test to each receiver, and return what was queued: nothing if none can be reached."""
    with transaction.atomic():
        sent = [test_channel(channel=one, actor=access.actor) for one in receivers.channels]
        method = own_method(access) if receivers.me else None
        if method is not None:
            # Changed in this moment: the page says that nothing was sent.
            with suppress(NotUsable, ContactMethod.DoesNotExist):
                sent.append(test_method(method=method, actor=access.actor))
    return sent


def own_method(access: Access) -> ContactMethod | None:
    """Return the way by which one's first page comes; None where there is no proved one.

    The owners' mail goes to the account's address, so that one is taken where it is a method.
    """
    me = Membership.objects.filter(user=access.user).first()
    if me is None or access.user is None:
        return None
    usable = usable_methods([me.pk])[me.pk]
    key = f"email:{access.user.email.lower()}"
    chosen = next((way for way in usable if way.key == key), next(iter(usable), None))
    return ContactMethod.objects.filter(pk=chosen.id).first() if chosen else None


def is_default_route(rule: AlertRule | None) -> bool:
    """Return whether incidents that no other rule takes go to the owners' mail alone."""
    return rule is None or (rule.policy_id is None and not rule.channels.exists())


def add_to_route(
    access: Access, *, channels: Iterable[Channel], mail: Sequence[str] = ()
) -> AlertRule:
    """Send what no other rule takes to these channels too.

    The owners are mailed only where nothing else is chosen: whoever should go on getting mail is
    named in `mail`, and becomes a channel. Raises TargetGone.
    """
    rule = ensure_catch_all(access.team)
    wanted = {channel.pk: channel for channel in rule.channels.all()}
    if mail and is_default_route(rule):
        channel = _mail_channel(access.team, mail)
        wanted[channel.pk] = channel
    wanted |= {channel.pk: channel for channel in channels}
    return update_rule(rule=rule, channels=list(wanted.values()))


def _mail_channel(team: Team, addresses: Sequence[str]) -> Channel:
    to = sorted({address.lower() for address in addresses})
    for channel in Channel.objects.filter(kind="email", disabled_at=None).order_by("name"):
        if sorted(str(address).lower() for address in channel.config.get("to", ())) == to:
            return channel
    name = f"Mail to {to[0]}" if len(to) == 1 else "Mail to the owners"
    return make_channel(team, name=name[:100], kind="email", config={"to": to})


def make_channel(team: Team, *, name: str, kind: str, config: dict[str, object]) -> Channel:
    """Create a channel; a name that is taken gets a number. Raises InvalidConfig."""
    for number in range(1, _MOST_NAMES):
        try:
            with transaction.atomic():
                numbered = name if number == 1 else f"{name} {number}"
                return create_channel(team=team, name=numbered, kind=kind, config=config)
        except DuplicateName:
            continue
    raise DuplicateName


def chosen_monitor(pk: UUID | None) -> Monitor | None:
    """Return the monitor asked about, else the team's newest; None if there is none."""
    monitors = Monitor.objects.select_related("namespace")
    found = monitors.filter(pk=pk).first() if pk else None
    return found or monitors.order_by("-id").first()


def may_invite(access: Access) -> bool:
    """Return whether this person may put somebody else into the team."""
    return access.allows(Scope.ADMIN)
