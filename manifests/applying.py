"""Applying documents: all of them or none, and the same answer for a dry run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, connection, transaction
from django_scopes import scope

from accounts.models import Namespace, Team
from accounts.teams import NameTaken, claim_namespace
from incidents import rules
from incidents.maintenance import maintenances
from incidents.policies import policies
from incidents.routing import ensure_catch_all
from manifests.changes import Result
from manifests.kinds.base import ThingKind, apply_things
from manifests.kinds.channels import ChannelThing
from manifests.kinds.maintenances import MaintenanceThing
from manifests.kinds.monitors import apply_monitors
from manifests.kinds.named import MonitorNames
from manifests.kinds.oncall import People, PolicyThing, RotationThing
from manifests.kinds.pages import PageThing
from manifests.kinds.routes import Routes
from manifests.kinds.rules import RuleThing
from manifests.kinds.secrets import Secrets
from manifests.kinds.state import State
from manifests.kinds.wanted import Wanted, wanted_monitors
from manifests.models import AppliedThing
from manifests.problems import Problems
from manifests.pruning import prune_things
from manifests.reading.documents import Document
from manifests.reading.kinds import check_documents
from monitors import services
from monitors.waiting import busy_if_waited
from statuspages.services.errors import MonitorGone


class Overtaken(Exception):  # noqa: N818
    """Something that the documents name was changed by somebody else at this moment."""


_OVERTAKEN = (
    ObjectDoesNotExist,
    IntegrityError,
    services.DuplicateName,
    policies.TargetGone,
    rules.TargetGone,
    maintenances.MonitorGone,
    maintenances.PageGone,
    MonitorGone,
)


@dataclass(frozen=True)
class Outcome:
    """What an apply did: results in the order of the documents, deletions last."""

    results: list[Result]
    warnings: list[str] = field(default_factory=list)


def apply_documents(
    *, team: Team, documents: Iterable[Document], dry_run: bool = False, prune: bool = False
) -> Outcome:
    """Make the team's things as the documents say, in one transaction.

    With `prune`, what an earlier apply created and these documents do not contain is deleted. A
    `dry_run` does it all and takes it back. Raises Refused with all that is wrong, after which
    nothing has changed, and QuotaExceeded, Busy and Overtaken, after which it can be tried again.
    """
    given = list(documents)
    problems = Problems()
    if prune and not given:
        # A file that was lost on its way must not be taken for the wish to delete everything.
        problems.add("documents", "required", "There is no document: nothing was pruned.")
        problems.check()
    # What needs no rows is checked before the transaction, which others may wait for.
    checked = check_documents(given, problems)
    state = State(team=team, documents=checked, problems=problems)
    good = {document.document.index for document in checked}
    for document in given:
        if document.index not in good:
            _note_failed(document, state)
    _refuse_doubles(state)
    wanted = wanted_monitors(state)
    try:
        with busy_if_waited(), scope(team=team), transaction.atomic():
            _lock(team)
            _apply(state, wanted, prune=prune)
            problems.check()
            _remember(state)
            with connection.cursor() as cursor:
                # What the database would refuse at the end it refuses now, dry run or not.
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                cursor.execute("SET CONSTRAINTS ALL DEFERRED")
            transaction.set_rollback(dry_run)
    except _OVERTAKEN as error:
        raise Overtaken from error
    ordered = sorted(state.results, key=lambda entry: entry[0])
    return Outcome([result for _, result in ordered], state.warnings)


def _lock(team: Team) -> None:
    """Let two applies of one team come one after the other."""
    Team.objects.select_for_update(no_key=True).get(pk=team.pk)


def _apply(state: State, wanted: list[Wanted], *, prune: bool) -> None:
    spaces = {each.namespace for each in wanted}
    _claim_namespaces(state, spaces)
    secrets = Secrets(state)
    secrets.apply()
    if state.of("AlertRule"):
        ensure_catch_all(state.team)
    routes = Routes(state)
    people, names = People(), MonitorNames(state)
    kinds: list[ThingKind] = [
        ChannelThing(secrets),
        RotationThing(people),
        PolicyThing(people),
        RuleThing(),
        PageThing(names, secrets),
        MaintenanceThing(names),
    ]
    for kind in kinds:
        # Only windows name pages, nothing names windows: they are read where they are needed.
        users = {"StatusPage": ("StatusPage", "Maintenance"), "Maintenance": ("Maintenance",)}
        needed = prune or kind.name not in users or state.of(*users[kind.name])
        state.rows[kind.name] = kind.load(state.team) if needed else {}
    apply_monitors(state, wanted, secrets, routes)
    apply_things(kinds[0], state)
    if not state.problems:
        routes.apply()
    for kind in kinds[1:]:
        apply_things(kind, state)
    if prune and not state.problems:
        prune_things(state, kinds)


def _note_failed(document: Document, state: State) -> None:
    """Note a document that is wrong, so that whatever names its thing is not blamed too."""
    value = document.value
    if not isinstance(value, dict):
        return
    kind, metadata = value.get("kind"), value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(kind, str) or not isinstance(name, str):
        return
    if kind in ("Monitor", "Secret"):
        namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
        name = f"{namespace or state.team.slug}/{name}"
    state.failed.add((kind, name))


def _refuse_doubles(state: State) -> None:
    """Note things that are said twice; monitors see to themselves, sets included."""
    first: dict[tuple[str, str | None, str], Any] = {}
    for document in state.documents:
        if document.kind.name in ("Monitor", "MonitorSet"):
            continue
        space = state.space_of(document) if document.kind.namespaced else None
        earlier = first.setdefault((document.kind.name, space, document.name), document)
        if earlier is not document:
            text = f"{earlier.document.path} is of the same kind and name."
            path = f"{document.document.path}.metadata.name"
            state.problems.add(path, "duplicate", text)


def _claim_namespaces(state: State, spaces: set[str]) -> None:
    """Find or claim every namespace that a document has a thing in."""
    named = [each for each in state.documents if each.kind.namespaced]
    wanted = spaces | {state.space_of(document) for document in named}
    rows = Namespace.objects.filter(team=state.team, name__in=wanted)
    state.namespaces = {row.name: row for row in rows}
    taken = set()
    for name in sorted(wanted - set(state.namespaces)):
        try:
            state.namespaces[name] = claim_namespace(team=state.team, name=name)
        except NameTaken:
            taken.add(name)
    for document in named:
        if (space := state.space_of(document)) in taken:
            path = f"{document.document.path}.metadata.namespace"
            state.problems.add(path, "taken", "This namespace belongs to another team.")
            state.failed.add((document.kind.name, f"{space}/{document.name}"))


def _remember(state: State) -> None:
    AppliedThing.objects.bulk_create(
        [AppliedThing(team=state.team, kind=kind, thing_id=pk) for kind, pk in state.made],
        batch_size=1000,
        ignore_conflicts=True,
    )
