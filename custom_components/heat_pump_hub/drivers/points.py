"""The vocabulary every heat pump is described in.

A driver turns its registers into :class:`Point` objects and its readings into a
:class:`Snapshot`; everything behind it (entities, history, detector, guard) knows
only these. Keys are canonical where the meaning is shared by all makers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
import re
from types import MappingProxyType
from typing import Final

type Value = float | int | bool | str


class Quantity(StrEnum):
    """What a point measures; each has exactly one unit (see :data:`UNITS`)."""

    TEMPERATURE = "temperature"
    TEMPERATURE_DIFFERENCE = "temperature_difference"
    PRESSURE = "pressure"
    FREQUENCY = "frequency"
    ROTATION = "rotation"
    RATIO = "ratio"
    HUMIDITY = "humidity"
    BATTERY = "battery"
    FLOW_RATE = "flow_rate"
    POWER = "power"
    ENERGY = "energy"
    VOLTAGE = "voltage"
    CURRENT = "current"
    DURATION = "duration"
    PRICE = "price"
    COUNT = "count"
    FACTOR = "factor"
    CODE = "code"
    STATE = "state"
    FLAG = "flag"


UNITS: Final[Mapping[Quantity, str | None]] = MappingProxyType(
    {
        Quantity.TEMPERATURE: "°C",
        Quantity.TEMPERATURE_DIFFERENCE: "K",
        Quantity.PRESSURE: "bar",
        Quantity.FREQUENCY: "Hz",
        Quantity.ROTATION: "rpm",
        Quantity.RATIO: "%",
        Quantity.HUMIDITY: "%",
        Quantity.BATTERY: "%",
        Quantity.FLOW_RATE: "L/min",
        Quantity.POWER: "W",
        Quantity.ENERGY: "kWh",
        Quantity.VOLTAGE: "V",
        Quantity.CURRENT: "A",
        Quantity.DURATION: "h",
        Quantity.PRICE: "EUR/MWh",
        Quantity.COUNT: None,
        Quantity.FACTOR: None,
        Quantity.CODE: None,
        Quantity.STATE: None,
        Quantity.FLAG: None,
    }
)


class Kind(StrEnum):
    """How a value behaves over time; consumers may rely on it."""

    ANALOG = "analog"
    """Measured, noisy."""
    SETPOINT = "setpoint"
    """Changes only when someone changes it."""
    STATE = "state"
    """An enum, a flag or a code."""
    COUNTER = "counter"
    """Never decreases, except when a controller was replaced."""


class Wear(StrEnum):
    """What a write costs the device."""

    EEPROM = "eeprom"
    """Each write ages the device."""
    CYCLIC = "cyclic"
    """Made for regular writes (PV surplus, external temperatures)."""
    VOLATILE = "volatile"
    """Held in memory: at most one write in 10 s, equal values not written."""
    UNKNOWN = "unknown"
    """Treated as EEPROM."""


class Tier(StrEnum):
    """How often a point is read."""

    MEASUREMENT = "measurement"
    """Every poll."""
    SETTING = "setting"
    """Every 10 minutes and 2 s after a write."""


class PartKind(StrEnum):
    """The parts of a heat pump; all but the machine itself are child devices."""

    MACHINE = "machine"
    HOT_WATER = "hot_water"
    CIRCUIT = "circuit"
    ZONE = "zone"


@dataclass(frozen=True, slots=True)
class Part:
    """One part: the machine, the hot water, circuit ``a``..``g`` or zone ``1``..``10``."""

    kind: PartKind
    id: str = ""

    @property
    def prefix(self) -> str:
        """What stands before the keys of a repeated part (``circuit_a_``), else ``""``."""
        return f"{self.kind}_{self.id}_" if self.id else ""


MACHINE: Final = Part(PartKind.MACHINE)
HOT_WATER: Final = Part(PartKind.HOT_WATER)


class Failure(StrEnum):
    """Why a served point is missing from a snapshot."""

    REFUSED = "refused"
    """The device answered that it has no such address."""
    NO_ANSWER = "no_answer"
    """The link failed before the point was read."""
    BUSY = "busy"
    """The device answered that it cannot answer now."""
    IMPLAUSIBLE = "implausible"
    """Outside the physical range, twice in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value a heat pump has. Data only; a driver knows where it lives."""

    key: str
    """Unique within a heat pump: ``circuit_a_flow_temperature``."""
    name: str
    """The translation key: the key, for repeated parts without the part."""
    quantity: Quantity
    kind: Kind
    part: Part = MACHINE
    tier: Tier = Tier.MEASUREMENT
    wear: Wear | None = None
    """``None``: read only."""
    readable: bool = True
    """``False``: a command without a value, such as acknowledging faults."""
    options: Mapping[int, str] | None = None
    """Of a STATE: number (as history stores it) to slug (as owners see it)."""
    writable_options: frozenset[str] | None = None
    """Slugs that may be written; ``None``: all of ``options``."""
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    """``minimum``, ``maximum`` and ``step`` bound what may be written, in the point's unit."""
    decimals: int = 1
    """Resolution: values are rounded to this many decimals."""
    default: Value | None = None
    """Of a CYCLIC input: the value that means "no request"; written on stop."""
    diagnostic: bool = False
    enabled: bool = False
    """Whether the entity is enabled when it is first seen."""
    placeholders: Mapping[str, str] = field(default_factory=dict)
    """For the translated name: ``{"room": "2"}``."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the series in a time-series database: ``circuit``, ``zone``, ``room``."""

    @property
    def unit(self) -> str | None:
        """The unit of every value of this point."""
        return UNITS[self.quantity]

    @property
    def writable(self) -> bool:
        """Whether the device takes writes to this point."""
        return self.wear is not None

    def number(self, value: Value) -> float | int:
        """Return a value as a number: flags 0/1, states by :attr:`options`.

        Raises ``KeyError`` if the value is a slug that is not in ``options``.
        """
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, str):
            return {slug: code for code, slug in (self.options or {}).items()}[value]
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What one poll read. A value that was not read is missing; it is never 0 or None."""

    time: datetime
    """When the sample was taken, UTC."""
    values: Mapping[str, Value]
    """By key: numbers, flags, and slugs of states, in the units of the points."""
    failed: Mapping[str, Failure] = field(default_factory=dict)
    unknown_codes: Mapping[str, int] = field(default_factory=dict)
    """States whose number is not in ``options``: the raw number, by key."""
    tiers: frozenset[Tier] = frozenset(Tier)
    """Which tiers this poll asked for."""


OPERATING_MODES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "off",
        1: "heating",
        2: "dhw",
        3: "defrost",
        4: "cooling",
        5: "pool",
        6: "utility_lock",
        7: "other",
    }
)
"""``operating_mode`` of every maker, as history numbers it."""

_CANONICAL: Final = frozenset(
    [
        "outdoor_temperature",
        "outdoor_temperature_average",
        "flow_temperature",
        "flow_temperature_setpoint",
        "return_temperature",
        "buffer_temperature",
        "room_temperature",
        "room_temperature_setpoint",
        "dhw_temperature",
        "dhw_temperature_bottom",
        "dhw_temperature_setpoint",
        "source_inlet_temperature",
        "source_outlet_temperature",
        "evaporation_temperature",
        "condensation_temperature",
        "suction_gas_temperature",
        "hot_gas_temperature",
        "superheat",
        "high_pressure",
        "low_pressure",
        "system_pressure",
        "expansion_valve_position",
        "compressor_frequency",
        "fan_speed",
        "circulation_pump_speed",
        "flow_rate",
        "electrical_power",
        "thermal_power",
        "cop",
        "inverter_temperature",
        "supply_voltage",
        "supply_current",
        "operating_mode",
        "compressor_running",
        "defrosting",
        "dhw_charging",
        "backup_heater_running",
        "reversing_valve",
        "utility_lock",
        "fault",
        "fault_code",
        "compressor_hours",
        "backup_heater_hours",
        "compressor_starts",
        "defrost_count",
        "electrical_energy",
        "thermal_energy",
        "heating_energy",
        "dhw_energy",
        "cooling_energy",
        "heating_electrical_energy",
        "dhw_electrical_energy",
        "cooling_electrical_energy",
        "source_kind",
        "pv_surplus",
        "pv_production",
        "house_consumption",
        "battery_power",
        "battery_soc",
        "smart_grid_mode",
        "power_limit",
    ]
)
_CANONICAL_CIRCUIT: Final = frozenset(
    [
        "mode",
        "flow_temperature",
        "flow_temperature_setpoint",
        "room_temperature",
        "room_temperature_setpoint",
        "room_temperature_setback",
        "heating_curve_slope",
        "heating_curve_shift",
        "heating_limit",
        "cooling_limit",
        "mixer_position",
        "pump_running",
    ]
)
_CANONICAL_ROOM: Final = frozenset(
    ["temperature", "temperature_setpoint", "humidity", "mode", "relay"]
)


_PART_KEY: Final = re.compile(r"(circuit_[a-z]+|zone_\d+_room_\d+)_(\w+)")


def is_canonical_key(key: str) -> bool:
    """Whether a key, of which the point is not at hand, means the same for every maker."""
    if (part := _PART_KEY.fullmatch(key)) is not None:
        return part[2] in (_CANONICAL_CIRCUIT if part[1][0] == "c" else _CANONICAL_ROOM)
    return key in _CANONICAL


def is_canonical(point: Point) -> bool:
    """Whether a point's key means the same for every maker."""
    key = point.key
    match point.part.kind:
        case PartKind.CIRCUIT:
            return key.removeprefix(point.part.prefix) in _CANONICAL_CIRCUIT
        case PartKind.ZONE:
            _, _, name = key.removeprefix(point.part.prefix).partition("_")
            return "room" in point.labels and name.partition("_")[2] in _CANONICAL_ROOM
    return key in _CANONICAL
