"""What the operator's staff see and change of people, teams and plans.

Staff look; superusers change. No page shows a password, a key, a session's key or anything that a
team keeps here.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Generic, TypeVar

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.mfa.base.internal.flows import delete_dangling_recovery_codes
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib.admin import AdminSite, ModelAdmin, action, display
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.core.exceptions import BadRequest, ValidationError
from django.db import transaction
from django.db.models import Count, DateTimeField, Model, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django_scopes import scopes_disabled

from accounts.internal import INTERNAL_TEAM
from accounts.models import Membership, Plan, Team, User
from accounts.operator import operator_acts
from accounts.templatetags.wording import moment

M = TypeVar("M", bound=Model)


class StaffAdmin(ModelAdmin, Generic[M]):  # type: ignore[type-arg]
    """A table that staff look at; superusers do with it what it says."""

    may_add = may_change = may_delete = False
    show_full_result_count = False
    list_per_page = 50
    view_on_site = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Allow looking: the site let nobody but staff in."""
        return True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow looking: the site let nobody but staff in."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow superusers, where the table is added to by hand."""
        return self.may_add and _is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow superusers, where the table is changed by hand."""
        return self.may_change and _is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow superusers, where rows are deleted by hand."""
        return self.may_delete and _is_superuser(request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the table, or do something with chosen rows; 400 for ids that are none."""
        pk: Any = self.model._meta.pk
        for value in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                pk.to_python(value)
            except ValidationError as error:
                raise BadRequest(" ".join(error.messages)) from error
        return super().changelist_view(request, extra_context)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Return the columns; times are said as everywhere in the console."""
        return [self._read_here(name) for name in super().get_list_display(request)]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return a row's fields; times are said as everywhere in the console."""
        return [self._read_here(name) for name in super().get_fields(request, obj)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return what nobody changes: times too."""
        return [self._read_here(name) for name in super().get_readonly_fields(request, obj)]

    def _read_here(self, name: Any) -> Any:
        model: type[Model] = self.model
        return _say_in_zone(model, name) if isinstance(name, str) else name

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows of the whole installation."""
        with scopes_disabled():
            return super().get_queryset(request)


@cache
def _say_in_zone(model: type[Model], name: str) -> Any:
    """Return what says a field that is a time, the name itself of any other."""
    field = next((one for one in model._meta.concrete_fields if one.name == name), None)
    if not isinstance(field, DateTimeField):
        return name

    @display(description=str(field.verbose_name).capitalize(), ordering=name)
    def say(row: Model) -> SafeString | str | None:
        return moment(getattr(row, name)) or None

    say.__name__ = name
    return say


def _is_superuser(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_superuser


class UserForm(forms.ModelForm):  # type: ignore[type-arg]
    """What is changed of a person; nobody can lock themselves out."""

    asking: User

    class Meta:
        model = User
        fields = ("is_active", "is_staff", "is_superuser")

    def clean(self) -> dict[str, Any]:
        """Refuse what would leave the installation without an operator."""
        values = super().clean() or {}
        if self.instance.pk == self.asking.pk and self.has_changed():
            raise forms.ValidationError(
                "Your own account is another superuser's to change, so that one always remains."
            )
        if values.get("is_superuser") and not values.get("is_staff"):
            self.add_error("is_staff", "A superuser is staff too.")
        return values


class UserAdmin(StaffAdmin[User]):
    """People: who may come in, and who is staff."""

    may_change = True
    form = UserForm
    list_display = ("email", "name", "is_active", "is_staff", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "name")
    ordering = ("-date_joined",)
    fields = (
        "email",
        "name",
        "timezone",
        "date_joined",
        "last_login",
        "second_factors",
        "teams",
        "is_active",
        "is_staff",
        "is_superuser",
    )
    readonly_fields = (
        "email",
        "name",
        "timezone",
        "date_joined",
        "last_login",
        "second_factors",
        "teams",
    )

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Return a form that knows who asks."""
        form = super().get_form(request, obj, change=change, **kwargs)
        return type("AskedForm", (form,), {"asking": request.user})

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save a person; whoever is deactivated is logged out everywhere."""
        super().save_model(request, obj, form, change)
        if not obj.is_active:
            _end_sessions(UserSession.objects.filter(user=obj))

    def second_factors(self, obj: User) -> str:
        """Return the kinds of second factor that the person has set up."""
        kinds = Authenticator.objects.filter(user=obj).order_by("type")
        return ", ".join(str(one.get_type_display()) for one in kinds) or "none"

    def teams(self, obj: User) -> SafeString:
        """Return the person's teams, each with a link to its support page."""
        with scopes_disabled():
            found = list(Membership.objects.filter(user=obj).select_related("team"))
        rows = (
            (
                member.team.slug,
                member.team.slug,
                member.role if member.accepted_at else f"{member.role}, not accepted",
            )
            for member in found
        )
        listed = format_html_join(", ", '<a href="/staff/teams/{}">{}</a> ({})', rows)
        return listed or format_html("{}", "none")


class TeamAdmin(StaffAdmin[Team]):
    """Teams: what they may have, and when they are erased. Nothing of what they keep here."""

    may_change = True
    list_display = ("slug", "name", "plan", "monitor_quota", "members", "delete_at", "created_at")
    list_filter = ("plan",)
    list_select_related = ("plan",)
    search_fields = ("slug", "name")
    ordering = ("-created_at",)
    fields = (
        "slug",
        "name",
        "support_page",
        "plan",
        "monitor_quota",
        "delete_at",
        "delete_asked_by",
        "created_at",
    )
    readonly_fields = (
        "slug",
        "name",
        "support_page",
        "delete_at",
        "delete_asked_by",
        "created_at",
    )
    actions = ("keep_teams",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the customers' teams: the installation's own is no row to be changed."""
        return super().get_queryset(request).exclude(pk=INTERNAL_TEAM)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list, with how many members each of its teams has: one query for all."""
        listed = super().get_changelist_instance(request)
        teams = [team.pk for team in listed.result_list]
        with scopes_disabled():
            counted = Membership.objects.filter(team__in=teams).order_by().values_list("team")
            counts = dict(counted.annotate(Count("pk")))
        for team in listed.result_list:
            team.member_count = counts.get(team.pk, 0)
        return listed

    def members(self, obj: Any) -> int:
        """Return how many members the team has."""
        count: int = obj.member_count
        return count

    def support_page(self, obj: Team) -> SafeString:
        """Return a link to the team's support page."""
        return format_html(
            '<a href="/staff/teams/{}">How {} is doing</a> (the team sees that you looked)',
            obj.slug,
            obj.slug,
        )

    def save_model(self, request: HttpRequest, obj: Team, form: Any, change: bool) -> None:
        """Save what was changed of a team; its audit log tells the team."""
        with operator_acts(request):
            obj.save(update_fields=form.changed_data)

    @action(description="Call off the deletion", permissions=["change"])
    def keep_teams(self, request: HttpRequest, queryset: QuerySet[Team]) -> None:
        """Keep teams whose time to be erased has not come."""
        with operator_acts(request), transaction.atomic():
            waiting = queryset.filter(delete_at__gt=Now()).select_for_update(
                no_key=True, of=("self",)
            )
            for team in list(waiting):
                # Its time may have come while we waited for the row: then it is being erased.
                rows = Team.objects.filter(pk=team.pk, delete_at__gt=Now())
                if rows.update(delete_at=None, delete_asked_by=""):
                    self.log_change(request, team, "Called off the deletion.")


class PlanAdmin(StaffAdmin[Plan]):
    """What is sold."""

    may_add = may_change = may_delete = True
    list_display = ("name", "monitor_quota", "history_days", "rate", "currency", "is_default")
    ordering = ("name",)
    search_fields = ("name",)


class MembershipAdmin(StaffAdmin[Membership]):
    """Who is in which team."""

    list_display = ("user", "team", "role", "accepted_at")
    list_filter = ("role",)
    list_select_related = ("user", "team")
    search_fields = ("user__email", "team__slug")
    ordering = ("-created_at",)
    fields = ("user", "team", "role", "accepted_at", "created_at")
    readonly_fields = fields


class AddressAdmin(StaffAdmin[EmailAddress]):
    """People's addresses, and whether they have proved them."""

    may_change = True
    list_display = ("email", "user", "verified", "primary")
    list_filter = ("verified", "primary")
    list_select_related = ("user",)
    search_fields = ("email",)
    fields = ("email", "user", "primary", "verified")
    readonly_fields = ("email", "user", "primary")


class AuthenticatorAdmin(StaffAdmin[Authenticator]):
    """Second factors: one that was lost is deleted here, and its owner is told by mail."""

    may_delete = True
    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    search_fields = ("user__email",)
    fields = ("user", "type", "created_at", "last_used_at")
    readonly_fields = fields

    def delete_model(self, request: HttpRequest, obj: Authenticator) -> None:
        """Delete a factor, and recovery codes that are left without one; tell the person."""
        _delete_factors([obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Authenticator]) -> None:
        """Delete several, each with what belongs to it."""
        _delete_factors(queryset)


def _delete_factors(factors: Iterable[Authenticator]) -> None:
    mails = {
        Authenticator.Type.TOTP: "mfa/email/totp_deactivated",
        Authenticator.Type.WEBAUTHN: "mfa/email/webauthn_removed",
    }
    with transaction.atomic():
        for factor in list(factors):
            Authenticator.objects.filter(pk=factor.pk).delete()
            delete_dangling_recovery_codes(factor.user)
            if mail := mails.get(Authenticator.Type(factor.type)):
                get_adapter().send_notification_mail(mail, factor.user)


class SessionAdmin(StaffAdmin[UserSession]):
    """Where people are logged in; deleting one logs it out."""

    may_delete = True
    list_display = ("user", "ip", "user_agent", "created_at", "last_seen_at")
    list_select_related = ("user",)
    search_fields = ("user__email", "ip")
    ordering = ("-last_seen_at",)
    fields = ("user", "ip", "user_agent", "created_at", "last_seen_at")
    readonly_fields = fields

    def delete_model(self, request: HttpRequest, obj: UserSession) -> None:
        """End a session."""
        obj.end()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[UserSession]) -> None:
        """End several sessions."""
        _end_sessions(queryset)


def _end_sessions(sessions: Iterable[UserSession]) -> None:
    for session in list(sessions):
        session.end()


class LogAdmin(StaffAdmin[LogEntry]):
    """What staff changed here."""

    list_display = ("action_time", "user", "content_type", "object_repr", "change_message")
    list_filter = ("action_flag",)
    list_select_related = ("user", "content_type")
    search_fields = ("user__email", "object_repr")
    ordering = ("-action_time",)
    fields = ("action_time", "user", "content_type", "object_repr", "change_message")
    readonly_fields = fields


def register(site: AdminSite) -> None:
    """Put these tables on a site."""
    for model, shown in (
        (User, UserAdmin),
        (Team, TeamAdmin),
        (Plan, PlanAdmin),
        (Membership, MembershipAdmin),
        (EmailAddress, AddressAdmin),
        (Authenticator, AuthenticatorAdmin),
        (UserSession, SessionAdmin),
        (LogEntry, LogAdmin),
    ):
        site.register(model, shown)
