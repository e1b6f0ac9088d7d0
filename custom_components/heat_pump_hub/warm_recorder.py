"""A detector's past from the recorder: states of entities that show what a point means.

They come one by one, and only when they change; here they become a sample a minute.
"""

from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import batched
import time
from typing import Final

from homeassistant.core import HomeAssistant

from .drivers.points import Point, Value
from .history.ask import Gap, Labels
from .history.series import canonical
from .recorder_source import RecorderSource, Source, is_there
from .warm_sources import CHUNK, PAUSE, SLICE, Run, Sample, reader

GRID: Final = 60
"""Seconds between two samples."""
STALE: Final = 1800
"""Seconds a state holds at most."""


class RecorderPast:
    """What the recorder has of entities, of whatever integration, that show points."""

    def __init__(self, hass: HomeAssistant, run: Run, entities: Mapping[str, str],
                 points: Mapping[str, Point]) -> None:  # fmt: skip
        """``entities`` by the key of their point."""
        self._hass = hass
        self._run = run
        self._sources: dict[Labels, tuple[Source, Callable[[float], Value | None]]] = {}
        for key, entity_id in entities.items():
            if (point := points.get(key)) is not None:
                series = canonical(point)
                source = Source(entity_id, point, series, {"__name__": series.name})
                self._sources[source.labels] = source, reader(point, series)

    async def samples(self, first: datetime, last: datetime) -> AsyncIterator[list[Sample]]:
        """Yield the states of all entities together, a sample a minute."""
        if not is_there(self._hass):
            return
        recorder = RecorderSource(self._hass)
        begin = first
        while begin < last:
            end = min(begin + SLICE, last)
            span = Gap(_ms(begin) - STALE * 1000, _ms(end))
            columns: dict[str, tuple[list[int], list[Value]]] = {}
            wanted = {source: [span] for source, _ in self._sources.values()}
            async for some_columns in recorder.async_states(wanted):
                for column in some_columns:
                    source, back = self._sources[column.labels]
                    times, values = columns.setdefault(source.point.key, ([], []))
                    for stamp, number in zip(column.times, column.values, strict=True):
                        if (value := back(number)) is not None:
                            times.append(stamp)
                            values.append(value)
            for some in batched(
                await self._run(_gridded, columns, _ms(begin), _ms(end)), CHUNK, strict=False
            ):
                yield list(some)
            begin = end


def _gridded(
    columns: Mapping[str, tuple[Sequence[int], Sequence[Value]]], first: int, last: int
) -> list[Sample]:
    """Return a sample a minute of states that hold until the next one; for a thread."""
    samples: list[Sample] = []
    if not any(times for times, _ in columns.values()):
        return samples
    step = GRID * 1000
    for place_in_grid, stamp in enumerate(range(-(-first // step) * step, last, step)):
        values: dict[str, Value] = {}
        for key, (times, numbers) in columns.items():
            place = bisect_right(times, stamp) - 1
            if place >= 0 and stamp - times[place] <= STALE * 1000:
                values[key] = numbers[place]
        if values:
            samples.append((datetime.fromtimestamp(stamp / 1000, UTC), values))
        if not place_in_grid % CHUNK:
            time.sleep(PAUSE)
    return samples


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
