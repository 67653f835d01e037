"""How much of a plan's quota is left, said where monitors are made."""

from __future__ import annotations

from typing import Any

from django import template

from monitors.console.usage import Share, read_share

register = template.Library()


@register.inclusion_tag("accounts/_quota_notice.html", takes_context=True)
def quota_notice(context: dict[str, Any]) -> dict[str, Any]:
    """Say how many more monitors the team may have, once little of its quota is left."""
    share: Share = read_share(context["access"])
    return {"share": share, "team": context["team"], "shown": share.is_near and not share.is_full}
