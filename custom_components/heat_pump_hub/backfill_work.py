"""What a backfill sends: the journal's record, states and hourly statistics of the recorder."""

from collections.abc import AsyncIterator, Container, Iterable
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.recorder import get_instance

from .archive import Archive
from .backfill import Backfill, Job, Step
from .const import CONF_JOURNAL_DAYS, SETTINGS_INTERVAL
from .drivers.points import Point, Tier
from .history.ask import HOUR, Span, gaps
from .history.bulk import Batch, Column
from .history.companion_series import CompanionPoint
from .history.journal import DAYS
from .history.replay import Replay
from .names import key_of
from .recorder_source import RecorderSource, Source, is_there

CHUNK: Final = 7 * 24 * HOUR
"""ms that are filled together."""
RENAMES: Final = 5
"""Times entities may be renamed while they are looked up."""
STATES: Final = "states"
STATISTICS: Final = "statistics"
WHAT: Final = (STATES, STATISTICS)
KIND: Final = "backfill"


@callback
def async_sources(
    hass: HomeAssistant, entry: ConfigEntry, archive: Archive, identity: str
) -> dict[str, Source]:
    """Return the entities whose past can be sent, by entity id: one for each point."""
    points = archive.encoder.points
    found: dict[str, Source] = {}
    keys: set[str] = set()
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    # Of a point with two entities the sensor is the one that measures.
    for entity in sorted(entities, key=lambda one: one.domain != Platform.SENSOR):
        key = key_of(entity, identity)
        wanted = archive.keys is None or key in archive.keys
        if key in points and key not in keys and wanted and points[key].readable:
            keys.add(key)
            series, metric = archive.encoder.metric(key)
            found[entity.entity_id] = Source(entity.entity_id, points[key], series, metric)
    for point in points.values():
        if isinstance(point, CompanionPoint):
            # Of an entity that changed its unit the last one counts.
            found[point.entity_id] = Source(
                point.entity_id, point, *archive.encoder.metric(point.key)
            )
    return found


class Past:
    """Makes the batches of one heat pump's backfills."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        archive: Archive,
        identity: str,
        interval: float,
    ) -> None:
        """``interval`` is that of the polls, s."""
        self._hass = hass
        self._entry = entry
        self.archive = archive
        self._identity = identity
        self._interval = interval

    def _sources(self) -> dict[str, Source]:
        return async_sources(self._hass, self._entry, self.archive, self._identity)

    async def _find(
        self, recorder: RecorderSource, points: Container[str] | None = None
    ) -> list[Source]:
        """Return entities, and let the recorder's reader know them: a rename may come any time."""
        sources: list[Source] = []
        for _ in range(RENAMES):
            # It renames what it has in its turn.
            await get_instance(self._hass).async_block_till_done()
            sources = [
                source
                for source in self._sources().values()
                if points is None or source.point.key in points
            ]
            await recorder.async_find(sources)
            if not self._renamed(sources):
                break
        return sources

    def _renamed(self, sources: Iterable[Source]) -> bool:
        """Tell whether an entity of the heat pump has another name by now, or is gone."""
        registry = er.async_get(self._hass)
        return any(
            not isinstance(source.point, CompanionPoint)
            and registry.async_get(source.entity_id) is None
            for source in sources
        )

    async def from_journal(self, backfill: Backfill, job: Job) -> AsyncIterator[Batch[Step | None]]:
        """Yield what the server lacks of the journal's record."""
        days = self._entry.options.get(CONF_JOURNAL_DAYS, DAYS)
        replay = Replay(
            backfill.journal,
            self.archive.encoder,
            self.archive.shipper,
            backfill.bulk,
            backfill.run,
            backfill.keys,
        )
        async for batch in replay.batches(_last(backfill, days)):
            job.notes["from_journal"] = job.notes.get("from_journal", 0) + _samples(batch.columns)
            yield Batch(batch.columns, None)

    async def from_recorder(
        self, backfill: Backfill, job: Job
    ) -> AsyncIterator[Batch[Step | None]]:
        """Yield what the recorder has where the server has nothing, of the days it keeps."""
        if not is_there(self._hass):
            return
        recorder = RecorderSource(self._hass)
        sources = await self._find(recorder)
        for chunk in _chunks(_last(backfill, get_instance(self._hass).keep_days)):
            async for columns in self._states(backfill, recorder, sources, chunk):
                job.notes["from_recorder"] = job.notes.get("from_recorder", 0) + _samples(columns)
                yield Batch(columns, None, absent=True)

    async def backfill(self, backfill: Backfill, job: Job) -> AsyncIterator[Batch[Step | None]]:
        """Yield what an owner asked for, from the job's cursor on."""
        settings = job.settings
        span = Span(settings["start"], settings["end"])
        whats = [what for what in WHAT if what in settings["what"]]
        at, begin = job.cursor or (0, span.first)
        recorder = RecorderSource(self._hass)
        points = set(settings["points"])
        sources = await self._find(recorder, points)
        for index in range(at, len(whats)):
            what = whats[index]
            read = self._states if what == STATES else self._statistics
            for chunk in _chunks(Span(begin if index == at else span.first, span.last)):
                if self._renamed(sources):
                    sources = await self._find(recorder, points)
                held: list[Column] = []
                async for columns in read(backfill, recorder, sources, chunk):
                    if held:
                        yield self._batch(job, what, held, None)
                    held = columns
                done = (chunk.last - span.first + 1) / (span.last - span.first + 1)
                step = Step([index, chunk.last + 1], (index + done) / len(whats))
                yield self._batch(job, what, held, step)
        if recorder.no_unit:
            job.notes["without_unit"] = recorder.no_unit

    def _batch(
        self, job: Job, what: str, columns: list[Column], step: Step | None
    ) -> Batch[Step | None]:
        job.notes[what] = job.notes.get(what, 0) + _samples(columns)
        return Batch(columns, step, absent=what == STATES, alone=what == STATISTICS)

    async def _states(
        self, backfill: Backfill, recorder: RecorderSource, sources: Iterable[Source], span: Span
    ) -> AsyncIterator[list[Column]]:
        """Yield states in the gaps of a span."""
        by_labels = {source.labels: source for source in sources}
        intervals = {
            labels: self._interval_of(source.point) for labels, source in by_labels.items()
        }
        turn = self.archive.shipper.turn
        found = await backfill.bulk.ask(lambda: gaps(turn, backfill.run, intervals, span))
        wanted = {by_labels[labels]: own for labels, own in found.items()}
        async for columns in recorder.async_states(wanted):
            yield columns

    async def _statistics(
        self, backfill: Backfill, recorder: RecorderSource, sources: Iterable[Source], span: Span
    ) -> AsyncIterator[list[Column]]:
        """Yield hourly statistics of a span."""
        async for columns in recorder.async_statistics(list(sources), span):
            yield columns

    def _interval_of(self, point: Point) -> int:
        """Return the time between two samples of a point, ms."""
        seconds = self._interval
        if point.tier is Tier.SETTING:
            seconds = max(seconds, SETTINGS_INTERVAL)
        return int(seconds * 1000)


def _last(backfill: Backfill, days: float) -> Span:
    """Return the last days, as far as polls do not send them."""
    end = backfill.horizon
    return backfill.clipped(Span(end - int(days * 24 * HOUR), end))


def _chunks(span: Span) -> Iterable[Span]:
    for first in range(span.first, span.last + 1, CHUNK):
        yield Span(first, min(first + CHUNK - 1, span.last))


def _samples(columns: Iterable[Column]) -> int:
    return sum(len(column.times) for column in columns)
