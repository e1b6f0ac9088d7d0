"""Samples of a living simulated heat pump, in the canonical vocabulary, without sockets."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Final

from .life import Life
from .physics import HeatPumpModel, StateValue
from .variant import Variant

type Sample = tuple[datetime, dict[str, StateValue | None]]

STATES: Final = (
    "operating_mode", "compressor_running", "defrosting", "dhw_charging",
    "backup_heater_running", "reversing_valve",
)  # fmt: skip
COUNTERS: Final = (
    "compressor_hours", "compressor_starts", "electrical_energy", "thermal_energy",
    "backup_heater_hours",
)  # fmt: skip
SETPOINTS: Final = ("flow_temperature_setpoint", "dhw_temperature_setpoint")
ALWAYS: Final = (
    "outdoor_temperature", "outdoor_temperature_average", "flow_temperature",
    "return_temperature", "room_temperature", "dhw_temperature", "source_inlet_temperature",
    "evaporation_temperature", "hot_gas_temperature", "circulation_pump_speed",
    "electrical_power",
)  # fmt: skip
OPTIONAL: Final = (
    "dhw_temperature_bottom", "buffer_temperature", "source_outlet_temperature",
    "condensation_temperature", "suction_gas_temperature", "superheat", "high_pressure",
    "low_pressure", "system_pressure", "expansion_valve_position", "fan_speed",
    "inverter_temperature", "supply_voltage", "supply_current",
)  # fmt: skip
"""What a make may not have; each is missing on a third of the machines."""


def keys_of(rng: Random, variant: Variant) -> tuple[str, ...]:
    """Draw which signals a machine shows."""
    keys = [*ALWAYS, *(key for key in OPTIONAL if rng.random() < 0.65)]
    if rng.random() < 0.7:
        keys.append("flow_rate")
    if rng.random() < 0.8:
        keys += ["thermal_power", "cop"]
    if variant.inverter:
        keys.append("compressor_frequency")
    if variant.source == "brine" and "fan_speed" in keys:
        keys.remove("fan_speed")
    return (*keys, *SETPOINTS, *STATES, *COUNTERS)


class Sampler:
    """One machine, its household, and what is read of it every ``period`` seconds."""

    def __init__(
        self,
        seed: int,
        start: datetime,
        *,
        period: float = 60.0,
        variant: Variant | None = None,
        keys: tuple[str, ...] | None = None,
        lively: bool = True,
    ) -> None:
        """Settle a machine at ``start``; ``keys`` are drawn if they are not given."""
        rng = Random(seed)
        variant = Variant() if variant is None else variant
        self.period = period
        self.model = HeatPumpModel(seed, start, inner_step=min(60.0, period), variant=variant)
        self.keys = keys_of(rng, variant) if keys is None else keys
        self._life = Life(Random(rng.random()), self.model) if lively else None
        self._dice = Random(rng.random())

    def days(self, days: float) -> Iterator[Sample]:
        """Yield the samples of the next days; what cannot be read is no sample."""
        end = self.model.now + timedelta(days=days)
        model, life, dice = self.model, self._life, self._dice
        while model.now < end:
            if life is not None:
                life.step()
            model.advance(self.period)
            if life is None:
                yield model.now, self._read(model.state)
            elif not life.lost:
                values = self._read(model.state)
                if dice.random() < 0.0005:
                    values[dice.choice(self.keys)] = None
                yield model.now + timedelta(milliseconds=dice.uniform(0, 900)), values

    def _read(self, state: Mapping[str, StateValue]) -> dict[str, StateValue | None]:
        return {key: state[key] for key in self.keys}
