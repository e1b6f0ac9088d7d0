"""Whether the clock can be trusted: a small computer without one starts with a time of long ago."""

from collections.abc import Callable
import time
from typing import Final

STEP: Final = 60.0
"""Seconds by which a clock that is set differs from one that is kept right."""
SETTLED_AFTER: Final = 3600.0
"""Seconds after the start, or after it was set, from which its word is good enough to give something up."""


class Steady:
    """Compares the clock with one that does not jump."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        settled_after: float = SETTLED_AFTER,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``clock`` gives seconds since 1970."""
        self._clock = clock
        self._monotonic = monotonic
        self._settled_after = settled_after
        self._since = monotonic()
        self._ahead = clock() - self._since
        self._jumped = False

    def jumps(self) -> bool:
        """Return whether the clock was set since the last call."""
        before, now = self._ahead, self._monotonic()
        self._ahead = self._clock() - now
        if abs(self._ahead - before) < STEP:
            return False
        self._since = now
        self._jumped = True
        return True

    @property
    def settled(self) -> bool:
        """Whether it has run evenly for long."""
        return self._monotonic() - self._since >= self._settled_after

    @property
    def was_set(self) -> bool:
        """Whether it was set not long ago."""
        return self._jumped and not self.settled
