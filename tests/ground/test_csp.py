"""What browsers are told: nothing but what a page itself names may run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from config.csp import NOTHING, page_policy, sign_in_origins
from config.installation import PROJECT
from tests.accounts.staffing import make_operator, staff_client

TEMPLATES = sorted((PROJECT / "templates").rglob("*.html"))
TAG = re.compile(r"<script\b[^>]*>")
NONCE = 'nonce="{{ csp_nonce }}"'
# They carry a policy of their own, and no script.
STATUS_PAGES = ("statuspages/page/", "statuspages/subscribe/", "statuspages/gate", "mail/")


def name_of(template: Path) -> str:
    return template.relative_to(PROJECT / "templates").as_posix()


@pytest.mark.parametrize("template", TEMPLATES, ids=name_of)
def test_every_template_names_its_scripts_and_holds_nothing_inline(template):
    text = template.read_text(encoding="utf-8")
    scripts = TAG.findall(text)
    if name_of(template).startswith(STATUS_PAGES):
        assert scripts == []
        return
    for tag in scripts:
        assert NONCE in tag, f"write <script {NONCE} src=…>: {tag}"
        assert " src=" in tag, tag
    assert not re.search(r"\sstyle=\"|<style|\son[a-z]+=\"|javascript:|hx-on|hx-vals=.js:", text)


def policy(answer: Any) -> dict[str, str]:
    """Return the directives of an answer's policy."""
    parts = (part.strip().partition(" ") for part in answer["Content-Security-Policy"].split(";"))
    return {name: value for name, _, value in parts}


@pytest.mark.django_db
def test_a_page_lets_its_own_scripts_run_by_a_fresh_nonce():
    answers = [Client().get("/accounts/login/") for _ in range(2)]
    said = [policy(answer)["script-src"] for answer in answers]
    assert said[0] != said[1]
    for answer, sources in zip(answers, said, strict=True):
        nonce = re.fullmatch(r"'nonce-([\w-]{22})'", sources)[1]
        tags = TAG.findall(answer.content.decode())
        assert tags
        assert all(f'nonce="{nonce}"' in tag for tag in tags)


@pytest.mark.django_db
def test_everything_else_is_named_too():
    said = policy(Client().get("/accounts/login/"))
    assert said["default-src"] == "'none'"
    assert said["frame-ancestors"] == said["base-uri"] == said["script-src-attr"] == "'none'"
    assert said["style-src"] == said["connect-src"] == said["form-action"] == "'self'"
    assert said["img-src"] == "'self' data:"
    assert "upgrade-insecure-requests" not in said
    assert not any("unsafe" in value for value in said.values())


@pytest.mark.django_db
def test_what_is_no_page_allows_nothing():
    for path in ("/api/v1/monitors", "/robots.txt", "/static/icon.svg", "/api/nowhere"):
        assert Client().get(path)["Content-Security-Policy"] == NOTHING, path


@pytest.mark.django_db
def test_refusals_have_a_policy_too():
    answer = Client(enforce_csrf_checks=True).post("/accounts/login/")
    assert answer.status_code == 403
    assert policy(answer)["default-src"] == "'none'"
    answer = Client().get("/nowhere")
    assert answer.status_code == 404
    assert policy(answer)["script-src"].startswith("'nonce-")


def test_over_https_what_is_asked_for_plainly_is_upgraded(settings):
    settings.BASE_URL = "https://tocsin.example.org"
    assert page_policy().endswith("; upgrade-insecure-requests")


@pytest.mark.django_db
def test_forms_lead_to_a_sign_in_provider_only_where_there_is_one(settings):
    assert sign_in_origins() == set()
    app = {"settings": {"server_url": "https://id.example.org:8443/realms/main"}}
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app]}}
    assert sign_in_origins() == {"https://id.example.org:8443"}
    said = policy(Client().get("/nowhere"))
    assert said["form-action"] == "'self'"


@pytest.mark.django_db
def test_the_documentation_and_the_admin_run_files_of_ours_alone():
    answer = Client().get("/api/v1/docs")
    assert policy(answer)["script-src"] == "'self'"
    assert "'unsafe-inline'" in policy(answer)["style-src"]
    answer = staff_client(make_operator()).get("/staff/accounts/user/")
    assert policy(answer)["script-src"] == policy(answer)["style-src"] == "'self'"
    page = answer.content.decode()
    assert all(" src=" in tag for tag in TAG.findall(page))
    assert not re.search(r"\sstyle=\"|<style|\son[a-z]+=\"|javascript:", page)


@pytest.mark.django_db
def test_the_other_headers_of_a_page():
    answer = Client().get("/accounts/login/")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in answer["Permissions-Policy"]
    assert "publickey-credentials-get" not in answer["Permissions-Policy"]  # passkeys
    cookie = answer.cookies["csrftoken"]
    assert (cookie["samesite"], cookie["httponly"]) == ("Lax", True)
