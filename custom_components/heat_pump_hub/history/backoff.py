"""How long it has been failing, and how long to wait until the next attempt."""

from random import Random
from typing import Final

from .server import AuthRejectedError, HistoryError, OverloadedError

FIRST_DELAY: Final = 1.0
LONGEST_DELAY: Final = 300.0
LONGEST_RETRY_AFTER: Final = 3600.0
"""Seconds between attempts; a server that asks for more than an hour is asked hourly."""
AWAY_AFTER: Final = 3600.0
"""Seconds without an answer after which the owner is told."""


class Backoff:
    """Attempts that fail become rarer, and never stop."""

    def __init__(self, rng: Random) -> None:
        """Begin without a failure; ``rng`` makes the jitter."""
        self._rng = rng
        self._failures = 0
        self._since: float | None = None
        self.error: str | None = None
        """Why the last attempt failed; ``None``: it did not."""
        self.cause: type[HistoryError] | None = None
        """The kind of that error."""

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    def failing_for(self, now: float) -> float | None:
        """Return for how many seconds every attempt has failed, at a time of the loop."""
        return None if self._since is None else now - self._since

    def failed(self, err: HistoryError, now: float) -> bool:
        """Count a failure at a time of the loop; return whether it has failed for long."""
        self.error = str(err)
        self.cause = type(err)
        self._failures += 1
        if self._since is None:
            self._since = now
            return False
        return now - self._since >= AWAY_AFTER

    def succeeded(self) -> None:
        """Begin anew."""
        self._failures = 0
        self._since = None
        self.error = None
        self.cause = None

    def delay(self, err: HistoryError) -> float:
        """Return the seconds to wait after a failure."""
        if isinstance(err, AuthRejectedError):
            # Waiting does not heal a wrong password, and some gateways lock accounts.
            longest = LONGEST_DELAY
        else:
            longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(self._failures - 1, 30))
        delay = longest * self._rng.uniform(0.5, 1.0)
        if isinstance(err, OverloadedError) and err.retry_after is not None:
            asked = min(err.retry_after, LONGEST_RETRY_AFTER)
            delay = max(delay, asked * self._rng.uniform(1.0, 1.1))
        return delay
