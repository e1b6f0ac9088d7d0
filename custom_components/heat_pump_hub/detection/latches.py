"""Alarms: raised by a finding, held until the cause is gone, accepted after three days."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from . import state
from .contexts import DAY, HOUR, MINUTE, Clock
from .monitors import FLATLINE, FROZEN, RANGE, Finding
from .tracks import Rest, Track
from .verdict import Reason

ACCEPTED_AFTER: Final = 3 * DAY
_AGAIN_AFTER: Final = 24 * HOUR
_VANISHED_AFTER: Final = 6 * HOUR
_CALM: Final = {RANGE: 30 * MINUTE, FLATLINE: 30 * MINUTE, FROZEN: 10 * MINUTE}
_MOVES: Final = 3
"""One change does not prove that a sensor lives."""
_TOGETHER: Final = 3
"""So many sensors at once do not fail; what they share does."""


def family(monitor: str) -> str:
    """Return the contract's word that a monitor's name begins with."""
    return monitor.partition("_")[0]


@dataclass(slots=True, kw_only=True)
class Latch:
    """One alarm of one signal (or, frozen, of the device: no key)."""

    monitor: str
    key: str
    since: datetime
    raised: int
    """On the clock, ms."""
    ratio: float
    observed: float
    expected: float
    threshold: float
    value: float | None
    running: bool | None
    mark: int
    """How often the signal had moved."""
    calm: int | None = None
    """On the clock, ms: since when the cause has been gone."""
    accepted: bool = False
    confirmed: bool = False
    over: bool = False
    """Accepted, and gone for a day: a next time is another alarm."""

    @classmethod
    def of(cls, finding: Finding, rest: Rest, clock: Clock, time: datetime) -> Self:
        """Raise an alarm."""
        return cls(
            monitor=finding.monitor,
            key=finding.key,
            since=time.astimezone(UTC) - timedelta(milliseconds=finding.lasted),
            raised=clock.now,
            ratio=finding.ratio,
            observed=finding.observed,
            expected=finding.expected,
            threshold=finding.threshold,
            value=rest.value if isinstance(rest, Track) else None,
            running=clock.running,
            mark=rest.total,
        )

    def refresh(self, finding: Finding) -> None:
        """Keep the alarm's numbers current while its cause lasts."""
        if finding.monitor == self.monitor:
            self.ratio = finding.ratio
            self.observed = finding.observed

    def settle(self, rest: Rest, clock: Clock) -> bool:
        """Look whether it is over; return whether it is to be dropped."""
        word = family(self.monitor)
        if word == RANGE:
            gone = isinstance(rest, Track) and rest.outside is None and rest.value is not None
        else:
            gone = rest.total - self.mark >= _MOVES
        if not gone:
            self.calm = None
            vanished = isinstance(rest, Track) and rest.absent(clock) > _VANISHED_AFTER
            if vanished and not self.accepted:
                return True
        elif self.calm is None:
            self.calm = clock.now
        calm = 0 if self.calm is None else clock.now - self.calm
        if self.accepted:
            # A sensor that rests for days and moves again may do so for good: the owner decides.
            self.over = self.over or (word != FLATLINE and calm >= _AGAIN_AFTER)
            return False
        if gone and calm >= _CALM[word]:
            return True
        if not self.confirmed and clock.now - self.raised >= ACCEPTED_AFTER:
            self.accepted = True
        return False

    def to_json(self, clock: Clock) -> dict[str, Any]:
        """Return what :meth:`from_json` needs."""
        return {
            "monitor": self.monitor,
            "key": self.key,
            "since": self.since.isoformat(),
            "raised": clock.now - self.raised,
            "ratio": self.ratio,
            "observed": self.observed,
            "expected": self.expected,
            "threshold": self.threshold,
            "value": self.value,
            "running": self.running,
            "mark": self.mark,
            "calm": None if self.calm is None else clock.now - self.calm,
            "accepted": self.accepted,
            "confirmed": self.confirmed,
            "over": self.over,
        }

    @classmethod
    def from_json(cls, part: Mapping[str, Any], clock: Clock) -> Self:
        """Restore; raises :class:`~.state.DamagedError`."""
        monitor = state.text(part, "monitor")
        if family(monitor) not in _CALM:
            raise state.DamagedError("monitor")
        calm = state.optional_whole(part, "calm")
        return cls(
            monitor=monitor,
            key=state.text(part, "key"),
            since=state.moment(part, "since"),
            raised=clock.now - state.whole(part, "raised"),
            ratio=state.number(part, "ratio"),
            observed=state.number(part, "observed"),
            expected=state.number(part, "expected"),
            threshold=state.number(part, "threshold"),
            value=state.optional_number(part, "value"),
            running=state.optional_flag(part, "running"),
            mark=state.whole(part, "mark"),
            calm=None if calm is None else clock.now - calm,
            accepted=state.flag(part, "accepted"),
            confirmed=state.flag(part, "confirmed"),
            over=state.flag(part, "over"),
        )


def reasons(latches: Iterable[Latch], everything: tuple[str, ...]) -> list[tuple[float, Reason]]:
    """Return the reasons with their ratios; those of one kind merged if they are many."""
    groups: dict[tuple[str, bool], list[Latch]] = {}
    for latch in latches:
        groups.setdefault((family(latch.monitor), latch.accepted), []).append(latch)
    found: list[tuple[float, Reason]] = []
    for group in groups.values():
        group.sort(key=lambda latch: (-latch.ratio, latch.key))
        parts = [group] if len(group) >= _TOGETHER else [[latch] for latch in group]
        found.extend((part[0].ratio, _reason(part, everything)) for part in parts)
    return found


def _reason(part: list[Latch], everything: tuple[str, ...]) -> Reason:
    latch = part[0]
    signals = tuple(one.key for one in part) if latch.key else everything
    context: dict[str, str | float | bool] = {
        "accepted": latch.accepted,
        "confirmed": latch.confirmed,
    }
    if family(latch.monitor) != RANGE:
        context["unit"] = "min"
    if latch.value is not None:
        context["value"] = latch.value
    if latch.running is not None:
        context["compressor_running"] = latch.running
    return Reason(
        monitor=latch.monitor,
        signals=signals,
        suspect=latch.key if latch.key and len(part) == 1 else None,
        observed=latch.observed,
        expected=latch.expected,
        tolerance=abs(latch.threshold - latch.expected),
        since=min(one.since for one in part),
        context=context,
    )
