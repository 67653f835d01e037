"""Importing monitors: CSV and manifests, seen first and then done."""

from __future__ import annotations

import csv
import io
import re
from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django_scopes import scopes_disabled

from accounts.models import Team
from monitors.models import Monitor, PushKey
from monitors.services import token_is_valid
from tests.console.personas import make_monitor

CSV = "/t/acme/monitors/import"
YAML = "/t/acme/monitors/import/manifest"
GOOD = """\
name,namespace,interval,silent_after,severity,labels,require_token
nightly,,1 d,1 d 2 h,warning,env=prod; team=storage,true
"=cmd()",acme-eu,60,,,,
"""


def said(answer):
    return answer.content.decode()


def hidden(page):
    text = re.search(r'<textarea name="text" hidden>\n(.*?)</textarea>', page, re.DOTALL)[1]
    seen = re.search(r'name="seen" value="([^"]+)"', page)[1]
    return {"text": unescape(text), "seen": seen}


def names():
    with scopes_disabled():
        return sorted(Monitor.objects.values_list("name", flat=True))


def test_a_file_is_seen_then_imported_and_its_tokens_downloaded(owner, client):
    file = SimpleUploadedFile("m.csv", GOOD.encode("utf-8-sig"), "text/csv")
    page = said(owner.post(CSV, {"file": file, "text": ""}))
    assert "This is what would happen" in page
    assert page.count("Is created") == 2
    assert names() == []
    answer = owner.post(CSV, hidden(page))
    assert answer["Cache-Control"] == "no-store"
    assert "Created: 2. Changed: 0. Left as they are: 0." in said(answer)
    with scopes_disabled():
        monitor = Monitor.objects.get(name="nightly")
        other = Monitor.objects.select_related("namespace").get(name="=cmd()")
    assert (monitor.interval, monitor.silent_after, monitor.severity) == (86400, 93600, "warning")
    assert monitor.labels == {"env": "prod", "team": "storage"}
    assert monitor.require_token
    assert (other.namespace.name, other.interval, other.silent_after) == ("acme-eu", 60, 90)
    made = re.search(r'name="made" value="([^"]+)"', said(answer))[1]
    answer = owner.post(f"{CSV}/tokens", {"made": made})
    assert answer["Content-Disposition"] == 'attachment; filename="acme-push-urls.csv"'
    assert answer["Cache-Control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(said(answer))))
    assert [row["name"] for row in rows] == ["nightly", "'=cmd()"]
    with scopes_disabled():
        monitor = Monitor.objects.select_related("secret").get(name="nightly")
        assert token_is_valid(monitor, rows[0]["token"].removeprefix("'"))
        assert PushKey.objects.get(monitor=monitor).value in rows[0]["push_url"]


def test_tokens_are_only_the_teams_own_and_not_for_ever(owner, browse, people, settings):
    page = said(owner.post(CSV, {"text": "name\nx\n"}))
    made = re.search(r'name="made" value="([^"]+)"', said(owner.post(CSV, hidden(page))))[1]
    stranger = browse(people.stranger)
    answer = stranger.post("/t/elsewhere/monitors/import/tokens", {"made": made}, follow=True)
    assert "can no longer be downloaded" in said(answer)
    for forged in ("", made[:-3] + "abc", "a:b:c", "\0"):
        answer = owner.post(f"{CSV}/tokens", {"made": forged}, follow=True)
        assert "can no longer be downloaded" in said(answer)


def test_a_line_of_a_monitor_that_exists_changes_only_what_it_says(owner, people):
    make_monitor(people.team, "a", labels={"env": "prod"}, silent_after=500, description="kept")
    make_monitor(people.team, "b")
    text = "name;severity;labels\na;info;\nb;critical;\n"
    page = said(owner.post(CSV, {"text": text}))
    assert "Is changed: severity" in page
    assert "Stays as it is" in page
    answer = owner.post(CSV, hidden(page))
    assert "Created: 0. Changed: 1. Left as they are: 1." in said(answer)
    assert 'name="made"' not in said(answer)
    with scopes_disabled():
        row = Monitor.objects.get(name="a")
    assert (row.severity, row.silent_after, row.description) == ("info", 500, "kept")
    assert row.labels == {"env": "prod"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title\nx\n", "Line 1 must name the columns"),
        ("name,colour\nx,red\n", "no column “colour”"),
        ("name,name\nx,y\n", "is there twice"),
        ("name\n", "no monitor below the line"),
        ("name\n\n  \n", "no monitor below the line"),
        ("name,interval\nx,often\n", "interval: Write a duration"),
        ("name\nx\na/b\n", "name: Choose another name"),
        ("name\nx\nx\n", "name: line 2 has the same name"),
        ("name,namespace\nx,elsewhere\n", "namespace: “elsewhere” is another team"),
        ("name,labels\nx,production\n", "labels: Write “production” as key=value"),
        ("name,severity\nx,loud\n", "severity: “loud” is no severity. Use critical, warning"),
        ("name,require_token\nx,maybe\n", "require_token: write true or false"),
        ("name\nx,y\n", "2 cells, and there are 1 columns"),
        ('name\n"x\n', "This is not CSV"),
        ("name\na\0b\n", "Null characters"),
        ("name\n" + "x\n" * 1001, "more than 1,000 monitors"),
        ("", "Choose a file, or paste"),
    ],
)
def test_problems_are_told_by_line_and_nothing_is_made(owner, people, text, words):
    page = unescape(said(owner.post(CSV, {"text": text})))
    assert words in page
    assert names() == []
    assert 'name="seen"' not in page


def test_the_line_of_a_problem_is_its_line_in_the_file(owner):
    text = 'name,description\nfine,"two\nlines"\na/b,\n'
    page = said(owner.post(CSV, {"text": text}))
    row = re.search(r"<span>4</span></td>\s*<td class=\"main\"><span>a/b", page)
    assert row, page


def test_the_plan_holds_for_an_import(owner, people):
    Team.objects.filter(pk=people.team.pk).update(monitor_quota=1)
    page = said(owner.post(CSV, {"text": "name\na\nb\n"}))
    assert "Your plan allows 1 monitors" in page
    assert names() == []


def test_what_was_seen_is_what_is_done(owner, people):
    page = said(owner.post(CSV, {"text": "name,severity\na,info\n"}))
    make_monitor(people.team, "a")
    page = said(owner.post(CSV, hidden(page)))
    assert "has changed since you looked" in page
    assert "Is changed: severity" in page
    with scopes_disabled():
        assert Monitor.objects.get().severity == "critical"


def test_a_file_that_is_no_text_is_refused(owner):
    file = SimpleUploadedFile("m.csv", b"name\n\xff\xfe\n", "text/csv")
    assert "not UTF-8" in said(owner.post(CSV, {"file": file}))
    assert "not UTF-8" in said(
        owner.post(YAML, {"file": SimpleUploadedFile("m.yaml", b"\xff\xfe", "text/plain")})
    )


DOCUMENTS = """\
apiVersion: tocsin/v1
kind: Monitor
metadata: {name: nightly, namespace: acme}
spec: {silent_after: 90000, grace: 3600}
---
apiVersion: tocsin/v1
kind: Monitor
metadata: {name: other, namespace: acme}
spec: {}
"""


def test_a_manifest_is_seen_then_applied(owner):
    page = said(owner.post(YAML, {"text": DOCUMENTS}))
    assert page.count("Is created") == 2
    assert names() == []
    answer = owner.post(YAML, hidden(page), follow=True)
    assert "2 things were applied." in said(answer)
    assert names() == ["nightly", "other"]
    page = said(owner.post(YAML, {"text": DOCUMENTS.replace("3600", "60")}))
    assert "Is changed:" in page
    assert "spec.grace" in page
    assert "Stays as it is" in page


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: [", "This is not YAML"),
        ("kind: Nonsense\n", "documents[0]"),
        (DOCUMENTS.replace("grace: 3600", "grace: -1"), "documents[0].spec.grace"),
        (DOCUMENTS.replace("grace: 3600", "grace: -1"), "Document 1, field “grace”"),
        (DOCUMENTS.replace("grace: 3600", "grace: -1"), "One thing is wrong. Nothing was applied"),
        (DOCUMENTS.replace("namespace: acme}", "namespace: elsewhere}"), "another team"),
        ("# nothing\n", "There is no document"),
        ("a: &x 1\n", "anchor"),
        (" ", "Choose a file, or paste"),
    ],
)
def test_problems_of_a_manifest_are_told_by_place(owner, people, text, words):
    page = unescape(said(owner.post(YAML, {"text": text})))
    assert words in page
    assert names() == []


def test_the_plan_holds_for_a_manifest(owner, people):
    Team.objects.filter(pk=people.team.pk).update(monitor_quota=1)
    assert "Your plan allows 1 monitors" in said(owner.post(YAML, {"text": DOCUMENTS}))
    assert names() == []


def test_a_file_with_a_wrong_line_says_how_many_and_promises_nothing(owner):
    page = said(owner.post(CSV, {"text": "name\nfine\na/b\nc/d\n"}))
    assert "2 of 3 lines are wrong. Nothing was imported" in page
    assert "Is created" not in page
    assert page.count("Nothing wrong here") == 1
    page = said(owner.post(CSV, {"text": "name\nfine\na/b\n"}))
    assert "1 of 2 lines is wrong." in page


@pytest.mark.parametrize(
    ("path", "first", "second"),
    [
        (CSV, "name,interval\nx,60\n", "name,interval\nx,90\n"),
        (YAML, DOCUMENTS, DOCUMENTS.replace("3600", "60")),
    ],
)
def test_other_values_of_the_same_names_are_to_be_seen_first(owner, path, first, second):
    seen = hidden(said(owner.post(path, {"text": first})))
    page = said(owner.post(path, {"text": second, "seen": seen["seen"]}))
    assert "has changed since you looked" in page
    assert names() == []
    lines = seen["text"].replace("\n", "\r\n")  # as browsers send them
    owner.post(path, {"text": lines, "seen": seen["seen"]})
    assert names()


def test_a_file_of_more_than_it_says_is_refused(owner):
    file = SimpleUploadedFile("m.csv", b"name\n" + b"x" * 1_000_000, "text/csv")
    page = said(owner.post(CSV, {"file": file, "text": ""}))
    assert "up to 1 MB" in page
    assert "at most 1 MB" in page
