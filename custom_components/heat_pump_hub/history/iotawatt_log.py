"""Stretches of an IoTaWatt's log: pages as columns, and hours that the server has not whole."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import time
from typing import Final

from .ask import HOUR, Labels, Span, hour_of
from .bulk import PAUSE, Column
from .iotawatt_answers import MINUTE, Page, Series

CHUNK: Final = 7 * 24 * 3600
"""Seconds of a log that are read, sent and counted together."""


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """What a unit has of some series, up to ``end`` (s since 1970)."""

    series: Sequence[Series]
    end: int
    columns: Sequence[Column]


def columns_of(pages: list[Page], labels: Sequence[tuple[Labels, int]]) -> list[Column]:
    """Return what pages hold, oldest first, and empty the list; for a thread.

    Their numbers are as many objects: to free them would hold the event loop up.
    """
    columns: list[Column] = []
    for place, (own, decimals) in enumerate(labels):
        times = array("q")
        values = array("d")
        for page in pages:
            for index, value in enumerate(page.columns[place]):
                if value is not None:
                    times.append((page.first + index * MINUTE) * 1000)
                    values.append(value)
            time.sleep(PAUSE)
        columns.append(Column(own, times, values, decimals))
    pages.clear()
    return columns


def short_hours(
    counts: Mapping[Labels, Mapping[int, int]],
    series: Sequence[Labels],
    span: Span,
    most: Mapping[Labels, Mapping[int, int]],
) -> dict[int, list[Labels]]:
    """Return hours (ms) of a span and the series that have less than they should; for a thread."""
    short: dict[int, list[Labels]] = {}
    hours = {
        hour: _minutes(hour, span)
        for hour in range(hour_of(span.first), hour_of(span.last) + 1, HOUR)
    }
    for one in series:
        found, known = counts.get(one, {}), most.get(one, {})
        for hour, whole in hours.items():
            if found.get(hour, 0) < known.get(hour, whole):
                short.setdefault(hour, []).append(one)
        time.sleep(PAUSE)
    return short


def remember(chunk: Chunk, hours: Sequence[int], most: dict[Labels, dict[int, int]]) -> None:
    """Note how many minutes the unit has in hours (ms) that are not whole; for a thread."""
    for column in chunk.columns:
        found: dict[int, int] = {}
        for at in column.times:
            found[hour_of(at)] = found.get(hour_of(at), 0) + 1
        known = most.setdefault(column.labels, {})
        known |= {hour: found.get(hour, 0) for hour in hours}
        time.sleep(PAUSE)


def _minutes(hour: int, span: Span) -> int:
    """Return how many minutes (ms) of a span the server counts in an hour."""
    low = max(hour + MINUTE * 1000, span.first)
    high = min(hour + HOUR, span.last)
    return max(0, (high - low) // (MINUTE * 1000) + 1)


def runs_of(short: Mapping[int, list[Labels]]) -> list[tuple[list[int], list[Labels]]]:
    """Join hours in a row of the same series, up to a chunk."""
    runs: list[tuple[list[int], list[Labels]]] = []
    for hour, series in sorted(short.items()):
        if runs:
            hours, before = runs[-1]
            if (
                hour - hours[-1] == HOUR
                and series == before
                and hour - hours[0] < CHUNK * 1000 - HOUR
            ):
                hours.append(hour)
                continue
        runs.append(([hour], series))
    return runs
