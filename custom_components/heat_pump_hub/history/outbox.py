"""Where frames wait until the server has them."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, Protocol

from .series import Frame

LIMIT_SAMPLES: Final = 500_000
LIMIT_BYTES: Final = 64 * 1024 * 1024


class Outbox(Protocol):
    """A bounded queue of frames; when it is full, the oldest go first and are counted."""

    samples: int
    """Samples that wait, those in flight included."""
    size: int
    """Bytes of their frames."""
    dropped: int
    """Samples that were given up since the start because the outbox was full."""

    @property
    def oldest(self) -> int | None:
        """Time of the oldest waiting sample, ms since 1970."""
        ...

    def put(self, frame: Frame) -> None:
        """Add a frame. Called on the event loop at every poll: must be cheap."""
        ...

    async def take(self, limit: int) -> list[Frame]:
        """Return the oldest frames, at least one and at most ``limit`` bytes of several.

        They are in flight, and not dropped, until released or given back.
        """
        ...

    async def release(self, frames: Iterable[Frame]) -> None:
        """Forget frames in flight: the server has them, or will never have them."""
        ...

    def give_back(self) -> None:
        """Let all frames that are still in flight wait again, in their old place."""
        ...


class MemoryOutbox:
    """An outbox that lives as long as the process."""

    def __init__(self, limit_samples: int = LIMIT_SAMPLES, limit_bytes: int = LIMIT_BYTES) -> None:
        """Begin empty. The newest frame is kept even if it is beyond the limits alone."""
        self._limit_samples = limit_samples
        self._limit_bytes = limit_bytes
        # Its first entry is found in constant time, unlike that of a dict after deletions.
        self._frames: OrderedDict[Frame, None] = OrderedDict()
        self._in_flight: dict[Frame, None] = {}
        self.samples = 0
        self.size = 0
        self.dropped = 0

    @property
    def oldest(self) -> int | None:
        """Time of the oldest waiting sample, ms since 1970."""
        for frame in self._in_flight or self._frames:
            return frame.first
        return None

    def put(self, frame: Frame) -> None:
        """Add a frame; drop the oldest that are not in flight beyond the limits."""
        self._frames[frame] = None
        self.samples += frame.samples
        self.size += len(frame.body)
        while len(self._frames) > 1 and (
            self.samples > self._limit_samples or self.size > self._limit_bytes
        ):
            oldest, _ = self._frames.popitem(last=False)
            self._forget(oldest)
            self.dropped += oldest.samples

    async def take(self, limit: int) -> list[Frame]:
        """Return the oldest frames, at least one and at most ``limit`` bytes of several."""
        size = 0
        while self._frames:
            frame = next(iter(self._frames))
            size += len(frame.body)
            if size > limit and self._in_flight:
                break
            del self._frames[frame]
            self._in_flight[frame] = None
        return list(self._in_flight)

    async def release(self, frames: Iterable[Frame]) -> None:
        """Forget frames in flight. Raises ``KeyError`` for any other frame."""
        for frame in frames:
            del self._in_flight[frame]
            self._forget(frame)

    def give_back(self) -> None:
        """Let all frames that are still in flight wait again, in their old place."""
        for frame in reversed(self._in_flight):
            self._frames[frame] = None
            self._frames.move_to_end(frame, last=False)
        self._in_flight.clear()

    def _forget(self, frame: Frame) -> None:
        self.samples -= frame.samples
        self.size -= len(frame.body)
