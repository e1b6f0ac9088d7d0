"""What a run shows: heat for its electricity, and water for its pump's speed.

A run is a stretch of heating or of hot water without the backup heater, at most two
hours. Its COP is held against what an ideal machine would reach between the same
temperatures, so that weather and season say nothing; the water that flows, of a day,
against the days before at like speeds of the pump, which a strainer lowers as it clogs.
"""

from collections.abc import Mapping
from typing import Any, Final

from . import state
from .contexts import Values, number
from .daily import Day
from .gauges import Gauge
from .norms import Norm
from .situation import DHW, HEATING, Situation

RUN_COP, FLOW_LOW = "run_cop", "flow_low"
RUNS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    RUN_COP: ("1", ("thermal_power", "electrical_power", "cop")),
    FLOW_LOW: ("", ("flow_rate", "circulation_pump_speed")),
}
"""Unit (empty: that of the first signal) and signals of each monitor."""

_DAY: Final = 1440.0
_LOOK: Final = 5.0
"""Minutes between looks: what lasts for hours need not be looked at in every minute."""
_SETTLE: Final = 4.0
_SHORTEST: Final = 15.0
_LONGEST: Final = 120.0
_TOGETHER: Final = 3
"""Runs that are judged together: one may be odd."""
_KELVIN: Final = 273.15
_EXCHANGERS: Final = 10.0
"""K by which a refrigerant is colder than the source, and warmer than the water, together."""
_LEAST_LIFT: Final = 15.0
_BINS: Final = 4
_WATER: Final = f"{FLOW_LOW}:{DHW}"
_ENOUGH: Final = {True: 20.0, False: 60.0}
"""Minutes that make a day's flow: of hot water, and of heating at a speed."""


class Runs:
    """The open run, and the day's water."""

    def __init__(self) -> None:
        """Begin with nothing learned."""
        self.gauges: dict[str, Gauge] = {
            f"{RUN_COP}:{mode}": Gauge(1.25, 0.05, 1.2, 10, least)
            for mode, least in ((HEATING, 20), (DHW, 8))
        }
        self.norms: dict[str, Norm] = {
            name: Norm(-1, 6.0, 0.12, 0.01)
            for name in (*(f"{FLOW_LOW}:{index}" for index in range(_BINS)), _WATER)
        }
        self.mode: str | None = None
        self.run = [0.0] * 4
        """Minutes; kWh given, taken, and that an ideal machine would have taken."""
        self.losses: dict[str, list[float]] = {name: [] for name in self.gauges}
        """Of the last runs: the ideal COP over the real one."""
        self.water: dict[str, list[float]] = {name: [0.0] * 3 for name in self.norms}
        """Of the day: minutes, and the sums of flow and speed over them."""
        self.day = self.pending = 0.0

    def interrupt(self) -> None:
        """Start anew what must be seen as a whole."""
        self.run = [0.0] * 4
        self.pending = 0.0

    def observe(
        self, values: Values, situation: Situation, minutes: float, *, learning: bool
    ) -> list[Day]:
        """Take a sample; return what was judged at the end of a run or a day."""
        self.pending += minutes
        mode = situation.mode
        if self.pending < _LOOK and mode == self.mode:
            return []
        minutes, self.pending = self.pending, 0.0
        self.day += minutes
        found: list[Day] = []
        if mode != self.mode or self.run[0] >= _LONGEST:
            self._end(found, learning=learning)
            self.mode = mode
        elif mode in (HEATING, DHW) and situation.since_mode >= _SETTLE:
            if situation.heater:
                self.run = [0.0] * 4
            else:
                self._go_on(values, minutes)
            if situation.since_defrost >= _SETTLE:
                self._flow(values, minutes)
        if self.day >= _DAY:
            self._end_day(found, learning=learning)
        return found

    def _go_on(self, values: Values, minutes: float) -> None:
        given, taken = number(values, "thermal_power"), number(values, "electrical_power")
        water = number(values, "flow_temperature")
        source = number(values, "source_inlet_temperature")
        if source is None:
            source = number(values, "outdoor_temperature")
        if given is None or taken is None or water is None or source is None:
            return
        if given <= 0.0 or taken <= 50.0:
            return
        lift = max(water - source + _EXCHANGERS, _LEAST_LIFT)
        hours = minutes / 60_000.0
        run = self.run
        run[0] += minutes
        run[1] += given * hours
        run[2] += taken * hours
        run[3] += given * hours * lift / (water + _KELVIN)

    def _flow(self, values: Values, minutes: float) -> None:
        speed, flow = number(values, "circulation_pump_speed"), number(values, "flow_rate")
        if speed is None or flow is None or not 5.0 <= speed <= 101.0 or flow < 0.0:
            return
        place = min(_BINS - 1, int(speed * _BINS / 100.0))
        sums = self.water[_WATER if self.mode == DHW else f"{FLOW_LOW}:{place}"]
        sums[0] += minutes
        sums[1] += flow * minutes
        sums[2] += speed * minutes

    def _end(self, found: list[Day], *, learning: bool) -> None:
        minutes, given, taken, ideal = self.run
        self.run = [0.0] * 4
        name = f"{RUN_COP}:{self.mode}"
        if minutes < _SHORTEST or name not in self.gauges:
            return
        losses = self.losses[name] = [*self.losses[name][1 - _TOGETHER :], taken / ideal]
        if len(losses) < _TOGETHER:
            return
        gauge, loss = self.gauges[name], sum(losses) / _TOGETHER
        top, threshold = gauge.top, gauge.threshold
        ratio = gauge.judge(loss, learning=learning)
        best = given / ideal
        usual = best / top if top > 0.0 else 0.0
        found.append(Day(RUN_COP, name, ratio, best / loss, usual, usual - best / threshold))

    def _end_day(self, found: list[Day], *, learning: bool) -> None:
        for name, (minutes, flow, speed) in self.water.items():
            if minutes >= _ENOUGH[name == _WATER]:
                ratio, usual, limit = self.norms[name].judge(flow / speed, learning=learning)
                mean = speed / minutes
                found.append(Day(FLOW_LOW, name, ratio, flow / minutes, usual * mean, limit * mean))
        self.water = {name: [0.0] * 3 for name in self.norms}
        self.day = 0.0
        if learning:
            for gauge in self.gauges.values():
                gauge.age(_DAY)

    def accept(self, key: str) -> None:
        """Count what a monitor saw last as normal, as the owner says."""
        if norm := self.norms.get(key):
            norm.accept()
        elif losses := self.losses.get(key):
            self.gauges[key].accept(sum(losses) / len(losses))

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs."""
        return {
            "gauges": {name: gauge.to_json() for name, gauge in self.gauges.items()},
            "norms": {name: norm.to_json() for name, norm in self.norms.items()},
            "losses": {name: list(losses) for name, losses in self.losses.items()},
            "water": {name: list(sums) for name, sums in self.water.items()},
            "mode": self.mode,
            "run": list(self.run),
            "numbers": [self.day, self.pending],
        }

    def restore(self, part: Mapping[str, Any]) -> None:
        """Take over a saved part; raises :class:`~.state.DamagedError`."""
        for name, things in (("gauges", self.gauges), ("norms", self.norms)):
            saved = part.get(name)
            if not isinstance(saved, Mapping):
                raise state.DamagedError(name)
            for key, thing in things.items():
                thing.restore(saved.get(key))
        losses, water = part.get("losses"), part.get("water")
        if not isinstance(losses, Mapping) or not isinstance(water, Mapping):
            raise state.DamagedError("runs")
        lengths = tuple(range(_TOGETHER + 1))
        self.losses = {name: state.numbers(losses, name, lengths) for name in self.gauges}
        self.water = {name: state.numbers(water, name, (3,)) for name in self.norms}
        self.run = state.numbers(part, "run", (4,))
        if min(self.run) < 0 or any(min(sums) < 0 for sums in self.water.values()):
            raise state.DamagedError("run")
        self.day, self.pending = state.numbers(part, "numbers", (2,))
        mode = part.get("mode")
        self.mode = mode if isinstance(mode, str) else None
