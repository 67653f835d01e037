"""The log of deliveries in the console."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils.timezone import now
from django_scopes import scopes_disabled

from incidents.destinations import create_channel
from incidents.models import ContactMethod, Delivery, DeliveryState
from tests.console.personas import make_incident, make_monitor

LIST = "/t/acme/channels/deliveries/"


@pytest.fixture
def channel(people):
    with scopes_disabled():
        return create_channel(
            team=people.team, name="storage", kind="email", config={"to": "a@acme.example"}
        )


def deliver(team, **fields):
    """Write a delivery down as the outbox would."""
    at = now()
    values = {
        "contact": "email:ana@acme.example",
        "kind": "email",
        "event": "incident.opened",
        "payload": {"team": {"slug": team.slug, "name": team.name}},
        "next_attempt_at": at,
        "created_at": at,
    }
    with scopes_disabled():
        return Delivery.objects.create(team=team, **(values | fields))


def look(client, query=""):
    return client.get(f"{LIST}{query}").content.decode()


def test_an_empty_log_teaches(owner):
    page = look(owner)
    assert "Nothing has been sent yet" in page
    assert 'href="/t/acme/channels/"' in page


def test_every_attempt_is_shown_with_its_reason(owner, people, channel):
    attempts = [
        {"at": "2026-11-22T02:14:05Z", "outcome": "retry", "detail": "answered 503"},
        {"at": "2026-11-22T02:14:35Z", "outcome": "failed", "detail": "answered 400: <b>no</b>"},
    ]
    delivery = deliver(
        people.team, channel=channel, state="failed", attempts=attempts, finished_at=now()
    )
    for page in (look(owner), look(owner, f"{delivery.pk}/")):
        assert "answered 503" in page
        assert "answered 400: &lt;b&gt;no&lt;/b&gt;" in page
        assert "storage" in page
    assert "22 Nov 2026 02:14:35 UTC" in look(owner, f"{delivery.pk}/")


def test_filters_are_in_the_address(owner, people, channel):
    incident = make_incident(make_monitor(people.team, name="nightly-backup"))
    with scopes_disabled():
        Delivery.objects.all().delete()
    deliver(people.team, contact="email:one@acme.example", state="delivered", incident=incident)
    deliver(people.team, contact="email:two@acme.example", state="failed", kind="slack")
    deliver(people.team, channel=channel, contact=f"channel:{channel.pk}")

    def shown(query):
        page = look(owner, query)
        page = page[page.index("<table") :] if "<table" in page else ""
        return [word for word in ("one@acme", "two@acme", "storage") if word in page]

    assert shown("") == ["one@acme", "two@acme", "storage"]
    assert shown("?state=failed") == ["two@acme"]
    assert shown("?kind=slack") == ["two@acme"]
    assert shown(f"?channel={channel.pk}") == ["storage"]
    assert shown(f"?incident={incident.pk}") == ["one@acme"]
    assert shown(f"?incident={incident.pk}&state=failed") == []
    assert shown("?state=nonsense&kind=pigeon") == ["one@acme", "two@acme", "storage"]
    assert "Incident: nightly-backup" in look(owner, f"?incident={incident.pk}")


@pytest.mark.parametrize(
    "query", [f"?channel={UUID(int=7)}", "?incident=7", "?channel=%00", "?page=x"]
)
def test_an_odd_filter_is_an_empty_list_that_leads_back(owner, people, query):
    deliver(people.team)
    page = look(owner, query)
    if "page" in query:
        assert "1 message" in page
    else:
        assert "No message matches" in page
        assert f'href="{LIST}"' in page


def test_long_logs_have_pages_that_keep_the_filter(owner, people):
    for _ in range(51):
        deliver(people.team, state="failed")
    page = look(owner, "?state=failed")
    assert "51 messages" in page
    assert "Page 1 of 2" in page
    assert "?state=failed&amp;page=2" in page
    assert "Page 2 of 2" in look(owner, "?state=failed&page=2")


@pytest.mark.parametrize("state", DeliveryState.values)
def test_every_state_has_a_word_and_a_shape(owner, people, state):
    deliver(people.team, state=state)
    page = look(owner)
    row = page[page.index("<tbody") :]
    assert "#shape-" in row
    assert f">{state}<" not in row


def test_a_digest_says_how_many_it_stands_for(owner, people):
    payload = {"counts": {"opened": 3, "total": 3}, "incidents": [{"monitor": "fleet-1"}]}
    digest = deliver(people.team, event="incident.digest", payload=payload, state="delivered")
    rows = [deliver(people.team, state="bundled", bundle=digest) for _ in range(3)]
    page = look(owner)
    assert "stands for 3 messages" in page
    assert page.count("See the digest") == 3
    assert f'href="{LIST}{digest.pk}/"' in look(owner, f"{rows[0].pk}/")
    page = look(owner, f"{digest.pk}/")
    assert "Stands for 3 messages" in page
    assert "fleet-1" in page
    assert f'href="{LIST}{rows[2].pk}/"' in page


def test_a_code_is_never_shown(owner, people):
    delivery = deliver(people.team, event="contact.code", payload={"code": "314159"})
    for query in ("", f"{delivery.pk}/"):
        assert "314159" not in look(owner, query)
    assert "for its receiver alone" in look(owner, f"{delivery.pk}/")


def test_a_link_that_acknowledges_is_never_shown(owner, people):
    payload = {
        "incident": {"id": "i", "summary": "No push for 90 s.", "cause": "silence"},
        "monitor": {"name": "backup"},
        "acknowledge_url": "https://tocsin.example/ack/s3cret",
    }
    delivery = deliver(people.team, payload=payload)
    page = look(owner, f"{delivery.pk}/")
    assert "backup went silent" in page
    assert "s3cret" not in page


def test_a_persons_method_is_shown_by_the_person(owner, people):
    with scopes_disabled():
        method = ContactMethod.objects.create(
            team=people.team,
            membership=people.member.memberships.get(team=people.team),
            kind="twilio_sms",
            config={"to": "+4915112345678"},
        )
    deliver(people.team, contact_method=method, contact=f"method:{method.pk}", kind="twilio_sms")
    page = look(owner)
    assert "member@acme.example" in page
    with scopes_disabled():
        method.delete()
    assert "A deleted contact method" in look(owner)


def test_what_waits_says_when_it_is_tried_next(owner, people):
    delivery = deliver(people.team, next_attempt_at=now() + timedelta(minutes=5))
    assert "Next attempt" in look(owner, f"{delivery.pk}/")


def test_the_page_asks_for_fragments_of_itself(owner, people):
    delivery = deliver(people.team)
    for path in (LIST, f"{LIST}{delivery.pk}/"):
        part = owner.get(path, headers={"HX-Request": "true"}).content.decode()
        assert "<main" not in part
        assert "panel" in part


def test_another_teams_message_is_nowhere(owner, browse, people, channel):
    delivery = deliver(people.team, channel=channel)
    stranger = browse(people.stranger)
    assert stranger.get(f"/t/elsewhere/channels/deliveries/{delivery.pk}/").status_code == 404
    page = stranger.get(f"/t/elsewhere/channels/deliveries/?channel={channel.pk}").content.decode()
    assert "No message matches" in page
    assert "storage" not in page
