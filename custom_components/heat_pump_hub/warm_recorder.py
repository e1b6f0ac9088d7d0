"""A detector's past from the recorder: states of entities that show what a point means.

They come one by one, and only when they change; here they become a sample a minute. The recorder
says for how long a state was one: until the next, and not beyond the end of its run. When the next
comes, the recorder also notes when the one before was last reported, changed or not; of the present
states Home Assistant knows that itself. What was never reported again may stand, or be dead.
"""

from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import batched, groupby
from operator import itemgetter
import time
from typing import Any, Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import get_instance, session_scope

from .drivers.points import Kind, Point, Value
from .history.ask import Gap, Labels
from .history.series import canonical, moment
from .recorder_source import RecorderSource, Source, is_there
from .warm_sources import CHUNK, PAUSE, SLICE, Run, Sample, reader

GRID: Final = 60
"""Seconds between two samples."""
STALE: Final = 1_800_000
"""Milliseconds that a state counts after its last report, where nothing else says that it stood."""
LONGEST: Final = 6 * 3_600_000
"""Milliseconds that a measured value stands at most which nothing reported meanwhile."""
NEVER: Final = 1 << 62
_IDS: Final = "SELECT metadata_id, entity_id FROM states_meta WHERE entity_id IN :ids"
_ROWS: Final = """
SELECT metadata_id, last_updated_ts, last_reported_ts FROM states
WHERE metadata_id IN :ids AND last_updated_ts > :after AND last_updated_ts <= :last
ORDER BY metadata_id, last_updated_ts
"""
_BESIDE: Final = """
SELECT states.metadata_id, last_updated_ts, last_reported_ts FROM states
JOIN (SELECT metadata_id, (SELECT {which}(inner_states.last_updated_ts) FROM states inner_states
WHERE inner_states.metadata_id = states_meta.metadata_id
AND inner_states.last_updated_ts {where} :time) AS moment
FROM states_meta WHERE metadata_id IN :ids) beside
ON states.metadata_id = beside.metadata_id AND states.last_updated_ts = beside.moment
"""
_LAST_BEFORE: Final = """
SELECT MAX(last_updated_ts) FROM states WHERE last_updated_ts > :first AND last_updated_ts < :last
"""

type _Row = tuple[int, int]
"""When a state began, and when it was last reported, as far as that is known; ms since 1970."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A value while it was one; all times in ms since 1970."""

    begin: int
    end: int
    alive: int
    """Until when its last report is no older than is stale."""
    value: Value


class RecorderPast:
    """What the recorder has of entities, of whatever integration, that show points."""

    def __init__(self, hass: HomeAssistant, run: Run, entities: Mapping[str, str],
                 points: Mapping[str, Point]) -> None:  # fmt: skip
        """``entities`` by the key of their point."""
        self._hass = hass
        self._run = run
        self._sources: dict[str, Source] = {}
        self._readers: dict[Labels, Callable[[float], Value | None]] = {}
        self._keys: dict[Labels, str] = {}
        for key, entity_id in entities.items():
            if (point := points.get(key)) is not None:
                series = canonical(point)
                source = Source(entity_id, point, series, {"__name__": series.name})
                self._sources[key] = source
                self._keys[source.labels] = key
                self._readers[source.labels] = reader(point, series)

    async def samples(self, first: datetime, last: datetime) -> AsyncIterator[list[Sample]]:
        """Yield the states of all entities together, a sample a minute."""
        if not is_there(self._hass):
            return
        recorder = get_instance(self._hass)
        facts = _Facts(self._hass, {one.entity_id: key for key, one in self._sources.items()})
        await recorder.async_add_executor_job(facts.open)
        present = {
            key: (
                round(state.last_updated_timestamp * 1000),
                round(state.last_reported_timestamp * 1000),
            )
            for key, source in self._sources.items()
            if (state := self._hass.states.get(source.entity_id)) is not None
        }
        holds = _Holds({key: one.point.kind for key, one in self._sources.items()}, facts, present)
        begin = _ms(first)
        before = await recorder.async_add_executor_job(facts.before, begin)
        values: dict[str, dict[int, Value]] = {}
        for key, (stamp, _) in before.items():
            await self._read({key: Gap(stamp - 2, stamp + 2)}, values)
        holds.begin(before, values)
        while begin < _ms(last):
            end = min(begin + round(SLICE.total_seconds() * 1000), _ms(last))
            rows = await recorder.async_add_executor_job(facts.rows, begin, end)
            after = await recorder.async_add_executor_job(facts.after, end)
            values = {}
            await self._read(dict.fromkeys(rows, Gap(begin - 2, end + 2)), values)
            stretches = await self._run(holds.stretches, rows, after, values)
            for some in batched(
                await self._run(_gridded, stretches, begin, end), CHUNK, strict=False
            ):
                yield list(some)
            begin = end

    async def _read(self, gaps: Mapping[str, Gap], into: dict[str, dict[int, Value]]) -> None:
        """Read values of keys by the time of their state."""
        wanted = {self._sources[key]: [gap] for key, gap in gaps.items()}
        async for columns in RecorderSource(self._hass).async_states(wanted):
            for column in columns:
                back, key = self._readers[column.labels], self._keys[column.labels]
                found = into.setdefault(key, {})
                for stamp, number in zip(column.times, column.values, strict=True):
                    if (value := back(number)) is not None:
                        found[stamp] = value


class _Facts:
    """What the recorder tells of times; for its executor."""

    def __init__(self, hass: HomeAssistant, keys: Mapping[str, str]) -> None:
        """``keys`` by entity id."""
        self._hass = hass
        self._keys = keys
        self._ids: dict[int, str] = {}
        self._cuts: list[int] = []

    def open(self) -> None:
        """Look up the entities, and when a run of the recorder began or ended."""
        from homeassistant.components.recorder.db_schema import RecorderRuns

        with session_scope(hass=self._hass, read_only=True) as session:
            found = session.execute(_ask(_IDS, "ids"), {"ids": list(self._keys)})
            self._ids = {number: self._keys[entity_id] for number, entity_id in found}
            cuts: list[float] = []
            for run in session.query(RecorderRuns):
                first = run.start.replace(tzinfo=UTC).timestamp()
                cuts.append(first)
                if run.end is None:
                    continue
                last = run.end.replace(tzinfo=UTC).timestamp()
                if run.closed_incorrect:
                    # That is when the next one began; it ended after the last that it recorded.
                    asked = {"first": first, "last": last}
                    last = session.execute(_ask(_LAST_BEFORE), asked).scalar() or first
                cuts.append(last)
        self._cuts = sorted(round(cut * 1000) for cut in cuts)

    def end_of_run(self, moment: int) -> int | None:
        """Return when the run ended in which a state began; ``None``: it has not."""
        place = bisect_left(self._cuts, moment)
        return self._cuts[place] if place < len(self._cuts) else None

    def rows(self, first: int, last: int) -> dict[str, list[_Row]]:
        """Return the states of each key that began after one time and until another."""
        asked = {"ids": list(self._ids), "after": first / 1000, "last": last / 1000}
        with session_scope(hass=self._hass, read_only=True) as session:
            found = session.execute(_ask(_ROWS, "ids"), asked).fetchall()
        rows: dict[str, list[_Row]] = {}
        for number, some in groupby(found, itemgetter(0)):
            rows[self._ids[number]] = [
                (round(updated * 1000), round((reported or updated) * 1000))
                for _, updated, reported in some
            ]
            time.sleep(PAUSE)
        return rows

    def before(self, moment: int) -> dict[str, _Row]:
        """Return the last state of each key that began until a time."""
        return self._beside("MAX", "<=", moment)

    def after(self, moment: int) -> dict[str, _Row]:
        """Return the first state of each key that began after a time."""
        return self._beside("MIN", ">", moment)

    def _beside(self, which: str, where: str, moment: int) -> dict[str, _Row]:
        statement = _ask(_BESIDE.format(which=which, where=where), "ids")
        asked = {"ids": list(self._ids), "time": moment / 1000}
        with session_scope(hass=self._hass, read_only=True) as session:
            found = session.execute(statement, asked).fetchall()
        return {
            self._ids[number]: (round(updated * 1000), round((reported or updated) * 1000))
            for number, updated, reported in found
        }


class _Holds:
    """Decides how long a state stood."""

    def __init__(
        self, kinds: Mapping[str, Kind], facts: _Facts, present: Mapping[str, _Row]
    ) -> None:
        """``present``: the states that are there now."""
        self._kinds = kinds
        self._facts = facts
        self._present = present
        self._last: dict[str, tuple[_Row, Value | None]] = {}
        """The last state of each key, which lasts into what comes."""
        self._reported: set[str] = set()
        """Entities that are reported again and again; one that is not, is read no more."""

    def begin(self, rows: Mapping[str, _Row], values: Mapping[str, Mapping[int, Value]]) -> None:
        """Take what stood before the first slice."""
        for key, row in rows.items():
            self._last[key] = row, values.get(key, {}).get(row[0])

    def stretches(
        self,
        rows: Mapping[str, Sequence[_Row]],
        after: Mapping[str, _Row],
        values: Mapping[str, Mapping[int, Value]],
    ) -> dict[str, list[_Stretch]]:
        """Return what stood in a slice, oldest first; for a thread.

        ``after`` are the states that followed those of the slice.
        """
        found: dict[str, list[_Stretch]] = {}
        for key in self._kinds:
            known = values.get(key, {})
            states = [(row, known.get(row[0])) for row in rows.get(key, ())]
            if key in self._last:
                states.insert(0, self._last[key])
            if not states:
                continue
            self._last[key] = states[-1]
            follows = [row[0] for row, _ in states[1:]]
            stretches = found[key] = []
            following = [*follows, after[key][0] if key in after else None]
            for (row, value), next_one in zip(states, following, strict=True):
                if value is not None:
                    stretches.append(self._stretch(key, row, next_one, value))
            time.sleep(PAUSE)
        return found

    def _stretch(self, key: str, row: _Row, next_one: int | None, value: Value) -> _Stretch:
        begin, reported = row
        run = self._facts.end_of_run(begin)
        if run is not None and next_one is not None and next_one > run:
            next_one = None
        present = self._present.get(key)
        if present is not None and abs(present[0] - begin) <= 1:
            reported = max(reported, present[1])
        if reported > begin:
            self._reported.add(key)
        alive = reported + STALE
        measured = self._kinds[key] is Kind.ANALOG
        if reported > begin or (next_one is not None and key in self._reported):
            end = alive
        elif next_one is None:
            # The last of its run: nobody knows what was reported afterwards.
            end = alive if measured else NEVER
        else:
            end = begin + LONGEST if measured else next_one
        return _Stretch(begin, min(end, run or NEVER, next_one or NEVER), alive, value)


def _gridded(columns: Mapping[str, Sequence[_Stretch]], first: int, last: int) -> list[Sample]:
    """Return a sample a minute of what stood, while anything was reported; for a thread."""
    samples: list[Sample] = []
    if not columns:
        return samples
    step = GRID * 1000
    begins = {key: [one.begin for one in stretches] for key, stretches in columns.items()}
    for place_in_grid, stamp in enumerate(range(-(-first // step) * step, last, step)):
        values: dict[str, Value] = {}
        alive = False
        for key, stretches in columns.items():
            place = bisect_right(begins[key], stamp) - 1
            if place >= 0 and stamp < (one := stretches[place]).end:
                values[key] = one.value
                alive = alive or stamp <= one.alive
        if alive:
            samples.append((moment(stamp), values))
        if not place_in_grid % CHUNK:
            time.sleep(PAUSE)
    return samples


def _ask(statement: str, *lists: str) -> Any:
    from sqlalchemy import bindparam, text

    return text(statement).bindparams(*(bindparam(name, expanding=True) for name in lists))


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
