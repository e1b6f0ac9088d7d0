"""When each register was last written, by two clocks.

While running only the monotonic clock counts: a wall clock that jumps (a Pi without
a clock gets its time minutes after the start) must not open the gate early. Across a
restart only the wall clock exists.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
import logging
import math
from typing import Any, Final

_LOGGER = logging.getLogger(__name__)

ALL: Final = "*"
"""The register that stands for all: stamped when what was saved is unreadable."""

_OLDEST: Final = datetime(2025, 1, 1, tzinfo=UTC)
"""Before this the clock was not set when the stamp was made."""

_KEEP: Final = timedelta(days=1).total_seconds()
"""Longer than any cooldown."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """One write."""

    wall: datetime
    at: float
    """Monotonic seconds; of a stamp of an earlier run, what they would have been."""


class Stamps:
    """The last write of each register (``holding:1032``)."""

    def __init__(self, now: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        """``now`` returns an aware time, ``monotonic`` seconds that never jump."""
        self._now = now
        self._monotonic = monotonic
        self._stamps: dict[str, Stamp] = {}

    def get(self, register: str) -> Stamp | None:
        """Return a stamp, to be put back if the write did not happen."""
        return self._stamps.get(register)

    def set(self, register: str) -> None:
        """Stamp a register with the present time."""
        self._stamps[register] = Stamp(self._now().astimezone(UTC), self._monotonic())

    def put_back(self, register: str, stamp: Stamp | None) -> None:
        """Undo :meth:`set`."""
        if stamp is None:
            self._stamps.pop(register, None)
        else:
            self._stamps[register] = stamp

    def elapsed(self, register: str) -> float:
        """Return the seconds since a register was written; infinite if it never was."""
        stamps = (self._stamps.get(register), self._stamps.get(ALL))
        last = max((stamp.at for stamp in stamps if stamp), default=-math.inf)
        return self._monotonic() - last

    def to_json(self) -> dict[str, str]:
        """Return a JSON-able dict; stamps older than a day are left out."""
        now, monotonic = self._now().astimezone(UTC), self._monotonic()
        # A clock that was set since the stamp was made moves the stamp along, never back.
        return {
            register: max(stamp.wall, now - timedelta(seconds=monotonic - stamp.at)).isoformat()
            for register, stamp in self._stamps.items()
            if monotonic - stamp.at <= _KEEP
        }

    def restore(self, data: object) -> None:
        """Take over what :meth:`to_json` returned in an earlier run.

        A damaged stamp, one of an unset clock and one in the future count as now, for
        their register; if nothing can be read at all, for every register.
        """
        self._stamps.clear()
        if not isinstance(data, Mapping):
            self.set(ALL)
            return
        for register, text in data.items():
            self._stamps[str(register)] = self._restored(register, text)

    def _restored(self, register: object, text: Any) -> Stamp:
        now, monotonic = self._now().astimezone(UTC), self._monotonic()
        try:
            wall = datetime.fromisoformat(text).astimezone(UTC)
        except TypeError, ValueError, OverflowError:
            _LOGGER.warning("The saved time of the last write to %s is damaged", register)
            return Stamp(now, monotonic)
        if wall < _OLDEST:
            return Stamp(now, monotonic)
        age = max(0.0, (now - wall).total_seconds())
        return Stamp(wall, monotonic - age)
