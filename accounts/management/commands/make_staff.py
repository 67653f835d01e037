"""The operator's first staff user, and any further one, without questions."""

from __future__ import annotations

import json
import secrets
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import DatabaseError, transaction

from accounts.models import User
from accounts.teams import verify_address


class Command(BaseCommand):
    help = (
        "Make somebody staff of this installation (/staff/), with an account if they have none; "
        "prints one JSON object. They set up a second factor at their first visit."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument("--password", help="of a new account; made up if it is left out")
        parser.add_argument(
            "--look-only", action="store_true", help="may see everything there and change nothing"
        )
        parser.add_argument("--remove", action="store_true", help="is staff no more")

    def handle(self, *args: Any, **options: Any) -> None:
        email = options["email"].strip().lower()
        try:
            validate_email(email)
            with transaction.atomic():
                answer = self._remove(email) if options["remove"] else self._make(email, options)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except DatabaseError as error:
            reason = str(error).strip().splitlines()
            raise CommandError(f"no database answers: {reason[0] if reason else error}") from error
        self.stdout.write(json.dumps(answer))

    def _make(self, email: str, options: dict[str, Any]) -> dict[str, Any]:
        user = User.objects.filter(email__iexact=email).first()
        password = None
        if user is None:
            password = options["password"] or secrets.token_urlsafe(12)
            validate_password(password)
            user = User.objects.create_user(email, password)
            verify_address(user)
        elif options["password"]:
            raise CommandError(f"{email} has an account and a password already")
        user.is_active = user.is_staff = True
        user.is_superuser = not options["look_only"]
        user.save(update_fields=["is_active", "is_staff", "is_superuser"])
        return {"email": user.email, "password": password, "superuser": user.is_superuser}

    def _remove(self, email: str) -> dict[str, Any]:
        user = User.objects.filter(email__iexact=email, is_staff=True).first()
        if user is None:
            raise CommandError(f"{email} is not staff")
        user.is_staff = user.is_superuser = False
        user.save(update_fields=["is_staff", "is_superuser"])
        return {"email": user.email, "password": None, "superuser": False}
