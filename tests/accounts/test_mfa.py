"""The second step: an app's codes, recovery codes, and what a change to them brings."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from tests.accounts.people import is_in, let_pass, log_in, make_code, make_person, send_login

ACTIVATE = "/accounts/2fa/totp/activate/"


@pytest.fixture(autouse=True)
def forget_rates() -> None:
    cache.clear()


@pytest.fixture
def ana(db: Any) -> User:
    return make_person()


def set_up_app(client: Client, **more: str) -> str:
    """Return the secret that the page shows, once the app is on; its code was an older one."""
    page = client.get(ACTIVATE).content.decode()
    assert 'src="data:image/svg+xml;base64,' in page
    secret = re.findall(r'<code id="totp-secret">([A-Z2-7]+)</code>', page)[0]
    answer = client.post(ACTIVATE, {"code": make_code(secret, time.time() - 30), **more})
    assert answer.status_code == 302, answer.content.decode()
    return str(secret)


def send_code(client: Client, code: str) -> Any:
    return client.post("/accounts/2fa/authenticate/", {"code": code})


def recovery_codes(client: Client) -> list[str]:
    page = client.get("/accounts/2fa/recovery-codes/").content.decode()
    return re.findall(r"<li>(\d{8})</li>", page)


def test_an_app_is_asked_at_the_next_log_in(ana: User) -> None:
    secret = set_up_app(log_in(ana))
    client = Client()
    assert send_login(client)["Location"] == "/accounts/2fa/authenticate/"
    assert not is_in(client)
    page = client.get("/accounts/2fa/authenticate/").content.decode()
    assert "Use a passkey" not in page  # there is none
    assert "Incorrect code" in send_code(client, "000000").content.decode()
    assert not is_in(client)
    assert send_code(client, make_code(secret, time.time())).status_code == 302
    assert is_in(client)


def test_a_code_works_once_even_where_no_process_remembers_it(ana: User) -> None:
    secret = set_up_app(log_in(ana))
    code = make_code(secret, time.time())
    first, second = Client(), Client()
    for client in (first, second):
        send_login(client)
        send_code(client, code)
        cache.clear()
    assert (is_in(first), is_in(second)) == (True, False)


def test_a_recovery_code_works_once(ana: User) -> None:
    client = log_in(ana)
    set_up_app(client)
    codes = recovery_codes(client)
    assert len(codes) == 10
    downloaded = client.get("/accounts/2fa/recovery-codes/download/").content.decode()
    assert downloaded.split() == codes
    first, second = Client(), Client()
    for other in (first, second):
        send_login(other)
        send_code(other, codes[0])
    assert (is_in(first), is_in(second)) == (True, False)
    assert len(recovery_codes(client)) == 9


def test_new_recovery_codes_replace_the_old_ones(ana: User) -> None:
    client = log_in(ana)
    set_up_app(client)
    old = recovery_codes(client)
    client.post("/accounts/2fa/recovery-codes/generate/")
    new = recovery_codes(client)
    assert len(new) == 10
    assert not set(old) & set(new)
    other = Client()
    send_login(other)
    send_code(other, old[0])
    assert not is_in(other)


def test_changes_are_mailed(transactional_db: Any) -> None:
    ana = make_person()
    client = log_in(ana)
    set_up_app(client)
    assert mail.outbox[-1].subject == "[Tocsin] An authenticator app was switched on"
    assert mail.outbox[-1].to == [ana.email]
    client.post("/accounts/2fa/totp/deactivate/")
    assert mail.outbox[-1].subject == "[Tocsin] The authenticator app was switched off"
    assert not Authenticator.objects.exists()


@pytest.mark.parametrize(
    "path",
    [
        ACTIVATE,
        "/accounts/2fa/webauthn/add/",
        "/accounts/2fa/recovery-codes/",
        "/accounts/2fa/recovery-codes/download/",
        "/accounts/2fa/recovery-codes/generate/",
        "/accounts/2fa/totp/deactivate/",
    ],
)
def test_it_is_asked_who_is_there_first(ana: User, path: str) -> None:
    client = log_in(ana)
    if path != ACTIVATE:
        set_up_app(client)
    assert client.get(path).status_code == 200
    let_pass(client, 600)
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/reauthenticate/?next=")


def test_other_sessions_end_if_that_is_ticked(ana: User) -> None:
    kept, ended = log_in(ana), log_in(ana)
    set_up_app(kept)
    assert ended.get("/accounts/profile/").status_code == 200
    kept.post("/accounts/2fa/totp/deactivate/", {"end_others": "on"})
    assert kept.get("/accounts/profile/").status_code == 200
    assert ended.get("/accounts/profile/").status_code == 302


def test_secrets_are_stored_encrypted_and_another_key_opens_nothing(
    ana: User, settings: Any
) -> None:
    client = log_in(ana)
    secret = set_up_app(client)
    codes = recovery_codes(client)
    stored = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in stored
    assert codes[0] not in stored
    settings.SECRET_KEY = "another"
    settings.SECRET_KEY_FALLBACKS = []
    other = Client()
    send_login(other)
    for code in (make_code(secret, time.time()), codes[1], make_code("", time.time())):
        send_code(other, code)
    assert not is_in(other)


def test_too_many_codes_are_slowed_down(ana: User) -> None:
    set_up_app(log_in(ana))
    client = Client()
    send_login(client)
    for _ in range(12):
        said = send_code(client, "000000").content.decode()
    assert "Too many failed login attempts" in said


def test_nothing_on_the_pages_is_inline(ana: User) -> None:
    client = log_in(ana)
    set_up_app(client)
    for path in ("", "webauthn/", "webauthn/add/", "recovery-codes/", "totp/deactivate/"):
        page = client.get(f"/accounts/2fa/{path}").content.decode()
        for tag in re.findall(r"<script[^>]*>", page):
            assert " src=" in tag or 'type="application/json"' in tag
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page)


def test_a_forged_passkey_answer_is_no_error_of_ours(ana: User) -> None:
    client = Client()
    client.get("/accounts/2fa/webauthn/login/", headers={"Accept": "application/json"})
    for forged in ("", "{}", "[]", "null", '"x"', '{"id": 1, "response": {"userHandle": "AAAA"}}'):
        answer = client.post("/accounts/2fa/webauthn/login/", {"credential": forged})
        assert answer.status_code == 302, forged
    assert not is_in(client)
    adding = log_in(ana)
    set_up_app(adding)
    send_login(client)
    for forged in ("{}", '{"rawId": "AA", "id": "AA", "type": "public-key", "response": {}}'):
        answer = client.post("/accounts/2fa/authenticate/", {"credential": forged})
        assert "was not accepted" in answer.content.decode()
    for forged in ("{}", "[]", '{"rawId": "AA", "id": "AA", "type": "public-key", "response": {}}'):
        answer = adding.post("/accounts/2fa/webauthn/add/", {"credential": forged})
        assert answer.status_code == 200
