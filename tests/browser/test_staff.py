"""The operator's way in, and the operator's pages, in Chromium under the policy of scripts."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.utils.timezone import now
from playwright.sync_api import Page

from incidents.engine import stamp
from monitors.partitions import ensure_partitions
from tests.accounts.staffing import PASSWORD, make_operator
from tests.browser.test_accessible import check

pytestmark = pytest.mark.browser


def code_for(secret: str) -> str:
    counter = list(yield_hotp_counters_from_time())[1]
    return format_hotp_value(hotp_value(secret, counter))


def log_in(page: Page, email: str) -> None:
    page.goto("/accounts/login/?next=/staff/health")
    page.locator("[name=login]").fill(email)
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()


def test_staff_are_led_to_a_second_factor_and_then_in(context, people, page):
    operator = make_operator(factor=False)
    stamp("engine")
    stamp("deliver")
    ensure_partitions(now=now())
    visitor = context.new_page()  # a refusal is a line in the console of its own
    log_in(visitor, operator.email)
    visitor.get_by_role("heading", name="Set up a second factor first").wait_for()
    visitor.get_by_role("link", name="Set up an authenticator app").click()
    visitor.wait_for_url("**/accounts/2fa/totp/activate/**")
    shown = visitor.locator("body").inner_text() + "".join(
        field.input_value()
        for field in visitor.locator("main input[readonly], main input[disabled]").all()
    )
    secret = re.search(r"\b[A-Z2-7]{32}\b", shown.replace(" ", ""))
    assert secret, "the page shows the secret for those who cannot scan it"
    visitor.locator("[name=code]").first.fill(code_for(secret[0]))
    visitor.locator("[name=code]").first.press("Enter")
    visitor.wait_for_url(re.compile("(?!.*totp/activate)"))
    visitor.close()

    page.goto("/staff/health")  # setting it up has shown it: nobody waits for the next code
    page.get_by_role("heading", name="Health of this installation").wait_for()
    for address in ("/staff/health", "/staff/teams/", "/staff/teams/acme"):
        check(page, address)
    # Django's own pages and the API's documentation run under their policies without a complaint.
    for address in ("/staff/", "/staff/accounts/user/", "/staff/accounts/plan/add/"):
        page.goto(address)
        page.get_by_role("heading", level=1).first.wait_for()
    page.goto("/api/v1/docs")
    page.locator("#swagger-ui .opblock").first.wait_for(timeout=60_000)


def test_the_health_page_stays_fresh_by_itself(page, people):
    operator = make_operator()
    from allauth.mfa.models import Authenticator
    from allauth.mfa.utils import decrypt

    ensure_partitions(now=now())
    secret = decrypt(Authenticator.objects.get(user=operator).data["secret"])
    log_in(page, operator.email)
    page.locator("[name=code]").first.fill(code_for(secret))
    page.locator("[name=code]").first.press("Enter")
    page.get_by_text("The engine last completed a round").first.wait_for()
    page.get_by_text("never yet").first.wait_for()
    stamp("engine")
    row = page.get_by_role("row", name=re.compile("The engine last completed a round"))
    row.get_by_text("Well", exact=True).wait_for(timeout=10_000)


def test_on_a_phone_no_number_breaks_and_nothing_scrolls_sideways(page, people):
    from allauth.mfa.models import Authenticator
    from allauth.mfa.utils import decrypt

    from incidents.models import NoticeKind, OperatorNotice
    from monitors.models import ListeningGap

    operator = make_operator()
    ensure_partitions(now=now())
    ListeningGap.objects.create(started_at=now() - timedelta(seconds=4000), ended_at=now())
    OperatorNotice.objects.create(
        kind=NoticeKind.GAP, key="gap:1", at=now(), try_at=now(), text="We were not listening. " * 9
    )
    page.set_viewport_size({"width": 375, "height": 812})
    secret = decrypt(Authenticator.objects.get(user=operator).data["secret"])
    log_in(page, operator.email)
    page.locator("[name=code]").first.fill(code_for(secret))
    page.locator("[name=code]").first.press("Enter")
    page.get_by_text("Largest tables").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    wide = page.locator(".staff-groups .body").evaluate_all(
        "all => all.filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText)"
    )
    assert wide == []
    numbers = page.locator(".staff-figures td.num")
    assert numbers.count() > 10
    broken = numbers.evaluate_all(
        "all => all.filter(e => { const r = document.createRange(); r.selectNodeContents(e);"
        " return new Set([...r.getClientRects()].map(b => Math.round(b.top))).size > 1 })"
        ".map(e => e.innerText)"
    )
    assert broken == []
