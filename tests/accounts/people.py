"""What the tests of accounts share: people who log in as people do, and time that passes."""

from __future__ import annotations

from typing import Any

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.test import Client

from accounts.models import User
from accounts.teams import verify_address

PASSWORD = "correct-horse-71"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


def make_person(email: str = "ana@acme.example", **fields: Any) -> User:
    person = User.objects.create_user(email, PASSWORD, **fields)
    verify_address(person)
    return person


def send_login(client: Client, email: str = "ana@acme.example", password: str = PASSWORD) -> Any:
    return client.post("/accounts/login/", {"login": email, "password": password})


def log_in(person: User, agent: str = FIREFOX) -> Client:
    client = Client(HTTP_USER_AGENT=agent)
    answer = send_login(client, person.email)
    assert answer.status_code == 302, answer.content.decode()
    return client


def let_pass(client: Client, seconds: float) -> None:
    """Make the client's session that much older than it is."""
    session = client.session
    session["signed_in_at"] -= seconds
    for record in session.get("account_authentication_methods", ()):
        record["at"] -= seconds
    session.save()


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def make_code(secret: str, at: float) -> str:
    return format_hotp_value(hotp_value(secret, int(at) // 30))
