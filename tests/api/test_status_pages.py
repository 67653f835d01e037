"""Status pages, their components and templates through the REST API."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.hashers import check_password
from django_scopes import scopes_disabled

from statuspages.models import Asset, StatusPage
from tests.api.status_pages import NOBODY, make_page, refused, version
from tests.conftest import Api


def png(width: int = 2, height: int = 2) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IEND", b"")


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_a_page_has_the_defaults(api: Api) -> None:
    page = make_page(api)
    assert page == {
        "id": page["id"],
        "name": "Acme",
        "slug": "acme",
        "description": "",
        "support_url": "",
        "domain": None,
        "domain_verified_at": None,
        "domain_checked_at": None,
        "domain_problem": "",
        "domain_token": None,
        "published": False,
        "visibility": "public",
        "timezone": "UTC",
        "locale": "en",
        "robots": True,
        "colours": {},
        "weights": {"major": 1.0, "partial": 0.3},
        "logo": None,
        "dark_logo": None,
        "favicon": None,
        "auto_post": "off",
        "auto_post_delay": 120,
        "url": f"{settings.BASE_URL}/status/acme/",
        "created_at": page["created_at"],
    }
    assert page["created_at"].endswith("Z")
    assert api.get(f"status-pages/{page['id']}") == page
    assert api.get("status-pages")["results"] == [page]


def test_what_was_read_can_be_sent_back_and_changes_nothing(api: Api) -> None:
    page = make_page(api, domain="status.example.org", password="x", logo=encoded(png()))
    assert api("PATCH", f"status-pages/{page['id']}", page, expect=200).json() == page


def test_every_field_can_be_changed_and_the_version_grows(api: Api) -> None:
    page = make_page(api)
    path = f"status-pages/{page['id']}"
    for field, value in (
        ("name", "Other"),
        ("slug", "other"),
        ("description", "What we run"),
        ("support_url", "mailto:help@example.org"),
        ("support_url", "https://example.org/help?x=1"),
        ("published", True),
        ("visibility", "members"),
        ("timezone", "Europe/Berlin"),
        ("locale", "ja"),
        ("robots", False),
        ("colours", {"accent": "#1a7f37", "up": "#00aa00", "dark_up": "#00ff00"}),
        ("weights", {"major": 1.0, "partial": 0.5}),
        ("auto_post", "draft"),
        ("auto_post_delay", 0),
    ):
        before = version(page)
        changed = api("PATCH", path, {field: value}, expect=200).json()
        assert changed[field] == value
        assert version(page) == before + 1
    assert changed["url"] == f"{settings.BASE_URL}/status/other/"
    api("DELETE", path, expect=204)
    api("GET", path, expect=404)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", 5),
        ("slug", "Upper"),
        ("slug", "-x"),
        ("slug", "x" * 64),
        ("support_url", "javascript:alert(1)"),
        ("support_url", "ftp://example.org"),
        ("support_url", "mailto:nobody"),
        ("support_url", "http://[::1"),
        ("domain", "127.0.0.1"),
        ("domain", "::1"),
        ("domain", "localhost"),
        ("domain", "a b.org"),
        ("domain", "https://status.example.org"),
        ("domain", "status.example.org:8080"),
        ("domain", "*.example.org"),
        ("domain", "x." * 127 + "y"),
        ("domain", "1.2.3.400"),
        ("published", "yes"),
        ("visibility", "nobody"),
        ("timezone", "Mars/Olympus"),
        ("locale", "xx"),
        ("locale", ["en"]),
        ("colours", "red"),
        ("colours", {"accent": "red"}),
        ("colours", {"accent": "#12345g"}),
        ("colours", {"accent": {"a": []}}),
        ("colours", {"border": "#000000"}),
        ("weights", {"major": 1.5}),
        ("weights", {"major": True}),
        ("weights", {"major": "1"}),
        ("weights", {"minor": 0.1}),
        ("weights", []),
        ("auto_post", "always"),
        ("auto_post_delay", 86401),
        ("auto_post_delay", -1),
        ("logo", "not base64!"),
        ("logo", 5),
        ("logo", encoded(b"<svg xmlns='http://www.w3.org/2000/svg'/>")),
        ("logo", encoded(b"\x89PNG\r\n\x1a\nrubbish")),
        ("logo", encoded(png(9000, 10))),
        ("logo", "https://example.org/logo.png"),
        ("id_", NOBODY),
    ],
)
def test_a_bad_value_is_a_400_that_names_the_field(api: Api, field: str, value: Any) -> None:
    page = make_page(api)
    for method, path, rest in (
        ("PATCH", f"status-pages/{page['id']}", {}),
        ("POST", "status-pages", {"name": "B", "slug": "b"}),
    ):
        named, _ = refused(api, method, path, {**rest, field: value})
        assert named.split(".")[0] == field
    assert api.get("status-pages")["results"] == [page]


def test_a_slug_is_one_in_the_installation(api: Api, rival: Api) -> None:
    make_page(api, "acme")
    other = make_page(rival, "other")
    for one in (api, rival):
        problem = one("POST", "status-pages", {"name": "B", "slug": "acme"}, expect=409)
        assert problem["Content-Type"] == "application/problem+json"
    rival("PATCH", f"status-pages/{other['id']}", {"slug": "acme"}, expect=409)


def test_a_domain_is_stored_as_ascii_and_another_one_must_be_proved_anew(api: Api) -> None:
    page = make_page(api, domain="Statüs.Example.org.")
    path = f"status-pages/{page['id']}"
    assert page["domain"] == "xn--stats-nva.example.org"
    assert page["domain_token"].startswith("tocsin-verify=")
    with scopes_disabled():
        StatusPage.objects.update(domain_verified_at="2027-01-01T00:00:00Z")
    same = api("PATCH", path, {"domain": "STATÜS.example.org"}, expect=200).json()
    assert same["domain_verified_at"] == "2027-01-01T00:00:00Z"
    assert same["url"] == "https://xn--stats-nva.example.org/"
    assert same["domain_token"] == page["domain_token"]
    other = api("PATCH", path, {"domain": "b.example.org"}, expect=200).json()
    assert other["domain_verified_at"] is None
    assert other["domain_token"] not in (None, page["domain_token"])
    none = api("PATCH", path, {"domain": None}, expect=200).json()
    assert (none["domain"], none["domain_token"]) == (None, None)


def test_several_teams_may_claim_a_domain(api: Api, rival: Api) -> None:
    assert make_page(api, "a", domain="status.example.org")["domain"]
    assert make_page(rival, "b", domain="status.example.org")["domain"]


def test_the_installations_own_host_is_no_custom_domain(api: Api, settings: Any) -> None:
    settings.BASE_URL = "https://tocsin.example.org"
    body = {"name": "A", "slug": "a", "domain": "Tocsin.example.org"}
    assert refused(api, "POST", "status-pages", body) == ("domain", "invalid")


def test_a_password_makes_a_page_ask_for_it_and_is_never_shown(api: Api) -> None:
    page = make_page(api, password=" four words ")
    path = f"status-pages/{page['id']}"

    def stored() -> str:
        with scopes_disabled():
            return str(StatusPage.objects.get().password_hash)

    assert "password" not in page
    assert page["visibility"] == "password"
    assert check_password(" four words ", stored())
    changed = api("PATCH", path, {"name": "B"}, expect=200).json()
    assert changed["visibility"] == "password"
    for nothing in (None, ""):
        api("PATCH", path, {"password": "again"}, expect=200)
        assert (
            api("PATCH", path, {"password": nothing}, expect=200).json()["visibility"] == "public"
        )
        assert stored() == ""
    assert refused(api, "PATCH", path, {"visibility": "password"})[0] == "password"
    api("PATCH", path, {"password": "again"}, expect=200)
    assert (
        api("PATCH", path, {"visibility": "members"}, expect=200).json()["visibility"] == "members"
    )
    assert stored() == ""


def test_pictures_are_set_read_as_addresses_and_taken_away(api: Api) -> None:
    page = make_page(api, logo=encoded(png()))
    path = f"status-pages/{page['id']}"
    assert page["logo"].startswith(f"{page['url']}assets/logo-")
    data = f"data:image/png;base64,{encoded(png(3, 3))}"
    other = api("PATCH", path, {"logo": data, "favicon": data}, expect=200).json()
    assert other["logo"] != page["logo"]
    with scopes_disabled():
        asset = Asset.objects.get(kind="favicon")
        assert (bytes(asset.content), asset.content_type) == (png(3, 3), "image/png")
    none = api("PATCH", path, {"logo": None, "dark_logo": None}, expect=200).json()
    assert (none["logo"], none["favicon"]) == (None, other["favicon"])


def test_a_picture_may_have_two_megabytes(api: Api) -> None:
    page = make_page(api)
    path = f"status-pages/{page['id']}"
    full = png() + b"\x00" * (2 * 1024 * 1024 - len(png()))
    api("PATCH", path, {"logo": encoded(full)}, expect=200)
    assert refused(api, "PATCH", path, {"logo": encoded(full + b"\x00")}) == ("logo", "too_large")
    api("PATCH", path, {"logo": "A" * 5_000_000}, expect=413)


def test_templates_are_kept_by_name(api: Api) -> None:
    page = make_page(api)
    path = f"status-pages/{page['id']}/templates"
    made = api.make(path, name="Network", title="Network trouble", status="identified", body="We …")
    assert made == {
        "id": made["id"],
        "name": "Network",
        "title": "Network trouble",
        "status": "identified",
        "impact": "minor",
        "body": "We …",
    }
    api("POST", path, {"name": "Network"}, expect=409)
    one = f"{path}/{made['id']}"
    assert api("PATCH", one, {"impact": "major"}, expect=200).json()["impact"] == "major"
    assert refused(api, "PATCH", one, {"impact": "huge"}) == ("impact", "invalid_choice")
    assert [row["id"] for row in api.get(path)["results"]] == [made["id"]]
    api("DELETE", one, expect=204)
    api("GET", one, expect=404)


def test_what_is_below_a_page_belongs_to_that_page(api: Api, rival: Api) -> None:
    ours, other = make_page(api, "ours"), make_page(api, "other")
    theirs = make_page(rival, "theirs")
    for kind, body in (("components", {"name": "a"}), ("templates", {"name": "a"})):
        made = api.make(f"status-pages/{ours['id']}/{kind}", **body)
        answers = set()
        for client, page, row in (
            (api, other["id"], made["id"]),
            (rival, theirs["id"], made["id"]),
            (rival, ours["id"], made["id"]),
            (api, NOBODY, made["id"]),
            (api, ours["id"], NOBODY),
            (api, ours["id"], "nonsense"),
        ):
            for method in ("GET", "PATCH", "DELETE"):
                answer = client(method, f"status-pages/{page}/{kind}/{row}", {}, expect=404)
                answers.add(answer.content)
        assert len(answers) == 1
        assert api.get(f"status-pages/{other['id']}/{kind}")["results"] == []


def test_lists_cost_the_same_however_long_they_are(
    api: Api, django_assert_max_num_queries: Any
) -> None:
    page = make_page(api)
    monitor = api.make("monitors", name="m")["id"]
    for number in range(5):
        group = f"g{number % 2}"
        api.make(
            f"status-pages/{page['id']}/components",
            name=f"{number}",
            group=group,
            monitors=[monitor],
        )
        make_page(api, f"p{number}")
    for path in ("status-pages", f"status-pages/{page['id']}/components"):
        with django_assert_max_num_queries(8):
            assert len(api.get(path)["results"]) >= 5
