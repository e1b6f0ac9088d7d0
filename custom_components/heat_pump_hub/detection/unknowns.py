"""Signals that only a make has: what they should be in this situation, and whether they live.

Nobody knows what drives such a signal, so it is learned from the machine's load and
source, by ridge regression in windows of a quarter of an hour, of heating and of hot
water apart. Signals that the load does not explain are left to their ranges
(:mod:`.strays`). What rests while the machine runs, and never did, is told, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import math
from typing import Any, Final

import numpy as np

from ..drivers.points import is_canonical_key
from . import state
from .arrays import Array, Places, moved, pack, places, unpack
from .basis import FLOW, FREQUENCY, OUTDOOR, PUMP, SOURCE
from .ceilings import Ceilings
from .monitors import GENERIC_WARM_UP
from .signals import Role, Signal, role_of
from .situation import DHW, HEATING, Situation
from .strays import GENERIC, goes_anywhere

FAST, SLOW, REST = f"{GENERIC}_fast", f"{GENERIC}_slow", f"{GENERIC}_rest"
CONTEXTS: Final = (HEATING, DHW)

_READ: Final = 5.0
_READINGS: Final = 3
"""Readings, minutes apart, that make a window."""
_DRIVERS: Final = (SOURCE, OUTDOOR, FLOW, FREQUENCY, PUMP)
_SIZE: Final = len(_DRIVERS) + 7
_RIDGE: Final = 1e-6
_MEMORY: Final = 2000
_REFIT: Final = 8
_LEAST: Final = 96
"""Windows before a signal is judged."""
_EXPLAINED: Final = 0.25
"""Share of a signal's variance that may stay unexplained."""
_CLIP: Final = 4.0
_FAR: Final = 25.0
_KEEP: Final = 0.5
_HELD: Final = 2
_SLOW_WINDOWS: Final = {HEATING: 40.0, DHW: 10.0}
_NOVEL: Final = 2.0
_LOUD: Final = 0.6
_QUANTA: Final = 2.0
_RELATIVE: Final = 0.005
"""The least spread that means anything: of the smallest step, and of the value."""
_CURVED: Final = 0.15
"""What a straight line misses, as a share of what the signal varies by."""
_LIVED: Final = 24
"""Windows of a like situation, before one is judged."""
_SITUATIONS: Final = 400
_VALUES: Final = 5.0
_MANY: Final = 20.0
"""What knows fewer values than so many steps is a code, and may show any other once."""
_SPIKE: Final = 0.5
_SPIKE_WATCHED: Final = 2 * 1440.0
"""Minutes of running in which a signal must have shown where it goes."""
_REST_LEAST: Final = 180.0
_REST_MARGIN: Final = 4.0
_REPEATS: Final = 20.0
_CHANGES: Final = 60.0


@dataclass(frozen=True, slots=True)
class Oddity:
    """A signal that is not what it should be; ``gauge`` tells apart what it was seen in."""

    monitor: str
    gauge: str
    key: str
    ratio: float
    signed: float
    observed: float
    expected: float
    tolerance: float


class _Fit:
    """What the signals are expected to be in one context."""

    def __init__(self, context: str, size: int) -> None:
        self.context = context
        self.square: Array = np.zeros((_SIZE, _SIZE))
        self.cross: Array = np.zeros((_SIZE, size))
        self.slope: Array = np.zeros((_SIZE, size))
        self.numbers: Array = np.zeros((7, size))
        """Windows seen, spread, mean, variance, fast, slow, windows in a row over the threshold."""
        self.fast_limit = Ceilings((size,), 2.2, 7.0, 16.0)
        self.slow_limit = Ceilings((size,), 2.2, 1.6, 3.2)
        self.windows = 0
        self.inverse: Array = np.zeros((_SIZE, _SIZE))
        self.lived: dict[str, int] = {}
        """How many windows each situation was seen in: places of source, water and speed."""

    def _fit(self) -> None:
        ridge = self.square + np.diag(_RIDGE * np.diag(self.square) + 1e-9)
        self.inverse = np.asarray(np.linalg.inv(ridge), dtype=np.float64)
        self.slope = np.asarray(self.inverse @ self.cross, dtype=np.float64)

    def judge(
        self, value: Array, inputs: Array, finest: Array, place: str, *, learning: bool
    ) -> tuple[Array, Array, Array, Array] | None:
        """Take a window; return ratios fast and slow, what was expected, and the scale."""
        there = np.isfinite(value)
        value = np.where(there, value, 0.0)
        seen, spread, mean, variance, fast, slow, held = self.numbers
        expected = inputs @ self.slope
        residual = np.where(there, value - expected, 0.0)
        least = np.maximum(_QUANTA * finest, _RELATIVE * np.abs(expected)) + 1e-9
        scale = np.maximum(np.maximum(spread, least), _CURVED * np.sqrt(variance))
        mature = seen >= _LEAST
        leverage = float(inputs @ self.inverse @ inputs) if self.windows >= _LEAST else math.inf
        width = max(1.0, leverage / _SIZE)
        novel = width > _NOVEL or self.lived.get(place, 0) < _LIVED
        use = there & mature & (not novel)
        z = residual / (width * scale)
        fast = np.where(use, _KEEP * fast + (1.0 - _KEEP) * np.clip(z, -_FAR, _FAR), fast)
        part = 1.0 / _SLOW_WINDOWS[self.context]
        slow = np.where(use, slow + part * (np.clip(z, -_CLIP, _CLIP) - slow), slow)
        explained = spread * spread < _EXPLAINED * variance
        steady = variance < 4.0 * least * least
        counts = use & (explained | steady)
        over = np.abs(fast) >= self.fast_limit.threshold
        held = np.where(use, np.where(over, held + 1.0, 0.0), held)
        ratio = np.abs(fast) / self.fast_limit.threshold
        ratio = np.where(counts, np.where(held >= _HELD, ratio, np.minimum(ratio, 0.99)), 0.0)
        silent = self.slow_limit.top > 2.6
        lasting = np.where(counts & ~silent, np.abs(slow) / self.slow_limit.threshold, 0.0)
        if np.count_nonzero(np.maximum(ratio, lasting) >= _LOUD) > 1:
            # Sensors fail one by one; what several show is the machine, or the weather.
            ratio, lasting = np.minimum(ratio, 0.99), np.minimum(lasting, 0.99)
        if learning:
            self.fast_limit.learn(np.where(use, np.abs(fast), 0.0), 0.0)
            self.slow_limit.learn(np.where(use, np.abs(slow), 0.0), 0.0)
            # A value far off teaches no more than one at the edge of the usual.
            near = np.where(
                mature, np.clip(value, expected - _CLIP * scale, expected + _CLIP * scale), value
            )
            near = np.where(there, near, expected)
            seen = seen + there
            self.windows += 1
            if place in self.lived or len(self.lived) < _SITUATIONS:
                self.lived[place] = min(self.lived.get(place, 0) + 1, _LIVED)
            gain = 1.0 / min(self.windows, _MEMORY)
            self.square += gain * (np.outer(inputs, inputs) - self.square)
            gains = np.where(there, 1.0 / np.clip(seen, 1.0, _MEMORY), 0.0)
            self.cross += np.maximum(gains, gain * (seen > 0)) * (
                np.outer(inputs, near) - self.cross
            )
            away = np.minimum(np.abs(residual), np.where(mature, _CLIP * scale, np.inf))
            if self.windows > _LEAST / 2:
                spread = spread + gains * (1.2533 * away - spread)
            step = np.where(there, near - mean, 0.0)
            mean = mean + gains * step
            variance = variance + gains * (step * (near - mean) - variance)
            if self.windows >= _LEAST / 2 and self.windows % _REFIT == 0:
                self._fit()
        self.numbers = np.stack((seen, spread, mean, variance, fast, slow, held))
        return None if novel else (ratio, lasting, expected, scale)

    def forgive(self, place: int, *, accept: bool) -> None:
        """Start the statistics of a signal anew, and what it is expected to be if ``accept``."""
        self.numbers[4:, place] = 0.0
        if accept:
            self.numbers[:, place] = 0.0
            self.cross[:, place] = self.slope[:, place] = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs."""
        return {
            "windows": self.windows,
            "lived": dict(self.lived),
            "square": pack(self.square),
            "inverse": pack(self.inverse),
            "cross": pack(self.cross),
            "slope": pack(self.slope),
            "numbers": pack(self.numbers),
            "limits": [self.fast_limit.to_json(), self.slow_limit.to_json()],
        }

    def restore(self, part: object, size: int, at: Places | None) -> None:
        """Take over a saved part; raises :class:`~.state.DamagedError`."""
        if not isinstance(part, Mapping):
            raise state.DamagedError("fit")
        windows = state.whole(part, "windows")
        lived = part.get("lived")
        if not isinstance(lived, Mapping) or len(lived) > _SITUATIONS:
            raise state.DamagedError("lived")
        lived = {str(place): state.whole(lived, place) for place in lived}
        square = unpack(part, "square", (_SIZE, _SIZE))
        inverse = unpack(part, "inverse", (_SIZE, _SIZE))
        cross = moved(unpack(part, "cross", (_SIZE, size)), at)
        slope = moved(unpack(part, "slope", (_SIZE, size)), at)
        numbers = moved(unpack(part, "numbers", (7, size)), at)
        limits = part.get("limits")
        if not isinstance(limits, list) or len(limits) != 2 or (numbers[[0, 1, 3, 6]] < 0).any():
            raise state.DamagedError("limits")
        self.fast_limit.restore(limits[0], at)
        self.slow_limit.restore(limits[1], at)
        self.windows, self.square, self.inverse = windows, square, inverse
        self.lived = lived
        self.cross, self.slope, self.numbers = cross, slope, numbers


class Unknowns:
    """All such signals of one heat pump."""

    def __init__(self, signals: Sequence[Signal]) -> None:
        """Begin with nothing learned; ``signals`` are the analog ones, in the order of samples."""
        chosen = [
            (place, signal)
            for place, signal in enumerate(signals)
            if not is_canonical_key(signal.key) and not goes_anywhere(signal.key)
        ]
        self.keys = tuple(signal.key for _, signal in chosen)
        self._columns = np.array([place for place, _ in chosen], dtype=np.intp)
        self._passive = np.array([role_of(one) is Role.PASSIVE for _, one in chosen], dtype=bool)
        where = {signal.key: place for place, signal in enumerate(signals)}
        self._drivers = [where.get(key, -1) for key in _DRIVERS]
        size = len(self.keys)
        self.fits = {name: _Fit(name, size) for name in CONTEXTS}
        self.before: Array = np.full(size, np.nan)
        self.finest: Array = np.full(size, np.inf)
        self.span: Array = np.stack((np.full(size, np.inf), np.full(size, -np.inf)))
        self.rests: Array = np.zeros((4, size))
        """Minutes of running without a change, the most ever, minutes watched, changes."""
        self.floors: Array = np.full(size, np.inf)
        """From what size on a value that leaves and returns is a spike; of the last hour."""
        self.bounds = self.span
        """Lowest and highest as of then."""
        self.fresh = False
        """Whether these are new, and to be told to who watches single samples."""
        self.learned = 0.0
        self.driven: Array = np.zeros(len(_DRIVERS))
        """Whether each driver was ever seen: what no machine shows is no reason to wait."""
        self._minutes = 0.0
        self._sum: Array = np.zeros(size + len(_DRIVERS))
        self._readings = 0
        self._context: str | None = None
        self._aged = 0.0

    @property
    def columns(self) -> Sequence[int]:
        """Their places in a sample."""
        return [int(place) for place in self._columns]

    def interrupt(self) -> None:
        """Forget the window that is open, and what rests."""
        self._readings, self._minutes, self._context = 0, 0.0, None
        self._sum = np.zeros(len(self._sum))
        self.before = np.full(len(self.keys), np.nan)
        self.rests[0] = 0.0

    def observe(
        self, sample: Array, situation: Situation, minutes: float, running: bool | None,
        *, learning: bool,
    ) -> tuple[str | None, list[Oddity]]:  # fmt: skip
        """Take a sample; return the context that was judged, if one was, and what is odd."""
        if not self.keys:
            return None, []
        self._minutes += minutes
        if self._minutes < _READ:
            return None, []
        minutes, self._minutes = self._minutes, 0.0
        if learning:
            self.learned += minutes
            self._aged += minutes
            if self._aged >= 60.0:
                for fit in self.fits.values():
                    for limit in (fit.fast_limit, fit.slow_limit):
                        limit.learn(limit.blocks[0], self._aged)
                self._aged = 0.0
                self._set_floors()
        reading = sample[self._columns]
        found = self._rest(reading, min(minutes, 60.0), running is not False, learning=learning)
        context = situation.mode
        if context not in self.fits or not situation.steady or situation.heater:
            context = None
        if context is None or context != self._context:
            self._readings, self._context = 0, context
            self._sum = np.zeros(len(self._sum))
        if context is None:
            return None, found
        drivers = np.array([sample[place] if place >= 0 else np.nan for place in self._drivers])
        self.driven = np.maximum(self.driven, np.isfinite(drivers))
        drivers = np.where(self.driven > 0, drivers, 0.0)
        self._sum += np.concatenate((reading, drivers))
        self._readings += 1
        if self._readings < _READINGS:
            return None, found
        mean = self._sum / self._readings
        self._readings = 0
        self._sum = np.zeros(len(self._sum))
        if not np.isfinite(mean[len(self.keys) :]).all():
            return None, found
        frost = min(situation.since_defrost, 180.0) / 60.0
        found += self._judge(context, mean, frost, learning=learning)
        return context, found

    def _set_floors(self) -> None:
        span = self.span[1] - self.span[0]
        known = (self.rests[2] >= _SPIKE_WATCHED) & (span > _MANY * self.finest)
        self.floors, self.fresh = np.where(known, _SPIKE * span, np.inf), True
        self.bounds = self.span

    def _rest(
        self, reading: Array, minutes: float, running: bool, *, learning: bool
    ) -> list[Oddity]:
        step = np.abs(reading - self.before)
        changed = step > 1e-9
        there = np.isfinite(reading)
        self.before = reading
        lasted, longest, watched, changes = self.rests
        if learning:
            self.finest = np.fmin(self.finest, np.where(changed, step, np.inf))
            self.span = np.stack((np.fmin(self.span[0], reading), np.fmax(self.span[1], reading)))
            longest = np.where(changed, np.maximum(longest, lasted), longest)
            changes = changes + changed
            if running:
                watched = watched + np.where(there, minutes, 0.0)
        lasted = np.where(changed | ~there, 0.0, lasted + (minutes if running else 0.0))
        self.rests = np.stack((lasted, longest, watched, changes))
        if not running or self.learned < GENERIC_WARM_UP or not (lasted > _REST_LEAST / 2).any():
            return []
        limit = np.maximum(_REST_MARGIN * longest, _REST_LEAST)
        lively = (
            self._passive
            & (changes >= _CHANGES)
            & (self.span[1] - self.span[0] > _VALUES * self.finest)
            & (watched >= _REPEATS * longest)
        )
        ratio = np.where(lively, lasted / limit, 0.0)
        return [
            Oddity(
                REST, self.keys[place], self.keys[place], float(ratio[place]), float(ratio[place]),
                float(lasted[place]), float(longest[place]), float(limit[place] - longest[place]),
            )
            for place in np.flatnonzero(ratio >= 0.5).tolist()
        ]  # fmt: skip

    def _judge(self, context: str, mean: Array, frost: float, *, learning: bool) -> list[Oddity]:
        size = len(self.keys)
        source, outdoor, flow, frequency, pump = mean[size:].tolist()
        s, w, f = source / 10, (flow - 35) / 10, frequency / 30 - 1.5
        inputs = np.array(
            [1.0, s, outdoor / 10, w, f, pump / 50 - 1.0, s * f, w * f, s * s, w * w, f * f, frost]
        )
        finest = np.where(np.isfinite(self.finest), self.finest, 0.0)
        fit = self.fits[context]
        place = f"{source // 4:.0f} {flow // 5:.0f} {frequency // 15:.0f}"
        judged = fit.judge(mean[:size], inputs, finest, place, learning=learning)
        if judged is None or self.learned < GENERIC_WARM_UP:
            return []
        fast, slow, expected, scale = judged
        found: list[Oddity] = []
        for monitor, ratios, signed, limit in (
            (FAST, fast, fit.numbers[4], fit.fast_limit.threshold),
            (SLOW, slow, fit.numbers[5], fit.slow_limit.threshold),
        ):
            found.extend(
                Oddity(
                    monitor, f"{GENERIC} {context}:{self.keys[place]}", self.keys[place],
                    float(ratios[place]), float(signed[place]), float(mean[place]),
                    float(expected[place]), float(limit[place] * scale[place]),
                )
                for place in np.flatnonzero(ratios >= 0.5).tolist()
            )  # fmt: skip
        return found

    def forgive(self, monitor: str, gauge: str, *, accept: bool) -> None:
        """Start anew what raised an alarm, after counting it as normal if ``accept``."""
        context, _, key = gauge.rpartition(":")
        if key not in self.keys:
            return
        place = self.keys.index(key)
        if monitor == REST:
            if accept:
                self.rests[1, place] = max(self.rests[0, place], self.rests[1, place])
            self.rests[0, place] = 0.0
        elif context:
            for fit in self.fits.values():
                fit.forgive(place, accept=accept)

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs."""
        rows = np.stack((self.before, self.finest, *self.span, self.floors, *self.bounds))
        known = np.isfinite(rows)
        total = np.isfinite(self._sum)
        return {
            "keys": list(self.keys),
            "fits": {name: fit.to_json() for name, fit in self.fits.items()},
            "rows": pack(np.where(known, rows, 0.0)),
            "known": pack(known.astype(np.float64)),
            "rests": pack(self.rests),
            "driven": pack(self.driven),
            "sum": pack(np.where(total, self._sum, 0.0)),
            "there": pack(total.astype(np.float64)),
            "numbers": [self.learned, self._minutes, self._aged, float(self._readings)],
            "context": self._context,
        }

    def restore(self, part: Mapping[str, Any], changed: frozenset[str] = frozenset()) -> None:
        """Take over a saved part, save of signals that are new or ``changed``.

        Raises :class:`~.state.DamagedError`.
        """
        at = places(part.get("keys"), self.keys, changed)
        size = len(part["keys"])
        rows = moved(unpack(part, "rows", (7, size)), at)
        known = moved(unpack(part, "known", (7, size)), at) != 0
        rests = moved(unpack(part, "rests", (4, size)), at)
        drivers = len(_DRIVERS)
        driven = unpack(part, "driven", (drivers,))
        total = unpack(part, "sum", (size + drivers,))
        there = unpack(part, "there", (size + drivers,)) != 0
        learned, minutes, aged, readings = state.numbers(part, "numbers", (4,))
        context, fits = part.get("context"), part.get("fits")
        if context not in (None, *CONTEXTS) or not isinstance(fits, Mapping):
            raise state.DamagedError("context")
        if not 0 <= readings < _READINGS or (rests < 0).any():
            raise state.DamagedError("readings")
        for name, fit in self.fits.items():
            fit.restore(fits.get(name), size, at)
        empty = np.array([[np.nan], [np.inf], [np.inf], [-np.inf], [np.inf], [np.inf], [-np.inf]])
        rows = np.where(known, rows, empty)
        self.before, self.finest, self.span = rows[0], rows[1], rows[2:4]
        self.floors, self.bounds, self.fresh = rows[4], rows[5:], True
        self.rests, self.driven = rests, driven
        self.learned, self._minutes, self._aged = learned, minutes, aged
        if at is None:
            self._sum = np.where(there, total, np.nan)
            self._readings, self._context = int(readings), context
