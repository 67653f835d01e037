"""What an incident says of itself: plain sentences for summaries and timelines."""

from __future__ import annotations

from datetime import datetime

from accounts.durations import say_duration
from incidents.channels.wording import clean_line

MOST_SUMMARY = 500
FLAPPING_TEXT = (
    "Flapping: four changes between up and down within 15 minutes. "
    "It stays open until it has been quiet for 10 minutes."
)


def summary_text(
    *, name: str, cause: str, detail: str, last_push_at: datetime | None, window_seconds: int
) -> str:
    """Return one sentence: what happened to the monitor. Its texts become safe lines."""
    name, detail = clean_line(name, MOST_SUMMARY), clean_line(detail, MOST_SUMMARY)
    if cause == "silence":
        if last_push_at is None:
            text = f"{name} never pushed"
        else:
            text = (
                f"{name} went silent: last push {last_push_at:%Y-%m-%d %H:%M:%S} UTC, "
                f"a push was due within {say_duration(window_seconds)}"
            )
    elif cause == "latency":
        text = f"{name} is slow: {detail}" if detail else f"{name} is slow"
    else:
        text = f"{name} reports failure: {detail}" if detail else f"{name} reports failure"
    return text[:MOST_SUMMARY]


def cause_text(cause: str | None, detail: str) -> str:
    """Return the timeline's line for a cause that joined later, its text made a safe line."""
    detail = clean_line(detail, MOST_SUMMARY)
    said = {
        "silence": "Pushes have stopped as well",
        "failure": "It reports failure as well",
        "latency": "It is slow as well",
    }.get(cause or "", "A further cause joined")
    return f"{said}: {detail}" if detail else f"{said}"


def down_again_text(cause: str | None, detail: str) -> str:
    """Return the timeline's line for a flapping monitor that went down again."""
    said = {"silence": "it went silent", "latency": "it is slow"}.get(
        cause or "", "it reports failure"
    )
    detail = clean_line(detail, MOST_SUMMARY)
    return f"Down again: {said}" + (f": {detail}" if detail else "")
