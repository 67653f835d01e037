"""One of everything that the console has a page of, and the address of each page."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from django.urls import reverse
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.access import access_for_member
from accounts.invitations import create_invitation
from accounts.keys import create_api_key
from accounts.models import Membership, Scope
from accounts.teams import create_namespace
from config import urls_console
from incidents.contacts import ensure_account_methods
from incidents.destinations import create_channel
from incidents.maintenance.maintenances import create_maintenance
from incidents.models import ContactMethod
from incidents.notifications import test_channel
from incidents.oncall.overrides import create_override
from incidents.oncall.rotations import create_rotation
from incidents.policies.policies import create_policy
from incidents.rules import create_rule
from monitors.models import PushResult, SavedView, UndoStep
from statuspages.services.assets import set_asset
from statuspages.services.components import create_component
from statuspages.services.pages import create_page
from statuspages.services.posts import create_post
from statuspages.services.templates import create_template
from statuspages.subscribers.subscribing import add_subscriber
from tests.console.personas import make_incident, make_monitor
from tests.console.pictures import make_png

HOUR = timedelta(hours=1)

# No team's: visitors, making a team, and what comes before being in one.
OPEN = {
    "start",
    "team-new",
    "teams",
    "invitations",
    "invitation",
    "invitation-accept",
    "acknowledge-link",
    None,
}
# Routes that are buttons: a GET of them is refused.
ACTIONS = {
    "rule-move",
    "maintenance-end",
    "member-invite",
    "member-invite-again",
    "member-role",
    "team-rename",
    "team-keep",
    "invitation-resend",
    "invitation-revoke",
    "monitor-pause",
    "monitor-resume",
    "monitors-bulk",
    "monitors-import-tokens",
    "undo-step",
    "view-save",
    "monitor-rotate-slug",
    "monitor-rotate-token",
    "monitor-badge-change",
    "incident-acknowledge",
    "incidents-acknowledge",
    "incident-resolve",
    "incident-snooze",
    "incident-assign",
    "incident-note",
    "channel-route",
    "channel-test",
    "channel-enable",
    "rotation-override",
    "rotation-swap",
    "rotation-calendar",
    "override-delete",
    "status_page_publish",
    "status_page_pictures",
    "status_page_domain",
    "status_page_component_move",
    "status_page_group_move",
    "status_page_group_rename",
    "status_page_post_publish",
    "status_page_post_take",
    "status_page_subscriber_resend",
    "status_page_maintenance_extend",
}
OWN_ACTIONS = {"contact-verify", "contact-code", "contact-test", "contact-move", "contact-enable"}


def ids_of(pattern, pk):
    """What stands in a path besides the team: "pk" by the route's name, others by their own."""
    names = set(pattern.pattern.converters) - {"team"}
    return {name: pk(pattern.name if name == "pk" else name) for name in names}


def addresses(people, pk):
    for pattern in urls_console.urlpatterns:
        if pattern.name in OPEN:
            continue
        kwargs = {"team": people.team.slug}
        kwargs |= ids_of(pattern, pk)
        yield pattern.name, reverse(f"console:{pattern.name}", kwargs=kwargs)


def make_things(people):
    """Make one of everything and return what gives the id that a route's path wants."""
    monitor = make_monitor(people.team, name="watched")
    incident = make_incident(monitor)
    with scopes_disabled():
        result = PushResult.objects.filter(monitor=monitor.pk).first()
    key, _ = create_api_key(team=people.team, name="ci", scope=Scope.READ)
    spare = create_namespace(team=people.team, name="spare")
    with scopes_disabled():
        member = Membership.objects.get(team=people.team, user=people.viewer)
    invitation = create_invitation(
        access=access_for_member(people.owner, "acme"),
        email="new@acme.example",
        role="member",
        now=now(),
    )
    channel = create_channel(
        team=people.team, name="mail", kind="email", config={"to": "a@acme.example"}
    )

    ensure_account_methods([member.pk])
    with scopes_disabled():
        contact = ContactMethod.objects.get(membership=member)
    delivery = test_channel(channel=channel, actor="ana@acme.example")

    policy = create_policy(team=people.team, name="p", steps=[])
    rule = create_rule(team=people.team, name="r", match={})

    window = create_maintenance(
        team=people.team,
        name="night",
        monitors=[monitor],
        starts_at=now(),
        ends_at=now() + timedelta(hours=1),
    )
    rotation = create_rotation(team=people.team, name="storage", timezone="UTC", layers=[])
    override = create_override(
        rotation=rotation, start=now(), end=now() + HOUR, membership=member, actor="a@acme.example"
    )

    page = create_page(team=people.team, name="Acme", slug="acme")
    component = create_component(page=page, name="API", group="Core")
    set_asset(page=page, kind="logo", content=make_png())
    post = create_post(page=page, title="Slow", components={component: ""}, actor="a@acme.example")
    template = create_template(page=page, name="begins")
    subscriber = add_subscriber(page=page, kind="email", address="visitor@example.org")
    with scopes_disabled():
        update = post.updates.get()

    with scopes_disabled():
        view = SavedView.objects.create(team=people.team, name="all")
        step = UndoStep.objects.create(
            team=people.team,
            actor=people.owner.email,
            verb="pause",
            said="x",
            data={"ids": []},
            expires_at=now() + HOUR,
        )

    def pk(route):
        kind = "status_page" if route.startswith("status_page") else route.partition("-")[0]
        return {
            "monitor": monitor.pk,
            "result": result.id,
            "view": view.pk,
            "undo": step.pk,
            "maintenance": window.pk,
            "incident": incident.pk,
            "key": key.pk,
            "namespace": spare.pk,
            "month": f"{now():%Y-%m}",
            "member": member.pk,
            "invitation": invitation.pk,
            "channel": channel.pk,
            "contact": contact.pk,
            "rotation": rotation.pk,
            "override": override.pk,
            "delivery": delivery.pk,
            "policy": policy.pk,
            "rule": rule.pk,
            "status_page": page.pk,
            "component": component.pk,
            "group": component.group_id,
            "kind": "logo",
            "post": post.pk,
            "update": update.pk,
            "template": template.pk,
            "subscriber": subscriber.pk,
        }.get(kind, uuid4())

    return pk
