"""The detector: learns what is usual sample by sample, and says what is not."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
import math
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from . import monitors, state
from .contexts import MINUTE, Clock, Values, compressor_runs
from .known import EVENTS, LEARNED_AT_ONCE, Event
from .latches import Latch, family, reasons
from .monitors import (
    FAST_WARM_UP,
    FLATLINE,
    FROZEN,
    GENERIC_WARM_UP,
    JUMP_WARM_UP,
    RANGE,
    SLOW_WARM_UP,
    SPIKE_WARM_UP,
    Finding,
)
from .river_parts import load
from .signals import Signal
from .tracks import Rest, Track
from .verdict import Reason, State, Verdict

if TYPE_CHECKING:
    from .learned import Learned

type Feedback = Literal["normal", "fixed", "confirmed"]

_STEEPNESS: Final = 6.0
_CERTAIN: Final = 3.0
_BELOW: Final = 0.499
"""The most that the score shows while no alarm stands."""


class Detector:
    """Watches one heat pump. Pure, deterministic, free of I/O.

    It sees values outside their physical range, sensors that are stuck, spikes and
    jumps, a device that shows the same values all over, signals and differences that
    are not what this machine shows in this situation, and events that come too often or
    last too long. It cannot see a room or tank sensor that drifts slowly, an outdoor
    sensor that drifts beside a ground source, nor anything in a situation that it has
    not lived in for hours: that it learns. Of unknown signals it watches range, rest
    and spikes, whether they leave where they ever were, and whether they follow load and
    source as they did; of several that deviate together it says nothing. What is learned
    of the machine takes 8 to 24 days.

    With 40 signals a sample costs about 60 µs, the state about 110 KiB.

    The score is the probability of a fault: each monitor's ratio r of measured value
    to threshold becomes ``1 / (1 + exp(-6 (r - 1)))``, so that 0.5 is where it alarms
    and the longest rest ever learned (a third of the threshold) is under 2 %;
    independent monitors combine to ``1 - (1 - p1)(1 - p2)...``, which stays below 0.5
    while no alarm stands.
    """

    def __init__(self, signals: Iterable[Signal]) -> None:
        """Begin to learn. Raises ``ImportError`` if River cannot be imported."""
        load()
        self._clock = Clock()
        self._signals = tuple({signal.key: signal for signal in signals}.values())
        self._tracks = [Track(signal, self._clock) for signal in self._signals if signal.analog]
        self._by_key: dict[str, Track] = {track.key: track for track in self._tracks}
        self._device = Rest(self._clock)
        self._latches: dict[tuple[str, str], Latch] = {}
        self._learned = self._make_learned()
        self._alarm = False
        self._paused = False
        self._time: datetime | None = None
        self._progressed: tuple[int, float] | None = None

    def _make_learned(self) -> Learned:
        # numpy, like River, is not to be imported together with this module.
        from .learned import Learned

        return Learned(self._signals, self._tracks)

    def observe(self, time: datetime, values: Values) -> Verdict:
        """Learn from a sample and judge it.

        Any sampling period, jitter, gaps and clock jumps are fine; a value that was
        not read is ``None`` or missing; unknown keys are ignored. Raises
        ``ValueError`` if the time has no zone.
        """
        if time.tzinfo is None:
            msg = "The time of a sample needs a time zone"
            raise ValueError(msg)
        clock = self._clock
        learning = not self._alarm
        self._time = time
        if self._paused:
            return self._verdict({})
        if clock.advance(int(time.timestamp() * 1000), learning=learning):
            self._restart()
        running = compressor_runs(values)
        if running is not None and running is not clock.running:
            if clock.idle_since is not None:
                self._device.leave_idle(clock)
                for track in self._tracks:
                    track.leave_idle(clock)
            clock.turn(running)
        get = values.get
        now = clock.now
        moved = False
        suspects: list[Track] = []
        for track, value in zip(self._tracks, map(get, self._by_key), strict=True):
            if value != track.value:
                if track.take(value, clock, learning=learning):
                    moved = True
                if track.outside is not None:
                    suspects.append(track)
            elif now - track.start > track.patience or track.outside is not None:
                suspects.append(track)
        if moved:
            self._moved(learning=learning)
        elif all(track.value is None for track in self._tracks):
            self._device.restart(clock)
        if (FROZEN, "") not in self._latches:
            self._learned.observe(time, values, self._tracks, clock, learning=learning)
        else:
            self._learned.interrupt(clock)
        return self._judge(suspects)

    def feedback(self, feedback: Feedback) -> None:
        """Take the owner's answer to the reasons given.

        ``normal``: learn what was alarmed about; ``fixed``: forget it, and watch the
        signals from now on; ``confirmed``: it is a fault, the alarm stays until the
        cause is gone. Raises ``ValueError`` for anything else.
        """
        if feedback not in ("normal", "fixed", "confirmed"):
            msg = f"Not a feedback: {feedback!r}"
            raise ValueError(msg)
        for latch in self._latches.values():
            rest = self._rest_of(latch)
            if feedback == "confirmed":
                latch.confirmed, latch.accepted = True, False
            elif feedback == "fixed":
                rest.restart(self._clock)
            else:
                self._learn(latch, rest)
        answered = bool(self._latches or self._learned.alarms)
        if feedback != "confirmed":
            self._latches.clear()
        self._learned.feedback(feedback)
        if answered and feedback != "confirmed":
            self._learned.reassure()
        self._alarm = bool(self._latches) or self._learned.alarming

    def note(self, time: datetime, event: Event) -> None:
        """Take note of an event that somebody knows of; what it explains is not alarmed about.

        ``setting``: somebody changed one (12 h); ``holiday`` until ``holiday_end`` (60 days
        at most); ``power_cut`` (6 h); ``firmware``: signals may mean something else (7
        days, learned at once); ``commissioning``: nothing is usual yet (14 days). New
        values of the setpoints among the signals are noticed without being told. Values
        out of range and a frozen device are never explained. Raises ``ValueError`` for
        another event, or if the time has no zone.
        """
        if event not in EVENTS:
            msg = f"Not an event: {event!r}"
            raise ValueError(msg)
        if time.tzinfo is None:
            msg = "The time of an event needs a time zone"
            raise ValueError(msg)
        late = 0
        if self._clock.last is not None:
            late = max(0, self._clock.last - int(time.timestamp() * 1000))
        self._learned.known.note(event, self._clock.now, late)

    def explain(self, relations: Iterable[str] | None = None) -> dict[str, Any]:
        """Return the numbers behind the verdict, as JSON: see :mod:`.explanation`.

        ``relations`` are names of those whose points are wanted, by default of those
        that deviate most. Points are of the last two days of running, and of this
        process only: a restart begins them anew.
        """
        from .explanation import explanation

        return explanation(self.verdict, self._learned, self.warm_ups, self._time, relations)

    @property
    def source_kind(self) -> Literal["air", "ground"] | None:
        """What heat is taken from, as far as it shows: ``None`` before anybody can know."""
        return self._learned.source_kind

    @property
    def warm_ups(self) -> dict[str, float]:
        """How far each kind of monitor has learned, 0..1."""
        clock = self._clock
        steps, window = self._learned.steps, self._learned.window
        watched = clock.learned / MINUTE
        modelled = max(model.learned for model in window.models.values())
        gauges = self._learned.events.aged_days
        found = {
            "range": 1.0,
            "frozen": (clock.learned - self._device.born) / monitors.FROZEN_WARM_UP,
            "flatline": watched / (monitors.WARM_UP / MINUTE),
            "spike": steps.learned / SPIKE_WARM_UP,
            "jump": steps.learned / JUMP_WARM_UP,
            "cycle": gauges / 8.0,
            "tank": gauges / 15.0,
            "fast": modelled / FAST_WARM_UP,
            "slow": modelled / SLOW_WARM_UP,
            "generic": watched / GENERIC_WARM_UP,
        }
        return {name: max(0.0, min(1.0, value)) for name, value in found.items()}

    def pause(self) -> None:
        """Learn nothing and judge nothing until :meth:`resume`."""
        self.paused = True

    def resume(self) -> None:
        """Go on after :meth:`pause`; what came between is a gap."""
        self.paused = False

    @property
    def seen_until(self) -> datetime | None:
        """Time of the last sample it learned from, this process's or a saved one; UTC."""
        last = self._clock.last
        return None if last is None else datetime.fromtimestamp(last / 1000, UTC)

    @property
    def paused(self) -> bool:
        """Whether nothing is learned and nothing is judged; alarms are kept meanwhile."""
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        if self._paused and not paused:
            self._restart()
            self._clock.last = None
        self._paused = paused

    @property
    def verdict(self) -> Verdict:
        """What is known without another sample: after a restart, or after feedback."""
        return self._verdict({})

    def to_json(self) -> dict[str, Any]:
        """Return everything learned as a JSON-able dict."""
        clock = self._clock
        return {
            "schema": state.SCHEMA,
            "clock": state.seal(
                {
                    **clock.to_json(),
                    "paused": self._paused,
                    "progress": list(self._progressed or ()),
                }
            ),
            "device": state.seal(self._device.to_json(clock)),
            "signals": {track.key: state.seal(track.to_json(clock)) for track in self._tracks},
            "latches": [state.seal(latch.to_json(clock)) for latch in self._latches.values()],
            "learned": self._learned.to_json(clock),
        }

    @classmethod
    def from_json(cls, signals: Iterable[Signal], saved: object) -> Self:
        """Continue from what :meth:`to_json` returned, as if never stopped.

        What is damaged, and signals whose kind or unit changed, are learned anew; the
        rest is kept. Raises ``ImportError`` if River cannot be imported.
        """
        detector = cls(signals)
        if isinstance(saved, Mapping) and saved.get("schema") == state.SCHEMA:
            detector._restore(saved)
        return detector

    def _restore(self, saved: Mapping[str, Any]) -> None:
        try:
            part = state.unseal(saved.get("clock"))
            paused = state.flag(part, "paused")
            clock = Clock.from_json(part)
            progress = state.numbers(part, "progress", (0, 2)) if "progress" in part else []
        except state.DamagedError:
            clock = Clock()
        else:
            self._paused = paused
            if progress:
                self._progressed = (int(progress[0]), progress[1])
        self._clock = clock
        self._device = Rest(clock)
        try:
            part = state.unseal(saved.get("device"))
            device = Rest(clock)
            device.restore(part, clock)
        except state.DamagedError:
            self._device.born = clock.learned
        else:
            self._device = device
        parts = saved.get("signals")
        for index, signal in enumerate(track.signal for track in self._tracks):
            track = Track(signal, clock)
            try:
                part = state.unseal(parts.get(signal.key) if isinstance(parts, Mapping) else None)
                track.restore(part, clock)
            except state.DamagedError:
                track = Track(signal, clock)
            self._tracks[index] = track
        self._by_key = {track.key: track for track in self._tracks}
        latches = saved.get("latches")
        for item in latches if isinstance(latches, list) else ():
            try:
                latch = Latch.from_json(state.unseal(item), clock)
            except state.DamagedError:
                continue
            if not latch.key or latch.key in self._by_key:
                self._latches[family(latch.monitor), latch.key] = latch
        self._learned = self._make_learned()
        self._learned.restore(saved.get("learned"), clock)
        self._alarm = self._learned.alarming or any(
            not latch.accepted for latch in self._latches.values()
        )

    def _restart(self) -> None:
        self._learned.interrupt(self._clock)
        self._device.restart(self._clock)
        for track in self._tracks:
            track.restart(self._clock)

    def _moved(self, *, learning: bool) -> None:
        clock = self._clock
        hung = (
            clock.now - self._device.start >= monitors.FROZEN_FLOOR
            and monitors.frozen(self._device, clock).ratio >= 1
        )
        self._device.end(clock, learning=learning)
        if hung:
            # The device hung, not its sensors.
            for track in self._tracks:
                track.restart(clock)

    def _explained(self, finding: Finding) -> bool:
        known = self._learned.known
        event = known.explains(finding.monitor, self._clock.now) if known.until else None
        if event in LEARNED_AT_ONCE:
            track = self._by_key[finding.key]
            track.longest.learn(self._clock.now - track.start)
            track.longest_on.learn(self._clock.on - track.start_on)
        return event is not None

    def _rest_of(self, latch: Latch) -> Rest:
        return self._by_key[latch.key] if latch.key else self._device

    def _learn(self, latch: Latch, rest: Rest) -> None:
        clock = self._clock
        if family(latch.monitor) == RANGE:
            assert isinstance(rest, Track)
            rest.widen(latch.observed)
            self._learned.steps.accept(latch.key, latch.observed)
            rest.restart(clock)
            return
        seen = int(latch.observed * MINUTE)
        rest.longest.learn(max(clock.now - rest.start, seen))
        if isinstance(rest, Track):
            running = seen if latch.monitor == monitors.FLATLINE_RUNNING else 0
            rest.longest_on.learn(max(clock.on - rest.start_on, running))

    def _judge(self, suspects: list[Track]) -> Verdict:
        clock = self._clock
        if self._latches:
            for name in [
                name
                for name, latch in self._latches.items()
                if latch.settle(self._rest_of(latch), clock)
            ]:
                del self._latches[name]
        ratios = {RANGE: 0.0, FLATLINE: 0.0, FROZEN: 0.0}
        findings: list[Finding] = []
        device = self._device
        rests = clock.now > device.start or self._latches
        if rests and clock.learned - device.born >= monitors.FROZEN_WARM_UP:
            findings.append(monitors.frozen(self._device, clock))
        hung = (FROZEN, "") in self._latches or bool(findings and findings[0].ratio >= 1)
        alone: bool | None = None
        for track in suspects:
            if track.outside is None:
                if track.value is None:
                    continue
                track.patience = monitors.patience(track)
                if clock.now - track.start <= track.patience:
                    continue
            found = monitors.out_of_range(track, clock)
            if found is None and not hung:
                if alone is None:
                    alone = monitors.lively(self._tracks, clock)
                found = monitors.flatline(track, clock, alone=alone)
            if found is not None:
                findings.append(found)
        for finding in findings:
            word = family(finding.monitor)
            latch = self._latches.get((word, finding.key))
            if latch is not None:
                latch.refresh(finding)
            if latch is not None and latch.accepted and not latch.over:
                continue
            ratios[word] = max(ratios[word], finding.ratio)
            if finding.ratio >= 1 and (latch is None or latch.over):
                if self._explained(finding):
                    continue
                rest = self._by_key[finding.key] if finding.key else self._device
                assert self._time is not None
                self._latches[word, finding.key] = Latch.of(finding, rest, clock, self._time)
        return self._verdict(ratios)

    def _verdict(self, ratios: dict[str, float]) -> Verdict:
        latches = self._latches
        alarm = self._learned.alarming
        ratios |= self._learned.ratios
        if alarm:
            ratios["learned"] = 1.0
        for (word, _), latch in latches.items():
            if not latch.accepted:
                alarm = True
                ratios[word] = max(ratios.get(word, 0.0), 1.0)
        self._alarm = alarm
        quiet = 1.0
        for ratio in ratios.values():
            if ratio > 0:
                quiet *= 1.0 - 1.0 / (1.0 + math.exp(-_STEEPNESS * (min(ratio, _CERTAIN) - 1.0)))
        score = round(1.0 - quiet, 3)
        if not alarm:
            # Several that are each under their thresholds are no alarm together.
            score = 0.0 if self._paused else min(score, _BELOW)
        progress = self._progress()
        mode: State = "learning" if progress < 1 else "normal"
        if self._paused:
            mode = "paused"
        elif alarm:
            mode = "alarm"
        reasons = self._reasons() if latches or self._learned.alarms else ()
        return Verdict(
            alarm=alarm,
            score=score,
            state=mode,
            progress=round(progress, 4),
            reasons=reasons,
            unanswered=bool(reasons),
            since=min((reason.since for reason in reasons), default=None),
            explained=self._learned.known.active(self._clock.now)
            if self._learned.known.until
            else (),
        )

    def _progress(self) -> float:
        """Work it out a few times an hour only; what is complete stays so."""
        clock = self._clock
        if self._progressed is None or clock.learned - self._progressed[0] >= 10 * MINUTE:
            parts = self.warm_ups
            progress = sum(parts.values()) / len(parts)
            if clock.last is None:
                return progress
            self._progressed = (clock.learned, progress)
        return self._progressed[1]

    def _reasons(self) -> tuple[Reason, ...]:
        present = tuple(track.key for track in self._tracks if track.value is not None)
        found = [*reasons(self._latches.values(), present), *self._learned.reasons()]
        found.sort(key=lambda item: (item[1].context["accepted"], -item[0], item[1].signals))
        return tuple(reason for _, reason in found)
