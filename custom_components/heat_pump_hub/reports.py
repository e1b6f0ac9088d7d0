"""Reports of a heat pump: on demand by an action, and every morning if its owner wants it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from time import time as now_in_seconds
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_change
from homeassistant.helpers.start import async_at_started
from homeassistant.util import dt as dt_util

from .const import CONF_REPORT_DAYS, CONF_REPORT_FORMAT, CONF_REPORTS, DOMAIN, LOGGER
from .drivers.points import Point, Snapshot
from .history.companion_series import companion_of
from .history.journal import Journal
from .history.journal_file import JournalError
from .history.report_files import Format, ReportFile, report_file
from .history.reports import (
    DiskFullError,
    ReportError,
    Resolution,
    Table,
    check_disk,
    keys_in,
    remove_old,
)
from .history.series import milliseconds
from .report_columns import async_columns

REPORT_HOUR: Final = 7
"""Local hour of the daily report."""
RETRY_AFTER: Final = 300.0
"""Seconds after which a scheduled report that failed is tried once more."""
REPORT_DAYS: Final = 30
"""Days a report is kept by default."""
REPORT_DAYS_RANGE: Final = (1, 3650)
BATCH: Final = 60
"""Snapshots that are worked on at a time."""
PAUSE: Final = 0.01
"""Seconds between two batches: a busy thread holds the event loop up."""


class Period(StrEnum):
    """What a report covers."""

    DAY = "day"
    WEEK = "week"
    CUSTOM = "custom"


class NoDataError(ReportError):
    """Nothing was recorded in the period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One report to be written."""

    name: str
    """File name without ending."""
    start: datetime
    """Aware; the period contains it."""
    end: datetime
    """Aware; the first moment after the period."""
    format: Format = Format.CSV
    resolution: Resolution = Resolution.SAMPLE
    keep_both: bool = False
    """Whether a file of this name stays, and this one gets a number; else it is written anew."""
    keys: frozenset[str] | None = None
    """Signals, and ids of entities of others; ``None``: all that were recorded."""

    @property
    def last(self) -> datetime:
        """The last moment of the period."""
        return self.end - timedelta(milliseconds=1)

    def wants(self, key: str) -> bool:
        """Tell whether a signal was asked for."""
        if self.keys is None or key in self.keys:
            return True
        companion = companion_of(key)
        return companion is not None and companion[0] in self.keys


def day_order(day: date, **more: Any) -> Order:
    """Return the order of the report of one local day."""
    return Order(
        name=f"{day:%Y-%m-%d}_daily", start=_midnight(day), end=_midnight(day, days=1), **more
    )


def week_order(day: date, **more: Any) -> Order:
    """Return the order of the roll-up, by the hour, of the local week (from Monday) of a day."""
    monday = day - timedelta(days=day.weekday())
    return Order(
        **{
            "name": f"{monday:%Y-%m-%d}_weekly",
            "start": _midnight(monday),
            "end": _midnight(monday, days=7),
            "resolution": Resolution.HOUR,
            **more,
        }
    )


def _midnight(day: date, days: int = 0) -> datetime:
    zone = dt_util.get_default_time_zone()
    return datetime.combine(day + timedelta(days=days), time(), tzinfo=zone)


class Reports:
    """Writes the reports of one heat pump."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        identity: str,
        points: Mapping[str, Point],
        journal: Journal,
        executor: Executor,
    ) -> None:
        """Files are written in ``executor``, which runs one thing at a time.

        More may come to ``points`` later.
        """
        self._hass = hass
        self._entry = entry
        self._identity = identity
        self._points = points
        self._journal = journal
        self._executor = executor
        self._lock = asyncio.Lock()
        self._unsubscribe: list[CALLBACK_TYPE] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._scheduled = False

    @property
    def folder(self) -> Path:
        """Where the reports of this heat pump are."""
        return Path(self._hass.config.path(DOMAIN, "reports", self._identity))

    @callback
    def start(self) -> None:
        """Write the daily reports from now on, if the owner wants them."""
        if not self._entry.options.get(CONF_REPORTS):
            return

        @callback
        def morning(_now: datetime) -> None:
            self._run_scheduled()

        @callback
        def catch_up(_hass: HomeAssistant) -> None:
            if dt_util.now().hour >= REPORT_HOUR:
                self._run_scheduled(missing_only=True)

        self._unsubscribe += [
            async_track_time_change(self._hass, morning, hour=REPORT_HOUR, minute=0, second=0),
            async_at_started(self._hass, catch_up),
        ]

    async def async_close(self) -> None:
        """Stop; a report that is being written leaves nothing behind."""
        while self._unsubscribe:
            self._unsubscribe.pop()()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def async_export(self, order: Order) -> dict[str, Any]:
        """Write one report; return its path, period and size.

        Raises :class:`.history.reports.ReportError`, :class:`.JournalError` or ``OSError``.
        """
        task = self._hass.async_create_task(self._async_export(order), f"{DOMAIN} report")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await task

    async def _async_export(self, order: Order) -> dict[str, Any]:
        async with self._lock:
            keys = await self._async_recorded(order)
            if not keys:
                raise NoDataError(order.name)
            columns, time_title = await async_columns(
                self._hass, self._identity, self._points, keys
            )
            path = self.folder / f"{order.name}.{order.format}"
            if order.keep_both:
                path = await self._run(free, path)
            file = report_file(order.format, path, columns, time_title)
            table = Table(columns, order.resolution, dt_util.get_default_time_zone())
            try:
                await self._run(_open, file)
                async for batch in self._batches(order):
                    await self._run(_write, file, table, batch)
                    await asyncio.sleep(PAUSE)
                size = await self._run(_finish, file, table)
            except BaseException:
                await self._run(file.abort)
                raise
            return {
                "file": str(path),
                "start": order.start.isoformat(),
                "end": order.end.isoformat(),
                "rows": file.rows,
                "signals": len(columns),
                "bytes": size,
            }

    async def _batches(self, order: Order) -> AsyncIterator[list[Snapshot]]:
        batch: list[Snapshot] = []
        async for snapshot in self._journal.snapshots(order.start, order.last):
            batch.append(snapshot)
            if len(batch) >= BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    async def _async_recorded(self, order: Order) -> set[str]:
        """Return the signals that were recorded in the period, of those that were asked for.

        The record is read once more for its rows: they stand behind a header, which names no
        signal that has no value. Names alone cost a tenth of the rows.
        """
        found: set[str] = set()
        first, last = milliseconds(order.start), milliseconds(order.end) - 1
        async for record in self._journal.records(order.start, order.last):
            found |= await self._run(keys_in, record, first, last)
            await asyncio.sleep(PAUSE)
        return {key for key in found if order.wants(key)}

    @callback
    def _run_scheduled(self, *, missing_only: bool = False) -> None:
        if self._scheduled:
            return
        self._scheduled = True
        task = self._entry.async_create_background_task(
            self._hass, self._async_scheduled(missing_only), f"{DOMAIN} daily report"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _async_scheduled(self, missing_only: bool) -> None:
        """Write the report of yesterday and, once the week is over, that of the week."""
        try:
            today = dt_util.now().date()
            kind = Format(self._entry.options.get(CONF_REPORT_FORMAT, Format.CSV))
            orders = [
                day_order(today - timedelta(days=1), format=kind),
                week_order(today - timedelta(days=7), format=kind),
            ]
            # First, as they may be what fills the disk.
            await self._async_remove_old()
            for order, due in zip(orders, (True, today.weekday() == 0), strict=True):
                if missing_only or not due:
                    path = self.folder / f"{order.name}.{order.format}"
                    if await self._run(path.exists):
                        continue
                await self._async_write_scheduled(order, quiet=missing_only or not due)
        finally:
            self._scheduled = False

    async def _async_write_scheduled(self, order: Order, *, quiet: bool) -> None:
        for attempt in (1, 2):
            try:
                done = await self._async_export(order)
            except NoDataError:
                if not quiet:
                    LOGGER.warning("%s: no report %s: no data", self._entry.title, order.name)
                return
            except (ReportError, JournalError, OSError) as err:
                if attempt == 2:
                    LOGGER.warning(
                        "%s: no report %s: %s", self._entry.title, order.name, reason(err)
                    )
                    return
                LOGGER.debug("Report %s failed: %r", order.name, err)
                await asyncio.sleep(RETRY_AFTER)
            else:
                LOGGER.info("%s: report %s", self._entry.title, done["file"])
                return

    async def _async_remove_old(self) -> None:
        days = self._entry.options.get(CONF_REPORT_DAYS, REPORT_DAYS)
        before = now_in_seconds() - days * 86400
        try:
            count, size = await self._run(remove_old, self.folder, before)
        except OSError as err:
            LOGGER.warning("%s: old reports were not removed: %s", self._entry.title, err)
            return
        if count:
            LOGGER.info("%s: %d old reports removed, %d bytes", self._entry.title, count, size)

    async def _run[*Ts, T](self, job: Callable[[*Ts], T], *arguments: *Ts) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, job, *arguments)


def free(path: Path) -> Path:
    """Return a path, with a number behind its name if there is such a file already."""
    found, number = path, 1
    while found.exists():
        number += 1
        found = path.with_stem(f"{path.stem}-{number}")
    return found


def _open(file: ReportFile) -> None:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    check_disk(file.path.parent)
    file.open()


def _write(file: ReportFile, table: Table, batch: Iterable[Snapshot]) -> None:
    file.write(table.add(batch))


def _finish(file: ReportFile, table: Table) -> int:
    file.write(table.finish())
    return file.commit()


def reason(error: Exception) -> str:
    """Say in a word why a report was not written, for the log."""
    if isinstance(error, DiskFullError):
        return f"the disk is nearly full ({error})"
    return str(error)
