"""In which time zone the console is read."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from accounts.models import User
from accounts.zones import read_in

# The console's own paths. Public status pages and the API speak of the same times to everybody.
_READ_HERE = ("/t/", "/accounts/", "/account/", "/invitations/", "/ack/", "/staff/")


class ReaderZone:
    """Let the console's pages say times in the zone of whoever is logged in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request; nobody is looked up unless the page says a time."""
        if not request.path.startswith(_READ_HERE):
            return self.get_response(request)
        with read_in(lambda: _zone_name(request)):
            return self.get_response(request)


def _zone_name(request: HttpRequest) -> str:
    user = getattr(request, "user", None)
    return user.timezone if isinstance(user, User) else "UTC"
