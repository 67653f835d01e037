"""How a person is reached, in which order; for admins, who in the team can be reached at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.timezone import now as clock
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import Access, get_object
from accounts.console.pages import render_page, team_page
from accounts.durations import say_duration
from accounts.models import Membership, Scope
from accounts.zones import zone_names
from incidents import contact_methods as services
from incidents.channels.base import InvalidConfig
from incidents.channels.registry import KINDS
from incidents.console.channel_forms import label_of, say_target
from incidents.console.contact_forms import (
    ContactForm,
    QuietForm,
    list_contact_kinds,
)
from incidents.console.rule_words import say_hours
from incidents.console.searching import offer_search, read_search, read_word, says
from incidents.contacts import MOST_QUIET_HOURS, ensure_account_methods, usable_methods
from incidents.models import (
    ContactMethod,
    Delivery,
    DeliveryState,
    EscalationTarget,
    RotationMember,
    RotationOverride,
)
from incidents.notifications.contacting import (
    AlreadyVerified,
    NotUsable,
    TooSoon,
    send_code,
    test_method,
)

_LAST = (
    "You are in a rotation or an escalation policy and could be reached in no other way. "
    "Add and verify another way first."
)


def _back(access: Access) -> HttpResponse:
    return redirect("console:contacts", team=access.team.slug)


def _me(access: Access) -> Membership:
    return Membership.objects.select_related("user").get(user=access.user)


def _mine(access: Access, pk: UUID) -> ContactMethod:
    """Return a method of one's own; those of others are as missing here as any."""
    own = ContactMethod.objects.filter(membership__user=access.user)
    return get_object(own.select_related("membership__user"), pk)


@team_page()
def list_contacts(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the ways in which one is reached, and to admins those of everybody."""
    me = _me(access)
    ensure_account_methods([me.pk])
    rows = describe_methods(me, now=clock())
    everybody = _everybody() if access.allows(Scope.ADMIN) else None
    context: dict[str, Any] = {
        "rows": rows,
        "is_reached": any(row["is_usable"] for row in rows),
        "is_on_duty": services.is_on_call_duty(me.pk),
        "everybody": everybody,
        "section": "oncall",
        "place": "contacts",
    }
    if everybody is not None:
        context |= _find_people(request, everybody)
    return render_page(request, access, "contacts/list.html", context)


def _find_people(request: HttpRequest, everybody: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the members that the address asks for, and what the form of the search needs."""
    tests: dict[str, Callable[[dict[str, Any]], bool]] = {
        "": lambda _person: True,
        "duty": lambda person: person["is_on_duty"],
        "unreachable": lambda person: not person["ways"],
    }
    words = {"": _("All"), "duty": _("On-call duty"), "unreachable": _("Cannot be reached")}
    search, chosen = read_search(request), read_word(request, "people", tests)
    found = [
        person
        for person in everybody
        if says(search, (person["member"].user.email, person["member"].name, *person["ways"]))
    ]
    finder = offer_search(
        here=request.path,
        label=_("Search members and ways"),
        search=search,
        param="people",
        chosen=chosen,
        choices=[(name, word, sum(map(tests[name], found))) for name, word in words.items()],
    )
    return {"everybody": list(filter(tests[chosen], found)), "finder": finder}


def describe_methods(membership: Membership, *, now: datetime) -> list[dict[str, Any]]:
    """Return a member's methods in order, each with when it is tried and where it leads."""
    rows, waited = [], 0
    for method in ContactMethod.objects.filter(membership=membership).order_by("position"):
        is_usable = method.verified_at is not None and method.disabled_at is None
        waited += method.delay if is_usable else 0
        sent_at = method.code_sent_at if method.code_hash else None
        rows.append(
            {
                "method": method,
                "label": label_of(method.kind),
                "target": say_target(method.kind, method.config),
                "when": f"After {say_duration(waited, units=3)}" if waited else "At once",
                "is_usable": is_usable,
                "awaits_code": sent_at is not None and now - sent_at <= services.CODE_VALID,
                "trouble": _find_trouble(method) if sent_at else "",
                "quiet": [say_hours(entry) for entry in method.quiet_hours],
            }
        )
    return rows


def _find_trouble(method: ContactMethod) -> str:
    """Return why the code that was sent last has not arrived, empty where it has or still may."""
    codes = Delivery.objects.filter(contact_method=method, event=services.CODE_EVENT)
    newest = codes.order_by("-id").first()
    if newest is None or newest.state == DeliveryState.DELIVERED or not newest.attempts:
        return ""
    return str(newest.attempts[-1].get("detail", ""))


def _everybody() -> list[dict[str, Any]]:
    members = list(
        Membership.objects.filter(accepted_at__isnull=False)
        .select_related("user")
        .order_by("user__email")
    )
    usable = usable_methods([member.pk for member in members])
    on_duty: set[UUID | None] = set()
    for rows in (
        RotationMember.objects.all(),
        EscalationTarget.objects.all(),
        RotationOverride.objects.filter(end__gt=clock()),
    ):
        on_duty |= set(rows.values_list("membership", flat=True))
    return [
        {
            "member": member,
            "ways": [label_of(method.kind) for method in usable[member.pk]],
            "is_on_duty": member.pk in on_duty,
        }
        for member in members
    ]


@team_page()
def create(request: HttpRequest, access: Access) -> HttpResponse:
    """Ask for a kind, then for where it leads; then a code is sent there."""
    kinds = list_contact_kinds()
    name = request.GET.get("kind", "")
    if name not in {known for known, _, _ in kinds}:
        return render_page(request, access, "contacts/kinds.html", {"kinds": kinds, **_SECTION})
    form = ContactForm(
        request.POST if request.method == "POST" else None, kind=KINDS[name], method=None
    )
    if form.is_valid():
        try:
            method = services.create_method(membership=_me(access), kind=name, **form.settings())
        except InvalidConfig as error:
            form.refuse(error)
        except services.TooManyMethods:
            form.add_error(
                None, f"You have {services.MOST_METHODS} ways already. Delete one first."
            )
        else:
            return _created(request, access, method)
    context = {"form": form, "kind": label_of(name), "method": None, **_SECTION}
    return render_page(request, access, "contacts/form.html", context)


_SECTION = {"section": "oncall", "place": "contacts"}


def _created(request: HttpRequest, access: Access, method: ContactMethod) -> HttpResponse:
    if method.verified_at is not None:
        messages.success(request, "Your account has proved this address: it is used at once.")
    else:
        _send_code(request, access, method)
    if method.kind != "webhook":
        return _back(access)
    context = {"method": method, "secret": method.config["secret"], **_SECTION}
    response = render_page(request, access, "contacts/secret.html", context)
    response["Cache-Control"] = "no-store"
    return response


@team_page()
def edit(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask for changes. Secrets are not shown, and stay unless new ones come."""
    method = _mine(access, pk)
    form = ContactForm(
        request.POST if request.method == "POST" else None, kind=KINDS[method.kind], method=method
    )
    if form.is_valid():
        try:
            changed = services.update_method(method=method, **form.settings())
        except InvalidConfig as error:
            form.refuse(error)
        except services.LastUsable:
            form.add_error(None, _LAST)
        else:
            if changed.verified_at is None and changed.config != method.config:
                _send_code(request, access, changed)
            else:
                messages.success(request, "Saved.")
            return _back(access)
    context = {"form": form, "kind": label_of(method.kind), "method": method, **_SECTION}
    return render_page(request, access, "contacts/form.html", context)


@team_page()
def quiet(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Show when a way is quiet; add hours, or take some away."""
    method = _mine(access, pk)
    hours = list(method.quiet_hours)
    form = QuietForm(initial={"timezone": method.membership.user.timezone})
    if request.method == "POST" and "remove" in request.POST:
        number = request.POST["remove"]
        if number.isascii() and number.isdecimal() and len(number) < 4 and int(number) < len(hours):
            del hours[int(number)]
            services.update_method(method=method, quiet_hours=hours)
        return redirect("console:contact-quiet", team=access.team.slug, pk=pk)
    if request.method == "POST":
        form = QuietForm(request.POST)
        if len(hours) >= MOST_QUIET_HOURS:
            form.add_error(None, f"There are {MOST_QUIET_HOURS} entries already. Remove one first.")
        elif form.is_valid():
            services.update_method(method=method, quiet_hours=[*hours, form.entry()])
            return redirect("console:contact-quiet", team=access.team.slug, pk=pk)
    context = {
        "method": method,
        "label": label_of(method.kind),
        "target": say_target(method.kind, method.config),
        "hours": [say_hours(entry) for entry in hours],
        "form": form,
        "zones": sorted(zone_names()),
        **_SECTION,
    }
    return render_page(request, access, "contacts/quiet.html", context)


@require_POST
@team_page()
def verify(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Verify a way by the code that was sent there."""
    method = _mine(access, pk)
    code = "".join(request.POST.get("code", "")[:40].split())
    with _telling(request):
        services.check_code(method=method, code=code)
        messages.success(request, "Verified. You are reached there from now on.")
    return _back(access)


@require_POST
@team_page()
def resend(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Send a new code."""
    _send_code(request, access, _mine(access, pk))
    return _back(access)


@require_POST
@team_page()
def test(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Send a test message."""
    method = _mine(access, pk)
    with _telling(request):
        test_method(method=method, actor=access.actor)
        messages.success(request, "A test is on its way. It should be there in a few seconds.")
    return _back(access)


@require_POST
@team_page()
def move(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Move a way up or down by one."""
    method = _mine(access, pk)
    step = {"up": -1, "down": 1}.get(request.POST.get("to", ""), 0)
    if step:
        services.update_method(method=method, position=max(0, method.position + step))
    return _back(access)


@require_POST
@team_page()
def enable(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Use a way again that was disabled."""
    services.update_method(method=_mine(access, pk), enable=True)
    messages.success(request, "It is used again. Send a test to see that it works.")
    return _back(access)


@team_page()
def delete(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask once more, and delete a way."""
    method = _mine(access, pk)
    if request.method == "POST":
        with _telling(request):
            services.delete_method(method=method)
            messages.success(request, "Deleted.")
        return _back(access)
    context = {
        "method": method,
        "label": label_of(method.kind),
        "target": say_target(method.kind, method.config),
        **_SECTION,
    }
    return render_page(request, access, "contacts/delete.html", context)


def _send_code(request: HttpRequest, access: Access, method: ContactMethod) -> None:
    with _telling(request):
        send_code(method=method, actor=access.actor)
        messages.success(request, "A code is on its way. Enter it below within 15 minutes.")


@contextmanager
def _telling(request: HttpRequest) -> Iterator[None]:
    """Say what a service refuses."""
    try:
        yield
    except services.WrongCode as error:
        tries = "one try" if error.tries_left == 1 else f"{error.tries_left} tries"
        messages.error(request, f"This is not the code that was sent. You have {tries} left.")
    except services.TooManyTries:
        messages.error(request, "Too many wrong codes. Send a new one.")
    except services.CodeExpired:
        messages.error(request, "This code is too old. Send a new one.")
    except services.LastUsable:
        messages.error(request, _LAST)
    except TooSoon as error:
        wait = say_duration(error.seconds)
        messages.error(request, f"A code was sent there before. Wait {wait} for the next one.")
    except AlreadyVerified:
        messages.info(request, "It is verified already.")
    except NotUsable:
        messages.error(request, "Verify it first: only then is anything sent there.")
