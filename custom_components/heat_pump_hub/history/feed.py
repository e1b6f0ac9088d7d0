"""From a heat pump's polls to its outbox: one frame a poll, or joined while there is time."""

from collections.abc import Container, Iterable
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
        outbox.draw = self._draw

    def prepare(self, keys: Iterable[str] | None) -> None:
        """Get ready for the first poll of these points; for a thread, before :meth:`take`."""
        self.encoder.prepare(keys)

    def take(self, snapshot: Snapshot) -> None:
        """Send a snapshot, as soon as the server takes it."""
        self._joining.append(snapshot)
        span = (snapshot.time - self._joining[0].time).total_seconds()
        joining = len(self._joining) < JOINED_POLLS and span < JOINED_SECONDS
        if self._shipper.away and joining:
            self._outbox.joining += self.encoder.count(snapshot, self.keys)
        else:
            self._draw()

    def _draw(self) -> bool:
        if not self._joining:
            return False
        joined, self._joining = self._joining, []
        self._outbox.joining = 0
        for frame in self.encoder.encode(joined, self.keys, self._shipper.coding):
            self._outbox.put(frame)
        return True
