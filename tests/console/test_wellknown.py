"""What browsers and crawlers ask for by themselves."""

from __future__ import annotations

import pytest
from django.test import Client


def test_crawlers_are_told_what_is_behind_a_log_in():
    answer = Client().get("/robots.txt")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    assert answer.content == b"User-agent: *\nDisallow: /t/\nDisallow: /accounts/\n"


def test_the_icon_asked_for_unseen_is_no_error():
    answer = Client().get("/favicon.ico")
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("path", ["/robots.txt", "/favicon.ico"])
def test_they_may_be_kept_for_a_day_and_only_read(path):
    assert Client().get(path)["Cache-Control"] == "public, max-age=86400"
    assert Client().head(path).status_code in (200, 204)
    assert Client().post(path).status_code == 405
