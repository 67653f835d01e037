"""Teams and what belongs to them, made through the real services."""

from __future__ import annotations

from typing import Any

import factory
from django_scopes import scopes_disabled

from accounts.keys import create_api_key
from accounts.models import ApiKey, Scope, Team, User
from accounts.teams import create_team, verify_address
from monitors.models import Monitor
from monitors.services import create_monitor

PASSWORD = "correct horse battery staple"


class UserFactory(factory.Factory[User]):
    """A person with a verified address."""

    class Meta:
        model = User

    email = factory.Sequence(lambda n: f"person-{n}@example.org")
    password = PASSWORD

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **fields: Any) -> User:
        user = User.objects.create_user(**fields)
        verify_address(user)
        return user


class TeamFactory(factory.Factory[Team]):
    """A team with an owner and its first namespace."""

    class Meta:
        model = Team

    slug = factory.Sequence(lambda n: f"team-{n}")
    name = factory.LazyAttribute(lambda team: team.slug.title())
    owner = factory.SubFactory(UserFactory)

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **fields: Any) -> Team:
        return create_team(**fields)


class MonitorFactory(factory.Factory[Monitor]):
    """A monitor in its team's namespace; give the `team`."""

    class Meta:
        model = Monitor

    team = factory.SubFactory(TeamFactory)
    name = factory.Sequence(lambda n: f"monitor-{n}")

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **fields: Any) -> Monitor:
        monitor, _ = create_monitor(**fields)
        return monitor


def make_key(team: Team, scope: Scope = Scope.ADMIN, name: str | None = None) -> str:
    """Return the text of a new API key; of its team's live keys none may have its name."""
    with scopes_disabled():
        if name is None:
            others = ApiKey.objects.filter(team=team).count()
            name = f"script {others}" if others else "script"
        return create_api_key(team=team, name=name, scope=scope)[1]
