"""Reads states and hourly statistics of a heat pump's entities from Home Assistant's recorder.

Rows are read by raw SQL in the recorder's executor, a slice at a time, and become numbers as
history stores them: in the unit of the vocabulary, whatever unit their owner chose, states by
their number, flags as 0 and 1.
"""

from array import array
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched, groupby
import json
from math import isfinite
from operator import itemgetter, lt
import time
from typing import Any, Final

from homeassistant.components.sensor.const import UNIT_CONVERTERS
from homeassistant.const import ATTR_UNIT_OF_MEASUREMENT, STATE_OFF, STATE_ON
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.recorder import DATA_INSTANCE, get_instance, session_scope

from .drivers.points import Kind, Point, Quantity
from .history.ask import HOUR, Gap, Labels, Span, labels_of
from .history.bulk import PAUSE, Column
from .history.companion_series import CompanionPoint
from .history.series import Series
from .units import DEVICE_CLASSES, Converter, normal, same as _same

ROWS: Final = 4_000
"""Rows of a slice, about; reading them takes some milliseconds, in which others get their turn."""
SLICE: Final = 3600.0
SHORTEST_SLICE: Final = 30.0
LONGEST_SLICE: Final = 86_400.0
"""Seconds of states that are read together; fewer or more, by how many rows there are."""
BATCH_SAMPLES: Final = 200_000
NAMES: Final = 500
"""Entities that are looked up together."""
MEAN_DECIMALS: Final = 2
"""Decimals a mean has more than what it is the mean of."""
MILLISECOND: Final = 0.001
_FLAGS: Final = {STATE_ON: True, STATE_OFF: False}
_STATES: Final = """
SELECT metadata_id, last_updated_ts, state, attributes_id FROM states
WHERE metadata_id IN ({ids}) AND last_updated_ts > :after AND last_updated_ts <= :last
ORDER BY metadata_id, last_updated_ts
"""
_STATISTICS: Final = """
SELECT metadata_id, start_ts, mean, min, max, state FROM statistics
WHERE metadata_id IN ({ids}) AND start_ts >= :first AND start_ts <= :last
ORDER BY metadata_id, start_ts
"""

type _Row = tuple[int, float, str | None, int | None]
"""Number of the entity, time (s since 1970), state, and number of its attributes."""
type Filled[K] = dict[K, tuple[array[int], array[float]]]
"""Times (ms) and values. Arrays: a list would take four times the memory, and long to be freed."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """An entity, the point it shows, and how that point is stored."""

    entity_id: str
    point: Point
    series: Series
    metric: Mapping[str, str]

    @property
    def labels(self) -> Labels:
        """The series its states go to."""
        return labels_of(self.metric)

    def labels_of(self, stat: str) -> Labels:
        """Return the series one of its hourly statistics goes to."""
        return labels_of({**self.metric, "stat": stat})


def is_there(hass: HomeAssistant) -> bool:
    """Tell whether there is a recorder to read from."""
    return DATA_INSTANCE in hass.data


def converter(point: Point, unit: str | None) -> Converter | None:
    """Return what turns a number in a unit into the point's; ``None``: nothing does."""
    if unit == point.unit:
        return _same
    if isinstance(point, CompanionPoint):
        own, convert = normal(unit)
        return convert if own == point.unit else None
    kind = UNIT_CONVERTERS.get(DEVICE_CLASSES.get(point.quantity))
    if kind is None or unit is None:
        return None
    try:
        return kind.converter_factory(unit, point.unit)
    except HomeAssistantError:
        return None


class RecorderSource:
    """Reads from one recorder."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Use the recorder of a running Home Assistant."""
        self._hass = hass
        self._recorder = get_instance(hass)
        self._units: dict[int | None, str | None] = {None: None}
        self.no_unit = 0
        """Samples left out because their unit cannot be converted."""

    async def async_states(
        self, wanted: Mapping[Source, Sequence[Gap]]
    ) -> AsyncIterator[list[Column]]:
        """Yield the states of entities that lie in gaps, oldest first.

        Time is cut, not the entities: what was written at the same time lies together on the
        disk. So the columns of one yield end before those of the next begin.
        """
        wanted = {source: gaps for source, gaps in wanted.items() if gaps}
        known = await self._recorder.async_add_executor_job(self._states_ids, list(wanted))
        if not known:
            return
        first = min(wanted[source][0].after for source in known.values()) / 1000
        last = max(wanted[source][-1].before for source in known.values()) / 1000
        statement = _STATES.format(ids=",".join(map(str, sorted(known))))
        filled: Filled[Source] = {}
        width = SLICE
        while first < last:
            end = min(first + width, last)
            rows = await self._recorder.async_add_executor_job(self._rows, statement, first, end)
            if rows:
                await self._hass.async_add_executor_job(self._fill, filled, known, wanted, rows)
            first = end
            if len(rows) < ROWS // 2:
                width = min(width * 2, LONGEST_SLICE)
            elif len(rows) > ROWS * 2:
                width = max(width / 2, SHORTEST_SLICE)
            if sum(len(times) for times, _ in filled.values()) >= BATCH_SAMPLES:
                yield _columns(filled)
                filled = {}
        if filled:
            yield _columns(filled)

    async def async_statistics(
        self, sources: Sequence[Source], span: Span
    ) -> AsyncIterator[list[Column]]:
        """Yield hourly statistics of entities whose hour begins in a span, oldest first.

        The columns of one yield end before those of the next begin.
        """
        known = await self._recorder.async_add_executor_job(self._statistics_ids, sources)
        if not known:
            return
        statement = _STATISTICS.format(ids=",".join(map(str, sorted(known))))
        width = max(HOUR, ROWS // len(known) * HOUR)
        first = span.first
        filled: Filled[tuple[int, str]] = {}
        while first <= span.last:
            end = min(first + width - 1, span.last)
            await self._recorder.async_add_executor_job(
                self._statistics, statement, first / 1000, end / 1000, filled, known
            )
            first = end + 1
            if sum(len(times) for times, _ in filled.values()) >= BATCH_SAMPLES:
                yield await self._hass.async_add_executor_job(
                    self._statistics_columns, filled, known
                )
                filled = {}
        if filled:
            yield await self._hass.async_add_executor_job(self._statistics_columns, filled, known)

    def _states_ids(self, sources: Sequence[Source]) -> dict[int, Source]:
        from sqlalchemy import bindparam, text

        by_entity = {source.entity_id: source for source in sources}
        statement = text(
            "SELECT metadata_id, entity_id FROM states_meta WHERE entity_id IN :ids"
        ).bindparams(bindparam("ids", expanding=True))
        known: dict[int, Source] = {}
        with session_scope(hass=self._hass, read_only=True) as session:
            for some in batched(by_entity, NAMES, strict=False):
                for number, entity_id in session.execute(statement, {"ids": some}):
                    known[number] = by_entity[entity_id]
        return known

    def _rows(self, statement: str, after: float, last: float) -> list[_Row]:
        from sqlalchemy import text

        with session_scope(hass=self._hass, read_only=True) as session:
            rows = _fetched(session.execute(text(statement), {"after": after, "last": last}))
            if new := {row[3] for row in rows} - self._units.keys():
                self._learn_units(session, new)
            return rows

    def _learn_units(self, session: Any, ids: set[int | None]) -> None:
        from sqlalchemy import bindparam, text

        statement = text(
            "SELECT attributes_id, shared_attrs FROM state_attributes WHERE attributes_id IN :ids"
        ).bindparams(bindparam("ids", expanding=True))
        for number, shared in session.execute(statement, {"ids": sorted(filter(None, ids))}):
            attributes = json.loads(shared) if shared else {}
            self._units[number] = attributes.get(ATTR_UNIT_OF_MEASUREMENT)
        for number in ids - self._units.keys():
            self._units[number] = None

    def _statistics_ids(self, sources: Sequence[Source]) -> dict[int, tuple[Source, str | None]]:
        from sqlalchemy import bindparam, text

        by_entity = {source.entity_id: source for source in sources}
        statement = text(
            "SELECT id, statistic_id, unit_of_measurement FROM statistics_meta"
            " WHERE source = 'recorder' AND statistic_id IN :ids"
        ).bindparams(bindparam("ids", expanding=True))
        known: dict[int, tuple[Source, str | None]] = {}
        with session_scope(hass=self._hass, read_only=True) as session:
            for some in batched(by_entity, NAMES, strict=False):
                for number, entity_id, unit in session.execute(statement, {"ids": some}):
                    known[number] = by_entity[entity_id], unit
        return known

    def _statistics(
        self,
        statement: str,
        first: float,
        last: float,
        filled: Filled[tuple[int, str]],
        known: Mapping[int, tuple[Source, str | None]],
    ) -> None:
        """Read a slice, and sort its numbers by series."""
        from sqlalchemy import text

        with session_scope(hass=self._hass, read_only=True) as session:
            rows = _fetched(session.execute(text(statement), {"first": first, "last": last}))
        if rows:
            _gather(filled, known, rows)

    def _fill(
        self,
        filled: Filled[Source],
        known: Mapping[int, Source],
        wanted: Mapping[Source, Sequence[Gap]],
        rows: Sequence[_Row],
    ) -> None:
        """Turn rows into samples; for a thread."""
        for number, some in groupby(rows, itemgetter(0)):
            source = known[number]
            times, values = filled.setdefault(source, (array("q"), array("d")))
            inside = _inside(list(some), wanted[source])
            for attributes, group in groupby(inside, itemgetter(3)):
                if source.point.quantity in (Quantity.STATE, Quantity.FLAG):
                    more, numbers = _codes(source, group)
                else:
                    more, numbers = self._numbers(source, list(group), self._units[attributes])
                last = times[-1] if times else 0
                if not more or (more[0] > last and all(map(lt, more, more[1:], strict=False))):
                    times.fromlist(more)
                    values.fromlist(numbers)
                    continue
                for at, value in zip(more, numbers, strict=True):
                    if at > last:
                        times.append(at)
                        values.append(value)
                        last = at
        time.sleep(PAUSE)

    def _numbers(
        self, source: Source, rows: Sequence[_Row], unit: str | None
    ) -> tuple[list[int], list[float]]:
        """Return times and numbers of rows in one unit."""
        convert = converter(source.point, unit)
        if convert is None:
            self.no_unit += sum(1 for row in rows if _number(row[2]) is not None)
            return [], []
        try:
            numbers = [float(row[2]) for row in rows]  # type: ignore[arg-type]
        except ValueError, TypeError:
            numbers = []
        # Infinity times zero is no number, and so is the sum of one that is none.
        if not numbers or sum(numbers) * 0 != 0:
            rows = [row for row in rows if _number(row[2]) is not None]
            numbers = [float(row[2]) for row in rows]  # type: ignore[arg-type]
        times = [round(row[1] * 1000) for row in rows]
        factor = source.series.factor
        if convert is not _same:
            numbers = list(map(convert, numbers))
        if factor != 1:
            numbers = [number * factor for number in numbers]
        return times, numbers

    def _statistics_columns(
        self,
        filled: Filled[tuple[int, str]],
        known: Mapping[int, tuple[Source, str | None]],
    ) -> list[Column]:
        """Turn what was gathered into samples; for a thread."""
        columns: list[Column] = []
        shared: Sequence[int] = ()
        busy = 0
        for (number, stat), (times, values) in filled.items():
            source, unit = known[number]
            if (convert := converter(source.point, unit)) is None:
                self.no_unit += len(times)
                continue
            if times == shared:
                # Columns of the same hours share their times, and so their text.
                own = shared
            else:
                own = shared = times
            factor = source.series.factor
            if convert is not _same or factor != 1:
                values = array("d", [convert(value) * factor for value in values])
            decimals = source.series.decimals + (MEAN_DECIMALS if stat == "mean" else 0)
            columns.append(Column(source.labels_of(stat), own, values, decimals))
            if (busy := busy + len(times)) > ROWS:
                busy = 0
                time.sleep(PAUSE)
        return columns


def _columns(filled: Filled[Source]) -> list[Column]:
    return [
        Column(source.labels, times, values, source.series.decimals)
        for source, (times, values) in filled.items()
        if times
    ]


def _gather(
    filled: Filled[tuple[int, str]],
    known: Mapping[int, tuple[Source, str | None]],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    """Sort the numbers of rows by series; for a thread."""
    starts: tuple[float, ...] = ()
    times: array[int] = array("q")
    for number, group in groupby(rows, itemgetter(0)):
        _, own, means, lows, highs, readings = zip(*group, strict=True)
        if own != starts:
            starts, times = own, array("q", [round(start * 1000) for start in own])
        if known[number][0].point.kind is Kind.COUNTER:
            # What never falls is highest at the end of its hour.
            found = {"max": readings}
        else:
            found = {"mean": means, "min": lows, "max": highs}
        for stat, numbers in found.items():
            kept = times
            if None in numbers:
                present = [at for at, one in zip(times, numbers, strict=True) if one is not None]
                kept = array("q", present)
                numbers = tuple(one for one in numbers if one is not None)
            if kept:
                column = filled.setdefault((number, stat), (array("q"), array("d")))
                column[0].extend(kept)
                column[1].fromlist(list(numbers))
    time.sleep(PAUSE)


def _inside(rows: Sequence[_Row], gaps: Sequence[Gap]) -> Sequence[_Row]:
    """Return the rows that lie in one of some ascending gaps."""
    if len(gaps) == 1:
        first, last = gaps[0].after / 1000, gaps[0].before / 1000
        if rows[-1][1] < last and rows[0][1] > first:
            return rows
    starts = [gap.after / 1000 for gap in gaps]
    ends = [gap.before / 1000 for gap in gaps]
    return [
        row
        for row in rows
        if (place := bisect_right(starts, row[1]) - 1) >= 0
        and starts[place] + MILLISECOND <= row[1] <= ends[place] - MILLISECOND
    ]


def _codes(source: Source, rows: Iterable[_Row]) -> tuple[list[int], list[float]]:
    """Return times and numbers of states and flags that have one."""
    flag = source.point.quantity is Quantity.FLAG
    times: list[int] = []
    numbers: list[float] = []
    for _, stamp, state, _ in rows:
        if state is None or (flag and state not in _FLAGS):
            continue
        number = source.series.number(_FLAGS[state] if flag else state)
        if number is not None:
            times.append(round(stamp * 1000))
            numbers.append(number)
    return times, numbers


def _number(state: str | None) -> float | None:
    """Return the number of a state; ``None`` for what is none, such as ``unavailable``."""
    try:
        number = float(state or "")
    except ValueError:
        return None
    return number if isfinite(number) else None


def _fetched(result: Any) -> list[tuple[Any, ...]]:
    """Return rows as the driver of the database makes them: Row objects cost more than the query."""
    rows: list[tuple[Any, ...]] = list(result.cursor.fetchall())
    result.close()
    return rows
