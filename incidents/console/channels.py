"""A team's channels, where incidents go, and the log of what was sent."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts.access import Access, get_object
from accounts.console.pages import is_htmx, render_page, team_page
from accounts.models import Scope
from accounts.teams import owner_addresses
from incidents.channels.base import InvalidConfig
from incidents.console.forms import ChannelForm, RouteForm
from incidents.destinations import (
    DuplicateName,
    create_channel,
    delete_channel,
    update_channel,
)
from incidents.models import AlertRule, Channel, Delivery
from incidents.notifications import test_channel
from incidents.routing import ensure_catch_all
from incidents.rules import update_rule
from monitors.queries import database_now

LOG_ROWS = 50


def _back(access: Access) -> HttpResponse:
    return redirect("console:channels", team=access.team.slug)


@team_page()
def list_channels(request: HttpRequest, access: Access) -> HttpResponse:
    """Show where messages can go, where incidents do go, and what was sent lately."""
    log = Delivery.objects.select_related("channel", "incident").order_by("-id")[:LOG_ROWS]
    context: dict[str, Any] = {"deliveries": log, "now": database_now(), "section": "channels"}
    if is_htmx(request):
        return render_page(request, access, "incidents/_delivery_log.html", context)
    channels = Channel.objects.order_by("name")
    rules = AlertRule.objects.filter(is_catch_all=False).order_by("position")
    catch_all = AlertRule.objects.filter(is_catch_all=True).first()
    chosen = catch_all.channels.values_list("pk", flat=True) if catch_all else []
    context |= {
        "channels": channels,
        "rules": rules.prefetch_related("channels"),
        "route": RouteForm(initial={"channels": list(chosen)}),
        "owners": owner_addresses(access.team),
    }
    return render_page(request, access, "incidents/channels.html", context)


@team_page(Scope.WRITE)
def create(request: HttpRequest, access: Access) -> HttpResponse:
    """Ask for a new channel; a webhook's signing secret is in the answer, never again."""
    form = ChannelForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            channel = create_channel(team=access.team, **form.values())
        except DuplicateName:
            form.add_error("name", "A channel of that name exists. Choose another name.")
        except InvalidConfig as error:
            for text in error.errors.values():
                form.add_error("target", text)
        else:
            return _created(request, access, channel)
    context = {"form": form, "section": "channels"}
    return render_page(request, access, "incidents/channel_new.html", context)


def _created(request: HttpRequest, access: Access, channel: Channel) -> HttpResponse:
    secret = channel.config.get("secret")
    if not secret:
        messages.success(request, f"“{channel.name}” is ready. Send a test to see that it works.")
        return _back(access)
    context = {"channel": channel, "secret": secret, "section": "channels"}
    response = render_page(request, access, "incidents/channel_secret.html", context)
    response["Cache-Control"] = "no-store"
    return response


@require_POST
@team_page(Scope.WRITE)
def test(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Send a test message."""
    channel = get_object(Channel.objects.all(), pk)
    test_channel(channel=channel, actor=access.actor)
    messages.success(request, f"A test to “{channel.name}” is on its way: see the log below.")
    return _back(access)


@require_POST
@team_page(Scope.WRITE)
def enable(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Make a channel work again that was disabled."""
    channel = update_channel(channel=get_object(Channel.objects.all(), pk), enable=True)
    messages.success(request, f"“{channel.name}” is used again.")
    return _back(access)


@team_page(Scope.WRITE)
def delete(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask once more, by name, and delete a channel."""
    channel = get_object(Channel.objects.all(), pk)
    if request.method == "POST":
        delete_channel(channel=channel)
        messages.success(request, f"“{channel.name}” is deleted.")
        return _back(access)
    context = {"channel": channel, "section": "channels"}
    return render_page(request, access, "incidents/channel_delete.html", context)


@require_POST
@team_page(Scope.WRITE)
def choose_route(request: HttpRequest, access: Access) -> HttpResponse:
    """Choose where incidents go that no other rule takes."""
    form = RouteForm(request.POST)
    if form.is_valid():
        chosen = list(form.cleaned_data["channels"])
        update_rule(rule=ensure_catch_all(access.team), channels=chosen)
        to = ", ".join(f"“{channel.name}”" for channel in chosen) or "the owners' mail"
        messages.success(request, f"From now on incidents go to {to}.")
    else:
        messages.error(request, "One of these channels is gone. Choose again.")
    return _back(access)
