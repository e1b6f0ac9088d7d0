"""Lets a detector learn from the past, off the event loop, before it watches the present.

A detector that is new learns from what there is: the recorder's states of entities that its
owner named, what a history server has, and last, being the youngest, the journal. One that
was saved learns what came since. Nothing is learned twice: a detector knows until when it has
seen.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
import time
from typing import TYPE_CHECKING, Any, Final

from .const import LOGGER
from .history.journal import Journal
from .history.journal_file import JournalError
from .history.server import HistoryError
from .warm_sources import PAUSE, Past, Sample, ServerPast, from_journal

if TYPE_CHECKING:
    from .detection import Detector, Verdict

DAYS: Final = 45
"""Days a new detector looks back."""
WORK: Final = 0.001
"""Seconds of work in the heat pump's thread before it sleeps as long."""
GAP: Final = timedelta(minutes=10)
"""Without a sample for longer, it may have been a power cut."""

type InThread = Callable[..., Awaitable[Any]]


class WarmStart:
    """Feeds one detector once."""

    def __init__(
        self,
        title: str,
        journal: Journal,
        *,
        server: ServerPast | None = None,
        recorder: Past | None = None,
        entities: Mapping[str, str] | None = None,
    ) -> None:
        """``entities`` are those ``recorder`` reads, by the key of the point they show."""
        self._title = title
        self._journal = journal
        self._server = server
        self._recorder = recorder
        self.entities = entities or {}
        self.counts: dict[str, int] = {"recorder": 0, "server": 0, "journal": 0}
        """Samples learned of each source, for diagnostics."""

    async def async_learn(
        self,
        detector: Detector,
        run: InThread,
        on_progress: Callable[[Verdict], None],
        *,
        now: datetime | None = None,
    ) -> None:
        """Learn everything up to now. ``run`` is the thread the detector lives in.

        A source that fails is left out, and told in the log.
        """
        last = now or datetime.now(UTC)
        first = last - timedelta(days=DAYS)
        fresh = detector.seen_until is None
        if detector.seen_until is not None:
            first = max(first, detector.seen_until + timedelta(milliseconds=1))
        begun = time.monotonic()
        async for name, samples in self._past(first, last):
            self.counts[name] += len(samples)
            on_progress(await run(learn, detector, samples))
        if fresh and any(self.counts.values()):
            # What was over before anybody could be asked is not asked about.
            await run(_settle, detector)
        if total := sum(self.counts.values()):
            LOGGER.log(
                *(_INFO if fresh else _DEBUG),
                self._title,
                total,
                time.monotonic() - begun,
                ", ".join(f"{name} {count}" for name, count in self.counts.items() if count),
            )

    async def _past(
        self, first: datetime, last: datetime
    ) -> AsyncIterator[tuple[str, Sequence[Sample]]]:
        """Yield samples, oldest first, with the name of where they are from."""
        journal = self._guarded("journal", from_journal(self._journal, first, last))
        # The journal says where it begins by its first samples.
        head = await anext(journal, None)
        reach = head[0][0] if head else last
        begin = await self._server_begin(first, reach)
        if self._recorder is not None and self.entities:
            samples_of = self._recorder.samples(first, begin or reach)
            async for samples in self._guarded("recorder", samples_of):
                yield "recorder", samples
        if begin is not None and self._server is not None:
            async for samples in self._guarded("server", self._server.samples(begin, reach)):
                yield "server", samples
        if head:
            yield "journal", head
            async for samples in journal:
                yield "journal", samples

    async def _server_begin(self, first: datetime, reach: datetime) -> datetime | None:
        if self._server is None or reach - first < timedelta(minutes=1):
            return None
        try:
            return await self._server.begin(first, reach)
        except HistoryError as err:
            LOGGER.info("%s: nothing is learned from the history server: %s", self._title, err)
            return None

    async def _guarded(
        self, name: str, samples: AsyncIterator[list[Sample]]
    ) -> AsyncIterator[list[Sample]]:
        try:
            async for some in samples:
                yield some
        except (HistoryError, JournalError) as err:
            LOGGER.info("%s: learning from the %s ended early: %s", self._title, name, err)


_INFO: Final = (20, "%s: the detector learned %d samples of the past in %.1f s (%s)")
_DEBUG: Final = (10, "%s: the detector saw %d samples that it had missed in %.1f s (%s)")


class Pace:
    """Called between two pieces of work in a thread: sleeps as long as was worked."""

    def __init__(self) -> None:
        """Begin to work."""
        self._begun = time.perf_counter()

    def __call__(self) -> None:
        """Sleep, if a millisecond was worked since the last sleep."""
        if time.perf_counter() - self._begun >= WORK:
            time.sleep(PAUSE)
            self._begun = time.perf_counter()


def learn(detector: Detector, samples: Sequence[Sample]) -> Verdict:
    """Show samples to a detector; for its thread."""
    verdict = detector.verdict
    pace = Pace()
    for moment, values in samples:
        verdict = show(detector, moment, values)
        pace()
    return verdict


def show(detector: Detector, moment: datetime, values: Mapping[str, Any]) -> Verdict:
    """Show a sample to a detector; for its thread."""
    seen = detector.seen_until
    if seen is not None and moment - seen > GAP:
        # The heat pump, the network or Home Assistant was off: nobody knows what came meanwhile.
        detector.note(moment, "power_cut")
    return detector.observe(moment, values)


def _settle(detector: Detector) -> None:
    if not detector.verdict.alarm and detector.verdict.unanswered:
        detector.feedback("normal")
