"""What is learned of the machine as a whole: steps, expectations, events, and their alarms."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

import numpy as np

from ..drivers.points import Kind
from . import state
from .alarms import Alarm
from .blame import suspect_of, told_by_all
from .causes import TOLD, causes_of
from .contexts import MINUTE, Clock, Values
from .daily import DAILY, Daily, Day
from .events import Event, Events, signals_of
from .expectations import Expectations
from .known import LEARNED_AT_ONCE, Known
from .relations import MULTI, Deviation, Model
from .runs import RUNS, Runs
from .signals import Signal, unit_of
from .situation import HEATING, Situation
from .steps import JUMP, SPIKE, Steps
from .strays import GENERIC, Strays, strays_of
from .thawed import THAWED, Thaw, Thawed
from .tracks import Track
from .unknowns import REST, Oddity, Unknowns
from .verdict import Reason

_SHOWN: Final = 8
"""More reasons than this tell nobody more."""
_SOURCE_WINDOWS: Final = 500
_BLAME_AGAIN: Final = 30 * MINUTE
_PARTS: Final = (
    "situation",
    "steps",
    "events",
    "daily",
    "runs",
    "strays",
    "unknowns",
    "thawed",
    "window",
)


class Learned:
    """Steps, expectations and events of one heat pump, with their alarms."""

    def __init__(self, signals: Iterable[Signal], tracks: Iterable[Track]) -> None:
        """Begin with nothing learned."""
        self._signals = {signal.key: signal for signal in signals}
        self._known = frozenset(self._signals)
        analog = [track.signal for track in tracks]
        self._place = {signal.key: index for index, signal in enumerate(analog)}
        self.situation = Situation()
        self.steps = Steps(analog)
        self.events = Events()
        self.daily = Daily()
        self.runs = Runs()
        self.thawed = Thawed([signal.key for signal in analog])
        self.window = Expectations(analog)
        self._columns = np.array([self._place[key] for key in self.window.keys], dtype=np.intp)
        self.strays = self._make_strays(analog)
        self.unknowns = Unknowns(analog)
        self.known = Known()
        self._setpoints = tuple(
            signal.key
            for signal in self._signals.values()
            if signal.kind == Kind.SETPOINT and "flow_temperature" not in signal.key
        )
        self.alarms: dict[tuple[str, str], Alarm] = {}
        self.ratios: dict[str, float] = {}
        self._then = 0
        self._blamed: dict[str, int] = {}
        """When, on the clock, the deviations of a context were last looked at together."""

    def _make_strays(self, analog: Sequence[Signal]) -> Strays:
        places = strays_of(analog, frozenset(self.window.keys))
        return Strays([analog[place].key for place in places], places)

    def interrupt(self, clock: Clock) -> None:
        """Start anew after a gap: whatever runs may have begun or ended unseen."""
        self.situation.interrupt()
        self.steps.restart()
        self.events.interrupt()
        self.daily.interrupt()
        self.runs.interrupt()
        self.thawed.interrupt()
        self.strays.interrupt()
        self.unknowns.interrupt()
        self.window.discard()
        self._then = clock.now

    def observe(
        self, time: datetime, values: Values, tracks: Iterable[Track], clock: Clock,
        *, learning: bool,
    ) -> None:  # fmt: skip
        """Take a sample."""
        minutes = (clock.now - self._then) / MINUTE
        self._then = clock.now
        if minutes <= 0:
            return
        running = clock.running
        situation = self.situation
        situation.update(values, minutes, running)
        array = np.array(
            [None if track.outside is not None else track.value for track in tracks],
            dtype=np.float64,
        )
        ratios = self.ratios
        ratios["step"] = 0.0
        stepped = self.steps.observe(
            array, situation, clock.elapsed / MINUTE, clock.period / MINUTE, learning=learning
        )
        for name, index, ratio, observed, expected, tolerance in stepped:
            key = self.steps.keys[index]
            # While the machine does odd things, odd values are no sensor's fault.
            suspect = key if all(a.suspect or a.accepted for a in self.alarms.values()) else None
            self._raise(
                name, key, (key,), suspect, ratio, ratio, observed, expected, tolerance,
                unit_of(self._signals[key]) or "", time, clock,
            )  # fmt: skip
        for key in self._setpoints:
            self.known.watch(key, values, clock.now)
        if values:
            happened = self.events.observe(values, situation, minutes, running, learning=learning)
            self._take_events(happened, time, clock)
            days = self.daily.observe(
                values, situation, minutes, learning=learning,
                explained=self.events.now < self.events.explained,
            )  # fmt: skip
            days += self.runs.observe(values, situation, minutes, learning=learning)
            if days:
                self._take_days(days, time, clock)
            if situation.air:
                thaw = self.thawed.observe(array, situation, minutes, learning=learning)
                if thaw is not None:
                    self._take_thaw(thaw, time, clock)
        if strayed := self.strays.observe(array, minutes, learning=learning):
            self._take_strays(strayed, time, clock)
        if self.unknowns.keys:
            context, odd = self.unknowns.observe(
                array, situation, minutes, running, learning=learning
            )
            if context is not None or odd:
                self._take_unknowns(context, odd, time, clock)
            if self.unknowns.fresh:
                self._tell_floors()
        model = self.window.observe(array[self._columns], situation, minutes, learning=learning)
        if model is not None:
            self._take_model(model, time, clock)
        if self.alarms:
            for over in [n for n, alarm in self.alarms.items() if alarm.settle(clock.now)]:
                del self.alarms[over]

    def _raise(
        self, monitor: str, key: str, signals: tuple[str, ...], suspect: str | None, ratio: float,
        signed: float, observed: float, expected: float, tolerance: float, unit: str,
        time: datetime, clock: Clock, causes: str = "",
    ) -> None:  # fmt: skip
        made = Alarm(
            monitor=monitor, key=key, signals=signals, suspect=suspect,
            since=time.astimezone(UTC), raised=clock.now, heard=clock.now, ratio=ratio,
            signed=signed, observed=observed, expected=expected, tolerance=tolerance, unit=unit,
            mode=self.situation.mode or "", causes=causes,
        )  # fmt: skip
        alarm = self.alarms.get((monitor, key))
        if alarm is not None:
            alarm.refresh(made)
        if ratio >= 1 and (alarm is None or alarm.over):
            if (event := self.known.explains(monitor, clock.now)) is not None:
                if event in LEARNED_AT_ONCE:
                    self._forgive(made, accept=True)
                return
            made.accepted = self._known_already(made)
            self.alarms[monitor, key] = made

    def _known_already(self, made: Alarm) -> bool:
        """Judge whether a deviation is one that already stood so long that it was accepted."""
        context, _, name = made.key.partition(":")
        if context not in self.window.models:
            return False
        return any(
            alarm.accepted
            and not alarm.over
            and (alarm.key.partition(":")[2] == name or (not name and alarm.mode == made.mode))
            for alarm in self.alarms.values()
        )

    def _take_events(self, happened: list[Event], time: datetime, clock: Clock) -> None:
        worst = 0.0
        for event in happened:
            ratio = event.ratio
            known = self.alarms.get((event.name, event.name))
            if known is None or not known.accepted:
                worst = max(worst, ratio)
            if ratio >= 1 or known is not None:
                causes = causes_of([(event.name, ratio), *self._moved(event.name)])
                self._raise(
                    event.name, event.name, signals_of(event.name, self._known), None, ratio,
                    ratio, event.observed, event.expected, event.threshold - event.expected,
                    event.unit, time, clock, ",".join(causes),
                )  # fmt: skip
        self.ratios["event"] = worst

    def _take_days(self, days: list[Day], time: datetime, clock: Clock) -> None:
        for day in days:
            unit, signals = DAILY.get(day.name) or RUNS[day.name]
            if not unit and (first := self._signals.get(signals[0])) is not None:
                unit = unit_of(first) or ""
            self._raise(
                day.name, day.gauge, tuple(key for key in signals if key in self._known), None,
                day.ratio, day.ratio, day.observed, day.expected, day.limit, unit, time, clock,
                ",".join(causes_of([(day.name, day.ratio)])),
            )  # fmt: skip

    def _take_thaw(self, thaw: Thaw, time: datetime, clock: Clock) -> None:
        signals = tuple(key for key in thaw.signals if key in self._known)
        known = self.alarms.get((MULTI, THAWED))
        self.ratios["thawed"] = 0.0 if known is not None and known.accepted else thaw.ratio
        suspect, causes = None, "icing"
        if thaw.ratio >= 1:
            model = self.window.models[HEATING]
            suspect = suspect_of(model, self._signals)
            found = ["icing", *(one for one in self._causes(model) if one != "icing")][:2]
            causes = ",".join(["sensor", "icing"] if suspect is not None else found)
            if suspect is not None:
                signals = (suspect, *(key for key in signals if key != suspect))
        unit = unit_of(self._signals[thaw.signals[0]]) or ""
        self._raise(
            MULTI, THAWED, signals, suspect, thaw.ratio, thaw.ratio, thaw.observed, thaw.expected,
            thaw.tolerance, unit, time, clock, causes,
        )  # fmt: skip

    def _take_strays(
        self, strayed: list[tuple[int, float, float, float, float]], time: datetime, clock: Clock
    ) -> None:
        for place, ratio, observed, expected, tolerance in strayed:
            key = self.strays.keys[place]
            self._raise(
                GENERIC, key, (key,), key, ratio, ratio, observed, expected, tolerance,
                unit_of(self._signals[key]) or "", time, clock,
            )  # fmt: skip

    def _tell_floors(self) -> None:
        self.steps.expect(self.unknowns.columns, self.unknowns.floors, self.unknowns.bounds)
        self.unknowns.fresh = False

    def _take_unknowns(
        self, context: str | None, odd: list[Oddity], time: datetime, clock: Clock
    ) -> None:
        heard = {(found.monitor, found.gauge) for found in odd}
        if context is not None:
            for name, alarm in self.alarms.items():
                if alarm.key.startswith(f"{GENERIC} {context}:") and name not in heard:
                    alarm.quiet(clock.now)
        others = {
            key for alarm in self.alarms.values() if not alarm.accepted for key in alarm.signals
        }
        others |= {found.key for found in odd if found.ratio >= 1}
        for found in odd:
            # What many show together, or the machine beside it, is no sensor's fault.
            suspect = found.key if others <= {found.key} else None
            unit = "min" if found.monitor == REST else unit_of(self._signals[found.key]) or ""
            self._raise(
                found.monitor, found.gauge, (found.key,), suspect, found.ratio, found.signed,
                found.observed, found.expected, found.tolerance, unit, time, clock,
            )  # fmt: skip

    def _take_model(self, model: Model, time: datetime, clock: Clock) -> None:
        model.remember(time)
        worst = 0.0
        heard: set[tuple[str, str]] = set()
        loud: list[Deviation] = []
        for found in model.deviations():
            key = f"{model.context}:{model.relations[found.index].name}"
            if found.monitor == MULTI:
                key = f"{model.context}:"
            heard.add((found.monitor, key))
            known = self.alarms.get((found.monitor, key))
            if known is None or not known.accepted:
                worst = max(worst, found.ratio)
            if found.ratio >= 1 or known is not None:
                loud.append(found)
        self.ratios[model.context] = worst
        for name, alarm in self.alarms.items():
            if alarm.key.partition(":")[0] == model.context and name not in heard:
                alarm.quiet(clock.now)
        if not loud:
            return
        suspect, causes = self._blame(model, loud, clock)
        for found in loud:
            relation = model.relations[found.index]
            signals = relation.signals
            key = f"{model.context}:{relation.name}"
            if found.monitor == MULTI:
                key = f"{model.context}:"
                signals = tuple(
                    dict.fromkeys(s for row in found.rows for s in model.relations[row].signals)
                )
            if suspect is not None:
                signals = (suspect, *(signal for signal in signals if signal != suspect))
            self._raise(
                found.monitor, key, signals, suspect, found.ratio, found.signed, found.observed,
                found.expected, found.tolerance, unit_of(self._signals[relation.plus]) or "",
                time, clock, causes,
            )  # fmt: skip
            raised = self.alarms.get((found.monitor, key))
            if raised is not None:
                raised.suspect, raised.signals, raised.causes = suspect, signals, causes

    def _blame(self, model: Model, loud: list[Deviation], clock: Clock) -> tuple[str | None, str]:
        standing = [
            alarm
            for (_, key), alarm in self.alarms.items()
            if key.partition(":")[0] == model.context and not alarm.over
        ]
        fresh = sum(found.ratio >= 1 for found in loud) > len(standing)
        since = self._blamed.get(model.context)
        if standing and not fresh and since is not None and clock.now - since < _BLAME_AGAIN:
            return standing[0].suspect, standing[0].causes
        self._blamed[model.context] = clock.now
        suspect = None
        loudest = [found for found in loud if found.ratio >= 1] or loud
        if any(found.sensor for found in loudest):
            suspect = told_by_all(model)
        if suspect is None and not all(found.sensor for found in loudest):
            # So early, single relations say too little to be counted by their size.
            suspect = suspect_of(model, self._signals)
        causes = self._causes(model)
        for found in loud:
            if found.cause and found.ratio >= 1 and found.cause not in causes:
                # Too little refrigerant begins like a source that clogs.
                causes = list(dict.fromkeys((found.cause, *(causes[:1] or TOLD[:1]))))
        if suspect is not None:
            # A clogged source may look like one wrong sensor.
            causes = ["sensor", *(cause for cause in causes if cause == "icing")]
        return suspect, ",".join(causes)

    def _moved(self, name: str) -> list[tuple[str, float]]:
        """Return what else stands, and what of the present mode deviates at once, beside an event."""
        moved = [
            (alarm.monitor, alarm.ratio)
            for alarm in self.alarms.values()
            if alarm.monitor == alarm.key != name and not alarm.over
        ]
        model = self.window.models.get(self.situation.mode or "")
        if model is not None:
            ratios = model.fast / model.fast_limit.threshold
            moved.extend(
                (model.relations[row].name, float(ratios[row]))
                for row in np.flatnonzero(model.usable & (np.abs(ratios) > 0.6)).tolist()
            )
        return moved

    def _causes(self, model: Model) -> list[str]:
        ratios, signed, _ = model.lasting()
        fast = model.fast / model.fast_limit.threshold
        both = np.where(np.abs(fast) > ratios, fast, np.copysign(ratios, signed))
        moved = [
            (model.relations[row].name, float(both[row]))
            for row in np.flatnonzero(model.usable & (np.abs(both) > 0.6)).tolist()
        ]
        moved.extend(
            (alarm.monitor, alarm.ratio)
            for alarm in self.alarms.values()
            if alarm.monitor == alarm.key
        )
        return list(causes_of(moved))

    @property
    def signals(self) -> Mapping[str, Signal]:
        """The signals by their keys."""
        return self._signals

    @property
    def source_kind(self) -> Literal["air", "ground"] | None:
        """What heat is taken from: it defrosts, or the source follows the weather or does not."""
        if self.situation.air:
            return "air"
        model = self.window.models[HEATING]
        return model.source_kind if model.windows >= _SOURCE_WINDOWS else None

    @property
    def alarming(self) -> bool:
        """Whether an alarm stands that was not accepted."""
        return any(not alarm.accepted for alarm in self.alarms.values())

    def reasons(self) -> list[tuple[float, Reason]]:
        """Return the strongest reasons with their ratios."""
        known = sorted(
            self.alarms.values(), key=lambda alarm: (alarm.accepted, -alarm.ratio, alarm.key)
        )
        return [(alarm.ratio, alarm.reason()) for alarm in known[:_SHOWN]]

    def feedback(self, feedback: str) -> None:
        """Take the owner's answer to the alarms."""
        for alarm in self.alarms.values():
            if feedback == "confirmed":
                alarm.confirmed, alarm.accepted = True, False
                continue
            self._forgive(alarm, accept=feedback == "normal")
        if feedback != "confirmed":
            self.alarms.clear()

    def reassure(self) -> None:
        """Take nothing for suspicious before it is looked at again."""
        self.ratios = dict.fromkeys(self.ratios, 0.0)

    def _forgive(self, alarm: Alarm, *, accept: bool) -> None:
        """Start anew what raised an alarm, after counting it as normal if ``accept``."""
        context, _, name = alarm.key.partition(":")
        model = self.window.models.get(context)
        if alarm.monitor in (SPIKE, JUMP):
            if accept:
                self.steps.accept(alarm.key, alarm.observed)
        elif alarm.monitor == GENERIC:
            if accept:
                self.strays.accept(alarm.key, alarm.observed)
        elif alarm.monitor.startswith(GENERIC):
            self.unknowns.forgive(alarm.monitor, alarm.key, accept=accept)
        elif alarm.key == THAWED:
            if accept:
                self.thawed.accept()
            self.thawed.forget()
        elif norm := self.daily.norms.get(alarm.key):
            if accept:
                norm.accept()
        elif alarm.monitor in RUNS:
            if accept:
                self.runs.accept(alarm.key)
        elif gauges := self.events.gauges_of(alarm.monitor):
            for gauge in gauges if accept else ():
                gauge.accept(alarm.observed)
        elif model is not None:
            model.forget(alarm.monitor, name, accept=accept)

    def to_json(self, clock: Clock) -> dict[str, Any]:
        """Return the parts that :meth:`restore` takes."""
        return {
            **{name: state.seal(getattr(self, name).to_json()) for name in _PARTS},
            "models": {
                name: state.seal(model.to_json()) for name, model in self.window.models.items()
            },
            "alarms": [state.seal(alarm.to_json(clock.now)) for alarm in self.alarms.values()],
            "manifest": state.seal({key: signal.manifest for key, signal in self._signals.items()}),
            "known": state.seal(self.known.to_json(clock.now)),
            "ratios": state.seal(dict(self.ratios)),
            "blamed": state.seal({name: clock.now - at for name, at in self._blamed.items()}),
        }

    def _forget(self, name: str) -> None:
        if name == "situation":
            self.situation = Situation()
        elif name == "events":
            self.events = Events()
        elif name == "daily":
            self.daily = Daily()
        elif name == "runs":
            self.runs = Runs()
        elif name == "thawed":
            self.thawed = Thawed(self.steps.keys)
        elif name == "unknowns":
            self.unknowns = Unknowns([self._signals[key] for key in self.steps.keys])
        elif name == "strays":
            self.strays = self._make_strays([self._signals[key] for key in self.steps.keys])
        elif name == "steps":
            self.steps = Steps([self._signals[key] for key in self.steps.keys])
        else:
            self.window.discard()

    def _changed(self, saved: Mapping[str, Any]) -> frozenset[str]:
        """Return the signals that were of another kind or unit."""
        try:
            manifest = state.unseal(saved.get("manifest"))
        except state.DamagedError:
            return frozenset()
        return frozenset(
            key
            for key, signal in self._signals.items()
            if key in manifest and manifest[key] != signal.manifest
        )

    def restore(self, saved: object, clock: Clock) -> None:
        """Take over what is undamaged; the rest is learned anew."""
        if not isinstance(saved, Mapping):
            return
        self._then = clock.now
        changed = self._changed(saved)
        for name in _PARTS:
            try:
                part = state.unseal(saved.get(name))
                if name in ("steps", "strays", "unknowns"):
                    getattr(self, name).restore(part, changed)
                else:
                    getattr(self, name).restore(part)
            except state.DamagedError:
                self._forget(name)
        self._tell_floors()
        models = saved.get("models")
        for name, model in self.window.models.items():
            try:
                model.restore(
                    state.unseal(models.get(name) if isinstance(models, Mapping) else None),
                    changed,
                )
            except state.DamagedError:
                self.window.models[name] = Model(name, model.relations, model.signals)
        try:
            known = Known()
            known.restore(state.unseal(saved.get("known")), clock.now)
            self.known = known
        except state.DamagedError:
            self.known = Known()
        alarms = saved.get("alarms")
        for item in alarms if isinstance(alarms, list) else ():
            try:
                alarm = Alarm.from_json(state.unseal(item), clock.now)
            except state.DamagedError:
                continue
            if self._known.issuperset(alarm.signals):
                self.alarms[alarm.monitor, alarm.key] = alarm
        try:
            ratios = state.unseal(saved.get("ratios"))
            self.ratios = {name: state.number(ratios, name) for name in ratios}
        except state.DamagedError:
            self.ratios = {}
        try:
            blamed = state.unseal(saved.get("blamed"))
            self._blamed = {name: clock.now - state.whole(blamed, name) for name in blamed}
        except state.DamagedError:
            self._blamed = {}
