"""A team worth looking at; `make demo` runs this once everything is up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils.crypto import salted_hmac
from django.utils.module_loading import import_string

from accounts.models import Team, User
from accounts.teams import NameTaken
from incidents.demo.team import SLUG, create_demo

EMAIL = "demo@tocsin.example"
PASSWORD_LENGTH = 16


class Command(BaseCommand):
    help = "Create the team `demo` with weeks of results and incidents, once; prints its login."

    def handle(self, *args: Any, **options: Any) -> None:
        # Worked out from this installation's secret key: nothing has to be kept to say it again.
        password = salted_hmac("incidents.demo", EMAIL, algorithm="sha256").hexdigest()
        password = password[:PASSWORD_LENGTH]
        try:
            made = not Team.objects.filter(slug=SLUG).exists()
            if made:
                create_demo(
                    email=EMAIL,
                    password=password,
                    keep_days=settings.RESULT_DAYS,
                    parts=other_parts(),
                )
            user = User.objects.filter(email=EMAIL).first()
        except NameTaken as error:
            raise CommandError(f"the name {error} is taken") from error
        except DatabaseError as error:
            reason = str(error).strip().splitlines()
            raise CommandError(f"no database answers: {reason[0] if reason else error}") from error
        if user is None:
            raise CommandError(f"a team {SLUG} exists, but it is not the demo's")
        shown = password if user.check_password(password) else "(changed since)"
        self.stdout.write(
            f"\n  The team {SLUG} {'is ready' if made else 'exists already'}: "
            f"{settings.BASE_URL}/t/{SLUG}/\n"
            f"    its status page is {settings.BASE_URL}/status/{SLUG}/\n"
            f"    e-mail    {EMAIL}\n"
            f"    password  {shown}\n"
            "  Nobody pushes to it, so its windows are wide: nothing falls silent for 60 days,\n"
            "  and scheduled jobs turn late. One incident is open.\n"
        )


def other_parts() -> list[Callable[..., Any]]:
    """Return what rooms above this one name as `demo_parts` in their AppConfig."""
    named = (getattr(room, "demo_parts", ()) for room in apps.get_app_configs())
    return [import_string(path) for parts in named for path in parts]
