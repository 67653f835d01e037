"""Acknowledging by the link in a message: a page with a button, no log-in."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.core import mail
from django.test import Client

from accounts.models import Membership
from incidents.delivery.pool import deliver_here
from incidents.notifications.links import (
    VALID,
    BadLink,
    ExpiredLink,
    Link,
    acknowledge_url,
    read_link,
)
from monitors.models import Monitor
from tests.factories import MonitorFactory, TeamFactory
from tests.incidents.telling import go, incidents

pytestmark = pytest.mark.django_db(transaction=True)
SENT = datetime(2026, 11, 22, 3, tzinfo=UTC)


@pytest.fixture
def link(settings):
    go(MonitorFactory(team=TeamFactory()), "fail")
    deliver_here()
    (found,) = re.findall(r"https?://\S+/ack/\S+", mail.outbox[0].body)
    return found.removeprefix(settings.BASE_URL)


def test_looking_at_the_page_changes_nothing(link):
    for method in ("get", "head"):
        answer = getattr(Client(), method)(link)
        assert answer.status_code == 200
    assert incidents()[0].state == "open"
    assert "Acknowledge as" in Client().get(link).content.decode()
    assert answer["Referrer-Policy"] == "no-referrer"
    assert not answer.cookies


def test_the_button_acknowledges_in_the_receivers_name(link):
    answer = Client(enforce_csrf_checks=True).post(link, follow=True)
    assert answer.status_code == 200
    (incident,) = incidents()
    assert incident.state == "acknowledged"
    assert incident.acknowledged_by == f"{mail.outbox[0].to[0]} (by link)"
    assert "nobody else is paged" in answer.content.decode()


def test_after_the_end_it_says_so(link):
    go(Monitor.objects.get(), "pass")
    answer = Client().post(link, follow=True)
    assert "There is nothing to do" in answer.content.decode()
    assert incidents()[0].state == "resolved"


def test_a_changed_or_foreign_link_is_404(link):
    for bad in (link[:-4] + "xxx/", link.replace("/ack/", "/ack/a"), "/ack/nothing/"):
        assert Client().get(bad).status_code == 404
        assert Client().post(bad).status_code == 404
    unknown = acknowledge_url(Link(uuid4(), "a"), sent_at=datetime.now(UTC))
    assert Client().get("/ack/" + unknown.rsplit("/ack/")[1]).status_code == 404


def test_an_old_link_says_that_it_has_expired(link):
    (incident,) = incidents()
    old = acknowledge_url(Link(incident.pk, "a"), sent_at=datetime.now(UTC) - VALID * 2)
    answer = Client().post("/ack/" + old.rsplit("/ack/")[1])
    assert answer.status_code == 410
    assert "expired" in answer.content.decode()
    assert incidents()[0].state == "open"


@pytest.mark.parametrize("actor", ["ana@example.org", "Büro ☎ «ops»", "a.b~c:d/e", ""])
def test_a_link_keeps_what_it_says_until_it_ends(actor):
    for link in (
        Link(uuid4(), actor),
        Link(uuid4(), actor, channel_id=uuid4()),
        Link(uuid4(), actor, method_id=uuid4()),
    ):
        url = acknowledge_url(link, sent_at=SENT)
        token = url.rsplit("/ack/")[1].strip("/")
        assert re.fullmatch(r"[\w.~-]+", token)
        assert read_link(token, now=SENT + VALID - timedelta(seconds=1)) == link
        with pytest.raises(ExpiredLink):
            read_link(token, now=SENT + VALID)
        with pytest.raises(BadLink):
            read_link(token.replace(token[3], "g", 1), now=SENT)
        assert acknowledge_url(link, sent_at=SENT) == url


def test_the_link_of_somebody_who_left_the_team_is_dead(link):
    Membership.objects.all().delete()
    assert Client().get(link).status_code == 404
    assert Client().post(link).status_code == 404
    assert incidents()[0].state == "open"
