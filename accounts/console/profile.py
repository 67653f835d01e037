"""A person's own pages: what they are called, their time zone, and where they are logged in."""

from __future__ import annotations

from typing import Any

from allauth.account.views import password_set
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as later
from django.views.decorators.http import require_POST

from accounts.console.reauth import confirm_recent_login
from accounts.models import User
from accounts.sessions import end_sessions, list_places, signed_in_recently
from accounts.zones import zone_names


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a person says of themselves."""

    class Meta:
        model = User
        fields = ("name", "timezone")
        labels = {"name": later("Your name"), "timezone": later("Time zone")}
        help_texts = {
            "name": later("How your teams see you. Without one they see your e-mail address."),
            "timezone": later(
                "Times are shown in it. Type a city or a continent, such as Berlin or Asia."
            ),
        }
        widgets = {
            "name": forms.TextInput(attrs={"autocomplete": "name"}),
            "timezone": forms.TextInput(
                attrs={
                    "list": "zones",
                    "autocomplete": "off",
                    "autocapitalize": "none",
                    "spellcheck": "false",
                    "data-zone": "",
                }
            ),
        }

    def clean_name(self) -> str:
        """Refuse what is no text."""
        name: str = self.cleaned_data["name"]
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ValidationError(_("This name holds characters that are no text.")) from None
        return name

    def clean_timezone(self) -> str:
        """Take the name of a zone in any case, and its city alone where that is clear."""
        typed = self.cleaned_data["timezone"].strip().replace(" ", "_").lower()
        exact = [zone for zone in zone_names() if zone.lower() == typed]
        cities = [zone for zone in zone_names() if zone.lower().rpartition("/")[2] == typed]
        for found in (exact, cities):
            if len(found) == 1:
                return found[0]
        raise ValidationError(
            _("There is no such time zone. Choose one of the list, such as Europe/Berlin or UTC.")
        )


@login_required
def edit_profile(request: HttpRequest) -> HttpResponse:
    """Show and save name and time zone."""
    user = request.user
    assert isinstance(user, User)
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=user.pk))
    if request.method == "POST" and form.is_valid():
        form.instance.save(update_fields=["name", "timezone"])
        messages.success(request, _("Your profile is saved."))
        return redirect("me:profile")
    context: dict[str, Any] = {"form": form, "zones": sorted(zone_names()), "page": "profile"}
    return render(request, "account/profile.html", context)


@login_required
def set_password(request: HttpRequest) -> HttpResponse:
    """Give an account its first password, once its owner has shown who they are.

    A password is never kept for later, as other forms are: the page is shown anew.
    """
    if request.method == "POST" and not signed_in_recently(request):
        return redirect("account_set_password")
    confirm_recent_login(request)
    answer: HttpResponse = password_set(request)
    return answer


@login_required
def list_sessions(request: HttpRequest) -> HttpResponse:
    """Show where the person is logged in; a POST ends all sessions but this one."""
    user = request.user
    assert isinstance(user, User)
    if request.method == "POST":
        if end_sessions(user, keep=request.session.session_key):
            messages.success(request, _("All other sessions are ended."))
        else:
            messages.info(request, _("There is no other session."))
        return redirect("me:sessions")
    context = {"places": list_places(request, user), "page": "sessions"}
    return render(request, "usersessions/usersession_list.html", context)


@require_POST
@login_required
def end_session(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of the person's other sessions."""
    user = request.user
    assert isinstance(user, User)
    if pk > 2**31 - 1 or not end_sessions(user, keep=request.session.session_key, pk=pk):
        raise Http404
    messages.success(request, _("The session is ended."))
    return redirect("me:sessions")
