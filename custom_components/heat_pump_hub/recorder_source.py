"""Reads states and hourly statistics of a heat pump's entities from Home Assistant's recorder.

Rows are read by raw SQL in the recorder's executor, a slice at a time, and become numbers as
history stores them: in the unit of the vocabulary, whatever unit their owner chose, states by
their number, flags as 0 and 1.
"""

from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched, groupby
import json
from math import isfinite
from operator import itemgetter
import time
from typing import Any, Final, cast

from homeassistant.components.sensor.const import UNIT_CONVERTERS
from homeassistant.const import ATTR_UNIT_OF_MEASUREMENT, STATE_OFF, STATE_ON
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.recorder import DATA_INSTANCE, get_instance, session_scope

from .drivers.points import Kind, Point, Quantity
from .entity import DEVICE_CLASSES
from .history.ask import Gap, Labels, Span, labels_of
from .history.bulk import PAUSE, Column
from .history.series import Series

ROWS: Final = 2_000
"""Rows of a slice; reading one takes about 1 ms."""
ENTITIES: Final = 10
"""Entities whose statistics are read together: 168 rows each make a week."""
MEAN_DECIMALS: Final = 2
"""Decimals a mean has more than what it is the mean of."""
MILLISECOND: Final = 0.001
_FLAGS: Final = {STATE_ON: True, STATE_OFF: False}
_STATES: Final = """
SELECT last_updated_ts, state, attributes_id FROM states
WHERE metadata_id = :id AND last_updated_ts > :after AND last_updated_ts <= :last
ORDER BY metadata_id, last_updated_ts LIMIT :rows
"""
_STATISTICS: Final = """
SELECT metadata_id, start_ts, mean, min, max, state FROM statistics
WHERE metadata_id IN :ids AND start_ts >= :first AND start_ts <= :last
ORDER BY metadata_id, start_ts
"""

type _Row = tuple[float, str | None, int | None]
"""Time (s since 1970), state, and the number of its attributes."""
type Converter = Callable[[float], float]


@dataclass(frozen=True, slots=True)
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
    kind = UNIT_CONVERTERS.get(DEVICE_CLASSES.get(point.quantity))
    if kind is None or unit is None:
        return None
    try:
        return kind.converter_factory(unit, point.unit)
    except HomeAssistantError:
        return None


def _same(number: float) -> float:
    return number


class RecorderSource:
    """Reads from one recorder."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Use the recorder of a running Home Assistant."""
        self._hass = hass
        self._recorder = get_instance(hass)
        self._units: dict[int | None, str | None] = {None: None}
        self.no_unit = 0
        """Samples left out because their unit cannot be converted."""

    async def async_states(self, source: Source, gaps: Sequence[Gap]) -> AsyncIterator[Column]:
        """Yield the states of an entity that lie in gaps, oldest first, a slice at a time."""
        if not gaps:
            return
        number = await self._recorder.async_add_executor_job(self._states_id, source.entity_id)
        if number is None:
            return
        after = gaps[0].after / 1000
        last = gaps[-1].before / 1000
        while True:
            rows = await self._recorder.async_add_executor_job(self._rows, number, after, last)
            if rows:
                column = await self._hass.async_add_executor_job(self._column, source, rows, gaps)
                if column.times:
                    yield column
            if len(rows) < ROWS:
                return
            after = rows[-1][0]

    async def async_statistics(
        self, sources: Sequence[Source], span: Span
    ) -> AsyncIterator[list[Column]]:
        """Yield hourly statistics of entities whose hour begins in a span, some at a time."""
        metadata = await self._recorder.async_add_executor_job(
            self._statistics_ids, [source.entity_id for source in sources]
        )
        known = {
            metadata[source.entity_id][0]: (source, metadata[source.entity_id][1])
            for source in sources
            if source.entity_id in metadata
        }
        for some in batched(known, ENTITIES, strict=False):
            rows = await self._recorder.async_add_executor_job(
                self._statistics, some, span.first / 1000, span.last / 1000
            )
            if columns := await self._hass.async_add_executor_job(
                self._statistics_columns, known, rows
            ):
                yield columns

    def _states_id(self, entity_id: str) -> int | None:
        from sqlalchemy import text

        with session_scope(hass=self._hass, read_only=True) as session:
            found: int | None = session.execute(
                text("SELECT metadata_id FROM states_meta WHERE entity_id = :id"),
                {"id": entity_id},
            ).scalar()
            return found

    def _rows(self, number: int, after: float, last: float) -> list[_Row]:
        from sqlalchemy import text

        with session_scope(hass=self._hass, read_only=True) as session:
            rows = _fetched(
                session.execute(
                    text(_STATES), {"id": number, "after": after, "last": last, "rows": ROWS}
                )
            )
            new = {row[2] for row in rows} - self._units.keys()
            if new:
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

    def _statistics_ids(self, entities: Sequence[str]) -> dict[str, tuple[int, str | None]]:
        from sqlalchemy import bindparam, text

        statement = text(
            "SELECT statistic_id, id, unit_of_measurement FROM statistics_meta"
            " WHERE source = 'recorder' AND statistic_id IN :ids"
        ).bindparams(bindparam("ids", expanding=True))
        found: dict[str, tuple[int, str | None]] = {}
        with session_scope(hass=self._hass, read_only=True) as session:
            for some in batched(entities, 500, strict=False):
                found |= {
                    entity_id: (number, unit)
                    for entity_id, number, unit in session.execute(statement, {"ids": some})
                }
        return found

    def _statistics(self, ids: Sequence[int], first: float, last: float) -> list[tuple[Any, ...]]:
        from sqlalchemy import bindparam, text

        statement = text(_STATISTICS).bindparams(bindparam("ids", expanding=True))
        with session_scope(hass=self._hass, read_only=True) as session:
            return _fetched(session.execute(statement, {"ids": ids, "first": first, "last": last}))

    def _column(self, source: Source, rows: Sequence[_Row], gaps: Sequence[Gap]) -> Column:
        """Turn rows into samples; for a thread."""
        times: list[int] = []
        values: list[float] = []
        for attributes, some in groupby(_inside(rows, gaps), itemgetter(2)):
            group = list(some)
            numbers: Iterable[tuple[int, float]]
            if source.point.quantity in (Quantity.STATE, Quantity.FLAG):
                numbers = _codes(source, group)
            else:
                numbers = self._numbers(source, group, self._units[attributes])
            for at, number in numbers:
                if not times or at > times[-1]:
                    times.append(at)
                    values.append(number)
        time.sleep(PAUSE)
        return Column(source.labels, times, values, source.series.decimals)

    def _numbers(
        self, source: Source, rows: Sequence[_Row], unit: str | None
    ) -> Iterable[tuple[int, float]]:
        """Yield times and numbers of rows in one unit."""
        convert = converter(source.point, unit)
        if convert is None:
            self.no_unit += sum(1 for row in rows if _number(row[1]) is not None)
            return ()
        times: list[int]
        try:
            numbers = [float(row[1]) for row in rows]  # type: ignore[arg-type]
            times = [round(row[0] * 1000) for row in rows]
        except ValueError, TypeError:
            numbers = []
        # Infinity times zero is no number, and so is the sum of one that is none.
        if not numbers or sum(numbers) * 0 != 0:
            good = [(row[0], number) for row in rows if (number := _number(row[1])) is not None]
            times = [round(stamp * 1000) for stamp, _ in good]
            numbers = [number for _, number in good]
        factor = source.series.factor
        if convert is not _same:
            numbers = list(map(convert, numbers))
        if factor != 1:
            numbers = [number * factor for number in numbers]
        return zip(times, numbers, strict=True)

    def _statistics_columns(
        self, known: Mapping[int, tuple[Source, str | None]], rows: Sequence[tuple[Any, ...]]
    ) -> list[Column]:
        """Turn rows into samples; for a thread."""
        columns: list[Column] = []
        starts: tuple[float, ...] = ()
        times: list[int] = []
        for number, group in groupby(rows, itemgetter(0)):
            source, unit = known[number]
            _, own, means, lows, highs, readings = zip(*group, strict=True)
            if own != starts:
                # Columns of the same hours share their times, and so their text.
                starts, times = own, [round(start * 1000) for start in own]
            if (convert := converter(source.point, unit)) is None:
                self.no_unit += len(own)
                continue
            if source.point.kind is Kind.COUNTER:
                found = {"max": readings}
            else:
                found = {"mean": means, "min": lows, "max": highs}
            for stat, numbers in found.items():
                column = _statistic(source, stat, convert, times, numbers)
                if column.times:
                    columns.append(column)
            time.sleep(PAUSE)
        return columns


def _statistic(
    source: Source,
    stat: str,
    convert: Converter,
    times: Sequence[int],
    numbers: Sequence[float | None],
) -> Column:
    series = source.series
    if None in numbers:
        places = [index for index, number in enumerate(numbers) if number is not None]
        times = [times[index] for index in places]
        numbers = [numbers[index] for index in places]
    factor = series.factor
    if convert is not _same or factor != 1:
        numbers = [convert(number) * factor for number in numbers if number is not None]
    decimals = series.decimals + (MEAN_DECIMALS if stat == "mean" else 0)
    return Column(source.labels_of(stat), times, cast("Sequence[float]", numbers), decimals)


def _inside(rows: Sequence[_Row], gaps: Sequence[Gap]) -> Sequence[_Row]:
    """Return the rows that lie in one of some ascending gaps."""
    if len(gaps) == 1:
        first, last = gaps[0].after / 1000, gaps[0].before / 1000
        if rows[-1][0] < last and rows[0][0] > first:
            return rows
    starts = [gap.after / 1000 for gap in gaps]
    ends = [gap.before / 1000 for gap in gaps]
    return [
        row
        for row in rows
        if (place := bisect_right(starts, row[0]) - 1) >= 0
        and starts[place] + MILLISECOND <= row[0] <= ends[place] - MILLISECOND
    ]


def _codes(source: Source, rows: Sequence[_Row]) -> Iterator[tuple[int, float]]:
    """Yield times and numbers of states and flags that have one."""
    flag = source.point.quantity is Quantity.FLAG
    for stamp, state, _ in rows:
        if state is None or (flag and state not in _FLAGS):
            continue
        number = source.series.number(_FLAGS[state] if flag else state)
        if number is not None:
            yield round(stamp * 1000), number


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
