"""The state rules: each sentence of the contract as a table, and what must hold in any history."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.state import (
    COUNT_MOST,
    Cause,
    Change,
    PushKind,
    Rules,
    Standing,
    State,
    after_pause,
    after_push,
    after_resume,
    after_silence,
    push_kind,
    shown_state,
)

PENDING, UP, DOWN, PAUSED = State.PENDING, State.UP, State.DOWN, State.PAUSED
SILENCE, FAILURE, LATENCY = Cause.SILENCE, Cause.FAILURE, Cause.LATENCY


def play(
    steps: str, rules: Rules, standing: Standing | None = None
) -> tuple[Standing, list[Change]]:
    """Return where a history ends and its transitions.

    One letter a step: Pass, Fail, sLow, Silence, pauSe is "H" (hold), Resume.
    """
    standing = standing or Standing()
    changes: list[Change] = []
    for step in steps:
        match step:
            case "P" | "F" | "L":
                kind = {"P": PushKind.PASS, "F": PushKind.FAIL, "L": PushKind.SLOW}[step]
                standing, change = after_push(standing, kind, rules)
            case "S":
                standing, change = after_silence(standing)
            case "H":
                standing, change = after_pause(standing)
            case _:
                standing, change, _ = after_resume(standing, ever_pushed=True)
        if change is not None:
            changes.append(change)
    return standing, changes


def told(changes: list[Change]) -> str:
    return " ".join(
        f"{c.from_state}>{c.to_state}" + (f":{c.cause}" if c.cause else "") for c in changes
    )


@pytest.mark.parametrize(
    ("steps", "rules", "expected"),
    [
        # Pending until the first push, whatever it says.
        ("", Rules(), ""),
        ("P", Rules(), "pending>up"),
        ("F", Rules(), "pending>down:failure"),
        ("F", Rules(failures_to_open=2), "pending>up"),
        ("FF", Rules(failures_to_open=2), "pending>up up>down:failure"),
        ("L", Rules(failures_to_open=2), "pending>up"),
        ("L", Rules(), "pending>down:latency"),
        ("P", Rules(passes_to_close=3), "pending>up"),
        # Armed and silent.
        ("S", Rules(), "pending>down:silence"),
        # Silence, and the pass that ends it.
        ("PS", Rules(), "pending>up up>down:silence"),
        ("PSP", Rules(), "pending>up up>down:silence down>up"),
        ("PSS", Rules(), "pending>up up>down:silence"),
        # Consecutive fails only.
        ("PFPF", Rules(failures_to_open=2), "pending>up"),
        ("PFPFF", Rules(failures_to_open=2), "pending>up up>down:failure"),
        # Slow passes in a row are their own count ...
        ("PLL", Rules(failures_to_open=2), "pending>up up>down:latency"),
        # ... that fails and passes break, as slow passes break those.
        ("PLPL", Rules(failures_to_open=2), "pending>up"),
        ("PLFL", Rules(failures_to_open=2), "pending>up"),
        ("PFLF", Rules(failures_to_open=2), "pending>up"),
        # A slow pass closes nothing, and breaks the row that would.
        ("PFL", Rules(failures_to_open=1), "pending>up up>down:failure down>down:latency"),
        ("SL", Rules(failures_to_open=2), "pending>down:silence"),
        ("SPLP", Rules(2, 2), "pending>down:silence"),
        ("SPLPP", Rules(2, 2), "pending>down:silence down>up"),
        # The first cause stays; a later one is told once.
        ("PFFF", Rules(), "pending>up up>down:failure"),
        ("PFS", Rules(), "pending>up up>down:failure down>down:silence"),
        ("PSF", Rules(), "pending>up up>down:silence down>down:failure"),
        ("PFSFLSL", Rules(), "pending>up up>down:failure down>down:silence down>down:latency"),
        # Recovery takes passes_to_close in a row; a fail or a silence in between starts anew.
        ("PFPP", Rules(1, 3), "pending>up up>down:failure"),
        ("PFPPP", Rules(1, 3), "pending>up up>down:failure down>up"),
        ("PFPPFPPP", Rules(1, 3), "pending>up up>down:failure down>up"),
        ("PSPPSPPP", Rules(1, 3), "pending>up up>down:silence down>up"),
        ("PSPPSPP", Rules(1, 3), "pending>up up>down:silence"),
        # Silence neither breaks nor adds to a row of fails.
        ("PFSF", Rules(2), "pending>up up>down:silence down>down:failure"),
        # After a recovery the next cause opens anew.
        ("PFPF", Rules(), "pending>up up>down:failure down>up up>down:failure"),
        # Paused: pushes and silence change nothing; resuming starts over.
        ("PHFFS", Rules(), "pending>up up>paused"),
        ("PFH", Rules(), "pending>up up>down:failure down>paused"),
        ("HH", Rules(), "pending>paused"),
        ("PFHR", Rules(2), "pending>up up>paused paused>pending"),
        ("PFHRF", Rules(2), "pending>up up>paused paused>pending pending>up"),
        ("PHRS", Rules(), "pending>up up>paused paused>pending pending>down:silence"),
        ("PR", Rules(), "pending>up"),
    ],
)
def test_histories(steps: str, rules: Rules, expected: str) -> None:
    assert told(play(steps, rules)[1]) == expected


@pytest.mark.parametrize(
    ("status", "latency_ms", "limit", "kind"),
    [
        ("pass", None, None, PushKind.PASS),
        ("pass", 1e9, None, PushKind.PASS),
        ("pass", None, 100, PushKind.PASS),
        ("pass", 99.9, 100, PushKind.PASS),
        ("pass", 100, 100, PushKind.PASS),
        ("pass", 100.001, 100, PushKind.SLOW),
        ("pass", 0.1, 0, PushKind.SLOW),
        ("fail", 500, 100, PushKind.FAIL),
        ("fail", None, None, PushKind.FAIL),
    ],
)
def test_a_pass_is_slow_strictly_above_the_limit(
    status: str, latency_ms: float | None, limit: float | None, kind: PushKind
) -> None:
    assert push_kind(status, latency_ms, Rules(latency_limit_ms=limit)) is kind


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(ValueError, match="up"):
        push_kind("up", None, Rules())


def test_a_lowered_threshold_counts_what_is_already_there() -> None:
    standing, _ = play("PFFF", Rules(failures_to_open=5))
    after, change = after_push(standing, PushKind.FAIL, Rules(failures_to_open=2))
    assert (after.state, change) == (DOWN, Change(UP, DOWN, FAILURE))


def test_recovery_keeps_the_row_of_passes() -> None:
    standing, _ = play("PSPPPP", Rules(passes_to_close=3))
    assert standing == Standing(UP, consecutive_passes=4)


@pytest.mark.parametrize("kind", list(PushKind))
def test_counts_stop_at_their_ceiling(kind: PushKind) -> None:
    full = Standing(UP, None, frozenset(), COUNT_MOST, COUNT_MOST, COUNT_MOST)
    after, _ = after_push(full, kind, Rules(failures_to_open=COUNT_MOST + 1))
    counts = [after.consecutive_fails, after.consecutive_slow, after.consecutive_passes]
    assert sorted(counts) == [0, 0, COUNT_MOST]


@pytest.mark.parametrize("ever_pushed", [True, False])
def test_resuming_restarts_counters_and_arms_what_was_ever_pushed_to(ever_pushed: bool) -> None:
    paused, _ = play("PFFH", Rules(failures_to_open=2))
    assert after_resume(paused, ever_pushed) == (
        Standing(),
        Change(PAUSED, PENDING),
        ever_pushed,
    )


def test_resuming_what_runs_leaves_its_clock_alone() -> None:
    running = Standing(UP, consecutive_passes=3)
    assert after_resume(running, ever_pushed=True) == (running, None, False)


NOW = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "late", "due", "shown"),
    [
        (UP, 0, 60, "late"),
        (UP, -59, 1, "late"),
        (UP, 1, 60, "up"),
        (UP, -60, 0, "up"),
        (UP, None, 60, "up"),
        (UP, None, None, "up"),
        (PENDING, -1, 60, "pending"),
        (DOWN, -1, 60, "down"),
        (PAUSED, -1, 60, "paused"),
    ],
)
def test_late_is_an_up_monitor_within_its_grace(
    state: State, late: int | None, due: int | None, shown: str
) -> None:
    late_from = None if late is None else NOW + timedelta(seconds=late)
    due_at = None if due is None else NOW + timedelta(seconds=due)
    assert shown_state(state, late_from, due_at, NOW) == shown


# --- any history ---------------------------------------------------------------------------

histories = st.text(alphabet="PPPFFLLSHR", max_size=40)
thresholds = st.builds(Rules, st.integers(1, 4), st.integers(1, 4))


@given(steps=histories, rules=thresholds)
def test_what_holds_after_every_step(steps: str, rules: Rules) -> None:
    standing = Standing()
    for step in steps:
        before = standing
        standing, changes = play(step, rules, before)
        assert (standing.state is DOWN) == bool(standing.open_causes)
        assert (standing.cause is None) == (not standing.open_causes)
        assert standing.cause is None or standing.cause in standing.open_causes
        counts = (
            standing.consecutive_fails,
            standing.consecutive_slow,
            standing.consecutive_passes,
        )
        assert sum(count > 0 for count in counts) <= 1
        # Passes that suffice leave no monitor down.
        assert standing.state is not DOWN or standing.consecutive_passes < rules.passes_to_close
        if before.state is DOWN and standing.state is DOWN:
            assert standing.cause is before.cause
            assert standing.open_causes >= before.open_causes
        # A step tells of a change exactly if state or causes changed, and of the right one.
        moved = (before.state, before.open_causes) != (standing.state, standing.open_causes)
        assert len(changes) == moved
        for change in changes:
            assert (change.from_state, change.to_state) == (before.state, standing.state)
            added = standing.open_causes - before.open_causes
            assert added == (frozenset({change.cause}) if change.cause else frozenset())


@given(steps=histories, rules=thresholds)
def test_each_transition_starts_where_the_last_one_ended(steps: str, rules: Rules) -> None:
    standing, changes = play(steps, rules)
    state = PENDING
    for change in changes:
        assert change.from_state is state
        assert change.from_state is not change.to_state or (
            change.to_state is DOWN and change.cause is not None
        )
        state = change.to_state
    assert state is standing.state


@given(steps=histories, rules=thresholds)
def test_counts_are_the_trailing_rows_of_the_history(steps: str, rules: Rules) -> None:
    """Fails and slow passes are counted through silence; passes are not; pauses hide and reset."""
    heard, is_paused = "", False
    for step in steps:
        if step == "R":
            heard, is_paused = ("" if is_paused else heard), False
        elif step == "H":
            is_paused = True
        elif not is_paused:
            heard += step

    def trailing(text: str, letter: str) -> int:
        return len(text) - len(text.rstrip(letter))

    pushes = heard.replace("S", "")
    standing, _ = play(steps, rules)
    assert standing.consecutive_fails == trailing(pushes, "F")
    assert standing.consecutive_slow == trailing(pushes, "L")
    assert standing.consecutive_passes == trailing(heard, "P")


@given(steps=histories, rules=thresholds)
def test_enough_passes_recover_from_any_history(steps: str, rules: Rules) -> None:
    standing, _ = play(steps + "R" + "P" * rules.passes_to_close, rules)
    assert standing.state is UP


@given(steps=histories, rules=thresholds, kind=st.sampled_from(PushKind))
def test_a_paused_monitor_is_left_as_it_is(steps: str, rules: Rules, kind: PushKind) -> None:
    paused, _ = after_pause(play(steps, rules)[0])
    assert after_push(paused, kind, rules) == (paused, None)
    assert after_silence(paused) == (paused, None)
    assert replace(paused, state=UP).open_causes == frozenset()
