"""Home Assistant's side of the detector: loads it late, feeds it, keeps what it learned.

The detector lives in the heat pump's own thread and is touched nowhere else.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_call_later, async_track_time_interval
from homeassistant.helpers.start import async_at_started
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .const import DOMAIN, LOGGER
from .drivers.points import Point, Snapshot, Tier
from .warm_start import Pace, WarmStart, learn, show

if TYPE_CHECKING:
    from .detection import Detector, Event, Feedback, Signal, Verdict
    from .detection.self_test import Fault, SelfTest
    from .warm_sources import Sample

ISSUE_RIVER_MISSING: Final = "river_missing"
LOAD_DELAY: Final = 2.0
"""Seconds after Home Assistant has started: importing River takes about a second of CPU."""
PROGRESS_STEP: Final = 0.01
SAVE_INTERVAL: Final = timedelta(hours=6)
HELD: Final = 10_000
"""Snapshots that wait while the past is learned; the oldest go first, and are in the journal."""
LEARNED_FROM: Final = "learned_from"
NOTED: Final = "noted"
BACKLOG: Final = 20
"""Snapshots that may wait for the thread; beyond, they are left out rather than piled up."""


class NotWatchingError(Exception):
    """There is no detector that watches now: it learns from the past, or River is missing."""


class Memory(Protocol):
    """What is stored beside a detector, of somebody who tells it of events."""

    def to_json(self) -> dict[str, Any]:
        """Return what is to be stored."""
        ...

    def restore(self, saved: object) -> None:
        """Continue from what was stored, which may be damaged."""
        ...


type DetectorStore = Store[dict[str, Any]]


class AnomalyWatch:
    """The detector of one heat pump."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        store: DetectorStore,
        executor: Executor,
        points: Iterable[Point],
        warm_start: WarmStart | None = None,
    ) -> None:
        """``executor`` runs one thing at a time; ``points`` are what the detector watches."""
        self._hass = hass
        self._entry = entry
        self._store = store
        self._executor = executor
        self._points = [
            point for point in points if point.tier is Tier.MEASUREMENT and point.readable
        ]
        self._warm_start = warm_start
        self._detector: Detector | None = None
        self._learner: Detector | None = None
        """Learns from the past, and watches the present when it is through."""
        self._held: deque[Snapshot] | None = None
        """What came meanwhile."""
        self._loading: asyncio.Task[None] | None = None
        self._listeners: list[CALLBACK_TYPE] = []
        self._unsubscribe: list[CALLBACK_TYPE] = []
        self._notes: list[tuple[Event, datetime]] = []
        self._waiting = 0
        self._closed = False
        self.memory: Memory | None = None
        self.verdict: Verdict | None = None
        self.missing = False
        """Whether the detector cannot work here, because River cannot be imported."""
        self.skipped = 0
        """Snapshots left out because the thread was busy."""

    @callback
    def start(self) -> None:
        """Load the detector a little after Home Assistant has started."""

        @callback
        def load_soon(_hass: HomeAssistant) -> None:
            self._unsubscribe.append(async_call_later(self._hass, LOAD_DELAY, load))

        @callback
        def load(_now: datetime) -> None:
            self._loading = self._in_background(self._async_load(), "load")

        self._unsubscribe.append(async_at_started(self._hass, load_soon))

    @callback
    def async_add_listener(self, listener: CALLBACK_TYPE) -> CALLBACK_TYPE:
        """Call a listener when the verdict, or whether there can be one, has changed."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @property
    def ready(self) -> bool:
        """Whether there is a detector that can be told something."""
        return self._detector is not None

    @property
    def learned(self) -> Mapping[str, int]:
        """Samples that were learned of the past, by where they are from."""
        return {} if self._warm_start is None else dict(self._warm_start.counts)

    @callback
    def note(self, event: Event, time: datetime) -> None:
        """Tell the detector of an event that explains what it may see; ``time`` is aware."""
        if self._detector is None:
            self._notes.append((event, time))
        else:
            self._in_background(self._in_thread(self._detector.note, time, event), "note")

    async def async_feedback(self, feedback: Feedback) -> None:
        """Give the detector its owner's answer; without a detector, do nothing."""
        await self._async_tell(partial(_answer, feedback=feedback))

    async def async_pause(self, paused: bool) -> None:
        """Let the detector neither learn nor judge for a while; without one, do nothing."""
        await self._async_tell(partial(_pause, paused=paused))

    @callback
    def take(self, snapshot: Snapshot) -> None:
        """Let the detector see a snapshot, off the event loop."""
        if Tier.MEASUREMENT not in snapshot.tiers:
            return
        if self._held is not None:
            self._held.append(snapshot)
        if self._detector is None:
            return
        if self._waiting >= BACKLOG:
            self.skipped += 1
            return
        self._waiting += 1
        self._in_background(self._async_observe(self._detector, snapshot), "observe")

    @property
    def relations(self) -> dict[str, tuple[str, ...]]:
        """What is expected, by name, and of which signals; for :meth:`async_explain`, once it watches."""
        from .detection.basis import relations_of

        return {one.name: one.signals for one in relations_of(_signals(self._points))}

    async def async_watches(self, fault: Fault, signal: str) -> bool:
        """Return whether a signal is watched for a fault of a self-test."""
        return await self._hass.async_add_executor_job(_watches, self._points, fault, signal)

    async def async_explain(self, relations: Sequence[str] | None) -> dict[str, Any]:
        """Return the numbers behind the verdict; see :mod:`.detection.explanation`.

        Raises :class:`NotWatchingError`.
        """
        if self._detector is None:
            raise NotWatchingError
        return await self._in_thread(self._detector.explain, relations)

    async def async_self_test(
        self, samples: Sequence[Sample], fault: Fault, **options: Any
    ) -> SelfTest:
        """Play samples with a fault to a copy of the detector; see :mod:`.detection.self_test`.

        Raises :class:`NotWatchingError`.
        """
        if self._detector is None:
            raise NotWatchingError
        saved = await self._in_thread(self._detector.to_json)
        # It takes seconds: not in the thread that the heat pump's polls go through.
        return await self._hass.async_add_executor_job(
            partial(_self_test, self._points, saved, samples, fault, **options)
        )

    async def async_close(self) -> None:
        """Save what was learned and stop."""
        self._closed = True
        while self._unsubscribe:
            self._unsubscribe.pop()()
        if self._loading is not None and not self._loading.done():
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)
        await self._async_save()
        self._detector = self._learner = None

    async def _async_load(self) -> None:
        saved = await self._store.async_load()
        if saved is not None and self.memory is not None:
            self.memory.restore(saved.get(NOTED))
        if saved is not None and saved.get(LEARNED_FROM, {}) != self._learned_from:
            # The owner named other entities to learn from: it begins anew.
            saved = None
        try:
            detector, verdict = await self._in_thread(_load_detector, self._points, saved)
        except ImportError as error:
            LOGGER.warning("Anomalies are not watched: %s", error)
            self.missing = True
            ir.async_create_issue(
                self._hass,
                DOMAIN,
                ISSUE_RIVER_MISSING,
                is_fixable=False,
                severity=ir.IssueSeverity.WARNING,
                translation_key=ISSUE_RIVER_MISSING,
                translation_placeholders={"error": str(error)},
            )
            self._notify()
            return
        if self._closed:
            return
        if saved is None:
            # Before it learns from the past: two weeks of that are as good as two weeks to come.
            await self._in_thread(detector.note, dt_util.utcnow(), "commissioning")
        if self._warm_start is not None:
            verdict = await self._async_learn(self._warm_start, detector)
        self._detector = detector
        while self._notes:
            self.note(*self._notes.pop(0))
        self._conclude(verdict)
        self._unsubscribe.append(
            async_track_time_interval(self._hass, self._save_now, SAVE_INTERVAL)
        )
        ir.async_delete_issue(self._hass, DOMAIN, ISSUE_RIVER_MISSING)

    @property
    def _learned_from(self) -> Mapping[str, str]:
        return {} if self._warm_start is None else dict(self._warm_start.entities)

    async def _async_learn(self, warm_start: WarmStart, detector: Detector) -> Verdict:
        """Let the detector learn from the past, and then what came meanwhile."""
        self._learner = detector
        held = self._held = deque(maxlen=HELD)
        # Of one that was saved, an alarm may stand: nobody is to hear that it was over meanwhile.
        show = self._show_progress if detector.seen_until is None else _show_nothing
        await warm_start.async_learn(detector, self._in_thread, show)
        verdict = await self._in_thread(learn, detector, ())
        while held:
            seen = detector.seen_until
            some = [
                (snapshot.time, snapshot.values)
                for snapshot in held
                if seen is None or snapshot.time > seen
            ]
            held.clear()
            verdict = await self._in_thread(learn, detector, some)
        self._held = None
        return verdict

    @callback
    def _show_progress(self, verdict: Verdict) -> None:
        """Show how far it is; what it thought of the past is no news."""
        if self.verdict is None or verdict.progress - self.verdict.progress >= PROGRESS_STEP:
            self._conclude(
                replace(
                    verdict, alarm=False, score=0.0, state="learning", reasons=(), unanswered=False
                )
            )

    async def _async_observe(self, detector: Detector, snapshot: Snapshot) -> None:
        try:
            verdict = await self._in_thread(show, detector, snapshot.time, snapshot.values)
        finally:
            self._waiting -= 1
        self._conclude(verdict)

    async def _async_tell(self, tell: Callable[[Detector], Verdict]) -> None:
        if self._detector is not None:
            self._conclude(await self._in_thread(tell, self._detector))
            # What an owner has said is not forgotten in a crash.
            await self._async_save()

    async def _async_save(self) -> None:
        if (detector := self._detector or self._learner) is not None:
            state = await self._in_thread(detector.to_json)
            if self._learned_from:
                state = {**state, LEARNED_FROM: self._learned_from}
            if self.memory is not None:
                state = {**state, NOTED: self.memory.to_json()}
            await self._store.async_save(state)

    @callback
    def _save_now(self, _now: datetime) -> None:
        self._in_background(self._async_save(), "save")

    @callback
    def _conclude(self, verdict: Verdict) -> None:
        if not self._closed:
            self.verdict = verdict
            self._notify()

    @callback
    def _notify(self) -> None:
        for listener in list(self._listeners):
            listener()

    def _in_background(self, work: Any, name: str) -> asyncio.Task[None]:
        return self._entry.async_create_background_task(
            self._hass, work, f"{DOMAIN} anomaly {name}"
        )

    async def _in_thread[*Ts, T](self, job: Callable[[*Ts], T], *arguments: *Ts) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, job, *arguments)


def _load_detector(
    points: Iterable[Point], saved: Mapping[str, Any] | None
) -> tuple[Detector, Verdict]:
    """Import River, make or restore the detector; takes a second or more, for the thread.

    Raises ``ImportError`` where River is missing or broken.
    """
    from .detection import Detector, load

    load()
    signals = _signals(points)
    detector = Detector(signals) if saved is None else Detector.from_json(signals, saved)
    return detector, detector.verdict


def _show_nothing(_verdict: Verdict) -> None:
    """Leave the entities unknown."""


def _answer(detector: Detector, feedback: Feedback) -> Verdict:
    detector.feedback(feedback)
    return detector.verdict


def _pause(detector: Detector, paused: bool) -> Verdict:
    detector.paused = paused
    return detector.verdict


def _signals(points: Iterable[Point]) -> list[Signal]:
    from .detection import Signal

    return [Signal(key=point.key, kind=point.kind, unit=point.unit) for point in points]


def _watches(points: Iterable[Point], fault: Fault, signal: str) -> bool:
    from .detection.self_test import watches

    return watches(_signals(points), fault, signal)


def _self_test(
    points: Iterable[Point],
    saved: Mapping[str, Any],
    samples: Sequence[Sample],
    fault: Fault,
    **options: Any,
) -> SelfTest:
    from .detection.self_test import self_test

    return self_test(_signals(points), saved, samples, fault, pace=Pace(), **options)
