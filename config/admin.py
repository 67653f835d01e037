"""Django's admin at `/staff/`, behind the door of config/staff.py."""

from __future__ import annotations

from functools import wraps
from typing import Any
from urllib.parse import unquote

from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.urls import URLPattern, URLResolver
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django_scopes import scopes_disabled

from accounts import admin as people
from accounts.models import User
from config.csp import PERMISSIONS, page_policy
from config.staff import refuse
from monitors import admin as engine

# Logging in and out, passwords: the console's. And no page of a row outside.
_NOT_OURS = {"login", "logout", "password_change", "password_change_done", "view_on_site"}


class StaffSite(AdminSite):
    """The tables that staff see."""

    site_header = "Tocsin"
    site_title = "Tocsin staff"
    index_title = "Tables"
    site_url = None
    final_catch_all_view = False  # what is not there is 404, as for everybody

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether this is staff; the door asks for more."""
        return isinstance(request.user, User) and request.user.is_staff

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Make a view the staff's."""

        @wraps(view)
        def run(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            refusal = refuse(request)
            if refusal is not None:
                return refusal
            if "\x00" in unquote(request.get_full_path()):
                raise Http404  # no row has such a name, and the database takes none
            with scopes_disabled():
                response: HttpResponse = view(request, *args, **kwargs)
                if isinstance(response, SimpleTemplateResponse):
                    response.render()  # rows are read as it is written
            # Django's own templates name their scripts without a nonce; all are files of ours.
            response.headers["Content-Security-Policy"] = page_policy(script="'self'")
            response.headers["Permissions-Policy"] = PERMISSIONS
            return response

        checked = run if getattr(view, "csrf_exempt", False) else csrf_protect(run)
        return checked if cacheable else never_cache(checked)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Return the admin's paths without those that the console has."""
        return [url for url in super().get_urls() if getattr(url, "name", None) not in _NOT_OURS]


site = StaffSite(name="admin")
people.register(site)
engine.register(site)
