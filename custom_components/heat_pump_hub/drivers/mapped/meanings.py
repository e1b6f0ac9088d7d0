"""What the keys mean that all makers share: a map may use them, but not redefine them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ..points import OPERATING_MODES, Kind, Quantity
from ..table import SMART_GRID_MODES

_KELVIN = Quantity.TEMPERATURE_DIFFERENCE


@dataclass(frozen=True, slots=True)
class Meaning:
    """A shared key: what it measures, how it behaves, and whether it is read, set or both."""

    quantity: Quantity
    kind: Kind = Kind.ANALOG
    reading: bool = True
    setting: bool = False
    options: Mapping[int, str] | None = None
    """Of a state with fixed numbers; ``None``: each map has its own."""


def _readings(kind: Kind, quantity: Quantity, *keys: str) -> dict[str, Meaning]:
    return {key: Meaning(quantity, kind) for key in keys}


def _settings(quantity: Quantity, *keys: str, reading: bool = False) -> dict[str, Meaning]:
    return {key: Meaning(quantity, Kind.SETPOINT, reading, True) for key in keys}


SOURCES: Final[Mapping[int, str]] = MappingProxyType({0: "air", 1: "brine", 2: "water"})

MACHINE_KEYS: Final[Mapping[str, Meaning]] = MappingProxyType(
    {
        **_readings(
            Kind.ANALOG,
            Quantity.TEMPERATURE,
            "outdoor_temperature",
            "outdoor_temperature_average",
            "flow_temperature",
            "return_temperature",
            "buffer_temperature",
            "room_temperature",
            "dhw_temperature",
            "dhw_temperature_bottom",
            "source_inlet_temperature",
            "source_outlet_temperature",
            "evaporation_temperature",
            "condensation_temperature",
            "suction_gas_temperature",
            "hot_gas_temperature",
            "inverter_temperature",
        ),
        **_readings(Kind.SETPOINT, Quantity.TEMPERATURE, "flow_temperature_setpoint"),
        **_settings(
            Quantity.TEMPERATURE,
            "room_temperature_setpoint",
            "dhw_temperature_setpoint",
            reading=True,
        ),
        **_readings(Kind.ANALOG, _KELVIN, "superheat"),
        **_readings(
            Kind.ANALOG, Quantity.PRESSURE, "high_pressure", "low_pressure", "system_pressure"
        ),
        **_readings(
            Kind.ANALOG, Quantity.RATIO, "expansion_valve_position", "circulation_pump_speed"
        ),
        **_readings(Kind.ANALOG, Quantity.FREQUENCY, "compressor_frequency"),
        **_readings(Kind.ANALOG, Quantity.ROTATION, "fan_speed"),
        **_readings(Kind.ANALOG, Quantity.FLOW_RATE, "flow_rate"),
        **_readings(Kind.ANALOG, Quantity.POWER, "electrical_power", "thermal_power"),
        **_readings(Kind.ANALOG, Quantity.FACTOR, "cop"),
        **_readings(Kind.ANALOG, Quantity.VOLTAGE, "supply_voltage"),
        **_readings(Kind.ANALOG, Quantity.CURRENT, "supply_current"),
        **_readings(
            Kind.STATE,
            Quantity.FLAG,
            "compressor_running",
            "defrosting",
            "dhw_charging",
            "backup_heater_running",
            "reversing_valve",
            "utility_lock",
            "fault",
        ),
        **_readings(Kind.STATE, Quantity.CODE, "fault_code"),
        **_readings(Kind.COUNTER, Quantity.DURATION, "compressor_hours", "backup_heater_hours"),
        **_readings(Kind.COUNTER, Quantity.COUNT, "compressor_starts", "defrost_count"),
        **_readings(
            Kind.COUNTER,
            Quantity.ENERGY,
            "electrical_energy",
            "thermal_energy",
            "heating_energy",
            "dhw_energy",
            "cooling_energy",
            "heating_electrical_energy",
            "dhw_electrical_energy",
            "cooling_electrical_energy",
        ),
        "operating_mode": Meaning(Quantity.STATE, Kind.STATE, options=OPERATING_MODES),
        "source_kind": Meaning(Quantity.STATE, Kind.STATE, options=SOURCES),
        "smart_grid_mode": Meaning(
            Quantity.STATE, Kind.STATE, reading=False, setting=True, options=SMART_GRID_MODES
        ),
        **_settings(
            Quantity.POWER,
            "pv_surplus",
            "pv_production",
            "house_consumption",
            "battery_power",
            "power_limit",
        ),
        **_settings(Quantity.BATTERY, "battery_soc"),
    }
)
"""Keys of the machine and of its hot water."""

CIRCUIT_KEYS: Final[Mapping[str, Meaning]] = MappingProxyType(
    {
        "mode": Meaning(Quantity.STATE, Kind.STATE, setting=True),
        **_readings(Kind.ANALOG, Quantity.TEMPERATURE, "flow_temperature"),
        **_readings(Kind.SETPOINT, Quantity.TEMPERATURE, "flow_temperature_setpoint"),
        **_readings(Kind.ANALOG, Quantity.TEMPERATURE, "room_temperature"),
        **_settings(Quantity.TEMPERATURE, "room_temperature_setpoint", reading=True),
        **_settings(
            Quantity.TEMPERATURE, "room_temperature_setback", "heating_limit", "cooling_limit"
        ),
        **_settings(Quantity.FACTOR, "heating_curve_slope"),
        **_settings(_KELVIN, "heating_curve_shift"),
        **_readings(Kind.ANALOG, Quantity.RATIO, "mixer_position"),
        **_readings(Kind.STATE, Quantity.FLAG, "pump_running"),
    }
)
"""Keys of a circuit, without its letter."""

ROOM_KEYS: Final[Mapping[str, Meaning]] = MappingProxyType(
    {
        **_readings(Kind.ANALOG, Quantity.TEMPERATURE, "temperature"),
        **_settings(Quantity.TEMPERATURE, "temperature_setpoint"),
        **_readings(Kind.ANALOG, Quantity.HUMIDITY, "humidity"),
        **_readings(Kind.STATE, Quantity.FLAG, "relay"),
        "mode": Meaning(Quantity.STATE, Kind.STATE, setting=True),
    }
)
"""Keys of a room of a zone, without zone and room."""
