"""Reads states and hourly statistics of a heat pump's entities from Home Assistant's recorder.

Rows are read by raw SQL in the recorder's executor, a slice at a time, and become numbers as
history stores them: in the unit of the vocabulary, whatever unit their owner chose, states by
their number, flags as 0 and 1.
"""

from array import array
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite
from operator import lt
import time
from typing import Final

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
from .recorder_rows import Lists, attributes_of, hours, numbers_of, states, statistics_of
from .units import DEVICE_CLASSES, Converter, normal, same as _same

ROWS: Final = 12_000
"""Rows of a slice, about; reading them takes some milliseconds, in which others get their turn."""
BREATH: Final = 2_500
"""Rows a thread works at, until it leaves the interpreter to the event loop."""
SLICE: Final = 3600.0
SHORTEST_SLICE: Final = 30.0
LONGEST_SLICE: Final = 86_400.0
"""Seconds of states that are read together; fewer or more, by how many rows there are."""
BATCH_SAMPLES: Final = 200_000
MEAN_DECIMALS: Final = 2
"""Decimals a mean has more than what it is the mean of."""
MILLISECOND: Final = 0.001
_FLAGS: Final = {STATE_ON: True, STATE_OFF: False}
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
        self._states_numbers: dict[Labels, int] = {}
        self._statistics_numbers: dict[Labels, tuple[int, str | None]] = {}
        self.no_unit = 0
        """Samples left out because their unit cannot be converted."""

    async def async_find(self, sources: Sequence[Source]) -> None:
        """Find under which numbers entities are recorded; whoever renames one leaves these."""
        await self._recorder.async_add_executor_job(self._states_ids, sources)
        await self._recorder.async_add_executor_job(self._statistics_ids, sources)

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
        filled: Filled[Source] = {}
        width = SLICE
        while first < last:
            end = min(first + width, last)
            lists = await self._recorder.async_add_executor_job(self._states, known, first, end)
            if lists:
                await self._hass.async_add_executor_job(self._fill, filled, known, wanted, lists)
            first = end
            rows = sum(len(one.times) for one in lists)
            if rows < ROWS // 2:
                width = min(width * 2, LONGEST_SLICE)
            elif rows > ROWS * 2:
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
        width = max(HOUR, ROWS // len(known) * HOUR)
        first = span.first
        filled: Filled[tuple[int, str]] = {}
        while first <= span.last:
            end = min(first + width - 1, span.last)
            await self._recorder.async_add_executor_job(
                self._statistics, first / 1000, end / 1000, filled, known
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
        numbers = self._states_numbers
        by_entity = {one.entity_id: one.labels for one in sources if one.labels not in numbers}
        with session_scope(hass=self._hass, read_only=True) as session:
            found = numbers_of(session, by_entity)
        numbers.update({by_entity[name]: number for name, number in found.items()})
        return {numbers[one.labels]: one for one in sources if one.labels in numbers}

    def _states(self, known: Mapping[int, Source], after: float, last: float) -> list[Lists]:
        with session_scope(hass=self._hass, read_only=True) as session:
            lists = states(session, known, after, last)
            numbers = {number for one in lists for number in set(one.columns[1])}
            if new := numbers - self._units.keys():
                found = attributes_of(session, sorted(filter(None, new)))
                for number in new:
                    attributes = {} if number is None else found.get(number, {})
                    self._units[number] = attributes.get(ATTR_UNIT_OF_MEASUREMENT)
        return lists

    def _statistics_ids(self, sources: Sequence[Source]) -> dict[int, tuple[Source, str | None]]:
        numbers = self._statistics_numbers
        by_entity = {one.entity_id: one.labels for one in sources if one.labels not in numbers}
        with session_scope(hass=self._hass, read_only=True) as session:
            found = statistics_of(session, by_entity)
        numbers.update({by_entity[name]: one for name, one in found.items()})
        known = [(numbers[one.labels], one) for one in sources if one.labels in numbers]
        return {number: (source, unit) for (number, unit), source in known}

    def _statistics(
        self,
        first: float,
        last: float,
        filled: Filled[tuple[int, str]],
        known: Mapping[int, tuple[Source, str | None]],
    ) -> None:
        """Read a slice, and sort its numbers by series."""
        counters = [n for n, (source, _) in known.items() if source.point.kind is Kind.COUNTER]
        # What never falls is highest at the end of its hour.
        for columns, stats, ids in (
            (("mean", "min", "max"), ("mean", "min", "max"), known.keys() - counters),
            (("state",), ("max",), counters),
        ):
            if ids:
                with session_scope(hass=self._hass, read_only=True) as session:
                    lists = hours(session, columns, ids, first, last)
                _gather(filled, stats, lists)

    def _fill(
        self,
        filled: Filled[Source],
        known: Mapping[int, Source],
        wanted: Mapping[Source, Sequence[Gap]],
        lists: Sequence[Lists],
    ) -> None:
        """Turn what was read into samples; for a thread."""
        busy = 0
        for one in lists:
            source = known[one.number]
            times, values = filled.setdefault(source, (array("q"), array("d")))
            stamps, texts, attributes = _inside(one, wanted[source])
            end = 0
            for number, group in groupby(attributes):
                begin, end = end, end + sum(1 for _ in group)
                some = stamps[begin:end], texts[begin:end]
                if source.point.quantity in (Quantity.STATE, Quantity.FLAG):
                    more, numbers = _codes(source, *some)
                else:
                    more, numbers = self._numbers(source, *some, self._units[number])
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
            if (busy := busy + len(one.times)) > BREATH:
                busy = 0
                time.sleep(PAUSE)
        time.sleep(PAUSE)

    def _numbers(
        self, source: Source, stamps: Sequence[float], texts: Sequence[str | None], unit: str | None
    ) -> tuple[list[int], list[float]]:
        """Return times and numbers of states in one unit."""
        convert = converter(source.point, unit)
        if convert is None:
            self.no_unit += sum(1 for text in texts if _number(text) is not None)
            return [], []
        try:
            numbers = list(map(float, texts))  # type: ignore[arg-type]
        except ValueError, TypeError:
            numbers = []
        # Infinity times zero is no number, and so is the sum of one that is none.
        if not numbers or sum(numbers) * 0 != 0:
            found = zip(stamps, map(_number, texts), strict=True)
            kept = [(stamp, number) for stamp, number in found if number is not None]
            stamps = [stamp for stamp, _ in kept]
            numbers = [number for _, number in kept]
        times = [round(stamp * 1000) for stamp in stamps]
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
            if (busy := busy + len(times)) > 2 * BREATH:
                busy = 0
                time.sleep(PAUSE)
        return columns


def _columns(filled: Filled[Source]) -> list[Column]:
    return [
        Column(source.labels, times, values, source.series.decimals)
        for source, (times, values) in filled.items()
        if times
    ]


def _gather(filled: Filled[tuple[int, str]], stats: Sequence[str], lists: Iterable[Lists]) -> None:
    """Sort columns by series; for a thread."""
    starts: Sequence[float] = ()
    times: array[int] = array("q")
    busy = 0
    for number, own, columns in lists:
        if own is not starts:
            starts, times = own, array("q", [round(start * 1000) for start in own])
        for stat, numbers in zip(stats, columns, strict=True):
            kept = times
            try:
                values = array("d", numbers)
            except TypeError:
                values = array("d")
            if not values or sum(values) * 0 != 0:
                found = zip(times, numbers, strict=True)
                present = [(at, one) for at, one in found if one is not None and isfinite(one)]
                kept = array("q", [at for at, _ in present])
                values = array("d", [one for _, one in present])
            if kept:
                column = filled.setdefault((number, stat), (array("q"), array("d")))
                column[0].extend(kept)
                column[1].extend(values)
        if (busy := busy + len(own)) > BREATH:
            busy = 0
            time.sleep(PAUSE)
    time.sleep(PAUSE)


def _inside(
    one: Lists, gaps: Sequence[Gap]
) -> tuple[Sequence[float], Sequence[str | None], Sequence[int | None]]:
    """Return times, states and attributes that lie in one of some ascending gaps."""
    stamps = one.times
    texts, attributes = one.columns
    if len(gaps) == 1:
        first, last = gaps[0].after / 1000, gaps[0].before / 1000
        if stamps[-1] < last and stamps[0] > first:
            return stamps, texts, attributes
    starts = [gap.after / 1000 for gap in gaps]
    ends = [gap.before / 1000 for gap in gaps]
    places = [
        index
        for index, stamp in enumerate(stamps)
        if (place := bisect_right(starts, stamp) - 1) >= 0
        and starts[place] + MILLISECOND <= stamp <= ends[place] - MILLISECOND
    ]
    return (
        [stamps[place] for place in places],
        [texts[place] for place in places],
        [attributes[place] for place in places],
    )


def _codes(
    source: Source, stamps: Sequence[float], states: Sequence[str | None]
) -> tuple[list[int], list[float]]:
    """Return times and numbers of states and flags that have one."""
    flag = source.point.quantity is Quantity.FLAG
    times: list[int] = []
    numbers: list[float] = []
    for stamp, state in zip(stamps, states, strict=True):
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
