"""API keys as Bearer tokens."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.utils.timezone import now
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.access import Access, access_for_key
from accounts.keys import find_api_key


def bearer_token(request: Request) -> str | None:
    """Return the token of an `Authorization: Bearer` header; None if there is no such header."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


class ApiKeyAuthentication(BaseAuthentication):
    """`request.auth` becomes the Access that the key opens."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Access] | None:
        """Return the access of the request's key; raises AuthenticationFailed for a bad one."""
        token = bearer_token(request)
        if token is None:
            return None
        key = find_api_key(token, now=now())
        if key is None:
            raise AuthenticationFailed("The API key is unknown, expired or revoked.")
        return AnonymousUser(), access_for_key(key)

    def authenticate_header(self, request: Request) -> str:
        """Return the scheme for WWW-Authenticate, which makes an anonymous request a 401."""
        return 'Bearer realm="Tocsin API"'
