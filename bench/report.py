"""From figures to the table on the terminal and the page docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bench.alarms import Cost, total_cost

Rows = Sequence[Sequence[str]]
TURNS = ("opened", "resolved")


def write_table(figures: dict[str, Any]) -> str:
    """Return what was owed and what was measured, as plain text."""
    rows = [("measured", "figure", "owed", ""), *owed_rows(figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def owed_rows(figures: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield each promise with its figure: what, how much, what is owed, and whether it is met."""
    if "pushes" in figures:
        lane, *_, empty, empty_asgi = figures["pushes"]
        form, drf = figures["pushes"][2:4]
        rate = lane["per_second"]
        yield _owed("durable pushes per second, one process", rate, ">=", 7000, "{:,.0f}/s")
        yield _owed("p99 of a push, 32 connections", lane["p99_ms"], "<", 20, "{:.1f} ms")
        for name, other in (("DRF, JSON", drf), ("DRF, form", form)):
            ratio = rate / other["per_second"]
            yield _owed(f"lane to {name}", ratio, ">=", 6, "{:.1f} x")
        for name, other in (("", empty), (", gunicorn's worker", empty_asgi)):
            yield (
                f"lane to an empty answer{name}",
                f"{rate / other['per_second']:.2f} x of {other['per_second']:,.0f}/s",
                "",
                "",
            )
        yield _owed("steady pushes updated HOT", lane["hot"] * 100, ">=", 99, "{:.2f} %")
    if "pages" in figures:
        yield from _owed_pages(figures["pages"])
    if "console" in figures:
        yield from _owed_console(figures["console"])
    for engine in figures.get("engine", ()):
        yield from _owed_engine(engine)
    if "on_call" in figures:
        yield from _owed_on_call(figures["on_call"])


def _owed_on_call(outage: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    size = f"{outage['monitors']:,} silent, one on call"
    yield _owed(f"all incidents open, {size}", outage["all_open_seconds"], "<=", 10, "{:.1f} s")
    yield _owed(
        f"messages to one contact in a minute, {size}",
        outage["most_in_a_minute"],
        "<=",
        1,
        "{:.0f}",
    )
    slowest = max(
        (max(other["webhook_seconds"], other["mail_seconds"]) for other in outage["others"]),
        default=float("inf"),
    )
    yield _owed(f"another team's page meanwhile, {size}", slowest, "<=", 10, "{:.1f} s")
    told = min(outage[turn][count] for turn in TURNS for count in ("told", "delivered"))
    right = all(outage[turn]["subjects_right"] for turn in TURNS)
    yield (
        f"told in digests, {size}",
        f"{told:,}",
        f">= {outage['monitors']:,}",
        "met" if told == outage["monitors"] and right else "NOT MET",
    )


def _owed_pages(readings: list[dict[str, Any]]) -> Iterator[tuple[str, str, str, str]]:
    by_name = {reading["name"]: reading for reading in readings}
    *_, empty = readings
    for name in ("page", "summary.json"):
        ratio = by_name[name]["per_second"] / empty["per_second"]
        yield _owed(f"status {name} to an empty answer", ratio, ">=", 0.5, "{:.2f} x")
        faster = by_name[f"{name}, 304"]["per_second"] / by_name[name]["per_second"]
        yield _owed(f"status {name}, 304 to 200", faster, ">=", 1, "{:.2f} x")
    size = by_name["page"]["body_bytes"]
    yield _owed("status page of 50 components, gzipped", size / 1000, "<", 60, "{:.1f} kB")


def _owed_console(console: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    size = f"{console['monitors']:,} monitors, {console['results'] / 1e6:.1f}M results"
    for page in console["pages"]:
        name = f"console, {page['name']}"
        yield _owed(f"{name}, {size}", page["p50_ms"], "<", 300, "{:.0f} ms")
        yield f"{name}, to the smallest page", f"{page['times_smallest']:.1f} x", "", ""
        yield _owed(
            f"{name}, as sent before gzip", page["body_bytes"] / 1000, "<", 250, "{:.0f} kB"
        )


def _owed_engine(engine: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    size = f"{engine['monitors']:,} monitors"
    for run in engine["steady"]:
        yield _owed(
            f"due to incident p99, {size}, 60/{run['window_seconds']}, {run['silent']:,} silent",
            run["lag_p99_seconds"],
            "<=",
            2,
            "{:.2f} s",
        )
    for outage in engine["outages"]:
        total = outage["sweep_seconds"] + outage["advance_seconds"]
        label = f"{outage['due']:,} due at once, {size}"
        if outage["due"] == 10_000:
            yield _owed(label, total, "<", 3, "{:.2f} s")
        else:
            yield label, f"{total:.1f} s", "", ""


def _owed(
    name: str, value: float, relation: str, limit: float, form: str
) -> tuple[str, str, str, str]:
    met = {">=": value >= limit, "<": value < limit, "<=": value <= limit}[relation]
    said = form.format(limit).replace(".00", "").replace(".0 ", " ")
    return name, form.format(value), f"{relation} {said}", "met" if met else "NOT MET"


def write_page(figures: dict[str, Any]) -> str:
    """Return the page about performance, every figure out of this run."""
    parts = [
        _INTRODUCTION.format(command=figures["command"], taken_at=figures["taken_at"]),
        _table(("", ""), [(name, value) for name, value in figures["facts"].items()]),
        "## What is owed, and what was measured\n",
        _table(("measured", "figure", "owed", ""), list(owed_rows(figures))),
    ]
    if "pushes" in figures:
        parts += [_PUSHES, _table(_PUSH_HEAD, [_push_row(w, figures) for w in figures["pushes"]])]
    if "statement" in figures:
        parts += [_STATEMENT, _table(("in a batch", "rows/s", "per batch"), _batch_rows(figures))]
    if "alarms" in figures:
        parts += _alarm_parts([Cost(**cost) for cost in figures["alarms"]])
    if "pages" in figures:
        parts += [_PAGES, _table(_PAGE_HEAD, _page_rows(figures["pages"]))]
    if "console" in figures:
        parts += [_CONSOLE.format(**figures["console"])]
        parts += [_table(_LOOK_HEAD, _look_rows(figures["console"]["pages"]))]
    if any(engine["steady"] for engine in figures.get("engine", ())):
        parts += [_STEADY, _table(_STEADY_HEAD, _steady_rows(figures)), _rearm_text(figures)]
    if any(engine["outages"] for engine in figures.get("engine", ())):
        parts += [_OUTAGES, _table(_OUTAGE_HEAD, _outage_rows(figures))]
    if "on_call" in figures:
        outage = figures["on_call"]
        parts += [_ON_CALL.format(**outage), _table(("", ""), _on_call_rows(outage))]
        parts += [_table(_TURN_HEAD, [_turn_row(turn, outage) for turn in TURNS])]
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Rows) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)]) + "\n"


_INTRODUCTION = """# Performance

Written by `{command}` ({taken_at}); do not edit. Each figure is from that one run, on
servers of its own with every commit on disk. Clients, web processes and PostgreSQL share the
machine's cores. The machine's mood changes figures by a third, ratios by far less: compare ratios.
"""

_PUSHES = """## Pushes over HTTP

`python -m bench --only pushes`. 32 connections push to 2,000 of the monitors as fast as they
are answered; each way takes its turn and the medians are shown. Every answer but the empty ones was
found in the database afterwards.
"""
_PUSH_HEAD = ("way", "answers/s", "p50", "p99", "of the lane", "answered", "stored", "HOT")


def _push_row(way: dict[str, Any], figures: dict[str, Any]) -> tuple[str, ...]:
    ratio = way["per_second"] / figures["pushes"][0]["per_second"]
    stored, hot = way["stored"], way["hot"]
    return (
        way["name"],
        f"{way['per_second']:,.0f}",
        f"{way['p50_ms']:.1f} ms",
        f"{way['p99_ms']:.1f} ms",
        f"{ratio:.2f}",
        f"{way['answers']:,}",
        "" if stored is None else f"{stored:,}",
        "" if hot is None else f"{hot:.2%}",
    )


_STATEMENT = """## The recorder's statement alone

`python -m bench --only statement`. One session, one batch after the other, each committed.
"""


def _batch_rows(figures: dict[str, Any]) -> Rows:
    return [
        (str(b["size"]), f"{b['rows_per_second']:,.0f}", f"{b['milliseconds']:.2f} ms")
        for b in figures["statement"]
    ]


_ALARMS = """## The lazy alarm, and a deadline that every push moves

`python -m bench --only alarms`. The sweep needs to know when to look at a monitor. `check_at` is
lazy: pushes leave it alone, and the sweep sets it anew when it rings too early. The other way is an
indexed deadline that each push moves: no re-arms, but no update within its page either. In batches
of 64, on copies of the table that took turns:
"""
_COST_HEAD = ("", "time", "VACUUM later", "log", "HOT", "indexes grew to")
_TOTAL_HEAD = ("all in all, per push", "lazy alarm", "indexed deadline")


def _alarm_parts(costs: list[Cost]) -> list[str]:
    rows = [
        (
            cost.name,
            f"{cost.microseconds:.1f} µs",
            f"{cost.vacuum_microseconds:.1f} µs",
            f"{cost.wal_bytes:.0f} bytes",
            f"{cost.hot:.0%}",
            f"{cost.index_growth:.2f} x",
        )
        for cost in costs
    ]
    totals = []
    for window, share in ((90, 1.0), (300, 0.2)):
        both = total_cost(costs, rearms_per_push=share)
        said = [f"{c['microseconds']:.1f} µs, {c['wal_bytes']:.0f} bytes" for c in both.values()]
        totals.append((f"cadence 60, window {window}: {share:g} re-arms per push", *said))
    return [_ALARMS, _table(_COST_HEAD, rows), _table(_TOTAL_HEAD, totals)]


_PAGES = """## Status pages over HTTP

`python -m bench --only pages`. A page of 50 components with 90 days and twelve posts, read gzipped
on 32 connections as fast as it is answered; each way takes its turn and the medians are shown.
"""
_PAGE_HEAD = ("way", "answers/s", "p50", "p99", "of the empty answer", "answered", "bytes")


def _page_rows(readings: list[dict[str, Any]]) -> Rows:
    empty = readings[-1]["per_second"]
    return [
        (
            reading["name"],
            f"{reading['per_second']:,.0f}",
            f"{reading['p50_ms']:.1f} ms",
            f"{reading['p99_ms']:.1f} ms",
            f"{reading['per_second'] / empty:.2f}",
            f"{reading['answers']:,}",
            f"{reading['body_bytes']:,}",
        )
        for reading in readings
    ]


_CONSOLE = """## The console of a large team

`python -m bench --only console`. {monitors:,} monitors with {results:,} results of the last day,
{busy} of which push every second. One person asks for one page after the other; the time is that of
the whole answer over loopback. The smallest page is a form that shows none of it.
"""
_LOOK_HEAD = ("page", "p50", "most", "of the smallest", "bytes")


def _look_rows(pages: list[dict[str, Any]]) -> Rows:
    return [
        (
            page["name"],
            f"{page['p50_ms']:.0f} ms",
            f"{page['most_ms']:.0f} ms",
            f"{page['times_smallest']:.1f} x",
            f"{page['body_bytes']:,}",
        )
        for page in pages
    ]


_STEADY = """## Silence, beside steady pushing

`python -m bench --only sweep` (with `--large` for a million). Every monitor pushes once a minute,
by another process and the recorder's statement, while the engine's real rounds run once a second.
Some monitors stop and fall due evenly over half a minute: few, as probes, or ten thousand. The lag
runs from the due time to the commit of the incident with its messages. At a million monitors the
pushes move heartbeats only, since whole ones would take this machine by themselves.
"""
_STEADY_HEAD = (
    "monitors",
    "cadence/window",
    "fell silent",
    "pushes/s",
    "re-arms/s needed",
    "re-arms/s made",
    "due to incident p50",
    "p99",
    "most",
    "longest round",
)


def _steady_rows(figures: dict[str, Any]) -> Rows:
    return [
        (
            f"{run['monitors']:,}",
            f"60/{run['window_seconds']}",
            f"{run['incidents']:,}",
            f"{run['pushes_per_second']:,.0f}",
            f"{run['rearms_needed']:,.0f}",
            f"{run['rearms_per_second']:,.0f}",
            f"{run['lag_p50_seconds']:.2f} s",
            f"{run['lag_p99_seconds']:.2f} s",
            f"{run['lag_most_seconds']:.2f} s",
            f"{run['longest_round_seconds']:.2f} s",
        )
        for engine in figures["engine"]
        for run in engine["steady"]
    ]


def _rearm_text(figures: dict[str, Any]) -> str:
    lines = [
        f"With {engine['monitors']:,} monitors and nothing else to do, the sweep sets "
        f"{engine['rearms']:,.0f} alarms a second anew; {engine['rearms_after_gap']:,.0f} in the "
        "minutes after a restart, when windows overlap a listening gap and Python works them out.\n"
        for engine in figures["engine"]
        if "rearms" in engine
    ]
    return "\n".join(lines)


_OUTAGES = """## Many at once

`python -m bench --only outages`. So many monitors, of a hundred teams, fall due in one moment; then
all of them pass again in one moment.
"""
_OUTAGE_HEAD = ("monitors", "at once", "sweep", "incidents and messages", "in all", "recovery")


def _outage_rows(figures: dict[str, Any]) -> Rows:
    return [
        (
            f"{outage['monitors']:,}",
            f"{outage['due']:,}",
            f"{outage['sweep_seconds']:.2f} s",
            f"{outage['advance_seconds']:.2f} s",
            f"{outage['sweep_seconds'] + outage['advance_seconds']:.2f} s",
            f"{outage['recovery_seconds']:.2f} s",
        )
        for engine in figures["engine"]
        for outage in engine["outages"]
    ]


_ON_CALL = """## Many at once, and one person on call

`python -m bench --only on-call`, on a whole installation by `make up`. {monitors:,} monitors of one
team fall due in one moment; a rotation of one person is paged for each, by mail. Monitors of
another team fail by pushes meanwhile and page a webhook and a mail address. Then all pass again.
Messages are counted by the times of their mail files, which lie some tenths of a second after the
claim that keeps the pace: a minute is 59 s here.
"""
_TURN_HEAD = (
    "turn",
    "first message",
    "messages by minute",
    "least apart",
    "told of",
    "all delivered after",
)


def _on_call_rows(outage: dict[str, Any]) -> Rows:
    rows = [
        ("load before", f"{outage['load_before']:.2f}"),
        ("first incident open", f"{outage['first_open_seconds']:.1f} s"),
        ("half of them open", f"{outage['half_open_seconds']:.1f} s"),
        ("all open", f"{outage['all_open_seconds']:.1f} s"),
        ("all resolved", f"{outage['all_resolved_seconds']:.1f} s"),
        ("most messages to the person in a minute", str(outage["most_in_a_minute"])),
        ("listening gaps", str(outage["listening_gaps"])),
    ]
    for other in outage["others"]:
        label = f"another team's page, {other['after_seconds']:g} s after the outage"
        both = f"{other['webhook_seconds']:.1f} s by webhook, {other['mail_seconds']:.1f} s by mail"
        rows.append((label, both))
    return rows


def _turn_row(turn: str, outage: dict[str, Any]) -> tuple[str, ...]:
    paging = outage[turn]
    return (
        turn,
        f"{paging['first_seconds']:.1f} s",
        ", ".join(str(count) for count in paging["per_minute"]),
        f"{paging['least_apart_seconds']:.1f} s",
        f"{paging['told']:,}",
        f"{paging['all_seconds']:.1f} s",
    )
