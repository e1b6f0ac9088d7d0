"""What an air source gives just after a defrost, when there is no frost that could vary.

Frost moves evaporation and power by far more than a filter that begins to clog, and nobody
sees how much of it there is. In the minutes after a defrost there is none: five of them are
held against those after the defrosts before, at like source, water and speed. A coil that
ice or leaves block boils colder, gives less and cools its air further, at once and by all
that speaks of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import math
from typing import Any, Final

import numpy as np

from . import state
from .arrays import Array, Flags, pack, pack_triangle, unpack, unpack_triangle
from .basis import FLOW, FREQUENCY, SOURCE
from .ceilings import Ceilings
from .river_parts import Moments
from .situation import HEATING, Situation

THAWED: Final = "thawed:"
"""The key of its alarm."""
_FROM, _UNTIL = 4.0, 10.5
"""Minutes after a defrost: pressures have settled by then, and frost is yet to come."""
_FROM_SELDOM: Final = 8.0
"""The same where samples tell only roughly when a defrost ended."""
_WINDOW: Final = 5.0
_LIKE: Final = (SOURCE, FLOW, FREQUENCY)
_FEATURES: Final = 7
_WITNESSES: Final = (
    # Minuend, subtrahend, sign, least spread, and that as a share.
    (SOURCE, "evaporation_temperature", 1.0, 0.1, 0.0),
    (SOURCE, "suction_gas_temperature", 1.0, 0.15, 0.0),
    (SOURCE, "source_outlet_temperature", 1.0, 0.1, 0.0),
    ("thermal_power", None, -1.0, 50.0, 0.015),
)
WITNESSES: Final[tuple[tuple[str, ...], ...]] = tuple(
    (plus,) if minus is None else (plus, minus) for plus, minus, *_ in _WITNESSES
)
"""The signals of each witness."""
_COUNT: Final = len(_WITNESSES)
_SIGNS: Final = np.array([one[2] for one in _WITNESSES])
_LEAST: Final = np.array([one[3] for one in _WITNESSES])
_SHARE: Final = np.array([one[4] for one in _WITNESSES])
_MEMORY: Final = 400
"""Defrosts that are remembered: a month of winter."""
_SPREAD_MEMORY: Final = 100
_NEEDED: Final = 30
_CLIP: Final = 4.0
_KEEP: Final = 0.5
_AGING: Final = 60.0
_STALE: Final = 1440.0
"""Minutes after which an earlier defrost says nothing of the present."""
_GATE: Final = 2.5
_MARGIN, _BASE, _CAP = 1.7, 2.0, 6.0
_FEW: Final = 5.0
"""Defrosts learned, at which the last ones must deviate by twice as much."""
_AGREED: Final = 3.0
"""What all say counts at most so many times what they say without the loudest."""
_SAID: Final = 1.0


@dataclass(frozen=True, slots=True)
class Thaw:
    """A defrost after which was looked: the ratio, who says so, and the first witness's numbers."""

    ratio: float
    signals: tuple[str, ...]
    observed: float
    expected: float
    tolerance: float


class Thawed:
    """Moments of what defrosts leave, and how far the last ones are from them."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Begin with nothing learned; ``keys`` are those of the arrays to come."""
        place = {key: index for index, key in enumerate(keys)}
        self._like = [place.get(key, -1) for key in _LIKE]
        self._pairs = [
            (place.get(plus, -1), None if minus is None else place.get(minus, -1))
            for plus, minus, *_ in _WITNESSES
        ]
        self.moments = Moments(_FEATURES + _COUNT, _MEMORY)
        self.spread: Array = np.zeros(_COUNT)
        self.seen: Array = np.zeros(_COUNT)
        self.lasting: Array = np.zeros(_COUNT)
        self.limit = Ceilings((1,), _MARGIN, np.array([_BASE]), _CAP)
        self.value = 0.0
        self.since = 0.0
        """Minutes since a defrost was judged."""
        self.aged = 0.0
        self._clear()

    def _clear(self) -> None:
        self.minutes = 0.0
        self.sums = [0.0] * (2 * (len(_LIKE) + _COUNT))

    def interrupt(self) -> None:
        """Forget the minutes that are being looked at."""
        self._clear()

    def observe(
        self, array: Array, situation: Situation, minutes: float, *, learning: bool
    ) -> Thaw | None:
        """Take a sample (NaN: missing); return what was judged."""
        self.since += minutes
        if learning:
            self.aged += minutes
            if self.aged >= _AGING:
                self.limit.learn(self.limit.blocks[0], self.aged)
                self.aged = 0.0
        if (
            situation.since_defrost > _UNTIL
            or situation.since_defrost < (_FROM_SELDOM if situation.seldom else _FROM)
            or situation.mode != HEATING
            or situation.heater
        ):
            if self.minutes:
                self._clear()
            return None
        found = [float(array[place]) if place >= 0 else math.nan for place in self._like]
        for plus, minus in self._pairs:
            value = float(array[plus]) if plus >= 0 else math.nan
            if minus is not None:
                value -= float(array[minus]) if minus >= 0 else math.nan
            found.append(value)
        for place, value in enumerate(found):
            if math.isfinite(value):
                self.sums[2 * place] += value
                self.sums[2 * place + 1] += 1.0
        self.minutes += minutes
        if self.minutes < _WINDOW - 0.01:
            return None
        pairs = np.array(self.sums).reshape(-1, 2)
        self._clear()
        there = pairs[:, 1] > 0
        means = np.where(there, pairs[:, 0] / np.maximum(pairs[:, 1], 1.0), 0.0)
        if not there[:2].all():
            return None
        return self._judge(means, there, learning=learning)

    def _judge(self, means: Array, there: Flags, *, learning: bool) -> Thaw | None:
        source, water, speed = means[:3].tolist()
        s, w = source / 10.0, (water - 35.0) / 10.0
        f = speed / 30.0 - 1.5 if there[2] else 0.0
        features: Array = np.array([s, s * s, w, s * w, f, f * f, f * s])
        targets, whole = means[3:], there[3:]
        thaw = None
        if self.moments.n >= _NEEDED:
            thaw = self._compare(features, targets, whole, learning=learning)
        if learning:
            weight = np.concatenate((np.ones(_FEATURES), whole.astype(np.float64)))
            self.moments.learn(np.concatenate((features, targets)), weight)
        return thaw

    def _compare(
        self, features: Array, targets: Array, whole: Flags, *, learning: bool
    ) -> Thaw | None:
        mean, second = self.moments.raw
        weights = np.maximum(self.moments.weights, 1e-9)
        middle = mean / weights
        cov = second / np.minimum.outer(weights, weights) - np.outer(middle, middle)
        deviation = np.sqrt(np.maximum(np.diag(cov)[:_FEATURES], 1e-4))
        matrix = cov[:_FEATURES, :_FEATURES] / np.outer(deviation, deviation)
        matrix[np.diag_indices_from(matrix)] += 3e-4 + 0.1 / self.moments.n
        inverse = np.linalg.inv(matrix)
        x = (features - middle[:_FEATURES]) / deviation
        slope = (cov[_FEATURES:, :_FEATURES] / deviation) @ inverse
        expected = middle[_FEATURES:] + slope @ x
        observed = targets.copy()
        residual = np.where(whole, observed - expected, 0.0)
        width = max(1.0, float(x @ inverse @ x) / _FEATURES)
        unit = np.maximum(self.spread, np.maximum(_LEAST, _SHARE * np.abs(expected)))
        mature = self.seen >= _NEEDED
        if learning:
            self.seen += whole
            gain = 1.0 / np.clip(self.seen, 1.0, _SPREAD_MEMORY)
            size = np.abs(residual)
            size = np.where(mature, np.minimum(size, _CLIP * unit), size)
            self.spread += np.where(whole, gain * (1.2533 * size - self.spread), 0.0)
            # What is far off teaches no more than what is at the edge of the usual.
            edge = np.clip(residual, -_CLIP * unit, _CLIP * unit)
            targets[mature & whole] = (expected + edge)[mature & whole]
        if width > _GATE:
            return None
        use = whole & mature
        if self.since > _STALE:
            self.lasting[:] = 0.0
        self.since = 0.0
        z = np.clip(_SIGNS * residual / (unit * width), -_CLIP, _CLIP)
        self.lasting = np.where(use, self.lasting + (1.0 - _KEEP) * (z - self.lasting), 0.0)
        count = int(use.sum())
        if not count:
            return None
        total = float(self.lasting.sum())
        if count > 1:
            # One that speaks alone may be a sensor.
            total = min(total, _AGREED * (total - float(self.lasting.max())))
        self.value = max(0.0, total / count**0.5)
        if learning:
            self.limit.learn(np.array([self.value]), 0.0)
        if not self.limit.known:
            return None
        few = 1.0 + _FEW / float(self.seen.max())
        threshold = few * float(self.limit.threshold[0])
        ratio = self.value / threshold
        first = int(use.argmax())
        said = [place for place in range(_COUNT) if self.lasting[place] >= _SAID]
        keys = (key for place in said or (first,) for key in WITNESSES[place])
        return Thaw(
            ratio, tuple(dict.fromkeys(keys)), float(observed[first]), float(expected[first]),
            float(unit[first] * width) * threshold / count**0.5,
        )  # fmt: skip

    def accept(self) -> None:
        """Count what was seen last as normal, and a little more, as the owner says."""
        self.limit.accept(0, 1.2 * self.value)

    def forget(self) -> None:
        """Start anew what adds up."""
        self.lasting[:] = 0.0
        self.value = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs."""
        mean, second = self.moments.raw
        return {
            "n": self.moments.n,
            "weights": pack(self.moments.weights),
            "mean": pack(mean) if self.moments.n else "",
            "second": pack_triangle(second) if self.moments.n else "",
            "numbers": pack(np.stack([self.spread, self.seen, self.lasting])),
            "limit": self.limit.to_json(),
            "times": [self.value, self.since, self.aged, self.minutes],
            "sums": list(self.sums),
        }

    def restore(self, part: Mapping[str, Any]) -> None:
        """Take over a saved part; raises :class:`~.state.DamagedError`."""
        size = _FEATURES + _COUNT
        n = state.whole(part, "n", 0, _MEMORY)
        weights = unpack(part, "weights", (size,))
        numbers = unpack(part, "numbers", (3, _COUNT))
        times = state.numbers(part, "times", (4,))
        sums = state.numbers(part, "sums", (len(self.sums),))
        if min(times) < 0 or (numbers[:2] < 0).any():
            raise state.DamagedError("thawed")
        if n:
            mean = unpack(part, "mean", (size,))
            second = unpack_triangle(part, "second", size)
        self.limit.restore(part.get("limit"))
        if n:
            self.moments.restore(n, weights, mean, second)
        self.spread, self.seen, self.lasting = numbers
        self.value, self.since, self.aged, self.minutes = times
        self.sums = sums
