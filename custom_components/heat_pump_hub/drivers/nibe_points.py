"""The register map of the NIBE S-series, sorted by address.

Source: register table nibe_s_series, from the lists that the pumps themselves export
(``modbus_addresses_*.csv``). Addresses are those of the wire; the printed number is
30001 (input) or 40001 (holding) more. Values of 8 bits lie in the low byte, those of 32
bits in two registers, low word first; a raw number at the limit of its type means "no
value". What is on no list of any model is never read.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from .driver import Layout
from .modbus import HOLDINGS, Codec, Register
from .nibe_map import FORBIDDEN, Entry, entries
from .points import HOT_WATER, OPERATING_MODES, Part, PartKind, Quantity, Tier, Wear
from .table import SMART_GRID_MODES, Row

INT8, INT16, INT32 = Codec.INT8, Codec.INT16, Codec.INT32
UINT8, UINT16, UINT32 = Codec.UINT8, Codec.UINT16, Codec.UINT32
CODE, COUNT, CURRENT, DURATION = Quantity.CODE, Quantity.COUNT, Quantity.CURRENT, Quantity.DURATION
ENERGY, FACTOR, FLAG = Quantity.ENERGY, Quantity.FACTOR, Quantity.FLAG
FLOW_RATE, FREQUENCY, POWER = Quantity.FLOW_RATE, Quantity.FREQUENCY, Quantity.POWER
PRESSURE, RATIO, STATE = Quantity.PRESSURE, Quantity.RATIO, Quantity.STATE
TEMPERATURE = Quantity.TEMPERATURE
CYCLIC, EEPROM, VOLATILE = Wear.CYCLIC, Wear.EEPROM, Wear.VOLATILE
SETTING = Tier.SETTING

MODELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "s1155_s1255": "S1155, S1255",
        "s1156_s1256": "S1156, S1256",
        "s2125": "S2125",
        "s320_s325": "S320, S325",
        "s330_s332": "S330, S332",
        "s735": "S735",
        "smos40": "SMO S40",
        "vvms320_vvms325": "VVM S320, VVM S325",
        "vvms500": "VVM S500",
    }
)
"""The models whose lists are known; as a feature of a layout: what the machine may be."""

TYPES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        slug: (name, model)
        for model, names in MODELS.items()
        for slug, name in zip(model.split("_"), names.split(", "), strict=True)
    }
)
"""What an owner reads on the machine: its name, and the model whose list it has."""

EVERY: Final = frozenset(MODELS)
GROUND: Final = frozenset({"s1155_s1255", "s1156_s1256"})
EXHAUST: Final = frozenset({"s735"})
INTERNAL: Final = GROUND | EXHAUST
"""The compressor is in the machine itself (EB100)."""
AIR: Final = EVERY - INTERNAL
"""The compressor is in an outdoor unit (EB101)."""

PROBED: Final = "probed"
"""A feature: the keys among the features are those that answered."""

LISTED: Final = ("input_register", "holding_register")
"""Names of points that only an imported list knows; its title is a placeholder."""

SYSTEMS: Final = "abcdefgh"
"""Climate systems 1 to 8, as circuits."""

SENTINELS: Final[Mapping[Codec, frozenset[float]]] = MappingProxyType(
    {
        UINT8: frozenset({0xFF}),
        INT8: frozenset({-0x80}),
        UINT16: frozenset({0xFFFF}),
        INT16: frozenset({-0x8000}),
        UINT32: frozenset({0xFFFF_FFFF}),
        INT32: frozenset({-0x8000_0000}),
    }
)

_PRIORITIES: Final[Mapping[int, str]] = MappingProxyType(
    {10: "off", 20: "dhw", 30: "heating", 40: "pool", 60: "cooling"}
)


@dataclass(frozen=True, slots=True)
class NibeRow(Row):
    """One line of the map, and which machines have it."""

    models: frozenset[str] = EVERY
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Models whose minimum and maximum are not those of ``bounds``."""
    systems: tuple[int, int] | None = None
    """First and last climate system; each next one lies one address lower."""

    def for_models(self, fitted: frozenset[str]) -> NibeRow:
        """Return the row with the bounds that all these models accept."""
        if self.bounds is None or not self.limits:
            return self
        low, high, step = self.bounds
        found = [self.limits.get(model, (low, high)) for model in sorted(self.models & fitted)]
        if not found:
            return self
        return replace(self, bounds=(max(x for x, _ in found), min(x for _, x in found), step))


INPUT_ROWS: Final[tuple[NibeRow, ...]] = (
    NibeRow("outdoor_temperature", 1, INT16, TEMPERATURE, scale=0.1, enabled=True),
    NibeRow("return_temperature", 7, INT16, TEMPERATURE, scale=0.1, enabled=True, models=INTERNAL),
    NibeRow(
        "return_temperature_indoor",
        7,
        INT16,
        TEMPERATURE,
        scale=0.1,
        models=frozenset({"s2125", "s320_s325", "s330_s332", "vvms320_vvms325", "vvms500"}),
    ),
    NibeRow("dhw_temperature", 8, INT16, TEMPERATURE, scale=0.1, part=HOT_WATER, enabled=True),
    NibeRow(
        "dhw_temperature_bottom", 9, INT16, TEMPERATURE, scale=0.1, part=HOT_WATER, enabled=True
    ),
    NibeRow(
        "source_inlet_temperature", 10, INT16, TEMPERATURE, scale=0.1, enabled=True, models=GROUND
    ),
    NibeRow(
        "source_outlet_temperature", 11, INT16, TEMPERATURE, scale=0.1, enabled=True, models=GROUND
    ),
    NibeRow("flow_temperature", 12, INT16, TEMPERATURE, scale=0.1, enabled=True, models=INTERNAL),
    NibeRow("hot_gas_temperature", 13, INT16, TEMPERATURE, scale=0.1, models=INTERNAL),
    NibeRow("liquid_line_temperature", 14, INT16, TEMPERATURE, scale=0.1, models=INTERNAL),
    NibeRow("suction_gas_temperature", 16, INT16, TEMPERATURE, scale=0.1, models=INTERNAL),
    NibeRow(
        "source_inlet_temperature", 19, INT16, TEMPERATURE, scale=0.1, enabled=True, models=EXHAUST
    ),
    NibeRow(
        "exhaust_air_temperature",
        19,
        INT16,
        TEMPERATURE,
        scale=0.1,
        models=GROUND | frozenset({"s320_s325", "smos40"}),
    ),
    NibeRow(
        "source_outlet_temperature", 20, INT16, TEMPERATURE, scale=0.1, enabled=True, models=EXHAUST
    ),
    NibeRow(
        "extract_air_temperature",
        20,
        INT16,
        TEMPERATURE,
        scale=0.1,
        models=GROUND | frozenset({"s320_s325", "smos40"}),
    ),
    NibeRow(
        "pool_temperature",
        27,
        INT16,
        TEMPERATURE,
        scale=0.1,
        models=GROUND | frozenset({"s320_s325"}),
    ),
    NibeRow("outdoor_temperature_average", 37, INT16, TEMPERATURE, scale=0.1, enabled=True),
    NibeRow("boiler_temperature", 38, INT16, TEMPERATURE, scale=0.1),
    NibeRow(
        "external_supply_temperature",
        39,
        INT16,
        TEMPERATURE,
        scale=0.1,
        models=GROUND | frozenset({"smos40", "vvms320_vvms325"}),
    ),
    NibeRow("flow_rate", 40, INT16, FLOW_RATE, scale=0.1, enabled=True),
    NibeRow("current_phase_3", 46, UINT32, CURRENT, scale=0.1, models=EVERY - {"vvms500"}),
    NibeRow("current_phase_2", 48, UINT32, CURRENT, scale=0.1, models=EVERY - {"s2125", "vvms500"}),
    NibeRow("current_phase_1", 50, UINT32, CURRENT, scale=0.1, models=EVERY - {"s2125", "vvms500"}),
    NibeRow("additional_heat_temperature", 72, INT16, TEMPERATURE, scale=0.1, models=AIR),
    NibeRow(
        "outgoing_hot_water_temperature",
        87,
        INT16,
        TEMPERATURE,
        scale=0.1,
        part=HOT_WATER,
        models=EVERY - {"s735"},
    ),
    NibeRow("fan_speed_exhaust", 135, UINT8, RATIO, models=EVERY - {"s735"}),
    NibeRow("fan_speed_supply", 136, UINT8, RATIO, models=EVERY - {"s735"}),
    NibeRow("inverter_limit_status", 138, UINT8, CODE, diagnostic=True, models=INTERNAL),
    NibeRow("requested_compressor_frequency", 140, UINT16, FREQUENCY, models=INTERNAL),
    NibeRow(
        "max_compressor_frequency_heating", 141, UINT16, FREQUENCY, scale=0.01, diagnostic=True
    ),
    NibeRow("thermal_power", 406, UINT16, POWER, scale=100, enabled=True, models=AIR),
    NibeRow("eb101_generated_power", 406, UINT16, POWER, scale=100, models=INTERNAL),
    NibeRow("eb101_time_to_defrost", 407, UINT16, DURATION, scale=1 / 60, diagnostic=True),
    NibeRow("frost_protection_status", 1018, UINT16, CODE, diagnostic=True),
    NibeRow("backup_heater_hours", 1025, INT32, DURATION, scale=0.1, counter=True),
    NibeRow(
        "internal_additional_heat_power", 1027, INT16, POWER, scale=10, models=EVERY - {"smos40"}
    ),
    NibeRow(
        "operating_mode",
        1028,
        UINT8,
        STATE,
        options=OPERATING_MODES,
        states=_PRIORITIES,
        enabled=True,
    ),
    NibeRow("additional_heat_mode", 1029, UINT8, CODE),
    NibeRow(
        "shunt_additional_heat_status",
        1034,
        UINT8,
        CODE,
        diagnostic=True,
        models=EVERY - {"vvms500"},
    ),
    NibeRow("fan_mode", 1037, UINT8, RATIO),
    NibeRow("hot_water_mode_current", 1038, INT8, CODE, part=HOT_WATER),
    NibeRow(
        "compressor_frequency", 1046, UINT16, FREQUENCY, scale=0.1, enabled=True, models=INTERNAL
    ),
    NibeRow("external_blocking", 1058, UINT8, CODE, diagnostic=True, models=EVERY - {"s735"}),
    NibeRow("hot_water_circulation_pump", 1063, UINT8, FLAG, part=HOT_WATER),
    NibeRow(
        "additional_heat_hours_hot_water",
        1069,
        INT32,
        DURATION,
        scale=0.1,
        counter=True,
        part=HOT_WATER,
    ),
    NibeRow("more_hot_water_status", 1078, UINT8, CODE, part=HOT_WATER, diagnostic=True),
    NibeRow("compressor_starts", 1083, INT32, COUNT, counter=True, enabled=True, models=INTERNAL),
    NibeRow("brine_pump_mode", 1098, UINT8, CODE, models=GROUND),
    NibeRow("compressor_running", 1100, UINT8, FLAG, enabled=True, models=INTERNAL),
    NibeRow(
        "circulation_pump_speed",
        1102,
        UINT8,
        RATIO,
        enabled=True,
        models=INTERNAL | frozenset({"s2125", "s320_s325", "vvms320_vvms325"}),
    ),
    NibeRow("brine_pump_speed", 1104, UINT8, RATIO, models=GROUND),
    NibeRow("active_heat_pumps", 1124, UINT16, COUNT, diagnostic=True, models=EVERY - {"s735"}),
    NibeRow("blocked", 1132, UINT8, CODE, diagnostic=True),
    NibeRow("return_temperature", 1475, INT16, TEMPERATURE, scale=0.1, enabled=True, models=AIR),
    NibeRow("flow_temperature", 1478, INT16, TEMPERATURE, scale=0.1, enabled=True, models=AIR),
    NibeRow("hot_gas_temperature", 1479, INT16, TEMPERATURE, scale=0.1, models=AIR),
    NibeRow("eb101_liquid_line_temperature", 1480, INT16, TEMPERATURE, scale=0.1, models=AIR),
    NibeRow("suction_gas_temperature", 1481, INT16, TEMPERATURE, scale=0.1, models=AIR),
    NibeRow(
        "eb101_compressor_status",
        1484,
        UINT8,
        CODE,
        diagnostic=True,
        models=frozenset({"s330_s332", "smos40", "vvms320_vvms325", "vvms500"}),
    ),
    NibeRow(
        "eb101_compressor_time_to_start",
        1485,
        UINT8,
        DURATION,
        scale=1 / 60,
        diagnostic=True,
        models=AIR,
    ),
    NibeRow("compressor_starts", 1489, UINT32, COUNT, counter=True, enabled=True, models=AIR),
    NibeRow("compressor_hours", 1491, UINT32, DURATION, counter=True, enabled=True, models=AIR),
    NibeRow(
        "eb101_compressor_hours_hot_water",
        1493,
        UINT32,
        DURATION,
        counter=True,
        part=HOT_WATER,
        models=AIR,
    ),
    NibeRow("eb101_alarm_number", 1495, UINT16, CODE, diagnostic=True, models=AIR),
    NibeRow("heat_pump_type", 1497, UINT8, CODE, diagnostic=True),
    NibeRow("compressor_size", 1498, UINT8, CODE, diagnostic=True),
    NibeRow(
        "eb100_compressor_time_to_start",
        1530,
        UINT8,
        DURATION,
        scale=1 / 60,
        diagnostic=True,
        models=INTERNAL | frozenset({"smos40"}),
    ),
    NibeRow(
        "eb100_compressor_starts",
        1534,
        UINT32,
        COUNT,
        counter=True,
        models=INTERNAL | frozenset({"smos40"}),
    ),
    NibeRow(
        "compressor_hours", 1536, UINT32, DURATION, counter=True, enabled=True, models=INTERNAL
    ),
    NibeRow(
        "eb100_compressor_hours", 1536, UINT32, DURATION, counter=True, models=frozenset({"smos40"})
    ),
    NibeRow(
        "eb100_compressor_hours_hot_water",
        1538,
        UINT32,
        DURATION,
        counter=True,
        part=HOT_WATER,
        models=INTERNAL | frozenset({"smos40"}),
    ),
    NibeRow(
        "dhw_energy", 1575, UINT32, ENERGY, scale=0.1, counter=True, part=HOT_WATER, enabled=True
    ),
    NibeRow(
        "heating_energy",
        1577,
        UINT32,
        ENERGY,
        scale=0.1,
        counter=True,
        enabled=True,
        models=EVERY - {"smos40"},
    ),
    NibeRow(
        "cooling_energy",
        1579,
        UINT32,
        ENERGY,
        scale=0.1,
        counter=True,
        models=frozenset({"s2125", "s320_s325", "smos40", "vvms320_vvms325"}),
    ),
    NibeRow(
        "heat_pool_compressor",
        1581,
        UINT32,
        ENERGY,
        scale=0.1,
        counter=True,
        models=frozenset({"s1156_s1256", "s320_s325"}),
    ),
    NibeRow(
        "heat_hot_water_compressor", 1583, UINT32, ENERGY, scale=0.1, counter=True, part=HOT_WATER
    ),
    NibeRow("heat_heating_compressor", 1585, UINT32, ENERGY, scale=0.1, counter=True),
    NibeRow(
        "source_inlet_temperature", 1621, INT16, TEMPERATURE, scale=0.1, enabled=True, models=AIR
    ),
    NibeRow("eb101_evaporator_temperature", 1622, INT16, TEMPERATURE, scale=0.1, models=AIR),
    NibeRow("low_pressure", 1802, INT16, PRESSURE, scale=0.1, models=AIR),
    NibeRow("compressor_frequency", 1803, INT16, FREQUENCY, scale=0.1, enabled=True, models=AIR),
    NibeRow("eb101_protection_mode", 1804, UINT16, CODE, diagnostic=True, models=AIR),
    NibeRow("eb101_defrosting", 1805, UINT8, STATE, options={0: "off", 1: "active", 2: "passive"}),
    NibeRow("eb101_requested_compressor_frequency", 1854, UINT8, FREQUENCY, models=AIR),
    NibeRow(
        "sg_ready_state",
        1911,
        UINT8,
        STATE,
        options={10: "normal_price", 20: "high_price", 30: "low_price", 40: "free_electricity"},
        enabled=True,
        models=EVERY - {"vvms500"},
    ),
    NibeRow("sg_ready_input_a", 1912, UINT8, CODE, diagnostic=True),
    NibeRow("sg_ready_input_b", 1913, UINT8, CODE, diagnostic=True),
    NibeRow("fault_code", 1975, INT16, CODE, enabled=True),
    NibeRow(
        "hot_water_start_temperature",
        2014,
        INT16,
        TEMPERATURE,
        scale=0.1,
        part=HOT_WATER,
        models=EVERY - {"s330_s332", "smos40"},
    ),
    NibeRow("condensation_temperature", 2126, INT16, TEMPERATURE, scale=0.1, models=INTERNAL),
    NibeRow("evaporation_temperature", 2127, INT16, TEMPERATURE, scale=0.1, models=INTERNAL),
    NibeRow("instantaneous_used_power", 2166, UINT32, POWER, models=INTERNAL),
    NibeRow("external_meter_power", 2176, UINT32, POWER),
    NibeRow("pv_total_average_power", 2178, UINT32, POWER, scale=10),
    NibeRow("external_meter_energy", 2180, INT32, ENERGY, scale=0.1, counter=True),
    NibeRow("class_1_alarm", 2195, UINT8, FLAG),
    NibeRow("diverter_valve_hot_water", 2196, UINT8, FLAG, part=HOT_WATER),
    NibeRow("hour_produced_heating", 2283, UINT32, ENERGY, scale=0.01),
    NibeRow("hour_produced_hot_water", 2285, UINT32, ENERGY, scale=0.01, part=HOT_WATER),
    NibeRow(
        "hour_produced_cooling",
        2289,
        UINT32,
        ENERGY,
        scale=0.01,
        models=GROUND | frozenset({"s2125", "s320_s325", "smos40", "vvms320_vvms325"}),
    ),
    NibeRow("hour_used_heating", 2291, UINT32, ENERGY, scale=0.01),
    NibeRow("hour_used_hot_water", 2293, UINT32, ENERGY, scale=0.01, part=HOT_WATER),
    NibeRow(
        "hour_used_cooling",
        2297,
        UINT32,
        ENERGY,
        scale=0.01,
        models=GROUND | frozenset({"s2125", "s320_s325", "smos40", "vvms320_vvms325"}),
    ),
    NibeRow("hour_used_additional_heating", 2299, UINT32, ENERGY, scale=0.01),
    NibeRow("hour_used_additional_hot_water", 2301, UINT32, ENERGY, scale=0.01, part=HOT_WATER),
    NibeRow("electrical_power", 2305, UINT32, POWER, scale=10, enabled=True),
    NibeRow("low_pressure", 2308, INT16, PRESSURE, scale=0.01, models=INTERNAL),
    NibeRow("current_power_consumption_components", 2408, UINT32, POWER, scale=10),
    NibeRow("current_power", 2727, UINT32, POWER, scale=10),
    NibeRow("thermal_energy", 3821, UINT32, ENERGY, scale=0.1, counter=True, enabled=True),
    NibeRow("electrical_energy", 3823, UINT32, ENERGY, scale=0.1, counter=True, enabled=True),
)

HOLDING_ROWS: Final[tuple[NibeRow, ...]] = (
    NibeRow(
        "degree_minutes",
        11,
        INT32,
        FACTOR,
        scale=0.1,
        holding=True,
        wear=VOLATILE,
        bounds=(-3000, 3000, 0.1),
        enabled=True,
    ),
    NibeRow("holiday_function", 19, INT8, CODE, holding=True, tier=SETTING),
    NibeRow(
        "cooling_degree_minutes",
        20,
        INT16,
        FACTOR,
        scale=0.1,
        holding=True,
        wear=VOLATILE,
        tier=SETTING,
        bounds=(-3000, 3000, 0.1),
        models=EVERY - {"s735"},
    ),
    NibeRow(
        "reset_alarm", 22, UINT8, FLAG, holding=True, wear=VOLATILE, tier=SETTING, readable=False
    ),
    NibeRow(
        "hot_water_demand_mode",
        56,
        INT8,
        STATE,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        options={0: "small", 1: "medium", 2: "large", 4: "smart_control"},
        part=HOT_WATER,
        enabled=True,
    ),
    NibeRow(
        "hot_water_start_high",
        58,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(5, 70, 0.1),
        part=HOT_WATER,
    ),
    NibeRow(
        "hot_water_start_normal",
        59,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(5, 70, 0.1),
        limits={
            "s1155_s1255": (5, 60),
            "s1156_s1256": (5, 60),
            "s735": (5, 60),
            "smos40": (5, 60),
            "vvms500": (5, 55),
        },
        part=HOT_WATER,
    ),
    NibeRow(
        "hot_water_start_low",
        60,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(5, 70, 0.1),
        limits={
            "s1155_s1255": (5, 55),
            "s1156_s1256": (5, 55),
            "s735": (5, 55),
            "smos40": (5, 55),
            "vvms500": (5, 55),
        },
        part=HOT_WATER,
    ),
    NibeRow(
        "hot_water_stop_periodic",
        61,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(55, 70, 0.1),
        part=HOT_WATER,
        models=EVERY - {"s330_s332", "vvms500"},
    ),
    NibeRow(
        "hot_water_stop_high",
        62,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(5, 70, 0.1),
        part=HOT_WATER,
    ),
    NibeRow(
        "hot_water_stop_normal",
        63,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(5, 70, 0.1),
        limits={
            "s1155_s1255": (5, 65),
            "s1156_s1256": (5, 65),
            "s735": (5, 65),
            "smos40": (5, 65),
            "vvms500": (5, 60),
        },
        part=HOT_WATER,
    ),
    NibeRow(
        "hot_water_stop_low",
        64,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(5, 70, 0.1),
        limits={
            "s1155_s1255": (5, 60),
            "s1156_s1256": (5, 60),
            "s735": (5, 60),
            "smos40": (5, 60),
            "vvms500": (5, 60),
        },
        part=HOT_WATER,
    ),
    NibeRow(
        "periodic_hot_water",
        65,
        INT8,
        FLAG,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        part=HOT_WATER,
        models=EVERY - {"s330_s332", "vvms500"},
    ),
    NibeRow(
        "periodic_hot_water_interval",
        66,
        INT8,
        DURATION,
        scale=24,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(24, 2160, 24),
        part=HOT_WATER,
        models=EVERY - {"s330_s332", "vvms500"},
    ),
    NibeRow(
        "heating_medium_pump_mode",
        95,
        UINT8,
        STATE,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        options={10: "intermittent", 20: "continuous", 30: "economy", 40: "auto"},
    ),
    NibeRow(
        "degree_minutes_start_heating",
        97,
        INT16,
        FACTOR,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(-1000, -30, 1),
        models=GROUND | frozenset({"s2125", "s330_s332", "smos40"}),
    ),
    NibeRow(
        "max_internal_additional_heat",
        102,
        INT16,
        POWER,
        scale=10,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(0, 45000, 10),
        models=EVERY - {"smos40"},
    ),
    NibeRow("fuse_size", 103, UINT16, CURRENT, holding=True, tier=SETTING, diagnostic=True),
    NibeRow(
        "ventilation_mode",
        104,
        UINT8,
        STATE,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        options={0: "normal", 1: "speed_1", 2: "speed_2", 3: "speed_3", 4: "speed_4"},
        models=INTERNAL | frozenset({"s320_s325", "smos40"}),
    ),
    NibeRow("cooling_with_room_sensor", 170, UINT8, CODE, holding=True, tier=SETTING),
    NibeRow("permit_additional_heat", 180, UINT8, FLAG, holding=True, wear=EEPROM, tier=SETTING),
    NibeRow("permit_heating", 181, UINT8, FLAG, holding=True, wear=EEPROM, tier=SETTING),
    NibeRow("permit_cooling", 182, UINT8, FLAG, holding=True, wear=EEPROM, tier=SETTING),
    NibeRow(
        "auto_cooling_start_temperature",
        183,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(-20, 40, 0.1),
        limits={"s2125": (15, 40), "s320_s325": (15, 40)},
        models=EXHAUST | frozenset({"s1155_s1255", "s2125", "s320_s325"}),
    ),
    NibeRow(
        "auto_heating_stop_temperature",
        184,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(-20, 40, 0.1),
    ),
    NibeRow(
        "auto_additional_heat_stop_temperature",
        185,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(-25, 40, 0.1),
    ),
    NibeRow(
        "auto_filter_time",
        186,
        UINT8,
        DURATION,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(0, 48, 1),
    ),
    NibeRow(
        "more_hot_water_minutes", 225, UINT16, COUNT, holding=True, tier=SETTING, part=HOT_WATER
    ),
    NibeRow(
        "system_mode",
        237,
        UINT8,
        STATE,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        options={0: "automatic", 1: "manual", 2: "additional_heat_only"},
        enabled=True,
    ),
    NibeRow("more_hot_water", 697, INT8, CODE, holding=True, tier=SETTING, part=HOT_WATER),
    NibeRow("sg_ready_affects_heating", 760, UINT8, FLAG, holding=True, wear=EEPROM, tier=SETTING),
    NibeRow(
        "sg_ready_affects_cooling",
        761,
        UINT8,
        FLAG,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        models=GROUND | frozenset({"smos40"}),
    ),
    NibeRow(
        "sg_ready_affects_hot_water",
        762,
        UINT8,
        FLAG,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        part=HOT_WATER,
        models=GROUND | frozenset({"smos40"}),
    ),
    NibeRow(
        "smart_price_adaption_active", 843, UINT8, FLAG, holding=True, wear=EEPROM, tier=SETTING
    ),
    NibeRow("pv_affects_heating", 1069, UINT8, FLAG, holding=True, wear=EEPROM, tier=SETTING),
    NibeRow(
        "pv_affects_hot_water",
        1070,
        UINT8,
        FLAG,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        part=HOT_WATER,
    ),
    NibeRow("pv_modbus_enabled", 2107, UINT8, FLAG, holding=True, wear=EEPROM, tier=SETTING),
    NibeRow(
        "pv_include_own_consumption", 2108, UINT8, FLAG, holding=True, wear=EEPROM, tier=SETTING
    ),
    NibeRow(
        "pv_surplus",
        2109,
        UINT16,
        POWER,
        holding=True,
        wear=CYCLIC,
        tier=SETTING,
        bounds=(0, 65534, 1),
        default=0,
    ),
    NibeRow(
        "pv_heating_offset",
        2668,
        UINT8,
        FACTOR,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(0, 10, 1),
    ),
    NibeRow(
        "aux_modbus_select",
        2740,
        UINT8,
        COUNT,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(0, 69, 1),
        limits={
            "s1155_s1255": (0, 67),
            "s1156_s1256": (0, 68),
            "s2125": (0, 68),
            "s320_s325": (0, 67),
            "s330_s332": (0, 68),
        },
    ),
    NibeRow(
        "aux_modbus_value",
        2741,
        INT16,
        COUNT,
        holding=True,
        wear=CYCLIC,
        tier=SETTING,
        bounds=(-32767, 32767, 1),
        models=EVERY - {"vvms320_vvms325"},
    ),
    NibeRow(
        "sg_ready_via_modbus",
        3032,
        UINT8,
        FLAG,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        models=INTERNAL | frozenset({"smos40", "vvms320_vvms325", "vvms500"}),
    ),
    NibeRow(
        "modbus_external_control",
        5008,
        UINT8,
        FLAG,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        models=EVERY - {"s320_s325"},
    ),
    NibeRow(
        "external_bt1_enabled",
        5208,
        UINT8,
        FLAG,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        models=frozenset({"s1156_s1256", "smos40"}),
    ),
    NibeRow(
        "external_bt25_enabled",
        5209,
        UINT8,
        FLAG,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        models=frozenset({"s1156_s1256", "smos40"}),
    ),
    NibeRow(
        "external_bt71_enabled",
        5210,
        UINT8,
        FLAG,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        models=frozenset({"s1156_s1256", "smos40", "vvms500"}),
    ),
    NibeRow(
        "external_bt5_enabled",
        5211,
        UINT8,
        FLAG,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        models=frozenset({"s1156_s1256", "smos40"}),
    ),
    NibeRow(
        "external_bt6_enabled",
        5212,
        UINT8,
        FLAG,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        models=frozenset({"s1156_s1256", "smos40"}),
    ),
    NibeRow(
        "external_bt7_enabled",
        5213,
        UINT8,
        FLAG,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        models=frozenset({"s1156_s1256", "smos40"}),
    ),
    NibeRow(
        "external_bt52_enabled",
        5216,
        UINT8,
        FLAG,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        models=EXHAUST | frozenset({"s1156_s1256", "smos40", "vvms320_vvms325", "vvms500"}),
    ),
    NibeRow(
        "external_bt1_value",
        5217,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=CYCLIC,
        tier=SETTING,
        bounds=(-40, 50, 0.1),
        models=GROUND | frozenset({"smos40"}),
    ),
    NibeRow(
        "external_bt25_value",
        5218,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=CYCLIC,
        tier=SETTING,
        bounds=(0, 100, 0.1),
        models=GROUND | frozenset({"smos40"}),
    ),
    NibeRow(
        "external_bt71_value",
        5219,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=CYCLIC,
        tier=SETTING,
        bounds=(0, 100, 0.1),
        models=GROUND | frozenset({"smos40", "vvms320_vvms325", "vvms500"}),
    ),
    NibeRow(
        "external_bt5_value",
        5220,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=CYCLIC,
        tier=SETTING,
        bounds=(0, 100, 0.1),
        models=GROUND | frozenset({"smos40"}),
    ),
    NibeRow(
        "external_bt6_value",
        5221,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=CYCLIC,
        tier=SETTING,
        bounds=(0, 100, 0.1),
        models=GROUND | frozenset({"smos40"}),
    ),
    NibeRow(
        "external_bt7_value",
        5222,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=CYCLIC,
        tier=SETTING,
        bounds=(0, 100, 0.1),
        models=GROUND | frozenset({"smos40"}),
    ),
    NibeRow(
        "external_bt52_value",
        5225,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=CYCLIC,
        tier=SETTING,
        bounds=(0, 100, 0.1),
        models=INTERNAL | frozenset({"smos40", "vvms320_vvms325", "vvms500"}),
    ),
    NibeRow(
        "away_mode",
        5390,
        UINT8,
        CODE,
        holding=True,
        tier=SETTING,
        models=EXHAUST | frozenset({"s1156_s1256", "smos40", "vvms320_vvms325", "vvms500"}),
    ),
    NibeRow(
        "pv_production",
        5984,
        UINT16,
        POWER,
        scale=1000,
        holding=True,
        wear=CYCLIC,
        tier=SETTING,
        bounds=(0, 200000, 1000),
        default=0,
        models=EXHAUST | frozenset({"smos40", "vvms320_vvms325"}),
    ),
    NibeRow(
        "external_bt50_enabled",
        5986,
        UINT8,
        FLAG,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        models=frozenset({"s1156_s1256", "smos40"}),
    ),
    NibeRow(
        "external_bt50_value",
        5987,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=CYCLIC,
        tier=SETTING,
        bounds=(5, 35, 0.1),
        models=frozenset({"s1156_s1256", "smos40"}),
    ),
    NibeRow(
        "power_limit",
        6007,
        UINT16,
        POWER,
        scale=100,
        holding=True,
        wear=CYCLIC,
        tier=SETTING,
        bounds=(1100, 100000, 100),
        models=frozenset({"smos40"}),
    ),
    NibeRow(
        "smart_grid_mode",
        6008,
        UINT8,
        STATE,
        holding=True,
        wear=CYCLIC,
        tier=SETTING,
        options=SMART_GRID_MODES,
        default="normal",
        models=frozenset({"s1156_s1256", "smos40"}),
    ),
    NibeRow(
        "power_limit_active",
        6012,
        UINT8,
        FLAG,
        holding=True,
        wear=CYCLIC,
        tier=SETTING,
        default=False,
        models=EXHAUST | frozenset({"smos40"}),
    ),
)

SYSTEM_ROWS: Final[tuple[NibeRow, ...]] = (
    NibeRow("flow_temperature", 4, INT16, TEMPERATURE, scale=0.1, enabled=True, systems=(2, 4)),
    NibeRow(
        "flow_temperature",
        5,
        INT16,
        TEMPERATURE,
        scale=0.1,
        enabled=True,
        models=EVERY - {"smos40"},
        systems=(1, 1),
    ),
    NibeRow(
        "room_temperature",
        26,
        INT16,
        TEMPERATURE,
        scale=0.1,
        enabled=True,
        models=EVERY - {"s735", "vvms500"},
        systems=(1, 4),
    ),
    NibeRow("return_temperature", 77, INT16, TEMPERATURE, scale=0.1, systems=(2, 4)),
    NibeRow("room_temperature_average", 116, INT16, TEMPERATURE, scale=0.1, systems=(1, 8)),
    NibeRow(
        "flow_temperature_setpoint",
        1017,
        INT16,
        TEMPERATURE,
        scale=0.1,
        enabled=True,
        systems=(1, 1),
    ),
    NibeRow("shunt_status", 1033, UINT8, CODE, diagnostic=True, systems=(1, 4)),
    NibeRow(
        "cooling_flow_temperature_setpoint",
        1567,
        INT16,
        TEMPERATURE,
        scale=0.1,
        models=GROUND | frozenset({"s2125", "s320_s325", "smos40", "vvms320_vvms325"}),
        systems=(1, 1),
    ),
    NibeRow(
        "heating_curve_slope",
        26,
        INT8,
        FACTOR,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(0, 15, 1),
        systems=(1, 3),
    ),
    NibeRow(
        "heating_curve_shift",
        30,
        INT8,
        FACTOR,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(-10, 10, 1),
        enabled=True,
        models=EVERY - {"vvms320_vvms325"},
        systems=(1, 3),
    ),
    NibeRow(
        "min_supply_temperature",
        34,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(5, 80, 0.1),
        limits={"s735": (20, 80)},
        systems=(1, 3),
    ),
    NibeRow(
        "max_supply_temperature",
        38,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(5, 80, 0.1),
        limits={"s735": (20, 80)},
        systems=(1, 3),
    ),
    NibeRow(
        "external_adjustment",
        51,
        INT8,
        FACTOR,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(-10, 10, 1),
        systems=(1, 3),
    ),
    NibeRow(
        "use_room_sensor", 202, UINT8, FLAG, holding=True, wear=EEPROM, tier=SETTING, systems=(1, 4)
    ),
    NibeRow(
        "room_temperature_setpoint",
        206,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(5, 30, 0.1),
        enabled=True,
        systems=(1, 4),
    ),
    NibeRow(
        "room_sensor_factor",
        210,
        UINT8,
        FACTOR,
        scale=0.1,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(0, 6, 0.1),
        systems=(1, 4),
    ),
    NibeRow(
        "min_supply_cooling",
        720,
        INT8,
        TEMPERATURE,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(-5, 30, 1),
        limits={"s2125": (18, 30), "s320_s325": (18, 30), "vvms320_vvms325": (18, 30)},
        models=GROUND | frozenset({"s2125", "s320_s325", "smos40", "vvms320_vvms325"}),
        systems=(1, 1),
    ),
    NibeRow(
        "cooling_curve",
        967,
        INT8,
        FACTOR,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(0, 9, 1),
        models=GROUND | frozenset({"s2125", "s320_s325", "smos40", "vvms320_vvms325"}),
        systems=(1, 1),
    ),
    NibeRow(
        "cooling_offset",
        975,
        INT8,
        FACTOR,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(-10, 10, 1),
        models=GROUND | frozenset({"s2125", "s320_s325", "smos40"}),
        systems=(1, 1),
    ),
    NibeRow(
        "room_setpoint_cooling",
        988,
        INT16,
        TEMPERATURE,
        scale=0.1,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(5, 35, 0.1),
        models=EVERY - {"s735"},
        systems=(1, 8),
    ),
)


_UNITS: Final[Mapping[str, tuple[Quantity, float]]] = MappingProxyType(
    {
        "°C": (TEMPERATURE, 1.0),
        "K": (Quantity.TEMPERATURE_DIFFERENCE, 1.0),
        "bar": (PRESSURE, 1.0),
        "Hz": (FREQUENCY, 1.0),
        "rpm": (Quantity.ROTATION, 1.0),
        "%": (RATIO, 1.0),
        "%RH": (Quantity.HUMIDITY, 1.0),
        "l/m": (FLOW_RATE, 1.0),
        "l/min": (FLOW_RATE, 1.0),
        "W": (POWER, 1.0),
        "kW": (POWER, 1000.0),
        "Wh": (ENERGY, 0.001),
        "kWh": (ENERGY, 1.0),
        "MWh": (ENERGY, 1000.0),
        "V": (Quantity.VOLTAGE, 1.0),
        "A": (CURRENT, 1.0),
        "s": (DURATION, 1 / 3600),
        "min": (DURATION, 1 / 60),
        "h": (DURATION, 1.0),
        "days": (DURATION, 24.0),
    }
)
"""Units of the exported lists: quantity, and the factor to the unit it has here."""


def registers(layout: Layout) -> Iterator[Register]:
    """Return every register that a machine of this layout has.

    With an imported list: exactly what is on it, save :data:`.nibe_map.FORBIDDEN`. Else
    what all models have that it may be, and of the rest what answered (:data:`PROBED`).
    """
    fitted = layout.features & EVERY or EVERY
    imported = entries(layout.features)
    found = (
        _listed(imported, layout, fitted)
        if imported
        else (
            register
            for register, certain in known(layout)
            if certain or PROBED not in layout.features or register.point.key in layout.features
        )
    )
    for register in found:
        if FORBIDDEN.isdisjoint(range(register.address, register.end + 1)):
            yield register


def known(layout: Layout) -> Iterator[tuple[Register, bool]]:
    """Return what the models of a layout have, and whether all of them have it."""
    fitted = layout.features & EVERY or EVERY
    taken: set[str] = set()
    for row, system in _rows(layout):
        register = _register(row.for_models(fitted), system)
        if row.models & fitted and register.point.key not in taken:
            taken.add(register.point.key)
            yield register, fitted <= row.models


def _rows(layout: Layout) -> Iterator[tuple[NibeRow, int]]:
    """Return every row with the climate system it stands for, 0: the machine."""
    yield from ((row, 0) for row in (*INPUT_ROWS, *HOLDING_ROWS))
    for circuit in layout.circuits:
        system = SYSTEMS.index(circuit) + 1
        for row in SYSTEM_ROWS:
            first, last = row.systems or (0, 0)
            if first <= system <= last:
                yield row, system


def _register(row: NibeRow, system: int) -> Register:
    if not system or row.systems is None:
        return row.register(SENTINELS)
    return row.register(
        SENTINELS,
        address=row.address - (system - row.systems[0]),
        part=Part(PartKind.CIRCUIT, SYSTEMS[system - 1]),
    )


def _listed(
    imported: Iterable[Entry], layout: Layout, fitted: frozenset[str]
) -> Iterator[Register]:
    """Return one register a line of the list; the table's meaning where it knows the line."""
    rows: dict[int, tuple[NibeRow, int]] = {}
    for row, system in _rows(layout):
        place = _register(row, system).place
        if place not in rows or row.models & fitted:
            rows[place] = row.for_models(fitted), system
    taken: set[str] = set()
    for entry in imported:
        register = None
        if (found := rows.get(entry.address + (HOLDINGS if entry.holding else 0))) is not None:
            register = _as_listed(*found, entry)
        if register is None or register.point.key in taken:
            register = _unknown(entry)
        taken.add(register.point.key)
        yield register


def _as_listed(row: NibeRow, system: int, entry: Entry) -> Register | None:
    """Return a known row as the list describes it; ``None`` if that is another value."""
    quantity, factor = _UNITS.get(entry.unit, (None, 1.0))
    if quantity is None:
        changed = replace(row, codec=entry.codec)
    elif quantity is row.quantity:
        changed = replace(row, codec=entry.codec, scale=factor / entry.factor)
    else:
        return None
    if row.bounds is not None and entry.minimum < entry.maximum:
        low, high = entry.minimum * changed.scale, entry.maximum * changed.scale
        changed = replace(changed, bounds=(round(low, 6), round(high, 6), row.bounds[2]))
    return _register(changed, system)


def _unknown(entry: Entry) -> Register:
    """Return a line that only the list knows: read seldom, disabled, named by its title."""
    quantity, factor = _UNITS.get(entry.unit, (None, 1.0))
    if quantity is None:
        quantity = FACTOR if entry.factor != 1 else COUNT
    scale = factor / entry.factor
    wear = bounds = None
    if entry.holding and entry.minimum < entry.maximum:
        wear = Wear.UNKNOWN
        bounds = (round(entry.minimum * scale, 6), round(entry.maximum * scale, 6), scale)
    kind = "holding" if entry.holding else "input"
    row = NibeRow(
        f"{kind}_{entry.address}",
        entry.address,
        entry.codec,
        quantity,
        scale=scale,
        holding=entry.holding,
        wear=wear,
        tier=SETTING,
        bounds=bounds,
        diagnostic=True,
    )
    return row.register(
        SENTINELS,
        name=LISTED[entry.holding],
        placeholders={"title": entry.title, "address": str(entry.address)},
    )
