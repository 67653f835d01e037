"""Every route of the console against everybody who might knock."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_scopes import scopes_disabled

from accounts.models import ApiKey, Membership, Team, User
from config import urls_console
from incidents.models import Incident
from statuspages.services.pages import create_page
from statuspages.services.posts import create_post
from tests.console.things import ACTIONS, OPEN, OWN_ACTIONS, addresses, ids_of, make_things

# Nonces of scripts, form tokens, and what time it is.
CHANGING = re.compile(
    rb'nonce="[^"]*"|value="[A-Za-z0-9]{64}"|data-now="[^"]*"|<time.*?</time>', re.DOTALL
)
WRITING = re.compile("INSERT|UPDATE|DELETE")
CHANGES = ACTIONS | {
    "onboarding-paging",
    "onboarding-test",
    "policy-new",
    "policy-edit",
    "policy-delete",
    "rule-new",
    "rule-edit",
    "rule-delete",
    "maintenance-new",
    "maintenance-edit",
    "maintenance-delete",
    "monitor-new",
    "monitor-edit",
    "monitor-delete",
    "monitor-clone",
    "monitors-undo",
    "monitors-import",
    "manifests-import",
    "view-edit",
    "view-delete",
    "monitor-old-slug",
    "monitor-old-token",
    "keys",
    "key-revoke",
    "audit",
    "member-remove",
    "member-owner",
    "team-delete",
    "team-export",
    "namespace-release",
    "channel-new",
    "channel-edit",
    "channel-delete",
    "rotation-new",
    "rotation-edit",
    "rotation-delete",
    "override-edit",
    "status_page_new",
    "status_page_settings",
    "status_page_delete",
    "status_page_component_new",
    "status_page_component",
    "status_page_component_delete",
    "status_page_post_new",
    "status_page_post_edit",
    "status_page_post_delete",
    "status_page_update_new",
    "status_page_update_edit",
    "status_page_update_delete",
    "status_page_maintenance_new",
    "status_page_maintenance_cancel",
    "status_page_template_new",
    "status_page_template_edit",
    "status_page_template_delete",
    "status_page_subscriber_new",
    "status_page_subscriber_edit",
    "status_page_subscriber_delete",
}
ADMINS = {
    "keys",
    "key-revoke",
    "audit",
    "member-invite",
    "member-invite-again",
    "member-role",
    "member-remove",
    "member-owner",
    "team-rename",
    "team-delete",
    "team-keep",
    "team-export",
    "invitation-resend",
    "invitation-revoke",
}
# Of those, what is an owner's alone.
OWNERS = {"member-owner", "team-delete", "team-keep"}
# What viewers do too: it is about themselves alone.
OWN_PAGES = {"member-leave", "contact-new", "contact-edit", "contact-quiet", "contact-delete"}


def said(answer):
    """Return what of an answer could tell one thing from another."""
    names = ("Content-Type", "Location", "Allow", "Cache-Control", "Vary")
    body = CHANGING.sub(b"", answer.content)
    return answer.status_code, [answer.get(name) for name in names], body


@pytest.fixture
def things(people):
    return make_things(people)


def test_visitors_are_sent_to_log_in(people, things, browse):
    client = browse(None)
    for name, address in addresses(people, things):
        for method in (client.get, client.post):
            answer = method(address)
            if answer.status_code == 405:
                continue
            assert answer.status_code == 302, name
            if name != "settings":  # leads on to members, which asks
                assert answer["Location"].startswith("/accounts/login/?next=/t/acme/"), name


def test_strangers_find_nothing(people, things, browse):
    client = browse(people.stranger)
    for name, address in addresses(people, things):
        answer = client.get(address, follow=True)
        if answer.status_code != 405:
            assert answer.status_code == 404, name
        assert client.post(address, follow=True).status_code == 404, name


def test_a_foreign_id_is_as_missing_as_any(people, things, browse):
    client = browse(people.stranger)
    for pattern in urls_console.urlpatterns:
        name, ids = pattern.name, ids_of(pattern, things)
        if name in OPEN or "pk" not in ids:
            continue
        mine = reverse(f"console:{name}", kwargs={"team": "elsewhere", **ids})
        none = reverse(f"console:{name}", kwargs={"team": "elsewhere", **ids, "pk": uuid4()})
        for method in (client.get, client.post):
            foreign, missing = method(mine), method(none)
            assert foreign.status_code == missing.status_code, name
            assert foreign.status_code in {404, 405}, name


def test_ids_below_a_page_of_ones_own_are_as_missing_as_any(people, things, browse):
    client = browse(people.stranger)
    with scopes_disabled():
        elsewhere = Team.objects.get(slug="elsewhere")
    page = create_page(team=elsewhere, name="Elsewhere", slug="elsewhere")
    post = create_post(page=page, title="Fine", actor="a@acme.example")
    own = {"pk": page.pk, "post": post.pk}
    tried = 0
    for pattern in urls_console.urlpatterns:
        ids = ids_of(pattern, things)
        foreign = {name: pk for name, pk in ids.items() if name not in ("pk", "kind")}
        for kept in ({"pk"}, {"pk", "post"}):
            if not set(ids) > kept or not set(foreign) - kept:
                continue
            named = {"team": "elsewhere", **ids, **{name: own[name] for name in kept}}
            none = named | dict.fromkeys(set(foreign) - kept, uuid4())
            paths = [reverse(f"console:{pattern.name}", kwargs=kwargs) for kwargs in (named, none)]
            for method in (client.get, client.post):
                answers = [method(path) for path in paths]
                assert answers[0].status_code in {404, 405}, pattern.name
                assert answers[0].status_code == answers[1].status_code, pattern.name
                assert said(answers[0]) == said(answers[1]), pattern.name
                tried += 1
    assert tried > 20


def test_another_team_is_as_missing_as_one_that_is_not_there(people, things, browse):
    client = browse(people.stranger)
    for name, address in addresses(people, things):
        if name == "settings":  # leads on to members, which asks
            continue
        nowhere = address.replace("/t/acme/", "/t/nowhere/")
        for method in (client.get, client.post):
            assert said(method(address)) == said(method(nowhere)), name


def test_whose_role_is_too_small_learns_nothing_of_what_is_there(people, things, browse):
    for user, names in ((people.viewer, CHANGES), (people.member, ADMINS)):
        client = browse(user)
        for pattern in urls_console.urlpatterns:
            name, ids = pattern.name, ids_of(pattern, things)
            if name not in names or not ids:
                continue
            mine = reverse(f"console:{name}", kwargs={"team": "acme", **ids})
            none = reverse(
                f"console:{name}",
                kwargs={"team": "acme", **ids, **dict.fromkeys(set(ids) - {"kind"}, uuid4())},
            )
            assert client.post(mine).status_code == 403, name
            assert said(client.post(mine)) == said(client.post(none)), name


def test_every_role_sees_the_pages_that_are_its_own(people, things, browse):
    with scopes_disabled():
        admin = User.objects.create_user("admin@acme.example")
        Membership.objects.create(team=people.team, user=admin, role="admin")
    for user in (people.member, admin, people.owner):
        client = browse(user)
        for name, address in addresses(people, things):
            if name in ACTIONS | OWN_ACTIONS:
                continue
            hidden = name in {people.member: ADMINS, admin: OWNERS}.get(user, set())
            wanted = {403} if hidden else {200}
            if name.startswith("contact-") and user != people.viewer:
                wanted = {200, 404}  # the viewer's own
            assert client.get(address, follow=True).status_code in wanted, (user, name)


def test_pages_that_are_looked_at_write_nothing(people, things, browse):
    client = browse(people.viewer)
    for name, address in addresses(people, things):
        if name not in CHANGES | OWN_ACTIONS | OWN_PAGES:
            with CaptureQueriesContext(connection) as done:
                client.post(address)
            written = [each["sql"] for each in done if WRITING.match(each["sql"])]
            assert not [sql for sql in written if "django_session" not in sql], name


def test_viewers_look_and_change_nothing(people, things, browse):
    client = browse(people.viewer)
    for name, address in addresses(people, things):
        if name in CHANGES:
            assert client.post(address).status_code == 403, name
        if name not in ACTIONS | OWN_ACTIONS:
            wanted = 403 if name in CHANGES else 200
            assert client.get(address, follow=True).status_code == wanted, name


def test_viewers_see_no_button(people, things, browse):
    client = browse(people.viewer)
    for route in ("home", "monitors", "incidents", "monitor", "incident"):
        address = dict(addresses(people, things))[route]
        page = client.get(address).content.decode()
        main = page[page.index("<main") :]
        assert 'method="post"' not in main, route
        assert "monitors/new" not in main, route


def test_members_cannot_touch_keys(people, things, browse):
    client = browse(people.member)
    assert client.get("/t/acme/settings/keys").status_code == 403
    assert client.post(f"/t/acme/settings/keys/{things('key')}/revoke").status_code == 403


@pytest.mark.parametrize("name", sorted(ACTIONS | OWN_ACTIONS))
def test_a_get_changes_nothing(people, things, browse, name):
    address = dict(addresses(people, things))[name]
    assert browse(people.owner).get(address).status_code == 405
    with scopes_disabled():
        assert Incident.objects.get().state == "open"
        assert ApiKey.objects.get().revoked_at is None


def test_an_expired_session_reloads_the_page_instead_of_swapping_the_login_into_it(
    people, things, browse
):
    answer = browse(None).get("/t/acme/", headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert answer["HX-Refresh"] == "true"
    assert answer.content == b""
