"""A team's settings in Chromium: keys, namespaces, the export, and deletion called off."""

from __future__ import annotations

import re
import zipfile
from decimal import Decimal

import pytest
from django_scopes import scopes_disabled
from playwright.sync_api import Page, expect

from accounts.keys import create_api_key
from accounts.models import Plan, Scope, Team
from monitors.models import UsageDay
from monitors.queries import database_now
from tests.browser.test_accessible import check
from tests.console.personas import make_monitor

pytestmark = pytest.mark.browser
SETTINGS = "/t/acme/settings"


def test_a_key_is_made_shown_once_and_revoked(owner: Page, people) -> None:
    page = owner
    page.goto(f"{SETTINGS}/team")
    page.get_by_role("navigation", name="Settings").get_by_role("link", name="API keys").click()
    page.get_by_label("Name").fill("terraform")
    page.get_by_label("Ends").select_option("in 30 days")
    page.get_by_role("button", name="Create the key").click()
    shown = page.locator("#new-key")
    expect(shown).to_have_text(re.compile(r"^tk_\w{8}_\w{40}$"))
    page.goto(f"{SETTINGS}/keys")
    expect(page.locator("#new-key")).to_have_count(0)
    page.get_by_role("link", name="Revoke terraform").click()
    page.get_by_role("button", name="Revoke terraform").click()
    expect(page.get_by_text("opens nothing any more")).to_be_visible()


def test_a_team_is_deleted_and_kept(owner: Page, people) -> None:
    page = owner
    page.goto(f"{SETTINGS}/team")
    page.get_by_role("link", name="Delete…").click()
    page.get_by_label("The team's short name").fill("acme")
    page.get_by_role("button", name="Delete Acme").click()
    page.goto("/t/acme/monitors/")
    expect(page.get_by_role("heading", name="Acme will be deleted")).to_be_visible()
    check(page, f"{SETTINGS}/team")
    page.get_by_role("button", name="Keep the team").click()
    expect(page.get_by_text("The team is kept.")).to_be_visible()
    expect(page.get_by_role("heading", name="Acme will be deleted")).to_have_count(0)


def test_the_export_is_a_download_that_opens(owner: Page, people, tmp_path) -> None:
    make_monitor(people.team)
    owner.goto(f"{SETTINGS}/export")
    with owner.expect_download(timeout=30_000) as coming:
        owner.get_by_role("button", name="Download the ZIP").click()
    coming.value.save_as(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert "README.txt" in archive.namelist()


def test_the_settings_are_accessible(owner: Page, people) -> None:
    with scopes_disabled():
        plan = Plan.objects.create(name="Team", rate="1.5", monitor_quota=1)
        Team.objects.filter(pk=people.team.pk).update(plan=plan)
        make_monitor(people.team)
        key, _ = create_api_key(team=people.team, name="terraform", scope=Scope.WRITE)
        UsageDay.objects.update(rate=Decimal("1.5"), currency="EUR")
    month = f"{database_now():%Y-%m}"
    for path in (
        "team",
        "members",
        "keys",
        f"keys/{key.pk}/revoke",
        "namespaces",
        "usage",
        f"usage/{month}",
        "export",
        "team/delete",
        "audit",
    ):
        check(owner, f"{SETTINGS}/{path}")
    check(owner, "/teams/")
