"""What is remembered of one signal: its value, how long it rested, and learned maxima."""

from collections.abc import Mapping
import math
from typing import Any, Final, override

from . import state
from .contexts import Clock
from .river_parts import Longest
from .signals import Role, Signal, limits_of, role_of, sentinels_of

_ABSURD: Final = 1e12
_VALUES: Final = 4.5
CHANGES: Final = 30
"""A signal that changed less often may rest for as long as it likes."""


class Rest:
    """A stretch of time without a change, judged against those learned before.

    While the compressor rests longer than ever a change was seen (``moved``), nobody
    knows whether a change is due: that time is not counted.
    """

    __slots__ = ("born", "excess", "longest", "moved", "start", "total")

    def __init__(self, clock: Clock) -> None:
        """Begin to rest."""
        self.start = clock.now
        self.born = clock.learned
        self.excess = 0
        self.moved = 0
        self.total = 0
        self.longest = Longest()

    def lasted(self, clock: Clock) -> int:
        """Return for how many ms a change has been due."""
        return clock.now - self.start - self.excess - self._unknown(clock)

    def leave_idle(self, clock: Clock) -> None:
        """Keep the uncounted time; call before the compressor's state turns to running."""
        self.excess += self._unknown(clock)

    def _unknown(self, clock: Clock) -> int:
        if clock.idle_since is None:
            return 0
        return max(0, clock.now - max(self.start, clock.idle_since + self.moved))

    def restart(self, clock: Clock) -> None:
        """Begin to rest anew, learning nothing from what was."""
        self.start = clock.now
        self.excess = 0

    def end(self, clock: Clock, *, learning: bool) -> None:
        """End in a change."""
        self.total += 1
        if learning:
            if (run := clock.now - self.start) > self.longest.value:
                self.longest.learn(run)
            if (idle := clock.idle_since) is not None and clock.now - idle > self.moved:
                self.moved = clock.now - idle
        self.start = clock.now
        self.excess = 0

    def to_json(self, clock: Clock) -> dict[str, Any]:
        """Return what :meth:`restore` needs."""
        return {
            "run": clock.now - self.start,
            "excess": self.excess,
            "moved": self.moved,
            "total": self.total,
            "longest": self.longest.value,
            "exposure": clock.learned - self.born,
        }

    def restore(self, part: Mapping[str, Any], clock: Clock) -> None:
        """Take over a saved part; raises :class:`~.state.DamagedError`."""
        self.start = clock.now - state.whole(part, "run")
        self.excess = state.whole(part, "excess", high=clock.now - self.start)
        self.moved = state.whole(part, "moved")
        self.total = state.whole(part, "total")
        self.longest = Longest(state.whole(part, "longest"))
        self.born = clock.learned - state.whole(part, "exposure")


class Track(Rest):
    """One analog signal."""

    __slots__ = (
        "born_on", "changes", "coarse", "finest", "gone", "held", "high", "highest", "key", "longest_on",
        "low", "lowest", "outside", "patience", "plausible", "role", "sentinels", "signal", "start_on",
        "value", "wider",
    )  # fmt: skip

    def __init__(self, signal: Signal, clock: Clock) -> None:
        """Know the signal, but no value of it yet."""
        super().__init__(clock)
        self.signal = signal
        self.key = signal.key
        self.role: Role = role_of(signal)
        self.low, self.high = limits_of(signal)
        self.sentinels = sentinels_of(signal)
        self.wider: list[float] = []
        """Values outside the limits that the owner called normal: lowest, highest."""
        self.value: float | None = None
        """The last sample's; ``None``: absent."""
        self.held: float | None = None
        """While absent: the value before; ``None`` before the first."""
        self.gone = clock.now
        self.start_on = clock.on
        self.born_on = clock.learned_on
        self.changes = 0
        """How many rests were learned from."""
        self.finest = math.inf
        """The smallest step ever learned."""
        self.lowest, self.highest = math.inf, -math.inf
        self.coarse = True
        """Whether it knows few values, so that it rests for as long as it likes."""
        self.longest_on = Longest()
        self.outside: int | None = None
        """Since when it has been outside its limits."""
        self.patience = 0
        """For how many ms it may rest before that is of interest, or less: it only grows."""
        self.plausible = False
        """Whether it ever was inside: if not, there is no sensor."""

    def take(self, value: object, clock: Clock, *, learning: bool) -> bool:
        """Take a sample that differs from :attr:`value`; return whether the signal moved."""
        number = value if type(value) is float and -_ABSURD < value < _ABSURD else _number(value)
        if number is None:
            if self.value is not None:
                self.held, self.value, self.gone = self.value, None, clock.now
            return False
        before, self.value = self.value, number
        if before is None:
            if self.held is None:
                self.born, self.born_on = clock.learned, clock.learned_on
                self._begin(clock)
                return False
            if clock.now - self.gone > clock.patience:
                self._begin(clock)
                return False
            if number == self.held:
                return False
        self.total += 1
        now, on = clock.now, clock.on
        if learning and self.outside is None:
            self.changes += 1
            if self.coarse or self.changes <= CHANGES:
                self.patience = 0
            if self.coarse and before is not None:
                self._widen_span(before, number)
            if on - self.start_on > self.longest_on.value:
                self.longest_on.learn(on - self.start_on)
            if now - self.start > self.longest.value:
                self.longest.learn(now - self.start)
            if (idle := clock.idle_since) is not None and now - idle > self.moved:
                self.moved = now - idle
        self.start, self.excess, self.start_on = now, 0, on
        if self.low <= number <= self.high and not (self.sentinels and number in self.sentinels):
            self.outside = None
            self.plausible = True
        elif self.outside is None:
            self.outside = now
        return True

    def _begin(self, clock: Clock) -> None:
        self.outside = None
        self.restart(clock)

    @override
    def restart(self, clock: Clock) -> None:
        super().restart(clock)
        self.start_on = clock.on
        if self.value is None:
            return
        if self.low <= self.value <= self.high and self.value not in self.sentinels:
            self.outside = None
            self.plausible = True
        else:
            self.outside = clock.now

    def _widen_span(self, before: float, number: float) -> None:
        self.finest = min(self.finest, abs(number - before))
        self.lowest = min(self.lowest, number, before)
        self.highest = max(self.highest, number, before)
        self.coarse = self.highest - self.lowest < _VALUES * self.finest

    def absent(self, clock: Clock) -> int:
        """Return for how many ms there has been no value; 0 if there is one."""
        return 0 if self.value is not None else clock.now - self.gone

    def widen(self, value: float) -> None:
        """Count a value as plausible, as the owner says, and a little more."""
        margin = 1.0 + 0.1 * abs(value)
        self.wider = [
            min([*self.wider[:1], value - margin]),
            max([*self.wider[1:], value + margin]),
        ]
        self._apply_wider()

    def _apply_wider(self) -> None:
        low, high = self.wider
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.sentinels = frozenset(v for v in self.sentinels if not low <= v <= high)

    @override
    def to_json(self, clock: Clock) -> dict[str, Any]:
        return {
            **super().to_json(clock),
            "manifest": self.signal.manifest,
            "value": self.value,
            "held": self.held,
            "gone": clock.now - self.gone,
            "run_on": clock.on - self.start_on,
            "exposure_on": clock.learned_on - self.born_on,
            "changes": self.changes,
            "coarse": self.coarse,
            "span": [self.finest, self.lowest, self.highest] if self.finest < math.inf else [],
            "longest_on": self.longest_on.value,
            "outside": None if self.outside is None else clock.now - self.outside,
            "plausible": self.plausible,
            "wider": self.wider,
        }

    @override
    def restore(self, part: Mapping[str, Any], clock: Clock) -> None:
        if part.get("manifest") != self.signal.manifest:
            raise state.DamagedError("another signal")
        super().restore(part, clock)
        self.value = state.optional_number(part, "value")
        self.held = state.optional_number(part, "held")
        self.gone = clock.now - state.whole(part, "gone")
        self.start_on = clock.on - state.whole(part, "run_on")
        self.born_on = clock.learned_on - state.whole(part, "exposure_on")
        self.changes = state.whole(part, "changes")
        self.coarse = state.flag(part, "coarse")
        span = state.numbers(part, "span", (0, 3))
        if span:
            self.finest, self.lowest, self.highest = span
        self.longest_on = Longest(state.whole(part, "longest_on"))
        outside = state.optional_whole(part, "outside")
        self.outside = None if outside is None else clock.now - outside
        self.plausible = state.flag(part, "plausible")
        self.wider = state.numbers(part, "wider", (0, 2))
        if self.wider:
            self._apply_wider()


def _number(value: object) -> float | None:
    """Return a finite number, ``None`` for everything else."""
    if type(value) is not float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
    return float(value) if -_ABSURD < value < _ABSURD else None
