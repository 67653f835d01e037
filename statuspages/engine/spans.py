"""How a component is shown, and the spans that say so: decided in memory, no table in sight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from statuspages.history import Past, component_spans, cut_spans, judge
from statuspages.models.components import ComponentStatus, SpanKind
from statuspages.view import worst_status

KINDS: dict[str, str | None] = {
    ComponentStatus.OPERATIONAL: None,
    ComponentStatus.DEGRADED: SpanKind.DEGRADED,
    ComponentStatus.PARTIAL: SpanKind.PARTIAL,
    ComponentStatus.MAJOR: SpanKind.MAJOR,
    ComponentStatus.MAINTENANCE: SpanKind.MAINTENANCE,
}
_STATUSES: dict[str | None, str] = {kind: str(status) for status, kind in KINDS.items()}


class Stored(NamedTuple):
    """A span as it is stored."""

    id: int
    kind: str
    start: datetime
    end: datetime | None
    derived: bool


class New(NamedTuple):
    """A span that is to be stored."""

    kind: str
    start: datetime
    end: datetime | None
    derived: bool


@dataclass(slots=True)
class Standing:
    """All that decides how one component is shown.

    `said` are statuses that open posts give it; `spans` are in order, all that ended after `since`,
    from when on the monitors' changes are known.
    """

    id: UUID
    team_id: UUID
    page_id: UUID
    rule: str
    manual_status: str
    status: str
    status_since: datetime
    is_stale: bool
    since: datetime
    in_maintenance: bool = False
    said: list[str] = field(default_factory=list)
    spans: list[Stored] = field(default_factory=list)
    pasts: list[Past] = field(default_factory=list)

    @property
    def word(self) -> str | None:
        """The status that people or plans give it; None if it follows its monitors."""
        if self.manual_status:
            return self.manual_status
        if self.in_maintenance:
            return ComponentStatus.MAINTENANCE
        return worst_status(tuple(self.said)) if self.said else None


@dataclass(slots=True)
class Verdict:
    """How a component is to be shown since when, and what changes among its spans."""

    standing: Standing
    status: str
    status_since: datetime
    dropped: list[int] = field(default_factory=list)
    ended: dict[int, datetime | None] = field(default_factory=dict)
    added: list[New] = field(default_factory=list)

    @property
    def is_visible(self) -> bool:
        """Whether visitors will see a difference."""
        changed = self.status != self.standing.status
        return bool(changed or self.dropped or self.ended or self.added)


def decide(standing: Standing, *, now: datetime) -> Verdict:
    """Return how a component is to be shown at `now`."""
    word = standing.word
    # Somebody's word in the words of spans; the monitors' in those of their history.
    kind = KINDS[word] if word is not None else _judged(standing)
    verdict = Verdict(standing, _STATUSES.get(kind, ComponentStatus.OPERATIONAL), now)
    kept = []  # the spans of people's words, as they will be
    for span in standing.spans:
        if span.derived:
            continue
        end = span.end
        if end is None and (word is None or span.kind != kind):
            end = verdict.ended[span.id] = now
        kept.append((span.kind, span.start, end))
    if word is not None and kind is not None and not any(end is None for _, _, end in kept):
        verdict.added.append(New(kind, now, None, False))
        kept.append((kind, now, None))
    _derive(verdict, kept, open_ended=word is None, now=now)
    verdict.status_since = _since(verdict, word is None, now)
    return verdict


def _judged(standing: Standing) -> str | None:
    if not standing.pasts:
        return None
    states = [past.state for past in standing.pasts]
    known = sum(state in ("up", "down") for state in states)
    return judge(standing.rule, down=states.count("down"), known=known)


def _derive(
    verdict: Verdict,
    kept: Sequence[tuple[str, datetime, datetime | None]],
    *,
    open_ended: bool,
    now: datetime,
) -> None:
    """Let the derived spans be what the monitors' changes say, where people said nothing.

    While somebody's word holds nothing new is derived, unless the history is written anew.
    """
    standing = verdict.standing
    derived = [span for span in standing.spans if span.derived]
    if not standing.is_stale and (not open_ended or not standing.pasts):
        verdict.ended |= {span.id: now for span in derived if span.end is None}
        return
    start = derive_from(standing, kept, now=now)
    # This instant included: what begins with it is open already.
    until = now + timedelta(microseconds=1)
    wanted = component_spans(standing.pasts, rule=standing.rule, start=start, until=until)
    wanted = cut_spans(wanted if standing.pasts else [], kept, until=until)
    if not open_ended:
        wanted = [(kind, begun, end or now) for kind, begun, end in wanted]
    fresh = {(kind, begun): end for kind, begun, end in wanted}
    for span in derived:
        if span.start < start:
            continue
        key = (span.kind, span.start)
        if key not in fresh:
            verdict.dropped.append(span.id)
        else:
            end = fresh.pop(key)
            if end != span.end:
                verdict.ended[span.id] = end
    verdict.added += [New(kind, begun, end, True) for (kind, begun), end in fresh.items()]


def derive_from(
    standing: Standing,
    kept: Sequence[tuple[str, datetime, datetime | None]],
    *,
    now: datetime,
) -> datetime:
    """Return from when on the derived spans are worked out.

    Not before somebody's last word, which they do not overrule, unless the history is written anew;
    and from the start of a derived span that reaches into the time.
    """
    start = standing.since
    if not standing.is_stale:
        start = max([start, *(end for _, _, end in kept if end is not None)])
    for span in standing.spans:
        if span.derived and span.start < start and (span.end is None or span.end > start):
            start = span.start
    return min(start, now)


def _since(verdict: Verdict, follows_monitors: bool, now: datetime) -> datetime:
    """Return since when the status is shown: since it really began, where monitors say so."""
    standing = verdict.standing
    if verdict.status == standing.status:
        return standing.status_since
    if not follows_monitors:
        return now
    opened = [new.start for new in verdict.added if new.end is None and new.derived]
    if opened:
        return opened[0]
    ends = [new.end for new in verdict.added if new.end is not None]
    ends += [end for end in verdict.ended.values() if end is not None]
    return max(ends, default=now)
