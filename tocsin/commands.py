"""Every command; `tocsin --help` says what they do."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

import click

from tocsin import __version__
from tocsin.client import Server
from tocsin.delivery import Delivery, read_target
from tocsin.documents import join_documents
from tocsin.jobs import MOST_MESSAGE, Job
from tocsin.options import (
    FILE_OPTION,
    JSON_OPTION,
    LABEL_OPTION,
    PRUNE_OPTION,
    REVEAL_OPTION,
    TARGET_OPTIONS,
    Duration,
    needs_server,
    options,
    read_secret,
    secret_options,
)
from tocsin.problems import Commands, Refused, RefusedToCompare, Unreachable, plain
from tocsin.showing import (
    ago,
    print_changes,
    print_fields,
    print_incident,
    print_json,
    print_table,
    progress,
    veil,
)
from tocsin.streams import fill_streams, read_input

APPLY_SECONDS = 600
MOST_LATENCY_MS = 1e9
MOST_ACTED = 1000
EXIT_CODES = """\b
Exit codes:
  0  done
  1  refused: the answer says why
  2  used wrongly, or a setting is missing
  3  the server cannot be reached, or cannot do it now
`diff` ends with 1 where something differs, `exec` as its command does."""


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)
@click.version_option(__version__, message="tocsin %(version)s")
def main() -> None:
    """Push results, and see and change what a team has in Tocsin.

    Set TOCSIN_URL and TOCSIN_API_KEY first. `push` and `exec` need no API key: a monitor's slug,
    in TOCSIN_SLUG, is enough.
    """
    fill_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a shape shows the word


@main.command(short_help="Make things as documents say.")
@FILE_OPTION
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@PRUNE_OPTION
@JSON_OPTION
@needs_server
def apply(
    server: Server, files: Sequence[IO[bytes]], dry_run: bool, prune: bool, as_json: bool
) -> None:
    """Make the team's things as documents say: all of them, or none if anything is wrong."""
    applied = send_documents(server, files, dry_run=dry_run, prune=prune)
    if as_json:
        print_json(applied)
    else:
        print_changes(applied, dry_run=dry_run)


@main.command(short_help="Show what an apply would change.")
@FILE_OPTION
@PRUNE_OPTION
@JSON_OPTION
@needs_server
def diff(server: Server, files: Sequence[IO[bytes]], prune: bool, as_json: bool) -> None:
    """Show what an apply would change.

    Ends with 0 where nothing would, 1 where something would, 2 where the documents are refused.
    """
    try:
        applied = send_documents(server, files, dry_run=True, prune=prune)
    except Unreachable:
        raise
    except Refused as error:
        raise RefusedToCompare(error.message) from None
    if as_json:
        print_json(applied)
    else:
        print_changes(applied, dry_run=True)
    sys.exit(any(result["action"] != "unchanged" for result in applied["results"]))


def send_documents(
    server: Server, files: Sequence[IO[bytes]], *, dry_run: bool, prune: bool
) -> Any:
    """Return what the server made of documents. Raises Refused and Unreachable."""
    bodies = [file.read() for file in files]
    for file, body in zip(files, bodies, strict=True):
        if prune and not body.strip():  # a generator that failed, at the other end of a pipe
            what = "that was ever applied" if len(files) == 1 else f"of {plain(file.name)}"
            raise Refused(f"there are no documents: --prune would delete all {what}")
    body, kind = join_documents(bodies)
    wanted = {"dry_run": dry_run, "prune": prune}
    with progress("Comparing" if dry_run else "Applying"):
        return server.read(
            "POST",
            "apply",
            data=body,
            params={name: "true" for name, asked in wanted.items() if asked},
            headers={"Content-Type": kind},
            seconds=APPLY_SECONDS,
        )


@main.command(short_help="Write what the team has as documents.")
@click.option("--namespace", help="Only what lies in this namespace.")
@click.option("--kind", help="Only documents of this kind, as Monitor.")
@click.option("-o", "--output", default="-", type=click.Path(), help="A file instead of stdout.")
@JSON_OPTION
@needs_server
def export(server: Server, output: str, as_json: bool, **query: str | None) -> None:
    """Write what the team has as documents, which apply back as unchanged.

    Values of Secrets are not among them.
    """
    with progress("Exporting"):
        answer = server.ask(
            "GET",
            "export",
            params={name: value for name, value in query.items() if value},
            headers={"Accept": "application/json" if as_json else "application/yaml"},
            seconds=APPLY_SECONDS,
        )
    if output == "-":
        sys.stdout.buffer.write(answer.content)
        return
    try:
        # Whole or not at all; a device or a pipe stays what it is.
        whole = Path(output).is_file() or not Path(output).exists()
        with click.open_file(output, "wb", atomic=whole) as file:
            file.write(answer.content)
    except OSError as error:
        raise Refused(f"cannot write {plain(output)}: {error.strerror}") from None


@main.group()
def monitors() -> None:
    """See monitors, pause them and resume them."""


@monitors.command("list")
@click.option("--state", type=click.Choice(["up", "late", "down", "pending", "paused"]))
@click.option("--namespace", help="Only this namespace.")
@click.option("--search", help="Part of a name or description.")
@LABEL_OPTION
@REVEAL_OPTION
@JSON_OPTION
@needs_server
def list_monitors(
    server: Server, labels: dict[str, str], reveal: bool, as_json: bool, **query: str | None
) -> None:
    """List monitors."""
    label = [f"{key}:{value}" for key, value in labels.items()]
    found = [veil(m, reveal=reveal) for m in server.items("monitors", {**query, "label": label})]
    if as_json:
        print_json(found)
    elif not found:
        click.echo("No monitors found.")
    else:
        print_table(
            ["State", "Monitor", "Cause", "Last push", "Due", *(["Push URL"] if reveal else [])],
            [
                (
                    m["state"],
                    f"{m['namespace']}/{m['name']}",
                    m["cause"],
                    ago(m["last_push_at"]),
                    ago(m["due_at"]),
                    *([m["push_url"]] if reveal else []),
                )
                for m in found
            ],
        )


@monitors.command("show")
@click.argument("monitor")
@REVEAL_OPTION
@JSON_OPTION
@needs_server
def show_monitor(server: Server, monitor: str, reveal: bool, as_json: bool) -> None:
    """Show one monitor, by id, name or namespace/name."""
    shown = veil(server.monitor(monitor), reveal=reveal)
    (print_json if as_json else print_fields)(shown)


@monitors.command("pause")
@click.argument("names", metavar="MONITOR...", nargs=-1, required=True)
@JSON_OPTION
@needs_server
def pause_monitors(server: Server, names: tuple[str, ...], as_json: bool) -> None:
    """Stop judging monitors: their incidents resolve, their pushes are stored."""
    change_monitors(server, names, "pause", as_json=as_json)


@monitors.command("resume")
@click.argument("names", metavar="MONITOR...", nargs=-1, required=True)
@JSON_OPTION
@needs_server
def resume_monitors(server: Server, names: tuple[str, ...], as_json: bool) -> None:
    """Judge paused monitors again, their clocks restarted."""
    change_monitors(server, names, "resume", as_json=as_json)


def change_monitors(server: Server, names: Sequence[str], verb: str, *, as_json: bool) -> None:
    """Do one thing to several monitors; none is changed if any is unknown."""
    ids, shown = [], []
    with progress(verb.capitalize(), total=2 * len(names)) as step:
        for name in names:
            ids.append(server.monitor(name)["id"])
            step(f"found {name}")
        ids = list(dict.fromkeys(ids))
        for first in range(0, len(ids), MOST_ACTED):
            wanted = {"action": verb, "ids": ids[first : first + MOST_ACTED]}
            server.read("POST", "monitors/bulk-action", json=wanted)
        for each in ids:
            shown.append(veil(server.monitor(each), reveal=False))
            step(shown[-1]["name"])
    if as_json:
        print_json(shown)
    else:
        rows = [(m["state"], f"{m['namespace']}/{m['name']}") for m in shown]
        print_table(("State", "Monitor"), rows)


@main.group()
def incidents() -> None:
    """See incidents, and say who is on them.

    An INCIDENT is named by its id, or by its monitor, which has at most one that is not resolved.
    """


@incidents.command("list")
@click.option(
    "--state",
    type=click.Choice(["unresolved", "open", "acknowledged", "resolved", "all"]),
    default="unresolved",
    show_default=True,
)
@click.option("--monitor", help="Only this monitor's: its id, name or namespace/name.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@JSON_OPTION
@needs_server
def list_incidents(
    server: Server, state: str, monitor: str | None, limit: int, as_json: bool
) -> None:
    """List incidents, newest first."""
    of = server.monitor(monitor)["id"] if monitor else None
    several: dict[str, list[str | None]] = {"unresolved": ["open", "acknowledged"], "all": [None]}
    states = several.get(state, [state])
    found = [
        i
        for s in states
        for i in server.items("incidents", {"state": s, "monitor": of}, most=limit)
    ]
    found = sorted(found, key=lambda i: str(i["opened_at"]), reverse=True)[:limit]
    if as_json:
        print_json(found)
    elif not found:
        click.echo("No open incidents." if state in ("unresolved", "open") else "No incidents.")
    else:
        heads = ("State", "Monitor", "Severity", "Since", "Summary", "Acknowledged by", "Id")
        rows = [
            (
                i["state"],
                f"{i['namespace']}/{i['monitor_name']}",
                i["severity"],
                ago(i["down_since"]),
                i["summary"],
                i["acknowledged_by"],
                i["id"],
            )
            for i in found
        ]
        print_table(heads, rows)


@incidents.command("show")
@click.argument("incident")
@JSON_OPTION
@needs_server
def show_incident(server: Server, incident: str, as_json: bool) -> None:
    """Show one incident with its timeline."""
    print_incident(server.read("GET", f"incidents/{server.incident(incident)}"), as_json=as_json)


@incidents.command("ack")
@click.argument("incident")
@JSON_OPTION
@needs_server
def acknowledge(server: Server, incident: str, as_json: bool) -> None:
    """Say that somebody is on it: nobody else is paged."""
    act(server, incident, "acknowledge", None, as_json=as_json)


@incidents.command("resolve")
@click.argument("incident")
@JSON_OPTION
@needs_server
def resolve(server: Server, incident: str, as_json: bool) -> None:
    """End an incident by hand."""
    act(server, incident, "resolve", None, as_json=as_json)


@incidents.command("snooze")
@click.argument("incident")
@click.option("--for", "seconds", type=Duration(), required=True, help="As 90s, 15m, 2h or 1d.")
@JSON_OPTION
@needs_server
def snooze(server: Server, incident: str, seconds: float, as_json: bool) -> None:
    """Acknowledge for a time; if it lasts longer, paging starts anew."""
    act(server, incident, "snooze", {"seconds": round(seconds)}, as_json=as_json)


@incidents.command("note")
@click.argument("incident")
@click.argument("text")
@JSON_OPTION
@needs_server
def note(server: Server, incident: str, text: str, as_json: bool) -> None:
    """Add a note to the timeline; - reads it from standard input."""
    text = read_input(MOST_MESSAGE) if text == "-" else text
    act(server, incident, "notes", {"text": text}, as_json=as_json)


def act(server: Server, incident: str, verb: str, body: Any, *, as_json: bool) -> None:
    """Do one thing to an incident, and show it."""
    path = f"incidents/{server.incident(incident)}/{verb}"
    changed = server.read("POST", path, **({} if body is None else {"json": body}))
    print_incident(changed, as_json=as_json)


@main.command("on-call")
@click.option("--rotation", help="Only this rotation: its id or name.")
@click.option("--at", metavar="TIME", help="At this time instead of now: 2027-03-01T09:00Z.")
@JSON_OPTION
@needs_server
def on_call(server: Server, rotation: str | None, at: str | None, as_json: bool) -> None:
    """Tell who is on call."""
    if rotation:
        asked = [server.find("rotations", rotation, name=rotation)]
    else:
        asked = server.items("rotations")
    found = []
    with progress("Asking who is on call", total=len(asked)) as step:
        for each in asked:
            query = {"at": at} if at else {}
            shift = server.read("GET", f"rotations/{each['id']}/on-call", params=query)
            found.append({"rotation": each["name"], "id": each["id"], **shift})
            step(each["name"])
    if as_json:
        print_json(found)
    elif not found:
        click.echo("The team has no rotation.")
    else:
        heads = ("Rotation", "On call", "Since", "Until")
        rows = [(f["rotation"], f["member"] or "nobody", f["start"], f["end"]) for f in found]
        print_table(heads, rows)


GIVE_UP_OPTION = click.option(
    "--give-up-after",
    type=Duration(),
    default="15s",
    show_default=True,
    help="How long to try again where the server does not answer.",
)


@main.command(short_help="Push one result of a monitor.")
@click.argument("slug", required=False, envvar="TOCSIN_SLUG")
@click.option("--slug-file", envvar="TOCSIN_SLUG_FILE", show_envvar=True, metavar="FILE")
@TARGET_OPTIONS
@click.option("--status", type=click.Choice(["pass", "fail"]), default="pass", show_default=True)
@click.option("--latency-ms", type=click.FloatRange(0, MOST_LATENCY_MS))
@click.option("--message", help="What happened; - reads it from standard input.")
@LABEL_OPTION
@click.option("--idempotency-key", help="A repeat with the same one is stored once.")
@GIVE_UP_OPTION
@JSON_OPTION
def push(
    status: str,
    latency_ms: float | None,
    message: str | None,
    labels: dict[str, str],
    idempotency_key: str | None,
    give_up_after: float,
    as_json: bool,
    **where: str | None,
) -> None:
    """Push one result of a monitor: that of SLUG, or of --namespace and --name.

    SLUG may be the whole push URL; without it, TOCSIN_SLUG says which.
    """
    target = read_target(**where)
    receipt = read_secret(idempotency_key, None, "idempotency key") or ""
    if message == "-":
        message = read_input(MOST_MESSAGE)
    if message:
        message = message[: MOST_MESSAGE + 1]  # the server cuts it there, and marks it
    given = {"latency_ms": latency_ms, "message": message, "labels": labels or None}
    fields = {"status": status, **{k: v for k, v in given.items() if v is not None}}
    with progress("Pushing"):
        answer = Delivery(target, fields, seconds=give_up_after, receipt=receipt).wait()
    if as_json:
        print_json(answer)
    else:
        due = f" Next push due {ago(answer['due_at'])}." if answer["due_at"] else ""
        click.echo(plain(f"Stored: {answer['monitor']} is {answer['state']}.{due}"))


@main.command(
    "exec",
    context_settings={"allow_interspersed_args": False},
    short_help="Run a command, and push how it ended.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@options(*secret_options("slug", "monitor's slug, or its whole push URL"))
@TARGET_OPTIONS
@LABEL_OPTION
@click.option("--fail-only", is_flag=True, help="Push nothing when the command succeeds.")
@click.option(
    "--timeout", type=Duration(), help="End the command after this long: exit code 124, a fail."
)
@click.option(
    "--tail-bytes",
    type=click.IntRange(0, MOST_MESSAGE, clamp=True),
    default=2000,
    show_default=True,
    help="How much of the end of its output is sent. With 0 nothing is, and the command has our "
    "streams themselves, a terminal too.",
)
@GIVE_UP_OPTION
def execute(
    command: tuple[str, ...],
    labels: dict[str, str],
    fail_only: bool,
    timeout: float | None,
    tail_bytes: int,
    give_up_after: float,
    **where: str | None,
) -> NoReturn:
    """Run a command, and push pass or fail by its exit code.

    The push has the time it took and the end of its output. Input, output, signals and the exit
    code stay the command's own: 128 + n where signal n ended it. Whatever becomes of the push, the
    job does not fail by it: one line on stderr says so.

    \b
    In a crontab:
      TOCSIN_URL=https://tocsin.example.org
      TOCSIN_SLUG_FILE=/etc/tocsin/backup.slug
      15 3 * * *  tocsin exec --timeout 2h -- /usr/local/bin/backup --all
    """
    job = Job(command, tail_bytes=tail_bytes, timeout=timeout)
    job.run()
    if job.cannot_run:
        click.echo(f"tocsin: cannot run {plain(command[0])}: {job.cannot_run}", err=True)
    if job.code or not fail_only:
        fields: dict[str, Any] = {
            "status": "fail" if job.code else "pass",
            "latency_ms": min(round(job.seconds * 1000, 1), MOST_LATENCY_MS),
            "message": job.said(),
        }
        if labels:
            fields["labels"] = labels
        try:
            delivery = Delivery(read_target(**where), fields, seconds=give_up_after)
            job.release(delivery.hurry)
            delivery.wait()
        except click.ClickException as error:
            _complain(error.message)
        except Exception as error:  # noqa: BLE001 - the job does not fail because of the monitor
            _complain(type(error).__name__)
    sys.exit(job.code)


def _complain(text: str) -> None:
    with contextlib.suppress(OSError):
        click.echo(f"tocsin: the result was not pushed: {' '.join(text.split())}", err=True)
