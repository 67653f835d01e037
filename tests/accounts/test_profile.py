"""A person's profile, and the pages of signing in as visitors meet them."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from tests.accounts.people import PASSWORD, log_in, make_person, send_login

PROFILE = "/accounts/profile/"


@pytest.fixture(autouse=True)
def forget_rates() -> None:
    cache.clear()


@pytest.fixture
def ana(db: Any) -> User:
    return make_person()


def save(client: Client, **form: str) -> Any:
    return client.post(PROFILE, {"name": "Ana", "timezone": "UTC"} | form)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/berlin ", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("utc", "UTC"),
    ],
)
def test_name_and_zone_are_saved(ana: User, typed: str, meant: str) -> None:
    assert save(log_in(ana), name="Ana Ruiz", timezone=typed).status_code == 302
    ana.refresh_from_db()
    assert (ana.name, ana.timezone) == ("Ana Ruiz", meant)


@pytest.mark.parametrize(
    "form",
    [
        {"timezone": "Mars/Base"},
        {"timezone": "../../etc/passwd"},
        {"timezone": ""},
        {"timezone": "localtime"},
        {"timezone": "x" * 5000},
        {"name": "nul\0"},
        {"name": "x" * 121},
    ],
)
def test_what_is_wrong_is_said_at_its_field(ana: User, form: dict[str, str]) -> None:
    answer = save(log_in(ana), **form)
    assert answer.status_code == 200
    assert f'id="error_1_id_{next(iter(form))}"' in answer.content.decode()
    ana.refresh_from_db()
    assert (ana.name, ana.timezone) == ("", "UTC")


def test_the_pages_need_a_log_in_and_lead_to_one_another(ana: User) -> None:
    for path in ("profile/", "sessions/", "close/", "email/", "2fa/", "password/change/"):
        assert Client().get(f"/accounts/{path}")["Location"].startswith("/accounts/login/")
    client = log_in(ana)
    assert client.get("/accounts/")["Location"] == PROFILE
    for path in ("profile/", "sessions/", "close/", "email/", "2fa/", "password/change/"):
        page = client.get(f"/accounts/{path}").content.decode()
        assert page.count('aria-current="page"') == 1, path
        assert "Back to your team" in page
        assert "Connections" not in page  # there is no server to connect


def test_a_sign_up_takes_the_browsers_zone(db: Any) -> None:
    for email, zone, kept in (
        ("a@acme.example", "Asia/Tokyo", "Asia/Tokyo"),
        ("b@acme.example", "No/Where", "UTC"),
        ("c@acme.example", "", "UTC"),
    ):
        Client().post(
            "/accounts/signup/", {"email": email, "password1": PASSWORD, "timezone": zone}
        )
        assert User.objects.get(email=email).timezone == kept


def test_signing_up_tells_nobody_who_has_an_account(ana: User) -> None:
    answers = [
        Client().post("/accounts/signup/", {"email": email, "password1": "tall-kettle-92"})
        for email in (ana.email, "new@acme.example")
    ]
    assert answers[0].status_code == answers[1].status_code == 302
    assert answers[0]["Location"] == answers[1]["Location"]
    assert "has an account already" in mail.outbox[0].body


def test_logging_in_says_the_same_of_a_wrong_password_and_an_unknown_address(ana: User) -> None:
    known = send_login(Client(), ana.email, "wrong").content.decode()
    unknown = send_login(Client(), "nobody@acme.example", "wrong").content.decode()
    words = "The email address and/or password you specified are not correct."
    assert words in known
    assert words in unknown


def test_many_tries_meet_a_page_that_says_wait(ana: User) -> None:
    client = Client()
    said = [send_login(client, ana.email, "wrong") for _ in range(35)]
    assert any("Too many" in answer.content.decode() for answer in said)
    assert said[-1].status_code in {200, 429}
    assert send_login(Client(), ana.email).status_code != 302


def test_logging_out_is_a_post(ana: User) -> None:
    client = log_in(ana)
    assert "Log out?" in client.get("/accounts/logout/").content.decode()
    assert client.get(PROFILE).status_code == 200
    client.post("/accounts/logout/")
    assert client.get(PROFILE).status_code == 302


def test_addresses_are_added_chosen_and_removed(ana: User) -> None:
    client = log_in(ana)
    client.post("/accounts/email/", {"action_add": "", "email": "second@acme.example"})
    page = client.get("/accounts/email/").content.decode()
    assert "Not confirmed yet" in page
    EmailAddress.objects.filter(email="second@acme.example").update(verified=True)
    client.post("/accounts/email/", {"action_primary": "", "email": "second@acme.example"})
    ana.refresh_from_db()
    assert ana.email == "second@acme.example"
    client.post("/accounts/email/", {"action_remove": "", "email": "ana@acme.example"})
    assert [row.email for row in EmailAddress.objects.filter(user=ana)] == ["second@acme.example"]
