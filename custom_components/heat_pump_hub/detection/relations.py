"""Conditional expectation: what each signal and each gap should be in this situation.

Windows of five steady minutes. Per context one matrix of moments over features and
signals; every relation is read from it by partition, without the features that its own
signals are part of. River's ``EwaCovariance`` keeps the matrix.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
import math
from typing import Any, Final, Literal

import numpy as np

from . import state
from .arrays import Array, moved, pack, pack_triangle, places, unpack, unpack_triangle
from .basis import (
    DRIVERS,
    FEATURES,
    FLOW,
    OUTDOOR,
    SOURCE,
    Relation,
    columns,
    features,
    quantities_of,
)
from .ceilings import BLOCK, Ceilings
from .monitors import FAST_WARM_UP, SLOW_WARM_UP
from .river_parts import Moments
from .situation import COOLING, DHW, HEATING
from .trails import Trail

CONTEXTS: Final = (HEATING, DHW, COOLING)
WINDOW: Final = 5.0
FAST, SLOW, MULTI = "fast", "slow", "multi"

_MEMORY: Final = 4000
_SPREAD_MEMORY: Final = 2000
_LEAST: Final = 80
"""Windows before a relation is judged."""
_REFIT: Final = 24
_GIVEN_UP: Final = 1500
SLOW_CLIP: Final = 4.0
FAST_CLIP: Final = 25.0
_GATE: Final = 2.5
_STRETCH: Final = 0.08
_SLOW_MINUTES: Final = {HEATING: 600.0, DHW: 125.0, COOLING: 600.0}
_MULTI_BASE: Final = {HEATING: 0.65}
"""Hot water is made in short runs, of which few say little together."""
_FAST_KEEP: Final = 0.55
_HOLD: Final = 15.0
_RELATIVE: Final = {
    "high_pressure": 0.02, "low_pressure": 0.02, "electrical_power": 0.015,
    "thermal_power": 0.015, "cop": 0.015, "flow_rate": 0.01, "fan_speed": 0.03, "expansion_valve_position": 0.012,
    "circulation_pump_speed": 0.03, "supply_current": 0.02,
}  # fmt: skip
_FROST: Final = ("evaporation_temperature", "suction_gas_temperature", "low_pressure")
_FROST_LEAST: Final = 1.5
"""What an air source's evaporator varies by with the weather's humidity, K."""
_FROST_RELATIVE: Final = 0.04
_FROST_POWERS: Final = ("thermal_power", "cop", "electrical_power", "supply_current")
"""What an air source gives and takes varies with its frost by such a share."""
_TIED: Final = 0.1
"""A gap whose parts vary together: the rest is so small a share of the larger variance."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """A relation that deviates."""

    monitor: str
    context: str
    index: int
    ratio: float
    signed: float
    observed: float
    expected: float
    tolerance: float


def _least(relation: Relation) -> float:
    """Return the smallest spread that means anything, in the relation's unit."""
    if "hot_gas" in relation.plus:
        return 0.3
    if relation.plus.endswith("temperature") or relation.plus == "superheat":
        return 0.1
    return 0.02


def _lasting(relation: Relation) -> float:
    """Return the same of what lasts for days, and would be of no interest below."""
    if "dhw_temperature" in relation.signals:
        # Layers in the tank come and go.
        return 0.7
    if "hot_gas" in relation.plus:
        return 0.8
    if relation.plus.endswith("temperature") or relation.plus == "superheat":
        return 0.15
    return 0.02


class Model:
    """The relations of one context."""

    def __init__(self, context: str, relations: Sequence[Relation], signals: Sequence[str]) -> None:
        """Begin with nothing learned."""
        self.context = context
        self.relations = relations
        self.signals = signals
        count, size = len(relations), len(signals)
        position = {key: index for index, key in enumerate(signals)}
        self.parts = np.zeros((count, size))
        for row, relation in enumerate(relations):
            self.parts[row, position[relation.plus]] = 1.0
            if relation.minus is not None:
                self.parts[row, position[relation.minus]] = -1.0
        self._drivers = [position.get(key, -1) for key in DRIVERS]
        self._about = [frozenset(relation.signals) & frozenset(DRIVERS) for relation in relations]
        self._groups = sorted({tuple(sorted(about)) for about in self._about})
        self._rows = [
            np.array([i for i, about in enumerate(self._about) if tuple(sorted(about)) == group])
            for group in self._groups
        ]
        quantities = quantities_of(relations)
        self._order = np.array([row for rows in quantities for row in rows], dtype=np.intp)
        lengths = [len(rows) for rows in quantities]
        self._starts = np.cumsum([0, *lengths[:-1]]).astype(np.intp)
        self._gap = np.array([relation.minus is not None for relation in relations], dtype=bool)
        self._loose = np.array([set(one.signals) == {OUTDOOR, SOURCE} for one in relations], bool)
        self._away = np.array(
            ["dhw_temperature" in one.signals and context != DHW for one in relations], dtype=bool
        )
        self._least: Array = np.array([_least(one) for one in relations])
        self._lasting: Array = np.array([_lasting(one) for one in relations])
        self._powers: Array = np.array([one.plus in _FROST_POWERS for one in relations], dtype=bool)
        self._relative: Array = np.array([_RELATIVE.get(one.plus, 0.0075) for one in relations])
        self._frosts: Array = np.array(
            [one.plus in _FROST or one.minus in _FROST for one in relations]
        )
        self.usable = np.zeros(count, dtype=bool)
        """Which relations may be judged: learned, and tied by physics."""
        self._magnitude = np.abs(self.parts)
        self.moments = Moments(FEATURES + size, _MEMORY)
        self.windows = 0
        self.missing = 0
        """Windows in a row that lacked something long known."""
        self.fitted: frozenset[str] = frozenset()
        """The drivers that the relations were last fitted with."""
        self.presence: Array = np.zeros(len(DRIVERS))
        self.slope: Array = np.zeros((count, FEATURES))
        self.level = np.zeros(count)
        self.seen = np.zeros(count)
        self.spread = np.zeros(count)
        self.fast = np.zeros(count)
        self.slow = np.zeros(count)
        self.hits = np.zeros(count)
        self.range: Array = np.zeros((2, len(DRIVERS)))
        """Lowest and highest of each driver."""
        self.learned = 0.0
        """Minutes, of any context."""
        self.fast_limit = Ceilings((count,), 2.0, 6.0, 14.0)
        self.slow_limit = Ceilings((count,), 2.2, 1.15, 3.0)
        self.multi_limit = Ceilings((1,), 2.0, _MULTI_BASE.get(context, 1.1), 2.6)
        self.multi = 0.0
        self.last: tuple[Array, Array, Array] | None = None
        """Observed, expected and z of the last window that was judged."""
        self.inputs: tuple[Array, list[float]] | None = None
        self.novel = False
        self._width = 1.0
        """What a straight line misses grows with the distance from the middle."""
        self._airy = False
        self.trail = Trail()
        self._whitening: Array | None = None
        self._center: Array = np.zeros(FEATURES)
        self._deviation: Array = np.ones(FEATURES)
        self._columns: list[int] = []

    def window(
        self, mean: Array, minutes: float, since_defrost: float, settling: float, *, learning: bool
    ) -> bool:
        """Take a window's means (NaN: missing); return whether it was judged."""
        there = np.isfinite(mean)
        numbers = mean.tolist()
        drivers = [numbers[i] if i >= 0 else math.nan for i in self._drivers]
        has = np.isfinite(drivers)
        self.presence += (has - self.presence) / min(50, self.windows + 1)
        if (~has & (self.presence > 0.5)).any():
            return False
        if self.windows > 30 and self._present() != self.fitted:
            self._fit_all()
        known = [value if ok else 0.0 for value, ok in zip(drivers, has.tolist(), strict=True)]
        inputs = np.array(features(known, since_defrost, settling))
        vector = np.concatenate((inputs, np.where(there, mean, 0.0)))
        weight = np.concatenate((self._usable(has), there.astype(np.float64)))
        judged = False
        if self.windows >= 30:
            judged = self._judge(
                inputs, np.array(known), mean, there, minutes, vector, learning=learning
            )
            self.inputs = (inputs, [*known, since_defrost, settling])
        if learning and self._complete(weight):
            self.moments.learn(vector, weight)
            self.windows += 1
            turn = self.windows % _REFIT
            if turn == 0:
                self._qualify()
            if self.windows == 30:
                self._fit_all()
            elif self.windows > 30:
                for group in range(turn, len(self._groups), _REFIT):
                    self._fit(group)
        return judged

    def _present(self) -> frozenset[str]:
        shares = self.presence.tolist()
        return frozenset(key for key, share in zip(DRIVERS, shares, strict=True) if share > 0.5)

    def _complete(self, weight: Array) -> bool:
        """Judge whether nothing that was long known is missing; it is given up after days.

        Moments of different times would not fit together.
        """
        lost = (weight == 0) & (self.moments.weights > 0.5)
        if not lost.any():
            self.missing = 0
            return True
        self.missing += 1
        if self.missing < _GIVEN_UP:
            return False
        self.moments.weights[lost] = 0.0
        return True

    def _fit_all(self) -> None:
        self.fitted = self._present()
        self._whitening = None
        for group in range(len(self._groups)):
            self._fit(group)

    def _usable(self, has: Array) -> Array:
        present = frozenset(key for key, ok in zip(DRIVERS, has.tolist(), strict=True) if ok)
        found = np.zeros(FEATURES)
        found[columns(frozenset(), present)] = 1.0
        found[columns(frozenset((FLOW,)), present)] = 1.0
        return found

    def _fit(self, group: int) -> None:
        about = frozenset(self._groups[group])
        rows = self._rows[group]
        use = columns(about, self._present())
        mean, second = self.moments.raw
        weights = np.maximum(self.moments.weights, 1e-9)
        mean = mean / weights
        mean_y = self.parts[rows] @ mean[FEATURES:]
        x = np.array(use)
        cov = second[np.ix_(x, x)] / np.minimum.outer(weights[x], weights[x])
        cov = cov - np.outer(mean[x], mean[x])
        scale = np.sqrt(np.maximum(np.diag(cov), 1e-12))
        alive = scale > 1e-4
        x, scale, cov = x[alive], scale[alive], cov[np.ix_(alive, alive)]
        cross = second[x][:, FEATURES:] / np.minimum.outer(weights[x], weights[FEATURES:])
        cross = cross - np.outer(mean[x], mean[FEATURES:])
        matrix = cov / np.outer(scale, scale)
        matrix[np.diag_indices_from(matrix)] += 3e-4 + 3.0 / self.moments.n
        inverse = np.linalg.inv(matrix)
        beta = (inverse @ (cross / scale[:, None])) / scale[:, None]
        slope = np.zeros((len(rows), FEATURES))
        slope[:, x] = self.parts[rows] @ beta.T
        self.slope[rows] = slope
        self.level[rows] = mean_y - slope @ mean[:FEATURES]

    def _outside(self, known: Array, *, learning: bool) -> bool:
        """Judge whether a driver is beyond the range that was lived in for hours."""
        here = np.where(self.presence > 0.5, known, 0.0)
        low, high = self.range
        if self.windows <= 30:
            low, high = here, here
        below, above = np.minimum(here - low, 0.0), np.maximum(here - high, 0.0)
        if learning:
            self.range = np.stack((low + _STRETCH * below, high + _STRETCH * above))
        margin = 0.03 * (high - low) + 0.2
        return bool((-below > margin).any() or (above > margin).any())

    def _novel(self, inputs: Array, known: Array, *, learning: bool) -> bool:
        """Judge whether the situation is outside what was learned, and how far from its middle."""
        if self._whitening is None or self.windows % _REFIT == 0:
            use = np.array(columns(frozenset(), self._present()))
            mean, second = self.moments.raw
            weights = np.maximum(self.moments.weights, 1e-9)
            center = (mean / weights)[use]
            cov = second[np.ix_(use, use)] / np.minimum.outer(weights[use], weights[use])
            cov = cov - np.outer(center, center)
            scale = np.sqrt(np.maximum(np.diag(cov), 1e-4))
            matrix = cov / np.outer(scale, scale)
            matrix[np.diag_indices_from(matrix)] += 1e-3 + 1.0 / self.moments.n
            self._whitening = np.linalg.inv(matrix)
            self._center, self._deviation, self._columns = center, scale, use.tolist()
        outside = self._outside(known, learning=learning)
        x = (inputs[self._columns] - self._center) / self._deviation
        leverage = float(x @ self._whitening @ x)
        self._width = max(1.0, leverage / len(self._columns))
        return outside or self._width > _GATE

    def _judge(
        self, inputs: Array, known: Array, mean: Array, there: Array, minutes: float,
        vector: Array, *, learning: bool,
    ) -> bool:  # fmt: skip
        values = np.where(there, mean, 0.0)
        whole = (self._magnitude @ (1.0 - there)) == 0
        observed = self.parts @ values
        expected = self.level + self.slope @ inputs
        residual = np.where(whole, observed - expected, 0.0)
        spread = self.scale(expected)
        self.novel = self._novel(inputs, known, learning=learning)
        z = residual / (spread * self._width)
        mature = self.seen >= _LEAST
        lasting = residual / (np.maximum(spread, self._lasting) * self._width)
        clipped = np.clip(lasting, -SLOW_CLIP, SLOW_CLIP)
        if learning:
            self.seen += whole
            gain = 1.0 / np.clip(self.seen, 1.0, _SPREAD_MEMORY)
            size = np.where(
                mature, np.minimum(np.abs(residual), SLOW_CLIP * spread), np.abs(residual)
            )
            self.spread += np.where(whole, gain * (1.2533 * size - self.spread), 0.0)
            # A value far off teaches no more than one at the edge of the usual.
            alone = mature & whole
            for row in np.flatnonzero(alone & (np.abs(z) > SLOW_CLIP)).tolist():
                relation = self.relations[row]
                if relation.minus is None:
                    index = FEATURES + self.signals.index(relation.plus)
                    vector[index] = expected[row] + SLOW_CLIP * np.sign(z[row]) * spread[row]
        if self.novel:
            return False
        use = whole & mature
        steps = minutes / WINDOW
        keep = _FAST_KEEP**steps
        self.fast = np.where(
            use, keep * self.fast + (1 - keep) * np.clip(z, -FAST_CLIP, FAST_CLIP), self.fast
        )
        part = 1.0 - np.exp(-minutes / _SLOW_MINUTES[self.context])
        self.slow = np.where(use, self.slow + part * (clipped - self.slow), self.slow)
        over = np.abs(self.fast) >= self.fast_limit.threshold
        self.hits = np.where(over, self.hits + minutes, 0.0)
        self.last = (observed, expected, z)
        size = np.where(self.usable, np.abs(self.slow), 0.0)
        order = np.sort(np.maximum.reduceat(size[self._order], self._starts))[::-1]
        self.multi = float(order[1:4].mean()) if len(order) >= 4 else 0.0
        if learning:
            self.fast_limit.learn(np.where(use, np.abs(self.fast), 0.0), 0.0)
            self.slow_limit.learn(np.where(use, np.abs(self.slow), 0.0), 0.0)
            self.multi_limit.learn(np.array([self.multi]), 0.0)
        return True

    def defrosts(self) -> None:
        """Take note that the source is air: frost comes and goes unseen."""
        if self._airy:
            return
        self._airy = True
        self._least = np.where(self._frosts, np.maximum(self._least, _FROST_LEAST), self._least)
        self._relative = np.where(
            self._powers, np.maximum(self._relative, _FROST_RELATIVE), self._relative
        )

    def scale(self, expected: Array, *, lasting: bool = False) -> Array:
        """Return what counts as one: the usual spread, or the least that means anything."""
        least: Array = np.maximum(self._least, self._relative * np.abs(expected))
        if lasting:
            least = np.maximum(least, self._lasting)
        return np.maximum(self.spread, least)

    def remember(self, time: datetime) -> None:
        """Keep the last window for plots."""
        if self.last is not None:
            observed, expected, _ = self.last
            tolerance = self.slow_limit.threshold * self.scale(expected, lasting=True)
            self.trail.add(time, observed, expected, tolerance)

    def age(self, minutes: float) -> None:
        """Let the thresholds age by minutes learned in any context."""
        self.learned += minutes
        for limit in self._limits:
            limit.learn(limit.blocks[0], minutes)

    def deviations(self) -> Iterable[Deviation]:
        """Yield what deviates, with ratios to the thresholds."""
        if self.last is None or self.learned < FAST_WARM_UP:
            return
        observed, expected, _ = self.last
        usable = self.usable
        spread = self.scale(expected)
        fast = np.where(usable, np.abs(self.fast) / self.fast_limit.threshold, 0.0)
        fast = np.where(self.hits >= _HOLD, fast, np.minimum(fast, 0.99))
        silent = self.slow_limit.top > 2.6
        slow = np.where(usable & ~silent, np.abs(self.slow) / self.slow_limit.threshold, 0.0)
        multi = self.multi / float(self.multi_limit.threshold[0])
        if self.learned < SLOW_WARM_UP:
            slow[:] = 0.0
            multi = 0.0
        lasting = np.maximum(spread, self._lasting)
        for monitor, ratios, signed, limit, unit in (
            (FAST, fast, self.fast, self.fast_limit, spread),
            (SLOW, slow, self.slow, self.slow_limit, lasting),
        ):
            for row in np.flatnonzero(ratios >= 0.5).tolist():
                yield Deviation(
                    monitor, self.context, row, float(ratios[row]), float(signed[row]),
                    float(observed[row]), float(expected[row]),
                    float(limit.threshold[row] * unit[row]),
                )  # fmt: skip
        if multi >= 0.5:
            rows = np.argsort(np.where(usable, -np.abs(self.slow), 0.0))
            row = int(rows[0])
            yield Deviation(
                MULTI, self.context, row, multi, self.multi, float(observed[row]),
                float(expected[row]), float(self.multi_limit.threshold[0] * lasting[row]),
            )  # fmt: skip

    def forget(self, monitor: str, name: str, *, accept: bool) -> None:
        """Start a statistic anew, after counting it as normal if ``accept``."""
        rows = [row for row, one in enumerate(self.relations) if one.name == name]
        if monitor == MULTI:
            if accept:
                self.multi_limit.accept(0, self.multi)
            self.slow[:] = 0.0
            self.multi = 0.0
        for row in rows:
            if accept:
                self.fast_limit.accept(row, abs(float(self.fast[row])))
                self.slow_limit.accept(row, abs(float(self.slow[row])))
            self.fast[row] = self.slow[row] = self.hits[row] = 0.0

    def _qualify(self) -> None:
        """Find out which relations explain enough of their signals to mean something."""
        mean, second = self.moments.raw
        weights = np.maximum(self.moments.weights[FEATURES:], 1e-9)
        mean = mean[FEATURES:] / weights
        variance = np.diag(second)[FEATURES:] / weights - mean * mean
        largest = (self._magnitude * variance).max(axis=1, initial=0.0)
        tied = ~self._loose | (self.spread**2 < _TIED * largest)
        self.usable = ~self._away & tied & (self.seen >= 2 * _LEAST)

    @property
    def source_kind(self) -> Literal["air", "ground"] | None:
        """Whether the source's temperature follows the weather; ``None`` if nothing says."""
        places = [self.signals.index(key) for key in (OUTDOOR, SOURCE) if key in self.signals]
        if len(places) < 2:
            return None
        rows = np.array([FEATURES + place for place in places])
        mean, second = self.moments.raw
        weights = self.moments.weights[rows]
        if (weights < 0.5).any():
            return None
        cov = second[np.ix_(rows, rows)] / weights.min()
        cov = cov - np.outer(mean[rows] / weights, mean[rows] / weights)
        if cov[0, 0] < 4.0:
            return None
        return "air" if cov[0, 1] > 0.5 * cov[0, 0] else "ground"

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs."""
        mean, second = self.moments.raw
        count = len(self.relations)
        part: dict[str, Any] = {
            "relations": [relation.name for relation in self.relations],
            "signals": list(self.signals),
            "windows": self.windows,
            "learned": self.learned,
            "elapsed": self.fast_limit.elapsed,
        }
        if not self.windows:
            return part
        inputs, known = self.inputs or (np.zeros(FEATURES), [0.0] * (len(DRIVERS) + 2))
        last = self.last or (np.zeros(count),) * 3
        return {
            **part,
            "n": self.moments.n,
            "weights": pack(self.moments.weights),
            "mean": pack(mean),
            "second": pack_triangle(second),
            "presence": pack(self.presence),
            "missing": self.missing,
            "fitted": sorted(self.fitted),
            "range": pack(self.range),
            "slope": pack(self.slope),
            "numbers": pack(np.stack([getattr(self, name) for name in _VECTORS])),
            "limits": [limit.to_json() for limit in self._limits],
            "multi": self.multi,
            "inputs": None if self.inputs is None else [inputs.tolist(), list(known)],
            "last": None if self.last is None else pack(np.stack(last)),
            "novel": self.novel,
            "usable": pack(self.usable.astype(np.float64)),
            "gate": None if self._whitening is None else {
                "columns": list(self._columns), "center": pack(self._center),
                "deviation": pack(self._deviation), "whitening": pack(self._whitening),
            },
        }  # fmt: skip

    @property
    def _limits(self) -> tuple[Ceilings, Ceilings, Ceilings]:
        return self.fast_limit, self.slow_limit, self.multi_limit

    def restore(self, part: Mapping[str, Any], changed: frozenset[str] = frozenset()) -> None:
        """Take over a saved part, save of signals that are new or ``changed``.

        Raises :class:`~.state.DamagedError`.
        """
        names = [relation.name for relation in self.relations]
        lost = frozenset(one.name for one in self.relations if changed.intersection(one.signals))
        at = places(part.get("relations"), names, lost)
        place = places(part.get("signals"), self.signals, changed)
        if place is not None and at is None:
            at = np.arange(len(names))
        windows = state.whole(part, "windows")
        elapsed = state.number(part, "elapsed")
        learned = state.number(part, "learned")
        if not 0 <= elapsed < BLOCK:
            raise state.DamagedError("elapsed")
        if not windows:
            self.learned = learned
            for limit in self._limits:
                limit.elapsed = elapsed
            return
        count, size = len(part["relations"]), FEATURES + len(part["signals"])
        n = state.whole(part, "n", 0, _MEMORY)
        if place is not None:
            place = np.concatenate((np.arange(FEATURES), np.where(place < 0, -1, place + FEATURES)))
        weights = moved(unpack(part, "weights", (size,)), place)
        mean = moved(unpack(part, "mean", (size,)), place)
        second = moved(moved(unpack_triangle(part, "second", size), place, 0), place, 1)
        presence = unpack(part, "presence", (len(DRIVERS),))
        missing = state.whole(part, "missing")
        fitted = part.get("fitted")
        if not isinstance(fitted, list) or not set(DRIVERS).issuperset(map(str, fitted)):
            raise state.DamagedError("fitted")
        span = unpack(part, "range", (2, len(DRIVERS)))
        slope = moved(unpack(part, "slope", (count, FEATURES)), at, 0)
        vectors = moved(unpack(part, "numbers", (len(_VECTORS), count)), at)
        multi = state.number(part, "multi")
        limits = part.get("limits")
        if not isinstance(limits, list) or len(limits) != len(self._limits):
            raise state.DamagedError("limits")
        for limit, saved in zip(self._limits, limits, strict=True):
            limit.restore(saved, None if limit is self.multi_limit else at)
        inputs = part.get("inputs")
        if inputs is not None:
            if not isinstance(inputs, list) or len(inputs) != 2:
                raise state.DamagedError("inputs")
            first = state.numbers({"inputs": inputs[0]}, "inputs", (FEATURES,))
            known = state.numbers({"inputs": inputs[1]}, "inputs", (len(DRIVERS) + 2,))
            self.inputs = (np.array(first), known)
        if part.get("last") is not None:
            observed, expected, z = moved(unpack(part, "last", (3, count)), at)
            self.last = (observed, expected, z)
        gate = part.get("gate")
        if isinstance(gate, Mapping):
            chosen = gate.get("columns")
            if not isinstance(chosen, list) or not all(
                type(one) is int and 0 <= one < FEATURES for one in chosen
            ):
                raise state.DamagedError("gate")
            self._columns = chosen
            self._center = unpack(gate, "center", (len(chosen),))
            self._deviation = unpack(gate, "deviation", (len(chosen),))
            self._whitening = unpack(gate, "whitening", (len(chosen), len(chosen)))
        self.novel = state.flag(part, "novel")
        self.missing, self.fitted = missing, frozenset(map(str, fitted))
        self.usable = moved(unpack(part, "usable", (count,)), at) != 0
        self.moments.restore(n, weights, mean, second)
        self.windows, self.presence, self.slope, self.range = windows, presence, slope, span
        for name, vector in zip(_VECTORS, vectors, strict=True):
            setattr(self, name, vector)
        self.multi, self.learned = multi, learned
        if at is not None:
            # New relations are fitted with the next windows.
            self.fitted = frozenset()


_VECTORS: Final = ("level", "seen", "spread", "fast", "slow", "hits")
