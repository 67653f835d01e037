"""Signing in with an OpenID Connect server: who gets in, and into which account."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils.timezone import now as clock
from django_scopes import scopes_disabled

from accounts.access import access_for_member
from accounts.invitations import create_invitation
from accounts.models import Membership, User
from accounts.teams import create_team, verify_address
from config.sign_in import OidcServer, provider_settings, read_oidc
from tests.accounts.oidc_server import CLIENT_ID, CLIENT_SECRET, OidcProvider, serve_oidc
from tests.accounts.people import PASSWORD, is_in, let_pass, log_in, make_person, send_login

ANA = "ana@acme.example"
MEANT = {"sub": "u-1", "email": ANA, "email_verified": True, "name": "Ana Ruiz"}


@pytest.fixture(autouse=True)
def forget_rates() -> None:
    cache.clear()


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    with serve_oidc() as running:
        running.claims = dict(MEANT)
        yield running


@pytest.fixture
def use(provider: OidcProvider, settings: Any) -> Any:
    def configure(**more: Any) -> None:
        server = OidcServer(
            url=provider.url,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            name="Acme ID",
            id="acme",
            **more,
        )
        settings.OIDC = server
        settings.SOCIALACCOUNT_PROVIDERS = provider_settings(server)

    configure()
    return configure


def leave_for_server(client: Client, **form: str) -> Any:
    """Press the button, and do what the browser does at the server."""
    page = client.post("/accounts/oidc/start/", {"process": "login", **form})
    assert page.status_code == 200, page.content.decode()
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', page.content.decode())
    assert found
    return come_back(client, unescape(found[1]))


def come_back(client: Client, address: str) -> Any:
    """Return what the browser gets here after it was at that address of the server."""
    back = requests.get(address, allow_redirects=False, timeout=5).headers["Location"]
    return client.get(f"{urlsplit(back).path}?{urlsplit(back).query}")


def test_without_a_server_nothing_is_offered(db: Any) -> None:
    client = Client()
    assert "Continue with" not in client.get("/accounts/login/").content.decode()
    assert client.post("/accounts/oidc/start/").status_code == 404
    assert client.get("/accounts/oidc/oidc/login/").status_code == 404


def test_log_in_and_sign_up_offer_it(db: Any, use: Any, provider: OidcProvider) -> None:
    for path in ("/accounts/login/", "/accounts/signup/"):
        assert "Continue with Acme ID" in Client().get(path).content.decode()
    assert provider.asked == []


def test_a_new_person_gets_an_account(db: Any, use: Any, provider: OidcProvider) -> None:
    client = Client()
    answer = leave_for_server(client, next="/t/new")
    assert (answer.status_code, answer["Location"]) == (302, "/t/new")
    person = User.objects.get()
    assert (person.email, person.name) == (ANA, "Ana Ruiz")
    assert not person.has_usable_password()
    assert EmailAddress.objects.get(user=person).verified
    assert is_in(client)
    assert set(provider.asked) == {
        "/.well-known/openid-configuration",
        "/authorize",
        "/token",
        "/userinfo",
    }
    again = Client()
    provider.claims["email"] = "elsewhere@acme.example"  # the person is known by `sub`
    leave_for_server(again)
    assert again.session["_auth_user_id"] == str(person.pk)


def test_a_new_person_with_an_unconfirmed_address_confirms_it_first(
    db: Any, use: Any, provider: OidcProvider
) -> None:
    provider.claims["email_verified"] = False
    client = Client()
    leave_for_server(client)
    assert not is_in(client)
    assert not EmailAddress.objects.filter(verified=True).exists()
    assert [sent.to for sent in mail.outbox] == [[ANA]]


def test_a_confirmed_address_opens_the_account_that_has_it(
    db: Any, use: Any, provider: OidcProvider
) -> None:
    person = make_person()
    client = Client()
    leave_for_server(client)
    assert client.session["_auth_user_id"] == str(person.pk)
    assert SocialAccount.objects.get(user=person).uid == "u-1"
    person.refresh_from_db()
    assert person.check_password(PASSWORD)
    assert "Acme ID was connected to your account" in mail.outbox[-1].body


@pytest.mark.parametrize("said", [False, None, "false", "no", 0])
def test_an_unconfirmed_address_never_opens_an_account(
    db: Any, use: Any, provider: OidcProvider, said: Any
) -> None:
    make_person()
    provider.claims["email_verified"] = said
    if said is None:
        del provider.claims["email_verified"]
    client = Client()
    answer = leave_for_server(client)
    assert answer.status_code == 302
    assert not is_in(client)
    assert User.objects.count() == 1
    assert not SocialAccount.objects.exists()
    (sent,) = mail.outbox  # its owner is told; whoever is at the browser learns nothing
    assert "has an account already" in sent.body


def test_an_address_that_somebody_else_added_opens_nothing_of_theirs(
    db: Any, use: Any, provider: OidcProvider
) -> None:
    thief = make_person("thief@acme.example")
    EmailAddress.objects.create(user=thief, email=ANA, verified=False, primary=False)
    client = Client()
    leave_for_server(client)
    assert client.session.get("_auth_user_id") != str(thief.pk)
    assert not SocialAccount.objects.filter(user=thief).exists()
    thief.refresh_from_db()
    assert thief.check_password(PASSWORD)


def test_what_a_stranger_left_in_an_account_never_confirmed_is_cleared(
    db: Any, use: Any, provider: OidcProvider
) -> None:
    squatted = User.objects.create_user(ANA, PASSWORD)
    EmailAddress.objects.create(user=squatted, email=ANA, verified=False, primary=True)
    SocialAccount.objects.create(user=squatted, provider="acme", uid="thief")
    Authenticator.objects.create(user=squatted, type="webauthn", data={})
    client = Client()
    leave_for_server(client)
    assert client.session["_auth_user_id"] == str(squatted.pk)
    squatted.refresh_from_db()
    assert not squatted.has_usable_password()
    assert [account.uid for account in SocialAccount.objects.all()] == ["u-1"]
    assert not Authenticator.objects.exists()


def test_a_place_that_a_team_made_is_its_owners(db: Any, use: Any, provider: OidcProvider) -> None:
    place = User.objects.create_user(ANA)
    client = Client()
    leave_for_server(client)
    assert client.session["_auth_user_id"] == str(place.pk)
    assert EmailAddress.objects.get(user=place).verified


def test_an_operator_may_trust_the_servers_addresses(
    db: Any, use: Any, provider: OidcProvider
) -> None:
    use(trust_email=True)
    del provider.claims["email_verified"]
    person = make_person()
    client = Client()
    leave_for_server(client)
    assert client.session["_auth_user_id"] == str(person.pk)


def test_answers_about_two_people_are_refused(db: Any, use: Any, provider: OidcProvider) -> None:
    provider.id_token_sub = "u-2"
    client = Client()
    assert leave_for_server(client).status_code == 401
    assert not is_in(client)
    assert not User.objects.exists()


def test_whoever_stops_or_is_refused_is_told(db: Any, use: Any, provider: OidcProvider) -> None:
    client = Client()
    provider.refuses = "access_denied"
    answer = leave_for_server(client)
    assert "you stopped" in client.get(answer["Location"]).content.decode().lower()
    provider.refuses = "server_error"
    page = leave_for_server(client)
    assert "You are not logged in" in page.content.decode()
    assert not is_in(client)


def test_a_callback_works_once_and_in_its_own_browser(
    db: Any, use: Any, provider: OidcProvider
) -> None:
    client = Client()
    answer = client.post("/accounts/oidc/start/", {"process": "login"})
    address = unescape(re.findall(r"0; url=([^\"]+)", answer.content.decode())[0])
    back = requests.get(address, allow_redirects=False, timeout=5).headers["Location"]
    path = f"{urlsplit(back).path}?{urlsplit(back).query}"
    other = Client()
    assert "You are not logged in" in other.get(path).content.decode()
    assert client.get(path).status_code == 302
    client.logout()
    assert not is_in(client)
    client.get(path)
    assert not is_in(client)


def test_a_server_that_is_away_is_said(db: Any, use: Any, settings: Any) -> None:
    settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]["settings"]["server_url"] = (
        "http://127.0.0.1:9"
    )
    answer = Client().post("/accounts/oidc/start/")
    assert answer.status_code == 502
    assert "Acme ID does not answer" in answer.content.decode()


def test_where_the_server_is_the_only_way_passwords_are_off(db: Any, use: Any) -> None:
    use(only=True)
    person = make_person()
    client = Client()
    page = client.get("/accounts/login/").content.decode()
    assert 'type="password"' not in page
    assert "Continue with Acme ID" in page
    assert "Passwords are switched off" in send_login(client).content.decode()
    assert "Accounts here come from Acme ID" in client.get("/accounts/signup/").content.decode()
    client.post("/accounts/signup/", {"email": "new@acme.example", "password1": PASSWORD})
    client.post("/accounts/password/reset/", {"email": person.email})
    assert mail.outbox == []
    assert User.objects.count() == 1
    leave_for_server(client)
    assert client.session["_auth_user_id"] == str(person.pk)


def test_a_person_connects_and_disconnects(db: Any, use: Any, provider: OidcProvider) -> None:
    provider.claims |= {"email": "other@acme.example"}
    client = log_in(make_person())
    leave_for_server(client, process="connect", next="/accounts/3rdparty/")
    account = SocialAccount.objects.get()
    assert account.user.email == ANA
    assert "other@acme.example" in client.get("/accounts/3rdparty/").content.decode()
    client.post("/accounts/3rdparty/", {"account": account.pk})
    assert not SocialAccount.objects.exists()
    # Somebody else's cannot be taken.
    theirs = SocialAccount.objects.create(
        user=make_person("bo@acme.example"), provider="acme", uid="u-9"
    )
    client.post("/accounts/3rdparty/", {"account": theirs.pk})
    assert SocialAccount.objects.filter(pk=theirs.pk).exists()


def test_whoever_has_only_the_server_confirms_there(
    db: Any, use: Any, provider: OidcProvider
) -> None:
    client = Client()
    leave_for_server(client)
    assert client.get("/accounts/2fa/totp/activate/").status_code == 200
    let_pass(client, 600)
    asked = client.get("/accounts/2fa/totp/activate/")
    assert asked["Location"].startswith("/accounts/oidc/confirm/?next=")
    first = {"password1": PASSWORD, "password2": PASSWORD}
    assert client.post("/accounts/password/set/", first)["Location"] == "/accounts/password/set/"
    assert client.get("/accounts/password/set/")["Location"].startswith("/accounts/oidc/confirm/")
    assert not User.objects.get().has_usable_password()
    assert "Continue with Acme ID" in client.get(asked["Location"]).content.decode()
    answer = leave_for_server(client, next="/accounts/2fa/totp/activate/")
    assert provider.authorized[-1]["prompt"] == "login"
    assert client.get(answer["Location"]).status_code == 200
    page = client.get("/accounts/password/set/").content.decode()
    assert 'aria-current="page">Password' in page
    client.post("/accounts/password/set/", first)
    assert User.objects.get().check_password(PASSWORD)


@pytest.mark.parametrize("said", [3600, None, "soon", True, -3600])
@pytest.mark.parametrize("route", ["/accounts/oidc/start/", "/accounts/oidc/acme/login/"])
def test_a_session_at_the_server_that_is_still_open_confirms_nothing(
    db: Any, use: Any, provider: OidcProvider, said: Any, route: str
) -> None:
    client = Client()
    leave_for_server(client)
    let_pass(client, 600)
    session = client.session.session_key
    provider.logged_in_ago = said
    if route.endswith("/start/"):
        page = leave_for_server(client)  # whatever the form says
    else:
        page = come_back(client, client.post(route, {"process": "login"})["Location"])
    asked = provider.authorized[-1]
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")
    assert page.status_code == 401
    assert "You are not confirmed" in page.content.decode()
    assert client.session.session_key == session
    assert client.get("/accounts/2fa/totp/activate/").status_code == 302


def test_whoever_begins_at_the_server_s_own_door_is_asked_there(
    db: Any, use: Any, provider: OidcProvider
) -> None:
    client = Client()
    leave_for_server(client)
    let_pass(client, 600)
    answer = client.post("/accounts/oidc/acme/login/", {"process": "login"})
    assert come_back(client, answer["Location"]).status_code == 302
    assert client.get("/accounts/2fa/totp/activate/").status_code == 200


def test_a_log_in_counts_from_when_the_server_asked(
    db: Any, use: Any, provider: OidcProvider
) -> None:
    provider.says_always = True
    provider.logged_in_ago = 3600
    client = Client()
    assert leave_for_server(client).status_code == 302
    assert is_in(client)
    assert "max_age" not in provider.authorized[-1]
    assert client.get("/accounts/2fa/totp/activate/").status_code == 302


def test_a_log_in_that_began_before_another_confirms_nothing(
    db: Any, use: Any, provider: OidcProvider
) -> None:
    client = Client()
    page = client.post("/accounts/oidc/start/", {"process": "login"}).content.decode()
    address = unescape(re.findall(r"0; url=([^\"]+)", page)[0])
    leave_for_server(client)
    let_pass(client, 600)
    come_back(client, address)
    assert client.get("/accounts/2fa/totp/activate/").status_code == 302


@pytest.mark.parametrize("said", [None, "", ["u-1"], "x" * 300, "u\x001", True])
@pytest.mark.parametrize("in_token", [True, False])
def test_an_answer_that_names_nobody_is_explained(
    db: Any, use: Any, provider: OidcProvider, said: Any, in_token: bool
) -> None:
    provider.claims["sub"] = said
    provider.id_token_sub = "u-1" if in_token else None
    if said is None:
        del provider.claims["sub"]
    client = Client()
    page = leave_for_server(client)
    assert page.status_code == 401
    assert "Acme ID does not say who you are" in page.content.decode()
    assert not is_in(client)
    assert not User.objects.exists()


@pytest.mark.parametrize("known", ["nobody", "place", "password"])
def test_where_passwords_are_off_an_invitation_leads_to_the_server(
    db: Any, use: Any, provider: OidcProvider, known: str
) -> None:
    use(only=True)
    owner = make_person("owner@acme.example")
    acme = create_team(slug="acme", name="Acme", owner=owner)
    if known != "nobody":
        person = User.objects.create_user(ANA, PASSWORD if known == "password" else None)
        verify_address(person)
    access = access_for_member(owner, "acme")
    with access.inside():
        create_invitation(access=access, email=ANA, role="member", now=clock())
    path = re.search(r"/invitations/[\w-]+/?", mail.outbox[-1].body)
    assert path
    client = Client()
    page = client.get(path[0]).content.decode()
    assert 'type="password"' not in page
    assert "Continue with Acme ID" in page
    client.post(path[0], {"name": "Ana", "password": PASSWORD})
    assert not is_in(client)
    answer = leave_for_server(client, next=path[0])
    assert answer["Location"] == path[0]
    assert client.post(path[0]).status_code == 302
    with scopes_disabled():
        assert Membership.objects.get(team=acme, role="member").user.email == ANA
    assert User.objects.get(email=ANA).has_usable_password() is (known == "password")


def test_the_environment_is_read() -> None:
    assert read_oidc({}) is None
    server = read_oidc(
        {"OIDC_SERVER_URL": "https://id.acme.example/", "OIDC_CLIENT_ID": "x", "OIDC_ONLY": "on"}
    )
    assert server == OidcServer(
        url="https://id.acme.example",
        client_id="x",
        client_secret="",
        name="single sign-on",
        id="oidc",
        only=True,
    )
    assert provider_settings(None) == {}


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"OIDC_SERVER_URL": "id.acme.example"}, "OIDC_SERVER_URL"),
        ({"OIDC_SERVER_URL": "http://id.acme.example", "OIDC_CLIENT_ID": "x"}, "OIDC_SERVER_URL"),
        ({"OIDC_SERVER_URL": "https://id.acme.example"}, "OIDC_CLIENT_ID"),
        ({"OIDC_ONLY": "on"}, "OIDC_ONLY"),
        (
            {"OIDC_SERVER_URL": "https://i.example", "OIDC_CLIENT_ID": "x", "OIDC_ID": "a/b"},
            "OIDC_ID",
        ),
        (
            {"OIDC_SERVER_URL": "https://i.example", "OIDC_CLIENT_ID": "x", "OIDC_ONLY": "yes"},
            "OIDC_ONLY",
        ),
    ],
)
def test_a_wrong_environment_is_named(env: dict[str, str], named: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=named):
        read_oidc(env)
