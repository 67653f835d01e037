"""Tables for people, JSON for programs, and a bar where a terminal waits."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from tocsin.problems import explain_warning, plain

SHAPES = {
    "up": ("●", "green"),
    "late": ("◐", "yellow"),
    "down": ("■!", "red"),
    "pending": ("◌", "bright_black"),
    "paused": ("‖", "bright_black"),
    "open": ("■!", "red"),
    "acknowledged": ("◐", "yellow"),
    "resolved": ("●", "green"),
}
MARKS = {
    "created": ("+", "green"),
    "updated": ("~", "yellow"),
    "deleted": ("-", "red"),
    "unchanged": ("=", "bright_black"),
}


def length(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    left, parts = round(seconds), []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def ago(at: str | None) -> str:
    """Return a time of the API relative to now."""
    if not at:
        return "—"
    past = (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()
    if abs(past) < 1:
        return "now"
    return f"{length(round(past))} ago" if past > 0 else f"in {length(round(-past))}"


def print_json(value: Any) -> None:
    """Print a value for programs."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _console() -> Any:
    from rich.console import Console

    # What goes into a pipe is cut at no width.
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 10_000)


def styled(value: object, styles: dict[str, tuple[str, str]]) -> Any:
    """Return a word with its shape and colour, if it has them."""
    from rich.text import Text

    word = plain(value, most=2000)
    shape, style = styles.get(word, ("", ""))
    return Text(f"{shape} {word}".strip(), style=style)


def print_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows below their heads; a state has its shape."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(head, no_wrap=head in ("State", "Id"), overflow="fold")
    for row in rows:
        cells = zip(heads, row, strict=True)
        table.add_row(*(_cell(value, state=head == "State") for head, value in cells))
    console = _console()
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def _cell(value: object, *, state: bool) -> Any:
    if value in (None, ""):
        value = "—"
    return styled(value, SHAPES if state else {})


def print_fields(thing: dict[str, Any]) -> None:
    """Print one thing, a field on each line; a time also relative to now."""
    rows = []
    for name, value in thing.items():
        if isinstance(value, dict | list):
            value = json.dumps(value, ensure_ascii=False) if value else None
        elif isinstance(value, bool):
            value = "yes" if value else "no"
        elif name.endswith("_at") and value:
            value = f"{value} ({ago(value)})"
        elif name == "state":
            value = styled(value, SHAPES).plain
        rows.append((name, value))
    print_table(("Field", "Value"), rows)


_showing = False


@contextlib.contextmanager
def progress(text: str, total: int | None = None) -> Iterator[Callable[[str], None]]:
    """Show on a terminal's stderr that something goes on; yields what tells of each step.

    Within another one it shows nothing: that one is the whole of which this is a part.
    """
    global _showing
    if _showing or not sys.stderr.isatty():
        yield lambda said: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    words = TextColumn("{task.description}", markup=False)
    bar = (BarColumn(complete_style="blue"),) if total else ()
    columns = (SpinnerColumn(style="blue"), words, *bar, TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task, _showing = shown.add_task(text, total=total), True
        try:
            yield lambda said: shown.update(task, advance=1, description=plain(f"{text}: {said}"))
        finally:
            _showing = False


def veil(monitor: dict[str, Any], *, reveal: bool) -> dict[str, Any]:
    """Return a monitor without what would let others push, unless that is asked for."""
    hidden = () if reveal else ("slug", "push_url", "token")
    return {name: value for name, value in monitor.items() if name not in hidden}


def print_changes(applied: dict[str, Any], *, dry_run: bool) -> None:
    """Print what was, or would be, done to each thing; of what stays only the number."""
    from rich.text import Text

    console, counts = _console(), dict.fromkeys(MARKS, 0)
    for result in applied["results"]:
        action = result["action"]
        counts[action] = counts.get(action, 0) + 1
        if action == "unchanged":
            continue
        mark, style = MARKS.get(action, ("?", ""))
        name = "/".join(plain(p) for p in (result.get("namespace"), result["name"]) if p)
        console.print(Text(f"{mark} {plain(result['kind'])} {name}", style=style), soft_wrap=True)
        for change in result.get("changes") or [] if action == "updated" else []:
            before, after = (
                plain(json.dumps(change[side], ensure_ascii=False), most=300)
                for side in ("from", "to")
            )
            console.print(Text(f"    {plain(change['field'])}: {before} → {after}"), soft_wrap=True)
    said = ", ".join(f"{count} {action}" for action, count in counts.items() if count)
    console.print(Text(f"{'Would be' if dry_run else 'Done'}: {said or 'nothing'}."))
    for warning in applied.get("warnings") or []:
        click.echo(f"tocsin: warning: {explain_warning(warning)}", err=True)


def print_incident(incident: dict[str, Any], *, as_json: bool) -> None:
    """Print an incident and what happened to it."""
    if as_json:
        print_json(incident)
        return
    timeline = incident.pop("timeline", [])
    incident["notifications"] = len(incident.get("notifications") or [])
    print_fields(incident)
    click.echo()
    rows = [(e["at"], e["kind"], e["actor"], e["text"]) for e in timeline]
    print_table(("At", "Event", "Who", "What"), rows)
