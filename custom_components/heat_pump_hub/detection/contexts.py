"""Time and circumstances of a sample: how long, compressor on or off, since when."""

from collections.abc import Mapping
import math
from typing import Any, Final, Self

from . import state
from .river_parts import Typical

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_SHORTEST_GAP: Final = 15 * MINUTE
"""Below this, nothing is a gap: settings are read every 10 minutes only."""
_PERIODS_IN_GAP: Final = 5
_VOUCHED: Final = 1.25
_FADING: Final = 0.1

_RUNNING_MODES: Final = frozenset({"heating", "dhw", "defrost", "cooling", "pool", 1, 2, 3, 4, 5})
_RESTING_MODES: Final = frozenset({"off", "utility_lock", 0, 6})
_TRUE: Final = frozenset({"true", "on", "1", "1.0"})
_FALSE: Final = frozenset({"false", "off", "0", "0.0"})

type Values = Mapping[str, float | int | str | bool | None]


def truth(value: object) -> bool | None:
    """Return a flag that may be written as a bool, a number or a word; ``None`` if it is none."""
    if isinstance(value, str):
        word = value.lower()
        return True if word in _TRUE else False if word in _FALSE else None
    if isinstance(value, (bool, int, float)):
        return None if value != value else bool(value)  # noqa: PLR0124 - NaN
    return None


def number(values: Values, key: str) -> float | None:
    """Return a value if it is a number that can be measured."""
    value = values.get(key)
    if type(value) is float:
        return value if -1e12 < value < 1e12 else None
    if value is None or isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if -1e12 < value < 1e12 else None


def compressor_runs(values: Values) -> bool | None:
    """Return whether the compressor runs, ``None`` if these values do not say.

    Asked in this order: ``compressor_running``, ``compressor_frequency``,
    ``operating_mode`` (a slug or its number in the history).
    """
    value = values.get("compressor_running")
    if isinstance(value, str):
        value = True if value.lower() in _TRUE else False if value.lower() in _FALSE else None
    if value is None:
        value = values.get("compressor_frequency")
    if isinstance(value, (int, float)):
        return None if math.isnan(value) else value > 0
    mode = values.get("operating_mode")
    if mode in _RUNNING_MODES:
        return True
    return False if mode in _RESTING_MODES else None


class Clock:
    """Elapsed time in ms, which no gap and no jump of the wall clock enters.

    ``now`` counts observed time, ``on`` that with the compressor on, ``learned`` and
    ``learned_on`` the same without the time under alarm. Only differences mean
    anything: a restored clock starts at 0 again.
    """

    __slots__ = (
        "_period", "elapsed", "idle_since", "last", "learned", "learned_on", "now", "on", "patience",
        "running",
    )  # fmt: skip

    def __init__(self) -> None:
        """Start at 0, knowing nothing."""
        self.now = self.on = self.learned = self.learned_on = 0
        self.last: int | None = None
        self.elapsed = 0
        """ms from the sample before to this one by the wall clock, gaps and all."""
        self.running: bool | None = None
        self.idle_since: int | None = None
        self.patience = _SHORTEST_GAP
        self._period = Typical(_FADING)

    def advance(self, stamp: int, *, learning: bool) -> bool:
        """Go on to a sample at this Unix time in ms; return whether a gap lies before it.

        A clock that jumped back, or a sample that comes twice, counts no time.
        """
        last, self.last = self.last, stamp
        if last is None:
            return True
        step = self.elapsed = stamp - last
        if step <= 0:
            return False
        gap = step > self.patience
        # A sample vouches for its own period; what a lost one hid must not be learned as rest.
        period = self._period.value or float(min(step, HOUR))
        self._period.learn(min(float(step), 2 * period, float(HOUR)))
        self._wait()
        if gap:
            return True
        step = min(step, max(int(_VOUCHED * period), MINUTE))
        self.now += step
        if self.running:
            self.on += step
        if learning:
            self.learned += step
            if self.running:
                self.learned_on += step
        return False

    @property
    def period(self) -> float:
        """The typical time between samples in ms; a minute while nobody knows."""
        return self._period.value or float(MINUTE)

    def turn(self, running: bool) -> None:
        """Take over that the compressor started or stopped."""
        self.running = running
        self.idle_since = None if running else self.now

    def _wait(self) -> None:
        self.patience = max(_SHORTEST_GAP, int(_PERIODS_IN_GAP * (self._period.value or 0.0)))

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`from_json` needs."""
        return {
            "last": self.last,
            "running": self.running,
            "idle": None if self.idle_since is None else self.now - self.idle_since,
            "learned": self.learned,
            "learned_on": self.learned_on,
            "period": self._period.value,
        }

    @classmethod
    def from_json(cls, part: Mapping[str, Any]) -> Self:
        """Restore; raises :class:`~.state.DamagedError`."""
        clock = cls()
        clock.last = state.optional_whole(part, "last", -state.LONGEST, 100 * state.LONGEST)
        clock.running = state.optional_flag(part, "running")
        idle = state.optional_whole(part, "idle")
        clock.idle_since = None if idle is None else -idle
        clock.learned = state.whole(part, "learned")
        clock.learned_on = state.whole(part, "learned_on")
        period = state.optional_number(part, "period")
        if period is not None and not 0 < period <= HOUR:
            raise state.DamagedError("period")
        clock._period = Typical(_FADING, period)
        clock._wait()
        return clock
