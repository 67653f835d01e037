"""The real command, as a process, against a server that really listens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db.models.functions import Now
from django_scopes import scopes_disabled

from accounts.models import Membership, Role, Team
from config.installation import PROJECT
from monitors.models import Monitor, PushResult
from tests.conftest import Api
from tests.console.personas import listen_now
from tests.factories import TeamFactory, UserFactory, make_key
from tests.monitors.pushing import slug_of

COMMAND = Path(sys.executable).with_name("tocsin")
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


def environment(**settings: str) -> dict[str, str]:
    """Return the environment of a command that is set up by these settings alone."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    # The tree that is tested, should the environment be shared with another one.
    return {**kept, "PYTHONPATH": str(PROJECT), "NO_PROXY": "*", "TERM": "dumb", **settings}


def start(*arguments: str, **settings: str) -> subprocess.Popen[bytes]:
    """Start the command with pipes; it runs on.

    The suite may run under nohup, and what is ignored is ignored by the command too.
    """
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [COMMAND, *arguments],
        env=environment(**settings),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGHUP, signal.SIG_DFL),
    )


def call(
    *arguments: str, given: bytes = b"", seconds: float = 60, **settings: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end."""
    return subprocess.run(
        [COMMAND, *arguments],
        env=environment(**settings),
        input=given,
        capture_output=True,
        timeout=seconds,
        check=False,
    )


def results() -> list[PushResult]:
    """Return everything that was pushed, in order."""
    with scopes_disabled():
        return list(PushResult.objects.order_by("received_at", "id"))


class Site:
    """A running installation with one team."""

    def __init__(self, url: str, team: Team) -> None:
        self.url, self.team, self.key = url, team, make_key(team)

    def __call__(
        self, *arguments: str, expect: int = 0, **more: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the command with the team's key."""
        settings = {"TOCSIN_URL": self.url, "TOCSIN_API_KEY": self.key}
        done = call(*arguments, **{**settings, **more})
        assert done.returncode == expect, (done.returncode, done.stdout, done.stderr)
        assert self.key.encode() not in done.stdout + done.stderr
        return done

    def post(self, path: str, **body: Any) -> Any:
        """Return what was created."""
        return Api(self.key).make(path, **body)

    def made(self, name: str, **fields: Any) -> Any:
        """Return a monitor as it was created, with its token."""
        return self.post("monitors", name=name, **fields)

    def member(self, email: str) -> str:
        """Add a member to the team; return the address."""
        with scopes_disabled():
            Membership.objects.create(
                team=self.team, user=UserFactory(email=email), role=Role.MEMBER, accepted_at=Now()
            )
        return email

    def execute(
        self, monitor: Monitor, *arguments: str, **more: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a job for a monitor; its slug is printed nowhere."""
        slug = slug_of(monitor)
        done = call("exec", *arguments, TOCSIN_URL=self.url, TOCSIN_SLUG=slug, **more)
        assert slug.encode() not in done.stderr
        return done


@pytest.fixture
def site(transactional_db: None, live_server: Any, settings: Any) -> Site:
    settings.BASE_URL = live_server.url
    listen_now()
    return Site(live_server.url, TeamFactory(slug="acme"))
