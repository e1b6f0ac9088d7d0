"""Where the frames of an outbox lie: in memory, and on the disk if they have to.

A frame goes to the disk when it is due, or when everything does. A disk that fails is tried
again; what it does not take stays in memory.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
import logging
from typing import Final

from .codec import Coding, DamagedError, coding_of, transcode
from .entry import Entry
from .journal_file import DamagedJournalError, JournalError, JournalFile
from .thread import RunInThread

_LOGGER = logging.getLogger(__name__)

RETRY_DISK: Final = 60.0
"""Seconds until a disk that failed is tried again."""
_LARGE: Final = 16 * 1024


class Shelf:
    """All frames of one heat pump, whatever their state. Lives on one event loop."""

    def __init__(
        self,
        heatpump_id: str,
        file: JournalFile,
        run: RunInThread,
        *,
        on_trouble: Callable[[JournalError | None], None],
        on_damaged: Callable[[Sequence[Entry]], None],
        on_stored: Callable[[], None],
    ) -> None:
        """Use a file in its thread.

        ``on_trouble`` gets what is wrong with the disk, and ``None`` when it works again,
        ``on_damaged`` what cannot be read, ``on_stored`` is called when frames went to the disk.
        """
        self.paused = False
        """Whether the disk is left alone: it is being copied."""
        self.failing = False
        self.samples = 0
        self.in_memory = 0
        """Bytes."""
        self.on_disk = 0
        """Bytes."""
        self._heatpump_id = heatpump_id
        self._file = file
        self._run = run
        self._on_trouble = on_trouble
        self._on_damaged = on_damaged
        self._on_stored = on_stored
        self._memory: dict[Entry, None] = {}
        self._leftovers: list[int] = []
        self._disk = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def load(self) -> list[Entry]:
        """Return what an earlier run left, oldest first. Raises :class:`JournalError`."""
        rows = await self._run(self._file.rows)
        found = []
        for row in rows:
            entry = Entry(row.first, row.last, row.tally, row.size, row=row.id)
            entry.number = row.number
            found.append(entry)
        self.on_disk += sum(entry.size for entry in found)
        self.samples += sum(entry.samples for entry in found)
        return found

    def add(self, entry: Entry) -> None:
        """Keep an entry in memory, until it is due."""
        self._memory[entry] = None
        self.in_memory += entry.size
        self.samples += entry.samples

    def forget(self, entries: Iterable[Entry]) -> bool:
        """Take entries out of the sums; return whether one is on the disk."""
        rows = False
        for entry in entries:
            if entry.gone:
                continue
            entry.gone = True
            self.samples -= entry.samples
            if entry.row is not None:
                rows = True
                self.on_disk -= entry.size
            else:
                del self._memory[entry]
                self.in_memory -= entry.size
        return rows

    async def remove(self, entries: Iterable[Entry], *, stored: bool) -> None:
        """Remove forgotten entries from the disk, if some are ``stored`` there, or will be soon."""
        if not stored and not self._disk.locked():
            return
        async with self._disk:
            # A row that a spill made meanwhile is a leftover by itself.
            known = set(self._leftovers)
            self._leftovers += [
                entry.row for entry in entries if entry.row is not None and entry.row not in known
            ]
            await self._remove_leftovers()

    def remove_later(self, entries: Iterable[Entry]) -> None:
        """Remove forgotten entries from the disk when it is used next."""
        self._leftovers += [entry.row for entry in entries if entry.row is not None]

    async def park(self, lines: Sequence[bytes], reason: str) -> None:
        """Keep lines that the server refuses."""
        try:
            await self._run(self._file.park, lines, reason)
        except JournalError as err:
            self._failed(err)

    async def bring(self, entries: list[Entry], coding: Coding) -> None:
        """Give entries their bodies. Raises :class:`JournalError` if the disk does not."""
        async with self._disk:
            await self._bring(entries, coding)

    async def spill(self, *, everything: bool = False) -> bool:
        """Bring to the disk what is due, or everything; ``False`` if the disk does not take it."""
        if self.paused:
            return False
        now = asyncio.get_running_loop().time()
        async with self._disk:
            # Not in the order they are due: what was joined is old when it comes.
            late = [entry for entry in self._memory if everything or entry.due <= now]
            if not late:
                return True
            frames = [
                (entry.first, entry.last, entry.tally, entry.body or b"", entry.number)
                for entry in late
            ]
            try:
                rows = await self._run(self._file.add, frames)
            except JournalError as err:
                self._failed(err)
                return False
            for entry, row in zip(late, rows, strict=True):
                entry.row = row
                if entry.gone:
                    self._leftovers.append(row)
                    continue
                del self._memory[entry]
                self.in_memory -= entry.size
                self.on_disk += entry.size
                if not entry.in_flight:
                    entry.body = None
            await self._remove_leftovers()
            self._worked()
        self._on_stored()
        return True

    def schedule(self, due: float) -> None:
        """Bring to the disk, at a time of the loop's clock, what is due then."""
        if self._closed:
            return
        if self._timer is not None:
            if self.failing or self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(due, self._begin_spill)

    def lose_disk(self) -> None:
        """Forget what was to be removed: the file was set aside."""
        self._leftovers = []

    async def close(self) -> bool:
        """Bring everything to the disk; ``False`` if it does not take it."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            await self._task
        return await self.spill(everything=True)

    def _begin_spill(self) -> None:
        self._timer = None
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._spill_and_go_on())

    async def _spill_and_go_on(self) -> None:
        loop = asyncio.get_running_loop()
        worked = await self.spill()
        self._task = None
        if self._memory:
            earliest = min(entry.due for entry in self._memory)
            self.schedule(earliest if worked else loop.time() + RETRY_DISK)

    async def _bring(self, entries: list[Entry], coding: Coding) -> None:
        absent = [entry for entry in entries if entry.body is None]
        rows = [entry.row for entry in absent if entry.row is not None]
        if rows:
            try:
                bodies = await self._run(self._file.bodies, rows)
            except (KeyError, DamagedJournalError) as err:
                self._on_damaged(absent)
                self._failed(err if isinstance(err, JournalError) else DamagedJournalError("rows"))
                return
            except JournalError as err:
                self._failed(err)
                raise
            for entry, body in zip(absent, bodies, strict=True):
                entry.body = body
        other = [
            entry for entry in entries if entry.body is not None and coding_of(entry.body) != coding
        ]
        if not other:
            return
        bodies = [entry.body or b"" for entry in other]
        try:
            if sum(map(len, bodies)) > _LARGE:
                bodies = await self._run(transcode, bodies, coding)
            else:
                bodies = transcode(bodies, coding)
        except DamagedError as err:
            if len(other) == 1:
                self._on_damaged(other)
                self._failed(JournalError(str(err)))
                return
            for entry in other:
                await self._bring([entry], coding)
            return
        for entry, body in zip(other, bodies, strict=True):
            if entry in self._memory:
                self.in_memory += len(body) - entry.size
                entry.size = len(body)
            entry.body = body

    async def _remove_leftovers(self) -> None:
        if not self._leftovers or self.paused:
            return
        rows, self._leftovers = self._leftovers, []
        try:
            await self._run(self._file.remove, rows)
        except JournalError as err:
            # They are sent once more after a restart, which does no harm.
            self._leftovers = rows
            self._failed(err)

    def _failed(self, err: JournalError) -> None:
        if not self.failing:
            _LOGGER.warning(
                "%s: the journal fails, samples stay in memory: %s", self._heatpump_id, err
            )
        self.failing = True
        self._on_trouble(err)

    def _worked(self) -> None:
        if self.failing:
            self.failing = False
            self._on_trouble(None)
