"""Events and cycles: starts, runs, defrosts, hot water, heater, and what they should be like."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from . import state
from .contexts import Values, number as _number
from .gauges import Gauge
from .situation import DEFROST, DHW, HEATING, Situation

_DAY: Final = 1440.0
_SLOT: Final = 120.0
_RISE: Final = 0.6
_SELDOM: Final = 2.0
"""Minutes between samples from which on they hide how long a run was."""
_BINS: Final = (-7.0, -2.0, 3.0, 8.0)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that is not usual; ``name`` is a monitor, numbers in its ``unit``."""

    name: str
    gauge: str
    ratio: float
    observed: float
    expected: float
    threshold: float
    unit: str


_MONITORS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "starts_3h": ("1", ("compressor_running", "compressor_starts", "compressor_frequency",
                        "flow_temperature")),
    "starts_24h": ("1", ("compressor_running", "compressor_starts", "compressor_frequency",
                         "flow_temperature")),
    "cycle_length": ("1/h", ("compressor_running", "compressor_starts", "compressor_frequency")),
    "defrost_interval": ("1/h", ("defrosting", "defrost_count", "evaporation_temperature",
                                 "source_outlet_temperature")),
    "flow_over": ("K", ("flow_temperature", "flow_temperature_setpoint", "flow_rate",
                        "circulation_pump_speed", "return_temperature")),
    "spread_over": ("K", ("flow_temperature", "return_temperature", "flow_rate",
                          "circulation_pump_speed")),
    "dhw_cooling": ("%/h", ("dhw_temperature",)),
    "dhw_runs": ("1/d", ("dhw_charging", "dhw_temperature")),
    "dhw_heat_up": ("min/K", ("dhw_temperature", "thermal_power", "dhw_charging")),
    "dhw_balance": ("min/d", ("dhw_temperature", "dhw_charging", "thermal_power")),
    "heater_run": ("min", ("backup_heater_running", "backup_heater_hours", "electrical_power")),
}  # fmt: skip
"""Unit and signals of each monitor; the first signal is always there."""


def signals_of(name: str, known: frozenset[str]) -> tuple[str, ...]:
    """Return the signals that a monitor is about."""
    return tuple(key for key in _MONITORS[name][1] if key in known)


def unit_of_monitor(name: str) -> str:
    """Return the unit of a monitor, or of one of its gauges."""
    return _MONITORS[name.partition(":")[0]][0]


def _make_gauges() -> dict[str, Gauge]:
    gauges = {
        "starts_3h": Gauge(1.4, 1.5, 8.0, 6),
        "starts_24h": Gauge(1.8, 6.0, 36.0, 8),
        "cycle_length": Gauge(1.6, 0.0, 6.5, 8, 20),
        "flow_over:heating": Gauge(1.15, 3.0, 4.0, 6),
        "flow_over:dhw": Gauge(1.2, 3.0, 4.0, 8),
        "spread_over:heating": Gauge(1.4, 2.0, 5.0, 6),
        "spread_over:dhw": Gauge(1.4, 2.0, 5.0, 8),
        "dhw_cooling": Gauge(1.9, 0.2, 0.6, 14, 40),
        "dhw_runs": Gauge(1.5, 1.5, 4.0, 10, 5),
        "dhw_heat_up": Gauge(1.8, 0.5, 1.0, 12, 8),
        "dhw_balance": Gauge(1.5, 10.0, 30.0, 14, 10),
        "defrost_interval": Gauge(1.6, 0.0, 1.0, 8, 20),
        "heater_run:dhw": Gauge(2.0, 30.0, 60.0, 15),
    }
    for index in range(len(_BINS) + 1):
        gauges[f"heater_run:{index}"] = Gauge(2.0, 10.0, 24.0, 0, 600)
    return gauges


def _bin(outdoor: float | None) -> int:
    return 2 if outdoor is None else sum(outdoor >= limit for limit in _BINS)


class Events:
    """Counts and measures what happens; time in minutes of its own."""

    def __init__(self) -> None:
        """Begin with nothing learned."""
        self.gauges = _make_gauges()
        self.now = 0.0
        self.starts: list[float] = []
        self.charges: list[float] = []
        self.runs: list[float] = []
        self.intervals: list[float] = []
        self.losses: list[list[float]] = []
        """End, and rate in % of the excess temperature per hour."""
        self.running: bool | None = None
        self.run = self.since_defrost = self.heater = 0.0
        self.clean = False
        """Whether the present run was seen from its start."""
        self.defrosts = 0
        self.over: list[float] = [0.0, 0.0]
        """How long flow over setpoint, and spread, have been beyond their threshold."""
        self.slot: list[float] = []
        """Age, first and lowest temperature of the open slot of a resting tank."""
        self.charge: list[float] = []
        """Age and first temperature of a charge."""
        self.heat_ups: list[float] = []
        self.charged = self.day = self.aged = 0.0
        self.balance: list[float] = []
        self.explained = 0.0
        """Until when hot water is not judged, because somebody changed its setpoint."""
        self.setpoint: float | None = None
        self.wanted = self.lowered = 0.0
        """The flow's last setpoint, and until when a lower one explains a hotter flow."""
        self._previous: str | None = None
        self._charge_mode = False

    @property
    def aged_days(self) -> float:
        """For how many days the gauges have learned."""
        return self.gauges["starts_24h"].age_days

    def gauges_of(self, name: str) -> list[Gauge]:
        """Return the gauges of a monitor."""
        return [gauge for key, gauge in self.gauges.items() if key.partition(":")[0] == name]

    def interrupt(self) -> None:
        """Start anew after a gap: nothing that lasts was seen as a whole."""
        self.run = self.heater = 0.0
        self.clean = False
        self.slot = []
        self.charge = []
        self.intervals = []
        self.since_defrost = 0.0
        self.defrosts = 0
        self.over = [0.0, 0.0]

    def observe(
        self, values: Values, situation: Situation, minutes: float, running: bool | None,
        *, learning: bool,
    ) -> list[Event]:  # fmt: skip
        """Take a sample; return what is not usual."""
        self.now += minutes
        found: list[Event] = []
        if learning:
            self.aged += minutes
            if self.aged >= 60.0:
                for gauge in self.gauges.values():
                    gauge.age(self.aged)
                self.aged = 0.0
        mode = situation.mode
        self._setpoint(values)
        if running is not None:
            self._compressor(running, mode, minutes, found, learning=learning)
        self._defrost(mode, minutes, found, learning=learning)
        self._water(values, situation, minutes, found, learning=learning)
        self._heater(values, situation, minutes, found, learning=learning)
        self._tank(values, mode, minutes, found, learning=learning)
        self._previous = mode
        return found

    def _take(
        self,
        found: list[Event],
        gauge: str,
        value: float,
        *,
        learning: bool,
        weight: float = 1.0,
    ) -> float:
        meter = self.gauges[gauge]
        ratio = meter.judge(value, learning=learning, weight=weight)
        name = gauge.partition(":")[0]
        if ratio >= 0.3:
            found.append(
                Event(name, gauge, ratio, value, meter.top, meter.threshold, _MONITORS[name][0])
            )
        return ratio

    def _setpoint(self, values: Values) -> None:
        setpoint = _number(values, "dhw_temperature_setpoint")
        if setpoint is None:
            return
        if self.setpoint is not None and setpoint != self.setpoint:
            self.explained = self.now + 12 * 60.0
            self.slot = []
        self.setpoint = setpoint

    def _compressor(
        self, running: bool, mode: str | None, minutes: float, found: list[Event],
        *, learning: bool,
    ) -> None:  # fmt: skip
        if running:
            self.run += minutes
        if running is self.running:
            return
        before, self.running = self.running, running
        if before is None:
            return
        if running:
            self.run = 0.0
            self.clean = True
            self.starts = [start for start in self.starts if start > self.now - _DAY]
            self.starts.append(self.now)
            recent = sum(start > self.now - 180.0 for start in self.starts)
            self._take(found, "starts_3h", float(recent), learning=learning)
            self._take(found, "starts_24h", float(len(self.starts)), learning=learning)
        elif self.clean and self._previous not in (DEFROST, DHW):
            # Seldom looked at, a run may have been longer by as much as that.
            unseen = minutes if minutes > _SELDOM else 0.0
            self.runs = [*self.runs[-2:], max(self.run, minutes) + unseen]
            if len(self.runs) == 3:
                self._take(found, "cycle_length", 180.0 / sum(self.runs), learning=learning)

    def _defrost(
        self, mode: str | None, minutes: float, found: list[Event],
        *, learning: bool,
    ) -> None:  # fmt: skip
        if mode == DEFROST and self._previous != DEFROST:
            if self.defrosts:
                self.intervals = [*self.intervals[-1:], self.since_defrost]
                if len(self.intervals) == 2 and sum(self.intervals) > 0:
                    self._take(
                        found, "defrost_interval", 120.0 / sum(self.intervals),
                        learning=learning,
                    )  # fmt: skip
            self.defrosts = 1
            self.since_defrost = 0.0
        elif self.running and mode != DEFROST:
            self.since_defrost += minutes

    def _water(
        self, values: Values, situation: Situation, minutes: float, found: list[Event],
        *, learning: bool,
    ) -> None:  # fmt: skip
        mode = situation.mode
        flow = _number(values, "flow_temperature")
        setpoint = _number(values, "flow_temperature_setpoint")
        if setpoint is not None:
            if setpoint <= self.wanted - 1.0:
                self.lowered = self.now + 120.0
            self.wanted = setpoint
        if mode not in (HEATING, DHW) or flow is None or situation.since_mode < 4:
            self.over = [0.0, 0.0]
            return
        if situation.since_defrost < 15 or situation.heater:
            return
        wanted = "flow_temperature_setpoint" if mode == HEATING else "dhw_temperature"
        for index, (name, other) in enumerate(
            (("flow_over", wanted), ("spread_over", "return_temperature"))
        ):
            against = _number(values, other)
            if against is None or (index == 0 and mode == HEATING and self.now < self.lowered):
                continue
            gauge = f"{name}:{mode}"
            value = max(flow - against, 0.0)
            meter = self.gauges[gauge]
            if meter.warm and value >= meter.threshold:
                self.over[index] += minutes
                if self.over[index] >= 4.0:
                    self._take(found, gauge, value, learning=learning, weight=minutes)
            else:
                self.over[index] = 0.0
                self._take(found, gauge, value, learning=learning, weight=minutes)

    def _heater(
        self, values: Values, situation: Situation, minutes: float, found: list[Event],
        *, learning: bool,
    ) -> None:  # fmt: skip
        self.heater = self.heater + minutes if situation.heater else 0.0
        if values.get("backup_heater_running") is None:
            return
        if situation.mode == DHW:
            if self.now >= self.explained:
                self._take(found, "heater_run:dhw", self.heater, learning=learning, weight=minutes)
            return
        where = _bin(_number(values, "outdoor_temperature"))
        self._take(found, f"heater_run:{where}", self.heater, learning=learning, weight=minutes)

    def _tank(
        self, values: Values, mode: str | None, minutes: float, found: list[Event],
        *, learning: bool,
    ) -> None:  # fmt: skip
        warm = _number(values, "dhw_temperature")
        self.day += minutes
        charging = mode == DHW
        if charging:
            self.charged += minutes
            if not self._charge_mode:
                self._begin_charge(warm, found, learning=learning)
            elif self.charge:
                self.charge[0] += minutes
            self.slot = []
        elif self._charge_mode and mode == DEFROST:
            # What is interrupted says nothing of how long it takes.
            self.charge = []
        elif self._charge_mode:
            self._end_charge(warm, found, learning=learning)
        self._charge_mode = charging
        if warm is not None and not charging and mode is not None:
            self._rest(warm, minutes, found, learning=learning)
        if self.day >= _DAY:
            self.balance = [*self.balance[-2:], self.charged]
            self.day -= _DAY
            self.charged = 0.0
            if len(self.balance) == 3 and self.now >= self.explained:
                self._take(found, "dhw_balance", sum(self.balance) / 3, learning=learning)

    def _begin_charge(self, warm: float | None, found: list[Event], *, learning: bool) -> None:
        self.charges = [start for start in self.charges if start > self.now - _DAY]
        self.charges.append(self.now)
        if self.now >= self.explained:
            self._take(found, "dhw_runs", float(len(self.charges)), learning=learning)
        self.charge = [] if warm is None or self._previous == DEFROST else [0.0, warm]

    def _end_charge(self, warm: float | None, found: list[Event], *, learning: bool) -> None:
        if self.charge and warm is not None and warm - self.charge[1] >= 2.0:
            self.heat_ups = [*self.heat_ups[-1:], self.charge[0] / (warm - self.charge[1])]
            if len(self.heat_ups) == 2 and self.now >= self.explained:
                self._take(found, "dhw_heat_up", sum(self.heat_ups) / 2, learning=learning)
        self.charge = []

    def _rest(self, warm: float, minutes: float, found: list[Event], *, learning: bool) -> None:
        if not self.slot or warm > self.slot[2] + _RISE:
            # Something heats it, whatever the mode says.
            self.slot = [0.0, warm, warm]
            return
        self.slot[0] += minutes
        self.slot[2] = min(self.slot[2], warm)
        if self.slot[0] < _SLOT:
            return
        excess = (self.slot[1] + warm) / 2 - 18.0
        hours = self.slot[0] / 60.0
        if excess > 5.0:
            rate = 100.0 * (self.slot[1] - warm) / hours / excess
            self.losses = [one for one in self.losses if one[0] > self.now - _DAY]
            self.losses.append([self.now, rate])
            if len(self.losses) >= 7 and self.now - self.losses[0][0] > 1140.0:
                least = max(0.0, min(one[1] for one in self.losses))
                self._take(found, "dhw_cooling", least, learning=learning)
        self.slot = [0.0, warm, warm]

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs."""
        return {
            "gauges": {name: gauge.to_json() for name, gauge in self.gauges.items()},
            "now": self.now,
            "lists": {name: list(getattr(self, name)) for name in _LISTS},
            "losses": [value for one in self.losses for value in one],
            "numbers": {name: getattr(self, name) for name in _NUMBERS},
            "running": self.running,
            "clean": self.clean,
            "charging": self._charge_mode,
            "setpoint": self.setpoint,
            "previous": self._previous,
        }

    def restore(self, part: Mapping[str, Any]) -> None:
        """Take over a saved part; raises :class:`~.state.DamagedError`."""
        gauges, lists, numbers = part.get("gauges"), part.get("lists"), part.get("numbers")
        if not (
            isinstance(gauges, Mapping)
            and isinstance(lists, Mapping)
            and isinstance(numbers, Mapping)
        ):
            raise state.DamagedError("events")
        for name, gauge in self.gauges.items():
            gauge.restore(gauges.get(name))
        for name, most in _LISTS.items():
            setattr(self, name, state.numbers(lists, name, tuple(range(most + 1))))
        losses = state.numbers(part, "losses", tuple(range(0, 400, 2)))
        self.losses = [losses[index : index + 2] for index in range(0, len(losses), 2)]
        for name in _NUMBERS:
            setattr(self, name, state.number(numbers, name))
        self.defrosts = int(state.number(numbers, "defrosts"))
        self.now = state.number(part, "now")
        self.running = state.optional_flag(part, "running")
        self.clean = state.flag(part, "clean")
        self._charge_mode = state.flag(part, "charging")
        self.setpoint = state.optional_number(part, "setpoint")
        previous = part.get("previous")
        self._previous = previous if isinstance(previous, str) else None


_LISTS: Final = {
    "starts": 2000, "charges": 2000, "runs": 3, "intervals": 2, "over": 2, "slot": 3, "charge": 2,
    "heat_ups": 2, "balance": 3,
}  # fmt: skip
_NUMBERS: Final = (
    "run", "since_defrost", "heater", "charged", "day", "explained", "defrosts", "aged", "wanted", "lowered",
)  # fmt: skip
