"""The installation watches itself: canary, watchdog, notices, and the ping to somebody else."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.db.models import F
from django.test import Client
from django_scopes import scopes_disabled

from accounts.internal import INTERNAL_SLUG, INTERNAL_TEAM
from accounts.models import SLUG_PATTERN, Team, User
from config import watching
from config.staff_figures import read_figures
from incidents import engine
from incidents.channels.registry import KINDS
from incidents.channels.watchdog import HEADER
from incidents.delivery.pool import deliver_here
from incidents.models import Delivery, Incident, NoticeKind, OperatorNotice, WatchRound
from incidents.watching.canary import send_canary
from incidents.watching.notices import look_around, mail_notices
from incidents.watching.places import CANARY, WATCHDOG, find_monitor
from incidents.watching.watchdog import ROUND_SECONDS, is_well, step_watchdog
from monitors.models import (
    Canary,
    EngineStamp,
    Heartbeat,
    ListeningGap,
    MassGuard,
    PushResult,
    UsageDay,
)
from monitors.partitions import ensure_partitions
from monitors.queries import database_now
from monitors.sweep import sweep
from monitors.usage import count_teams
from tests.accounts.staffing import make_operator, staff_client
from tests.monitors.pushing import age, heartbeat, listen, make_monitors, push
from tests.providers import Answer, Provider

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _watching(settings, live_server):
    settings.CANARY_URL = live_server.url
    settings.CANARY_SECONDS, settings.WATCHDOG_SECONDS = 5, 600
    settings.OPERATOR_EMAIL = ("ops@example.org", "night@example.org")
    settings.WATCHDOG_URL = ""
    listen()
    with scopes_disabled():
        yield


def due_now() -> None:
    Canary.objects.update(next_at=database_now())


def begin_round() -> WatchRound:
    step_watchdog()
    WatchRound.objects.update(started_at=F("started_at") - timedelta(seconds=601))
    listen()
    started = step_watchdog()
    assert started is not None
    return started


def run_engine() -> None:
    listen()
    engine.run_round()
    deliver_here()


def fall_silent() -> None:
    monitor, _ = find_monitor(WATCHDOG)
    age(monitor, 6)


def outcome() -> tuple[str, str]:
    last = WatchRound.objects.order_by("-id")[0]
    return last.result, last.stuck


# --- the canary ------------------------------------------------------------------------------


def test_a_canary_is_a_push_over_http_that_is_stored():
    assert send_canary() is True
    assert send_canary() is None  # not yet
    monitor, _ = find_monitor(CANARY)
    assert PushResult.objects.filter(monitor=monitor).count() == 1
    assert Canary.objects.get().good_at is not None


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, body=b"<h1>Parked</h1>"),
        Answer(201, body=b"[]"),
        Answer(503, body=b'{"status":503}'),
        Answer(429, body=b"Too many"),
        Answer(reset=True),
    ],
)
def test_an_answer_that_is_not_ours_is_no_success(settings, answer):
    with Provider(lambda _: answer) as other:
        settings.CANARY_URL = other.url
        assert send_canary() is False
    canary = Canary.objects.get()
    assert (canary.failures, canary.good_at) == (1, None)
    assert canary.error


def test_a_limit_of_our_own_is_an_answer_of_ours(settings):
    with Provider(lambda _: Answer(429, body=b'{"status":429,"title":"Too many"}')) as ours:
        settings.CANARY_URL = ours.url
        assert send_canary() is True


def test_a_canary_that_is_turned_off_makes_nothing(settings):
    settings.CANARY_SECONDS = 0
    assert send_canary() is None
    assert not Team.objects.filter(pk=INTERNAL_TEAM).exists()


# --- our own team is nobody's ----------------------------------------------------------------


def test_our_own_team_is_in_no_list_and_costs_nothing():
    send_canary()
    begin_round()
    desk = staff_client(make_operator())
    count_teams()
    assert not UsageDay.objects.filter(team=INTERNAL_TEAM).exists()
    assert "watchdog" not in KINDS
    assert not re.fullmatch(SLUG_PATTERN, INTERNAL_SLUG)
    for path in ("/staff/teams/", "/staff/accounts/team/"):
        page = desk.get(path)
        assert page.status_code == 200
        assert INTERNAL_SLUG not in page.content.decode()
    for path in (f"/staff/teams/{INTERNAL_SLUG}", f"/t/{INTERNAL_SLUG}/"):
        assert desk.get(path).status_code == 404


def test_no_team_can_have_a_channel_to_our_receiver(api):
    answer = api("POST", "channels", {"name": "x", "kind": "watchdog", "config": {}})
    assert answer.status_code == 400


# --- the watchdog ----------------------------------------------------------------------------


def test_a_round_opens_tells_and_resolves_by_the_ordinary_way():
    begin_round()
    fall_silent()
    run_engine()
    assert Incident.objects.get().state == "open"
    assert WatchRound.objects.order_by("-id")[0].told_at is not None
    step_watchdog()  # it pushes
    run_engine()
    assert Incident.objects.get().state == "resolved"
    step_watchdog()
    assert outcome() == ("well", "")
    assert is_well()
    kinds = Delivery.objects.values_list("kind", "event", "state").order_by("id")
    assert list(kinds) == [
        ("watchdog", "incident.opened", "delivered"),
        ("watchdog", "incident.resolved", "delivered"),
    ]
    assert heartbeat(find_monitor(WATCHDOG)[0]).state == "paused"
    look_around()
    assert not OperatorNotice.objects.exists()


def test_round_after_round_never_counts_as_flapping():
    for _ in range(5):
        begin_round()
        fall_silent()
        run_engine()
        step_watchdog()
        run_engine()
        step_watchdog()
        assert outcome() == ("well", "")
    assert not Incident.objects.exclude(state="resolved").exists()


def test_no_round_begins_before_a_whole_interval_has_passed():
    step_watchdog()
    assert step_watchdog() is None
    assert is_well()  # none was due yet


def stop_at(stage: str) -> None:
    """Let a round come so far and no further."""
    begin_round()
    if stage == "its silence to be found":
        return
    fall_silent()
    listen()
    if stage == "its incident to open":
        sweep()
        return
    engine.run_round()
    if stage == "the message of its incident":
        return
    deliver_here()
    if stage == "the end of its incident":
        return
    step_watchdog()
    engine.run_round()


@pytest.mark.parametrize(
    "stage",
    [
        "its silence to be found",
        "its incident to open",
        "the message of its incident",
        "the end of its incident",
        "the message of its end",
    ],
)
def test_a_round_that_does_not_complete_says_where_it_stuck(stage):
    stop_at(stage)
    past = timedelta(seconds=ROUND_SECONDS + 1)
    WatchRound.objects.filter(ended_at=None).update(started_at=F("started_at") - past)
    if stage.endswith("end"):
        WatchRound.objects.filter(ended_at=None).update(over_at=None)
    step_watchdog()
    assert outcome() == ("failed", stage)
    assert not is_well()
    look_around()
    notice = OperatorNotice.objects.get(kind=NoticeKind.WATCHDOG)
    assert stage in notice.text
    shown = {f.name: f for g in read_figures(now=database_now()) for f in g.figures}
    assert shown["watchdog_seconds"].state == "bad"
    assert stage in shown["watchdog_seconds"].value


def test_a_round_during_which_we_did_not_listen_is_not_judged():
    begin_round()
    now = database_now()
    ListeningGap.objects.create(started_at=now - timedelta(seconds=3), ended_at=now)
    step_watchdog()
    assert outcome()[0] == "void"
    assert is_well()


def test_a_round_that_was_not_judged_is_soon_made_up_for():
    begin_round()
    now = database_now()
    ListeningGap.objects.create(started_at=now - timedelta(seconds=3), ended_at=now)
    step_watchdog()
    assert step_watchdog() is None
    WatchRound.objects.filter(result="void").update(started_at=F("started_at") - timedelta(hours=1))
    WatchRound.objects.filter(pk=WatchRound.objects.latest("id").pk).update(
        started_at=database_now() - timedelta(seconds=91)
    )
    assert step_watchdog() is not None


def test_a_good_round_does_not_count_for_ever():
    now = database_now()
    well = WatchRound.objects.create(started_at=now, ended_at=now, result="well")
    for age_seconds, said in ((2 * 600 + 80, True), (2 * 600 + 95, False), (3 * 86_400, False)):
        ago = database_now() - timedelta(seconds=age_seconds)
        WatchRound.objects.filter(pk=well.pk).update(started_at=ago, ended_at=ago)
        WatchRound.objects.create(started_at=now, ended_at=now, result="void")
        assert is_well() is said
    WatchRound.objects.filter(result="void").update(started_at=now - timedelta(seconds=601))
    step_watchdog()  # what it forgets of old rounds is not what counts
    assert WatchRound.objects.filter(ended_at=None).exists()
    assert not is_well()


def test_only_our_own_word_counts_at_the_receiver(client):
    begin_round()
    fall_silent()
    listen()
    engine.run_round()
    for headers in ({}, {HEADER: "forged"}, {HEADER: "a:b:c"}):
        assert client.post("/watchdog", headers=headers).status_code == 404
    assert client.get("/watchdog").status_code == 404
    assert WatchRound.objects.order_by("-id")[0].told_at is None


# --- notices ---------------------------------------------------------------------------------


def gap(seconds: float) -> ListeningGap:
    now = database_now()
    return ListeningGap.objects.create(started_at=now - timedelta(seconds=seconds), ended_at=now)


def test_a_gap_is_told_once_to_each_address_with_what_it_moved(team):
    for monitor in make_monitors(team, 3):
        push(monitor)
        age(monitor, 40)
    gap(30)
    gap(5)  # too short for a mail
    assert look_around() == 1
    assert look_around() == 0
    assert mail_notices() == 1
    assert mail_notices() == 0
    (sent,) = mail.outbox
    assert sent.to == ["ops@example.org", "night@example.org"]
    assert "We were not listening from" in sent.body
    assert "deadlines of 3 monitors" in sent.body
    assert "/staff/health" in sent.body


def test_of_one_kind_a_mail_goes_out_once_in_a_while_and_the_rest_follow_together():
    gap(30)
    look_around()
    mail_notices()
    for _ in range(3):
        gap(20)
    look_around()
    assert mail_notices() == 0
    OperatorNotice.objects.update(mailed_at=F("mailed_at") - timedelta(seconds=901))
    assert mail_notices() == 1
    assert mail.outbox[1].body.count("We were not listening from") == 3


def test_without_an_address_the_staff_are_mailed(settings):
    settings.OPERATOR_EMAIL = ()
    User.objects.create_user("member@example.org", "x")
    User.objects.create_superuser("boss@example.org", "x")
    gap(30)
    look_around()
    mail_notices()
    assert mail.outbox[0].to == ["boss@example.org"]


def test_what_nobody_could_be_mailed_goes_out_as_one_once_there_is_somebody(settings, caplog):
    settings.OPERATOR_EMAIL = ()
    gap(30)
    gap(20)
    gap(25)
    look_around()
    OperatorNotice.objects.filter(pk=OperatorNotice.objects.earliest("id").pk).update(
        at=database_now() - timedelta(hours=25)
    )
    for _ in range(3):
        assert mail_notices() == 0
    assert OperatorNotice.objects.filter(mailed_at=None).count() == 3
    assert OperatorNotice.objects.filter(try_at__gt=database_now()).count() == 2
    assert len([said for said in caplog.messages if "nobody to mail" in said]) == 1
    boss = make_operator()
    desk = staff_client(boss)
    User.objects.filter(pk=boss.pk).update(email="")
    assert "nobody to mail" in desk.get("/staff/health").content.decode()
    assert desk.get("/staff/health?format=json").json()["has_addressee"] is False
    User.objects.filter(pk=boss.pk).update(email="boss@example.org")
    assert "nobody to mail" not in desk.get("/staff/health").content.decode()
    OperatorNotice.objects.update(try_at=database_now())
    assert mail_notices() == 1
    (sent,) = mail.outbox
    assert sent.body.count("We were not listening from") == 2
    assert mail_notices() == 0


def test_a_gap_that_moved_nothing_does_not_say_so():
    gap(30)
    look_around()
    text = OperatorNotice.objects.get().text
    assert "deadlines" not in text
    assert text.endswith("Nobody was paged for that time.")


def test_a_mail_that_the_server_does_not_take_is_tried_again(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    gap(30)
    look_around()
    assert mail_notices() == 0
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert mail_notices() == 0  # not yet
    OperatorNotice.objects.update(try_at=database_now())
    assert mail_notices() == 1


def test_deafness_a_wave_and_a_standby_that_stands_in_are_told(settings):
    now = database_now()
    looking_since(seconds_ago=90)
    settings.CANARY_URL = "http://127.0.0.1:1"
    send_canary()
    due_now()
    send_canary()
    Canary.objects.update(failed_from=now - timedelta(seconds=130))
    MassGuard.objects.create(
        held_from=now, held_until=now + timedelta(seconds=30), monitors=60, teams=4
    )
    EngineStamp.objects.create(name="engine", at=now - timedelta(seconds=90))
    EngineStamp.objects.create(name="engine:standby", at=now)
    assert look_around() == 3
    assert mail_notices() == 3
    said = "\n".join(sent.body for sent in mail.outbox)
    assert "have not got through to http://127.0.0.1:1 (connection refused)" in said
    assert "60 monitors of 4 teams fell silent together" in said
    assert "worker-engine has completed no round since" in said
    Canary.objects.update(deaf_from=now, held_until=now + timedelta(seconds=60))
    assert look_around() == 1
    assert "Silence after that is not judged" in OperatorNotice.objects.latest("id").text


def looking_since(*, seconds_ago: float) -> None:
    at = database_now() - timedelta(seconds=seconds_ago)
    WatchRound.objects.create(started_at=at, ended_at=at, result="void", stuck="first look")


def stand_in(*, own_ago: float | None) -> None:
    now = database_now()
    if own_ago is not None:
        EngineStamp.objects.create(name="engine", at=now - timedelta(seconds=own_ago))
    EngineStamp.objects.create(name="engine:standby", at=now)


def test_a_standby_that_has_only_just_begun_is_no_news():
    looking_since(seconds_ago=3600)
    stand_in(own_ago=30)
    assert look_around() == 0


@pytest.mark.parametrize("every", [600, 0])
def test_at_a_first_start_the_worker_has_a_minute_to_come(settings, every):
    settings.WATCHDOG_SECONDS = every
    stand_in(own_ago=None)
    assert look_around() == 0
    WatchRound.objects.update(started_at=F("started_at") - timedelta(seconds=55))
    assert look_around() == 0
    WatchRound.objects.update(started_at=F("started_at") - timedelta(seconds=6))
    assert look_around() == 1
    assert "worker-engine has completed no round yet" in OperatorNotice.objects.get().text


def test_after_our_own_outage_the_worker_has_a_minute_to_come(settings):
    settings.OPERATOR_GAP_SECONDS = 10_000
    looking_since(seconds_ago=7200)
    stand_in(own_ago=1800)
    listen(seconds_ago=1800)
    assert look_around() == 0  # the gap is not stored yet
    stored = gap(1800)
    listen()
    assert look_around() == 0
    for seconds, told in ((55, 0), (61, 1)):
        stored.ended_at = database_now() - timedelta(seconds=seconds)
        stored.save()
        assert look_around() == told
    assert "worker-engine has completed no round since" in OperatorNotice.objects.get().text


def test_a_gap_of_the_public_path_excuses_no_worker():
    looking_since(seconds_ago=7200)
    stand_in(own_ago=90)
    gap(5)
    ListeningGap.objects.update(cause="canary")
    assert look_around() == 1


def test_the_health_page_shows_gaps_with_their_cause_notices_and_our_own_figures():
    desk = staff_client(make_operator())
    send_canary()
    gap(30)
    ListeningGap.objects.update(cause="canary")
    look_around()
    page = desk.get("/staff/health").content.decode()
    assert "our own pushes did not get through" in page
    assert "We were not listening from" in page
    figures = desk.get("/staff/health?format=json").json()
    assert figures["figures"]["canary_seconds"]["state"] == "well"
    assert figures["gaps"][0]["cause"] == "canary"
    assert figures["notices"][0]["kind"] == "gap"


# --- the ping --------------------------------------------------------------------------------


@pytest.fixture
def outside(settings):
    with Provider() as provider:
        settings.WATCHDOG_URL = provider.url
        ensure_partitions(now=database_now())
        make_fresh()
        yield provider


def make_fresh() -> None:
    listen()
    for part in ("engine", "deliver"):
        engine.stamp(part)


def a_minute_passes() -> None:
    EngineStamp.objects.filter(name="ping").update(at=F("at") - timedelta(seconds=61))


def test_a_ping_a_minute_while_all_is_well(outside):
    assert watching.ping_outside()
    assert not watching.ping_outside()
    a_minute_passes()
    assert watching.ping_outside()
    assert [got.method for got in outside.got] == ["GET", "GET"]


@pytest.mark.parametrize(
    "part", ["listening", "sweep", "outbox", "late", "canary", "watchdog", "rounds"]
)
def test_the_pings_end_when_any_part_is_stale(outside, team, part):
    now = database_now()
    if part == "listening":
        listen(seconds_ago=10)
    elif part in ("sweep", "outbox"):
        name = {"sweep": "engine", "outbox": "deliver"}[part]
        EngineStamp.objects.filter(name=name).update(at=now - timedelta(seconds=20))
    elif part == "late":
        push(make_monitors(team, 1)[0])
        Heartbeat.objects.update(check_at=now - timedelta(seconds=60))
    elif part == "canary":
        Canary.objects.create(next_at=now, failures=2)
    elif part == "watchdog":
        WatchRound.objects.create(started_at=now, ended_at=now, result="failed")
    else:
        ago = now - timedelta(seconds=2 * 600 + 91)
        WatchRound.objects.create(started_at=ago, ended_at=ago, result="well")
        WatchRound.objects.create(started_at=now, ended_at=now, result="void")
    assert not watching.ping_outside()
    assert outside.got == []


def test_the_time_in_which_silence_is_held_back_is_no_lag(outside, team):
    push(make_monitors(team, 1)[0])
    now = database_now()
    Heartbeat.objects.update(check_at=now - timedelta(seconds=60))
    Canary.objects.create(
        next_at=now,
        deaf_from=now - timedelta(seconds=60),
        held_until=now + timedelta(seconds=60),
    )
    assert Client().get("/readyz").json()["stale"].keys() <= {"broker"}


def test_an_outside_that_answers_badly_is_asked_again_next_minute(outside):
    outside.answer = lambda _: 500
    assert not watching.ping_outside()
    assert not watching.ping_outside()
    assert len(outside.got) == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM monitors_enginestamp WHERE name = 'ping'")
        assert cursor.fetchone() == (1,)
