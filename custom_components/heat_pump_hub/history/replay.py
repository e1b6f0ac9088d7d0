"""What a history server lacks of the record in the journal.

Samples of the record carry the times under which they were sent, so an hour of a series in
which the server has fewer than the record is compared sample by sample.
"""

from array import array
from collections.abc import AsyncIterator, Collection, Container, Iterable, Iterator
import logging
import time
from typing import Final

from .ask import HOUR, Labels, Span, count, hour_of, hourly, labels_of
from .bulk import PAUSE, Batch, Bulk, Column
from .journal import Journal
from .journal_file import Record
from .record import Places, unpack_columns
from .series import Encoder, Series, moment
from .shipper import Shipper
from .thread import RunInThread

_LOGGER = logging.getLogger(__name__)

WINDOW: Final = 12 * HOUR
"""ms that are looked at together."""

type Counts = dict[str, dict[int, int]]
"""Samples by key and hour."""


class Replay:
    """Finds what lacks, a window of the record after the other."""

    def __init__(
        self,
        journal: Journal,
        encoder: Encoder,
        shipper: Shipper,
        bulk: Bulk,
        run: RunInThread,
        keys: Container[str] | None,
    ) -> None:
        """Only points in ``keys`` are of interest; ``None``: all."""
        self._journal = journal
        self._encoder = encoder
        self._shipper = shipper
        self._bulk = bulk
        self._run = run
        self._keys = keys
        self._known: dict[str, tuple[Series, Labels]] = {}

    async def batches(self, span: Span) -> AsyncIterator[Batch[None]]:
        """Yield what the server lacks in a span. Raises ``HistoryError`` and ``JournalError``."""
        first = span.first
        while first <= span.last:
            # Hours count what is behind them up to the next one: none is split.
            last = min(span.last, hour_of(first) + WINDOW)
            if columns := await self._lacking(Span(first, last)):
                yield Batch(columns, None)
            first = last + 1

    async def _lacking(self, span: Span) -> list[Column]:
        records = [
            record async for record in self._journal.records(moment(span.first), moment(span.last))
        ]
        if not records:
            return []
        counts = await self._run(self._count, records, span)
        labels = {key: self._series(key)[1] for key in counts}
        there = await self._there(labels.values(), span)
        short = {
            key: hours
            for key, mine in counts.items()
            if (
                hours := {
                    hour
                    for hour, samples in mine.items()
                    if there.get(labels[key], {}).get(hour, 0) < samples
                }
            )
        }
        return await self._run(self._columns, records, span, short) if short else []

    async def _there(self, series: Collection[Labels], span: Span) -> dict[Labels, dict[int, int]]:
        """Return what the server has of a span, by hour; of an hour that is cut, its part."""
        turn, run, ask = self._shipper.turn, self._run, self._bulk.ask
        there = await ask(lambda: hourly(turn, run, series, span))
        for hour in {hour_of(span.first), hour_of(span.last)}:
            part = Span(max(span.first, hour + 1), min(span.last, hour + HOUR))
            if part != (hour + 1, hour + HOUR):
                counts = await ask(lambda part=part: count(turn, run, series, part))  # type: ignore[misc]
                for labels in series:
                    there.setdefault(labels, {})[hour] = counts.get(labels, 0)
        return there

    def _count(self, records: Iterable[Record], span: Span) -> Counts:
        """Count the samples of records; for a thread."""
        counts: Counts = {}
        for times, values, codes in _unpacked(records):
            hours = [hour_of(at) if span.first <= at <= span.last else None for at in times]
            for key, (places, _) in values.items():
                if not self._wanted(key):
                    continue
                own = counts.setdefault(key, {})
                hour = hours[0]
                if len(places) == len(times) and hour is not None and hour == hours[-1]:
                    # Most batches lie within an hour, and most columns have no holes.
                    own[hour] = own.get(hour, 0) + len(times)
                else:
                    for place in places:
                        if (hour := hours[place]) is not None:
                            own[hour] = own.get(hour, 0) + 1
            for key, (places, _) in codes.items():
                if self._wanted(key):
                    own = counts.setdefault(key, {})
                    for place in places:
                        if (hour := hours[place]) is not None:
                            own[hour] = own.get(hour, 0) + 1
        return counts

    def _columns(
        self, records: Iterable[Record], span: Span, short: dict[str, set[int]]
    ) -> list[Column]:
        """Return the samples of some hours; for a thread."""
        found: dict[str, dict[int, float]] = {}
        for times, values, codes in _unpacked(records):
            for key, hours in short.items():
                series, _ = self._series(key)
                own = found.setdefault(key, {})
                for places, column in filter(None, (values.get(key), codes.get(key))):
                    for place, value in zip(places, column, strict=True):
                        at = times[place]
                        if span.first <= at <= span.last and hour_of(at) in hours:
                            number = series.number(value)
                            if number is not None:
                                own[at] = number
        columns = []
        for key, samples in found.items():
            series, labels = self._series(key)
            ordered = sorted(samples)
            numbers = array("d", [samples[at] for at in ordered])
            columns.append(Column(labels, array("q", ordered), numbers, series.decimals))
        return columns

    def _wanted(self, key: str) -> bool:
        """Tell whether a key of the record is sent, and of a point the heat pump still has."""
        return (self._keys is None or key in self._keys) and key in self._encoder.points

    def _series(self, key: str) -> tuple[Series, Labels]:
        if (known := self._known.get(key)) is None:
            series, metric = self._encoder.metric(key)
            known = self._known[key] = series, labels_of(metric)
        return known


def _unpacked(
    records: Iterable[Record],
) -> Iterator[tuple[list[int], dict[str, Places], dict[str, Places]]]:
    """Yield the columns of batches; one that is damaged is left out."""
    for record in records:
        try:
            yield unpack_columns(record)
        except ValueError as err:
            _LOGGER.warning("A batch of the record cannot be read: %s", err)
        time.sleep(PAUSE)
