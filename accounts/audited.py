"""What the audit log watches of people and teams."""

from __future__ import annotations

from accounts.audit_triggers import Watched, watch

PLAN_OF_TEAM = "(SELECT p.name FROM accounts_plan p WHERE p.id = {r}.plan_id)"
EMAIL_OF_USER = "(SELECT u.email FROM accounts_user u WHERE u.id = {r}.user_id)"


def email_of_member(column: str) -> str:
    """Return SQL for the address of the member that a row's `column` names."""
    return (
        "(SELECT u.email FROM accounts_membership m JOIN accounts_user u ON u.id = m.user_id "
        f"WHERE m.id = {{r}}.{column})"
    )


watch(
    "accounts",
    # No row of a team's, so it says whose event it is. What erases teams acts for nobody.
    Watched(
        table="accounts_team",
        kind="team",
        team="{r}.id",
        said={"plan_id": ("plan", PLAN_OF_TEAM)},
    ),
    Watched(
        table="accounts_membership",
        kind="member",
        name=EMAIL_OF_USER,
        said={"user_id": ("email", EMAIL_OF_USER)},
    ),
    Watched(
        table="accounts_invitation",
        kind="invitation",
        name="{r}.email",
        ignored=["sent_at", "invited_by"],
        hidden=["token_hash"],
    ),
    Watched(
        table="accounts_apikey",
        kind="api_key",
        ignored=["last_used_at"],
        hidden=["key_hash"],
        said={"created_by_id": ("created_by", email_of_member("created_by_id"))},
    ),
    Watched(table="accounts_namespace", kind="namespace"),
)
