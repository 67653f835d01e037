"""A team's escalation policies: ladders to read, and the form that changes one."""

from __future__ import annotations

from itertools import accumulate
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from accounts.access import Access, get_object
from accounts.console.pages import render_page, team_page
from accounts.models import Scope
from incidents.console.policy_form import (
    MOST_NAME,
    Draft,
    draft_of,
    new_draft,
    read_draft,
    read_values,
    target_choices,
)
from incidents.console.rehearsing import say_again, say_steps
from incidents.console.searching import offer_search, read_search, read_word, says
from incidents.models import AlertRule, EscalationPolicy
from incidents.policies.policies import (
    MOST_REPEATS,
    MOST_STEPS,
    MOST_TARGETS,
    DuplicateName,
    PolicyInUse,
    TargetGone,
    create_policy,
    delete_policy,
    following_rules,
    update_policy,
)
from incidents.policies.reaching import resolve_targets
from incidents.policies.snapshot import Snapshot, take_snapshot, with_steps
from monitors.queries import database_now

SECTION = "oncall"


def _back(access: Access) -> HttpResponse:
    return redirect("console:policies", team=access.team.slug)


@team_page()
def list_policies(request: HttpRequest, access: Access) -> HttpResponse:
    """Show each policy as a ladder, with who is on call on it now."""
    followers: dict[UUID | None, list[str]] = {}
    rules = AlertRule.objects.filter(policy__isnull=False).order_by("position")
    for policy_id, name in rules.values_list("policy", "name"):
        followers.setdefault(policy_id, []).append(name)
    search, used = read_search(request), read_word(request, "used", ("yes", "no"))
    everything = [
        (row, take_snapshot(row)) for row in with_steps(EscalationPolicy.objects.order_by("name"))
    ]
    found = [(row, shot) for row, shot in everything if says(search, _words_of(shot))]
    counts = {"": len(found), "yes": sum(row.pk in followers for row, _shot in found)}
    counts["no"] = counts[""] - counts["yes"]
    if used:
        found = [(row, shot) for row, shot in found if (row.pk in followers) == (used == "yes")]
    rows, snapshots = [row for row, _shot in found], [shot for _row, shot in found]
    reached = iter(
        resolve_targets(
            [target for shot in snapshots for step in shot.steps for target in step["targets"]],
            at=database_now(),
        )
    )
    ladders: list[dict[str, Any]] = []
    for row, shot in zip(rows, snapshots, strict=True):
        times = accumulate(step["delay"] for step in shot.steps)
        steps = [
            (after, [next(reached) for _target in step["targets"]])
            for after, step in zip(times, shot.steps, strict=True)
        ]
        ladders.append(
            {
                "policy": row,
                "steps": say_steps(steps),
                "again": say_again(row.repeat),
                "rules": followers.get(row.pk, []),
            }
        )
    words = {"": _("All"), "yes": _("Followed by a rule"), "no": _("Followed by none")}
    context = {
        "ladders": ladders,
        "total": len(everything),
        "finder": offer_search(
            here=request.path,
            label=_("Search policies and whom they page"),
            search=search,
            param="used",
            chosen=used,
            choices=[(name, word, counts[name]) for name, word in words.items()],
        ),
        "section": SECTION,
    }
    return render_page(request, access, "policies/list.html", context)


def _words_of(shot: Snapshot) -> list[str]:
    """Return what a policy can be found by: its name, and what its targets are called."""
    return [shot.name, *(target["name"] for step in shot.steps for target in step["targets"])]


@team_page(Scope.WRITE)
def create(request: HttpRequest, access: Access) -> HttpResponse:
    """Ask for a new policy."""
    if request.method != "POST":
        return _render_form(request, access, new_draft(target_choices()))
    draft = read_draft(request.POST)
    if what := request.POST.get("do"):
        draft.change(what)
        return _render_form(request, access, draft)
    return _save(request, access, draft, None)


@team_page(Scope.WRITE)
def edit(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Change a policy."""
    policy = get_object(with_steps(EscalationPolicy.objects.all()), pk)
    if request.method != "POST":
        return _render_form(request, access, draft_of(policy), policy)
    draft = read_draft(request.POST)
    if what := request.POST.get("do"):
        draft.change(what)
        return _render_form(request, access, draft, policy)
    return _save(request, access, draft, policy)


def _save(
    request: HttpRequest, access: Access, draft: Draft, policy: EscalationPolicy | None
) -> HttpResponse:
    values = read_values(draft)
    if draft.is_sound:
        try:
            if policy is None:
                policy = create_policy(team=access.team, **values)
                messages.success(
                    request, f"“{policy.name}” is ready. An alert rule has to follow it."
                )
            else:
                policy = update_policy(policy=policy, **values)
                text = "Incidents that are open go on by the old steps."
                messages.success(request, f"“{policy.name}” is changed. {text}")
        except DuplicateName:
            draft.errors["name"] = "A policy of that name exists. Choose another name."
        except TargetGone:
            draft.errors["steps"] = "Somebody or something here was just deleted. Choose again."
        except EscalationPolicy.DoesNotExist:
            messages.error(request, "This policy was deleted in the meantime.")
            return _back(access)
        else:
            return _back(access)
    return _render_form(request, access, draft, policy)


def _render_form(
    request: HttpRequest, access: Access, draft: Draft, policy: EscalationPolicy | None = None
) -> HttpResponse:
    context = {
        "draft": draft,
        "policy": policy,
        "choices": target_choices(),
        "repeats": [
            (str(n), say_again(n).rstrip(".") or "Does not repeat") for n in range(MOST_REPEATS + 1)
        ],
        "most_name": MOST_NAME,
        "most_steps": MOST_STEPS,
        "most_targets": MOST_TARGETS,
        "failed": not draft.is_sound,
        "section": SECTION,
    }
    return render_page(request, access, "policies/form.html", context)


@team_page(Scope.WRITE)
def delete(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Ask once more, by name, and delete a policy that no rule follows."""
    policy = get_object(EscalationPolicy.objects.all(), pk)
    if request.method == "POST":
        try:
            delete_policy(policy=policy)
        except PolicyInUse:
            pass  # the page says which rules, and offers no button
        except EscalationPolicy.DoesNotExist:
            return _back(access)
        else:
            messages.success(request, f"“{policy.name}” is deleted.")
            return _back(access)
    context = {"policy": policy, "rules": following_rules(policy), "section": SECTION}
    return render_page(request, access, "policies/delete.html", context)
