"""What a key's scope lets it do."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.access import Access
from accounts.models import Scope


class HasScope(BasePermission):
    """`read` for safe methods, `write` otherwise, or what the view says.

    Its `read_scope` is for safe methods, its `needed_scope` for the others.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return whether the request's access goes far enough for this view."""
        access = request.auth
        if not isinstance(access, Access):
            return False
        if request.method in SAFE_METHODS:
            return access.allows(getattr(view, "read_scope", Scope.READ))
        return access.allows(getattr(view, "needed_scope", Scope.WRITE))
