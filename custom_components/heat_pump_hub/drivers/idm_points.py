"""The register map of the IDM Navigator 2.0, Pro and 10, sorted by address.

Source: IDM "Modbus TCP Navigator 2.0" and "Navigator 10" register tables. Addresses
are used on the wire as printed; floats are two registers, low word first; a UCHAR lies
in the low byte, 255 is "not set". A float of -1.0 means "not connected" where no real
value can be -1.0 (``sentinels``), else until the sensor once showed another value
(``unset``): -1.0 °C is a real outdoor or source temperature.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from .driver import Layout
from .modbus import Codec, Register
from .points import (
    HOT_WATER,
    MACHINE,
    OPERATING_MODES,
    Kind,
    Part,
    PartKind,
    Point,
    Quantity,
    Tier,
    Value,
    Wear,
)

FLOAT32, UINT8, UINT16, INT16 = Codec.FLOAT32, Codec.UINT8, Codec.UINT16, Codec.INT16
BATTERY, CODE, COUNT, ENERGY = Quantity.BATTERY, Quantity.CODE, Quantity.COUNT, Quantity.ENERGY
FACTOR, FLAG, FLOW_RATE = Quantity.FACTOR, Quantity.FLAG, Quantity.FLOW_RATE
HUMIDITY, POWER, PRICE = Quantity.HUMIDITY, Quantity.POWER, Quantity.PRICE
RATIO, STATE, TEMPERATURE = Quantity.RATIO, Quantity.STATE, Quantity.TEMPERATURE
TEMPERATURE_DIFFERENCE = Quantity.TEMPERATURE_DIFFERENCE
CYCLIC, EEPROM, VOLATILE = Wear.CYCLIC, Wear.EEPROM, Wear.VOLATILE
SETTING = Tier.SETTING

CIRCUITS: Final = "abcdefg"
ZONES: Final = 10
ZONE_STEP: Final = 65
ROOMS: Final = 8
ROOM_STEP: Final = 7
COMPRESSORS: Final = 4
BOOSTERS: Final = "ab"
BOOSTER_STEP: Final = 30

_NO_FLOAT: Final = frozenset({-1.0})
_NO_BYTE: Final = frozenset({255.0})
_NO_PUMP: Final = frozenset({-32768.0, 255.0})
_PLAIN: Final[Mapping[int, bool]] = MappingProxyType({0: False, 1: True})
_INVERTED: Final[Mapping[int, bool]] = MappingProxyType({0: True, 1: False})
_SMART_GRID: Final = MappingProxyType({0: "red", 1: "yellow", 2: "green", 4: "supergreen"})
_VARIABLE_INPUT: Final = MappingProxyType(
    {
        0: "not_configured",
        1: "external_dhw_charging",
        2: "pv_or_digital_input",
        3: "external_heat_cool_switch",
    }
)

_DECIMALS: Final[Mapping[Quantity, int]] = MappingProxyType(
    {Quantity.POWER: 0, Quantity.ENERGY: 2, Quantity.PRICE: 2, Quantity.FACTOR: 2, Quantity.CODE: 2}
)


def pump_speed(raw: float) -> Value | None:
    """Return a pump signal in %: -1 is off, 0 is the lowest speed; both are shown as 0."""
    return max(int(raw), 0) if -1 <= raw <= 100 else None


def operating_mode(raw: float) -> Value | None:
    """Return the mode of address 1090, a bit mask: heating 1, cooling 2, DHW 4, defrost 8."""
    bits = int(raw)
    if bits & ~0b1111:
        return None
    for bit, mode in ((8, "defrost"), (4, "dhw"), (2, "cooling"), (1, "heating")):
        if bits & bit:
            return mode
    return "off"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the map; repeated parts name their first element."""

    key: str
    address: int
    codec: Codec
    quantity: Quantity
    wear: Wear | None = None
    tier: Tier = Tier.MEASUREMENT
    bounds: tuple[float, float, float] | None = None
    """Minimum, maximum and step of what may be written, in the point's unit."""
    default: Value | None = None
    options: Mapping[int, str] | None = None
    not_writable: Collection[str] = ()
    sentinels: Collection[float] = ()
    unset: Collection[float] = ()
    scale: float = 1.0
    flag: Mapping[int, bool] = field(default_factory=lambda: _PLAIN)
    convert: Callable[[float], Value | None] | None = None
    part: Part = MACHINE
    feature: str = ""
    """Only on machines that answer this optional block."""
    without: str = ""
    """Only on machines that do not answer that block."""
    alone: bool = False
    readable: bool = True
    diagnostic: bool = False
    enabled: bool = False

    @property
    def kind(self) -> Kind:
        """How the value behaves."""
        if self.quantity in (Quantity.STATE, Quantity.FLAG, Quantity.CODE, Quantity.COUNT):
            return Kind.STATE
        if self.quantity is Quantity.ENERGY:
            return Kind.COUNTER
        if self.wear is not None and self.tier is Tier.SETTING:
            return Kind.SETPOINT
        return Kind.ANALOG

    def register(
        self,
        *,
        prefix: str = "",
        name: str = "",
        offset: int = 0,
        part: Part | None = None,
        placeholders: Mapping[str, str] = MappingProxyType({}),
        labels: Mapping[str, str] = MappingProxyType({}),
    ) -> Register:
        """Return the register of one element of a repeated part, or of the machine."""
        low, high, step = self.bounds or (None, None, None)
        integral = self.codec is not Codec.FLOAT32
        point = Point(
            key=f"{prefix}{self.key}",
            name=f"{name}{self.key}",
            quantity=self.quantity,
            kind=self.kind,
            part=part or self.part,
            tier=self.tier,
            wear=self.wear,
            readable=self.readable,
            options=self.options,
            writable_options=(
                frozenset(self.options.values()) - frozenset(self.not_writable)
                if self.options and self.wear
                else None
            ),
            minimum=low,
            maximum=high,
            step=step,
            decimals=0 if integral else _DECIMALS.get(self.quantity, 1),
            default=self.default,
            diagnostic=self.diagnostic,
            enabled=self.enabled,
            placeholders=placeholders,
            labels=labels,
        )
        return Register(
            point=point,
            address=self.address + offset,
            codec=self.codec,
            table="holding" if self.wear else "input",
            scale=self.scale,
            sentinels=frozenset(self.sentinels) or self._no_value(),
            unset=frozenset(self.unset),
            flag=self.flag,
            convert=self.convert,
            alone=self.alone,
        )

    def _no_value(self) -> frozenset[float]:
        if self.convert is pump_speed:
            return _NO_PUMP
        if self.codec is Codec.UINT8:
            return _NO_BYTE
        if self.codec is Codec.FLOAT32 and self.quantity is not TEMPERATURE and not self.unset:
            return _NO_FLOAT
        return frozenset()


MACHINE_ROWS: Final[tuple[Row, ...]] = (
    Row(
        "pv_surplus",
        74,
        FLOAT32,
        POWER,
        unset={-1},
        wear=CYCLIC,
        bounds=(-50000, 50000, 100),
        default=0,
        scale=1000,
    ),
    Row(
        "electric_heater_power", 76, FLOAT32, POWER, wear=CYCLIC, bounds=(0, 50000, 100), scale=1000
    ),
    Row("pv_production", 78, FLOAT32, POWER, wear=CYCLIC, bounds=(0, 100000, 100), scale=1000),
    Row(
        "house_consumption",
        82,
        FLOAT32,
        POWER,
        wear=CYCLIC,
        bounds=(0, 100000, 100),
        default=0,
        scale=1000,
    ),
    Row(
        "battery_power",
        84,
        FLOAT32,
        POWER,
        unset={-1},
        wear=CYCLIC,
        bounds=(-50000, 50000, 100),
        default=0,
        scale=1000,
    ),
    Row(
        "battery_soc",
        86,
        INT16,
        BATTERY,
        wear=CYCLIC,
        sentinels={-1},
        bounds=(0, 100, 1),
        default=-1,
    ),
    Row(
        "pv_target_value",
        88,
        FLOAT32,
        POWER,
        unset={-1},
        wear=CYCLIC,
        bounds=(-50000, 50000, 100),
        feature="pv_target",
        scale=1000,
    ),
    Row(
        "smart_grid_status",
        90,
        UINT8,
        STATE,
        options=_SMART_GRID,
        feature="smart_grid",
        enabled=True,
    ),
    Row("outdoor_temperature", 1000, FLOAT32, TEMPERATURE, enabled=True),
    Row("outdoor_temperature_average", 1002, FLOAT32, TEMPERATURE, enabled=True),
    Row("fault_code", 1004, UINT16, CODE, sentinels={65535}, enabled=True),
    Row(
        "system_mode",
        1005,
        UINT8,
        STATE,
        wear=EEPROM,
        tier=SETTING,
        options={
            0: "standby",
            1: "automatic",
            2: "away",
            3: "holiday",
            4: "hot_water_only",
            5: "heating_cooling_only",
        },
        not_writable={"holiday"},
        enabled=True,
    ),
    Row(
        "smart_grid_status",
        1006,
        UINT8,
        STATE,
        options=_SMART_GRID,
        without="smart_grid",
        enabled=True,
    ),
    Row("variable_input", 1006, UINT8, STATE, options=_VARIABLE_INPUT, feature="smart_grid"),
    Row("buffer_temperature", 1008, FLOAT32, TEMPERATURE, sentinels={-1}, enabled=True),
    Row("cold_storage_temperature", 1010, FLOAT32, TEMPERATURE, unset={-1}),
    Row(
        "dhw_temperature_bottom",
        1012,
        FLOAT32,
        TEMPERATURE,
        sentinels={-1},
        enabled=True,
        part=HOT_WATER,
    ),
    Row(
        "dhw_temperature", 1014, FLOAT32, TEMPERATURE, sentinels={-1}, enabled=True, part=HOT_WATER
    ),
    Row("dhw_tap_temperature", 1030, FLOAT32, TEMPERATURE, sentinels={-1}, part=HOT_WATER),
    Row(
        "dhw_temperature_setpoint",
        1032,
        UINT8,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        bounds=(35, 95, 1),
        enabled=True,
        part=HOT_WATER,
    ),
    Row(
        "dhw_charge_on_temperature",
        1033,
        UINT8,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        bounds=(30, 50, 1),
        part=HOT_WATER,
    ),
    Row(
        "dhw_charge_off_temperature",
        1034,
        UINT8,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        bounds=(46, 53, 1),
        part=HOT_WATER,
    ),
    Row("electricity_price", 1048, FLOAT32, PRICE),
    Row("flow_temperature", 1050, FLOAT32, TEMPERATURE, unset={-1}, enabled=True),
    Row("return_temperature", 1052, FLOAT32, TEMPERATURE, unset={-1}, enabled=True),
    Row("hgl_flow_temperature", 1054, FLOAT32, TEMPERATURE, unset={-1}),
    Row("source_inlet_temperature", 1056, FLOAT32, TEMPERATURE, unset={-1}, enabled=True),
    Row("source_outlet_temperature", 1058, FLOAT32, TEMPERATURE, unset={-1}, enabled=True),
    Row("air_intake_temperature", 1060, FLOAT32, TEMPERATURE, unset={-1}),
    Row("air_heat_exchanger_temperature", 1062, FLOAT32, TEMPERATURE, unset={-1}),
    Row("air_intake_temperature_2", 1064, FLOAT32, TEMPERATURE, unset={-1}),
    Row("charge_sensor_temperature", 1066, FLOAT32, TEMPERATURE, unset={-1}),
    Row(
        "heat_sink_return_temperature", 1068, FLOAT32, TEMPERATURE, unset={-1}, feature="heat_sink"
    ),
    Row("heat_sink_flow_temperature", 1070, FLOAT32, TEMPERATURE, unset={-1}, feature="heat_sink"),
    Row("flow_rate", 1072, FLOAT32, FLOW_RATE, feature="heat_sink", enabled=True),
    Row("heat_sink_charge_pump", 1074, INT16, RATIO, convert=pump_speed, feature="heat_sink"),
    Row(
        "groundwater_inlet_temperature_1",
        1086,
        FLOAT32,
        TEMPERATURE,
        unset={-1},
        feature="groundwater",
    ),
    Row(
        "groundwater_inlet_temperature_2",
        1088,
        FLOAT32,
        TEMPERATURE,
        unset={-1},
        feature="groundwater",
    ),
    Row(
        "operating_mode",
        1090,
        UINT8,
        STATE,
        options=OPERATING_MODES,
        convert=operating_mode,
        enabled=True,
    ),
    Row("heating_request", 1091, UINT8, FLAG),
    Row("cooling_request", 1092, UINT8, FLAG),
    Row("dhw_request", 1093, UINT8, FLAG, part=HOT_WATER),
    Row("utility_lock", 1098, UINT8, FLAG, flag=_INVERTED, enabled=True),
    Row("fault", 1099, UINT8, FLAG, enabled=True),
    Row("circulation_pump_speed", 1104, INT16, RATIO, convert=pump_speed, enabled=True),
    Row("brine_pump_status", 1105, INT16, RATIO, convert=pump_speed),
    Row("heat_source_pump_status", 1106, INT16, RATIO, convert=pump_speed),
    Row("isc_cold_storage_pump_status", 1108, INT16, RATIO, convert=pump_speed),
    Row("isc_recooling_pump_status", 1109, INT16, RATIO, convert=pump_speed),
    Row(
        "valve_circuit_heating_cooling",
        1110,
        INT16,
        STATE,
        sentinels={-1},
        options={0: "heating", 1: "cooling"},
    ),
    Row(
        "valve_storage_heating_cooling",
        1111,
        INT16,
        STATE,
        sentinels={-1},
        options={0: "heating", 1: "cooling"},
    ),
    Row(
        "valve_heating_dhw",
        1112,
        INT16,
        STATE,
        sentinels={-1},
        options={0: "heating", 1: "hot_water"},
    ),
    Row(
        "valve_heat_source_heating_cooling",
        1113,
        INT16,
        STATE,
        sentinels={-1},
        options={0: "heating", 1: "cooling"},
    ),
    Row(
        "valve_solar_heating_dhw",
        1114,
        INT16,
        STATE,
        sentinels={-1},
        options={0: "heating", 1: "hot_water"},
    ),
    Row(
        "valve_solar_storage_heat_source",
        1115,
        INT16,
        STATE,
        sentinels={-1},
        options={0: "storage", 1: "heat_source"},
    ),
    Row(
        "valve_isc_heat_source_cold_storage",
        1116,
        INT16,
        STATE,
        sentinels={-1},
        options={0: "heat_source", 1: "cold_storage"},
    ),
    Row(
        "valve_isc_storage_bypass",
        1117,
        INT16,
        STATE,
        sentinels={-1},
        options={0: "storage", 1: "bypass"},
    ),
    Row("circulation_pump", 1118, INT16, FLAG, sentinels={-1}),
    Row(
        "bivalence_point_1_second_generator",
        1120,
        INT16,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        sentinels={-32768},
        bounds=(-40, 40, 1),
    ),
    Row(
        "bivalence_point_2_second_generator",
        1121,
        INT16,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        sentinels={-32768},
        bounds=(-40, 40, 1),
    ),
    Row(
        "bivalence_point_1_third_generator",
        1122,
        INT16,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        sentinels={-32768},
        bounds=(-40, 40, 1),
    ),
    Row(
        "bivalence_point_2_third_generator",
        1123,
        INT16,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        sentinels={-32768},
        bounds=(-40, 40, 1),
    ),
    Row(
        "bivalence_state",
        1124,
        UINT8,
        STATE,
        options={0: "off", 1: "bivalence_1", 2: "bivalence_2", 3: "bivalence_1_and_2"},
        diagnostic=True,
    ),
    Row("cascade_available_stages_heating", 1147, UINT8, COUNT, feature="cascade", diagnostic=True),
    Row("cascade_available_stages_cooling", 1148, UINT8, COUNT, feature="cascade", diagnostic=True),
    Row("cascade_available_stages_dhw", 1149, UINT8, COUNT, feature="cascade", diagnostic=True),
    Row("cascade_running_stages_heating", 1150, UINT8, COUNT, feature="cascade", diagnostic=True),
    Row("cascade_running_stages_cooling", 1151, UINT8, COUNT, feature="cascade", diagnostic=True),
    Row("cascade_running_stages_dhw", 1152, UINT8, COUNT, feature="cascade", diagnostic=True),
    Row(
        "cascade_requested_heating_temperature",
        1200,
        FLOAT32,
        TEMPERATURE,
        unset={-1},
        feature="cascade",
        diagnostic=True,
    ),
    Row(
        "cascade_requested_cooling_temperature",
        1202,
        FLOAT32,
        TEMPERATURE,
        unset={-1},
        feature="cascade",
        diagnostic=True,
    ),
    Row(
        "cascade_requested_dhw_temperature",
        1204,
        FLOAT32,
        TEMPERATURE,
        unset={-1},
        feature="cascade",
        diagnostic=True,
    ),
    Row(
        "cascade_average_flow_temperature_heating",
        1206,
        FLOAT32,
        TEMPERATURE,
        unset={-1},
        feature="cascade",
        diagnostic=True,
    ),
    Row(
        "cascade_average_flow_temperature_cooling",
        1208,
        FLOAT32,
        TEMPERATURE,
        unset={-1},
        feature="cascade",
        diagnostic=True,
    ),
    Row(
        "cascade_average_flow_temperature_dhw",
        1210,
        FLOAT32,
        TEMPERATURE,
        unset={-1},
        feature="cascade",
        diagnostic=True,
    ),
    Row(
        "cascade_min_power_heating",
        1220,
        UINT8,
        RATIO,
        wear=EEPROM,
        tier=SETTING,
        bounds=(0, 100, 1),
        feature="cascade",
    ),
    Row(
        "cascade_max_power_heating",
        1221,
        UINT8,
        RATIO,
        wear=EEPROM,
        tier=SETTING,
        bounds=(0, 100, 1),
        feature="cascade",
    ),
    Row(
        "cascade_min_power_cooling",
        1222,
        UINT8,
        RATIO,
        wear=EEPROM,
        tier=SETTING,
        bounds=(0, 100, 1),
        feature="cascade",
    ),
    Row(
        "cascade_max_power_cooling",
        1223,
        UINT8,
        RATIO,
        wear=EEPROM,
        tier=SETTING,
        bounds=(0, 100, 1),
        feature="cascade",
    ),
    Row(
        "cascade_min_power_dhw",
        1224,
        UINT8,
        RATIO,
        wear=EEPROM,
        tier=SETTING,
        bounds=(0, 100, 1),
        feature="cascade",
    ),
    Row(
        "cascade_max_power_dhw",
        1225,
        UINT8,
        RATIO,
        wear=EEPROM,
        tier=SETTING,
        bounds=(0, 100, 1),
        feature="cascade",
    ),
    Row(
        "cascade_bivalence_heating_parallel",
        1226,
        INT16,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        sentinels={-32768},
        bounds=(-40, 40, 1),
        feature="cascade",
    ),
    Row(
        "cascade_bivalence_heating_alternative",
        1227,
        INT16,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        sentinels={-32768},
        bounds=(-40, 40, 1),
        feature="cascade",
    ),
    Row(
        "cascade_bivalence_cooling_parallel",
        1228,
        INT16,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        sentinels={-32768},
        bounds=(-40, 40, 1),
        feature="cascade",
    ),
    Row(
        "cascade_bivalence_cooling_alternative",
        1229,
        INT16,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        sentinels={-32768},
        bounds=(-40, 40, 1),
        feature="cascade",
    ),
    Row(
        "cascade_bivalence_dhw_parallel",
        1230,
        INT16,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        sentinels={-32768},
        bounds=(-40, 40, 1),
        feature="cascade",
    ),
    Row(
        "cascade_bivalence_dhw_alternative",
        1231,
        INT16,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        sentinels={-32768},
        bounds=(-40, 40, 1),
        feature="cascade",
    ),
    Row("humidity_sensor", 1392, FLOAT32, HUMIDITY, alone=True),
    Row("fault_heat_source_circuit", 1680, UINT8, FLAG, flag=_INVERTED, feature="extra_faults"),
    Row(
        "fault_heat_source_pressure_switch",
        1681,
        UINT8,
        CODE,
        feature="extra_faults",
        diagnostic=True,
    ),
    Row(
        "fault_charge_pump_1_intermediate",
        1682,
        UINT8,
        CODE,
        feature="extra_faults",
        diagnostic=True,
    ),
    Row(
        "fault_charge_pump_2_intermediate",
        1683,
        UINT8,
        CODE,
        feature="extra_faults",
        diagnostic=True,
    ),
    Row(
        "external_outdoor_temperature",
        1690,
        FLOAT32,
        TEMPERATURE,
        wear=CYCLIC,
        tier=SETTING,
        bounds=(-50, 60, 0.1),
    ),
    Row(
        "external_humidity", 1692, FLOAT32, HUMIDITY, wear=CYCLIC, tier=SETTING, bounds=(0, 100, 1)
    ),
    Row(
        "external_request_temperature_heating",
        1694,
        UINT8,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        sentinels={0, 255},
        bounds=(20, 65, 1),
    ),
    Row(
        "external_request_temperature_cooling",
        1695,
        UINT8,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        sentinels={0, 255},
        bounds=(10, 25, 1),
    ),
    Row(
        "glt_temperature_request_heating",
        1696,
        FLOAT32,
        TEMPERATURE,
        wear=CYCLIC,
        tier=SETTING,
        bounds=(0, 100, 0.5),
        default=0,
    ),
    Row(
        "glt_temperature_request_cooling",
        1698,
        FLOAT32,
        TEMPERATURE,
        wear=CYCLIC,
        tier=SETTING,
        bounds=(0, 100, 0.5),
        default=100,
    ),
    Row("request_heating", 1710, UINT8, FLAG, wear=CYCLIC, tier=SETTING, default=False),
    Row("request_cooling", 1711, UINT8, FLAG, wear=CYCLIC, tier=SETTING, default=False),
    Row("request_dhw", 1712, UINT8, FLAG, wear=VOLATILE, tier=SETTING, part=HOT_WATER),
    Row("request_dhw_once", 1713, UINT8, FLAG, wear=VOLATILE, tier=SETTING, part=HOT_WATER),
    Row(
        "external_request_pump_m15_m16",
        1714,
        UINT8,
        RATIO,
        wear=VOLATILE,
        tier=SETTING,
        sentinels={254, 255},
        bounds=(0, 100, 1),
    ),
    Row(
        "external_request_pump_m15_sw_max",
        1715,
        UINT8,
        RATIO,
        wear=VOLATILE,
        tier=SETTING,
        sentinels={254, 255},
        bounds=(0, 100, 1),
    ),
    Row(
        "glt_heat_storage_temperature",
        1716,
        FLOAT32,
        TEMPERATURE,
        wear=CYCLIC,
        tier=SETTING,
        sentinels={-1},
        bounds=(-1, 110, 0.1),
        default=-1,
    ),
    Row(
        "glt_cold_storage_temperature",
        1718,
        FLOAT32,
        TEMPERATURE,
        wear=CYCLIC,
        tier=SETTING,
        sentinels={-1},
        bounds=(-1, 110, 0.1),
        default=-1,
    ),
    Row(
        "glt_dhw_temperature_bottom",
        1720,
        FLOAT32,
        TEMPERATURE,
        wear=CYCLIC,
        tier=SETTING,
        sentinels={-1},
        bounds=(-1, 110, 0.1),
        default=-1,
    ),
    Row(
        "glt_dhw_temperature_top",
        1722,
        FLOAT32,
        TEMPERATURE,
        wear=CYCLIC,
        tier=SETTING,
        sentinels={-1},
        bounds=(-1, 110, 0.1),
        default=-1,
    ),
    Row("heating_energy", 1748, FLOAT32, ENERGY, enabled=True),
    Row("thermal_energy", 1750, FLOAT32, ENERGY, enabled=True),
    Row("cooling_energy", 1752, FLOAT32, ENERGY),
    Row("dhw_energy", 1754, FLOAT32, ENERGY, enabled=True, part=HOT_WATER),
    Row("energy_defrost", 1756, FLOAT32, ENERGY),
    Row("energy_passive_cooling", 1758, FLOAT32, ENERGY),
    Row("energy_solar", 1760, FLOAT32, ENERGY),
    Row("energy_electric_heater", 1762, FLOAT32, ENERGY),
    Row("thermal_power", 1790, FLOAT32, POWER, unset={-1}, enabled=True, scale=1000),
    Row("thermal_power_solar", 1792, FLOAT32, POWER, scale=1000),
    Row("solar_collector_temperature", 1850, FLOAT32, TEMPERATURE, unset={-1}, feature="solar"),
    Row(
        "solar_collector_return_temperature",
        1852,
        FLOAT32,
        TEMPERATURE,
        unset={-1},
        feature="solar",
    ),
    Row("solar_charge_temperature", 1854, FLOAT32, TEMPERATURE, unset={-1}, feature="solar"),
    Row(
        "solar_mode",
        1856,
        UINT8,
        STATE,
        wear=EEPROM,
        tier=SETTING,
        options={
            0: "automatic",
            1: "hot_water",
            2: "heating",
            3: "hot_water_and_heating",
            4: "heat_source_pool",
        },
        feature="solar",
    ),
    Row(
        "solar_reference_pool_temperature", 1857, FLOAT32, TEMPERATURE, unset={-1}, feature="solar"
    ),
    Row("isc_charge_temperature_cooling", 1870, FLOAT32, TEMPERATURE, unset={-1}, feature="isc"),
    Row("isc_recooling_temperature", 1872, FLOAT32, TEMPERATURE, unset={-1}, feature="isc"),
    Row(
        "isc_mode",
        1874,
        UINT8,
        STATE,
        options={0: "no_waste_heat", 1: "heating", 4: "hot_water", 8: "heat_source"},
        feature="isc",
    ),
    Row("acknowledge_faults", 1999, UINT8, FLAG, wear=VOLATILE, tier=SETTING, readable=False),
    Row(
        "booster_fault",
        4001,
        UINT8,
        STATE,
        options={0: "no_fault", 1: "booster_a", 2: "booster_b", 3: "booster_a_and_b"},
        feature="booster",
        diagnostic=True,
    ),
    Row("booster_interlock", 4002, UINT8, CODE, feature="booster", diagnostic=True),
    Row(
        "power_limit",
        4108,
        FLOAT32,
        POWER,
        wear=VOLATILE,
        tier=SETTING,
        sentinels={-1, 0},
        bounds=(0, 100000, 100),
        feature="power_limit",
        scale=1000,
    ),
    Row(
        "power_limit_cascade",
        4112,
        FLOAT32,
        POWER,
        wear=VOLATILE,
        tier=SETTING,
        sentinels={-1, 0},
        bounds=(0, 200000, 100),
        feature="power_limit_cascade",
        scale=1000,
    ),
    Row("firmware_version_legacy", 4116, FLOAT32, CODE, feature="firmware_legacy", diagnostic=True),
    Row("firmware_version", 4120, FLOAT32, CODE, feature="firmware", diagnostic=True),
    Row(
        "electrical_power", 4122, FLOAT32, POWER, feature="electric_power", enabled=True, scale=1000
    ),
    Row("electric_power_total", 4124, FLOAT32, POWER, feature="electric_power_total", scale=1000),
    Row("thermal_power_flow_sensor", 4126, FLOAT32, POWER, feature="flow_sensor", scale=1000),
    Row("energy_total_flow_sensor", 4128, FLOAT32, ENERGY, feature="flow_sensor"),
)

COMPRESSOR_ROWS: Final[tuple[Row, ...]] = (Row("status", 1100, UINT8, FLAG),)

CIRCUIT_ROWS: Final[tuple[Row, ...]] = (
    Row("flow_temperature", 1350, FLOAT32, TEMPERATURE, sentinels={-1}, enabled=True),
    Row("room_temperature", 1364, FLOAT32, TEMPERATURE, sentinels={-1}),
    Row("flow_temperature_setpoint", 1378, FLOAT32, TEMPERATURE, sentinels={-1}, enabled=True),
    Row(
        "mode",
        1393,
        UINT8,
        STATE,
        wear=EEPROM,
        tier=SETTING,
        options={
            0: "off",
            1: "time_program",
            2: "normal",
            3: "eco",
            4: "manual_heating",
            5: "manual_cooling",
        },
        enabled=True,
    ),
    Row(
        "room_temperature_setpoint",
        1401,
        FLOAT32,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        sentinels={-1},
        bounds=(15, 30, 0.5),
        enabled=True,
    ),
    Row(
        "room_temperature_setback",
        1415,
        FLOAT32,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        sentinels={-1},
        bounds=(10, 25, 0.5),
    ),
    Row(
        "heating_curve_slope",
        1429,
        FLOAT32,
        FACTOR,
        wear=EEPROM,
        tier=SETTING,
        bounds=(0.1, 3.5, 0.05),
    ),
    Row("heating_limit", 1442, UINT8, TEMPERATURE, wear=EEPROM, tier=SETTING, bounds=(0, 50, 1)),
    Row(
        "flow_setpoint_constant",
        1449,
        UINT8,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        bounds=(20, 90, 1),
    ),
    Row(
        "room_setpoint_cooling_normal",
        1457,
        FLOAT32,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        sentinels={-1, 0},
        bounds=(15, 30, 0.5),
    ),
    Row(
        "room_setpoint_cooling_eco",
        1471,
        FLOAT32,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        sentinels={-1, 0},
        bounds=(15, 30, 0.5),
    ),
    Row("cooling_limit", 1484, UINT8, TEMPERATURE, wear=EEPROM, tier=SETTING, bounds=(0, 36, 1)),
    Row(
        "flow_setpoint_cooling",
        1491,
        UINT8,
        TEMPERATURE,
        wear=EEPROM,
        tier=SETTING,
        bounds=(8, 30, 1),
    ),
    Row("active_mode", 1498, UINT8, STATE, options={0: "off", 1: "heating", 2: "cooling"}),
    Row(
        "heating_curve_shift",
        1505,
        UINT8,
        TEMPERATURE_DIFFERENCE,
        wear=EEPROM,
        tier=SETTING,
        bounds=(0, 30, 1),
    ),
    Row(
        "external_room_temperature",
        1650,
        FLOAT32,
        TEMPERATURE,
        wear=CYCLIC,
        tier=SETTING,
        sentinels={-1},
        bounds=(15, 30, 0.1),
    ),
)

ZONE_ROWS: Final[tuple[Row, ...]] = (
    Row("mode", 2000, UINT8, STATE, options={0: "cooling", 1: "heating"}),
    Row("dehumidifier", 2001, UINT8, FLAG),
    Row("room_9_relay", 2064, UINT8, FLAG),
)

ROOM_ROWS: Final[tuple[Row, ...]] = (
    Row(
        "temperature",
        2002,
        FLOAT32,
        TEMPERATURE,
        wear=CYCLIC,
        sentinels={-1},
        bounds=(15, 30, 0.1),
        enabled=True,
    ),
    Row(
        "temperature_setpoint",
        2004,
        FLOAT32,
        TEMPERATURE,
        wear=VOLATILE,
        tier=SETTING,
        sentinels={-1},
        bounds=(5, 35, 0.5),
        enabled=True,
    ),
    Row("humidity", 2006, UINT8, HUMIDITY, wear=CYCLIC, bounds=(0, 100, 1)),
    Row(
        "mode",
        2007,
        UINT8,
        STATE,
        wear=VOLATILE,
        tier=SETTING,
        options={0: "off", 1: "automatic", 2: "eco", 3: "normal", 4: "comfort"},
        alone=True,
    ),
    Row("relay", 2008, UINT8, FLAG),
)

BOOSTER_ROWS: Final[tuple[Row, ...]] = (
    Row("source_inlet_temperature", 4010, FLOAT32, TEMPERATURE, unset={-1}),
    Row("source_outlet_temperature", 4012, FLOAT32, TEMPERATURE, unset={-1}),
    Row("storage_temperature", 4014, FLOAT32, TEMPERATURE, unset={-1}),
    Row("flow_temperature", 4016, FLOAT32, TEMPERATURE, unset={-1}),
    Row("return_temperature", 4018, FLOAT32, TEMPERATURE, unset={-1}),
    Row("source_pump", 4020, INT16, RATIO, convert=pump_speed),
    Row("charge_pump", 4021, INT16, RATIO, convert=pump_speed),
    Row("compressor", 4022, UINT8, FLAG),
)


def registers(layout: Layout) -> Iterator[Register]:
    """Return every register that a machine of this layout has."""
    for row in MACHINE_ROWS:
        if row.feature and row.feature not in layout.features:
            continue
        if row.without and row.without in layout.features:
            continue
        yield row.register()
    for number in range(1, COMPRESSORS + 1):
        for row in COMPRESSOR_ROWS:
            yield row.register(
                prefix=f"compressor_{number}_",
                name="compressor_",
                offset=number - 1,
                placeholders={"compressor": str(number)},
            )
    for circuit in layout.circuits:
        for row in CIRCUIT_ROWS:
            yield circuit_register(row, circuit)
    for zone, rooms in layout.zones.items():
        yield from _zone(zone, rooms)
    for index, booster in enumerate(BOOSTERS):
        if f"booster_{booster}" not in layout.features:
            continue
        for row in BOOSTER_ROWS:
            yield row.register(
                prefix=f"booster_{booster}_",
                name="booster_",
                offset=index * BOOSTER_STEP,
                placeholders={"booster": booster.upper()},
            )


def circuit_register(row: Row, circuit: str) -> Register:
    """Return a register of one circuit; the last ones of G overlap the first of A."""
    index = CIRCUITS.index(circuit)
    register = row.register(
        prefix=f"circuit_{circuit}_",
        offset=index * (2 if row.codec is Codec.FLOAT32 else 1),
        part=Part(PartKind.CIRCUIT, circuit),
        labels={"circuit": circuit},
    )
    return replace(register, alone=True) if register.address in OVERLAPPED else register


def _zone(zone: str, rooms: Collection[str]) -> Iterator[Register]:
    part = Part(PartKind.ZONE, zone)
    offset = (int(zone) - 1) * ZONE_STEP
    for row in ZONE_ROWS:
        name = "zone_" if row.key.startswith("room") else ""
        yield row.register(
            prefix=f"zone_{zone}_", name=name, offset=offset, part=part, labels={"zone": zone}
        )
    for room in rooms:
        for row in ROOM_ROWS:
            yield row.register(
                prefix=f"zone_{zone}_room_{room}_",
                name="zone_room_",
                offset=offset + (int(room) - 1) * ROOM_STEP,
                part=part,
                placeholders={"room": room},
                labels={"zone": zone, "room": room},
            )


OVERLAPPED: Final = frozenset({1392, 1441, 1483})
"""Floats whose second word the documents give to another register as well."""


def defined(layout: Layout) -> frozenset[int]:
    """Return the addresses that may be read in passing: documented, and answered here.

    Circuits that are not configured answer all the same (255, -1.0).
    """
    circuits = [circuit_register(row, circuit) for row in CIRCUIT_ROWS for circuit in CIRCUITS]
    return frozenset(
        address
        for register in [*registers(layout), *circuits]
        if not register.alone and register.point.readable
        for address in range(register.address, register.end + 1)
    )
