"""What happens around documents: people leave, monitors go, routes are many, files are empty."""

from __future__ import annotations

from time import perf_counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_scopes import scopes_disabled

from accounts.models import Membership, Team
from incidents.models import AlertRule, Channel
from statuspages.models import Component
from tests.conftest import Api
from tests.factories import TeamFactory, make_key
from tests.manifests.bundles import (
    ALERTING,
    YAML,
    actions,
    apply,
    bundle,
    document,
    export,
    push_monitor,
    refused,
    secret,
)


def assert_settled(api: Api) -> None:
    assert set(actions(apply(api, export(api))).values()) == {"unchanged"}


WINDOW = "{monitors: [a], starts_at: 2027-03-01T00:00:00Z, ends_at: 2027-03-01T01:00:00Z%s}"


def test_a_window_whose_monitors_were_deleted_is_unchanged_and_cannot_be_changed(api: Api) -> None:
    apply(api, bundle(document("Monitor", "a", "{}"), document("Maintenance", "w", WINDOW % "")))
    api("DELETE", f"monitors/{api.get('monitors')['results'][0]['id']}", expect=204)
    assert_settled(api)
    empty = document("Maintenance", "w", (WINDOW % "").replace("monitors: [a], ", ""))
    assert actions(apply(api, empty)) == {"Maintenance w": "unchanged"}
    other = {"documents[0].spec.monitors": "required"}
    assert refused(api, empty.replace("01:00", "02:00")) == other
    assert refused(api, empty.replace("name: w", "name: new")) == other


def test_a_step_whose_people_left_is_unchanged_and_cannot_be_made(api: Api, team: Team) -> None:
    email = api.get("members")["results"][0]["email"]
    ladder = f"{{steps: [{{targets: [{{member: {email}}}]}}]}}"
    apply(
        api,
        bundle(
            document("EscalationPolicy", "ladder", ladder),
            document(
                "Rotation",
                "r",
                f"{{layers: [{{unit: day, handoff: 2027-03-01T09:00, members: [{email}]}}]}}",
            ),
        ),
    )
    with scopes_disabled():
        Membership.objects.filter(team=team).delete()
    assert_settled(api)
    nobody = document("EscalationPolicy", "new", "{steps: [{targets: []}]}")
    assert refused(api, nobody) == {"documents[0].spec.steps[0].targets": "min_length"}


def test_monitors_with_a_route_each_are_as_quick_as_others(api: Api) -> None:
    def text(count: int, label: str) -> str:
        lines = "".join(
            f"  - {{name: m{n}, alertmanager: {{url: 'https://am.example.org', "
            f"labels: {{{label}: m{n}}}}}}}\n"
            for n in range(count)
        )
        return document("MonitorSet", "all", f"\n  monitors:\n{lines}")

    counts = []
    for count, label in ((10, "job"), (1000, "job"), (1000, "unit")):
        with CaptureQueriesContext(connection) as caught:
            started = perf_counter()
            apply(api, text(count, label))
            assert perf_counter() - started < 15
        counts.append(len(caught))
        assert set(actions(apply(api, text(count, label))).values()) == {"unchanged"}
    assert max(counts) < counts[0] + 60
    with scopes_disabled():
        assert Channel.objects.count() == 1000
        places = AlertRule.objects.filter(is_catch_all=False).order_by("position")
        assert list(places.values_list("position", flat=True)) == list(range(1000))
    assert "kind: Channel" not in export(api)
    assert_settled(api)
    apply(api, document("MonitorSet", "all", "{monitors: [{name: m0}]}"), "?prune=true")
    assert [rule["name"] for rule in api.get("alert-rules")["results"]] == ["Everything else"]
    assert api.get("channels")["results"] == []


def test_nothing_is_pruned_by_an_empty_file(api: Api) -> None:
    apply(api, document("Monitor", "a", "{}"))
    for text in ("", "# nothing\n", "---\n---\n"):
        assert refused(api, text, "?prune=true") == {"documents": "required"}
        assert apply(api, text) == {"results": [], "warnings": []}
    assert len(api.get("monitors")["results"]) == 1


def test_the_rule_that_catches_all_is_renamed_not_created(api: Api) -> None:
    text = document("AlertRule", "Rest", "{catch_all: true}")
    [dry] = apply(api, text, "?dry_run=true")["results"]
    assert dry["action"] == "updated"
    assert dry["changes"] == [{"field": "metadata.name", "from": "Everything else", "to": "Rest"}]
    assert actions(apply(api, text)) == {"AlertRule Rest": "updated"}
    assert_settled(api)


def test_a_status_set_by_hand_stays_until_a_document_says_otherwise(api: Api) -> None:
    def page(line: str) -> str:
        return document("StatusPage", "p", f"{{name: P, components: [{{name: Web{line}}}]}}")

    def by_hand() -> str:
        with scopes_disabled():
            status: str = Component.objects.get().manual_status
        return status

    apply(api, page(", status: degraded_performance"))
    assert by_hand() == "degraded_performance"
    assert "status: degraded_performance" in export(api)
    assert_settled(api)
    assert actions(apply(api, page(""))) == {"StatusPage p": "unchanged"}
    apply(api, page(", description: Pages"))
    assert by_hand() == "degraded_performance"
    apply(api, page(", status: null"))
    assert by_hand() == ""


def test_a_window_names_its_page_by_slug(api: Api, rival: Api) -> None:
    window = document("Maintenance", "w", WINDOW % ", status_page: p")
    monitor, page = document("Monitor", "a", "{}"), document("StatusPage", "p", "{name: P}")
    apply(rival, page)
    assert refused(api, bundle(monitor, window)) == {"documents[1].spec.status_page": "not_found"}
    page, window = page.replace("name: p}", "name: q}"), window.replace("page: p", "page: q")
    apply(api, bundle(window, page, monitor))
    [made] = api.get("maintenances")["results"]
    assert made["status_page"] == api.get("status-pages")["results"][0]["id"]
    assert actions(apply(api, window)) == {"Maintenance w": "unchanged"}
    assert_settled(api)
    without = document("Maintenance", "w", WINDOW % "")
    assert actions(apply(api, without)) == {"Maintenance w": "updated"}
    assert api.get("maintenances")["results"][0]["status_page"] is None


def test_a_megabyte_of_directives_is_refused_at_once(api: Api) -> None:
    text = "".join(f"%TAG !{n:x}! t\n" for n in range(60_000)) + "---\na: b\n"
    started = perf_counter()
    assert refused(api, text) == {"documents[0]": "tag"}
    assert perf_counter() - started < 2


@pytest.mark.django_db(transaction=True)
def test_a_route_goes_with_its_monitor_and_follows_its_name() -> None:
    api = Api(make_key(TeamFactory(slug="acme")))
    apply(
        api,
        bundle(secret("tok"), *(push_monitor(name, extra=ALERTING) for name in ("a", "b"))),
    )

    def names() -> list[list[str]]:
        rules = api.get("alert-rules")["results"][:-1]
        return [rule["match"]["namespaces"] + rule["match"]["names"] for rule in rules]

    ids = {row["name"]: row["id"] for row in api.get("monitors")["results"]}
    assert names() == [["acme", "a", "b"]]
    api("PATCH", f"monitors/{ids['b']}", {"name": "c"}, expect=200)
    assert names() == [["acme", "a", "c"]]
    api("PATCH", f"monitors/{ids['b']}", {"grace": 7}, expect=200)
    api("DELETE", f"monitors/{ids['a']}", expect=204)
    assert names() == [["acme", "c"]]
    api("DELETE", f"monitors/{ids['b']}", expect=204)
    assert names() == []
    assert api.get("channels")["results"] == []


def test_a_signing_secret_that_nobody_gave_is_warned_of_once(api: Api) -> None:
    text = document("Channel", "h", "{kind: webhook, config: {url: 'https://x.example.org/'}}")
    [warning] = apply(api, text)["warnings"]
    assert warning.startswith("documents[0].spec.secrets.secret: One was made up")
    assert "whsec_" not in warning
    assert apply(api, text)["warnings"] == []


def test_no_apply_says_what_another_team_has(api: Api, rival: Api) -> None:
    """A foreign name and a missing one are the same answer, in every kind that names others."""
    mine = bundle(
        secret("tok", namespace="rival"),
        push_monitor("a", namespace="rival"),
        document("Channel", "hook-1", "{kind: webhook, config: {url: 'https://x.example.org/'}}"),
        document("StatusPage", "page-1", "{name: P}"),
    )
    apply(rival, mine)

    def ask(space: str, thing: str) -> str:
        text = bundle(
            document("AlertRule", "r", f"{{channels: [{thing}]}}"),
            document(
                "Maintenance",
                "w",
                (WINDOW % f", status_page: {thing}").replace("[a]", f"[{space}/a]"),
            ),
            document(
                "StatusPage",
                "mine",
                f"{{name: P, components: [{{name: c, monitors: [{space}/a]}}]}}",
            ),
            document(
                "StatusPage",
                "two",
                f"{{name: P, password_secret: {{namespace: {space}, name: tok, key: token}}}}",
            ),
        )
        answer = api("POST", "apply", text.encode(), content_type=YAML, expect=400).content.decode()
        return answer.replace(space, "SPACE").replace(thing, "THING")

    assert ask("rival", "hook-1") == ask("nobody", "none-1")
    assert ask("rival", "page-1") == ask("nobody", "none-1")
