"""Every page of the console, by its route: it opens, nothing serious is found, nothing sticks out.

`test_accessible` looks at pages that are full of long names; this one leaves no page out.
"""

from __future__ import annotations

import pytest

from config import urls_console
from tests.browser.test_accessible import findings
from tests.console.things import ACTIONS, OPEN, OWN_ACTIONS, addresses, make_things

pytestmark = pytest.mark.browser
# Answers that are files, or lead elsewhere.
FILES = {
    "status_page_picture",
    "insights-csv",
    "usage-statement-csv",
    "monitor-results-csv",
    "monitor-results-json",
    "status_page_subscriber_export",
    "settings",
}
PARTS = 6
# What belongs to a person alone is seen by that person: things has the viewer's.
OWN = {"contact-edit", "contact-quiet", "contact-delete"}
NAMES = sorted(
    pattern.name
    for pattern in urls_console.urlpatterns
    if pattern.name and pattern.name not in OPEN | ACTIONS | OWN_ACTIONS | FILES | OWN
)
ACCOUNT = [
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/profile/",
    "/accounts/sessions/",
    "/accounts/close/",
    "/accounts/2fa/",
    "/accounts/2fa/totp/activate/",
    "/accounts/2fa/webauthn/",
    "/accounts/2fa/webauthn/add/",
    "/accounts/reauthenticate/?next=/",
    "/teams/",
    "/invitations/",
    "/t/new",
]
VISITORS = ["/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"]
# Both themes and both sizes, each at least once.
LOOKS = (("light", 1440, 900), ("dark", 375, 812))


def look(page, address: str) -> list[str]:
    """Return what is wrong with a page."""
    answer = page.goto(address)
    wrong = [] if answer and answer.status == 200 else [f"{address}: {answer and answer.status}"]
    if page.locator('[data-now=""]').count():
        wrong.append(f"{address}: its times count from nothing")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.removeAttribute('name'))")
    page.evaluate("document.querySelectorAll('main details').forEach(d => { d.open = true })")
    for scheme, width, height in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": height})
        if page.evaluate("document.documentElement.scrollWidth") > width:
            wrong.append(f"{address} scrolls sideways at {width}")
        wrong += [f"{address} {scheme} {width}: {found}" for found in findings(page)]
    return wrong


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_page_of_the_console(owner, people, part):
    found = dict(addresses(people, make_things(people)))
    wrong = [line for name in NAMES[part::PARTS] for line in look(owner, found[name])]
    assert wrong == []


@pytest.mark.timeout(300)
def test_every_page_of_an_account(owner):
    wrong = [line for address in ACCOUNT for line in look(owner, address)]
    assert wrong == []


def test_every_page_for_visitors(page):
    wrong = [line for address in VISITORS for line in look(page, address)]
    assert wrong == []
