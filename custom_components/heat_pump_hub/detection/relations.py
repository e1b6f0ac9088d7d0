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
    GIVEN,
    OUTDOOR,
    SOURCE,
    Relation,
    columns,
    features,
    quantities_of,
)
from .causes import TOLD, together
from .ceilings import BLOCK, Ceilings
from .errors import Errors
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
_FEW, _FEW_SLOW = 120.0, 40.0
"""Windows learned, at which what lasts for hours, or for a day, must deviate by twice as much."""
SLOW_CLIP: Final = 4.0
FAST_CLIP: Final = 25.0
_GATE: Final = 2.5
_STRETCH: Final = 0.08
_SLOW_MINUTES: Final = {HEATING: 600.0, DHW: 125.0, COOLING: 600.0}
_MID_MINUTES: Final = {HEATING: 150.0, DHW: 50.0, COOLING: 150.0}
_QUICK_MINUTES: Final = {HEATING: 30.0, DHW: 30.0, COOLING: 30.0}
_BASE: Final = {HEATING: (1.0, 1.4)}
_BASE_ELSE: Final = (1.15, 2.0)
_MULTI_BASE: Final = {HEATING: 0.8}
"""Hot water is made in short runs, of which few say little together."""
_MULTI_BASE_ELSE: Final = 1.2
_CAUSE_BASE: Final = {HEATING: (0.75, 1.05)}
_CAUSE_BASE_ELSE: Final = (1.2, 1.5)
_ERROR_BASE: Final = {HEATING: 1.0}
_ERROR_BASE_ELSE: Final = 1.2
"""In standard deviations of what is usual of all relations together."""
_SOLVED: Final = 21
"""At which window of each :data:`_REFIT`: when little else is worked out."""
_QUICK: Final = "icing"
"""The cause of :data:`TOLD` that may grow within hours."""
_QUICK_BASE: Final = {HEATING: 1.1}
_QUICK_BASE_ELSE: Final = 1.35
_FROSTY: Final = 2.0
"""How much more it takes where frost comes and goes, of which :mod:`.thawed` knows more."""
_KIND_KNOWN: Final = 300
"""Windows after which it shows what heat is taken from."""
_QUICK_CAP: Final = 4.0
_AGREED: Final = 3.0
"""What all say counts at most so many times what they say without the loudest: that may be a sensor."""
_FAST_KEEP: Final = 0.55
_HOLD: Final = 15.0
_RELATIVE: Final = {
    "high_pressure": 0.02, "low_pressure": 0.02, "electrical_power": 0.015,
    "thermal_power": 0.015, "cop": 0.015, "flow_rate": 0.01, "fan_speed": 0.03, "expansion_valve_position": 0.012,
    "circulation_pump_speed": 0.03, "supply_current": 0.02,
}  # fmt: skip
_VALVE_LASTING: Final = 0.006
"""A valve is where it is told to be; what lasts is of interest from so small a share on."""
_FROST: Final = ("evaporation_temperature", "suction_gas_temperature")
_FROST_LEAST, _FROST_LASTING = 1.5, 0.8
"""What an air source's evaporator varies by with the weather's humidity, K."""
_FROST_RELATIVE = 0.04
_FROST_POWERS: Final = (
    "thermal_power", "cop", "electrical_power", "supply_current", "low_pressure",
)  # fmt: skip
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
    rows: tuple[int, ...] = ()
    """Of several together: which, strongest first."""
    cause: str = ""
    """Of which cause several speak together."""
    sensor: str = ""
    """Of which sensor's error they do."""


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
    if set(relation.signals) == {OUTDOOR, SOURCE}:
        # Sun and rain are on one of two sensors only.
        return 0.2
    if "hot_gas" in relation.plus:
        return 0.5
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
        self._given = np.zeros((count, GIVEN), dtype=np.intp)
        takes = np.zeros((count, size))
        for row, relation in enumerate(relations):
            for place, key in enumerate(relation.given):
                self._given[row, place] = position[key]
                takes[row, position[key]] = 1.0
        self._drivers = [position.get(key, -1) for key in DRIVERS]
        self._about = [frozenset(relation.signals) & frozenset(DRIVERS) for relation in relations]
        kinds = [
            (tuple(sorted(about)), one.given)
            for about, one in zip(self._about, relations, strict=True)
        ]
        self._groups = sorted(set(kinds))
        self._rows = [
            np.array([i for i, kind in enumerate(kinds) if kind == group]) for group in self._groups
        ]
        quantities = quantities_of(relations)
        self._order = np.array([row for rows in quantities for row in rows], dtype=np.intp)
        lengths = [len(rows) for rows in quantities]
        self._quantities = quantities
        self._starts = np.cumsum([0, *lengths[:-1]]).astype(np.intp)
        self._loose = np.array([set(one.signals) == {OUTDOOR, SOURCE} for one in relations], bool)
        self._away = np.array(
            ["dhw_temperature" in one.signals and context != DHW for one in relations], dtype=bool
        )
        self._least: Array = np.array([_least(one) for one in relations])
        self._lasting: Array = np.array([_lasting(one) for one in relations])
        self._relative: Array = np.array([_RELATIVE.get(one.plus, 0.0075) for one in relations])
        self._relative_lasting: Array = np.array(
            [
                _VALVE_LASTING if one.plus == "expansion_valve_position" else share
                for one, share in zip(relations, self._relative.tolist(), strict=True)
            ]
        )
        # Frost is in both sides of a difference, or in what is given.
        self._powers: Array = np.array(
            [one.plus in _FROST_POWERS and not one.given for one in relations], dtype=bool
        )
        self._frosts: Array = np.array(
            [(one.plus in _FROST) != (one.minus in _FROST) and not one.given for one in relations],
            dtype=bool,
        )
        self.patterns: Array = np.zeros((len(TOLD), count))
        """Of each cause that is looked for, how much which relation counts."""
        self._voices: Array = np.zeros((len(quantities), count))
        """The same of the one that may grow quickly, by quantity."""
        self.usable = np.zeros(count, dtype=bool)
        """Which relations may be judged: learned, and tied by physics."""
        self._magnitude = np.abs(self.parts)
        self._involved = self._magnitude + takes
        self._weights_of: dict[bytes, Array] = {}
        self.moments = Moments(FEATURES + size, _MEMORY)
        self.windows = 0
        self.missing = 0
        """Windows in a row that lacked something long known."""
        self.fitted: frozenset[str] = frozenset()
        """The drivers that the relations were last fitted with."""
        self.presence: Array = np.zeros(len(DRIVERS))
        self.slope: Array = np.zeros((count, FEATURES))
        self.extra: Array = np.zeros((count, GIVEN))
        """The slopes of what is given."""
        self.level = np.zeros(count)
        self.seen = np.zeros(count)
        self.spread = np.zeros(count)
        self.fast = np.zeros(count)
        self.slow = np.zeros(count)
        self.mid = np.zeros(count)
        self.quick: Array = np.zeros(count)
        self.hits = np.zeros(count)
        self.range: Array = np.zeros((2, len(DRIVERS)))
        """Lowest and highest of each driver."""
        self.learned = 0.0
        """Minutes, of any context."""
        self.fast_limit = Ceilings((count,), 2.0, 6.0, 14.0)
        slow, mid = _BASE.get(context, _BASE_ELSE)
        self.slow_limit = Ceilings((count,), 2.2, slow, 3.0)
        self.mid_limit = Ceilings((count,), 2.2, mid, 3.6)
        bases = [_MULTI_BASE.get(context, _MULTI_BASE_ELSE)]
        for base in _CAUSE_BASE.get(context, _CAUSE_BASE_ELSE):
            bases += len(TOLD) * [base]
        bases.append(_QUICK_BASE.get(context, _QUICK_BASE_ELSE))
        caps = np.full(len(bases), 2.6)
        caps[-1] = _QUICK_CAP
        self.multi_limit = Ceilings((len(bases),), 2.2, np.array(bases), caps)
        self._ground = True
        self._settle(ground=False)
        self.multi: Array = np.zeros(len(bases))
        """Several relations together: any of them, and those of each cause: slow, less so, quick."""
        self.errors = Errors(relations, signals, _ERROR_BASE.get(context, _ERROR_BASE_ELSE))
        """What single sensors would be off by, told from all relations together."""
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
            elif turn == _SOLVED and self.last is not None:
                gone = (self.moments.weights[FEATURES:] <= 0.5).astype(np.float64)
                kept = (self._involved @ gone) == 0
                scale = self.scale(self.last[1], lasting=True)
                self.errors.solve(self.shifts(), scale, self.usable & kept)
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
        known = self._weights_of.get(which := has.tobytes())
        if known is not None:
            return known
        present = frozenset(key for key, ok in zip(DRIVERS, has.tolist(), strict=True) if ok)
        found = self._weights_of[which] = np.zeros(FEATURES)
        found[list(columns(frozenset(), present))] = 1.0
        found[list(columns(frozenset((FLOW,)), present))] = 1.0
        return found

    def _fit(self, group: int) -> None:
        about, given = self._groups[group]
        rows = self._rows[group]
        places = [FEATURES + self.signals.index(key) for key in given]
        use = [*columns(frozenset(about), self._present()), *places]
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
        slope = np.zeros((len(rows), len(mean)))
        slope[:, x] = self.parts[rows] @ beta.T
        self.slope[rows] = slope[:, :FEATURES]
        self.extra[rows, : len(places)] = slope[:, places]
        self.level[rows] = mean_y - slope @ mean

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
        whole = (self._involved @ (1.0 - there)) == 0
        observed = self.parts @ values
        expected = self.level + self.slope @ inputs
        expected += (self.extra * values[self._given]).sum(axis=1)
        residual = np.where(whole, observed - expected, 0.0)
        spread = self.scale(expected)
        self.novel = self._novel(inputs, known, learning=learning)
        z = residual / (spread * self._width)
        mature = self.seen >= _LEAST
        lasting = residual / (self.scale(expected, lasting=True) * self._width)
        # np.clip takes three times as long.
        clipped = np.minimum(np.maximum(lasting, -SLOW_CLIP), SLOW_CLIP)
        if learning:
            self.seen += whole
            gain = 1.0 / np.minimum(np.maximum(self.seen, 1.0), _SPREAD_MEMORY)
            size = np.where(
                mature, np.minimum(np.abs(residual), SLOW_CLIP * spread), np.abs(residual)
            )
            self.spread += np.where(whole, gain * (1.2533 * size - self.spread), 0.0)
            # A value far off teaches no more than one at the edge of the usual.
            alone = mature & whole
            for row in np.flatnonzero(alone & (np.abs(z) > SLOW_CLIP)).tolist():
                relation = self.relations[row]
                if relation.minus is None and not relation.given:
                    index = FEATURES + self.signals.index(relation.plus)
                    vector[index] = expected[row] + SLOW_CLIP * np.sign(z[row]) * spread[row]
        if self.novel:
            return False
        use = whole & mature
        steps = minutes / WINDOW
        keep = _FAST_KEEP**steps
        leap = np.minimum(np.maximum(z, -FAST_CLIP), FAST_CLIP)
        self.fast = np.where(use, keep * self.fast + (1 - keep) * leap, self.fast)
        part = 1.0 - math.exp(-minutes / _SLOW_MINUTES[self.context])
        self.slow = np.where(use, self.slow + part * (clipped - self.slow), self.slow)
        part = 1.0 - math.exp(-minutes / _MID_MINUTES[self.context])
        self.mid = np.where(use, self.mid + part * (clipped - self.mid), self.mid)
        part = 1.0 - math.exp(-minutes / _QUICK_MINUTES[self.context])
        self.quick = np.where(use, self.quick + part * (clipped - self.quick), self.quick)
        far = np.abs(self.fast)
        over = far >= self.fast_limit.threshold
        self.hits = np.where(over, self.hits + minutes, 0.0)
        self.last = (observed, expected, z)
        size = np.where(self.usable, np.abs(self.slow), 0.0)
        order = np.sort(np.maximum.reduceat(size[self._order], self._starts))[::-1]
        self.multi[0] = order[1:4].mean() if len(order) >= 4 else 0.0
        for place, (cause, lasting) in enumerate(self._told, 1):
            if TOLD[cause] == _QUICK:
                said = self._voices @ lasting
                total = float(said.sum())
                self.multi[place] = min(total, _AGREED * (total - float(said.max())))
            else:
                self.multi[place] = self.patterns[cause] @ lasting
        np.maximum(self.multi, 0.0, out=self.multi)
        self.errors.take(clipped * use, use, minutes, learning=learning)
        if learning:
            self.fast_limit.learn(far * use, 0.0)
            self.slow_limit.learn(np.abs(self.slow) * use, 0.0)
            self.mid_limit.learn(np.abs(self.mid) * use, 0.0)
            self.multi_limit.learn(self.multi, 0.0)
        return True

    def defrosts(self) -> None:
        """Take note that the source is air: frost comes and goes unseen."""
        if self._airy:
            return
        self._airy = True
        if self._ground:
            self._settle(ground=False)
        self._least = np.where(self._frosts, np.maximum(self._least, _FROST_LEAST), self._least)
        self._relative = np.where(
            self._powers, np.maximum(self._relative, _FROST_RELATIVE), self._relative
        )
        self._lasting = np.where(
            self._frosts, np.maximum(self._lasting, _FROST_LASTING), self._lasting
        )
        self._relative_lasting = np.where(
            self._powers,
            np.maximum(self._relative_lasting, _FROST_RELATIVE),
            self._relative_lasting,
        )

    def scale(self, expected: Array, *, lasting: bool = False) -> Array:
        """Return what counts as one: the usual spread, or the least that means anything."""
        size = np.abs(expected)
        if lasting:
            least = np.maximum(self._lasting, self._relative_lasting * size)
        else:
            least = np.maximum(self._least, self._relative * size)
        found: Array = np.maximum(self.spread, least)
        return found

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
        self.errors.age(minutes)

    def deviations(self) -> Iterable[Deviation]:
        """Yield what deviates, with ratios to the thresholds."""
        if self.last is None or self.learned < FAST_WARM_UP:
            return
        observed, expected, _ = self.last
        usable = self.usable
        fast = np.where(usable, np.abs(self.fast) / self.fast_limit.threshold, 0.0)
        fast = np.where(self.hits >= _HOLD, fast, np.minimum(fast, 0.99))
        slow, signed, limits = self.lasting()
        for monitor, ratios, signs, limit in (
            (FAST, fast, self.fast, self.fast_limit.threshold),
            (SLOW, slow, signed, limits),
        ):
            rows = np.flatnonzero(ratios >= 0.5).tolist()
            unit = self.scale(expected, lasting=monitor == SLOW) if rows else expected
            for row in rows:
                yield Deviation(
                    monitor, self.context, row, float(ratios[row]), float(signs[row]),
                    float(observed[row]), float(expected[row]), float(limit[row] * unit[row]),
                )  # fmt: skip
        if self.learned < SLOW_WARM_UP:
            return
        yield from self._together(observed, expected)

    def _together(self, observed: Array, expected: Array) -> Iterable[Deviation]:
        """Yield what several relations say together, if it is anything."""
        place, ratio = self.errors.loudest()
        best = 0
        if self.multi_limit.known:
            each = self.multi / self.multi_limit.threshold / (1.0 + _FEW / max(self.windows, 1))
            best = int(each.argmax())
            if each[best] >= ratio:
                place, ratio = -1, float(each[best])
        if ratio < 0.5:
            return
        cause = sensor = ""
        slow: Array = self.slow
        weights: Array = np.where(self.usable, np.abs(slow), 0.0)
        if place >= 0:
            sensor, slow = self.errors.sensors[place], self.errors.mean
            weights = np.where(self.usable & self.errors.about[place], np.abs(slow), 0.0)
            signed = float(self.errors.values[place])
        else:
            signed = float(self.multi[best])
            if best:
                pattern, lasting = self._told[best - 1]
                cause = TOLD[pattern]
                weights = self.patterns[pattern] * lasting
        order = np.argsort(-weights)[:4]
        row = int(order[0])
        limit = float(self.multi_limit.threshold[best])
        if sensor:
            # In units of this relation: where it would have been told by as much.
            limit = max(float(weights[row]), 0.1) / ratio
        tolerance = limit * float(self.scale(expected, lasting=True)[row])
        yield Deviation(
            MULTI, self.context, row, ratio, signed, float(observed[row]), float(expected[row]),
            float(tolerance), tuple(order[weights[order] > 0].tolist()) or (row,), cause, sensor,
        )  # fmt: skip

    @property
    def _told(self) -> list[tuple[int, Array]]:
        """The place of each cause, and what it is looked for in."""
        found = [(place, size) for size in (self.slow, self.mid) for place in range(len(TOLD))]
        return [*found, (TOLD.index(_QUICK), self.quick)]

    def lasting(self) -> tuple[Array, Array, Array]:
        """Return of what lasts each relation's ratio, deviation and threshold: of hours or of a day."""
        slow = np.where(
            self.slow_limit.known & (self.slow_limit.top <= 2.6), np.abs(self.slow), 0.0
        )
        mid = np.where(self.mid_limit.known & (self.mid_limit.top <= 3.2), np.abs(self.mid), 0.0)
        # What few windows say of the usual is not much.
        seen = np.maximum(self.seen, 1.0)
        slow_limit = (1.0 + _FEW_SLOW / seen) * self.slow_limit.threshold
        mid_limit = (1.0 + _FEW / seen) * self.mid_limit.threshold
        slow /= slow_limit
        mid /= mid_limit
        quick = mid > slow
        ratio = np.where(self.usable, np.maximum(slow, mid), 0.0)
        if self.learned < SLOW_WARM_UP:
            ratio[:] = 0.0
        return (
            ratio,
            np.where(quick, self.mid, self.slow),
            np.where(quick, mid_limit, slow_limit),
        )

    def forget(self, monitor: str, name: str, *, accept: bool) -> None:
        """Start a statistic anew, after counting it as normal if ``accept``."""
        self.errors.forget(accept=accept)
        rows = [row for row, one in enumerate(self.relations) if one.name == name]
        if monitor == MULTI:
            if accept:
                for place, value in enumerate(self.multi.tolist()):
                    self.multi_limit.accept(place, value)
            self.slow[:] = self.mid[:] = self.quick[:] = 0.0
            self.multi[:] = 0.0
        for row in rows:
            if accept:
                self.fast_limit.accept(row, abs(float(self.fast[row])))
                self.slow_limit.accept(row, abs(float(self.slow[row])))
                self.mid_limit.accept(row, abs(float(self.mid[row])))
            self.fast[row] = self.slow[row] = self.mid[row] = self.quick[row] = 0.0
            self.hits[row] = 0.0

    def _qualify(self) -> None:
        """Find out which relations explain enough of their signals to mean something."""
        mean, second = self.moments.raw
        weights = np.maximum(self.moments.weights[FEATURES:], 1e-9)
        mean = mean[FEATURES:] / weights
        variance = np.diag(second)[FEATURES:] / weights - mean * mean
        largest = (self._magnitude * variance).max(axis=1, initial=0.0)
        tied = ~self._loose | (self.spread**2 < _TIED * largest)
        self.usable = ~self._away & tied & (self.seen >= 2 * _LEAST)
        self._witness()

        if self.windows >= _KIND_KNOWN and not self._airy:
            self._settle(ground=self.source_kind == "ground")

    def _settle(self, *, ground: bool) -> None:
        """Take note of whether heat is taken from where no frost is."""
        if ground is self._ground:
            return
        self._ground = ground
        limit = self.multi_limit
        base = np.array(limit.base)
        for place, (cause, _) in enumerate(self._told, 1):
            if TOLD[cause] == _QUICK:
                base[place] *= 1.0 / _FROSTY if ground else _FROSTY
        limit.base = base
        limit.refresh()

    def _witness(self) -> None:
        usable = self.usable.tolist()
        self.patterns = np.array([together(cause, self.relations, usable) for cause in TOLD])
        self._voices = np.zeros((len(self._quantities), len(self.relations)))
        for place, rows in enumerate(self._quantities):
            self._voices[place, rows] = self.patterns[TOLD.index(_QUICK)][rows]

    @property
    def kelvin_per_bar(self) -> float:
        """By how much the refrigerant boils hotter at a higher pressure; 0 if nobody knows."""
        for row, relation in enumerate(self.relations):
            if relation.name == "saturation_low":
                return float(self.extra[row, 0])
        return 0.0

    def shifts(self) -> Array:
        """Return by how much a unit of each signal's error moves each relation from what is expected."""
        found: Array = self.parts.T.copy()
        if self.inputs is not None:
            inputs, known = self.inputs
            for place, index in enumerate(self._drivers):
                if index >= 0:
                    changed = list(known)
                    changed[place] += 1.0
                    moved_by = np.array(features(changed[:-2], *changed[-2:])) - inputs
                    found[index] -= self.slope @ moved_by
        rows = np.arange(len(self.relations))
        for place in range(GIVEN):
            found[self._given[:, place], rows] -= self.extra[:, place]
        return found

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
            "multi": self.multi.tolist(),
            "quick": pack(self.quick),
            "extra": pack(self.extra),
            "errors": self.errors.to_json(),
            "inputs": None if self.inputs is None else [inputs.tolist(), list(known)],
            "last": None if self.last is None else pack(np.stack(last)),
            "novel": self.novel,
            "ground": self._ground,
            "usable": pack(self.usable.astype(np.float64)),
            "gate": None if self._whitening is None else {
                "columns": list(self._columns), "center": pack(self._center),
                "deviation": pack(self._deviation), "whitening": pack(self._whitening),
            },
        }  # fmt: skip

    @property
    def _limits(self) -> tuple[Ceilings, ...]:
        return self.fast_limit, self.slow_limit, self.multi_limit, self.mid_limit

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
        # Before there were expectations of other signals, these were not saved.
        older = "extra" not in part
        names_saved = _VECTORS[:-1] if older else _VECTORS
        vectors = moved(unpack(part, "numbers", (len(names_saved), count)), at)
        multi = np.zeros(len(self.multi))
        early_size = False
        if not older:
            early = len(multi) - 1
            saved_multi = state.numbers(part, "multi", (early, len(multi)))
            multi[: len(saved_multi)] = saved_multi
            early_size = len(saved_multi) == early
            self.extra = moved(unpack(part, "extra", (count, GIVEN)), at, 0)
        limits = part.get("limits")
        if not isinstance(limits, list) or len(limits) != len(self._limits) - older:
            raise state.DamagedError("limits")
        for limit, saved in zip(self._limits, limits, strict=False):
            if limit is self.multi_limit:
                if not older:
                    self._restore_multi(saved, early=early_size)
            elif not older or limit is self.fast_limit:
                limit.restore(saved, at)
        if older:
            # What lasts was counted in other units: what is usual is to be seen first.
            vectors[_VECTORS.index("slow")] = 0.0
            for limit in self._limits[1:]:
                limit.elapsed = self.fast_limit.elapsed
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
        if "ground" in part:
            self._settle(ground=state.flag(part, "ground"))
        self.missing, self.fitted = missing, frozenset(map(str, fitted))
        self.usable = moved(unpack(part, "usable", (count,)), at) != 0
        self.moments.restore(n, weights, mean, second)
        self.windows, self.presence, self.slope, self.range = windows, presence, slope, span
        for name, vector in zip(names_saved, vectors, strict=True):
            setattr(self, name, vector)
        self._witness()
        if "errors" in part:
            self.errors.restore(part["errors"], count, at, changed)
        if "quick" in part:
            self.quick = moved(unpack(part, "quick", (count,)), at)
        self.multi, self.learned = multi, learned
        if at is not None:
            # New relations are fitted with the next windows.
            self.fitted = frozenset()

    def _restore_multi(self, saved: object, *, early: bool) -> None:
        """Take over ceilings, ``early`` ones of before anything was looked for quickly.

        What is usual of that is to be seen first. Raises :class:`~.state.DamagedError`.
        """
        limit = self.multi_limit
        if not early:
            limit.restore(saved)
            return
        size = len(self.multi)
        limit.restore(saved, np.array([*range(size - 1), -1]))
        for place, (cause, _) in enumerate(self._told, 1):
            if TOLD[cause] == _QUICK:
                limit.blocks[:, place] = _QUICK_CAP
        limit.refresh()


_VECTORS: Final = ("level", "seen", "spread", "fast", "slow", "hits", "mid")
