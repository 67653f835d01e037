"""A person's session in the console: python -m bench.strain.session EMAIL prints its cookie."""

from __future__ import annotations

import sys

import django


def main(email: str) -> None:
    """Log this person in, beside a running installation."""
    django.setup()
    from accounts.models import User
    from bench.console import log_in

    print(log_in(User.objects.get(email=email)))


if __name__ == "__main__":
    main(sys.argv[1])
