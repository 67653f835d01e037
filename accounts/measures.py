"""What a process counts: counters, histograms and gauges, kept in memory and cheap to add to.

Prometheus's own client writes each observation into a file shared by the processes, 3.3 µs a time
and so 4% of the push path. These are plain numbers, 0.4 µs a time; config/metricfiles.py shares
them once a second. Label values are declared beforehand, so that none is ever a slug, a name or an
id: whatever else is given counts as `other`.
"""

from __future__ import annotations

import itertools
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Labels = tuple[str, ...]
OTHER = "other"
MOST_AT_ZERO = 128
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

instruments: dict[str, Instrument] = {}


class Instrument:
    """A named family of numbers, one cell for each combination of its labels' values."""

    kind = "untyped"

    def __init__(self, name: str, text: str, **labels: Iterable[str]) -> None:
        """`text` is the line of HELP; each label comes with the values that it may have."""
        self.name, self.text = name, text
        self.labels = tuple(labels)
        self._allowed = tuple(frozenset(values) for values in labels.values())
        self._cells: dict[Labels, list[float]] = {}
        self._lock = threading.Lock()
        every = list(itertools.product(*(tuple(values) for values in labels.values())))
        if len(every) <= MOST_AT_ZERO:  # a rate of what has not happened yet is 0, not unknown
            for values in every:
                self._cells[values] = self._fresh()
        instruments[name] = self

    def snapshot(self) -> dict[str, Any]:
        """Return the cells as plain values, for JSON."""
        with self._lock:
            cells = [[list(values), list(cell)] for values, cell in self._cells.items()]
        return {"kind": self.kind, "labels": list(self.labels), "cells": cells}

    def reset(self) -> None:
        """Forget everything: for a process that was forked, and for tests."""
        with self._lock:
            for values in self._cells:
                self._cells[values] = self._fresh()

    def _fresh(self) -> list[float]:
        return [0.0]

    def _cell(self, values: Labels) -> list[float]:
        """Return the cell of these values, under the lock."""
        cell = self._cells.get(values)
        if cell is None:
            known = tuple(
                value if value in allowed else OTHER
                for value, allowed in zip(values, self._allowed, strict=True)
            )
            cell = self._cells.get(known)
            if cell is None:
                cell = self._cells[known] = self._fresh()
        return cell


class Counter(Instrument):
    """What only grows."""

    kind = "counter"

    def inc(self, *values: str, by: float = 1.0) -> None:
        """Add `by` to the cell of these label values."""
        with self._lock:
            self._cell(values)[0] += by


class Histogram(Instrument):
    """How often something was how large; a cell holds a count for each bucket, and the sum."""

    kind = "histogram"

    def __init__(
        self, name: str, text: str, *, bounds: tuple[float, ...] = SECONDS, **labels: Iterable[str]
    ) -> None:
        """`bounds` are the upper ends of the buckets, in rising order; one more has no end."""
        self.bounds = bounds
        super().__init__(name, text, **labels)

    def observe(self, amount: float, *values: str) -> None:
        """Count one observation of `amount` in the cell of these label values."""
        place = bisect_left(self.bounds, amount)
        with self._lock:
            cell = self._cell(values)
            cell[place] += 1.0
            cell[-1] += amount

    def snapshot(self) -> dict[str, Any]:
        """Return the cells as plain values, and the buckets that they are of."""
        return {**super().snapshot(), "bounds": list(self.bounds)}

    def _fresh(self) -> list[float]:
        return [0.0] * (len(self.bounds) + 2)


class Gauge(Instrument):
    """What goes up and down, asked for when it is looked at; processes that live are summed."""

    kind = "gauge"

    def __init__(
        self,
        name: str,
        text: str,
        read: Callable[[], Mapping[Labels, float]],
        **labels: Iterable[str],
    ) -> None:
        """`read` returns the value for each combination of label values."""
        self._read = read
        super().__init__(name, text, **labels)

    def snapshot(self) -> dict[str, Any]:
        """Return what `read` says now; nothing, if it cannot say."""
        try:
            cells = [[list(values), [float(value)]] for values, value in self._read().items()]
        except Exception:  # noqa: BLE001 - a figure that cannot be read is missing, no more
            cells = []
        return {"kind": self.kind, "labels": list(self.labels), "cells": cells}


def snapshot() -> dict[str, Any]:
    """Return what this process has counted, by name, as plain values for JSON."""
    return {name: instrument.snapshot() for name, instrument in instruments.items()}
