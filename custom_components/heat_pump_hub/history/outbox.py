"""Where the frames of one heat pump wait until the server is known to have them.

A frame waits, is in flight, and is held after the server took it, until it is verified. It
lives in memory, and goes to the disk only if it is not verified in time: a healthy server
costs the disk nothing.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
import logging
import time
from typing import Final

from .codec import Coding
from .entry import Entry
from .journal_file import JournalError, JournalFile
from .series import Frame
from .shelf import Shelf
from .steady import SETTLED_AFTER, Steady
from .thread import RunInThread

_LOGGER = logging.getLogger(__name__)

SPILL_AFTER: Final = 45.0
"""Seconds after a sample was taken at which it goes to the disk unless it is verified."""
LIMIT_BYTES: Final = 256 * 1024 * 1024
"""Bytes of frames that may wait on the disk."""
LIMIT_MEMORY: Final = 32 * 1024 * 1024
"""Bytes of frames that may wait in memory while the disk fails."""
DAY: Final = 86_400.0
IMPOSSIBLE: Final = 946_684_800_000
"""Whatever is older (2000, in ms) was sampled before the clock was set."""


class Outbox:
    """The frames of one heat pump, oldest first. Lives on one event loop."""

    def __init__(
        self,
        heatpump_id: str,
        file: JournalFile,
        run: RunInThread,
        *,
        spill_after: float = SPILL_AFTER,
        days: float = 14,
        limit_bytes: int = LIMIT_BYTES,
        limit_memory: int = LIMIT_MEMORY,
        clock: Callable[[], float] = time.time,
        settled_after: float = SETTLED_AFTER,
        on_trouble: Callable[[JournalError | None], None] = lambda _error: None,
    ) -> None:
        """Use a file in its thread; ``clock`` gives seconds since 1970.

        Nothing is given up for its age until the clock has run evenly for so many seconds.
        ``on_trouble`` gets what is wrong with the disk, and ``None`` when it works again.
        """
        self.heatpump_id = heatpump_id
        self.dropped = 0
        """Samples given up because they were too many or too old."""
        self.parked = 0
        """Samples the server refused for good."""
        self.on_put: Callable[[], None] = lambda: None
        self.draw: Callable[[], bool] = lambda: False
        """Makes a frame of what waits for others to be joined; ``False``: nothing does."""
        self.joining = 0
        """Samples that wait there."""
        self._spill_after = spill_after
        self._days = days
        self._limit_bytes = limit_bytes
        self._limit_memory = limit_memory
        self._clock = clock
        self._steady = Steady(clock, settled_after=settled_after)
        self._shelf = Shelf(
            heatpump_id,
            file,
            run,
            on_trouble=on_trouble,
            on_damaged=self._lose,
            on_stored=self._drop_excess,
        )
        self._waiting: deque[Entry] = deque()
        self._flight: list[Entry] = []
        self._held: deque[Entry] = deque()
        self._aside: list[tuple[float, Entry]] = []
        self._numbers = 0
        self._newest = 0
        """Time of the newest sample, ms since 1970."""
        self._held_total = 0
        self._closed = False

    @property
    def paused(self) -> bool:
        """Whether the disk is left alone: it is being copied."""
        return self._shelf.paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._shelf.paused = paused

    @property
    def samples(self) -> int:
        """Samples the server has not taken yet, or has lost again."""
        return self._shelf.samples - self._held_total + self.joining

    @property
    def unverified(self) -> int:
        """Samples the server has taken, and has not been asked about."""
        return self._held_total

    @property
    def size(self) -> int:
        """Bytes of all frames, on the disk and in memory."""
        return self._shelf.on_disk + self._shelf.in_memory

    @property
    def on_disk(self) -> int:
        """Bytes of the frames on the disk."""
        return self._shelf.on_disk

    @property
    def oldest(self) -> int | None:
        """Time of the oldest sample the server has not taken yet, ms since 1970."""
        firsts = [entry.first for _, entry in self._aside]
        firsts += [queue[0].first for queue in (self._flight, self._waiting) if queue]
        return min(firsts, default=None)

    @property
    def earliest(self) -> int | None:
        """Time of the oldest sample that is on its way to the server, or not yet verified, ms.

        What was put aside does not count: it may stay there for ever.
        """
        firsts = [
            entry.first for queue in (self._flight, self._waiting, self._held) for entry in queue
        ]
        return min(firsts, default=None)

    @property
    def ready(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._waiting)

    def kept_since(self) -> int:
        """Return the time, ms since 1970, of the oldest that is not given up for its age."""
        if self._steady.jumps():
            # What the server would have dropped it may take now.
            self.wake(float("inf"))
        now = int(self._clock() * 1000)
        if now < IMPOSSIBLE:
            return 0
        if not self._steady.settled:
            return IMPOSSIBLE
        return now - int(self._days * DAY * 1000)

    async def load(self) -> None:
        """Find what an earlier run left. Raises :class:`JournalError`."""
        found = await self._shelf.load()
        # What came after them may be on the server, and not on the disk.
        self._numbers = max((entry.number for entry in found), default=0) + 1
        for entry in found:
            if not entry.number:
                self._numbers += 2
                entry.number = self._numbers
            self._place(entry, ())
        self._numbers += 1
        self._waiting.extendleft(reversed(found))
        self._drop_excess()

    def put(self, frame: Frame) -> None:
        """Add a frame. Called at every poll: cheap."""
        now = asyncio.get_running_loop().time()
        age = max(0.0, self._clock() - frame.first / 1000)
        due = now + max(0.0, self._spill_after - age)
        entry = Entry(
            frame.first, frame.last, frame.tally, len(frame.body), body=frame.body, due=due
        )
        self._numbers += 1
        entry.number = self._numbers
        self._place(entry, chain(self._waiting, self._flight, self._held))
        self._waiting.append(entry)
        self._shelf.add(entry)
        self._drop_excess()
        self._shelf.schedule(due)
        self.on_put()

    async def take(self, limit: int, coding: Coding) -> list[Entry]:
        """Return the oldest frames, at least one and at most ``limit`` bytes of several.

        They are in flight until held, given back or released, and have a body in the coding
        asked for. Raises :class:`JournalError` if the disk does not give them.
        """
        taken: list[Entry] = []
        size = 0
        while self._waiting:
            entry = self._waiting[0]
            size += entry.size
            if size > limit and taken:
                break
            entry.in_flight = True
            taken.append(self._waiting.popleft())
        self._flight += taken
        await self._shelf.bring(taken, coding)
        return [entry for entry in taken if not entry.gone]

    def hold(self, entries: Iterable[Entry], now: float) -> None:
        """Keep frames in flight that the server took; ``now`` is by the clock of the loop."""
        if self._closed:
            return
        taken = [entry for entry in entries if not entry.gone]
        self._land(set(taken))
        for entry in taken:
            entry.acked = now
            if entry.row is not None:
                entry.body = None
            self._held_total += entry.samples
        self._held.extend(taken)

    def due(self, before: float, limit: int) -> list[Entry]:
        """Return neighbours taken ``before`` a time of the loop's clock, up to ``limit`` samples."""
        found: list[Entry] = []
        samples = 0
        for entry in self._held:
            samples += entry.samples
            if entry.acked > before:
                break
            if found and (
                samples > limit
                or entry.number != found[-1].number + 1
                or entry.alone
                or found[-1].alone
            ):
                break
            found.append(entry)
        return found

    @property
    def first_held(self) -> float | None:
        """When the server took the frame that is verified next."""
        return self._held[0].acked if self._held else None

    async def release(self, entries: Sequence[Entry]) -> None:
        """Forget frames in flight or held: the server has them, or will never take them."""
        if self._closed:
            return
        gone = set(entries)
        stored = self._shelf.forget(gone)
        self._land(gone)
        self._unhold(gone)
        await self._shelf.remove(gone, stored=stored)

    def give_back(self, entries: Iterable[Entry] | None = None) -> None:
        """Let frames wait again, in their old place; ``None``: all that are in flight."""
        back = self._flight if entries is None else [e for e in entries if not e.gone]
        if not back or self._closed:
            return
        chosen = set(back)
        self._land(chosen)
        self._unhold(chosen)
        for entry in back:
            if entry.row is not None:
                entry.body = None
        self._waiting.extendleft(sorted(back, key=_first, reverse=True))

    def give_back_all(self) -> None:
        """Let all frames that are not verified wait again."""
        self.give_back()
        self.give_back(list(self._held))

    def put_aside(self, entries: Sequence[Entry], until: float) -> None:
        """Do not send frames before a time of the loop's clock: the server would drop them."""
        self.give_back(entries)
        chosen = set(entries)
        self._waiting = deque(entry for entry in self._waiting if entry not in chosen)
        self._aside += [(until, entry) for entry in entries]

    def put_old_aside(self, before: int, until: float) -> int:
        """Put what waits and begins ``before`` a time (ms) aside; return its samples."""
        old: list[Entry] = []
        if self._steady.was_set:
            return 0
        while self._waiting and self._waiting[0].first < before:
            old.append(self._waiting.popleft())
        self._aside += [(until, entry) for entry in old]
        return sum(entry.samples for entry in old)

    def wake(self, now: float) -> float | None:
        """Let what was put aside until ``now`` wait again; return when the next will."""
        if not self._aside:
            return None
        back = [entry for until, entry in self._aside if until <= now]
        self._aside = [(until, entry) for until, entry in self._aside if until > now]
        self._waiting.extendleft(sorted(back, key=_first, reverse=True))
        return min((until for until, _ in self._aside), default=None)

    async def park(
        self, entry: Entry, rest: Frame | None, lines: Sequence[bytes], reason: str
    ) -> None:
        """Keep the lines of a frame that the server refuses apart; the rest was taken."""
        if self._closed:
            return
        self.parked += entry.samples - (0 if rest is None else rest.samples)
        if lines:
            await self._shelf.park(lines, reason)
        if rest is None:
            await self.release([entry])
            return
        kept = Entry(
            rest.first, rest.last, rest.tally, len(rest.body), body=rest.body, due=entry.due
        )
        kept.number = entry.number
        self._shelf.add(kept)
        self._flight.insert(0, kept)
        self.hold([kept], asyncio.get_running_loop().time())
        await self.release([entry])
        self._shelf.schedule(kept.due)

    async def spill(self, *, everything: bool = False) -> bool:
        """Bring to the disk what is due, or everything; ``False`` if the disk does not take it."""
        return await self._shelf.spill(everything=everything)

    async def close(self) -> bool:
        """Bring everything to the disk; ``False`` if it does not take it."""
        self.draw()
        self.give_back_all()
        self._closed = True
        return await self._shelf.close()

    def _place(self, entry: Entry, earlier: Iterable[Entry]) -> None:
        """See whether an entry lies, in time, before the newest."""
        if entry.first <= self._newest:
            entry.alone = True
            for other in earlier:
                other.alone |= other.last >= entry.first
        self._newest = max(self._newest, entry.last)

    def _land(self, entries: set[Entry]) -> None:
        """Take entries out of those that are in flight."""
        self._flight = [entry for entry in self._flight if entry not in entries]
        for entry in entries:
            entry.in_flight = False

    def _unhold(self, entries: set[Entry]) -> None:
        """Take entries out of those that are held; they are usually the oldest."""
        left = len(entries)
        while left and self._held and self._held[0] in entries:
            self._held_total -= self._held.popleft().samples
            left -= 1
        if left and not entries.isdisjoint(self._held):
            self._held_total -= sum(entry.samples for entry in self._held if entry in entries)
            self._held = deque(entry for entry in self._held if entry not in entries)

    def _drop_excess(self) -> None:
        """Give the oldest up that wait beyond the limits of age and size."""
        oldest = self.kept_since()
        dropped = [entry for _, entry in self._aside if entry.last < oldest]
        if dropped:
            self._aside = [pair for pair in self._aside if pair[1].last >= oldest]
            self._shelf.forget(dropped)
        waiting = self._waiting
        while waiting and (
            waiting[0].last < oldest or (len(waiting) > 1 and self.size > self._limit_bytes)
        ):
            dropped.append(waiting.popleft())
            self._shelf.forget(dropped[-1:])
        while (
            self._shelf.failing and len(waiting) > 1 and self._shelf.in_memory > self._limit_memory
        ):
            entry = next((entry for entry in waiting if entry.row is None), None)
            if entry is None:
                break
            waiting.remove(entry)
            dropped.append(entry)
            self._shelf.forget([entry])
        if not dropped:
            return
        if not self.dropped:
            _LOGGER.warning("%s: the oldest samples of the journal are dropped", self.heatpump_id)
        self.dropped += sum(entry.samples for entry in dropped)
        self._shelf.remove_later(dropped)

    def _lose(self, entries: Sequence[Entry]) -> None:
        """Forget what was on a damaged disk."""
        lost = sum(entry.samples for entry in entries)
        _LOGGER.error("%s: %d samples of a damaged journal are lost", self.heatpump_id, lost)
        self.dropped += lost
        self._shelf.forget(entries)
        gone = set(entries)
        for entry in gone:
            # The next file numbers its rows anew.
            entry.row = None
        self._unhold(gone)
        self._land(gone)
        self._waiting = deque(entry for entry in self._waiting if entry not in gone)
        self._aside = [pair for pair in self._aside if pair[1] not in gone]

    def lose_disk(self) -> None:
        """Forget all that was on the disk: its file was set aside."""
        everything = [*self._flight, *self._held, *self._waiting, *(e for _, e in self._aside)]
        lost = [entry for entry in everything if entry.row is not None]
        self._shelf.lose_disk()
        if lost:
            self._lose(lost)


def _first(entry: Entry) -> int:
    return entry.first
