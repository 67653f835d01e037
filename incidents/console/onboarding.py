"""From a new team to a page that arrives: the steps after the first push, and what is left.

The steps before are the ordinary pages: naming a team, making a monitor, waiting for its push.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.access import Access
from accounts.console.pages import is_htmx, render_page, team_page
from accounts.models import Membership, Scope
from accounts.teams import owner_addresses
from incidents.channels.base import ChannelKind, InvalidConfig
from incidents.channels.registry import KINDS
from incidents.console.channel_forms import ChannelForm, label_of, list_kinds
from incidents.console.onboarding_route import (
    MOST_TESTS,
    add_to_route,
    chosen_monitor,
    find_receivers,
    is_default_route,
    make_channel,
    may_invite,
    own_method,
    rehearse_for,
    send_tests,
)
from incidents.console.onboarding_steps import read_setup
from incidents.console.rehearsing import say_rehearsal
from incidents.destinations import DuplicateName
from incidents.models import AlertRule, Channel, Delivery, DeliveryState
from incidents.rules import TargetGone
from monitors.queries import database_now

HTMX_STOP = 286  # the status that ends htmx's polling; its body is swapped in as usual
TESTS = ("channel.test", "contact.test")
# What most teams have at hand; the others, and those that show a secret once, have their own page.
OFFERED = ("slack", "ntfy", "email", "discord", "teams", "telegram", "pagerduty", "pushover")
_READ = "sent"


@team_page()
def show_setup(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the steps of the team's set-up, and what is left of them."""
    context = {"setup": read_setup(access.team), "section": "home"}
    return render_page(request, access, "onboarding/setup.html", context)


@team_page(Scope.WRITE)
def choose_paging(request: HttpRequest, access: Access) -> HttpResponse:
    """Show who would be paged now, and take on a further place; then it is tried at once."""
    kind = _asked_kind(request)
    form = _channel_form(request, access, kind) if kind else None
    if request.method == "POST" and form is None:
        return _use_channels(request, access)
    if form is not None and form.is_valid() and _added(request, access, form):
        return _test_now(request, access)
    monitor = chosen_monitor(_read_id(request.GET.get("monitor", "")))
    found = rehearse_for(access.team, monitor)
    rule = AlertRule.objects.filter(is_catch_all=True).first()
    labels = {name: (label, blurb) for name, label, blurb in list_kinds()}
    used = list(rule.channels.values_list("pk", flat=True)) if rule else []
    context: dict[str, Any] = {
        "monitor": monitor,
        "found": say_rehearsal(found, team=access.team),
        "receivers": find_receivers(access, found),
        "method": own_method(access),
        "is_default": is_default_route(rule),
        "rule_count": AlertRule.objects.filter(is_catch_all=False).count(),
        "unused": Channel.objects.filter(disabled_at=None).exclude(pk__in=used).order_by("name"),
        "kinds": [(name, *labels[name]) for name in OFFERED if name in labels],
        "kind": label_of(kind.name) if kind else "",
        "kind_name": kind.name if kind else "",
        "form": form,
        "keeps_mail": request.method != "POST" or "keep_mail" in request.POST,
        "member_count": Membership.objects.filter(accepted_at__isnull=False).count(),
        "may_invite": may_invite(access),
        "setup": read_setup(access.team),
        "section": "home",
    }
    return render_page(request, access, "onboarding/paging.html", context)


@team_page(Scope.WRITE)
def try_page(request: HttpRequest, access: Access) -> HttpResponse:
    """Send a test page, and show what becomes of it until it has arrived or failed."""
    if request.method == "POST":
        return _test_now(request, access)
    deliveries = _read_tests(request.GET.get(_READ, ""))
    is_over = all(delivery.finished_at is not None for delivery in deliveries)
    context: dict[str, Any] = {
        "deliveries": deliveries,
        "is_over": is_over,
        "arrived": [one for one in deliveries if one.state == DeliveryState.DELIVERED],
        "failed": [one for one in deliveries if one.state == DeliveryState.FAILED],
        "setup": read_setup(access.team),
        "now": database_now(),
        "section": "home",
    }
    if is_htmx(request):
        response = render_page(request, access, "onboarding/_delivery.html", context)
        if is_over:
            response.status_code = HTMX_STOP
        return response
    found = rehearse_for(access.team, chosen_monitor(None))
    context |= {"receivers": find_receivers(access, found), "method": own_method(access)}
    return render_page(request, access, "onboarding/test.html", context)


def _test_now(request: HttpRequest, access: Access) -> HttpResponse:
    found = rehearse_for(access.team, chosen_monitor(None))
    sent = send_tests(access, find_receivers(access, found))
    address = reverse("console:onboarding-test", args=[access.team.slug])
    if not sent:
        messages.error(
            request,
            _(
                "Nothing could be sent: none of your own ways to be reached is verified. Verify "
                "one under On-call, Contacts, or add a channel."
            ),
        )
        return redirect("console:onboarding-paging", team=access.team.slug)
    return redirect(f"{address}?{_READ}=" + ",".join(str(delivery.pk) for delivery in sent))


def _read_tests(asked: str) -> list[Delivery]:
    """Return the tests asked for by their ids, else the newest; those of others teams are none."""
    tests = Delivery.objects.filter(event__in=TESTS)
    tests = tests.select_related("channel", "contact_method__membership__user").defer("payload")
    ids = [pk for text in asked.split(",")[: MOST_TESTS + 1] if (pk := _read_id(text))]
    if ids and (found := list(tests.filter(pk__in=ids).order_by("id"))):
        return found
    return list(tests.order_by("-id")[:1])


def _asked_kind(request: HttpRequest) -> ChannelKind | None:
    name = request.GET.get("kind", "")
    return KINDS.get(name) if name in OFFERED else None


def _channel_form(request: HttpRequest, access: Access, kind: ChannelKind) -> ChannelForm:
    owners = owner_addresses(access.team) if kind.name == "email" else []
    form = ChannelForm(
        request.POST if request.method == "POST" else None, kind=kind, name=label_of(kind.name)
    )
    # One question less: the list of channels is the place to name them.
    form.fields["name"].required = False
    form.fields["name"].help_text = _("For the list of channels.")
    if kind.name == "email" and access.user and access.user.email not in owners:
        form.initial["config_to"] = access.user.email  # whoever is no owner is not mailed yet
    form.order_fields([*(name for name in form.fields if name != "name"), "name"])
    return form


def _added(request: HttpRequest, access: Access, form: ChannelForm) -> bool:
    """Create the channel and route incidents to it; what is refused stands beside its field."""
    mail = owner_addresses(access.team) if "keep_mail" in request.POST else []
    try:
        with transaction.atomic():
            channel = make_channel(
                access.team,
                name=form.cleaned_data["name"] or label_of(form.kind.name),
                kind=form.kind.name,
                config=form.config(),
            )
            add_to_route(access, channels=[channel], mail=mail)
    except InvalidConfig as error:
        form.refuse(error)
        return False
    except DuplicateName:
        form.add_error("name", _("A channel of that name exists. Choose another name."))
        return False
    except TargetGone:
        form.add_error(None, _("A channel was deleted in this moment. Try again."))
        return False
    messages.success(request, _("Incidents go to “%(name)s” from now on.") % {"name": channel.name})
    return True


def _use_channels(request: HttpRequest, access: Access) -> HttpResponse:
    """Send incidents to channels that the team has already."""
    ids = [pk for text in request.POST.getlist("channels")[:200] if (pk := _read_id(text))]
    channels = list(Channel.objects.filter(pk__in=ids))
    if not channels:
        messages.error(request, _("Choose a channel of the list."))
        return redirect("console:onboarding-paging", team=access.team.slug)
    mail = owner_addresses(access.team) if "keep_mail" in request.POST else []
    try:
        add_to_route(access, channels=channels, mail=mail)
    except TargetGone:
        messages.error(request, _("One of these channels is gone. Choose again."))
        return redirect("console:onboarding-paging", team=access.team.slug)
    return _test_now(request, access)


def _read_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
