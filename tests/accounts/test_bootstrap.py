"""`manage.py bootstrap`: the first user and team, from a script."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.keys import find_api_key
from accounts.models import Membership, Namespace, Role, Scope, Team, User
from accounts.teams import claim_namespace
from tests.factories import PASSWORD, TeamFactory, UserFactory

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _unscoped():
    with scopes_disabled():
        yield


def bootstrap(**options: str) -> dict[str, str]:
    out = io.StringIO()
    call_command("bootstrap", stdout=out, **options)
    (line,) = out.getvalue().splitlines()
    answer: dict[str, str] = json.loads(line)
    return answer


@pytest.mark.django_db
def test_it_makes_a_user_a_team_a_namespace_and_a_key():
    answer = bootstrap(email="Ann@Example.org", team="acme", password=PASSWORD)
    assert set(answer) == {"team", "email", "password", "api_key"}
    assert (answer["team"], answer["email"], answer["password"]) == (
        "acme",
        "ann@example.org",
        PASSWORD,
    )
    team = Team.objects.get()
    assert (team.slug, team.monitor_quota) == ("acme", None)
    assert Namespace.objects.get().name == "acme"
    assert Membership.objects.get().role == Role.OWNER
    key = find_api_key(answer["api_key"], now=now())
    assert (key.team, key.scope) == (team, Scope.ADMIN)
    address = EmailAddress.objects.get()
    assert (address.email, address.verified, address.primary) == ("ann@example.org", True, True)


@pytest.mark.django_db
def test_the_password_that_it_makes_up_opens_the_door():
    answer = bootstrap(email="ann@example.org", team="acme")
    assert len(answer["password"]) >= 12
    reply = Client().post(
        "/accounts/login/", {"login": answer["email"], "password": answer["password"]}
    )
    assert reply.status_code == 302
    assert User.objects.get().check_password(answer["password"])


@pytest.mark.django_db
def test_a_second_team_of_the_same_person_keeps_their_password():
    first = bootstrap(email="ann@example.org", team="acme")
    second = bootstrap(email="ANN@example.org", team="other")
    assert second["password"] is None
    assert User.objects.get().check_password(first["password"])
    assert Membership.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("email", "team"),
    [
        ("ann@example.org", "acme"),
        ("ann@example.org", "claimed"),
        ("ann@example.org", "No Slug"),
        ("ann@example.org", "results"),
        ("ann@example.org", ""),
        ("not an address", "fresh"),
        ("ann@example.org", "a" * 64),
    ],
)
def test_what_it_refuses_leaves_nothing_behind(email, team):
    acme = TeamFactory(slug="acme")
    claim_namespace(team=acme, name="claimed")
    UserFactory(email="bob@example.org")
    before = (User.objects.count(), Team.objects.count(), Namespace.objects.count())
    with pytest.raises(CommandError) as refused:
        bootstrap(email=email, team=team)
    assert len(str(refused.value).splitlines()) == 1
    assert refused.value.returncode == 1
    assert (User.objects.count(), Team.objects.count(), Namespace.objects.count()) == before


def run_apart(**environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "bootstrap", "--email", "a@example.org", "--team", "acme"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.django_db(transaction=True)
def test_as_a_command_it_prints_one_object_and_the_second_time_one_line():
    url = os.environ["DATABASE_URL"]
    name = connection.settings_dict["NAME"]
    head, _, query = url.partition("?")
    mine = f"{head.rsplit('/', 1)[0]}/{name}" + (f"?{query}" if query else "")
    first = run_apart(DATABASE_URL=mine)
    assert (first.returncode, first.stderr) == (0, "")
    assert json.loads(first.stdout)["team"] == "acme"
    second = run_apart(DATABASE_URL=mine)
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr.strip().splitlines() == ["CommandError: the team acme exists already"]
    assert Team.objects.count() == 1


def test_without_a_database_it_says_so_in_one_line():
    done = run_apart(DATABASE_URL="postgres://nobody:x@127.0.0.1:9/none")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.strip().splitlines()
    assert "no database answers" in line
    assert "Traceback" not in line
