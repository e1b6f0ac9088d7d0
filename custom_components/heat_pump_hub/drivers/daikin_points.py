"""The register map of the Daikin Home Hub (EKRHH) for Altherma 3, sorted by address.

Source: Daikin document 4P744838-1D (register table daikin_home_hub). The document counts
from 1; addresses here are those of the wire, one less. Temperatures and power are
hundredths, setpoints whole degrees; 32766 (and 32767) means "not available".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from .driver import Layout
from .modbus import HOLDINGS, Codec, Register
from .points import HOT_WATER, Quantity, Tier, Wear
from .table import SMART_GRID_MODES, Row

INT16, TEXT = Codec.INT16, Codec.TEXT
CODE, FLAG, FLOW_RATE, POWER = Quantity.CODE, Quantity.FLAG, Quantity.FLOW_RATE, Quantity.POWER
STATE, TEMPERATURE = Quantity.STATE, Quantity.TEMPERATURE
TEMPERATURE_DIFFERENCE = Quantity.TEMPERATURE_DIFFERENCE
CYCLIC, EEPROM = Wear.CYCLIC, Wear.EEPROM
SETTING = Tier.SETTING

AIR_TO_AIR: Final = "air_to_air"
"""Use case 4 of the hub: nothing but two registers, and those in no other use case."""
ROOM_LIMITS: Final = "room_limits"
"""Not in the document of the hub; some other controller answers them."""

SENTINELS: Final[Mapping[Codec, frozenset[float]]] = MappingProxyType(
    {codec: frozenset({0x7FFE, 0x7FFF}) for codec in (INT16, TEXT)}
)

_SMART_GRID: Final[Mapping[int, str]] = MappingProxyType(
    {0: "normal", 1: "locked", 2: "recommended", 3: "forced"}
)
"""In the document: free running, forced off, recommended on, forced on."""


@dataclass(frozen=True, slots=True)
class DaikinRow(Row):
    """One line of the map."""

    feature: str = ""
    """Only on hubs that have this block."""


INPUT_ROWS: Final[tuple[DaikinRow, ...]] = (
    DaikinRow(
        "unit_error", 20, INT16, STATE, options={0: "none", 1: "fault", 2: "warning"}, enabled=True
    ),
    DaikinRow("unit_error_code", 21, TEXT, CODE, enabled=True),
    DaikinRow("unit_error_sub_code", 22, INT16, CODE, diagnostic=True, enabled=True),
    DaikinRow("circulation_pump_running", 29, INT16, FLAG, enabled=True),
    DaikinRow("compressor_running", 30, INT16, FLAG, enabled=True),
    DaikinRow("backup_heater_running", 31, INT16, FLAG, enabled=True),
    DaikinRow("disinfection_running", 32, INT16, FLAG, part=HOT_WATER),
    DaikinRow("defrost_startup", 34, INT16, FLAG, enabled=True),
    DaikinRow("hot_start", 35, INT16, FLAG, diagnostic=True),
    DaikinRow(
        "three_way_valve", 36, INT16, STATE, options={0: "space_heating", 1: "dhw"}, enabled=True
    ),
    DaikinRow("operation_mode_actual", 37, INT16, STATE, options={1: "heating", 2: "cooling"}),
    DaikinRow("flow_temperature", 39, INT16, TEMPERATURE, scale=0.01, enabled=True),
    DaikinRow("leaving_water_temperature_buh", 40, INT16, TEMPERATURE, scale=0.01, enabled=True),
    DaikinRow("return_temperature", 41, INT16, TEMPERATURE, scale=0.01, enabled=True),
    DaikinRow("dhw_temperature", 42, INT16, TEMPERATURE, scale=0.01, part=HOT_WATER, enabled=True),
    DaikinRow("outdoor_temperature", 43, INT16, TEMPERATURE, scale=0.01, enabled=True),
    DaikinRow("liquid_refrigerant_temperature", 44, INT16, TEMPERATURE, scale=0.01),
    DaikinRow("flow_rate", 48, INT16, FLOW_RATE, scale=0.01, enabled=True),
    DaikinRow("room_temperature", 49, INT16, TEMPERATURE, scale=0.01, enabled=True),
    DaikinRow("electrical_power", 50, INT16, POWER, scale=10, enabled=True),
    DaikinRow("dhw_normal_operation", 51, INT16, FLAG, part=HOT_WATER),
    DaikinRow("space_normal_operation", 52, INT16, FLAG),
    DaikinRow("main_heating_setpoint_min", 53, INT16, TEMPERATURE, scale=0.01, diagnostic=True),
    DaikinRow("main_heating_setpoint_max", 54, INT16, TEMPERATURE, scale=0.01, diagnostic=True),
    DaikinRow("main_cooling_setpoint_min", 55, INT16, TEMPERATURE, scale=0.01, diagnostic=True),
    DaikinRow("main_cooling_setpoint_max", 56, INT16, TEMPERATURE, scale=0.01, diagnostic=True),
    DaikinRow("add_heating_setpoint_min", 57, INT16, TEMPERATURE, scale=0.01, diagnostic=True),
    DaikinRow("add_heating_setpoint_max", 58, INT16, TEMPERATURE, scale=0.01, diagnostic=True),
    DaikinRow("add_cooling_setpoint_min", 59, INT16, TEMPERATURE, scale=0.01, diagnostic=True),
    DaikinRow("add_cooling_setpoint_max", 60, INT16, TEMPERATURE, scale=0.01, diagnostic=True),
    DaikinRow(
        "room_heating_setpoint_min",
        83,
        INT16,
        TEMPERATURE,
        scale=0.01,
        diagnostic=True,
        feature=ROOM_LIMITS,
    ),
    DaikinRow(
        "room_heating_setpoint_max",
        84,
        INT16,
        TEMPERATURE,
        scale=0.01,
        diagnostic=True,
        feature=ROOM_LIMITS,
    ),
    DaikinRow(
        "room_cooling_setpoint_min",
        85,
        INT16,
        TEMPERATURE,
        scale=0.01,
        diagnostic=True,
        feature=ROOM_LIMITS,
    ),
    DaikinRow(
        "room_cooling_setpoint_max",
        86,
        INT16,
        TEMPERATURE,
        scale=0.01,
        diagnostic=True,
        feature=ROOM_LIMITS,
    ),
)

HOLDING_ROWS: Final[tuple[DaikinRow, ...]] = (
    DaikinRow(
        "leaving_water_main_heating_setpoint",
        0,
        INT16,
        TEMPERATURE,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(12, 65, 1),
        enabled=True,
    ),
    DaikinRow(
        "leaving_water_main_cooling_setpoint",
        1,
        INT16,
        TEMPERATURE,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(5, 30, 1),
    ),
    DaikinRow(
        "operation_mode",
        2,
        INT16,
        STATE,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        options={0: "auto", 1: "heating", 2: "cooling"},
        enabled=True,
    ),
    DaikinRow(
        "space_heating_cooling_switch",
        3,
        INT16,
        FLAG,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        enabled=True,
    ),
    DaikinRow(
        "room_temperature_setpoint",
        5,
        INT16,
        TEMPERATURE,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(12, 30, 1),
        enabled=True,
    ),
    DaikinRow(
        "room_thermostat_cooling_setpoint",
        6,
        INT16,
        TEMPERATURE,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(15, 35, 1),
    ),
    DaikinRow("quiet_mode", 8, INT16, FLAG, holding=True, wear=EEPROM, tier=SETTING, enabled=True),
    DaikinRow(
        "dhw_temperature_setpoint",
        9,
        INT16,
        TEMPERATURE,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(30, 60, 1),
        part=HOT_WATER,
        enabled=True,
    ),
    DaikinRow(
        "dhw_reheat_switch",
        11,
        INT16,
        FLAG,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        part=HOT_WATER,
        enabled=True,
    ),
    DaikinRow(
        "dhw_booster_switch",
        12,
        INT16,
        FLAG,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        part=HOT_WATER,
        enabled=True,
    ),
    DaikinRow(
        "weather_dependent_mode_main",
        52,
        INT16,
        STATE,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        options={
            0: "fixed",
            1: "weather_dependent",
            2: "fixed_scheduled",
            3: "weather_dependent_scheduled",
        },
    ),
    DaikinRow(
        "weather_dependent_main_heating_offset",
        53,
        INT16,
        TEMPERATURE_DIFFERENCE,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(-10, 10, 1),
        enabled=True,
    ),
    DaikinRow(
        "weather_dependent_main_cooling_offset",
        54,
        INT16,
        TEMPERATURE_DIFFERENCE,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(-10, 10, 1),
    ),
    DaikinRow(
        "smart_grid_mode",
        55,
        INT16,
        STATE,
        holding=True,
        wear=CYCLIC,
        options=SMART_GRID_MODES,
        states=_SMART_GRID,
        default="normal",
        enabled=True,
    ),
    DaikinRow(
        "power_limit_recommended_on",
        56,
        INT16,
        POWER,
        scale=10,
        holding=True,
        wear=CYCLIC,
        bounds=(0, 20000, 100),
    ),
    DaikinRow(
        "power_limit",
        57,
        INT16,
        POWER,
        scale=10,
        holding=True,
        wear=CYCLIC,
        bounds=(0, 20000, 100),
        enabled=True,
    ),
    DaikinRow("thermostat_main_input_a", 58, INT16, FLAG, holding=True, wear=CYCLIC),
    DaikinRow("thermostat_add_input_a", 60, INT16, FLAG, holding=True, wear=CYCLIC),
    DaikinRow(
        "leaving_water_add_heating_setpoint",
        62,
        INT16,
        TEMPERATURE,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(12, 65, 1),
    ),
    DaikinRow(
        "leaving_water_add_cooling_setpoint",
        63,
        INT16,
        TEMPERATURE,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(5, 30, 1),
    ),
    DaikinRow(
        "weather_dependent_mode_add",
        64,
        INT16,
        STATE,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        options={
            0: "fixed",
            1: "weather_dependent",
            2: "fixed_scheduled",
            3: "weather_dependent_scheduled",
        },
    ),
    DaikinRow(
        "weather_dependent_add_heating_offset",
        65,
        INT16,
        TEMPERATURE_DIFFERENCE,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(-10, 10, 1),
    ),
    DaikinRow(
        "weather_dependent_add_cooling_offset",
        66,
        INT16,
        TEMPERATURE_DIFFERENCE,
        holding=True,
        wear=EEPROM,
        tier=SETTING,
        bounds=(-10, 10, 1),
    ),
    DaikinRow(
        "air_to_air_smart_grid_mode",
        1000,
        INT16,
        STATE,
        holding=True,
        wear=CYCLIC,
        options=SMART_GRID_MODES,
        states=_SMART_GRID,
        default="normal",
        enabled=True,
        feature=AIR_TO_AIR,
    ),
    DaikinRow(
        "air_to_air_demand_power_limit",
        1001,
        INT16,
        POWER,
        scale=10,
        holding=True,
        wear=CYCLIC,
        bounds=(0, 20000, 100),
        enabled=True,
        feature=AIR_TO_AIR,
    ),
)


def registers(layout: Layout) -> Iterator[Register]:
    """Return every register of a hub of this layout."""
    for row in (*INPUT_ROWS, *HOLDING_ROWS):
        if AIR_TO_AIR in layout.features:
            wanted = row.feature == AIR_TO_AIR
        else:
            wanted = not row.feature or row.feature in layout.features
        if wanted:
            yield row.register(SENTINELS)


READABLE: Final = frozenset({*range(20, 61), *range(HOLDINGS, HOLDINGS + 67)})
"""Places that may be read in passing: the hub answers the gaps between its registers."""
