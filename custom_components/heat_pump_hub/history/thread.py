"""What of a heat pump's history may take a while, and so runs in its thread."""

from collections.abc import Awaitable, Callable
from typing import Protocol


class RunInThread(Protocol):
    """Runs a job in the heat pump's thread."""

    def __call__[*Ts, T](self, job: Callable[[*Ts], T], /, *arguments: *Ts) -> Awaitable[T]:
        """Return what the job returns, raise what it raises."""
        ...
