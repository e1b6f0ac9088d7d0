"""Sends a heat pump's past to its history server: by itself after a start, and when asked.

By itself: once the server is known to keep what it gets, what it lacks of the journal's record
is sent, then what lacks of the days the recorder keeps. When asked: states, hourly statistics,
and what a forerunner left, in chunks; where a job is, is kept in a store, so that it goes on
after a restart. All of it is idempotent: a chunk that is done again sends nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
import time
from typing import Any, Final

from homeassistant.components import persistent_notification
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .archive import Archive
from .const import DOMAIN, LOGGER, STORAGE_VERSION
from .history.ask import Span
from .history.bulk import Batch, Bulk, Delivered, NotKeptError
from .history.journal import Journal
from .history.journal_file import JournalError
from .history.legacy import NothingFoundError, NotReadableError
from .history.series import moment
from .history.server import HistoryError, NotVictoriaMetricsError, RefusedError
from .history.shipper import HOLD
from .texts import async_texts

EVENT: Final = f"{DOMAIN}_backfill"
STORE: Final = "backfill"
OUTAGE: Final = 3600.0
"""Seconds without an answer after which the server is asked again what it has."""
WATCH: Final = 30.0
"""Seconds between two looks at the way to the server."""
MARGIN: Final = 60.0
"""Seconds before now that are left to the polls and to the recorder, which writes late."""
RETENTION_MARGIN: Final = timedelta(hours=1)
BACKLOG: Final = 600.0
"""Seconds the oldest sample that waits may be old, when what lacks is looked for."""
SHOW_EVERY: Final = 5.0
"""Seconds between two updates of a notification."""
SAVE_DELAY: Final = 2.0
FAILURES: Final = (HistoryError, JournalError, OSError, NotReadableError)
"""What a job may end with."""
FINAL: Final = (NotKeptError, NotVictoriaMetricsError, RefusedError, OSError, NotReadableError)
"""It would end so again; after others it goes on when the server answers again."""
MOST_FAILURES: Final = 5

type Cursor = list[Any]
"""Where a job goes on; its work knows what it means."""


@dataclass(frozen=True, slots=True)
class Step:
    """All up to here is on the server."""

    cursor: Cursor
    share: float
    """From 0 to 1."""


@dataclass(slots=True, kw_only=True)
class Job:
    """What was asked for, and how far it is; all of it JSON."""

    kind: str
    settings: dict[str, Any]
    cursor: Cursor | None = None
    share: float = 0.0
    sent: int = 0
    skipped: int = 0
    resent: int = 0
    refused: int = 0
    failures: int = 0
    notes: dict[str, Any] = field(default_factory=dict)
    """Other numbers for the answer."""

    def counts(self) -> dict[str, Any]:
        """Return what an owner is told."""
        counts = {"sent": self.sent, "skipped": self.skipped, "resent": self.resent}
        if self.refused:
            counts["refused"] = self.refused
        return {**counts, **self.notes}

    def told(self) -> str:
        """Return the counts as a sentence, for the log."""
        parts = [f"{self.sent} values sent"]
        counted = (
            (self.skipped, "were there already"),
            (self.resent, "had to be sent again"),
            (self.refused, "were refused"),
        )
        parts += [f"{count} {what}" for count, what in counted if count]
        return ", ".join(parts)

    def add(self, done: Delivered[Any]) -> None:
        """Count a batch the server holds."""
        self.sent += done.sent
        self.skipped += done.skipped
        self.resent += done.resent
        self.refused += done.refused


type Work = Callable[["Backfill", Job], AsyncIterator[Batch[Step | None]]]
"""Yields what a job sends, from its cursor on; a tag says what is done with that batch."""


class Backfill:
    """The past of one heat pump."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        journal: Journal,
        archive: Archive,
        works: Mapping[str, Work],
        resume: Sequence[Work],
    ) -> None:
        """Nothing begins yet. ``works`` do the jobs of a kind, ``resume`` what comes by itself.

        Each of ``resume`` sees what the one before it brought to the server.
        """
        self.hass = hass
        self.entry = entry
        self.journal = journal
        self.archive = archive
        self.bulk = Bulk(archive.shipper, self.run, hold=HOLD)
        self.job: Job | None = None
        self.resumed: dict[str, Any] = {"state": "waiting"}
        """What was sent by itself, for diagnostics."""
        self._store: Store[dict[str, Any]] = Store(
            hass, STORAGE_VERSION, f"{DOMAIN}.{entry.entry_id}.{STORE}"
        )
        self._works = works
        self._resume = resume
        self._task: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._busy = asyncio.Lock()
        self._awaited = False
        """Whether whoever asked for the job waits for its end."""
        self._shown_at = 0.0
        self._texts: dict[str, str] = {}

    def run[*Ts, T](self, job: Callable[[*Ts], T], *arguments: *Ts) -> Awaitable[T]:
        """Run a job in a thread."""
        return self.hass.async_add_executor_job(job, *arguments)

    @property
    def keys(self) -> Container[str] | None:
        """Which points are sent; ``None``: all."""
        return self.archive.keys

    def report(self) -> dict[str, Any]:
        """Return what was sent by itself, and how far a job is, for diagnostics."""
        job = self.job
        running = None if job is None else {"kind": job.kind, "share": job.share, **job.counts()}
        return {"resume": self.resumed, "job": running}

    @property
    def horizon(self) -> int:
        """Time (ms) up to which nothing is on its way to the server by itself."""
        now = int((time.time() - MARGIN) * 1000)
        earliest = self.archive.outbox.earliest
        return now if earliest is None else min(now, earliest - 1)

    def clipped(self, span: Span) -> Span:
        """Return what of a span the server would keep, and polls do not send."""
        first = span.first
        info = self.archive.shipper.server_info
        if info is not None and info.retention is not None:
            kept = info.retention - RETENTION_MARGIN
            first = max(first, int((time.time() - kept.total_seconds()) * 1000))
        return Span(first, min(span.last, self.horizon))

    async def async_start(self) -> None:
        """Watch the server, and go on with what a restart interrupted."""
        saved = await self._store.async_load()
        if saved is not None:
            self.job = Job(**saved)
        self._watcher = self.entry.async_create_background_task(
            self.hass, self._watch(), f"{DOMAIN} resume"
        )

    async def async_close(self) -> None:
        """Stop; a job goes on after the next start."""
        for task in (self._watcher, self._task):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        if self.job is not None:
            await self._store.async_save(asdict(self.job))

    async def async_count(self, job: Job) -> int:
        """Return how many samples a job would send; nothing is sent."""
        total = 0
        async for batch in self._works[job.kind](self, job):
            if batch.absent:
                missing = batch.columns
            else:
                missing = await self.bulk.missing(batch.columns, alone=batch.alone)
            total += sum(len(column.times) for column in missing)
        return total

    async def async_do(self, job: Job) -> bool:
        """Do a job; ``False`` if it was cancelled. Raises what it raises.

        Only one at a time: there must be no other (:attr:`job`). The caller may go away, the
        job stays.
        """
        self.job = job
        await self._store.async_save(asdict(job))
        task = self._begin(job)
        self._awaited = True
        try:
            await asyncio.wait([task])
        finally:
            self._awaited = False
        if task.cancelled():
            return False
        await task
        return True

    async def async_cancel(self) -> Job | None:
        """End the job for good, and return it; ``None`` if there is none."""
        job, self.job = self.job, None
        if job is None:
            return None
        if self._task is not None:
            self._task.cancel()
        await self._store.async_remove()
        await self._async_show(job, "cancelled")
        return job

    def _begin(self, job: Job) -> asyncio.Task[None]:
        self._task = task = self.entry.async_create_background_task(
            self.hass, self._async_run(job), f"{DOMAIN} {job.kind}"
        )
        # Somebody may wait for it, or nobody.
        task.add_done_callback(_seen)
        return task

    async def _async_run(self, job: Job) -> None:
        async with self._busy:
            await self._async_show(job, "running")
            try:
                async for done in self.bulk.deliver(self._works[job.kind](self, job)):
                    job.add(done)
                    if done.tag is not None:
                        job.cursor, job.share = done.tag.cursor, done.tag.share
                        self._store.async_delay_save(lambda: asdict(job), SAVE_DELAY)
                        await self._async_show(job, "running")
            except FAILURES as err:
                job.failures += 1
                if isinstance(err, FINAL) or job.failures == MOST_FAILURES:
                    self.job = None
                    await self._store.async_remove()
                if isinstance(err, NothingFoundError) and self._awaited:
                    # Who asked gets the error itself.
                    self._shown_at = 0.0
                    self._fire(job, "failed")
                    persistent_notification.async_dismiss(self.hass, self._notification)
                    raise
                LOGGER.warning("%s: %s failed: %s", self.entry.title, job.kind, err)
                if isinstance(err, NothingFoundError):
                    await self._async_show(
                        job, "failed", "nothing_found", where=err.where, wanted=err.wanted
                    )
                else:
                    await self._async_show(job, "failed", error=str(err))
                raise
            self.job = None
            await self._store.async_remove()
            job.share = 1.0
            LOGGER.info("%s: %s is done: %s", self.entry.title, job.kind, job.told())
            await self._async_show(job, "done")

    async def _watch(self) -> None:
        """Send by itself what lacks: once after a start, and after each long outage."""
        while True:
            while not self.ready:
                await asyncio.sleep(WATCH)
            self._go_on()
            await self._async_resume()
            away = 0.0
            while away < OUTAGE:
                await asyncio.sleep(WATCH)
                if self.ready:
                    self._go_on()
                away = away + WATCH if self.archive.shipper.away else 0.0

    def _go_on(self) -> None:
        """Begin again with a job that was interrupted, or that the server was away for."""
        if self.job is not None and (self._task is None or self._task.done()):
            self._begin(self.job)

    @property
    def ready(self) -> bool:
        """Tell whether the server is known to keep, and to show, what it gets."""
        shipper = self.archive.shipper
        info = shipper.server_info
        if info is not None and not info.readable:
            self.resumed = {"state": "not_readable"}
            return False
        if info is None or shipper.away or shipper.stats.last_verified is None:
            return False
        # What waits is sent first.
        return self.horizon > (time.time() - BACKLOG) * 1000

    async def _async_resume(self) -> None:
        job = Job(kind="resume", settings={})
        async with self._busy:
            self.resumed = {"state": "running"}
            try:
                for work in self._resume:
                    async for done in self.bulk.deliver(work(self, job)):
                        job.add(done)
            except (HistoryError, JournalError) as err:
                LOGGER.warning("%s: history was not completed: %s", self.entry.title, err)
                self.resumed = {"state": "failed", "error": type(err).__name__, **job.counts()}
                return
            if job.sent:
                LOGGER.info("%s: history was completed: %s", self.entry.title, job.told())
            self.resumed = {"state": "done", **job.counts()}

    @callback
    def _fire(self, job: Job, state: str) -> None:
        self.hass.bus.async_fire(
            EVENT,
            {
                "config_entry_id": self.entry.entry_id,
                "action": job.kind,
                "state": state,
                "percent": round(job.share * 100, 1),
                **job.counts(),
            },
        )

    @property
    def _notification(self) -> str:
        return f"{DOMAIN}_backfill_{self.entry.entry_id}"

    async def _async_show(self, job: Job, state: str, text: str | None = None, **more: str) -> None:
        """Tell how far a job is: an event each time, a notification now and then."""
        self._fire(job, state)
        now = self.hass.loop.time()
        if state == "running" and now - self._shown_at < SHOW_EVERY:
            return
        self._shown_at = now if state == "running" else 0.0
        texts = await self._async_texts()
        message = texts[f"backfill_{text or state}"].format(
            percent=round(job.share * 100), sent=job.sent, skipped=job.skipped, **more
        )
        if job.refused:
            message += " " + texts["backfill_refused"].format(refused=job.refused)
        persistent_notification.async_create(
            self.hass,
            message,
            title=texts["backfill_title"].format(title=self.entry.title),
            notification_id=self._notification,
        )

    async def _async_texts(self) -> dict[str, str]:
        if not self._texts:
            self._texts = await async_texts(self.hass)
        return self._texts


def _seen(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()


@callback
def milliseconds_of(moment: datetime) -> int:
    """Return a time an owner gave, in ms since 1970; without a zone it is local."""
    return int(dt_util.as_utc(moment).timestamp() * 1000)


def moment_of(milliseconds: int) -> str:
    """Return a time as text, UTC."""
    return moment(milliseconds).isoformat(timespec="seconds")
