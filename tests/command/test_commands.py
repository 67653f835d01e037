"""What the command shows and changes, for people and for programs."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
import uuid

import pytest

from incidents.lifecycle.lanes import advance
from tests.command.conftest import COMMAND, call, environment, results
from tests.console.personas import make_incident
from tests.factories import MonitorFactory, TeamFactory, make_key
from tests.monitors.pushing import slug_of
from tests.providers import Answer, Provider


def text(done):
    return done.stdout.decode()


def errors(done):
    return done.stderr.decode().splitlines()


@pytest.fixture
def monitor(site):
    return MonitorFactory(team=site.team, name="backup", labels={"env": "prod"})


@pytest.fixture
def incident(monitor):
    return make_incident(monitor)


# push


def test_a_push_by_slug(site, monitor):
    done = site(
        "push",
        slug_of(monitor),
        "--status",
        "fail",
        "--latency-ms",
        "12.5",
        "--message",
        "disk full",
        "--label",
        "host=db-1",
    )
    (result,) = results()
    assert (result.status, result.latency_ms, result.message, result.labels) == (
        "fail",
        12.5,
        "disk full",
        {"host": "db-1"},
    )
    assert text(done).startswith("Stored: backup is down.")


def test_a_push_by_the_whole_push_url_needs_no_other_address(site, monitor):
    done = call("push", "--json", TOCSIN_SLUG=f"{site.url}/api/push/{slug_of(monitor)}/results")
    assert done.returncode == 0
    assert json.loads(done.stdout)["id"] == str(results()[0].id)


def test_a_push_by_name_needs_the_monitors_token(site):
    made = site.made("guarded")
    by_name = ["push", "--namespace", "acme", "--name", "guarded"]
    done = site(*by_name, "--message", "-", given=b"line\nline\xff", TOCSIN_TOKEN=made["token"])
    assert results()[0].message == "line\nline\ufffd"
    assert made["token"] not in text(done)
    refused = site(*by_name, "--token", "wrong-token", expect=1)
    assert errors(refused) == ["tocsin: The token is missing or wrong."]
    assert b"--namespace, --name and a token" in site(*by_name, expect=2).stderr


def test_a_push_under_the_same_key_is_stored_once(site, monitor):
    first, second = (
        site("push", slug_of(monitor), "--idempotency-key", "run-7", "--json") for _ in range(2)
    )
    assert json.loads(first.stdout)["id"] == json.loads(second.stdout)["id"]
    assert len(results()) == 1


def test_a_long_message_is_cut_and_not_refused(site, monitor):
    site("push", slug_of(monitor), "--message", "-", given=("€" * 200_000).encode())
    assert len(results()[0].message) == 10_000


def test_a_push_that_is_refused_or_reaches_nobody_says_so(site):
    assert errors(site("push", "Abcdefghij12", expect=1)) == ["tocsin: No monitor has this slug."]
    done = call("push", "Abcdefghij12", "--give-up-after", "1s", "--url", "http://127.0.0.1:9")
    assert done.returncode == 3
    assert errors(done)[0].startswith("tocsin: cannot reach 127.0.0.1:9: connection refused")


# monitors


def test_monitors_are_listed_and_narrowed(site, monitor):
    MonitorFactory(team=site.team, name="other")
    listed = text(site("monitors", "list"))
    assert "acme/backup" in listed
    assert "acme/other" in listed
    assert "◌ pending" in listed
    narrowed = json.loads(site("monitors", "list", "--label", "env=prod", "--json").stdout)
    assert [each["name"] for each in narrowed] == ["backup"]
    assert "slug" not in narrowed[0]
    shown = json.loads(site("monitors", "list", "--search", "back", "--json", "--reveal").stdout)
    assert shown[0]["slug"] == slug_of(monitor)
    assert text(site("monitors", "list", "--state", "down")) == "No monitors found.\n"


def test_a_list_of_many_pages_is_whole(site):
    from tests.monitors.pushing import make_monitors

    make_monitors(site.team, 1_203)
    assert len(json.loads(site("monitors", "list", "--json").stdout)) == 1_203


def test_a_monitor_is_found_by_id_name_and_whole_name(site, monitor):
    for reference in (str(monitor.pk), "backup", "acme/backup"):
        shown = text(site("monitors", "show", reference))
        assert "◌ pending" in shown
        assert "\npaused " in shown  # the field, not the state
        assert str(monitor.pk) in shown
        assert slug_of(monitor) not in shown
    assert slug_of(monitor) in text(site("monitors", "show", "backup", "--reveal"))
    assert errors(site("monitors", "show", "none", expect=1)) == [
        "tocsin: no monitor is called none"
    ]
    assert errors(site("monitors", "show", str(uuid.uuid4()), expect=1)) == ["tocsin: Not found."]


def test_monitors_pause_and_resume_together_or_not_at_all(site, monitor):
    MonitorFactory(team=site.team, name="other")
    site("monitors", "pause", "backup", "none", expect=1)
    assert json.loads(site("monitors", "show", "backup", "--json").stdout)["state"] == "pending"
    paused = json.loads(site("monitors", "pause", "backup", "acme/other", "--json").stdout)
    assert [each["state"] for each in paused] == ["paused", "paused"]
    assert "‖ paused" in text(site("monitors", "list"))
    assert "◌ pending" in text(site("monitors", "resume", "backup"))


def test_a_viewers_key_may_look_and_not_touch(site, monitor):
    from accounts.models import Scope

    key = make_key(site.team, Scope.READ)
    assert "backup" in text(site("monitors", "list", TOCSIN_API_KEY=key))
    refused = site("monitors", "pause", "backup", expect=1, TOCSIN_API_KEY=key)
    assert len(errors(refused)) == 1


def test_another_teams_monitor_is_no_monitor(site, monitor):
    rival = make_key(TeamFactory(slug="rival"))
    for reference in ("backup", "acme/backup", str(monitor.pk)):
        site("monitors", "show", reference, expect=1, TOCSIN_API_KEY=rival)


def test_text_of_others_cannot_steer_the_terminal(site):
    MonitorFactory(team=site.team, name="x\x1b[2J[red]y[/red]")
    shown = text(site("monitors", "list"))
    assert "\x1b" not in shown
    assert "[red]y[/red]" in shown


# incidents


def test_incidents_are_listed_acknowledged_noted_snoozed_and_resolved(site, incident):
    listed = text(site("incidents", "list"))
    assert str(incident.pk) in listed
    assert "■! open" in listed
    assert "◐ acknowledged" in text(site("incidents", "ack", str(incident.pk)))
    site("incidents", "note", "backup", "a [bold]note[/bold]")
    noted = text(site("incidents", "show", "acme/backup"))
    assert "a [bold]note[/bold]" in noted
    snoozed = json.loads(site("incidents", "snooze", "backup", "--for", "2h", "--json").stdout)
    assert snoozed["snoozed_until"]
    assert "● resolved" in text(site("incidents", "resolve", "backup"))
    again = site("incidents", "resolve", str(incident.pk), expect=1)
    assert errors(again) == ["tocsin: This incident is resolved already."]
    assert text(site("incidents", "list")) == "No open incidents.\n"
    every = json.loads(site("incidents", "list", "--state", "all", "--json").stdout)
    assert [each["state"] for each in every] == ["resolved"]
    none = site("incidents", "ack", "backup", expect=1)
    assert errors(none) == ["tocsin: backup has no incident that is not resolved"]


def test_only_the_newest_incidents_are_listed_where_few_are_asked_for(site, incident):
    advance()
    site("incidents", "resolve", "backup")
    newest = make_incident(MonitorFactory(team=site.team, name="newer"))
    found = json.loads(site("incidents", "list", "--state", "all", "--limit", "1", "--json").stdout)
    assert [each["id"] for each in found] == [str(newest.pk)]
    of_one = json.loads(
        site("incidents", "list", "--state", "all", "--monitor", "backup", "--json").stdout
    )
    assert [each["id"] for each in of_one] == [str(incident.pk)]


# on-call


def test_who_is_on_call_now_and_later(site):
    ana, ben = (site.member(name) for name in ("ana@acme.example", "ben@acme.example"))
    site.post(
        "rotations",
        name="primary",
        timezone="UTC",
        unit="day",
        length=1,
        handoff="2026-01-01T09:00",
        members=[ana, ben],
    )
    assert ana in text(site("on-call", "--at", "2026-01-01T10:00Z"))
    later = site("on-call", "--rotation", "primary", "--at", "2026-01-02T10:00:00Z", "--json")
    (found,) = json.loads(later.stdout)
    assert (found["rotation"], found["member"], found["start"]) == (
        "primary",
        ben,
        "2026-01-02T09:00:00Z",
    )
    assert "primary" in text(site("on-call"))
    assert errors(site("on-call", "--rotation", "none", expect=1)) == [
        "tocsin: no rotation is called none"
    ]
    assert errors(site("on-call", "--at", "soon", expect=1))[0].startswith("tocsin: at: ")


def test_a_team_without_rotations_is_told_so(site):
    assert text(site("on-call")) == "The team has no rotation.\n"


# settings and errors


def test_a_terminal_sees_that_something_goes_on_and_a_pipe_gets_only_the_answer(site, monitor):
    ours, theirs = pty.openpty()
    settings = environment(TOCSIN_URL=site.url, TOCSIN_API_KEY=site.key, TERM="xterm")
    done = subprocess.run(
        [COMMAND, "monitors", "pause", "backup", "--json"],
        env=settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=True,
    )
    os.close(theirs)
    shown = os.read(ours, 100_000)
    os.close(ours)
    assert b"Pause" in shown
    assert b"Reading" not in shown
    assert json.loads(done.stdout)[0]["state"] == "paused"


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ({"TOCSIN_API_KEY": ""}, 2, "TOCSIN_API_KEY"),
        ({"TOCSIN_URL": ""}, 2, "TOCSIN_URL"),
        ({"TOCSIN_URL": "ftp://x"}, 2, "https://"),
        ({"TOCSIN_API_KEY": "gehe\u00fcim\n1"}, 2, "API key"),
        ({"TOCSIN_API_KEY": "tk_wrong"}, 1, "key"),
        ({"TOCSIN_URL": "http://127.0.0.1:9"}, 3, "connection refused"),
        ({"TOCSIN_URL": "http://nowhere.invalid"}, 3, "cannot reach nowhere.invalid"),
    ],
)
def test_settings_that_are_missing_or_wrong(site, given, code, words):
    done = site("monitors", "list", expect=code, **given)
    assert words in done.stderr.decode()
    assert b"gehe" not in done.stderr
    assert b"tk_wrong" not in done.stderr


def test_the_key_may_lie_in_a_file(site, monitor, tmp_path):
    (tmp_path / "key").write_text(f"{site.key}\n")
    given = {"TOCSIN_URL": site.url, "TOCSIN_API_KEY_FILE": str(tmp_path / "key")}
    assert b"acme/backup" in call("monitors", "list", **given).stdout


def test_the_key_goes_to_no_other_host_than_the_one_it_was_given_for(site):
    page = {"next": "", "previous": None, "results": []}
    with Provider() as elsewhere, Provider() as server:
        there = f"http://127.0.0.1:{elsewhere.port}/api/v1/monitors?cursor=c%2B1"

        def answer(number):
            following = there if number == 1 else None
            return Answer(body=json.dumps({**page, "next": following}).encode())

        server.answer = answer
        site("monitors", "list", TOCSIN_URL=f"http://127.0.0.1:{server.port}/below/")
        server.answer = lambda n: Answer(307, {"Location": there})
        done = site(
            "monitors", "list", expect=1, TOCSIN_URL=f"http://127.0.0.1:{server.port}/below"
        )
        assert b"redirects to" in done.stderr
    assert [request.path.partition("?")[0] for request in server.got] == [
        "/below/api/v1/monitors"
    ] * 3
    assert "cursor=c%2B1" in server.got[1].path
    assert elsewhere.connections == 0


def test_problems_are_told_by_document_and_field(site, tmp_path):
    problem = {
        "title": "Bad Request",
        "status": 400,
        "detail": "documents[1].spec.grace: Must be 0 or more.",
        "errors": [
            {"field": "documents[1].spec.grace", "code": "x", "detail": "Must be 0 or more."},
            {"field": "documents[4]", "code": "x", "detail": "Unknown\x1b kind."},
            {"field": "", "code": "x", "detail": "And this."},
        ],
    }
    with Provider(lambda n: Answer(400, body=json.dumps(problem).encode())) as server:
        url = f"http://127.0.0.1:{server.port}"
        for command, code in (("apply", 1), ("diff", 2)):
            done = site(command, "-f", "-", given=b"a: b", expect=code, TOCSIN_URL=url)
            assert errors(done) == [
                "tocsin: refused, 3 problems:",
                "  document 2, spec.grace: Must be 0 or more.",
                "  document 5: Unknown\ufffd kind.",
                "  And this.",
            ]


def test_the_command_is_quick_and_loads_nothing_of_the_server():
    script = (
        "import sys, tocsin.commands\n"
        "rooms = {'django', 'config', 'accounts', 'monitors', 'incidents', 'rich', 'requests'}\n"
        "print(sorted(rooms & {name.partition('.')[0] for name in sys.modules}))"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, check=True
    )
    assert done.stdout == b"[]\n"
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("group", ["", "monitors", "incidents"])
def test_every_command_has_help(group):
    listed = call(*group.split(), "--help").stdout.decode()
    names = [
        line.split()[0]
        for line in listed.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
        if line.startswith("  ") and line[2] != " "
    ]
    assert len(names) >= 4
    for name in names:
        done = call(*group.split(), name, "--help")
        assert done.returncode == 0
        assert done.stdout.startswith(b"Usage: tocsin ")
