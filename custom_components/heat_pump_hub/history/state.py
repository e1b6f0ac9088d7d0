"""What is told of a shipper: its state, and what an owner has to know."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from .backoff import Backoff
from .codec import Coding
from .entry import Entry
from .outbox import Outbox
from .server import AuthRejectedError, HistoryError, UnreachableError


class Trouble(StrEnum):
    """What an owner has to know, or do something about, until it is over."""

    AWAY = "history_away"
    REFUSED = "history_refused"
    NOT_KEPT = "history_not_kept"
    NO_DEDUPLICATION = "history_no_deduplication"
    RETENTION = "history_retention"
    UNREADABLE = "history_unreadable"


class Failing(StrEnum):
    """Why nothing can be stored now."""

    SILENT = "silent"
    """The server does not answer."""
    LOGIN = "login"
    """It does not take the login."""
    OTHER = "other"
    """It answers, and takes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """State of a shipper, for diagnostic sensors."""

    queued_samples: int
    """Samples the server has not taken yet."""
    queued_bytes: int
    oldest: int | None
    """When the oldest of them was taken, ms since 1970."""
    unverified: int
    """Samples the server has taken, and that are not counted yet."""
    posted: int
    """Samples the server has taken since the start, those sent again included."""
    verified: int
    """Samples that were found on the server since the start."""
    lost: int
    """Samples the server had taken and did not have later; they are sent again."""
    dropped: int
    """Samples that were given up because they were too many or too old."""
    refused: int
    """Samples that were put aside because the server refuses them."""
    last_success: float | None
    """Seconds since 1970 at which the server last took a body."""
    last_verified: int | None
    """Time of the newest sample that was found on the server, ms since 1970."""
    coding: Coding
    last_error: str | None
    """Why the last attempt failed; ``None``: it did not."""
    failing: Failing | None
    """The kind of that reason."""
    failing_for: float | None
    """Seconds since the first attempt that failed, if none has succeeded since."""


@dataclass(slots=True)
class Counters:
    """What a shipper has done since the start; see :class:`Stats`."""

    posted: int = 0
    verified: int = 0
    lost: int = 0
    last_success: float | None = None
    last_verified: int | None = None

    def found(self, entries: Sequence[Entry]) -> None:
        """Count entries that are on the server."""
        self.verified += sum(entry.samples for entry in entries)
        self.last_verified = max(self.last_verified or 0, *(entry.last for entry in entries))


def stats_of(
    outboxes: Sequence[Outbox], counters: Counters, coding: Coding, backoff: Backoff, now: float
) -> Stats:
    """Return the state of a shipper with these outboxes, at a time of the loop."""
    return Stats(
        queued_samples=sum(outbox.samples for outbox in outboxes),
        queued_bytes=sum(outbox.size for outbox in outboxes),
        oldest=min((o.oldest for o in outboxes if o.oldest is not None), default=None),
        unverified=sum(outbox.unverified for outbox in outboxes),
        posted=counters.posted,
        verified=counters.verified,
        lost=counters.lost,
        dropped=sum(outbox.dropped for outbox in outboxes),
        refused=sum(outbox.parked for outbox in outboxes),
        last_success=counters.last_success,
        last_verified=counters.last_verified,
        coding=coding,
        last_error=backoff.error,
        failing=None if backoff.cause is None else _failing(backoff.cause),
        failing_for=backoff.failing_for(now),
    )


def _failing(cause: type[HistoryError]) -> Failing:
    if issubclass(cause, UnreachableError):
        return Failing.SILENT
    return Failing.LOGIN if issubclass(cause, AuthRejectedError) else Failing.OTHER


class Troubles:
    """Tells each trouble once, until it is over."""

    def __init__(self, tell: Callable[[Trouble, str | None], None]) -> None:
        """``tell`` gets a trouble with details when it begins, and with ``None`` when it is over."""
        self._tell = tell
        self._present: set[Trouble] = set()

    def __contains__(self, trouble: Trouble) -> bool:
        """Return whether it was told and is not over."""
        return trouble in self._present

    def begins(self, trouble: Trouble, details: str) -> None:
        """Tell a trouble, unless it was told."""
        if trouble not in self._present:
            self._present.add(trouble)
            self._tell(trouble, details)

    def ends(self, trouble: Trouble) -> None:
        """Tell that a trouble is over, if it was told."""
        if trouble in self._present:
            self._present.discard(trouble)
            self._tell(trouble, None)
