"""Signing in as people do it: passkeys of a virtual authenticator, an app's codes, lost phones."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from django_scopes import scopes_disabled
from playwright.sync_api import Browser, Page, expect

from accounts.models import ApiKey
from config.sign_in import OidcServer, provider_settings
from tests.accounts.oidc_server import CLIENT_ID, CLIENT_SECRET, serve_oidc
from tests.accounts.people import make_code
from tests.browser.test_accessible import check
from tests.console.personas import PASSWORD, Personas

pytestmark = pytest.mark.browser
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def plug_in_authenticator(page: Page) -> tuple[object, str]:
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    made = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    return devtools, made["authenticatorId"]


def add_passkey(page: Page, name: str = "") -> None:
    page.goto("/accounts/2fa/webauthn/add/")
    if name:
        page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make the passkey").click()
    page.wait_for_url("**/recovery-codes/")


def set_up_app(page: Page) -> str:
    page.goto("/accounts/2fa/totp/activate/")
    secret = page.locator("#totp-secret").inner_text()
    page.get_by_label("code").last.fill(make_code(secret, time.time() - 30))
    page.get_by_role("button", name="Switch it on").click()
    page.wait_for_url("**/recovery-codes/")
    return secret


def type_password(page: Page, people: Personas) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("E-mail address").fill(people.owner.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def log_out(page: Page) -> None:
    page.goto("/accounts/profile/")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/")


def forget_log_in(page: Page) -> None:
    """Let the log-in lie ten minutes back."""
    from django.contrib.sessions.backends.db import SessionStore

    (cookie,) = [each for each in page.context.cookies() if each["name"] == "sessionid"]
    session = SessionStore(cookie["value"])
    session["signed_in_at"] -= 600
    for record in session.get("account_authentication_methods", ()):
        record["at"] -= 600
    session.save()


def test_a_passkey_is_made_and_logs_in_alone(owner: Page) -> None:
    plug_in_authenticator(owner)
    add_passkey(owner, "work laptop")
    log_out(owner)
    owner.goto("/accounts/login/")
    owner.get_by_role("button", name="Use a passkey").click()
    owner.wait_for_url("**/t/acme/")
    owner.goto("/accounts/2fa/webauthn/")
    expect(owner.get_by_role("row", name="work laptop")).to_contain_text("Passkey")


def test_a_passkey_is_the_second_step_too(owner: Page, people: Personas) -> None:
    plug_in_authenticator(owner)
    add_passkey(owner)
    log_out(owner)
    type_password(owner, people)
    owner.wait_for_url("**/accounts/2fa/authenticate/")
    owner.get_by_role("button", name="Use a passkey or security key").click()
    owner.wait_for_url("**/t/acme/")


def test_a_passkey_that_is_not_there_is_said_on_the_page(page: Page, people: Personas) -> None:
    devtools, authenticator = plug_in_authenticator(page)
    devtools.send(  # type: ignore[attr-defined]
        "WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False}
    )
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("Try again")
    expect(page.get_by_role("button", name="Use a passkey")).to_be_enabled()


def test_an_apps_code_and_a_recovery_code(owner: Page, people: Personas) -> None:
    secret = set_up_app(owner)
    codes = re.findall(r"\b\d{8}\b", owner.locator(".codes").inner_text())
    assert len(codes) == 10
    log_out(owner)
    type_password(owner, people)
    owner.get_by_label("Code").fill(make_code(secret, time.time()))
    owner.get_by_role("button", name="Log in").click()
    owner.wait_for_url("**/t/acme/")
    for works in (True, False):
        log_out(owner)
        type_password(owner, people)
        owner.get_by_label("Code").fill(codes[3])
        owner.get_by_role("button", name="Log in").click()
        if works:
            owner.wait_for_url("**/t/acme/")
        else:
            expect(owner.get_by_text("Incorrect code")).to_be_visible()
            owner.get_by_role("button", name="Cancel").click()
            owner.wait_for_url("**/accounts/login/**")
            break


def test_it_is_asked_who_is_there_before_a_key_is_made(owner: Page) -> None:
    forget_log_in(owner)
    owner.goto("/t/acme/settings/keys")
    owner.get_by_label("Name").first.fill("terraform")
    owner.get_by_role("button", name="Create the key").click()
    expect(owner.get_by_role("heading", name="Confirm it is you")).to_be_visible()
    with scopes_disabled():
        assert not ApiKey.objects.exists()
    owner.get_by_label("Password").fill(PASSWORD)
    owner.get_by_role("button", name="Go on").click()
    expect(owner.locator("#new-key")).to_contain_text("tk_")
    with scopes_disabled():
        assert ApiKey.objects.get().name == "terraform"


def test_the_browser_offers_its_time_zone(owner: Page, people: Personas) -> None:
    zone = owner.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    owner.goto("/accounts/profile/")
    owner.get_by_label("Time zone").fill("Asia/Tokyo")
    owner.get_by_role("button", name="Save the profile").click()
    expect(owner.get_by_text("Your profile is saved")).to_be_visible()
    if zone in {"UTC", "Etc/UTC"}:
        zone = zone if owner.locator(f'#zones option[value="{zone}"]').count() else ""
    if zone:
        owner.get_by_role("button", name="Use it").click()
        expect(owner.get_by_label("Time zone")).to_have_value(zone)


@pytest.mark.parametrize("scripts", [True, False])
def test_the_way_to_a_sign_in_server_and_back(
    chromium: Browser, people: Personas, site: str, settings: Any, scripts: bool
) -> None:
    with serve_oidc() as provider:
        provider.claims = {"sub": "u-1", "email": people.owner.email, "email_verified": True}
        server = OidcServer(provider.url, CLIENT_ID, CLIENT_SECRET, "Acme ID", "acme")
        settings.OIDC, settings.SOCIALACCOUNT_PROVIDERS = server, provider_settings(server)
        context = chromium.new_context(base_url=site, java_script_enabled=scripts)
        page = context.new_page()
        page.goto("/accounts/login/")
        page.get_by_role("button", name="Continue with Acme ID").click()
        page.wait_for_url("**/t/acme/")
        context.close()


def test_what_is_typed_can_be_shown(page: Page, people: Personas) -> None:
    page.goto("/accounts/login/")
    field = page.get_by_label("Password")
    field.fill("typed")
    page.get_by_role("button", name="Show").click()
    expect(field).to_have_attribute("type", "text")
    page.get_by_role("button", name="Hide").click()
    expect(field).to_have_attribute("type", "password")


def test_why_a_password_is_refused_is_in_sight(owner: Page) -> None:
    owner.goto("/accounts/password/change/")
    owner.get_by_label("Current Password").fill(PASSWORD)
    for field in owner.locator("input[autocomplete=new-password]").all():
        field.fill("12345678")
    owner.locator("main form button[type=submit]").click()
    expect(owner.get_by_text("too common").first).to_be_visible()
    see_no_icon_below_the_button(owner)
    owner.context.clear_cookies()
    owner.goto("/accounts/signup/")
    owner.get_by_label("E-mail address").fill("new@acme.example")
    for field in owner.locator("input[type=password]").all():
        field.fill("12345678")
    owner.locator("form button[type=submit]").last.click()
    expect(owner.get_by_text("too common").first).to_be_visible()
    see_no_icon_below_the_button(owner)


def see_no_icon_below_the_button(page: Page) -> None:
    wrong = page.locator(".reveal-box > input.is-invalid").first
    place = wrong.evaluate("field => getComputedStyle(field).backgroundPositionX")
    from_right = re.search(r"(\d+)px", place)  # calc(100% - 76px), or right 76px
    button = page.locator(".reveal-box:has(> .is-invalid) > button").first.bounding_box()
    assert button is not None
    assert from_right is not None
    assert float(from_right[1]) >= button["width"] + 4


@pytest.mark.timeout(400)
def test_the_pages_are_accessible_in_both_themes_and_at_both_sizes(owner: Page) -> None:
    plug_in_authenticator(owner)
    add_passkey(owner)
    own = ("profile", "email", "password/change", "sessions", "close")
    steps = ("", "totp/activate/", "webauthn/", "webauthn/add/", "recovery-codes/")
    for path in [f"{page}/" for page in own] + [f"2fa/{page}" for page in steps]:
        check(owner, f"/accounts/{path}")
    check(owner, "/accounts/reauthenticate/?next=/")
