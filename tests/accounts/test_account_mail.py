"""The mails of accounts: each can be made, and one that cannot be sent leaves nobody stuck."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core import mail
from django.core.cache import cache
from django.core.mail.backends.base import BaseEmailBackend
from django.template import engines
from django.test import Client

from accounts.models import User
from tests.accounts.people import PASSWORD, is_in, log_in, make_person, send_login

TEMPLATES = Path(settings.BASE_DIR) / "templates"
OURS = sorted(
    str(path.relative_to(TEMPLATES))
    for room in ("account", "mfa", "socialaccount")
    for path in (TEMPLATES / room / "email").iterdir()
)
OTHERS = sorted(str(path.relative_to(TEMPLATES)) for path in (TEMPLATES / "mail").iterdir())
# What allauth gives to its mails, and our adapter beside it.
CONTEXT = {
    "email": "ana@acme.example",
    "user": SimpleNamespace(email="ana@acme.example"),
    "timestamp": datetime(2026, 3, 1, 12, tzinfo=UTC),
    "ip": "192.0.2.7",
    "user_agent": "Firefox",
    "activate_url": "https://tocsin.example/confirm",
    "password_reset_url": "https://tocsin.example/reset",
    "signup_url": "https://tocsin.example/signup",
    "from_email": "old@acme.example",
    "to_email": "new@acme.example",
    "deleted_email": "old@acme.example",
    "provider": SimpleNamespace(name="Acme ID"),
    "code": "123456",
}
NEW = {"email": "new@acme.example", "password1": PASSWORD}


class Dead(BaseEmailBackend):
    """A mail server that is away."""

    def send_messages(self, messages: Any) -> int:
        raise ConnectionRefusedError


@pytest.fixture(autouse=True)
def forget_rates(db: Any) -> None:
    cache.clear()


@pytest.fixture
def dead(settings: Any) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Dead"


def sign_up(client: Client | None = None, **form: str) -> Any:
    cache.clear()
    return (client or Client()).post("/accounts/signup/", NEW | form)


def link_in(body: str) -> str:
    found = re.search(r"https?://[^/\s]+(/accounts/(?:confirm-email|password/reset/key)/\S+)", body)
    assert found, body
    return found[1]


def is_confirmed() -> bool:
    return EmailAddress.objects.filter(email=NEW["email"], verified=True).exists()


@pytest.mark.parametrize("name", OURS)
def test_every_mail_of_an_account_can_be_made(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engines["django"].engine  # type: ignore[attr-defined]
    monkeypatch.setattr(engine, "string_if_invalid", "(nothing: %s)")
    made = engines["django"].from_string(engine.get_template(name).source).render(CONTEXT)
    assert "(nothing" not in made
    assert made.strip()
    if name.endswith("_subject.txt"):
        assert "\n" not in made.strip()


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_mail_can_be_made(name: str) -> None:
    assert engines["django"].get_template(name).render({}).strip()


def test_every_message_has_a_subject() -> None:
    for name in OURS:
        if name.endswith("_message.txt") and "/base_" not in name:
            assert name.replace("_message", "_subject") in OURS, name


def test_a_sign_up_whose_mail_cannot_be_sent_leaves_no_account(dead: None) -> None:
    client = Client()
    answer = sign_up(client, next="/invitations/x")
    assert answer["Location"] == "/accounts/signup/?next=%2Finvitations%2Fx"
    assert "no account was made" in client.get(answer["Location"]).content.decode()
    assert not User.objects.filter(email=NEW["email"]).exists()
    assert not EmailAddress.objects.exists()


def test_a_sign_up_whose_mail_cannot_be_made_leaves_no_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("allauth.account.adapter.render_to_string", lambda *_: 1 / 0)
    client = Client()
    assert sign_up(client).status_code == 302
    assert not User.objects.exists()
    monkeypatch.undo()
    sign_up(client)
    client.post(link_in(mail.outbox[0].body))
    assert is_confirmed()
    assert is_in(client)


def test_signing_up_again_sends_the_link_again() -> None:
    sign_up()
    again = Client()
    sign_up(again)
    assert len(mail.outbox) == 2
    assert link_in(mail.outbox[1].body).startswith("/accounts/confirm-email/")
    again.post(link_in(mail.outbox[1].body))
    assert is_confirmed()
    assert send_login(Client(), NEW["email"]).status_code == 302


def test_signing_up_again_with_another_password_has_the_mails_reader_choose_one() -> None:
    sign_up(password1="somebody-elses-71")
    client = Client()
    sign_up(client)
    said = mail.outbox[1].body
    assert "nobody has confirmed it" in said
    page = client.get(link_in(said), follow=True)
    client.post(page.redirect_chain[-1][0], {"password1": PASSWORD, "password2": PASSWORD})
    assert is_confirmed()
    reader, other = Client(), Client()
    send_login(reader, NEW["email"])
    send_login(other, NEW["email"], "somebody-elses-71")
    assert is_in(reader)
    assert not is_in(other)


def test_a_reset_confirms_no_address_beside_the_one_it_was_sent_to() -> None:
    person = User.objects.create_user("ana@acme.example", PASSWORD)
    EmailAddress.objects.create(user=person, email="ana@acme.example", primary=True)
    EmailAddress.objects.create(user=person, email="mine@other.example")
    client = Client()
    client.post("/accounts/password/reset/", {"email": "mine@other.example"})
    page = client.get(link_in(mail.outbox[0].body), follow=True)
    new = "x-new-pass-71"
    client.post(page.redirect_chain[-1][0], {"password1": new, "password2": new})
    person.refresh_from_db()
    assert person.check_password(new)
    assert not EmailAddress.objects.filter(verified=True).exists()


def test_a_change_is_made_although_nobody_can_be_told(dead: None) -> None:
    person = make_person()
    answer = log_in(person).post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": "tall-kettle-92", "password2": "tall-kettle-92"},
    )
    assert answer.status_code == 302
    person.refresh_from_db()
    assert person.check_password("tall-kettle-92")


def test_a_reset_that_cannot_be_mailed_says_so(dead: None) -> None:
    make_person()
    client = Client()
    answer = client.post("/accounts/password/reset/", {"email": "ana@acme.example"}, follow=True)
    assert answer.status_code == 200
    assert "could not be sent" in answer.content.decode()
