"""Single samples: a value that leaves and returns, and a value that jumps and stays."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from . import state
from .arrays import Array, moved, pack, places, unpack
from .monitors import JUMP_WARM_UP, SPIKE_WARM_UP
from .signals import Role, Signal, role_of, unit_of
from .situation import COOLING, DEFROST, DHW, HEATING, OFF, Situation

SPIKE, JUMP = "spike", "jump"

_MODES: Final = {OFF: 1, HEATING: 2, DHW: 3, DEFROST: 4, COOLING: 5}
_ROWS: Final = 6
_SETTLED: Final = 8.0
_MARGIN: Final = 3.0
_EXPOSURE: Final = 120.0
_LATE: Final = 1.6
_SPREAD_SHARE: Final = 0.15
_SPREAD_SHARE_UNSETTLED: Final = 0.4
_OUTSIDE: Final = 0.3
_QUICK: Final = 2.0
"""Minutes between samples."""
_LONE: Final = 2.5
_STILL: Final = 0.25
"""Share of its floor by which a signal may go and return, and count as still."""
_TOGETHER: Final = 2
"""So many sensors do not step at once; what they measure does."""
_FLOORS: Final = {
    "°C": (4.0, 0.9), "°F": (7.0, 1.7), "K": (4.0, 0.9), "bar": (0.5, 0.25), "V": (25.0, 25.0),
    "L/min": (4.0, np.inf), "l/min": (4.0, np.inf),
}  # fmt: skip


class Steps:
    """The last three samples of every analog signal, and the largest steps ever learned."""

    def __init__(self, signals: Sequence[Signal]) -> None:
        """Begin with nothing learned; ``signals`` are the analog ones."""
        self.keys = tuple(signal.key for signal in signals)
        size = len(signals)
        watched = np.array(
            [
                role_of(signal) is not Role.PASSIVE and "inverter" not in signal.key
                for signal in signals
            ],
            dtype=bool,
        )
        floors = [_FLOORS.get(unit_of(signal) or "", (np.inf, np.inf)) for signal in signals]
        self._spike_floor = np.array([floor[0] for floor in floors])
        self._jump_floor = np.array([floor[1] for floor in floors])
        self._spike_floor[~watched] = np.inf
        self._known_floor = self._spike_floor.copy()
        self._span = np.stack((np.full(size, -np.inf), np.full(size, np.inf)))
        """Lowest and highest of signals of unknown kind."""
        # A pump's flow comes and goes, and nothing else need notice.
        self._massive = np.array([unit_of(signal) in ("°C", "°F") for signal in signals], bool)
        # A window is opened, the sun comes out: rooms do step.
        rooms = np.array(["room" in signal.key for signal in signals], dtype=bool)
        self._jump_floor[rooms] *= 2.5
        self._jump_floor[~watched] = np.inf
        self.spikes = np.zeros((_ROWS, size))
        self.steps = np.zeros((_ROWS, size))
        self.exposure: Array = np.zeros(_ROWS)
        self.low: Array = np.full(size, np.nan)
        self.high: Array = np.full(size, np.nan)
        self.learned = 0.0
        self._before: Array = np.full(size, np.nan)
        self._value: Array = np.full(size, np.nan)
        self._step: Array = np.full(size, np.nan)
        self._moved: Array = np.full(size, np.nan)
        self._first: Array = np.full(size, np.nan)
        self._rows = (0, 0)
        self._small: dict[int, Array] = {}
        """Of each row, steps under which there is nothing to judge and nothing to learn."""

    def expect(self, places: Sequence[int], floors: Array, span: Array) -> None:
        """Judge spikes of signals of unknown kind, too: so large, and out of the range ``span``."""
        self._spike_floor[places] = np.minimum(self._known_floor[places], floors)
        finite = np.isfinite(floors)
        self._span[:, places] = np.where(finite, span, [[-np.inf], [np.inf]])

    def restart(self) -> None:
        """Forget the last samples: nothing can be said across a gap."""
        gone = np.full(len(self.keys), np.nan)
        self._before = self._value = self._step = self._moved = self._first = gone

    def observe(
        self, array: Array, situation: Situation, minutes: float, typical: float, *, learning: bool
    ) -> list[tuple[str, int, float, float, float, float]]:
        """Take a sample; return monitor, index, ratio, observed, expected, tolerance of each.

        A spike is known one sample after it, a jump two samples after it.
        """
        if minutes > _LATE * typical:
            self.restart()
        row = _MODES.get(situation.mode or "", 0) if situation.since_mode >= _SETTLED else 0
        before, self._rows = self._rows, (self._rows[1], row)
        # The least sure of the three situations is the one that counts.
        where = 0 if 0 in before else row
        last = array - self._value
        size_now = np.abs(last)
        first, previous, size = self._first, self._step, self._moved
        one, two = self._before, self._value
        self._first, self._step, self._moved = size, last, size_now
        self._before, self._value = two, array
        small = self._small.get(where)
        if small is None:
            small = np.minimum(self._spike_floor, self._jump_floor)
            small = np.minimum(small, np.minimum(self.spikes[where], self.steps[where]))
            self._small[where] = small
        if not (size > small).any():
            if learning:
                self._lived(array, where, minutes)
            return []
        spike = np.minimum(size, size_now)
        spike[~(last * previous < 0)] = 0.0
        found: list[tuple[str, int, float, float, float, float]] = []
        warm = self.learned
        if warm >= SPIKE_WARM_UP and self.exposure[where] >= _EXPOSURE:
            for name, value, tops, floor in (
                (SPIKE, spike, self.spikes, self._spike_floor),
                (JUMP, size, self.steps, self._jump_floor),
            ):
                if not (value >= floor).any() or (name == JUMP and warm < JUMP_WARM_UP):
                    continue
                limit = np.maximum(_MARGIN * tops[where], floor)
                if name == SPIKE:
                    # Two steps that are known may follow each other.
                    limit = np.maximum(limit, 1.5 * self.steps[where])
                    share = _SPREAD_SHARE if where else _SPREAD_SHARE_UNSETTLED
                    limit = np.maximum(limit, share * (self.high - self.low))
                    # Farther outside than it ever was, and back: whatever the machine does.
                    span = self.high - self.low
                    outer = np.maximum(floor, _OUTSIDE * span)
                    beyond = np.maximum(self.low - two, two - self.high)
                    limit = np.where(beyond >= outer, np.minimum(limit, outer), limit)
                    if typical <= _QUICK and np.count_nonzero(value >= _STILL * floor) == 1:
                        # What has mass is not back in two minutes, unnoticed by all around it.
                        mark = np.maximum(_LONE * floor, 2.0 * tops.max(axis=0))
                        mark = np.maximum(mark, _SPREAD_SHARE * span)
                        limit = np.where(self._massive, np.minimum(limit, mark), limit)
                    low, high = self._span
                    away = np.maximum(low - two, two - high) >= _OUTSIDE * (high - low)
                    limit = np.where(away, np.minimum(limit, floor), limit)
                    hits = np.flatnonzero(value >= limit).tolist()
                else:
                    # A sensor that steps so far elsewhere does it here, too, one day.
                    limit = np.maximum(limit, 1.3 * tops.max(axis=0))
                    # A step that is kept: what follows moves little, and what came before did.
                    around = np.maximum(size_now, first)
                    hits = np.flatnonzero((value >= limit) & (around < 0.4 * size)).tolist()
                if 0 < len(hits) < _TOGETHER:
                    found.extend(
                        (
                            name, index, float(value[index] / limit[index]), float(two[index]),
                            float(one[index]), float(limit[index]),
                        )
                        for index in hits
                    )  # fmt: skip
        if learning and not found:
            np.fmax(self.spikes[where], spike, out=self.spikes[where])
            np.fmax(self.steps[where], size, out=self.steps[where])
            self._small.pop(where, None)
            self._lived(array, where, minutes)
        return found

    def _lived(self, array: Array, where: int, minutes: float) -> None:
        self.exposure[where] += minutes
        self.learned += minutes
        np.fmin(self.low, array, out=self.low)
        np.fmax(self.high, array, out=self.high)

    def accept(self, key: str, value: float) -> None:
        """Count a value, and the way to it, as normal, as the owner says."""
        if key not in self.keys:
            return
        index = self.keys.index(key)
        span = float(np.fmax(self.high[index], value) - np.fmin(self.low[index], value))
        for learned in (self.steps, self.spikes):
            learned[:, index] = np.maximum(learned[:, index], span)
        self._small.clear()

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs."""
        history = np.stack(
            (
                self._before, self._value, self._step, self._moved, self._first, self.low,
                self.high,
            )
        )  # fmt: skip
        gone = ~np.isfinite(history)
        return {
            "keys": list(self.keys),
            "learned": pack(np.stack((self.spikes, self.steps))),
            "exposure": pack(self.exposure),
            "minutes": self.learned,
            "history": pack(np.where(gone, 0.0, history)),
            "gone": pack(gone.astype(np.float64)),
            "rows": list(self._rows),
        }

    def restore(self, part: Mapping[str, Any], changed: frozenset[str] = frozenset()) -> None:
        """Take over a saved part, save of signals that are new or ``changed``.

        Raises :class:`~.state.DamagedError`.
        """
        at = places(part.get("keys"), self.keys, changed)
        size = len(part["keys"])
        learned = unpack(part, "learned", (2, _ROWS, size))
        exposure = unpack(part, "exposure", (_ROWS,))
        history = unpack(part, "history", (7, size))
        gone = unpack(part, "gone", (7, size))
        minutes = state.number(part, "minutes")
        rows = state.numbers(part, "rows", (2,))
        if not all(row in range(_ROWS) for row in rows):
            raise state.DamagedError("rows")
        history[gone != 0] = np.nan
        self.spikes, self.steps = moved(learned, at)
        self._small.clear()
        if at is not None:
            # What is new has not shown yet how far it steps.
            new = at < 0
            for steps, floor in ((self.spikes, self._spike_floor), (self.steps, self._jump_floor)):
                steps[:, new] = np.where(np.isfinite(floor[new]), floor[new], 0.0)
        self.exposure = exposure
        (
            self._before, self._value, self._step, self._moved, self._first, self.low, self.high
        ) = moved(history, at, fill=np.nan)  # fmt: skip
        self.learned = minutes
        self._rows = (int(rows[0]), int(rows[1]))
