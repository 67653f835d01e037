"""Words for posts that were found before they are needed."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django_scopes import scopes_disabled

from statuspages.models import PostTemplate, StatusPage
from statuspages.models.posts import Impact, PostStatus
from statuspages.services.errors import DuplicateName, check_texts, refuse_unknown

_FIELDS = frozenset({"name", "title", "status", "impact", "body"})


def create_template(
    *,
    page: StatusPage,
    name: str,
    title: str = "",
    status: str = PostStatus.INVESTIGATING,
    impact: str = Impact.MINOR,
    body: str = "",
) -> PostTemplate:
    """Keep words for later. Raises DuplicateName, BadField, StatusPage.DoesNotExist."""
    fields = {"name": name, "title": title, "status": status, "impact": impact, "body": body}
    check_texts(PostTemplate, fields, filled=("name",))
    with scopes_disabled():
        found = StatusPage.objects.get(pk=page.pk)
    return _save(PostTemplate(team_id=found.team_id, page=found), fields)


def update_template(*, template: PostTemplate, **fields: Any) -> PostTemplate:
    """Change `name`, `title`, `status`, `impact`, `body`. Raises DuplicateName, BadField."""
    refuse_unknown(fields, _FIELDS)
    check_texts(PostTemplate, fields, filled=("name",))
    return _save(template, fields)


def delete_template(*, template: PostTemplate) -> None:
    """Forget the words."""
    with scopes_disabled():
        PostTemplate.objects.filter(pk=template.pk).delete()


def _save(template: PostTemplate, fields: dict[str, Any]) -> PostTemplate:
    for name, value in fields.items():
        setattr(template, name, value)
    try:
        with transaction.atomic(), scopes_disabled():
            template.save(update_fields=None if template._state.adding else list(fields))
    except IntegrityError as error:
        if "posttemplate_name_once" in str(error):
            raise DuplicateName from error
        raise
    return template
