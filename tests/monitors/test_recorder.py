"""The recorder's statement does what monitors.state specifies, whatever the history."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from django_scopes import scopes_disabled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitors import state as spec
from monitors.models import CAUSE_BITS, Monitor
from monitors.services import create_monitor, forget_causes, pause_monitor, resume_monitor
from monitors.state import Rules, Standing, State
from monitors.sweep import sweep_batch
from tests.monitors.pushing import age, heartbeat, listen, push, results, transitions

LIMIT_MS = 100.0
PUSHES = {"pass", "fail", "slow"}
STEPS = ["pass", "pass", "fail", "fail", "slow", "slow", "silence", "pause", "resume", "resolve"]
RULES = st.builds(
    Rules,
    failures_to_open=st.integers(1, 3),
    passes_to_close=st.integers(1, 3),
    latency_limit_ms=st.sampled_from([None, LIMIT_MS]),
)
NUMBERS = itertools.count()
HISTORIES = st.lists(st.sampled_from(STEPS), min_size=1, max_size=16)


class Model:
    """The specification, with what it leaves to its caller: the alarm, and people's hands."""

    def __init__(self, rules: Rules, *, armed: bool) -> None:
        self.rules = rules
        self.standing = Standing()
        self.alarm_is_set = armed
        self.was_pushed = False
        self.changes: list[tuple[str, str, str | None]] = []

    def take(self, step: str) -> None:
        change: spec.Change | None = None
        if step in PUSHES:
            status = "fail" if step == "fail" else "pass"
            kind = spec.push_kind(status, latency_of(step), self.rules)
            self.was_pushed = True  # stored while paused too, though it changes nothing then
            if self.standing.state is not State.PAUSED:
                self.alarm_is_set = True
            self.standing, change = spec.after_push(self.standing, kind, self.rules)
        elif step == "silence" and self.alarm_is_set:
            self.standing, change = spec.after_silence(self.standing)
            self.alarm_is_set = False
        elif step == "pause":
            self.standing, change = spec.after_pause(self.standing)
            self.alarm_is_set = False
        elif step == "resume" and self.standing.state is State.PAUSED:
            self.standing, change, self.alarm_is_set = spec.after_resume(
                self.standing, self.was_pushed
            )
        elif step == "resolve" and self.standing.state is State.DOWN:
            self.standing = replace(
                self.standing, open_causes=frozenset(), consecutive_fails=0, consecutive_slow=0
            )
        if change is not None:
            cause = change.cause.value if change.cause else None
            self.changes.append((change.from_state.value, change.to_state.value, cause))


def latency_of(step: str) -> float:
    return LIMIT_MS + 0.5 if step == "slow" else LIMIT_MS


def take_for_real(monitor: Monitor, step: str) -> None:
    if step in PUSHES:
        push(monitor, "fail" if step == "fail" else "pass", latency_ms=latency_of(step))
    elif step == "silence":
        age(monitor, 3600)
        listen()
        sweep_batch()
    elif step == "pause":
        pause_monitor(monitor=monitor)
    elif step == "resume":
        resume_monitor(monitor=monitor)
    else:
        forget_causes(monitor=monitor)


@pytest.mark.django_db
@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rules=RULES, armed=st.booleans(), history=HISTORIES)
def test_any_history_ends_as_the_specification_says(team, rules, armed, history):
    monitor, _ = create_monitor(
        team=team,
        name=f"m-{next(NUMBERS)}",
        arm_on_create=armed,
        failures_to_open=rules.failures_to_open,
        passes_to_close=rules.passes_to_close,
        latency_limit_ms=rules.latency_limit_ms,
    )
    model = Model(rules, armed=armed)
    pushes = 0
    for step in history:
        model.take(step)
        take_for_real(monitor, step)
        pushes += step in PUSHES
        assert_same(monitor, model)
    assert transitions(monitor) == model.changes
    assert len(results(monitor)) == pushes


def assert_same(monitor: Monitor, model: Model) -> None:
    found, expected = heartbeat(monitor), model.standing
    assert found.state == expected.state.value
    assert found.cause == (expected.cause.value if expected.cause else None)
    assert found.open_causes == sum(CAUSE_BITS[cause] for cause in expected.open_causes)
    assert (found.consecutive_fails, found.consecutive_slow, found.consecutive_passes) == (
        expected.consecutive_fails,
        expected.consecutive_slow,
        expected.consecutive_passes,
    )
    assert (found.down_since is not None) == (expected.state is State.DOWN)
    assert (found.check_at is not None) == model.alarm_is_set


@pytest.mark.django_db
def test_counters_stop_at_their_most(team):
    monitor, _ = create_monitor(team=team, name="m")
    with scopes_disabled():
        type(heartbeat(monitor)).objects.filter(monitor=monitor).update(
            consecutive_fails=spec.COUNT_MOST
        )
    push(monitor, "fail")
    assert heartbeat(monitor).consecutive_fails == spec.COUNT_MOST


@pytest.mark.django_db
def test_the_first_cause_stays_and_the_detail_says_what_came(team):
    monitor, _ = create_monitor(team=team, name="m", latency_limit_ms=50)
    push(monitor, "pass", latency_ms=50.0)
    push(monitor, "pass", latency_ms=50.1, message="slow disk")
    push(monitor, "fail", message="disk full")
    push(monitor, "fail", message="still full")
    assert transitions(monitor) == [
        ("pending", "up", None),
        ("up", "down", "latency"),
        ("down", "down", "failure"),
    ]
    assert heartbeat(monitor).cause == "latency"
    with scopes_disabled():
        details = list(monitor.transitions.order_by("id").values_list("detail", flat=True))
    assert details == ["", "latency 50.1 ms: slow disk", "disk full"]


@pytest.mark.django_db
def test_a_push_to_a_paused_monitor_is_stored_and_changes_nothing_else(team):
    monitor, _ = create_monitor(team=team, name="m")
    push(monitor)
    pause_monitor(monitor=monitor)
    before = heartbeat(monitor).__dict__ | {"_state": None}
    answer = push(monitor, "fail")
    assert (answer.state, answer.due_at, answer.status) == ("paused", None, "fail")
    assert heartbeat(monitor).__dict__ | {"_state": None} == before
    assert [row.status for row in results(monitor)] == ["pass", "fail"]


@pytest.mark.django_db
def test_the_last_push_never_goes_back_in_time(team):
    monitor, _ = create_monitor(team=team, name="m")
    push(monitor)
    age(monitor, -30)  # the database's clock was set back by half a minute
    ahead = heartbeat(monitor).last_push_at
    push(monitor)
    assert heartbeat(monitor).last_push_at == ahead
