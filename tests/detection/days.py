"""A small heat pump for the detector's tests: sine, noise, and compressor cycles."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
import math
import random

from custom_components.heat_pump_hub.detection import Signal

START = datetime(2026, 1, 10, 6, tzinfo=UTC)

SIGNALS = (
    Signal("outdoor_temperature", "analog", "°C"),
    Signal("flow_temperature", "analog", "°C"),
    Signal("return_temperature", "analog", "°C"),
    Signal("room_temperature", "analog", "°C"),
    Signal("dhw_temperature", "analog", "°C"),
    Signal("source_inlet_temperature", "analog", "°C"),
    Signal("hot_gas_temperature", "analog", "°C"),
    Signal("system_pressure", "analog", "bar"),
    Signal("electrical_power", "analog", "W"),
    Signal("flow_rate", "analog", "L/min"),
    Signal("compressor_frequency", "analog", "Hz"),
    Signal("cop", "analog"),
    Signal("flow_temperature_setpoint", "setpoint", "°C"),
    Signal("compressor_hours", "counter", "h"),
    Signal("compressor_running", "state"),
)

type Sample = tuple[datetime, dict[str, float | int | str | bool | None]]


@dataclass(kw_only=True)
class House:
    """Lives from :data:`START` on; every call of :meth:`days` continues where the last ended.

    ``noise`` is the sensors' in K; without it they rest where physics rests.
    """

    seed: int = 1
    period: float = 60.0
    noise: float = 0.08
    gaps: bool = True
    heating: bool = True
    time: datetime = START
    away: bool = False
    _flow: float = 30.0
    _dhw: float = 46.0
    _hours: float = 1200.0
    _pressure: float = 1.6
    _running: bool = False
    _since: float = 0.0
    _charging: bool = False
    _setpoint: float = 34.0
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def days(self, days: float) -> Iterator[Sample]:
        """Yield the samples of the next days, with jitter, and gaps if there are any."""
        end = self.time + timedelta(days=days)
        while self.time < end:
            step = self.period * self._random.uniform(0.95, 1.05)
            if self.gaps and self._random.random() < step / 86_400 / 2:
                step = self._random.choice((180.0, 1_500.0, 9_000.0))
            self._live(min(step, 600.0))
            self.time += timedelta(seconds=step)
            yield self.time, self._read()

    def _live(self, step: float) -> None:
        hour = self.time.hour + self.time.minute / 60
        day = (self.time - START).total_seconds() / 86_400
        dice = self._random
        self._outdoor = 2 + 5 * math.sin(2 * math.pi * (hour - 9) / 24) + 3 * math.sin(day / 1.7)
        if not self.heating:
            self._outdoor += 18
        self._since += step
        if dice.random() < step / 86_400 / 9:
            self._setpoint += dice.choice((-1, 1))
        if self._charging:
            self._dhw += step * 6 / 3600
            if self._dhw > 49:
                self._charging = False
        else:
            self._dhw -= step * 0.012 * (self._dhw - 19) / 3600
            if not self.away and hour > 5 and dice.random() < step / 3600 / 3:
                self._dhw -= dice.uniform(0.5, 2)
            self._charging = self._dhw < 42 and not self.away
        cycle = 900 + 60 * max(0.0, 15 - self._outdoor) if self._running else 2400
        wanted = self.heating and not (self.away and self._outdoor > 4)
        if self._charging:
            self._turn(True)
        elif self._since > cycle or (self._running and not wanted):
            self._turn(wanted and not self._running)
        target = self._setpoint + 3 if self._running else 20.0
        if self._charging:
            target = self._dhw + 6
        self._flow += (target - self._flow) * (
            1 - math.exp(-step / (600 if self._running else 5000))
        )
        self._hours += step / 3600 if self._running else 0
        if dice.random() < step / 86_400:
            self._pressure += dice.choice((-0.01, 0.01))

    def _turn(self, running: bool) -> None:
        if running is not self._running:
            self._running = running
            self._since = 0.0

    def _read(self) -> dict[str, float | int | str | bool | None]:
        dice, on = self._random, self._running

        def sensor(value: float) -> float:
            return round(value + dice.gauss(0, self.noise), 1)

        values: dict[str, float | int | str | bool | None] = {
            "outdoor_temperature": sensor(self._outdoor),
            "flow_temperature": sensor(self._flow),
            "return_temperature": sensor(self._flow - (5 if on else 0.5)),
            "room_temperature": sensor(20.5 + 0.05 * self._outdoor),
            "dhw_temperature": sensor(self._dhw),
            "source_inlet_temperature": sensor(9 - (1 if on else 0) + self._outdoor / 10),
            "hot_gas_temperature": sensor(self._flow + (25 if on else 1)),
            "system_pressure": round(self._pressure, 2),
            "electrical_power": round(1800 + dice.gauss(0, 15)) if on else 0,
            "flow_rate": round(20 + dice.gauss(0, 0.2), 1) if on else 0.0,
            "compressor_frequency": 50 if on else 0,
            "cop": 3.5 if on else 0.0,
            "flow_temperature_setpoint": self._setpoint,
            "compressor_hours": round(self._hours, 1),
            "compressor_running": on,
            "nobody_knows_this": 17.0,
        }
        if self.gaps and dice.random() < 0.0005:
            values[dice.choice(list(values))] = None
        return values
