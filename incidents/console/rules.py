"""A team's alert rules in their order, the form that changes one, and the dry run."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_POST

from accounts.access import Access, get_object
from accounts.console.pages import render_page, team_page
from accounts.models import Scope
from accounts.teams import owner_addresses
from accounts.zones import zone_names
from incidents.console.rehearsing import say_rehearsal
from incidents.console.rule_form import (
    CAUSES,
    MOST_NAME,
    SEVERITIES,
    DryRunForm,
    RuleDraft,
    draft_of,
    namespace_choices,
    read_draft,
    read_values,
)
from incidents.console.rule_words import say_match
from incidents.console.searching import offer_search, read_search, read_word, says
from incidents.models import AlertRule, Channel, EscalationPolicy
from incidents.policies.rehearsal import rehearse
from incidents.routing import ensure_catch_all
from incidents.rules import (
    CatchAllFixed,
    DuplicateName,
    TargetGone,
    create_rule,
    delete_rule,
    update_rule,
)
from monitors.models import Monitor
from monitors.queries import database_now

SECTION = "oncall"
MOST_SUGGESTED = 200
WAYS = {
    "policy": _lazy("To a policy"),
    "channel": _lazy("To channels"),
    "owners": _lazy("To the owners"),
}


def _back(access: Access) -> HttpResponse:
    return redirect("console:rules", team=access.team.slug)


@team_page()
def list_rules(request: HttpRequest, access: Access) -> HttpResponse:
    """Show the rules in the order in which they are tried, and what one would do."""
    ensure_catch_all(access.team)
    rows = list(_with_ways(AlertRule.objects.order_by("position")))  # the catch-all, null, is last
    everything: list[dict[str, Any]] = [
        {"rule": row, "words": say_match(row.match), "number": number, "to": _ways_of(row)}
        for number, row in enumerate(rows, 1)
    ]
    search, to = read_search(request), read_word(request, "to", WAYS)
    found = [entry for entry in everything if says(search, _words_of(entry))]
    rules = [entry for entry in found if not to or to in entry["to"]]
    monitors = Monitor.objects.select_related("namespace").order_by("name")
    context: dict[str, Any] = {
        "rules": rules,
        "total": len(everything),
        "last": len(everything) - 2,
        "finder": offer_search(
            here=request.path,
            label=_("Search rules, what they take, where they lead"),
            search=search,
            param="to",
            chosen=to,
            choices=[
                ("", _("All"), len(found)),
                *(
                    (name, str(word), sum(name in entry["to"] for entry in found))
                    for name, word in WAYS.items()
                ),
            ],
        ),
        "owners": owner_addresses(access.team),
        "monitors": monitors[:MOST_SUGGESTED],
        "form": DryRunForm(),
        "section": SECTION,
    }
    if "monitor" in request.GET:
        form = context["form"] = DryRunForm(request.GET)
        if form.is_valid():
            asked = form.cleaned_data
            subject = form.subject(now=database_now())
            rehearsal = rehearse(team=access.team, subject=subject)
            context |= {
                "found": say_rehearsal(rehearsal, team=access.team),
                "subject": subject,
                "is_made_up": asked["monitor"] is None,
                "is_now": asked["at"] is None,
                "cause_word": dict(CAUSES)[asked["cause"]].removeprefix("It "),
            }
    return render_page(request, access, "rules/list.html", context)


def _ways_of(rule: AlertRule) -> set[str]:
    """Return where a rule leads: what of WAYS is true of it."""
    found = {"policy"} if rule.policy_id else set()
    if rule.channels.all():
        found.add("channel")
    return found or {"owners"}


def _words_of(entry: dict[str, Any]) -> list[str]:
    """Return what a rule can be found by."""
    rule: AlertRule = entry["rule"]
    policy = [rule.policy.name] if rule.policy else []
    return [rule.name, *entry["words"], *policy, *(channel.name for channel in rule.channels.all())]


@team_page(Scope.WRITE)
def create(request: HttpRequest, access: Access) -> HttpResponse:
    """Ask for a new rule, which is tried after the others."""
    if request.method != "POST":
        return _render_form(request, access, RuleDraft())
    draft = read_draft(request.POST)
    if what := request.POST.get("do"):
        draft.change(what)
        return _render_form(request, access, draft)
    return _save(request, access, draft, None)


@team_page(Scope.WRITE)
def edit(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Change a rule; of the catch-all only name, policy and channels."""
    rule = get_object(AlertRule.objects.select_related("team"), pk)
    if request.method != "POST":
        return _render_form(request, access, draft_of(rule), rule)
    draft = read_draft(request.POST)
    if what := request.POST.get("do"):
        draft.change(what)
        return _render_form(request, access, draft, rule)
    return _save(request, access, draft, rule)


def _save(
    request: HttpRequest, access: Access, draft: RuleDraft, rule: AlertRule | None
) -> HttpResponse:
    values = read_values(draft, is_catch_all=rule is not None and rule.is_catch_all)
    if draft.is_sound:
        try:
            if rule is None:
                create_rule(team=access.team, **values)
            else:
                update_rule(rule=rule, **values)
        except DuplicateName:
            draft.errors["name"] = "A rule of that name exists. Choose another name."
        except TargetGone:
            draft.errors["policy"] = "The policy or a channel was just deleted. Choose again."
        except AlertRule.DoesNotExist:
            messages.error(request, "This rule was deleted in the meantime.")
            return _back(access)
        else:
            done = "is changed" if rule else "is tried after the rules above it"
            messages.success(request, f"“{values['name']}” {done}.")
            return _back(access)
    return _render_form(request, access, draft, rule)


def _render_form(
    request: HttpRequest, access: Access, draft: RuleDraft, rule: AlertRule | None = None
) -> HttpResponse:
    context = {
        "draft": draft,
        "rule": rule,
        "is_catch_all": rule is not None and rule.is_catch_all,
        "severities": SEVERITIES,
        "causes": CAUSES,
        "namespaces": namespace_choices(draft),
        "policies": _choices(EscalationPolicy.objects.order_by("name")),
        "channels": _choices(Channel.objects.order_by("name")),
        "owners": owner_addresses(access.team),
        "zones": sorted(zone_names()) if draft.hours else [],
        "most_name": MOST_NAME,
        "failed": not draft.is_sound,
        "section": SECTION,
    }
    return render_page(request, access, "rules/form.html", context)


def _choices(rows: QuerySet[Any]) -> list[tuple[str, str]]:
    return [(str(pk), name) for pk, name in rows.values_list("pk", "name")]


@require_POST
@team_page(Scope.WRITE)
def move(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Let a rule be tried one place earlier or later."""
    rule = get_object(AlertRule.objects.select_related("team"), pk)
    step = {"up": -1, "down": 1}.get(request.POST.get("to", ""))
    if rule.position is not None and step is not None:
        try:
            update_rule(rule=rule, position=max(0, rule.position + step))
        except AlertRule.DoesNotExist:
            messages.error(request, "This rule was deleted in the meantime.")
    return _back(access)


@team_page(Scope.WRITE)
def delete(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask once more, by name, and delete a rule; the catch-all stays."""
    rule = get_object(_with_ways(AlertRule.objects.select_related("team")), pk)
    if request.method == "POST" and not rule.is_catch_all:
        try:
            delete_rule(rule=rule)
        except (CatchAllFixed, AlertRule.DoesNotExist):
            return _back(access)
        messages.success(request, f"“{rule.name}” is deleted.")
        return _back(access)
    context = {"rule": rule, "words": say_match(rule.match), "section": SECTION}
    return render_page(request, access, "rules/delete.html", context)


def _with_ways(rules: QuerySet[AlertRule]) -> QuerySet[AlertRule]:
    channels = Prefetch("channels", Channel.objects.order_by("name"))
    return rules.select_related("policy").prefetch_related(channels)
