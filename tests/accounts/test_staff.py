"""Who gets into `/staff/`, what staff change there, and that all of it is written down."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.models import AuditEvent, Membership, Plan, Team, User
from config.staff import CONFIRMED_SECONDS
from tests.accounts.staffing import PASSWORD, make_operator, staff_client
from tests.conftest import Api
from tests.factories import TeamFactory, UserFactory, make_key

pytestmark = pytest.mark.django_db
TABLES = (
    "accounts/user",
    "accounts/team",
    "accounts/plan",
    "accounts/membership",
    "account/emailaddress",
    "mfa/authenticator",
    "usersessions/usersession",
    "admin/logentry",
    "monitors/listeninggap",
    "monitors/enginestamp",
)
PAGES = (
    "/staff",
    "/staff/",
    "/staff/health",
    "/staff/teams/",
    "/staff/teams/acme",
    *tuple(f"/staff/{table}/" for table in TABLES),
)


@pytest.fixture(autouse=True)
def forget_rates() -> None:
    cache.clear()


@pytest.fixture
def acme() -> Team:
    team: Team = TeamFactory(slug="acme", name="Acme")
    return team


@pytest.fixture
def operator() -> User:
    return make_operator()


@pytest.fixture
def desk(operator: User) -> Client:
    return staff_client(operator)


def test_visitors_are_led_to_the_log_in_and_others_find_nothing(acme):
    ordinary = Client()
    ordinary.force_login(
        UserFactory(), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    missing = ordinary.get("/nowhere").content
    for page in PAGES:
        answer = Client().get(page)
        assert answer.status_code == 302, page
        assert answer["Location"].startswith("/accounts/login/?next=/staff"), page
        answer = ordinary.get(page)
        assert answer.status_code == 404, page
        assert len(answer.content) == len(missing), page
        assert ordinary.post(page).status_code == 404, page
    with scopes_disabled():
        assert not AuditEvent.objects.filter(kind="team", action="team.viewed").exists()


def test_staff_without_a_second_factor_are_led_to_set_one_up(acme):
    desk = staff_client(make_operator(factor=False))
    for page in PAGES:
        answer = desk.get(page)
        assert answer.status_code == 403, page
        assert b'href="/accounts/2fa/totp/activate/"' in answer.content
        assert b"Set up a second factor first" in answer.content
    assert desk.post("/staff/accounts/plan/add/", {"name": "x"}).status_code == 403
    assert not Plan.objects.exists()


def test_recovery_codes_alone_are_no_second_factor():
    operator = make_operator(factor=False)
    RecoveryCodes.activate(operator)
    assert staff_client(operator).get("/staff/").status_code == 403


@pytest.mark.parametrize("ago", [None, CONFIRMED_SECONDS + 60])
def test_a_factor_that_was_not_shown_lately_is_asked_for(operator, ago):
    answer = staff_client(operator, shown_ago=ago).get("/staff/health")
    assert answer.status_code == 302
    assert answer["Location"] == "/accounts/2fa/reauthenticate/?next=%2Fstaff%2Fhealth"
    answer = staff_client(operator, shown_ago=ago).get(
        "/staff/health", headers={"HX-Request": "true"}
    )
    assert answer["HX-Refresh"] == "true"


def test_staff_with_nothing_but_a_passkey_are_asked_for_it(operator):
    keyed = make_operator("key@tocsin.example", factor=False)
    passkey = {"type": "webauthn", "data": {"name": "Key", "credential": {}}}
    Authenticator.objects.create(user=keyed, **passkey)
    RecoveryCodes.activate(keyed)
    for at, (page, asked) in {
        "get": ("/staff/health", "/accounts/2fa/webauthn/reauthenticate/?next=%2Fstaff%2Fhealth"),
        "post": ("/staff/", "/accounts/2fa/webauthn/reauthenticate/?next=%2Fstaff%2F"),
    }.items():
        answer = getattr(staff_client(keyed, shown_ago=None), at)(page)
        assert (answer.status_code, answer["Location"]) == (302, asked)
    # Who has both may use either; the code is what is asked first.
    Authenticator.objects.create(user=operator, **passkey)
    answer = staff_client(operator, shown_ago=None).get("/staff/")
    assert answer["Location"] == "/accounts/2fa/reauthenticate/?next=%2Fstaff%2F"


def test_the_real_way_in_by_password_and_code():
    operator = make_operator()
    factor = Authenticator.objects.get(user=operator)
    from allauth.mfa.totp.internal.auth import (
        format_hotp_value,
        hotp_value,
        yield_hotp_counters_from_time,
    )
    from allauth.mfa.utils import decrypt

    client = Client()
    answer = client.get("/staff/")
    answer = client.post(answer["Location"], {"login": operator.email, "password": PASSWORD})
    assert answer["Location"].startswith("/accounts/2fa/authenticate/")
    assert client.get("/staff/").status_code == 302  # a password alone opens nothing
    counter = list(yield_hotp_counters_from_time())[1]
    code = format_hotp_value(hotp_value(decrypt(factor.data["secret"]), counter))
    answer = client.post(answer["Location"], {"code": code})
    assert (answer.status_code, answer["Location"]) == (302, "/staff/")
    assert client.get("/staff/").status_code == 200


def test_a_form_sent_too_late_goes_on_after_the_confirmation(operator):
    desk = staff_client(operator, shown_ago=None)
    plan = {
        "name": "Small",
        "history_days": "90",
        "rate": "0.5",
        "currency": "EUR",
    }
    answer = desk.post("/staff/accounts/plan/add/", plan)
    assert answer["Location"].startswith("/accounts/2fa/reauthenticate/")
    assert not Plan.objects.exists()


def test_every_table_opens_with_a_bounded_number_of_queries(desk, acme):
    for n in range(12):
        TeamFactory(slug=f"other-{n}")
    with CaptureQueriesContext(
        connection,
    ) as asked:
        desk.get("/staff/accounts/team/")
    few = len(asked)
    for n in range(12):
        TeamFactory(slug=f"more-{n}")
    with CaptureQueriesContext(connection) as asked:
        answer = desk.get("/staff/accounts/team/")
    assert len(asked) == few
    assert answer.status_code == 200
    for table in TABLES:
        answer = desk.get(f"/staff/{table}/")
        assert answer.status_code == 200, table
        assert "'unsafe-inline'" not in answer["Content-Security-Policy"]
        assert "no-store" in answer["Cache-Control"]
        assert desk.get(f"/staff/{table}/", {"q": "x\x00"}).status_code == 404, table


def test_what_the_console_does_is_not_the_admins(desk):
    for path in ("login/", "password_change/", "r/1/1/", "auth/group/", "nowhere/", "nowhere"):
        assert desk.get(f"/staff/{path}").status_code == 404, path


def test_a_plan_is_made_and_given_and_the_team_sees_it(desk, acme, operator):
    answer = desk.post(
        "/staff/accounts/plan/add/",
        {"name": "Small", "monitor_quota": "20", "history_days": "90", "rate": "0.5000"}
        | {"currency": "EUR"},
    )
    assert answer.status_code == 302
    plan = Plan.objects.get()
    answer = desk.post(f"/staff/accounts/team/{acme.pk}/change/", {"plan": plan.pk})
    assert answer.status_code == 302
    acme.refresh_from_db()
    assert acme.plan == plan
    with scopes_disabled():
        event = AuditEvent.objects.filter(team=acme, kind="team").latest("at")
    assert (event.actor, event.by) == (f"operator {operator.email}", "staff")
    assert (event.before["plan"], event.after["plan"]) == (None, "Small")
    assert LogEntry.objects.count() == 2


def test_an_event_of_the_operators_is_in_the_api_too(desk, acme):
    desk.get("/staff/teams/acme")
    (event,) = [
        event
        for event in Api(make_key(acme)).get("audit-events")["results"]
        if event["action"] == "team.viewed"
    ]
    assert event["by"] == "staff"


def test_a_teams_words_and_dates_are_not_the_operators_to_write(desk, acme):
    desk.post(
        f"/staff/accounts/team/{acme.pk}/change/",
        {"slug": "stolen", "name": "Stolen", "delete_at_0": "2020-01-01", "monitor_quota": "7"},
    )
    acme.refresh_from_db()
    assert (acme.slug, acme.name, acme.delete_at, acme.monitor_quota) == ("acme", "Acme", None, 7)


def test_a_deletion_is_called_off_and_logged(desk, acme):
    Team.objects.filter(pk=acme.pk).update(
        delete_at=now() + timedelta(days=3), delete_asked_by="ann@example.org"
    )
    answer = desk.post(
        "/staff/accounts/team/", {"action": "keep_teams", "_selected_action": [acme.pk]}
    )
    assert answer.status_code == 302
    acme.refresh_from_db()
    assert (acme.delete_at, acme.delete_asked_by) == (None, "")
    assert LogEntry.objects.get().change_message == "Called off the deletion."


def log_in(user: User) -> Client:
    """Return the client of somebody who came in by the door, which notes the session."""
    client = Client()
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert client.get("/accounts/email/").status_code == 200
    return client


def test_times_are_read_in_the_zone_of_whoever_looks(operator, acme):
    User.objects.filter(pk=operator.pk).update(timezone="Asia/Dubai")
    at = datetime(2026, 11, 22, 14, 2, 11, tzinfo=UTC)
    Team.objects.filter(pk=acme.pk).update(created_at=at, delete_at=at + timedelta(days=9999))
    element = (
        '<time datetime="2026-11-22T14:02:11.000Z" '
        'title="22 Nov 2026 18:02:11 UTC+04:00\n22 Nov 2026 14:02:11 UTC" tabindex="0">'
        "22 Nov 2026 18:02:11 UTC+04:00</time>"
    )
    desk = staff_client(operator)
    shown = {
        page: desk.get(page).content.decode()
        for page in (
            "/staff/accounts/team/",
            f"/staff/accounts/team/{acme.pk}/change/",
            f"/staff/teams/{acme.slug}",
            "/staff/teams/",
            "/staff/accounts/team/?o=-7",
        )
    }
    for page, text in shown.items():
        assert "18:02:11 UTC+04:00" in text, page
        assert "22 Nov 2026 14:02:11 UTC" in text, page
    assert element in shown["/staff/accounts/team/"]
    assert element in shown[f"/staff/accounts/team/{acme.pk}/change/"]
    assert ">Created at<" in shown["/staff/accounts/team/"]
    # Whoever may only look sees the same.
    looking = make_operator("look@tocsin.example", superuser=False)
    User.objects.filter(pk=looking.pk).update(timezone="Asia/Dubai")
    page = staff_client(looking).get(f"/staff/accounts/team/{acme.pk}/change/").content.decode()
    assert element in page
    assert 'data-zone="Asia/Dubai"' in shown["/staff/teams/"]  # what the script speaks of
    # A row without the time says so.
    Team.objects.filter(pk=acme.pk).update(delete_at=None)
    assert 'field-delete_at">-<' in desk.get("/staff/accounts/team/").content.decode()


def test_a_person_is_deactivated_and_logged_out(desk):
    person = UserFactory(email="bob@example.org")
    theirs = log_in(person)
    assert UserSession.objects.filter(user=person).exists()
    page = desk.get(f"/staff/accounts/user/{person.pk}/change/").content.decode()
    assert person.password not in page
    assert 'name="password"' not in page
    answer = desk.post(f"/staff/accounts/user/{person.pk}/change/", {})
    assert answer.status_code == 302
    person.refresh_from_db()
    assert not person.is_active
    assert theirs.get("/accounts/email/").status_code == 302
    assert not UserSession.objects.filter(user=person).exists()
    assert LogEntry.objects.get().object_repr == "bob@example.org"


def test_nobody_locks_the_operator_out(desk, operator):
    answer = desk.post(f"/staff/accounts/user/{operator.pk}/change/", {"is_active": "on"})
    assert answer.status_code == 200
    assert b"another superuser" in answer.content
    operator.refresh_from_db()
    assert operator.is_staff


def test_staff_who_may_only_look_change_nothing(acme):
    desk = staff_client(make_operator(superuser=False))
    plan = Plan.objects.create(name="Small")
    for page in PAGES[1:]:
        assert desk.get(page).status_code == 200, page
    for address in (
        f"accounts/user/{UserFactory().pk}/change/",
        f"accounts/team/{acme.pk}/change/",
        f"accounts/plan/{plan.pk}/change/",
        f"accounts/plan/{plan.pk}/delete/",
        "accounts/plan/add/",
    ):
        assert desk.post(f"/staff/{address}", {"name": "x"}).status_code == 403, address
    assert Plan.objects.get().name == "Small"


def test_a_lost_second_factor_is_deleted_with_its_codes_and_its_owner_told(desk, operator):
    person = make_operator("bob@example.org")
    RecoveryCodes.activate(person)
    factor = Authenticator.objects.get(user=person, type="totp")
    page = desk.get(f"/staff/mfa/authenticator/{factor.pk}/change/").content.decode()
    assert factor.data["secret"] not in page
    mail.outbox.clear()
    answer = desk.post(f"/staff/mfa/authenticator/{factor.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 302
    assert not Authenticator.objects.filter(user=person).exists()
    assert Authenticator.objects.filter(user=operator).exists()
    assert [letter.to for letter in mail.outbox] == [["bob@example.org"]]
    assert LogEntry.objects.get().action_flag == 3


def test_a_session_is_ended_without_its_key_being_shown(desk):
    person = UserFactory()
    theirs = log_in(person)
    session = UserSession.objects.get(user=person)
    for page in ("", f"{session.pk}/change/"):
        answer = desk.get(f"/staff/usersessions/usersession/{page}")
        assert session.session_key not in answer.content.decode()
    desk.post(
        "/staff/usersessions/usersession/",
        {"action": "delete_selected", "_selected_action": [session.pk], "post": "yes"},
    )
    assert theirs.get("/accounts/email/").status_code == 302


def test_memberships_are_shown_and_not_changed(desk, acme):
    with scopes_disabled():
        place = Membership.objects.get(team=acme)
    answer = desk.get(f"/staff/accounts/membership/{place.pk}/change/")
    assert answer.status_code == 200
    assert b'name="_save"' not in answer.content
    assert desk.post(f"/staff/accounts/membership/{place.pk}/delete/").status_code == 403


@pytest.mark.parametrize("address", ["x", "0" * 5000, "9" * 30, "%00"])
def test_ids_that_are_none_break_nothing(desk, address):
    for table in TABLES:
        assert desk.get(f"/staff/{table}/{address}/change/").status_code in (302, 404), table
        chosen = {"action": "delete_selected", "_selected_action": [address], "post": "yes"}
        assert desk.post(f"/staff/{table}/", chosen).status_code in (200, 302, 400), table
        answer = desk.get(f"/staff/{table}/", {"p": address, "o": address, "user": address})
        assert answer.status_code in (200, 302, 400, 404), table


def run(**options: Any) -> dict[str, Any]:
    import io

    out = io.StringIO()
    call_command("make_staff", stdout=out, **options)
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


def test_the_first_staff_user_is_made_by_a_command():
    answer = run(email="Ops@Example.org")
    user = User.objects.get()
    assert answer["email"] == user.email == "ops@example.org"
    assert (user.is_staff, user.is_superuser) == (True, True)
    assert EmailAddress.objects.get().verified
    client = Client()
    client.post("/accounts/login/", {"login": user.email, "password": answer["password"]})
    answer = client.get("/staff/")
    assert answer.status_code == 403
    assert b"Set up a second factor first" in answer.content


def test_the_command_knows_who_has_an_account_already():
    user = UserFactory(email="ann@example.org")
    before = user.password
    answer = run(email="ann@example.org", look_only=True)
    user.refresh_from_db()
    assert (answer["password"], user.password) == (None, before)
    assert (user.is_staff, user.is_superuser) == (True, False)
    with pytest.raises(CommandError, match="already"):
        run(email="ann@example.org", password="another one")
    assert run(email="ann@example.org", remove=True)["superuser"] is False
    user.refresh_from_db()
    assert not user.is_staff
    for bad in ({"email": "nobody@example.org", "remove": True}, {"email": "no address"}):
        with pytest.raises(CommandError):
            run(**bad)


def test_createsuperuser_makes_somebody_who_can_log_in(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", email="ops@example.org", interactive=False, verbosity=0)
    client = Client()
    answer = client.post("/accounts/login/", {"login": "ops@example.org", "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/")


def test_the_account_menu_leads_staff_alone_there(acme, operator):
    with scopes_disabled():
        Membership.objects.create(team=acme, user=operator, role="viewer")
        member = Membership.objects.filter(team=acme).exclude(user=operator).get().user
    assert b'href="/staff/health"' in staff_client(operator).get("/t/acme/").content
    assert b"/staff/" not in staff_client(member).get("/t/acme/").content
