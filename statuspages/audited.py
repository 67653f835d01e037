"""What the audit log watches of status pages; what the engine derives is left out."""

from __future__ import annotations

from accounts.audit_triggers import Watched, watch

PAGE = ("page", "(SELECT x.name FROM statuspages_statuspage x WHERE x.id = {r}.page_id)")
POST_TITLE = "(SELECT x.title FROM statuspages_post x WHERE x.id = {r}.post_id)"
COMPONENT_NAME = "(SELECT x.name FROM statuspages_component x WHERE x.id = {r}.component_id)"
_GROUP = "(SELECT x.name FROM statuspages_componentgroup x WHERE x.id = {r}.group_id)"
# The log keeps what it says for long: no address of a visitor's, who may ask to be forgotten, and
# no path of a webhook, which is often a secret.
_MASKED = (
    "CASE {r}.kind WHEN 'email' THEN left({r}.address, 1) || '…@' || "
    "regexp_replace({r}.address, '^.*@', '') "
    "ELSE coalesce(substring({r}.address from '^[^:/]*://[^/?#]*'), '') || '/…' END"
)
_MONITOR = "(SELECT x.name FROM monitors_monitor x WHERE x.id = {r}.monitor_id)"

watch(
    "statuspages",
    Watched(
        table="statuspages_statuspage",
        kind="status_page",
        ignored=[
            "code",
            "version",
            "rendered_version",
            "domain_checked_at",
            "domain_problem",
            "domain_verified_at",
        ],
        hidden=["password_hash", "domain_token"],
    ),
    Watched(
        table="statuspages_asset",
        kind="status_page",
        thing="{r}.page_id",
        name=PAGE[1],
        part_of="pictures",
        ignored=["page_id", "content"],
    ),
    Watched(
        table="statuspages_component",
        kind="component",
        ignored=["code", "status", "status_since", "history_stale_at"],
        said={"page_id": PAGE, "group_id": ("group", _GROUP)},
    ),
    Watched(
        table="statuspages_componentmonitor",
        kind="component",
        thing="{r}.component_id",
        name=COMPONENT_NAME,
        part_of="monitors",
        ignored=["component_id"],
        said={"monitor_id": ("monitor", _MONITOR)},
    ),
    Watched(
        table="statuspages_componentgroup",
        kind="component_group",
        ignored=["code"],
        said={"page_id": PAGE},
    ),
    Watched(
        table="statuspages_post",
        kind="post",
        name="{r}.title",
        ignored=["code", "monitoring_at", "created_by"],
        said={"page_id": PAGE},
    ),
    Watched(
        table="statuspages_postupdate",
        kind="post",
        thing="{r}.post_id",
        name=POST_TITLE,
        part_of="updates",
        ignored=["post_id", "code", "affected", "created_by"],
    ),
    Watched(
        table="statuspages_postcomponent",
        kind="post",
        thing="{r}.post_id",
        name=POST_TITLE,
        part_of="components",
        ignored=["post_id"],
        said={"component_id": ("component", COMPONENT_NAME)},
    ),
    Watched(table="statuspages_posttemplate", kind="post_template", said={"page_id": PAGE}),
    Watched(
        table="statuspages_subscriber",
        kind="subscriber",
        name=_MASKED,
        ignored=["asked_at", "refused_count"],
        hidden=["secret"],
        said={"page_id": PAGE, "address": ("address", _MASKED)},
    ),
)
