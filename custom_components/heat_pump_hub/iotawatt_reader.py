"""What of an IoTaWatt's log a history server lacks: asked for, read page by page, put into columns."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Final

from homeassistant.core import HomeAssistant

from .archive import Archive
from .history.ask import HOUR, Labels, Span, hour_of, hourly, last_stored, selector
from .history.bulk import Bulk
from .history.iotawatt import MOST_COLUMNS, Iotawatt
from .history.iotawatt_answers import MINUTE, LogSpan, Page, Series
from .history.iotawatt_log import CHUNK, Chunk, columns_of, remember, runs_of, short_hours

COUNTED: Final = 28 * 24 * 3600
"""Seconds whose hours are counted by one question."""
REST: Final = (0.2, 5.0)
"""A unit rests after each page as long as it needed for it, within these, s."""
RECENT_DAYS: Final = 30


class LogReader:
    """Reads the log of a unit where its series lack something."""

    def __init__(
        self,
        hass: HomeAssistant,
        archive: Archive,
        bulk: Bulk,
        unit: Iotawatt,
        labels: Mapping[Series, Labels],
    ) -> None:
        """``labels`` are the series that were chosen, and what each is on the server."""
        self._hass = hass
        self._archive = archive
        self._bulk = bulk
        self._unit = unit
        self._labels = labels
        self.next: dict[Series, int] = {}
        """The first minute that is not known to be on the server, s since 1970."""
        self._most: dict[Labels, dict[int, int]] = {}
        """Minutes the unit has in hours (ms) that are not whole."""

    async def find(self, series: Sequence[Series], log: LogSpan) -> None:
        """Ask the server where those series are of which it is not known.

        Raises :class:`~.history.victoriametrics.HistoryError`.
        """
        for one in series:
            if one not in self.next:
                stored = await self._last_stored(one, log.last - log.first)
                self.next[one] = log.first if stored is None else stored + MINUTE

    async def newer(self, series: Sequence[Series], log: LogSpan) -> AsyncIterator[Chunk]:
        """Yield what the server does not have yet; series that are behind come first."""
        last = log.last
        at = {one: max(self.next[one], log.first) for one in series}
        while behind := [one for one in series if at[one] < last]:
            begin = min(at[one] for one in behind)
            some = [one for one in behind if at[one] == begin][:MOST_COLUMNS]
            # Where another series waits, both go on together.
            end = min(last, begin + CHUNK, *(other for other in at.values() if other > begin))
            yield await self._read(some, begin, end)
            at |= dict.fromkeys(some, end)

    async def lost(self, series: Sequence[Series], log: LogSpan) -> AsyncIterator[Chunk]:
        """Yield the hours of which the server has less than the unit."""
        first, last = log.first, log.last
        turn = self._archive.shipper.turn
        run = self._hass.async_add_executor_job
        by_labels = {self._labels[one]: one for one in series}
        # The server counts what is behind the hour, up to the next one.
        start = hour_of(first * 1000) // 1000
        for begin in range(start, last - MINUTE, COUNTED):
            span = Span(
                max(first, begin + MINUTE) * 1000, min(last - MINUTE, begin + COUNTED) * 1000
            )
            counts = await self._bulk.ask(partial(hourly, turn, run, by_labels, span))
            short = await run(short_hours, counts, [*by_labels], span, self._most)
            for hours, labels in runs_of(short):
                some = [by_labels[one] for one in labels]
                low = max(hours[0] // 1000 + MINUTE, first)
                high = min(hours[-1] // 1000 + 3600 + MINUTE, last)
                for place in range(0, len(some), MOST_COLUMNS):
                    chunk = await self._read(some[place : place + MOST_COLUMNS], low, high)
                    over = [hour for hour in hours if hour + HOUR < last * 1000]
                    await run(remember, chunk, over, self._most)
                    yield chunk

    async def _read(self, series: Sequence[Series], begin: int, end: int) -> Chunk:
        """Return what the unit has from ``begin`` up to ``end``, page by page."""
        pages: list[Page] = []
        at = begin
        while at < end:
            page = await self._unit.page(series, at, end)
            pages.append(page)
            at = page.end
            del page
            await asyncio.sleep(min(max(self._unit.took, REST[0]), REST[1]))
        labels = [(self._labels[one], one.decimals) for one in series]
        columns = await self._hass.async_add_executor_job(columns_of, pages, labels)
        return Chunk(tuple(series), end, columns)

    async def _last_stored(self, one: Series, length: int) -> int | None:
        """Return the last minute of a series on the server, s since 1970."""
        match = selector([self._labels[one]])
        for days in (RECENT_DAYS, length // 86_400 + 1):
            asked = partial(last_stored, self._archive.shipper.turn, match, days)
            if (found := await self._bulk.ask(asked)) is not None:
                return found // (MINUTE * 1000) * MINUTE
        return None
