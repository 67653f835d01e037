"""API keys, owners' addresses, teams' names, and what never reaches a log."""

from __future__ import annotations

import io
import logging
from datetime import UTC, datetime, timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404
from django_scopes import scope, scopes_disabled

from accounts.access import Access, access_for_key, access_for_member, get_object
from accounts.keys import create_api_key, find_api_key, hash_token, token_matches
from accounts.models import ApiKey, Membership, Namespace, Role, Scope, Team
from accounts.teams import NameTaken, claim_namespace, create_team, owner_addresses
from config.redaction import RedactSecrets, redact
from tests.factories import TeamFactory, UserFactory
from tests.racing import at_once

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _unscoped():
    with scopes_disabled():
        yield


def test_a_key_is_found_by_its_text_alone_and_stored_as_a_hash(team):
    key, text = create_api_key(team=team, name="ci", scope=Scope.WRITE)
    assert text.startswith(f"tk_{key.prefix}_")
    assert len(text) == 3 + 8 + 1 + 40
    assert find_api_key(text, now=NOW) == key
    stored = ApiKey.objects.values().get()
    assert bytes(stored["key_hash"]) == hash_token(text)
    assert text.rsplit("_", 1)[1] not in str(stored)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text + "x",
        lambda text: text.swapcase(),
        lambda text: text.replace("tk_", "tx_"),
        lambda text: text.replace("_", "-"),
        lambda text: text.split("_")[2],
        lambda text: "_".join(text.split("_")[:2]) + "_",
        lambda text: "",
        lambda text: "tk__",
        lambda text: "tk_é_é",
        lambda text: "tk_" + "x" * 10_000 + "_",
        lambda text: "tk_\x00_\x00",
        lambda text: "tk_\udcff_é",
    ],
)
def test_any_other_text_finds_nothing(team, change):
    _, text = create_api_key(team=team, name="ci", scope=Scope.READ)
    assert find_api_key(change(text), now=NOW) is None


def test_an_expired_or_revoked_key_finds_nothing(team):
    _, text = create_api_key(team=team, name="ci", scope=Scope.READ, expires_at=NOW)
    assert find_api_key(text, now=NOW - timedelta(seconds=1)) is not None
    assert find_api_key(text, now=NOW) is None
    _, other = create_api_key(team=team, name="old", scope=Scope.READ)
    ApiKey.objects.filter(name="old").update(revoked_at=NOW)
    assert find_api_key(other, now=NOW) is None


def test_the_last_use_is_noted_once_a_minute(team):
    key, text = create_api_key(team=team, name="ci", scope=Scope.READ)
    for seconds in (0, 30, 59):
        find_api_key(text, now=NOW + timedelta(seconds=seconds))
        key.refresh_from_db()
        assert key.last_used_at == NOW
    find_api_key(text, now=NOW + timedelta(seconds=60))
    key.refresh_from_db()
    assert key.last_used_at == NOW + timedelta(seconds=60)


def test_a_token_of_strange_bytes_is_compared_and_refused():
    assert not token_matches("\udcff\x00é", hash_token("token"))
    assert not token_matches("token", None)
    assert token_matches("token", memoryview(hash_token("token")))


@pytest.mark.parametrize(
    ("level", "allowed"),
    [(Scope.READ, ["read"]), (Scope.WRITE, ["read", "write"]), (Scope.ADMIN, list(Scope.values))],
)
def test_each_scope_includes_those_before_it(team, level, allowed):
    key, _ = create_api_key(team=team, name="ci", scope=level)
    access = access_for_key(key)
    assert [name for name in Scope.values if access.allows(Scope(name))] == allowed


def test_the_door_opens_for_members_by_their_role(team):
    levels = {}
    for role in Role:
        user = UserFactory()
        Membership.objects.create(team=team, user=user, role=role)
        access = access_for_member(user, "acme")
        assert isinstance(access, Access)
        levels[role] = access.level
    assert levels == {
        Role.OWNER: Scope.ADMIN,
        Role.ADMIN: Scope.ADMIN,
        Role.MEMBER: Scope.WRITE,
        Role.VIEWER: Scope.READ,
    }
    stranger = TeamFactory(slug="rival")
    outsider = Membership.objects.get(team=stranger).user
    for slug in ("acme", "nobody"):
        with pytest.raises(Http404) as refused:
            access_for_member(outsider, slug)
        assert str(refused.value) == ""


def test_a_foreign_object_is_missing_exactly_like_a_missing_one(team):
    rival = TeamFactory(slug="rival")
    theirs = Namespace.objects.get(team=rival)
    with scope(team=team):
        for pk in (theirs.pk, "00000000-0000-7000-8000-000000000000", "not a uuid", ""):
            with pytest.raises(Http404):
                get_object(Namespace.objects.all(), pk)


def test_owners_are_told_at_verified_addresses_if_there_are_any(team):
    owner = Membership.objects.get().user
    second = UserFactory()
    Membership.objects.create(team=team, user=second, role=Role.OWNER)
    EmailAddress.objects.filter(user=second).update(verified=False)
    assert owner_addresses(team) == [owner.email]
    EmailAddress.objects.all().delete()
    assert owner_addresses(team) == [owner.email, second.email]


@pytest.mark.parametrize("slug", ["Acme", "a_b", "-a", "a-", "", "a" * 64, "results", "api", "é"])
def test_a_slug_that_is_none(slug):
    with pytest.raises(ValidationError), transaction.atomic():
        create_team(slug=slug, name="x", owner=UserFactory())
    assert not Team.objects.exists()


def test_a_slug_and_a_namespace_share_one_name_space(team):
    claim_namespace(team=team, name="staging")
    for slug in ("acme", "staging"):
        with pytest.raises(NameTaken), transaction.atomic():
            create_team(slug=slug, name="x", owner=UserFactory())
    rival = create_team(slug="rival", name="x", owner=UserFactory())
    with pytest.raises(NameTaken):
        claim_namespace(team=rival, name="staging")
    assert claim_namespace(team=team, name="staging").team == team


@pytest.mark.django_db(transaction=True)
def test_one_of_two_teams_gets_a_slug():
    owners = [UserFactory(), UserFactory()]

    def create(owner) -> str:
        try:
            create_team(slug="wanted", name="x", owner=owner)
        except NameTaken:
            return "taken"
        return "made"

    assert sorted(at_once(*(lambda o=o: create(o) for o in owners))) == ["made", "taken"]
    assert (Team.objects.count(), Membership.objects.count()) == (1, 1)


# --- logs -----------------------------------------------------------------------------------

SLUG, TOKEN = "Ab3dEf6hIj9k", "s3cr3t-token_with.signs~+/="
KEY = "tk_AbCdEfGh_" + "Z" * 40


@pytest.mark.parametrize(
    "text",
    [
        f"GET /api/push/{SLUG}/results 201",
        f"POST http://x/api/ping/{SLUG}/fail?a=b HTTP/1.1",
        f"GET /api/ping/{SLUG} 404",
        f"'/api/push/{SLUG}'",
        f"Authorization: Bearer {TOKEN}",
        f"headers: [(b'authorization', b'bearer {TOKEN}')]",
        f'{{"authorization": "Bearer {TOKEN}"}}',
        f"key={KEY}&x",
        f"({KEY})",
        "secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw end",
    ],
)
def test_credentials_are_masked(text):
    cleaned = redact(text)
    assert "[redacted]" in cleaned
    for secret in (SLUG, TOKEN, "Z" * 40, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"):
        assert secret not in cleaned


def test_what_is_no_credential_stays_readable():
    text = "POST /api/v1/monitors 201 tk_AbCdEfGh 3 bearers of news"
    assert redact(text) == text
    assert redact(f"GET /api/push/{SLUG}/results 201") == "GET /api/push/[redacted]/results 201"


def test_a_record_is_masked_with_its_arguments_and_its_traceback():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactSecrets())
    logger = logging.getLogger("tests.redaction")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        try:
            int(f"/api/push/{SLUG}/results with Bearer {TOKEN}")
        except ValueError:
            logger.exception("push %s by %s failed, 100%%", f"/api/ping/{SLUG}", KEY)
        logger.warning(f"no arguments: 100% /api/ping/{SLUG}")  # noqa: G004
        logger.error({"path": f"/api/push/{SLUG}/results"}, stack_info=True)
    finally:
        logger.removeHandler(handler)
    written = stream.getvalue()
    assert "Traceback" in written
    assert "100%" in written
    for secret in (SLUG, TOKEN, "Z" * 40):
        assert secret not in written


def test_a_log_call_with_wrong_arguments_does_not_break_its_caller():
    record = logging.LogRecord("x", logging.INFO, "", 0, f"/api/ping/{SLUG} %d", ("x",), None)
    assert RedactSecrets().filter(record)
    assert SLUG not in str(record.msg)


def test_every_handler_of_ours_masks(settings):
    for name, handler in settings.LOGGING["handlers"].items():
        writes = handler["class"] != "logging.NullHandler"
        assert ("redact" in handler.get("filters", [])) is writes, name
