"""Monitors in the console: lists, forms, buttons."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.lifecycle.lanes import advance
from monitors.models import Heartbeat, Monitor, PushKey
from monitors.services import pause_monitor, token_is_valid, update_monitor
from tests.console.personas import make_incident, make_late, make_monitor, push

NEW = "/t/acme/monitors/new"
FORM = {
    "name": "nightly",
    "interval": "1 d",
    "silent_after": "",
    "failures_to_open": "1",
    "passes_to_close": "1",
    "severity": "critical",
}


def only_monitor():
    with scopes_disabled():
        return Monitor.objects.select_related("namespace", "team", "secret").get()


def test_everything_in_the_form_is_stored(owner):
    more = {
        "silent_after": "1 d 2 h",
        "grace": "30 min",
        "namespace": "acme-storage",
        "description": "Dumps the database.",
        "failures_to_open": "2",
        "passes_to_close": "3",
        "latency_limit_ms": "2500.5",
        "severity": "warning",
        "labels": "env=production\n\n team = storage = eu ",
        "runbook_url": "https://wiki.acme.example/dump",
        "require_token": "on",
        "arm_on_create": "on",
    }
    assert owner.post(NEW, FORM | more).status_code == 200
    monitor = only_monitor()
    assert monitor.namespace.name == "acme-storage"
    assert (monitor.interval, monitor.silent_after, monitor.grace) == (86_400, 93_600, 1_800)
    assert (monitor.failures_to_open, monitor.passes_to_close) == (2, 3)
    assert monitor.latency_limit_ms == 2500.5
    assert monitor.severity == "warning"
    assert monitor.labels == {"env": "production", "team": "storage = eu"}
    assert monitor.require_token
    assert monitor.runbook_url == "https://wiki.acme.example/dump"

    edit = f"/t/acme/monitors/{monitor.pk}/edit"
    page = owner.get(edit).content.decode()
    assert 'value="1 d 2 h"' in page
    fields = dict(re.findall(r'name="([a-z_]+)"[^>]* value="([^"]*)"', page))
    unchanged = fields | {"labels": "env=production", "severity": "info", "description": ""}
    assert owner.post(edit, unchanged).status_code == 302
    monitor = only_monitor()
    assert (monitor.silent_after, monitor.grace, monitor.severity) == (93_600, 1_800, "info")
    assert monitor.labels == {"env": "production"}
    assert monitor.namespace.name == "acme-storage"


def test_without_scripts_the_answer_that_shows_the_token_leads_on(owner):
    page = owner.post(NEW, FORM).content.decode()
    token = re.search(r'id="push-token">([^<]+)<', page)[1]
    aside = re.search(r"<noscript>.*?</noscript>", page, re.DOTALL)[0]
    assert "Copy the token below first" in aside
    link = re.search(r'<a href="([^"]+)">Check for the first push</a>', aside)[1]
    assert link == f"/t/acme/monitors/{only_monitor().pk}/setup"
    page = owner.get(link).content.decode()
    assert token not in page
    assert "Copy the token below first" not in page
    assert f'<a href="{link}">Check for the first push</a>' in page
    push(only_monitor())
    assert "is up" in owner.get(link).content.decode()


def test_a_cron_schedule(owner):
    owner.post(NEW, FORM | {"cron": " 15  3 * * *", "cron_timezone": "Europe/Berlin"})
    monitor = only_monitor()
    assert (monitor.cron, monitor.cron_timezone) == ("15 3 * * *", "Europe/Berlin")
    page = owner.get(f"/t/acme/monitors/{monitor.pk}/").content.decode()
    assert "15 3 * * *" in page
    assert "<dt>Grace</dt><dd>5 min</dd>" in page


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "required"),
        ({"name": "results"}, "Choose another name"),
        ({"name": "a/b"}, "without slashes"),
        ({"name": "taken"}, "A monitor of that name exists"),
        ({"namespace": "elsewhere"}, "another team"),
        ({"namespace": "No Good"}, "lower-case letters"),
        ({"interval": "often"}, "Write a duration such as"),
        ({"interval": "401 d"}, "Choose between 1 s and 400 d"),
        ({"interval": "99999999999 d"}, "Write a duration such as"),
        ({"silent_after": "4"}, "Choose between 5 s and 400 d"),
        ({"interval": "1 h", "silent_after": "10 min"}, "shorter than the cadence"),
        ({"cron": "every day"}, "must have five fields"),
        ({"cron": "15 3 * * *", "cron_timezone": "Mars/Olympus"}, "not a known IANA time zone"),
        ({"cron": "15 3 * * *", "grace": "5 s"}, "at least 1 min"),
        ({"labels": "production"}, "as key=value"),
        ({"labels": "k" * 64 + "=v"}, "too long"),
        ({"labels": "\n".join(f"k{n}=v" for n in range(33))}, "at most 32 labels"),
        ({"runbook_url": "javascript:alert(1)"}, "valid URL"),
        ({"latency_limit_ms": "nan"}, "Enter a number"),
        ({"failures_to_open": "0"}, "greater than or equal to 1"),
        ({"name": "a\0b"}, "Null characters"),
    ],
)
def test_a_refused_form_says_why_and_keeps_what_was_typed(owner, people, change, words):
    make_monitor(people.team, name="taken")
    answer = owner.post(NEW, FORM | {"description": "typed text"} | change)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert words in page
    assert "typed text" in page
    assert only_monitor().name == "taken"
    assert '<details class="more" open>' in page  # what was typed there is in sight


@pytest.mark.parametrize(
    ("change", "opened"),
    [
        ({"name": "taken"}, False),
        ({"name": ""}, False),
        ({"name": "", "grace": "1800", "labels": "a=b\r\nc=d"}, False),
        ({"name": "", "grace": "20 min"}, True),
        ({"name": "", "labels": "a=b"}, True),
        ({"name": "", "require_token": "on"}, True),
        ({"runbook_url": "javascript:alert(1)"}, True),
    ],
)
def test_more_settings_come_back_open_if_one_was_changed_or_is_wrong(owner, people, change, opened):
    make_monitor(people.team, name="taken")
    labels = {"a": "b", "c": "d"}
    monitor = make_monitor(people.team, name="mine", grace=1800, labels=labels)
    kept = {"namespace": "acme", "grace": "30 min", "labels": "a=b\nc=d", "name": "mine"}
    page = owner.post(f"/t/acme/monitors/{monitor.pk}/edit", FORM | kept | change)
    assert (b'<details class="more" open>' in page.content) == opened


def test_the_plan_is_a_limit_with_a_remedy(owner, people):
    Team.objects.filter(pk=people.team.pk).update(monitor_quota=1)
    make_monitor(people.team)
    answer = owner.post(NEW, FORM)
    assert b"Your plan allows 1 monitor, " in answer.content


def test_a_rename_into_a_taken_name_keeps_the_heading(owner, people, monitor):
    make_monitor(people.team, name="taken")
    answer = owner.post(f"/t/acme/monitors/{monitor.pk}/edit", FORM | {"name": "taken"})
    assert b"<h1>Edit nightly-backup</h1>" in answer.content


def test_pause_resume_and_delete(owner, people, monitor):
    page = f"/t/acme/monitors/{monitor.pk}"
    push(monitor)
    answer = owner.post(f"{page}/pause", follow=True)
    assert b"nightly-backup is paused" in answer.content
    answer = owner.post(f"{page}/resume", follow=True)
    assert b"Waiting for the next push" in answer.content
    assert b"Delete nightly-backup?" in owner.get(f"{page}/delete").content
    answer = owner.post(f"{page}/delete", follow=True)
    assert b"nightly-backup" in answer.content
    assert owner.get(f"{page}/").status_code == 404
    with scopes_disabled():
        assert not Monitor.objects.exists()


def test_a_new_push_url_with_and_without_overlap(owner, monitor):
    address = f"/t/acme/monitors/{monitor.pk}/rotate-slug"
    with scopes_disabled():
        first = PushKey.objects.get()
    owner.post(address, {"slug-keep_old_for": "3600"})
    with scopes_disabled():
        assert PushKey.objects.get(pk=first.pk).expires_at is not None
        second = PushKey.objects.get(is_current=True)
    answer = owner.post(address, {"slug-keep_old_for": "0"}, follow=True)
    with scopes_disabled():
        assert not PushKey.objects.filter(pk=second.pk).exists()
        third = PushKey.objects.get(is_current=True)
    assert third.value in answer.content.decode()


def test_a_new_token_is_shown_once(owner, monitor):
    answer = owner.post(f"/t/acme/monitors/{monitor.pk}/rotate-token", {"token-keep_old_for": "0"})
    token = re.search(r'id="push-token">([^<]+)<', answer.content.decode())[1]
    assert token_is_valid(only_monitor(), token)
    assert answer["Cache-Control"] == "no-store"
    assert token not in owner.get(f"/t/acme/monitors/{monitor.pk}/").content.decode()


@pytest.fixture
def fleet(people):
    team = people.team
    found = {
        "down": make_monitor(team, name="a-down", labels={"env": "prod"}),
        "late": make_monitor(team, name="b-late", interval=60, silent_after=90, grace=600),
        "pending": make_monitor(team, name="c-pending", labels={"env": "test"}),
        "up": make_monitor(team, name="d-up", labels={"env": "prod", "note": "a:b"}),
        "paused": make_monitor(team, name="e-paused", namespace="other-space"),
    }
    make_incident(found["down"])
    make_late(found["late"], silent_for=timedelta(seconds=120))
    push(found["up"])
    pause_monitor(monitor=found["paused"])
    return found


def names(answer):
    return re.findall(r'<td class="main"><span><a[^>]*>([^<]+)<', answer.content.decode())


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", ["a-down", "b-late", "c-pending", "d-up", "e-paused"]),
        ("state=down", ["a-down"]),
        ("state=late", ["b-late"]),
        ("state=up", ["d-up"]),
        ("state=nonsense", ["a-down", "b-late", "c-pending", "d-up", "e-paused"]),
        ("search=-PA", ["e-paused"]),
        ("search=other-space", ["e-paused"]),
        ("search=%00", ["a-down", "b-late", "c-pending", "d-up", "e-paused"]),
        ("label=env:prod", ["a-down", "d-up"]),
        ("label=env%3Aprod&state=up", ["d-up"]),
        ("label=note%3Aa%3Ab", ["d-up"]),
        ("search=nothing", []),
        ("page=99", ["a-down", "b-late", "c-pending", "d-up", "e-paused"]),
    ],
)
def test_the_list_is_worst_first_and_filtered_by_its_address(owner, fleet, query, wanted):
    answer = owner.get(f"/t/acme/monitors/?{query}")
    assert names(answer) == wanted
    page = answer.content.decode()
    counts = re.findall(r"<span>(\w+)</span></span> <span class=\"num\">(\d+)</span>", page)
    others = names(owner.get("/t/acme/monitors/?" + re.sub(r"&?state=\w+", "", query)))
    assert dict(counts) == {name.split("-")[1].capitalize(): "1" for name in others}
    assert f'>All <span class="num">{len(others)}</span>' in page
    assert ('aria-current="true" href="?">env=prod <' in page) == (query == "label=env:prod")
    fragment = owner.get(f"/t/acme/monitors/?{query}", headers={"HX-Request": "true"})
    assert names(fragment) == wanted
    assert b"<html" not in fragment.content
    assert "HX-Request" in fragment["Vary"]


def test_empty_lists_teach(owner):
    assert b"Create the first monitor" in owner.get("/t/acme/monitors/").content
    assert b"Create the first monitor" in owner.get("/t/acme/").content
    assert b"No incident yet" in owner.get("/t/acme/incidents/").content


def test_a_long_list_is_paged_and_costs_the_same_number_of_queries(owner, people):
    make_monitor(people.team, name="m-000", labels={"env": "prod"})
    owner.get("/t/acme/monitors/")
    with CaptureQueriesContext(
        connection,
    ) as few:
        owner.get("/t/acme/monitors/")
    for n in range(1, 60):
        push(make_monitor(people.team, name=f"m-{n:03}", labels={"env": "prod"}, grace=60))
    with CaptureQueriesContext(connection) as many:
        answer = owner.get("/t/acme/monitors/")
    assert len(names(answer)) == 50
    assert b"Page 1 of 2" in answer.content
    assert len(names(owner.get("/t/acme/monitors/?page=2"))) == 10
    assert len(many) <= len(few) + 1, [q["sql"] for q in many]


def test_a_monitors_page_costs_the_same_number_of_queries(owner, people, monitor):
    address = f"/t/acme/monitors/{monitor.pk}/"
    push(monitor)
    owner.get(address)
    with CaptureQueriesContext(connection) as few:
        owner.get(address)
    for _ in range(5):
        make_incident(monitor)
        push(monitor)
        advance()
        # Long ago: so many in a row would be flapping.
        with scopes_disabled(), connection.cursor() as cursor:
            cursor.execute("UPDATE monitors_transition SET at = at - interval '20 minutes'")
            cursor.execute(
                "UPDATE incidents_incident SET down_since = down_since - interval '20 minutes',"
                " resolved_at = resolved_at - interval '20 minutes'"
            )
    for n in range(30):
        push(monitor, latency_ms=float(n), labels={"host": f"w-{n}"})
    with CaptureQueriesContext(connection) as many:
        page = owner.get(address).content.decode()
    assert len(many) == len(few)
    assert page.count("Incident, resolved") == 10  # each down and each up leads to its incident
    assert 'class="median"' in page


def test_a_monitors_page_says_what_happened_and_what_to_do(owner, people, monitor):
    address = f"/t/acme/monitors/{monitor.pk}/"
    assert b"Waiting for the first push" in owner.get(address).content
    push(monitor)
    assert b"<bdi>nightly-backup</bdi> is up" in owner.get(address).content
    update_monitor(monitor=monitor, grace=600)
    make_late(monitor, silent_for=timedelta(seconds=120))
    page = owner.get(address).content.decode()
    assert "<bdi>nightly-backup</bdi> is late" in page
    assert "An incident opens" in page
    incident = make_incident(monitor, message="disk full")
    page = owner.get(address).content.decode()
    assert "<bdi>nightly-backup</bdi> reported a failure" in page
    assert f"/t/acme/incidents/{incident.pk}/" in page
    assert "Nobody has acknowledged it yet" in page
    assert "disk full" in page


def test_live_parts_are_fragments_that_leave_forms_alone(owner, monitor):
    page = owner.get(f"/t/acme/monitors/{monitor.pk}/").content.decode()
    live = owner.get(
        f"/t/acme/monitors/{monitor.pk}/", headers={"HX-Request": "true"}
    ).content.decode()
    assert "<form" not in live
    assert "<html" not in live
    assert page.count("data-live") == 1


def test_results_are_narrowed_by_label(owner, monitor):
    push(monitor, message="from one", labels={"host": "w-1"})
    push(monitor, message="from two", labels={"host": "w-2"})
    page = owner.get(f"/t/acme/monitors/{monitor.pk}/?label=host:w-1").content.decode()
    assert "from one" in page
    assert "from two" not in page


def test_foreign_text_is_inert(owner, people):
    evil = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    monitor = make_monitor(
        people.team,
        name=evil.replace("/", ""),
        description=evil,
        labels={evil[:60]: evil},
    )
    incident = make_incident(monitor, message=evil)
    push(monitor, message=evil, labels={evil[:60]: evil})
    owner.post(f"/t/acme/incidents/{incident.pk}/notes", {"text": evil})
    for address in (
        "/t/acme/",
        "/t/acme/monitors/",
        f"/t/acme/monitors/{monitor.pk}/",
        f"/t/acme/monitors/{monitor.pk}/setup",
        f"/t/acme/monitors/{monitor.pk}/edit",
        f"/t/acme/monitors/{monitor.pk}/delete",
        "/t/acme/incidents/",
        f"/t/acme/incidents/{incident.pk}/",
        "/t/acme/monitors/?search=%3Cscript%3Ealert(1)%3C/script%3E&label=%22%3E%3Cimg+src=x%3E",
    ):
        page = owner.get(address).content.decode()
        assert "<script>alert" not in page, address
        assert "<img src=x" not in page, address


BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def test_foreign_text_turns_no_other_text_around(owner, people):
    turned = f"invoice{BIDI}gpj.exe"
    monitor = make_monitor(people.team, name=turned, description=turned, labels={"env": turned})
    incident = make_incident(monitor, message=turned)
    push(monitor, message=turned, labels={"env": turned})
    owner.post(f"/t/acme/incidents/{incident.pk}/notes", {"text": turned})
    for address in (
        "/t/acme/",
        "/t/acme/monitors/",
        f"/t/acme/monitors/{monitor.pk}/",
        f"/t/acme/monitors/{monitor.pk}/setup",
        f"/t/acme/monitors/{monitor.pk}/delete",
        "/t/acme/incidents/",
        "/t/acme/channels/",
        f"/t/acme/incidents/{incident.pk}/",
    ):
        page = owner.get(address).content.decode()
        assert not set(BIDI) & set(page), address
        assert "invoicegpj.exe" in page, address
    page = owner.get(f"/t/acme/monitors/{monitor.pk}/").content.decode()
    assert "<h2><bdi>invoicegpj.exe</bdi> " in page
    page = owner.get(f"/t/acme/monitors/{monitor.pk}/edit").content.decode()
    assert turned in page, "a form shows what is stored"


def test_another_teams_monitors_are_nowhere(browse, people, monitor):
    stranger = browse(people.stranger)
    assert b"nightly-backup" not in stranger.get("/t/elsewhere/monitors/").content
    assert stranger.get(f"/t/elsewhere/monitors/{monitor.pk}/").status_code == 404
    assert stranger.post(f"/t/elsewhere/monitors/{monitor.pk}/delete").status_code == 404
    with scopes_disabled():
        assert Heartbeat.objects.count() == 1
