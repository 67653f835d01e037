"""What can be found among status pages, and where one can go."""

from __future__ import annotations

from collections.abc import Iterable

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.access import Access
from accounts.console.finding import Finder, Hit, Place, Question
from accounts.models import Scope
from statuspages.models import StatusPage


def find_pages(access: Access, question: Question) -> Iterable[Hit]:
    """Return the status pages whose name, slug or domain fits."""
    found = StatusPage.objects.filter(question.within("name", "slug", "domain")).order_by("name")
    for page in found[: question.most]:
        here = {"team": access.team.slug, "pk": page.pk}
        url = reverse("console:status_page", kwargs=here)
        yield Hit(name=page.name, url=url, detail=page.domain or f"/status/{page.slug}/")


FINDERS = [Finder(_("Status pages"), find_pages)]
PLACES = [
    Place(_("Status pages"), "status_pages", keys="g p"),
    Place(_("New status page"), "status_page_new", needs=Scope.WRITE, action=True),
]
