"""What a heat pump shows a day: the tank's loss, hot water's energy, COP, heat per degree-day."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from . import state
from .contexts import Values, number as _number
from .norms import Norm
from .situation import DHW, HEATING, Situation

_DAY: Final = 1440.0
_SLOT: Final = 120.0
_RISE: Final = 0.6
_ROOM: Final = 18.0
"""°C around the tank, as good as any."""
_WARM: Final = 12.0
"""K above that which a tank must have to lose something that can be measured."""
_BASE: Final = 15.0
"""°C outdoors at which a house needs no heat."""
_COLD: Final = 6.0
"""K below that, on average, that a day must have to say something of the house."""
_RUN: Final = 150.0
"""Minutes of heating at a temperature outdoors that make a day's COP."""
_WATCHED: Final = 1200.0
"""Minutes that must have been seen of a day."""
BINS: Final = (-7.0, -2.0, 3.0, 8.0)

TANK_LOSS, DHW_ENERGY, COP, HEAT_NEED = "tank_loss", "dhw_energy", "cop_low", "heat_need"
DAILY: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    TANK_LOSS: ("%/h", ("dhw_temperature",)),
    DHW_ENERGY: ("kWh/d", ("dhw_temperature", "dhw_charging", "thermal_power")),
    COP: ("1", ("thermal_power", "electrical_power", "cop")),
    HEAT_NEED: ("kWh/(K d)", ("thermal_power", "flow_temperature", "room_temperature")),
}
"""Unit and signals of each monitor."""


@dataclass(frozen=True, slots=True)
class Day:
    """A day that is judged: a monitor's ratio and its numbers."""

    name: str
    gauge: str
    ratio: float
    observed: float
    expected: float
    limit: float


def outdoor_bin(outdoor: float | None) -> int:
    """Return the place of an outdoor temperature among :data:`BINS`; the middle if unknown."""
    return 2 if outdoor is None else sum(outdoor >= limit for limit in BINS)


class Daily:
    """Adds up, and judges at the end of each observed day."""

    def __init__(self) -> None:
        """Begin with nothing learned."""
        self.norms: dict[str, Norm] = {
            TANK_LOSS: Norm(1, 5.0, 0.7, 0.15, days=3, needed=12),
            DHW_ENERGY: Norm(1, 5.0, 0.6, 2.0, days=2, needed=14),
            HEAT_NEED: Norm(1, 7.0, 1.5, 0.5, days=3, needed=14),
        }
        for index in range(len(BINS) + 1):
            self.norms[f"{COP}:{index}"] = Norm(-1, 6.0, 0.2, 0.3, days=2, needed=8)
        self._clear()
        self.slot: list[float] = []
        """Age, first and lowest temperature of the open slot of a resting tank."""
        self.water: list[float] = []
        """Hot water's kWh of the days before."""

    def _clear(self) -> None:
        self.day = self.outdoor = self.seen = 0.0
        self.rates: list[float] = []
        self.heat = self.charge = self.charged = 0.0
        self.runs = [[0.0, 0.0, 0.0] for _ in range(len(BINS) + 1)]
        """Minutes, kWh given and taken, by outdoor temperature."""

    def interrupt(self) -> None:
        """Start anew what must be seen as a whole."""
        self.slot = []

    def observe(
        self, values: Values, situation: Situation, minutes: float, *, learning: bool,
        explained: bool,
    ) -> list[Day]:  # fmt: skip
        """Take a sample; at the end of a day, return what was judged."""
        self.day += minutes
        mode = situation.mode
        outdoor = _number(values, "outdoor_temperature")
        if outdoor is not None:
            self.outdoor += outdoor * minutes
            self.seen += minutes
        heat = _number(values, "thermal_power")
        if heat is not None and mode in (HEATING, DHW) and heat > 0.0:
            energy = heat * minutes / 60_000.0
            if mode == DHW:
                self.charge += energy
            else:
                self.heat += energy
                power = _number(values, "electrical_power")
                if power is not None and power > 50.0 and situation.steady and not situation.heater:
                    run = self.runs[outdoor_bin(outdoor)]
                    run[0] += minutes
                    run[1] += energy
                    run[2] += power * minutes / 60_000.0
        warm = _number(values, "dhw_temperature")
        if mode == DHW:
            self.charged += minutes
        if mode == DHW or mode is None:
            self.slot = []
        elif warm is not None:
            self._rest(warm, minutes)
        if self.day < _DAY:
            return []
        found = self._judge(has_heat=heat is not None, learning=learning, explained=explained)
        self._clear()
        return found

    def _rest(self, warm: float, minutes: float) -> None:
        if not self.slot or warm > self.slot[2] + _RISE:
            self.slot = [0.0, warm, warm]
            return
        self.slot[0] += minutes
        self.slot[2] = min(self.slot[2], warm)
        if self.slot[0] >= _SLOT:
            excess = (self.slot[1] + warm) / 2 - _ROOM
            if excess > _WARM:
                self.rates.append(6000.0 * (self.slot[1] - warm) / self.slot[0] / excess)
            self.slot = [0.0, warm, warm]

    def _judge(self, *, has_heat: bool, learning: bool, explained: bool) -> list[Day]:
        found: list[Day] = []
        if len(self.rates) >= 6 and self.charged and not explained:
            # A tank that is not charged any more cools by its own cold half. At rest, of the night, and not of one slot alone: a sensor knows tenths.
            calm = sorted(self.rates)[:2]
            self._take(found, TANK_LOSS, max(0.0, sum(calm) / 2), learning=learning)
        if has_heat and self.charge > 0.0 and not explained:
            self.water = [*self.water[-3:], self.charge]
            if len(self.water) == 4:
                self._take(found, DHW_ENERGY, sum(self.water) / 4, learning=learning)
        for index, (minutes, given, taken) in enumerate(self.runs):
            if minutes >= _RUN and taken > 0.0:
                self._take(found, f"{COP}:{index}", given / taken, learning=learning)
        if has_heat and self.seen >= _WATCHED:
            degrees = _BASE - self.outdoor / self.seen
            if degrees >= _COLD:
                self._take(found, HEAT_NEED, self.heat / degrees, learning=learning)
        return found

    def _take(self, found: list[Day], gauge: str, value: float, *, learning: bool) -> None:
        ratio, usual, limit = self.norms[gauge].judge(value, learning=learning)
        found.append(Day(gauge.partition(":")[0], gauge, ratio, value, usual, limit))

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs."""
        return {
            "norms": {name: norm.to_json() for name, norm in self.norms.items()},
            "numbers": [
                self.day,
                self.outdoor,
                self.seen,
                self.heat,
                self.charge,
                self.charged,
            ],
            "rates": list(self.rates),
            "runs": [number for run in self.runs for number in run],
            "slot": list(self.slot),
            "water": list(self.water),
        }

    def restore(self, part: Mapping[str, Any]) -> None:
        """Take over a saved part; raises :class:`~.state.DamagedError`."""
        norms = part.get("norms")
        if not isinstance(norms, Mapping):
            raise state.DamagedError("norms")
        for name, norm in self.norms.items():
            norm.restore(norms.get(name))
        numbers = state.numbers(part, "numbers", (6,))
        runs = state.numbers(part, "runs", (3 * len(self.runs),))
        self.rates = state.numbers(part, "rates", tuple(range(100)))
        self.slot = state.numbers(part, "slot", (0, 3))
        self.water = state.numbers(part, "water", tuple(range(5)))
        self.day, self.outdoor, self.seen, self.heat, self.charge, self.charged = numbers
        self.runs = [runs[index : index + 3] for index in range(0, len(runs), 3)]
