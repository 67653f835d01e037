"""The page of an incident: its story with every attempt, who was told, where else to go."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_scopes import scopes_disabled

from incidents.lifecycle.actions import (
    acknowledge_incident,
    add_note,
    resolve_incident,
    snooze_incident,
)
from incidents.lifecycle.lanes import advance
from incidents.models import Delivery, Incident
from incidents.templatetags.told import ending, told
from statuspages.models import Post
from statuspages.services.components import create_component
from statuspages.services.pages import create_page
from statuspages.services.posts import create_post
from tests.console.personas import make_incident, make_monitor, push


def page_of(incident, part=""):
    return f"/t/acme/incidents/{incident.pk}/{part}"


def lines_of(page):
    """Return the lines of the timeline, as text."""
    part = page[page.index('<ol class="timeline">') :]
    part = part[: part.index("</ol>")]
    lines = re.findall(r"<li[^>]*>(.*?)</li>", part, re.DOTALL)
    return [re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", line)).strip() for line in lines]


@pytest.fixture
def incident(monitor):
    """An incident whose one mail was tried twice in between of what people did."""
    made = make_incident(monitor)
    with scopes_disabled():
        row = Delivery.objects.get(incident=made)
        first = row.created_at
        row.attempts = [
            {"at": first.isoformat(), "outcome": "retry", "detail": "421 busy <now>"},
            {"at": "2126-01-01T00:00:00Z", "outcome": "sent", "detail": "250 ok"},
        ]
        row.state = "delivered"
        row.save()
    add_note(incident=made, actor="ana@acme.example", text="looking")
    return made


def test_every_attempt_stands_in_its_place(owner, incident):
    lines = lines_of(owner.get(page_of(incident)).content.decode())
    assert len(lines) == 4
    assert re.match(r"Sent : owner@acme.example \S+, attempt 2 250 ok .* · Opened$", lines[0])
    assert re.match("looking .* · ana@acme.example$", lines[1])
    assert "To be tried again : owner@acme.example" in lines[2]
    assert "421 busy &lt;now&gt;" in lines[2]
    assert lines[3].endswith("Tocsin")


def test_people_or_deliveries_alone(owner, incident):
    def shown(what):
        page = owner.get(page_of(incident, f"?show={what}")).content.decode()
        return [line.split(" ")[0] for line in lines_of(page)]

    assert shown("people") == ["looking"]
    assert shown("deliveries") == ["Sent", "To"]
    assert len(shown("nonsense")) == 4
    page = owner.get(page_of(incident, "?show=people")).content.decode()
    live = re.findall(r'data-live hx-get="([^"]+)"', page)
    assert live == [page_of(incident), page_of(incident, "?part=story&amp;show=people")]
    fragment = owner.get(page_of(incident, "?part=story&show=people"), headers={"HX-Request": "1"})
    assert fragment.status_code == 200


def test_the_two_live_parts_hold_no_form(owner, incident):
    for part in ("", "?part=story"):
        fragment = owner.get(page_of(incident, part), headers={"HX-Request": "true"})
        body = fragment.content.decode()
        assert "<form" not in body
        assert "<html" not in body
        assert "<textarea" not in body


def test_what_waits_or_was_cancelled_is_told_too(owner, monitor):
    incident = make_incident(monitor)
    page = owner.get(page_of(incident)).content.decode()
    assert "Waiting to be sent : owner@acme.example" in " ".join(lines_of(page))
    told = page[page.index("Told so far") : page.index("Facts")]
    assert "Waiting to be sent" in told
    acknowledge_incident(incident=incident, actor="ana@acme.example")
    page = owner.get(page_of(incident)).content.decode()
    assert "Cancelled before it was sent" in " ".join(lines_of(page))


def test_the_last_word_to_each_is_who_was_told(owner, incident):
    page = owner.get(page_of(incident)).content.decode()
    told = page[page.index("Told so far") : page.index("Facts")]
    assert told.count("<li>") == 1
    assert "owner@acme.example" in told
    assert ">Sent</a>" in told
    resolve_incident(incident=incident, actor="x")
    assert "Who was told" in owner.get(page_of(incident)).content.decode()


def test_the_same_monitors_incidents_are_next_to_it(owner, people, monitor):
    first = make_incident(monitor)
    alone = owner.get(page_of(first)).content.decode()
    assert 'rel="prev"' not in alone
    resolve_incident(incident=first, actor="x")
    make_incident(make_monitor(people.team, name="other"))
    push(monitor, fail=True)
    advance()
    with scopes_disabled():
        second = Incident.objects.get(monitor_id=monitor.pk, resolved_at=None)
    page = owner.get(page_of(second)).content.decode()
    assert re.search(rf'rel="prev" href="{page_of(first)}"', page)
    assert 'rel="next"' not in page
    assert re.search(
        rf'rel="next" href="{page_of(second)}"', owner.get(page_of(first)).content.decode()
    )


def test_the_runbook_is_at_the_top(owner, people):
    monitor = make_monitor(people.team, runbook_url="https://wiki.acme.example/db")
    page = owner.get(page_of(make_incident(monitor))).content.decode()
    head = page[page.index('class="panel banner') : page.index('id="hand-on"')]
    assert 'href="https://wiki.acme.example/db"' in head


def test_queries_do_not_grow_with_the_story(owner, incident):
    owner.get(page_of(incident))
    with CaptureQueriesContext(connection) as few:
        owner.get(page_of(incident))
    with scopes_disabled():
        row = Delivery.objects.get(incident=incident)
        for _ in range(120):
            row.pk = None
            row.id = Delivery._meta.get_field("id").get_default()
            row._state.adding = True
            row.save()
    for n in range(30):
        add_note(incident=incident, actor="ana@acme.example", text=f"note {n}")
    with CaptureQueriesContext(connection) as many:
        answer = owner.get(page_of(incident))
    assert len(many) <= len(few)
    assert len(answer.content) < 250_000
    assert "Page 1 of 3" in answer.content.decode()
    assert len(lines_of(owner.get(page_of(incident, "?page=3")).content.decode())) == 74


def test_from_home_and_from_the_list_one_comes_back_there(owner, monitor):
    incident = make_incident(monitor)
    home = owner.get("/t/acme/").content.decode()
    assert f'formaction="{page_of(incident, "acknowledge")}"' in home
    answer = owner.post(page_of(incident, "acknowledge"), {"to": "home"}, follow=True)
    assert answer.redirect_chain == [("/t/acme/", 302)]
    assert "You have acknowledged nightly-backup" in answer.content.decode()
    sent = {"to": "list", "back": "state=open"}
    answer = owner.post(page_of(incident, "acknowledge"), sent, follow=True)
    assert answer.redirect_chain == [("/t/acme/incidents/?state=open", 302)]
    answer = owner.post(page_of(incident, "acknowledge"), {"to": "https://evil.example/"})
    assert answer["Location"] == page_of(incident)


@pytest.fixture
def status_page(people, monitor):
    page = create_page(team=people.team, name="Acme status", slug="acme")
    create_component(page=page, name="API", monitors=[monitor])
    return page


def new_post(page, incident):
    return f"/t/acme/status-pages/{page.pk}/posts/new?incident={incident.pk}"


def test_a_team_without_pages_is_not_asked_for_a_post(owner, incident):
    page = owner.get(page_of(incident)).content.decode()
    assert "Status pages</h2>" not in page


def test_a_post_is_written_from_the_incident(owner, incident, status_page):
    page = owner.get(page_of(incident)).content.decode()
    assert "Visitors have not been told of it." in page
    assert f'href="{new_post(status_page, incident)}"' in page
    assert "Write a post on Acme status" in page

    form = owner.get(new_post(status_page, incident)).content.decode()
    assert re.search(r'name="title" value="API: outage"', form)
    assert "We have noticed a problem with API" in form
    assert re.search(r'<option value="major" selected>', form), "by the severity"
    assert re.search(r'<option value="affected" selected>', form)
    assert f'name="incident" value="{incident.pk}"' in form

    sent = {
        "title": "API: outage",
        "status": "investigating",
        "impact": "major",
        "body": "We look.",
    }
    sent |= {"incident": str(incident.pk), "do": "publish"}
    answer = owner.post(f"/t/acme/status-pages/{status_page.pk}/posts/new", sent, follow=True)
    assert "is on the page" in answer.content.decode()
    with scopes_disabled():
        post = Post.objects.get()
    assert (post.incident_id, post.automatic) == (incident.pk, False)

    page = owner.get(page_of(incident)).content.decode()
    assert "API: outage</a>" in page
    assert "Write a post on" not in page
    again = owner.get(new_post(status_page, incident), follow=True)
    assert "tells of the incident already" in again.content.decode()
    home = owner.get("/t/acme/").content.decode()
    assert "On the status pages now" in home
    assert "API: outage</a>" in home


def test_when_it_is_over_the_words_say_so(owner, incident, status_page):
    resolve_incident(incident=incident, actor="x")
    form = owner.get(new_post(status_page, incident)).content.decode()
    assert "The problem is over; API is working again." in form
    assert re.search(r'<option value="resolved" selected>', form)


def test_viewers_read_posts_and_write_none(browse, people, incident, status_page):
    create_post(page=status_page, title="API down", incident_id=incident.pk)
    create_page(team=people.team, name="Other", slug="other")
    page = browse(people.viewer).get(page_of(incident)).content.decode()
    assert "API down</a>" in page
    assert "Write a post on" not in page
    assert "<form" not in page[page.index("<main") : page.index("</main>")]


def test_another_teams_incident_begins_no_post(browse, people, incident):
    with scopes_disabled():
        elsewhere = people.stranger.memberships.get().team
    page = create_page(team=elsewhere, name="Theirs", slug="theirs")
    client = browse(people.stranger)
    form = client.get(f"/t/elsewhere/status-pages/{page.pk}/posts/new?incident={incident.pk}")
    assert form.status_code == 200
    assert b"nightly-backup" not in form.content


def test_a_time_in_the_story_is_in_the_readers_zone(owner, people, incident):
    people.owner.timezone = "Asia/Tokyo"
    people.owner.save()
    snooze_incident(incident=incident, actor=people.owner.email, seconds=3600)
    page = owner.get(page_of(incident)).content.decode()
    shown = re.search(r"Snoozed until <time datetime=\"[^\"]+Z\"[^>]*>([^<]+)</time>", page)
    assert shown, page
    assert shown[1].endswith("JST")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Told Box (email)", "Told Box (E-mail)"),
        ("Could not tell Bot (webhook): HTTP 500", "Could not tell Bot (Webhook): HTTP 500"),
        ("Told <b> (email)", "Told &lt;b&gt; (E-mail)"),
        ("at 2026-99-99 10:00:00 UTC", "at 2026-99-99 10:00:00 UTC"),
        ("(odd)", "(odd)"),
    ],
)
def test_kinds_in_the_story_have_their_names(text, shown):
    assert told(text) == shown


def test_an_ending_is_a_clause():
    assert ending("paused") == "the monitor was paused"
    assert ending("resolved by ana@acme.example") == "resolved by ana@acme.example"
    assert ending(None) == ""
