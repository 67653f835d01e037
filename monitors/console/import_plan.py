"""Reading a CSV file of monitors, and making what it says: all of it, or nothing.

The first line names the columns, in any order. Each further line is checked by the form that makes
one monitor, so that no rule is said twice. A line whose namespace and name exist changes that
monitor: columns that are not there, and cells that are empty, leave it as it is.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django_scopes import scopes_disabled

from accounts.keys import hash_token
from accounts.models import Namespace, Team
from accounts.teams import NameTaken, claim_namespace
from monitors.bulk import create_monitors, update_monitors
from monitors.console.forms import MonitorForm, initial_of
from monitors.models import Monitor
from monitors.services import QuotaExceeded, new_token, require_quota
from monitors.waiting import busy_if_waited

MOST_LINES = 1_000
MOST_CHARACTERS = 1_000_000
COLUMNS = (
    "name",
    "namespace",
    "description",
    "interval",
    "silent_after",
    "grace",
    "cron",
    "cron_timezone",
    "failures_to_open",
    "passes_to_close",
    "latency_limit_ms",
    "severity",
    "labels",
    "runbook_url",
    "require_token",
    "arm_on_create",
)
# What our own files say beside: it is not for anybody to choose.
_PASSED_OVER = ("id", "slug", "push_url", "token", "state")
_YES, _NO = ("true", "yes", "on", "1", "x"), ("false", "no", "off", "0")
_DEFAULTS = {"interval": "60", "failures_to_open": "1", "passes_to_close": "1"}
CREATED, UPDATED, UNCHANGED, PROBLEM = "created", "updated", "unchanged", "problem"


@dataclass(slots=True)
class Line:
    """One monitor of the file: what becomes of it, or what is wrong with it."""

    number: int
    namespace: str
    name: str
    action: str = CREATED
    problems: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    monitor: Monitor | None = None


@dataclass(slots=True)
class Plan:
    """What a file would do. `problems` are those of the file as a whole."""

    lines: list[Line] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether all of it can be done."""
        return bool(self.lines) and not self.problems and not self.count(PROBLEM)

    def count(self, action: str) -> int:
        """Return how many lines have this outcome."""
        return sum(line.action == action for line in self.lines)

    @property
    def problem_count(self) -> int:
        """How many lines are wrong."""
        return self.count(PROBLEM)

    @property
    def digest(self) -> str:
        """What tells this plan from another: the same text may mean something else later."""
        said = [(line.namespace, line.name, line.action, line.values) for line in self.lines]
        return hashlib.sha256(json.dumps(said, default=str).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Made:
    """A monitor that was created, with its token, which is known this once."""

    monitor: Monitor
    token: str


def plan_import(*, team: Team, text: str) -> Plan:
    """Return what the file would do, having tried to create and taken it back.

    What exists is left alone: pushes would wait for the locks. Raises DuplicateName, Busy.
    """
    plan = _read_plan(team, text)
    if plan.is_good:
        with busy_if_waited(), transaction.atomic():
            _create(team, plan)
            transaction.set_rollback(True)
    return plan


def apply_import(*, team: Team, plan: Plan) -> list[Made]:
    """Do what a plan says and return what was created; nothing if a line has a problem by then.

    Raises DuplicateName, Busy.
    """
    with busy_if_waited(), transaction.atomic():
        made = _create(team, plan)
        if not plan.is_good:
            transaction.set_rollback(True)
            return []
        changes = [
            (line.monitor, line.values)
            for line in plan.lines
            if line.action == UPDATED and line.monitor is not None
        ]
        if changes:
            update_monitors(team=team, changes=changes)
    return made


def _create(team: Team, plan: Plan) -> list[Made]:
    """Create what is new; a line that cannot be done, or the plan, has a problem then."""
    spaces: dict[str, Namespace] = {}
    new = [line for line in plan.lines if line.action == CREATED]
    try:
        require_quota(team, len(new))  # the team's lock goes before all others
    except QuotaExceeded as error:
        _refuse_quota(plan, error)
        return []
    for name in sorted({line.namespace for line in new}):  # one order: no two can block each other
        try:
            spaces[name] = claim_namespace(team=team, name=name)
        except NameTaken:
            for line in new:
                if line.namespace == name:
                    said = _("namespace: “%s” is another team's. Choose another one.")
                    _refuse(line, said % name)
    if plan.count(PROBLEM):
        return []
    tokens = [new_token() for _line in new]
    try:
        monitors = create_monitors(
            team=team,
            monitors=[(spaces[line.namespace], line.values) for line in new],
            token_hashes=[hash_token(token) for token in tokens],
        )
    except QuotaExceeded as error:
        _refuse_quota(plan, error)
        return []
    return [Made(monitor, token) for monitor, token in zip(monitors, tokens, strict=True)]


def _read_plan(team: Team, text: str) -> Plan:
    plan = Plan()
    try:
        rows = list(_read_rows(text, plan))
    except csv.Error as error:
        plan.problems.append(_("This is not CSV: %s.") % error)
        return plan
    if plan.problems:
        return plan
    if not rows:
        plan.problems.append(_("There is no monitor below the line that names the columns."))
        return plan
    there = _present(team, rows)
    seen: dict[tuple[str, str], int] = {}
    for number, cells, problem in rows:
        space, name = cells.get("namespace") or team.slug, cells.get("name", "")
        line = Line(number, space, name)
        plan.lines.append(line)
        if problem:
            _refuse(line, problem)
            continue
        _check(line, cells, there.get((space, name)))
        first = seen.setdefault((space, name), number)
        if first != number:
            _refuse(line, _("name: line %s has the same name.") % first)
    return plan


def _read_rows(text: str, plan: Plan) -> Iterator[tuple[int, dict[str, str], str]]:
    """Yield (number of the line, cells by column, what is wrong with its shape)."""
    if len(text) > MOST_CHARACTERS:
        plan.problems.append(_("The file is too large. Import at most 1,000 monitors at once."))
        return
    if "\0" in text or len(text.encode(errors="ignore").decode()) != len(text):
        plan.problems.append(_("The file has a character that cannot be stored. Save it as UTF-8."))
        return
    text = text.removeprefix("\ufeff").lstrip("\r\n")
    head = text.partition("\n")[0]
    delimiter = max((",", ";", "\t"), key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names = [name.strip().lower() for name in next(reader, [])]
    _check_columns(names, plan)
    if plan.problems:
        return
    start, count = reader.line_num + 1, 0
    for row in reader:
        number, start = start, reader.line_num + 1
        if not any(cell.strip() for cell in row):
            continue
        count += 1
        if count > MOST_LINES:
            plan.problems.append(_("There are more than 1,000 monitors. Import them in parts."))
            return
        cells = {name: cell.strip() for name, cell in zip(names, row, strict=False)}
        wrong = ""
        if len(row) > len(names):
            said = _("The line has %(cells)s cells, and there are %(columns)s columns.")
            wrong = said % {"cells": len(row), "columns": len(names)}
        yield number, cells, wrong


def _check_columns(names: list[str], plan: Plan) -> None:
    if "name" not in names:
        plan.problems.append(
            _("Line 1 must name the columns, “name” among them: name,interval,labels.")
        )
        return
    for name in dict.fromkeys(names):
        if name not in COLUMNS and name not in _PASSED_OVER:
            said = _("Line 1: there is no column “%(name)s”. Known are: %(known)s.")
            plan.problems.append(said % {"name": name[:60], "known": ", ".join(COLUMNS)})
        elif names.count(name) > 1:
            plan.problems.append(_("Line 1: the column “%s” is there twice.") % name[:60])


def _present(
    team: Team, rows: list[tuple[int, dict[str, str], str]]
) -> dict[tuple[str, str], Monitor]:
    names = {cells.get("name", "") for _number, cells, _wrong in rows}
    spaces = {cells.get("namespace") or team.slug for _number, cells, _wrong in rows}
    with scopes_disabled():
        found = Monitor.objects.filter(team=team, name__in=names, namespace__name__in=spaces)
        return {(row.namespace.name, row.name): row for row in found.select_related("namespace")}


def _check(line: Line, cells: Mapping[str, str], monitor: Monitor | None) -> None:
    """Read a line by the form of one monitor, and note what becomes of it."""
    data = _as_typed(initial_of(monitor)) if monitor else dict(_DEFAULTS)
    for name in COLUMNS:
        if value := cells.get(name, ""):
            data[name] = value
    data["namespace"] = line.namespace
    data.setdefault("severity", "critical")
    if "\n" not in data.get("labels", ""):
        data["labels"] = data.get("labels", "").replace(";", "\n")
    for name in ("require_token", "arm_on_create"):
        value = data.get(name, "").lower()
        if value and value not in _YES + _NO:
            _refuse(line, _("%(column)s: write true or false.") % {"column": name})
        data[name] = "on" if value in _YES else ""
    form = MonitorForm({name: value for name, value in data.items() if value})
    for name, errors in form.errors.items():
        column = "" if name == "__all__" else f"{name}: "
        _refuse(line, column + " ".join(str(error) for error in errors))
    if line.problems:
        return
    values = form.values()
    values.pop("namespace", None)
    line.values, line.monitor = values, monitor
    if monitor is not None:
        line.values = {k: v for k, v in values.items() if getattr(monitor, k) != v}
        line.changed = sorted(line.values)
        line.action = UPDATED if line.values else UNCHANGED


def _as_typed(initial: Mapping[str, Any]) -> dict[str, str]:
    """Return a monitor's settings as somebody would type them."""
    plain = {True: "true", False: "", None: ""}
    return {
        name: plain[value] if value is None or isinstance(value, bool) else str(value)
        for name, value in initial.items()
    }


def _refuse_quota(plan: Plan, error: QuotaExceeded) -> None:
    said = _("Your plan allows %(quota)s monitors, and with these it would be more.")
    plan.problems.append(said % {"quota": f"{error.quota:,}"})


def _refuse(line: Line, problem: str) -> None:
    line.action = PROBLEM
    line.problems.append(problem)
