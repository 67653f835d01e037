"""What an incident says of itself, whatever the tenant's texts hold."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from incidents.lifecycle.wording import MOST_SUMMARY, cause_text, summary_text

HOSTILE = "disk\r\nfull\x00\x1b[31m\u202e!\u2028end"
SAFE = "disk full [31m! end"
DUE = "a push was due within 1 min 30 s"
AT = datetime(2026, 11, 22, 14, 2, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cause", "last_push_at", "said"),
    [
        ("failure", AT, f"{SAFE} reports failure: {SAFE}"),
        ("latency", AT, f"{SAFE} is slow: {SAFE}"),
        ("silence", None, f"{SAFE} never pushed"),
        (
            "silence",
            AT,
            f"{SAFE} went silent: last push 2026-11-22 14:02:11 UTC, {DUE}",
        ),
    ],
)
def test_a_summary_is_one_safe_line(cause, last_push_at, said):
    text = summary_text(
        name=HOSTILE, cause=cause, detail=HOSTILE, last_push_at=last_push_at, window_seconds=90
    )
    assert text == said


def test_a_detail_of_nothing_visible_is_none():
    text = summary_text(
        name="m", cause="failure", detail="\r\n\u202e", last_push_at=None, window_seconds=1
    )
    assert text == "m reports failure"
    assert cause_text("failure", "\u202e\n") == "It reports failure as well"


def test_a_cause_that_joins_is_one_safe_line():
    assert cause_text("latency", HOSTILE) == f"It is slow as well: {SAFE}"


def test_a_summary_has_a_limit():
    text = summary_text(
        name="m", cause="failure", detail="x" * 9000, last_push_at=None, window_seconds=1
    )
    assert len(text) == MOST_SUMMARY
