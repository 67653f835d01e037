"""First user and team, without questions."""

from __future__ import annotations

import json
import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import DatabaseError, transaction
from django_scopes import scopes_disabled

from accounts.keys import create_api_key
from accounts.models import Membership, Scope, Team, User
from accounts.teams import NameTaken, create_team, verify_address


class Command(BaseCommand):
    help = "Create the first user and team; prints one JSON object with the API key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument("--team", required=True, metavar="SLUG")
        parser.add_argument("--password")

    def handle(self, *args: Any, **options: Any) -> None:
        email, slug = options["email"].strip().lower(), options["team"]
        password = options["password"] or secrets.token_urlsafe(12)
        try:
            validate_email(email)
            with transaction.atomic(), scopes_disabled():
                if Team.objects.filter(slug=slug).exists():
                    raise CommandError(f"the team {slug} exists already")
                user = User.objects.filter(email__iexact=email).first()
                if user is None:
                    user = User.objects.create_user(email, password)
                elif options["password"]:
                    user.set_password(password)
                    user.save(update_fields=["password"])
                else:
                    password = ""  # an existing person keeps theirs, which we do not know
                verify_address(user)
                team = create_team(slug=slug, name=slug, owner=user)
                member = Membership.objects.get(team=team, user=user)
                _, key = create_api_key(
                    team=team, name="bootstrap", scope=Scope.ADMIN, created_by=member
                )
        except NameTaken as error:
            raise CommandError(f"the name {slug} is taken") from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except DatabaseError as error:
            reason = str(error).strip().splitlines()
            raise CommandError(f"no database answers: {reason[0] if reason else error}") from error
        answer = {"team": slug, "email": email, "password": password or None, "api_key": key}
        self.stdout.write(json.dumps(answer))
