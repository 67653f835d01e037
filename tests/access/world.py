"""Two teams that have one of everything, and who may knock at their doors."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta

from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.keys import create_api_key
from accounts.models import Membership, Role, Scope, Team
from statuspages.models import StatusPage
from tests.api.test_incidents import make_incident
from tests.conftest import Api
from tests.factories import TeamFactory, UserFactory, make_key

MISSING = "01890000-0000-7000-8000-000000000000"
HOUR = {"starts_at": "2027-03-01T00:00:00Z", "ends_at": "2027-03-01T01:00:00Z"}
HOOK = {"url": "https://hooks.example.org/x"}
LAYER = {"unit": "day", "length": 1, "handoff": "2027-03-01T09:00"}


@dataclass
class Side:
    """A team: its keys by scope, and the ids of its things by what a path calls them.

    All that its people wrote has its `mark` in it, so that a leak can be seen in any answer.
    """

    team: Team
    mark: str
    keys: dict[str, Api]
    ids: dict[str, str] = field(default_factory=dict)
    spare: dict[str, str] = field(default_factory=dict)  # second parents, with children of theirs
    member: str = ""

    @property
    def marks(self) -> list[str]:
        """Return the texts that no answer to another team may hold."""
        return [self.mark, *self.ids.values(), *self.spare.values()]


def make_side(mark: str) -> Side:
    """Return a team with one of everything."""
    owner = UserFactory(email=f"owner@{mark}.example", name=f"{mark} owner")
    team = TeamFactory(slug=mark, name=mark.title(), owner=owner)
    with scopes_disabled():
        member = UserFactory(email=f"member@{mark}.example", name=f"{mark} member")
        Membership.objects.create(team=team, user=member, role=Role.MEMBER)
    keys = {scope.value: Api(make_key(team, scope, f"{mark} {scope}")) for scope in Scope}
    side = Side(team, mark, keys, member=member.email)
    api, ids = keys["admin"], side.ids
    ids["monitors"] = api.make("monitors", name=f"{mark}-m", labels={"of": mark})["id"]
    ids["members"] = next(
        row["id"] for row in api.get("members")["results"] if row["email"] == member.email
    )
    ids["invitations"] = api.make("invitations", email=f"new@{mark}.example")["id"]
    ids["api-keys"] = api.make("api-keys", name=f"{mark}-k")["id"]
    ids["namespaces"] = api.make("namespaces", name=f"{mark}-spare")["id"]
    ids["channels"] = api.make("channels", name=f"{mark}-c", kind="webhook", config=HOOK)["id"]
    ids["deliveries"] = api.post(f"channels/{ids['channels']}/test", expect=202)["id"]
    steps = [{"targets": [{"channel": ids["channels"]}]}]
    ids["escalation-policies"] = api.make("escalation-policies", name=f"{mark}-p", steps=steps)[
        "id"
    ]
    ids["alert-rules"] = api.make(
        "alert-rules", name=f"{mark}-a", policy=ids["escalation-policies"]
    )["id"]
    ids["contact-methods"] = api.make(
        "contact-methods", member=member.email, kind="webhook", config=HOOK, name=f"{mark}-w"
    )["id"]
    ids["maintenances"] = api.make(
        "maintenances", name=f"{mark}-night", monitors=[ids["monitors"]], **HOUR
    )["id"]
    incident = make_incident(team)
    ids["incidents"] = str(incident.pk)
    for things, suffix in ((ids, ""), (side.spare, "-2")):
        _make_rotation(api, things, f"{mark}{suffix}", member.email)
        _make_page(api, things, f"{mark}{suffix}")
    with scopes_disabled():
        StatusPage.objects.filter(team=team).update(published=False)
    return side


def _make_rotation(api: Api, ids: dict[str, str], name: str, member: str) -> None:
    ids["rotations"] = api.make("rotations", name=name, layers=[{**LAYER, "members": [member]}])[
        "id"
    ]
    times = {"start": HOUR["starts_at"], "end": HOUR["ends_at"]}
    path = f"rotations/{ids['rotations']}/overrides"
    ids["override"] = api.make(path, member=member, **times)["id"]


def _make_page(api: Api, ids: dict[str, str], name: str) -> None:
    ids["status-pages"] = api.make("status-pages", name=name, slug=name)["id"]
    path = f"status-pages/{ids['status-pages']}"
    ids["component"] = api.make(f"{path}/components", name=name)["id"]
    post = api.make(
        f"{path}/posts",
        title=name,
        scheduled_for=HOUR["starts_at"],
        scheduled_until=HOUR["ends_at"],
    )
    ids["post"], ids["update"] = post["id"], post["updates"][0]["id"]
    ids["subscriber"] = api.make(
        f"{path}/subscribers", kind="webhook", address=f"https://{name}.example/hook"
    )["id"]
    ids["template"] = api.make(f"{path}/templates", name=name)["id"]


def dead_keys(team: Team) -> dict[str, str]:
    """Return texts that open nothing, by why."""
    with scopes_disabled():
        revoked, revoked_text = create_api_key(team=team, name="revoked", scope=Scope.ADMIN)
        type(revoked).objects.filter(pk=revoked.pk).update(revoked_at=now())
        _, expired = create_api_key(
            team=team, name="expired", scope=Scope.ADMIN, expires_at=now() - timedelta(seconds=1)
        )
        gone = TeamFactory(slug="gone")
        orphan = make_key(gone)
        gone.delete()
    prefix = expired.rsplit("_", 1)[0]
    return {
        "revoked": revoked_text,
        "expired": expired,
        "of a team that is deleted": orphan,
        "unknown": f"tk_{'a' * 8}_{'b' * 40}",
        "with a wrong secret": f"{prefix}_{'c' * 40}",
    }


def fill(route: str, ids: dict[str, str]) -> str:
    """Return the path of a route: `{id}` is named by the first segment, others by themselves."""
    first = route.partition("/")[0]
    return re.sub(
        r"\{(\w+)\}", lambda m: ids[first if m[1] in ("id", "rotation_id") else m[1]], route
    )
