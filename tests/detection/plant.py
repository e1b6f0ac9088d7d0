"""A heat pump whose signals depend on one another, with faults, for the learned monitors."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
import math
import random

from custom_components.heat_pump_hub.detection import Detector, Signal, Verdict

from .days import Sample

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)

ANALOG = {
    "outdoor_temperature": "°C", "source_inlet_temperature": "°C",
    "source_outlet_temperature": "°C", "evaporation_temperature": "°C",
    "suction_gas_temperature": "°C", "hot_gas_temperature": "°C",
    "condensation_temperature": "°C", "flow_temperature": "°C", "return_temperature": "°C",
    "dhw_temperature": "°C", "room_temperature": "°C", "superheat": "K",
    "expansion_valve_position": "%", "compressor_frequency": "Hz", "flow_rate": "L/min",
    "electrical_power": "W", "thermal_power": "W", "cop": None, "supply_voltage": "V",
}  # fmt: skip
PLANT = (
    *(Signal(key, "analog", unit) for key, unit in ANALOG.items()),
    Signal("flow_temperature_setpoint", "setpoint", "°C"),
    Signal("dhw_temperature_setpoint", "setpoint", "°C"),
    Signal("operating_mode", "state"),
    Signal("compressor_running", "state"),
    Signal("backup_heater_running", "state"),
)


@dataclass(kw_only=True)
class Plant:
    """Heats all day, charges hot water twice a day, defrosts when it is cold, rests at noon.

    ``error`` is added to sensors, ``leak`` is the share of the refrigerant's effect that is
    lost, ``loss`` multiplies the tank's loss, ``cold`` is added to the weather in K,
    ``cycling`` makes runs of ten minutes, ``heater`` is stuck on, ``frost`` is the time
    between defrosts in minutes, ``over`` is how much hotter than wanted the flow gets.
    """

    seed: int = 1
    period: float = 300.0
    time: datetime = BEGIN
    error: dict[str, float] = field(default_factory=dict)
    leak: float = 0.0
    loss: float = 1.0
    cold: float = 0.0
    cycling: bool = False
    heater: bool = False
    frost: float = 90.0
    over: float = 0.0
    wanted: float = 48.0
    _tank: float = 46.0
    _ran: float = 0.0
    _charging: bool = False
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def days(self, days: float) -> Iterator[Sample]:
        """Yield the samples of the next days."""
        end = self.time + timedelta(days=days)
        while self.time < end:
            self.time += timedelta(seconds=self.period)
            yield self.time, self._live(self.period / 60)

    def _mode(self, minutes: float, outdoor: float) -> str:
        hour = self.time.hour + self.time.minute / 60
        if self._charging or (self._tank < self.wanted - 5 and hour > 4):
            self._charging = self._tank < self.wanted
            if self._charging:
                return "dhw"
        if 11 <= hour < 13 or (self.cycling and self.time.minute % 20 >= 10):
            return "off"
        self._ran += minutes
        if outdoor < 4 and self._ran > self.frost:
            self._ran = 0.0 if self._ran > self.frost + 2 * minutes else self._ran
            return "defrost"
        return "heating"

    def _live(self, minutes: float) -> dict[str, float | int | str | bool | None]:
        gauss = self._random.gauss
        days = (self.time - BEGIN).total_seconds() / 86_400
        outdoor = 2 + 5 * math.sin(2 * math.pi * (days - 0.4)) + 4 * math.sin(days / 1.9)
        outdoor += self.cold
        mode = self._mode(minutes, outdoor)
        on = mode != "off"
        f = (40 + 1.6 * (8 - outdoor) + gauss(0, 2)) if on else 0.0
        f = 60.0 if mode in ("dhw", "defrost") else f
        self._tank -= minutes / 60 * 0.012 * self.loss * (self._tank - 18)
        if self.time.hour in (6, 18) and self._random.random() < minutes / 90:
            self._tank -= self._random.uniform(0.5, 2)
        if mode == "dhw":
            self._tank += minutes / 60 * 9
        setpoint = round(34 - 0.4 * outdoor, 1)
        flow = self._tank + 6 if mode == "dhw" else setpoint + self.over + gauss(0, 0.3)
        flow = flow if on else 26 + gauss(0, 0.1)
        thermal = f * 110 * (1 + 0.02 * outdoor) * (1 - self.leak) if on else 0.0
        thermal = -3000.0 if mode == "defrost" else thermal
        spread = thermal / 1400
        condensation = flow + 1 + thermal / 3000 if on else flow
        source = outdoor - 0.3
        evaporation = source - 3 - thermal / 1000 - 8 * self.leak if on else source
        power = thermal / (5 - 0.05 * (condensation - evaporation)) * (1 + self.leak) if on else 8.0
        power = 1200.0 if mode == "defrost" else power + (3000 if self.heater else 0)
        values: dict[str, float] = {
            "outdoor_temperature": outdoor,
            "source_inlet_temperature": source,
            "source_outlet_temperature": source - max(0.0, thermal - power) / 1800,
            "evaporation_temperature": evaporation,
            "suction_gas_temperature": evaporation + 6 + 20 * self.leak,
            "hot_gas_temperature": condensation + 15 + 0.3 * f + 30 * self.leak,
            "condensation_temperature": condensation,
            "flow_temperature": flow,
            "return_temperature": flow - spread,
            "dhw_temperature": self._tank,
            "room_temperature": 21 + 0.2 * math.sin(days * 6),
        }
        for key, value in values.items():
            values[key] = round(value + self.error.get(key, 0.0) + gauss(0, 0.06), 1)
        values |= {
            "superheat": round(6 + 20 * self.leak + gauss(0, 0.2), 1),
            "expansion_valve_position": round(10 + 0.6 * f + 60 * self.leak + gauss(0, 0.4)),
            "compressor_frequency": round(f),
            "flow_rate": round(20 + gauss(0, 0.2), 1) if on else 0.0,
            "electrical_power": round(power + gauss(0, 8)),
            "thermal_power": round(thermal, -1),
            "cop": round(thermal / power, 2),
            "supply_voltage": round(230 + gauss(0, 1)),
            "flow_temperature_setpoint": setpoint,
            "dhw_temperature_setpoint": self.wanted,
        }
        return {
            **values,
            "operating_mode": mode,
            "compressor_running": on,
            "backup_heater_running": self.heater,
        }


def live(detector: Detector, plant: Plant, days: float) -> tuple[Verdict, float | None]:
    """Feed samples until an alarm; return the verdict and the hours that it took, if one came."""
    begin = plant.time
    for sample in plant.days(days):
        verdict = detector.observe(*sample)
        if verdict.alarm:
            return verdict, (plant.time - begin).total_seconds() / 3600
    return verdict, None
