"""A component's history out of its monitors' changes, against looking at every second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statuspages.history import Change, Past, Span, component_spans, cut_spans, judge

START = datetime(2027, 1, 1, tzinfo=UTC)
LENGTH = 600
STATES = ("pending", "up", "down", "paused")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


UNTIL = at(LENGTH)


def past(*changes: tuple[float, str, str], born: float = -1000, state: str = "up") -> Past:
    rows = [Change(at(when), before, after) for when, before, after in changes]
    return Past(at(born), changes[-1][2] if changes else state, rows)


def spans_of(*pasts: Past, rule: str = "any") -> list[Span]:
    return component_spans(pasts, rule=rule, start=START, until=UNTIL)


@st.composite
def pasts(draw: st.DrawFn) -> Past:
    born = draw(st.integers(-100, LENGTH))
    times = sorted(draw(st.lists(st.integers(born, LENGTH + 50), max_size=6)))
    state, changes = "pending", []
    for when in times:
        after = draw(st.sampled_from(STATES))
        since = None
        if after == "down":
            since = draw(st.one_of(st.none(), st.integers(0, 200).map(lambda s, w=when: at(w - s))))
        changes.append(Change(at(when), state, after, since))
        state = after
    return Past(at(born), state, changes)


def state_at(known: Past, second: int) -> str:
    """Return a monitor's state in a second, by the words of the rule."""
    moment = at(second)
    if moment < known.born_at:
        return "unborn"
    state = known.changes[0].from_state if known.changes else known.state
    reached = known.born_at
    for change in known.changes:
        if change.from_state == change.to_state:
            continue
        really = change.at
        if change.to_state == "down" and change.since is not None:
            really = max(min(change.since, change.at), reached)
        if really <= moment:
            state = change.to_state
        reached = max(reached, really)
    return state


@settings(max_examples=150, deadline=None)
@given(st.lists(pasts(), min_size=1, max_size=4), st.sampled_from(["any", "majority", "all"]))
def test_every_second_is_what_the_rule_says_of_it(known: list[Past], rule: str) -> None:
    spans = spans_of(*known, rule=rule)
    for (_, _, ended), (_, began, _) in pairwise(spans):
        assert ended is not None
        assert ended <= began
    painted: list[str | None] = [None] * LENGTH
    for kind, began, ended in spans:
        left = int((began - START).total_seconds())
        right = LENGTH if ended is None else int((ended - START).total_seconds())
        assert left < right
        painted[left:right] = [kind] * (right - left)
    for second in range(LENGTH):
        states = [state_at(monitor, second) for monitor in known]
        down = states.count("down")
        with_data = down + states.count("up")
        assert painted[second] == expected(rule, down, with_data), second


def expected(rule: str, down: int, known: int) -> str | None:
    if known == 0:
        return "no_data"
    if down == 0:
        return None
    if rule == "any" or (rule == "all" and down == known):
        return "major"
    if rule == "majority" and down > known / 2:
        return "major"
    return "partial"


@pytest.mark.parametrize(
    ("rule", "down", "known", "kind"),
    [
        ("any", 0, 0, "no_data"),
        ("any", 1, 9, "major"),
        ("majority", 1, 2, "partial"),
        ("majority", 2, 3, "major"),
        ("all", 2, 3, "partial"),
        ("all", 3, 3, "major"),
        ("all", 0, 3, None),
    ],
)
def test_the_rules(rule: str, down: int, known: int, kind: str | None) -> None:
    assert judge(rule, down=down, known=known) == kind


def test_an_outage_is_major_from_its_beginning_to_its_end() -> None:
    spans = spans_of(past((100, "up", "down"), (200, "down", "up")))
    assert spans == [("major", at(100), at(200))]


def test_an_outage_that_goes_on_is_open() -> None:
    assert spans_of(past((100, "up", "down"))) == [("major", at(100), None)]


def test_a_silence_is_down_since_it_began_but_not_before_the_last_change() -> None:
    changes = [Change(at(50), "down", "up"), Change(at(100), "up", "down", since=at(20))]
    assert spans_of(Past(at(-9), "down", changes)) == [("major", at(0), None)]
    later = [Change(at(50), "down", "up"), Change(at(100), "up", "down", since=at(70))]
    assert spans_of(Past(at(-9), "down", later)) == [
        ("major", at(0), at(50)),
        ("major", at(70), None),
    ]


def test_a_further_cause_moves_nothing() -> None:
    known = past((100, "up", "down"), (150, "down", "down"), (200, "down", "up"))
    assert spans_of(known) == [("major", at(100), at(200))]


def test_what_was_not_born_or_does_not_report_is_no_data() -> None:
    young = past((300, "pending", "up"), (400, "up", "paused"), born=200)
    assert spans_of(young) == [("no_data", at(0), at(300)), ("no_data", at(400), None)]
    assert spans_of(young, past()) == []


def test_people_s_words_stay_where_derived_spans_are_cut() -> None:
    derived: list[Span] = [("major", at(100), at(200)), ("major", at(300), None)]
    taken: list[Span] = [("maintenance", at(150), at(160)), ("degraded", at(350), at(400))]
    assert cut_spans(derived, taken, until=UNTIL) == [
        ("major", at(100), at(150)),
        ("major", at(160), at(200)),
        ("major", at(300), at(350)),
        ("major", at(400), None),
    ]
    assert cut_spans(derived, [("maintenance", at(150), None)], until=UNTIL) == [
        ("major", at(100), at(150))
    ]
