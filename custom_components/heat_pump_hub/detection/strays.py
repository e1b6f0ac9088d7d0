"""Signals that nothing is known about: a brand's own, and what no relation explains.

Such a signal is only expected to stay near the range in which it ever was. What lies
beyond, in standard deviations, is judged by the largest such step of its normal life:
a slow drift is learned, a value that goes where it never was is told.
"""

from collections.abc import Mapping, Sequence
import re
from typing import Any, Final

import numpy as np

from ..drivers.points import is_canonical_key
from . import state
from .arrays import Array, moved, pack, places, unpack
from .ceilings import Ceilings
from .monitors import GENERIC_WARM_UP
from .signals import Role, Signal, role_of

GENERIC: Final = "generic"
_READ: Final = 5.0
_READINGS: Final = 3
"""Readings, minutes apart, that make a window."""
_HELD: Final = 2
"""Windows in a row that must be outside."""
_LEAST: Final = 96
_QUANTA: Final = 2.0
"""What moves by fewer of its smallest steps has not moved."""
_NOT: Final = re.compile(r"room|outdoor|humidity|average|voltage|demand|request|energy|price")
"""Weather, people and the grid go where they like."""


def goes_anywhere(key: str) -> bool:
    """Whether a signal is of the weather, of people or of the grid."""
    return bool(_NOT.search(key))


def strays_of(signals: Sequence[Signal], related: frozenset[str]) -> list[int]:
    """Return the places of the analog signals that nothing else expects anything of."""
    return [
        place
        for place, signal in enumerate(signals)
        if signal.key not in related
        and not goes_anywhere(signal.key)
        and (
            role_of(signal) is not Role.PASSIVE
            or not signal.unit
            or not is_canonical_key(signal.key)
        )
    ]


class Strays:
    """The ranges of such signals."""

    def __init__(self, keys: Sequence[str], columns: Sequence[int]) -> None:
        """Begin with nothing learned; ``columns`` are their places in a sample."""
        self.keys = tuple(keys)
        size = len(self.keys)
        self._columns = np.array(columns, dtype=np.intp)
        self.low: Array = np.full(size, np.inf)
        self.high: Array = np.full(size, -np.inf)
        self.moments: Array = np.zeros((3, size))
        """Count, mean, and sum of squared deviations."""
        self.finest: Array = np.full(size, np.inf)
        """The smallest step between two readings: what the signal resolves."""
        self.fell: Array = np.zeros(size)
        """Whether it ever fell: what only grows is a counter, whatever it is called."""
        self._before: Array = np.full(size, np.nan)
        self.limit = Ceilings((size,), 2.0, 2.0, 8.0)
        self.held: Array = np.zeros(size)
        self.learned = 0.0
        self._sum: Array = np.zeros(size)
        self._readings = 0
        self._minutes = 0.0
        self._window = 0.0

    def observe(
        self, sample: Array, minutes: float, *, learning: bool
    ) -> list[tuple[int, float, float, float, float]]:
        """Take a sample; return place, ratio, observed, expected and tolerance of what strays."""
        self._minutes += minutes
        if self._minutes < _READ or not self.keys:
            return []
        self._window += self._minutes
        self._minutes = 0.0
        reading = sample[self._columns]
        step = reading - self._before
        self.fell = np.maximum(self.fell, step < 0)
        step = np.abs(step)
        self.finest = np.fmin(self.finest, np.where(step > 1e-9, step, np.inf))
        self._before = reading
        self._sum += reading
        self._readings += 1
        if self._readings < _READINGS:
            return []
        value, window = self._sum / self._readings, min(self._window, 60.0)
        self._sum, self._readings, self._window = np.zeros(len(self.keys)), 0, 0.0
        return self._judge(value, window, learning=learning)

    def interrupt(self) -> None:
        """Forget the window that is open."""
        self._before = np.full(len(self.keys), np.nan)
        self._sum, self._readings = np.zeros(len(self.keys)), 0
        self._minutes = self._window = 0.0

    def _judge(
        self, value: Array, minutes: float, *, learning: bool
    ) -> list[tuple[int, float, float, float, float]]:
        there = np.isfinite(value)
        value = np.where(there, value, 0.0)
        count, mean, squares = self.moments
        spread = np.sqrt(squares / np.maximum(count, 1.0)) + 1e-9
        resolved = np.isfinite(self.finest)
        spread = np.maximum(spread, np.where(resolved, _QUANTA * self.finest, 0.0))
        known = there & (count >= _LEAST) & (squares > 0.0) & resolved & (self.fell > 0)
        beyond = np.where(known, np.maximum(value - self.high, self.low - value), 0.0)
        away = np.maximum(beyond, 0.0) / spread
        ratio = away / self.limit.threshold
        self.held = np.where(there, np.where(ratio >= 1.0, self.held + 1.0, 0.0), self.held)
        found = []
        if self.learned >= GENERIC_WARM_UP:
            for place in np.flatnonzero(ratio >= 0.5).tolist():
                near = self.high[place] if value[place] > self.high[place] else self.low[place]
                certain = float(ratio[place])
                if self.held[place] < _HELD:
                    certain = min(certain, 0.99)
                found.append(
                    (
                        place, certain, float(value[place]), float(near),
                        float(self.limit.threshold[place] * spread[place]),
                    )
                )  # fmt: skip
        if learning:
            self.learned += minutes
            self.limit.learn(np.where(known, away, 0.0), minutes)
            # What is about to be told is not learned before it is told.
            take = there & ((ratio < 1.0) | (self.learned < GENERIC_WARM_UP))
            self.low = np.where(take, np.minimum(self.low, value), self.low)
            self.high = np.where(take, np.maximum(self.high, value), self.high)
            count = count + take
            step = np.where(take, value - mean, 0.0)
            mean = mean + step / np.maximum(count, 1.0)
            squares = squares + step * np.where(take, value - mean, 0.0)
            self.moments = np.stack((count, mean, squares))
        return found

    def accept(self, key: str, value: float) -> None:
        """Count a value as normal, as the owner says."""
        if key in self.keys:
            place = self.keys.index(key)
            self.low[place] = min(self.low[place], value)
            self.high[place] = max(self.high[place], value)
            self.held[place] = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs."""
        seen = np.isfinite(self.low)
        range_ = np.stack((np.where(seen, self.low, 0.0), np.where(seen, self.high, 0.0)))
        there = np.isfinite(self._sum)
        last = np.stack((self.finest, self._before))
        return {
            "keys": list(self.keys),
            "seen": pack(seen.astype(np.float64)),
            "range": pack(range_),
            "moments": pack(self.moments),
            "limit": self.limit.to_json(),
            "held": pack(self.held),
            "fell": pack(self.fell),
            "last": pack(np.where(np.isfinite(last), last, -1e9)),
            "sum": pack(np.where(there, self._sum, 0.0)),
            "there": pack(there.astype(np.float64)),
            "numbers": [self.learned, self._minutes, self._window, float(self._readings)],
        }

    def restore(self, part: Mapping[str, Any], changed: frozenset[str] = frozenset()) -> None:
        """Take over a saved part, save of signals that are new or ``changed``.

        Raises :class:`~.state.DamagedError`.
        """
        at = places(part.get("keys"), self.keys, changed)
        size = len(part["keys"])
        seen = moved(unpack(part, "seen", (size,)), at) != 0
        low, high = moved(unpack(part, "range", (2, size)), at)
        moments = moved(unpack(part, "moments", (3, size)), at)
        held = moved(unpack(part, "held", (size,)), at)
        fell = moved(unpack(part, "fell", (size,)), at)
        last = moved(unpack(part, "last", (2, size)), at, fill=-1e9)
        there = moved(unpack(part, "there", (size,)), at) != 0
        total = np.where(there, moved(unpack(part, "sum", (size,)), at), np.nan)
        learned, minutes, window, readings = state.numbers(part, "numbers", (4,))
        if (moments[[0, 2]] < 0).any() or not 0 <= readings < _READINGS:
            raise state.DamagedError("moments")
        self.limit.restore(part.get("limit"), at)
        self.low, self.high = np.where(seen, low, np.inf), np.where(seen, high, -np.inf)
        self.moments, self.held, self.fell, self._sum = moments, held, fell, total
        self.finest = np.where(last[0] == -1e9, np.inf, last[0])
        self._before = np.where(last[1] == -1e9, np.nan, last[1])
        self.learned, self._minutes, self._window = learned, minutes, window
        self._readings = int(readings)
