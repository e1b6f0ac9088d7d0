"""The journal of one heat pump: outbox of its frames, record of its snapshots, one file.

All of it lives on the event loop; the file is touched in the heat pump's thread only. What
is wrong with the disk costs the journal, never the heat pump: frames stay in memory, the
record has a gap.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Coroutine
from concurrent.futures import Executor
from datetime import datetime
from functools import partial
import logging
from pathlib import Path
import time
from typing import Final

from ..drivers.points import Snapshot
from .journal_file import DamagedJournalError, JournalError, JournalFile, Record
from .outbox import LIMIT_BYTES, SPILL_AFTER, Outbox
from .record import pack, unpack
from .series import milliseconds
from .steady import SETTLED_AFTER

_LOGGER = logging.getLogger(__name__)

DAYS: Final = 14
DAYS_RANGE: Final = (1, 365)
BATCH_POLLS: Final = 60
BATCH_SECONDS: Final = 1800.0
"""The record is written after so many polls or seconds, whichever comes first."""
LIMIT_RECORD: Final = 256 * 1024 * 1024
_UNWRITTEN: Final = 4 * BATCH_POLLS
"""Snapshots that wait in memory at most while the disk fails."""


class Journal:
    """Opened once, closed once."""

    def __init__(
        self,
        path: Path,
        heatpump_id: str,
        executor: Executor,
        *,
        days: float = DAYS,
        spill_after: float = SPILL_AFTER,
        limit_bytes: int = LIMIT_BYTES,
        limit_record: int = LIMIT_RECORD,
        clock: Callable[[], float] = time.time,
        settled_after: float = SETTLED_AFTER,
        on_damaged: Callable[[Path], None] = lambda _path: None,
        on_failing: Callable[[str | None], None] = lambda _reason: None,
    ) -> None:
        """Use a file in a thread; ``clock`` gives seconds since 1970.

        ``on_damaged`` gets where a damaged file was put, ``on_failing`` why the disk does not
        take anything, and ``None`` when it does again.
        """
        self.keys: Container[str] | None = ()
        """Which points are recorded; ``None``: all."""
        self._executor = executor
        self._file = JournalFile(path)
        self._limit_record = limit_record
        self._on_damaged = on_damaged
        self._on_failing = on_failing
        self._batch: list[Snapshot] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._recording = asyncio.Lock()
        self.paused = False
        self.outbox = Outbox(
            heatpump_id,
            self._file,
            self._run,
            spill_after=spill_after,
            days=days,
            limit_bytes=limit_bytes,
            clock=clock,
            settled_after=settled_after,
            on_trouble=self._trouble,
        )

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._file.path

    async def open(self) -> None:
        """Open the file and find what waits; never fails."""
        try:
            aside = await self._run(self._file.open)
            if aside is not None:
                self._damaged(aside)
            await self.outbox.load()
        except DamagedJournalError:
            await self._set_aside()
        except JournalError as err:
            self._trouble(err)

    def take(self, snapshot: Snapshot) -> None:
        """Record a snapshot, with others, soon."""
        if self._batch and (
            len(self._batch) >= BATCH_POLLS
            or (snapshot.time - self._batch[0].time).total_seconds() >= BATCH_SECONDS
        ):
            self._in_background(self._record_some())
        self._batch.append(snapshot)
        del self._batch[:-_UNWRITTEN]

    async def snapshots(self, first: datetime, last: datetime) -> AsyncIterator[Snapshot]:
        """Yield what was recorded between two times, oldest first.

        What is still in memory comes too. Raises :class:`JournalError`; a batch that is
        damaged is left out.
        """
        waiting = self._batch.copy()
        newest = first
        after = 0
        while found := await self._run(self._find, milliseconds(first), milliseconds(last), after):
            after, batch = found
            for snapshot in batch:
                if first <= snapshot.time <= last:
                    newest = snapshot.time
                    yield snapshot
        stored = after > 0
        for snapshot in waiting:
            # It may have been stored meanwhile.
            if first <= snapshot.time <= last and not (stored and snapshot.time <= newest):
                yield snapshot

    async def records(self, first: datetime, last: datetime) -> AsyncIterator[Record]:
        """Yield the batches that touch a time, as they are stored; what is in memory comes last.

        Raises :class:`JournalError`.
        """
        waiting = self._batch.copy()
        after = 0
        span = milliseconds(first), milliseconds(last)
        while found := await self._run(partial(self._file.records, *span, after=after)):
            ((after, record),) = found
            yield record
        if waiting:
            yield await self._run(pack, waiting, self.keys)

    async def flush(self) -> None:
        """Bring everything to the disk that is not on the server for certain."""
        await self._record_some()
        await self.outbox.spill(everything=True)

    async def pause(self) -> None:
        """Bring everything to the disk, and leave one whole file alone until :meth:`resume`."""
        await self.flush()
        self.paused = self.outbox.paused = True
        await self._run(self._file.close)

    async def resume(self) -> None:
        """Go on writing."""
        self.paused = self.outbox.paused = False
        await self.outbox.spill()

    async def close(self) -> None:
        """Bring everything to the disk and close the file."""
        await self.resume()
        await asyncio.gather(*self._tasks)
        await self._record_some()
        if not await self.outbox.close():
            _LOGGER.error(
                "%s: %d samples could not be kept", self.outbox.heatpump_id, self.outbox.samples
            )
        await self._run(self._file.close)

    def _run[*Ts, T](self, job: Callable[[*Ts], T], *arguments: *Ts) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._executor, job, *arguments)

    def _find(self, first: int, last: int, after: int) -> tuple[int, list[Snapshot]] | None:
        """Return the next batch and its id, for the thread."""
        for number, record in self._file.records(first, last, after=after):
            try:
                return number, list(unpack(record))
            except ValueError as err:
                _LOGGER.warning("A batch of the record cannot be read: %s", err)
                return number, []
        return None

    async def _record_some(self) -> None:
        async with self._recording:
            if self.paused or not self._batch:
                return
            batch = self._batch.copy()
            oldest = self.outbox.kept_since()
            try:
                await self._run(self._write_record, batch, oldest)
            except JournalError as err:
                self._trouble(err)
                return
            del self._batch[: len(batch)]
            self._trouble(None)

    def _write_record(self, batch: list[Snapshot], oldest: int) -> None:
        """Store a batch, for the thread."""
        self._file.add_record(pack(batch, self.keys), oldest=oldest, limit=self._limit_record)

    def _trouble(self, error: JournalError | None) -> None:
        if isinstance(error, DamagedJournalError):
            self._in_background(self._set_aside())
        else:
            self._on_failing(None if error is None else str(error))

    async def _set_aside(self) -> None:
        self.outbox.lose_disk()
        try:
            self._damaged(await self._run(self._file.set_aside))
        except JournalError as err:
            self._on_failing(str(err))

    def _damaged(self, aside: Path) -> None:
        _LOGGER.error("The journal is damaged; it was put aside as %s", aside)
        self._on_damaged(aside)

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
