"""A scorer for numbers that nobody knows anything about, online and in a single pass."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
import math
from typing import Final

from .river_parts import Extremes, Typical, load

_SHORT: Final = 0.02
_LONG: Final = 0.05
_FRESH: Final = 0.08
"""Shares of the warm-up: two smoothing times, and how long an anomaly remains known."""
_LEAST_ROWS: Final = 20
_BINS: Final = 48
"""Places of a day; each day of the week has its own, as weekends are not working days."""
_HABIT: Final = 0.3
_HABIT_WEIGHT: Final = 0.7
"""A habit of so few weeks says less than a range of all time."""
_SMOOTH: Final = 1 / 25
_BASE: Final = 1 / 1.6
_LEVEL_MARGIN: Final = 2.25
_LEAK: Final = 0.1
"""How much slower the base follows what is beyond the limit, so that nothing lasts for ever."""
_ABSURD: Final = 1e15
_KEEP: Final = 0.9
_SETTLE: Final = 1 / 8
_MOST: Final = 100.0
_UNKNOWN: Final = 3.0
"""Ratio of a first move of what never moved."""
ALARM: Final = 0.5
"""The threshold that is meant for several signals together."""


class _Pace:
    """How many samples a warm-up has, from the times between them."""

    __slots__ = ("_typical", "_warmup", "last")

    def __init__(self, warmup: float) -> None:
        self._warmup = warmup
        self._typical = Typical(0.05)
        self.last: float | None = None

    def advance(self, now: float) -> None:
        if self.last is not None and now > self.last:
            step = now - self.last
            known = self._typical.value
            self._typical.learn(step if known is None else min(step, 3 * known))
        self.last = now

    @property
    def rows(self) -> float:
        typical = self._typical.value
        least = float(_LEAST_ROWS)
        return max(least, self._warmup / typical) if typical else least


class _Single:
    """One signal: what leaves the range in which it, its average, its habit or its unrest was."""

    __slots__ = ("_habits", "_known", "_long", "_ranges", "_rows", "_short", "_unrest")

    def __init__(self) -> None:
        self._ranges = tuple(Extremes() for _ in range(4))
        self._habits: dict[int, float] = {}
        self._long: float | None = None
        self._unrest = 0.0
        self._known = 0.0
        self._rows = 0
        self._short: float | None = None

    def score(self, value: float, place: int, rows: float) -> float:
        """Take a value at a ``place`` of the week; return how far it goes where it never was."""
        before = value if self._short is None else self._short
        self._short = value
        self._long = (
            value
            if self._long is None
            else self._long + (value - self._long) / (_LONG * rows + 1.0)
        )
        self._unrest += (abs(value - before) - self._unrest) / (_SHORT * rows + 1.0)
        self._rows += 1
        level, average, habit, unrest = self._ranges
        found = level.exceed(value)
        found = max(found, average.exceed(self._long))
        usual = self._habits.get(place)
        if usual is None:
            self._habits[place] = value
        else:
            self._habits[place] = usual + _HABIT * (value - usual)
            found = max(found, _HABIT_WEIGHT * habit.exceed(value - usual))
        if self._rows > 1.5 * _LEAST_ROWS:
            rest = 0.02 * level.spread + 1e-9
            found = max(found, unrest.exceed(math.log(self._unrest + rest)))
        # What lasts is one anomaly, not one per sample.
        answer = found if found > self._known else max(0.0, found - self._known)
        self._known = max(self._known * math.exp(-1.0 / (_FRESH * rows + 1.0)), found)
        return answer


class _Level:
    """One of several signals: its smoothed distance from where it used to be."""

    __slots__ = (
        "_base", "_before", "_farthest", "_follow", "_largest", "_rows", "_smooth", "_steps",
        "_values",
    )  # fmt: skip

    def __init__(self) -> None:
        self._smooth: float | None = None
        self._base = self._before = self._steps = self._farthest = 0.0
        self._largest = Extremes()
        self._values = Extremes()
        self._rows = 0
        self._follow: float | None = None

    def ratio(self, value: float, rows: float, *, learning: bool) -> float:
        """Take a value; return its level's distance from the base, 1 at the limit.

        A signal that was not yet there for half a warm-up is learned, whatever the others are.
        """
        if self._smooth is None:
            self._smooth = self._base = self._before = value
        self._smooth += (value - self._smooth) / max(1.0, _SMOOTH * rows)
        self._rows += 1
        away = abs(self._smooth - self._base)
        gain = 1.0 / (_BASE * rows)
        step = value - self._base
        if learning or self._rows <= max(_LEAST_ROWS, rows / 2):
            self._steps += (value - self._before) ** 2
            self._before = value
            self._values.exceed(value)
            self._base += max(gain, 1.0 / self._rows) * step
            if self._rows > _SETTLE * rows:
                self._largest.exceed(away)
            return 0.0
        if self._follow is None:
            self._follow = gain * (2.0 - self._whiteness)
        limit = _LEVEL_MARGIN * self._largest.highest
        if limit <= 0:
            # It never moved: what it does now is the only measure of what it may do.
            self._farthest = max(self._farthest, away)
            limit = self._farthest / _UNKNOWN
        ratio = away / limit if limit > 0 else 0.0
        if ratio < 1:
            self._base += self._follow * step
        else:
            # An anomaly must not become the base that it is measured against.
            self._base += _LEAK * gain * max(-limit, min(limit, step))
        return ratio

    @property
    def _whiteness(self) -> float:
        """1 for a signal that is noise, near 0 for one that wanders and is to be followed.

        Half the mean square of its steps over its variance (von Neumann's ratio).
        """
        variance = self._rows * self._values.spread**2
        return min(1.0, 0.5 * self._steps / variance) if variance > 0 else 1.0


class GenericScorer:
    """Scores samples of any signals from 0 to 1; about 5 µs a signal, O(1) memory.

    One signal alone: how far, in standard deviations, it leaves the range in which its
    value, its average, its difference from the same time of the last weeks and its
    unrest ever were; an anomaly scores at its begin. Several together: the mean (of
    third powers, so that one signal can raise it) of their smoothed distances from a
    slow base, in units of the largest ones of the warm-up; :data:`ALARM` (0.5) is the
    one threshold for any signals, held until 0.9 of it. It cannot see that a signal
    stands still, nor which relation between signals broke.

    It learns for ``warmup``, and at least 20 samples or half of those that fit into it:
    a gap or a clock that jumps is no time of learning. A signal that appears later is
    learned for half a warm-up first. Repeated times and times that go back are samples
    like others.
    """

    def __init__(self, keys: Iterable[str], warmup: timedelta = timedelta(hours=1)) -> None:
        """Begin to learn; the score is 0 meanwhile.

        Raises ``ImportError`` if River cannot be imported, ``ValueError`` if ``warmup``
        is not above 0.
        """
        if warmup <= timedelta(0):
            msg = "The warm-up must be longer than nothing"
            raise ValueError(msg)
        load()
        self._keys = tuple(dict.fromkeys(keys))
        self._warmup = warmup.total_seconds()
        self._pace = _Pace(self._warmup)
        self._single = _Single()
        self._levels = {key: _Level() for key in self._keys}
        self._elapsed = 0.0
        self._rows = 0
        self._warm = False
        self._on = False

    def observe(
        self, time: datetime, values: Mapping[str, float | int | str | bool | None]
    ) -> float:
        """Learn from a sample and score it; what is not a number is left out.

        Raises ``ValueError`` if the time has no zone.
        """
        if time.tzinfo is None:
            msg = "The time of a sample needs a time zone"
            raise ValueError(msg)
        now = time.timestamp()
        last = self._pace.last
        self._pace.advance(now)
        if last is not None:
            self._elapsed += max(0.0, now - last)
        numbers = {
            key: float(value)
            for key in self._keys
            if isinstance(value := values.get(key), (int, float))
            and not isinstance(value, bool)
            and -_ABSURD < value < _ABSURD
        }
        if not numbers:
            return 0.0
        rows = self._pace.rows
        if not self._warm:
            enough = self._elapsed >= self._warmup and self._rows >= max(_LEAST_ROWS, rows / 2)
            self._warm = enough
            self._rows += 1
        if len(self._keys) == 1:
            (number,) = numbers.values()
            place = (time.weekday() * 1440 + time.hour * 60 + time.minute) * _BINS // 1440
            found = self._single.score(number, place, rows)
            return found / (1.0 + found) if self._warm else 0.0
        total = 0.0
        for key, number in numbers.items():
            ratio = self._levels[key].ratio(number, rows, learning=not self._warm)
            total += min(ratio, _MOST) ** 3
        if not self._warm:
            return 0.0
        found = 2.0 * math.cbrt(total / len(numbers))
        self._on = found > (_KEEP if self._on else 1.0)
        if self._on:
            found = max(found, 1.0)
        return found / (1.0 + found)
