"""From a heat pump's polls to its outbox: one frame a poll, or joined while there is time."""

from collections.abc import Container, Iterable, Sequence
from datetime import datetime
from typing import Final

from ..drivers.points import Snapshot
from .outbox import Outbox
from .series import Encoder
from .shipper import Shipper

JOINED_POLLS: Final = 10
"""Polls that make one frame while the server is away: a fourth of the bytes on the disk."""
JOINED_SECONDS: Final = 270.0
"""Seconds they may span: with slow polls, too, no more than five minutes wait in memory."""


class Feed:
    """Encodes what is polled."""

    def __init__(self, encoder: Encoder, outbox: Outbox, shipper: Shipper) -> None:
        """Join the three; undone when the outbox is closed."""
        self.keys: Container[str] | None = ()
        """Which points are sent; ``None``: all."""
        self.encoder = encoder
        self._outbox = outbox
        self._shipper = shipper
        self._joining: list[Snapshot] = []
        self._polls = 0
        self._newest: datetime | None = None
        outbox.draw = self._draw

    def prepare(self, keys: Iterable[str] | None) -> None:
        """Get ready for the first poll of these points; for a thread, before :meth:`take`."""
        self.encoder.prepare(keys)

    def take(self, snapshot: Snapshot, before: Sequence[Snapshot] = ()) -> None:
        """Send a snapshot, as soon as the server takes it.

        ``before`` was sampled between the last one and this one, oldest first.
        """
        self._joining += [*before, snapshot]
        self._polls += 1
        span = (snapshot.time - self._joining[0].time).total_seconds()
        joining = self._polls < JOINED_POLLS and span < JOINED_SECONDS
        if self._newest is not None and snapshot.time <= self._newest:
            # The clock was set back: what is counted must not lie among other samples.
            joining = False
        else:
            self._newest = snapshot.time
        if self._shipper.away and joining:
            self._outbox.joining += sum(
                self.encoder.count(one, self.keys) for one in (*before, snapshot)
            )
        else:
            self._draw()

    def _draw(self) -> bool:
        if not self._joining:
            return False
        joined, self._joining = self._joining, []
        # A poll alone is encoded in half the time.
        groups = [joined[:-1], joined[-1:]] if self._polls == 1 else [joined]
        self._polls = 0
        self._outbox.joining = 0
        for group in filter(None, groups):
            for frame in self.encoder.encode(group, self.keys, self._shipper.coding):
                self._outbox.put(frame)
        return True
