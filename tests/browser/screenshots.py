"""Take a picture of every page, wide and narrow, light and dark, of a running installation.

python -m tests.browser.screenshots http://127.0.0.1:8000 --email E --password P --out DIR

Of an account that `manage.py make_staff` has made staff the operator's pages are taken too; an
authenticator app is then switched on for it.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import re
import struct
import time
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser.chromium import open_browser

SIZES = {"1440": (1440, 900), "375": (375, 812)}
BEFORE = {"start": "/", "login": "/accounts/login/", "signup": "/accounts/signup/"}
INSIDE = {
    "home": "",
    "monitors": "monitors/",
    "monitors-late": "monitors/?state=late",
    "monitors-nothing": "monitors/?search=nothing+like+this",
    "monitor-new": "monitors/new",
    "monitor-new-pattern": "monitors/new?pattern=queue-depth",
    "onboarding": "start/",
    "onboarding-paging": "start/paging",
    "onboarding-paging-add": "start/paging?kind=slack",
    "onboarding-test": "start/test",
    "monitors-import": "monitors/import",
    "monitors-undo": "monitors/undo",
    "monitors-views": "monitors/views",
    "incidents": "incidents/",
    "insights": "incidents/insights",
    "oncall": "on-call/",
    "rotation-new": "on-call/rotations/new",
    "policies": "on-call/policies/",
    "policy-new": "on-call/policies/new",
    "rules": "on-call/rules/",
    "rule-new": "on-call/rules/new",
    "contacts": "on-call/contacts/",
    "contact-new": "on-call/contacts/new?kind=ntfy",
    "maintenances": "maintenance/",
    "maintenance-new": "maintenance/new",
    "status-pages": "status-pages/",
    "status-page-new": "status-pages/new",
    "deliveries": "channels/deliveries/",
    "members": "settings/members",
    "team-settings": "settings/team",
    "team-delete": "settings/team/delete",
    "keys": "settings/keys",
    "namespaces": "settings/namespaces",
    "usage": "settings/usage",
    "export": "settings/export",
    "audit": "settings/audit",
    "find": "find?q=eu",
    "find-nothing": "find?q=nothing+like+this",
    "channels": "channels/",
}
# Lists of things that have pages of their own: the first of each is taken too.
FIRST = {
    "rotation": ("on-call/", "/on-call/rotations/[^/]+/$"),
    "policy": ("on-call/policies/", "/on-call/policies/[^/]+/edit$"),
    "rule": ("on-call/rules/", "/on-call/rules/[^/]+/edit$"),
    "maintenance": ("maintenance/", "/maintenance/[^/]+/$"),
    "status-page": ("status-pages/", "/status-pages/[^/]+/$"),
    "delivery": ("channels/deliveries/", "/channels/deliveries/[^/]+/$"),
    "channel": ("channels/", "/channels/[^/]+/edit$"),
}
STAFF = {
    "staff": "/staff/",
    "staff-health": "/staff/health",
    "staff-teams": "/staff/teams/",
    "staff-team": "/staff/teams/demo",
    "staff-plans": "/staff/accounts/plan/",
    "staff-user": "/staff/accounts/user/",
}
OWN = {
    "email": "/accounts/email/",
    "password": "/accounts/password/change/",
    "profile": "/accounts/profile/",
    "two-factor": "/accounts/2fa/",
    "two-factor-app": "/accounts/2fa/totp/activate/",
    "passkeys": "/accounts/2fa/webauthn/",
    "passkey-new": "/accounts/2fa/webauthn/add/",
    "sessions": "/accounts/sessions/",
    "account-delete": "/accounts/close/",
    "confirm-it-is-you": "/accounts/reauthenticate/?next=/",
    "team": "/t/new",
    "invitations": "/invitations/",
}


def take_pictures(browser: Browser, url: str, email: str, password: str, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    context = browser.new_context()
    page = context.new_page()
    for name, path in BEFORE.items():
        _shoot(page, name, url + path, out)
    page.goto(f"{url}/accounts/login/")
    page.fill("input[name=login]", email)
    page.fill("input[name=password]", password)
    page.click("main button[type=submit]")
    page.wait_for_url(re.compile("/t/"))
    team = re.sub(r"(/t/[^/]+/).*", r"\1", page.url)
    for name, path in INSIDE.items():
        _shoot(page, name, team + path, out)
    for name, path in OWN.items():
        _shoot(page, name, url + path, out)
    for name, (path, pattern) in FIRST.items():
        page.goto(team + path)
        links = page.locator("main a").evaluate_all("all => all.map(a => a.href)")
        if found := next((link for link in links if re.search(pattern, link)), None):
            _shoot(page, name, found, out)
    for kind in ("monitors", "incidents"):
        page.goto(f"{team}{kind}/")
        links = page.locator("td.main a").evaluate_all("all => all.map(a => [a.innerText, a.href])")
        links = [each for each in links if re.search(f"/{kind}/[0-9a-f-]{{36}}/$", each[1])]
        for title, link in links[:12]:
            name = f"{kind[:-1]}-{re.sub('[^a-z0-9]+', '-', title.lower())}-{link[-7:-1]}"
            _shoot(page, name, link, out)
            if kind == "monitors" and (title, link) == tuple(links[0]):
                for part in ("setup", "edit", "delete", "history", "badge"):
                    _shoot(page, f"{name}-{part}", link + part, out)
    _shoot(page, "missing", f"{team}nothing-here", out)
    _shoot_staff(page, url, team, out)


def _shoot_staff(page: Page, url: str, team: str, out: Path) -> None:
    """Take the operator's pages, if this account may see them."""
    page.goto(team)
    if page.locator("a[href^='/staff/']").count():
        _show_second_factor(page, url)
        for name, path in STAFF.items():
            _shoot(page, name, url + path, out)


def _show_second_factor(page: Page, url: str) -> None:
    """Switch an authenticator app on and give its code (RFC 6238)."""
    page.goto(f"{url}/accounts/2fa/totp/activate/")
    secret = base64.b32decode(page.inner_text("#totp-secret"))
    digest = hmac.new(secret, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    at = digest[-1] & 15
    code = (struct.unpack(">I", digest[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000
    page.fill("input[name=code]", f"{code:06}")
    page.click("main button[type=submit]")


def _shoot(page: Page, name: str, address: str, out: Path) -> None:
    page.goto(address)
    page.evaluate("document.querySelectorAll('details.more').forEach(d => d.open = true)")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(60)
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                print(f"{name} at {size}: scrolls sideways, {wide} px")  # noqa: T201
            page.screenshot(path=out / f"{name}-{size}-{scheme}.png", full_page=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--email", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with open_browser() as browser:
        take_pictures(browser, options.url, options.email, options.password, options.out)


if __name__ == "__main__":
    main()
