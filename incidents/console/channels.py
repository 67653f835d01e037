"""A team's channels: where messages can go, how each is doing, and where incidents do go."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import Access, get_object
from accounts.console.pages import is_htmx, render_page, team_page
from accounts.models import Scope
from accounts.teams import owner_addresses
from incidents.channels.base import InvalidConfig
from incidents.channels.registry import KINDS
from incidents.console.channel_forms import (
    ChannelForm,
    has_secret_address,
    label_of,
    list_kinds,
    say_target,
)
from incidents.console.deliveries import count_carried
from incidents.console.forms import RouteForm
from incidents.console.searching import offer_search, read_search, read_word, says
from incidents.destinations import (
    ChannelInUse,
    DuplicateName,
    create_channel,
    delete_channel,
    update_channel,
)
from incidents.models import AlertRule, Channel, Delivery, EscalationTarget
from incidents.notifications import test_channel
from incidents.routing import ensure_catch_all
from incidents.rules import update_rule
from monitors.queries import database_now

LOG_ROWS = 10


def _back(access: Access) -> HttpResponse:
    return redirect("console:channels", team=access.team.slug)


@team_page()
def list_channels(request: HttpRequest, access: Access) -> HttpResponse:
    """Show where messages can go, where incidents do go, and what was sent lately."""
    log = Delivery.objects.select_related(
        "channel", "incident", "contact_method__membership__user"
    ).defer("payload")
    context: dict[str, Any] = {
        "deliveries": count_carried(log.order_by("-id")[:LOG_ROWS]),
        "now": database_now(),
        "section": "channels",
    }
    if is_htmx(request):
        return render_page(request, access, "incidents/_delivery_log.html", context)
    rules = AlertRule.objects.filter(is_catch_all=False).order_by("position")
    rules = rules.select_related("policy").prefetch_related("channels")
    catch_all = AlertRule.objects.select_related("policy").filter(is_catch_all=True).first()
    chosen = catch_all.channels.values_list("pk", flat=True) if catch_all else []
    everything = _list_rows()
    search, state = read_search(request), read_word(request, "state", ("in-use", "disabled"))
    rows = [
        row for row in everything if says(search, (row["channel"].name, row["kind"], row["target"]))
    ]
    disabled = sum(row["channel"].disabled_at is not None for row in rows)
    counts = {"": len(rows), "in-use": len(rows) - disabled, "disabled": disabled}
    if state:
        wanted = state == "disabled"
        rows = [row for row in rows if (row["channel"].disabled_at is not None) == wanted]
    words = {"": _("All"), "in-use": _("In use"), "disabled": _("Disabled")}
    context |= {
        "rows": rows,
        "total": len(everything),
        "finder": offer_search(
            here=request.path,
            label=_("Search channels"),
            search=search,
            param="state",
            chosen=state,
            choices=[(name, word, counts[name]) for name, word in words.items()],
        ),
        "disabled_count": sum(row["channel"].disabled_at is not None for row in everything),
        "rules": rules,
        "catch_all": catch_all,
        "route": RouteForm(initial={"channels": list(chosen)}),
        "owners": owner_addresses(access.team),
    }
    return render_page(request, access, "incidents/channels.html", context)


def _list_rows() -> list[dict[str, Any]]:
    """Return each channel with where it leads and the last message that it was given."""
    newest = Delivery.objects.filter(channel=OuterRef("pk")).order_by("-id").values("pk")[:1]
    channels = list(Channel.objects.annotate(last_id=Subquery(newest)).order_by("name"))
    wanted = [channel.last_id for channel in channels if channel.last_id]
    last = Delivery.objects.defer("payload").in_bulk(wanted)
    return [
        {
            "channel": channel,
            "kind": label_of(channel.kind),
            "target": say_target(channel.kind, channel.config),
            "has_secret_address": has_secret_address(channel.kind),
            "last": last.get(channel.last_id),
        }
        for channel in channels
    ]


@team_page(Scope.WRITE)
def create(request: HttpRequest, access: Access) -> HttpResponse:
    """Ask for a kind, then for a new channel; a webhook's signing secret is told once."""
    kind = KINDS.get(request.GET.get("kind", ""))
    if kind is None:
        context = {"kinds": list_kinds(), "section": "channels"}
        return render_page(request, access, "incidents/channel_kinds.html", context)
    form = ChannelForm(request.POST if request.method == "POST" else None, kind=kind)
    if form.is_valid():
        try:
            channel = create_channel(
                team=access.team,
                name=form.cleaned_data["name"],
                kind=kind.name,
                config=form.config(),
            )
        except DuplicateName:
            form.add_error("name", "A channel of that name exists. Choose another name.")
        except InvalidConfig as error:
            form.refuse(error)
        else:
            return _created(request, access, channel)
    return _render_form(request, access, form, None)


def _created(request: HttpRequest, access: Access, channel: Channel) -> HttpResponse:
    secret = channel.config.get("secret")
    if not secret or channel.kind != "webhook":
        messages.success(request, f"“{channel.name}” is ready. Send a test to see that it works.")
        return _back(access)
    context = {"channel": channel, "secret": secret, "section": "channels"}
    response = render_page(request, access, "incidents/channel_secret.html", context)
    response["Cache-Control"] = "no-store"
    return response


@team_page(Scope.WRITE)
def edit(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask for changes of a channel. Its secrets are not shown, and stay unless new ones come."""
    channel = get_object(Channel.objects.all(), pk)
    kind = KINDS.get(channel.kind)
    if kind is None:
        messages.error(request, "Channels of this kind no longer exist. Delete it.")
        return _back(access)
    form = ChannelForm(
        request.POST if request.method == "POST" else None,
        kind=kind,
        name=channel.name,
        stored=channel.config,
    )
    if form.is_valid():
        try:
            channel = update_channel(
                channel=channel, name=form.cleaned_data["name"], config=form.config()
            )
        except DuplicateName:
            form.add_error("name", "A channel of that name exists. Choose another name.")
        except InvalidConfig as error:
            form.refuse(error)
        else:
            messages.success(request, f"“{channel.name}” is saved.")
            return _back(access)
    return _render_form(request, access, form, channel)


def _render_form(
    request: HttpRequest, access: Access, form: ChannelForm, channel: Channel | None
) -> HttpResponse:
    context = {
        "form": form,
        "channel": channel,
        "kind": label_of(form.kind.name),
        "section": "channels",
    }
    return render_page(request, access, "incidents/channel_form.html", context)


@require_POST
@team_page(Scope.WRITE)
def test(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Send a test message and show what becomes of it."""
    channel = get_object(Channel.objects.all(), pk)
    delivery = test_channel(channel=channel, actor=access.actor)
    messages.success(request, f"A test to “{channel.name}” is on its way.")
    return redirect("console:delivery", team=access.team.slug, pk=delivery.pk)


@require_POST
@team_page(Scope.WRITE)
def enable(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Make a channel work again that was disabled."""
    channel = update_channel(channel=get_object(Channel.objects.all(), pk), enable=True)
    messages.success(request, f"“{channel.name}” is used again.")
    return _back(access)


@team_page(Scope.WRITE)
def delete(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask once more, by name and with what would miss it, and delete a channel."""
    channel = get_object(Channel.objects.all(), pk)
    if request.method == "POST":
        try:
            delete_channel(channel=channel)
        except ChannelInUse as error:
            names = ", ".join(f"“{name}”" for name in error.policies)
            messages.error(request, f"Take it out of these policies first: {names}.")
            return redirect("console:channel-delete", team=access.team.slug, pk=pk)
        messages.success(request, f"“{channel.name}” is deleted.")
        return _back(access)
    targets = EscalationTarget.objects.filter(channel=channel).select_related("step__policy")
    steps = sorted({(target.step.policy.name, target.step.position + 1) for target in targets})
    context = {
        "channel": channel,
        "rules": AlertRule.objects.filter(channels=channel).order_by("is_catch_all", "position"),
        "steps": steps,
        "section": "channels",
    }
    return render_page(request, access, "incidents/channel_delete.html", context)


@require_POST
@team_page(Scope.WRITE)
def choose_route(request: HttpRequest, access: Access) -> HttpResponse:
    """Choose where incidents go that no other rule takes."""
    form = RouteForm(request.POST)
    if form.is_valid():
        chosen = list(form.cleaned_data["channels"])
        rule = update_rule(rule=ensure_catch_all(access.team), channels=chosen)
        ways = [rule.policy, *chosen] if rule.policy else chosen
        to = ", ".join(f"“{way.name}”" for way in ways) or "the owners' mail"
        messages.success(request, f"From now on incidents go to {to}.")
    else:
        messages.error(request, "One of these channels is gone. Choose again.")
    return _back(access)
