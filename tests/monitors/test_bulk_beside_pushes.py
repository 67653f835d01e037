"""While thousands of monitors are changed, pushes of theirs and of others are stored."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from django_scopes import scope, scopes_disabled

from accounts.audit import acting
from accounts.models import Namespace, Team
from monitors import undo
from monitors.bulk import create_monitors, update_monitors
from monitors.console.import_plan import plan_import
from monitors.ingest.push import Answer, NotStored, Push
from monitors.ingest.recorder import Recorder
from monitors.models import Heartbeat, Monitor
from tests.factories import MonitorFactory, TeamFactory
from tests.monitors.pushing import recorders
from tests.racing import start

pytestmark = pytest.mark.django_db(transaction=True)
COUNT = 3_000


def fill(team: Team) -> list[Monitor]:
    with scopes_disabled():
        space = Namespace.objects.get(team=team, name=team.slug)
        rows = [(space, {"name": f"m{n}", "labels": {"env": "prod"}}) for n in range(COUNT)]
        return create_monitors(team=team, monitors=rows)


def states(team: Team) -> set[str]:
    with scopes_disabled():
        return set(Heartbeat.objects.filter(team=team).values_list("state", flat=True))


class Pushes:
    """What became of pushes while something else was done: None is a monitor that is not there."""

    def __init__(self) -> None:
        self.ours: list[Answer | None] = []
        self.theirs: list[Answer | None] = []
        self.refused = 0

    async def send(self, recorder: Recorder, monitor: Monitor, answers: list[Any]) -> None:
        try:
            answers.append(await recorder.record(Push(fail=False, monitor=monitor.pk)))
        except NotStored:
            self.refused += 1


def push_while(
    change: Callable[[], Any], team: Team, ours: list[Monitor], theirs: Monitor
) -> tuple[Any, Pushes]:
    """Run `change` as somebody of the team, and push to all of ours in turn until it is done."""

    def work() -> Any:
        with scope(team=team), acting("owner@acme.example"):
            return change()

    async def main() -> tuple[Any, Pushes]:
        pushes = Pushes()
        async with recorders(1) as [recorder]:
            future: Future[Any] = start(work)
            at = 0
            while not future.done():
                part = [ours[(at + n * 97) % len(ours)] for n in range(20)]
                at += 1
                await asyncio.gather(
                    pushes.send(recorder, theirs, pushes.theirs),
                    *(pushes.send(recorder, monitor, pushes.ours) for monitor in part),
                )
        return future.result(0), pushes

    return asyncio.run(main())


def test_no_push_is_refused_while_thousands_of_monitors_are_changed_and_back(db: Any) -> None:
    team, other = TeamFactory(slug="acme"), TeamFactory(slug="rival")
    ours, theirs = fill(team), MonitorFactory(team=other)

    def change(verb: str, **fields: Any) -> undo.UndoStep:
        work = functools.partial(
            undo.change_monitors,
            team=team,
            actor="owner@acme.example",
            verb=verb,
            monitors=ours,
            say=str,
            **fields,
        )
        step, pushes = push_while(work, team, ours, theirs)
        check(pushes, may_be_gone=verb == undo.DELETE)
        assert step.said == str(COUNT)
        return step

    def take_back(step: undo.UndoStep) -> None:
        work = functools.partial(undo.undo_step, step=step)
        undone, pushes = push_while(work, team, ours, theirs)
        check(pushes, may_be_gone=step.verb == undo.DELETE)
        assert undone.count == COUNT

    def check(pushes: Pushes, *, may_be_gone: bool) -> None:
        assert pushes.refused == 0
        assert pushes.theirs
        assert None not in pushes.theirs
        assert may_be_gone or None not in pushes.ours

    step = change(undo.PAUSE)
    assert states(team) == {"paused"}
    take_back(step)
    assert "paused" not in states(team)
    step = change(undo.LABEL, key="env", value="test")
    take_back(step)
    with scopes_disabled():
        assert not Monitor.objects.filter(team=team).exclude(labels={"env": "prod"}).exists()
    step = change(undo.DELETE)
    assert states(team) == set()
    take_back(step)
    with scopes_disabled():
        assert Monitor.objects.filter(team=team).count() == COUNT

    lines = "\n".join(f"m{n},env=seen" for n in range(1_000))
    look = functools.partial(plan_import, team=team, text=f"name,labels\n{lines}")
    plan, pushes = push_while(look, team, ours, theirs)
    assert plan.count("updated") == 1_000
    check(pushes, may_be_gone=False)

    edits = [(monitor, {"silent_after": 200 + n}) for n, monitor in enumerate(ours[:1_000])]
    edit = functools.partial(update_monitors, team=team, changes=edits)
    _, pushes = push_while(edit, team, ours, theirs)
    check(pushes, may_be_gone=False)
