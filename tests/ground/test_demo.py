"""`manage.py demo`: a team worth looking at, made once."""

from __future__ import annotations

import io
import re
import time
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django_scopes import scopes_disabled

from accounts.models import Team, User
from incidents.engine import run_round
from incidents.models import Delivery, Incident, Notification, TimelineEvent
from monitors.ingest.listening import STAMP
from monitors.models import Heartbeat, Monitor, PushResult, Transition, UsageDay
from monitors.queries import database_now, standings, with_standing
from statuspages.models import Component, ComponentSpan, Post, PostNotice, StatusPage
from statuspages.tasks import run_round as run_pages

pytestmark = pytest.mark.django_db


def demo() -> str:
    printed = io.StringIO()
    call_command("demo", stdout=printed)
    return printed.getvalue()


def password_in(text: str) -> str:
    found = re.search(r"password\s+(\S+)", text)
    assert found is not None, text
    return found[1]


def stamp() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(STAMP)


def counts() -> dict[str, int]:
    with scopes_disabled():
        return {
            model.__name__: model.objects.count()
            for model in (Monitor, Transition, Incident, Delivery, Notification, TimelineEvent)
        } | {"results": PushResult.objects.count(), "teams": Team.objects.count()}


def test_the_team_has_weeks_behind_it_and_one_open_incident() -> None:
    started = time.monotonic()
    printed = demo()
    assert time.monotonic() - started < 60
    with scopes_disabled():
        now = database_now()
        found = counts()
        assert found["Monitor"] == 12
        assert 50_000 < found["results"] < 150_000
        oldest = PushResult.objects.order_by("received_at").values_list("received_at", flat=True)[0]
        assert timedelta(days=14) < now - oldest < timedelta(days=22)
        assert not PushResult.objects.filter(received_at__gt=now).exists()
        assert Incident.objects.exclude(state="resolved").count() == 1
        assert Incident.objects.filter(state="resolved").count() >= 12
        assert {"silence", "failure", "latency"} <= set(
            Incident.objects.values_list("cause", flat=True)
        )
        assert set(Heartbeat.objects.values_list("state", flat=True)) == {
            *("up", "down", "paused", "pending"),
        }
        assert not Delivery.objects.exclude(state="delivered").exists()
        assert not Transition.objects.filter(handled_at=None).exists()
    user = User.objects.get(email="demo@tocsin.example")
    assert user.check_password(password_in(printed))


def test_its_history_fits_together() -> None:
    demo()
    with scopes_disabled():
        for monitor in Monitor.objects.select_related("heartbeat"):
            changes = list(Transition.objects.filter(monitor=monitor.pk).order_by("id"))
            state = "pending"
            for change in changes:
                assert change.from_state == state, monitor.name
                state = change.to_state
            assert monitor.heartbeat.state == state
            assert [c.at for c in changes] == sorted(c.at for c in changes)
        for incident in Incident.objects.all():
            kinds = list(incident.timeline.order_by("at", "id").values_list("kind", flat=True))
            assert kinds[0] == "opened"
            assert ("resolved" in kinds) == (incident.state == "resolved")
            assert incident.deliveries.filter(event="incident.opened").exists()
        by_age = list(Incident.objects.order_by("id").values_list("opened_at", flat=True))
        assert by_age == sorted(by_age)


def test_the_engine_finds_nothing_to_say_about_it() -> None:
    demo()
    before = counts()
    stamp()
    assert run_round() == 0
    assert counts() == before
    with scopes_disabled():
        shown = standings(with_standing(Monitor.objects.all()), now=database_now())
        soon = database_now() + timedelta(days=25)
        due = [standing.due_at for standing in shown.values() if standing.due_at is not None]
        assert len(due) == 10
        assert min(due) > soon


def test_a_second_run_changes_nothing_and_says_the_login_again() -> None:
    first = demo()
    before = counts()
    second = demo()
    assert counts() == before
    assert "exists already" in second
    assert password_in(second) == password_in(first)


def test_a_changed_password_is_not_reset() -> None:
    demo()
    user = User.objects.get(email="demo@tocsin.example")
    user.set_password("chosen by its owner")
    user.save()
    assert password_in(demo()) == "(changed"
    user.refresh_from_db()
    assert user.check_password("chosen by its owner")


def test_its_customers_have_a_status_page_that_follows_the_monitors() -> None:
    assert "/status/demo/" in demo()
    run_pages()
    with scopes_disabled():
        page = StatusPage.objects.get()
        components = Component.objects.select_related("group")
        assert (page.slug, page.team.slug, page.published) == ("demo", "demo", True)
        assert len({component.group for component in components}) == 2
        assert all(component.monitor_links.exists() for component in components)
        assert {component.name: component.status for component in components}[
            "Payments"
        ] == "major_outage"
        weeks_ago = database_now() - timedelta(days=10)
        assert ComponentSpan.objects.filter(kind="major", started_at__lt=weeks_ago).exists()
        past = Post.objects.get(is_maintenance=False)
        ahead = Post.objects.get(is_maintenance=True)
        assert (past.status, past.updates.count()) == ("resolved", 4)
        assert past.resolved_at is not None
        assert past.resolved_at < database_now() - timedelta(days=3)
        assert ahead.status == "scheduled"
        assert ahead.scheduled_for is not None
        assert ahead.scheduled_for > database_now() + timedelta(days=2)
        assert not PostNotice.objects.exists()
    seen = Client().get("/status/demo/").content.decode()
    for words in ("Checkout", "Worker fleets", past.title, ahead.title):
        assert words in seen, words


def test_every_day_of_the_past_was_counted() -> None:
    demo()
    with scopes_disabled():
        days = list(UsageDay.objects.order_by("day").values_list("day", "monitors"))
    today = database_now().date()
    assert days[-1] == (today, 12)
    assert days == [(today - timedelta(days=20 - at), 12) for at in range(21)]


def test_its_pages_can_be_seen() -> None:
    demo()
    client = Client()
    client.force_login(User.objects.get(email="demo@tocsin.example"))
    with scopes_disabled():
        incident = Incident.objects.exclude(state="resolved").get()
        monitor = Monitor.objects.get(name="checkout-loop")
    for path in ("", f"monitors/{monitor.pk}/", f"incidents/{incident.pk}/"):
        assert client.get(f"/t/demo/{path}").status_code == 200, path
