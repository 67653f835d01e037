"""What can be found among people and teams, and where one can go."""

from __future__ import annotations

from collections.abc import Iterable

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.access import Access
from accounts.console.finding import Finder, Hit, Place, Question
from accounts.models import Membership, Role, Scope


def find_members(access: Access, question: Question) -> Iterable[Hit]:
    """Return who of the team fits; a name counts once its owner has accepted the place."""
    own_name = question.within("user__email", "given_name")
    if_accepted = question.within("user__email", "user__name")
    joined = Membership.objects.filter(accepted_at__isnull=False).filter(if_accepted)
    invited = Membership.objects.filter(accepted_at__isnull=True).filter(own_name)
    found = (joined | invited).select_related("user").order_by("user__email")
    url = reverse("console:members", kwargs={"team": access.team.slug})
    for member in found[: question.most]:
        role = str(Role(member.role).label)
        name = member.name
        yield Hit(
            name=name or member.user.email,
            url=url,
            detail=f"{member.user.email} · {role}" if name else role,
        )


FINDERS = [Finder(_("Members"), find_members)]
PLACES = [
    Place(_("Settings"), "settings", keys="g s"),
    Place(_("Members"), "members"),
    Place(_("Namespaces"), "namespaces"),
    Place(_("API keys"), "keys", needs=Scope.ADMIN),
    Place(_("Audit log"), "audit", needs=Scope.ADMIN),
    Place(_("Your profile"), "me:profile"),
    Place(_("Your sessions"), "me:sessions"),
    Place(_("Invite somebody"), "members", needs=Scope.ADMIN, action=True),
]
