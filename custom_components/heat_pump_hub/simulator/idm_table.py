"""The IDM Navigator 2.0 register map, as the simulated machine serves it.

Written from register table idm_navigator_2_0 (IDM Navigator 2.0 Modbus TCP document and
field readings), independently of the driver, so that the two check each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Literal


class Type(Enum):
    """How a value sits in its registers; the low word comes first."""

    F32 = "float32"
    U8 = "uint8"
    I16 = "int16"
    U16 = "uint16"

    @property
    def words(self) -> int:
        """Registers it takes."""
        return 2 if self is Type.F32 else 1


F32, U8, I16, U16 = Type.F32, Type.U8, Type.I16, Type.U16

type Access = Literal["r", "rw", "w"]
type WearName = Literal["none", "eeprom", "cyclic", "ram"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the map; repeats stand in their first element and are expanded by :func:`rows`."""

    key: str
    address: int
    type: Type
    access: Access = "r"
    wear: WearName = "none"
    readable: bool = True
    minimum: float | None = None
    maximum: float | None = None
    codes: tuple[int, ...] | None = None
    """The values a write may have, where the document lists them."""
    default: float | None = None
    absent: float | None = None
    """What is answered for a sensor or part that is not fitted; ``None``: by type."""
    module: str = "core"
    """The optional block it belongs to: refused with exception 2 where that is not fitted."""
    circuits: int = 0
    """Step of the address from circuit A to B ... G; 0: not repeated."""
    compressors: int = 0
    boosters: int = 0
    zones: int = 0
    rooms: int = 0
    circuit: str = ""
    zone: int = 0
    """Counted from 1, like rooms, as owners count them."""
    room: int = 0

    @property
    def sentinel(self) -> float:
        """What stands for "not there": -1.0, 255 (raw 0xFFFF), -1 or 65535 by type."""
        if self.absent is not None:
            return self.absent
        return {F32: -1.0, U8: 0xFFFF, I16: -1, U16: 0xFFFF}[self.type]

    @property
    def addresses(self) -> range:
        """The registers it takes."""
        return range(self.address, self.address + self.type.words)


OVERLAPS: Final = {1392: 1393, 1441: 1442, 1483: 1484}
"""First address of a float to its second address, which is another register as well."""

CIRCUITS: Final = "abcdefg"
ZONES: Final = 10
ROOMS: Final = 8


def rows() -> Iterator[Row]:
    """Yield every row with its repeats expanded and its key made unique.

    Circuits become ``circuit_a_...``, compressors ``compressor_1_...``, boosters
    ``booster_a_...``, zones ``zone_1_...`` and their rooms ``zone_1_room_1_...``.
    """
    for row in ROWS:
        if row.circuits:
            for index, name in enumerate(CIRCUITS):
                yield replace(
                    row,
                    key=row.key.replace("circuit_", f"circuit_{name}_", 1),
                    address=row.address + index * row.circuits,
                    circuit=name,
                )
        elif row.compressors:
            for index in range(4):
                yield replace(
                    row,
                    key=row.key.replace("compressor_", f"compressor_{index + 1}_", 1),
                    address=row.address + index * row.compressors,
                )
        elif row.boosters:
            for index, name in enumerate("ab"):
                yield replace(
                    row,
                    key=row.key.replace("booster_", f"booster_{name}_", 1),
                    address=row.address + index * row.boosters,
                )
        elif row.zones:
            yield from _zone_rows(row)
        else:
            yield row


def _zone_rows(row: Row) -> Iterator[Row]:
    """Yield one row for every zone module, and within it for every room."""
    for zone in range(ZONES):
        base = row.address + zone * row.zones
        if not row.rooms:
            key = row.key.replace("zone_", f"zone_{zone + 1}_", 1)
            yield replace(row, key=key, address=base, zone=zone + 1)
            continue
        for room in range(ROOMS):
            yield replace(
                row,
                key=row.key.replace("zone_room_", f"zone_{zone + 1}_room_{room + 1}_", 1),
                address=base + room * row.rooms,
                zone=zone + 1,
                room=room + 1,
            )


ROWS: Final = (
    Row(key="pv_surplus", address=74, type=F32, access="rw", wear="cyclic", default=0),
    Row(key="electric_heater_power", address=76, type=F32, access="rw", wear="cyclic"),
    Row(key="pv_production", address=78, type=F32, access="rw", wear="cyclic", minimum=0),
    Row(
        key="house_consumption",
        address=82,
        type=F32,
        access="rw",
        wear="cyclic",
        minimum=0,
        default=0,
    ),
    Row(key="battery_discharge_power", address=84, type=F32, access="rw", wear="cyclic", default=0),
    Row(
        key="battery_state_of_charge",
        address=86,
        type=I16,
        access="rw",
        wear="cyclic",
        minimum=0,
        maximum=100,
        default=-1,
    ),
    Row(
        key="pv_target_value", address=88, type=F32, access="rw", wear="cyclic", module="pv_target"
    ),
    Row(key="smart_grid_status", address=90, type=U8, module="smart_grid_90"),
    Row(key="outdoor_temperature", address=1000, type=F32),
    Row(key="outdoor_temperature_average", address=1002, type=F32),
    Row(key="internal_message_number", address=1004, type=U16),
    Row(
        key="system_mode",
        address=1005,
        type=U8,
        access="rw",
        wear="eeprom",
        codes=(0, 1, 2, 4, 5),
        default=1,
    ),
    Row(key="smart_grid_status_legacy", address=1006, type=U8),
    Row(key="heat_storage_temperature", address=1008, type=F32),
    Row(key="cold_storage_temperature", address=1010, type=F32),
    Row(key="dhw_temperature_bottom", address=1012, type=F32),
    Row(key="dhw_temperature_top", address=1014, type=F32),
    Row(key="dhw_tap_temperature", address=1030, type=F32),
    Row(
        key="dhw_setpoint",
        address=1032,
        type=U8,
        access="rw",
        wear="eeprom",
        minimum=35,
        maximum=95,
        default=46,
    ),
    Row(
        key="dhw_charge_on_temperature",
        address=1033,
        type=U8,
        access="rw",
        wear="eeprom",
        minimum=30,
        maximum=50,
        default=46,
    ),
    Row(
        key="dhw_charge_off_temperature",
        address=1034,
        type=U8,
        access="rw",
        wear="eeprom",
        minimum=46,
        maximum=53,
        default=50,
    ),
    Row(key="electricity_price", address=1048, type=F32),
    Row(key="flow_temperature", address=1050, type=F32),
    Row(key="return_temperature", address=1052, type=F32),
    Row(key="hgl_flow_temperature", address=1054, type=F32),
    Row(key="heat_source_inlet_temperature", address=1056, type=F32),
    Row(key="heat_source_outlet_temperature", address=1058, type=F32),
    Row(key="air_intake_temperature", address=1060, type=F32),
    Row(key="air_heat_exchanger_temperature", address=1062, type=F32),
    Row(key="air_intake_temperature_2", address=1064, type=F32),
    Row(key="charge_sensor_temperature", address=1066, type=F32),
    Row(key="heat_sink_return_temperature", address=1068, type=F32, module="navigator_10"),
    Row(key="heat_sink_flow_temperature", address=1070, type=F32, module="navigator_10"),
    Row(key="heat_sink_flow_rate", address=1072, type=F32, module="navigator_10"),
    Row(key="heat_sink_charge_pump", address=1074, type=I16, absent=-1, module="navigator_10"),
    Row(key="groundwater_inlet_temperature_1", address=1086, type=F32, module="navigator_10"),
    Row(key="groundwater_inlet_temperature_2", address=1088, type=F32, module="navigator_10"),
    Row(key="heat_pump_mode", address=1090, type=U8),
    Row(key="heating_request", address=1091, type=U8),
    Row(key="cooling_request", address=1092, type=U8),
    Row(key="dhw_request", address=1093, type=U8),
    Row(key="evu_lock_contact", address=1098, type=U8),
    Row(key="heat_pump_fault", address=1099, type=U8),
    Row(key="compressor_status", address=1100, type=U8, compressors=1),
    Row(key="charge_pump_status", address=1104, type=I16, absent=-1),
    Row(key="brine_pump_status", address=1105, type=I16, absent=-1),
    Row(key="heat_source_pump_status", address=1106, type=I16, absent=-1),
    Row(key="isc_cold_storage_pump_status", address=1108, type=I16, absent=-1),
    Row(key="isc_recooling_pump_status", address=1109, type=I16, absent=-1),
    Row(key="valve_circuit_heating_cooling", address=1110, type=I16),
    Row(key="valve_storage_heating_cooling", address=1111, type=I16),
    Row(key="valve_heating_dhw", address=1112, type=I16),
    Row(key="valve_heat_source_heating_cooling", address=1113, type=I16),
    Row(key="valve_solar_heating_dhw", address=1114, type=I16),
    Row(key="valve_solar_storage_heat_source", address=1115, type=I16),
    Row(key="valve_isc_heat_source_cold_storage", address=1116, type=I16),
    Row(key="valve_isc_storage_bypass", address=1117, type=I16),
    Row(key="circulation_pump", address=1118, type=I16, absent=-1),
    Row(
        key="bivalence_point_1_second_generator",
        address=1120,
        type=I16,
        access="rw",
        wear="eeprom",
        minimum=-40,
        maximum=40,
        absent=-32768,
    ),
    Row(
        key="bivalence_point_2_second_generator",
        address=1121,
        type=I16,
        access="rw",
        wear="eeprom",
        minimum=-40,
        maximum=40,
        absent=-32768,
    ),
    Row(
        key="bivalence_point_1_third_generator",
        address=1122,
        type=I16,
        access="rw",
        wear="eeprom",
        minimum=-40,
        maximum=40,
        absent=-32768,
    ),
    Row(
        key="bivalence_point_2_third_generator",
        address=1123,
        type=I16,
        access="rw",
        wear="eeprom",
        minimum=-40,
        maximum=40,
        absent=-32768,
    ),
    Row(key="bivalence_state", address=1124, type=U8),
    Row(key="cascade_available_stages_heating", address=1147, type=U8, module="cascade"),
    Row(key="cascade_available_stages_cooling", address=1148, type=U8, module="cascade"),
    Row(key="cascade_available_stages_dhw", address=1149, type=U8, module="cascade"),
    Row(key="cascade_running_stages_heating", address=1150, type=U8, module="cascade"),
    Row(key="cascade_running_stages_cooling", address=1151, type=U8, module="cascade"),
    Row(key="cascade_running_stages_dhw", address=1152, type=U8, module="cascade"),
    Row(key="cascade_requested_heating_temperature", address=1200, type=F32, module="cascade"),
    Row(key="cascade_requested_cooling_temperature", address=1202, type=F32, module="cascade"),
    Row(key="cascade_requested_dhw_temperature", address=1204, type=F32, module="cascade"),
    Row(key="cascade_average_flow_temperature_heating", address=1206, type=F32, module="cascade"),
    Row(key="cascade_average_flow_temperature_cooling", address=1208, type=F32, module="cascade"),
    Row(key="cascade_average_flow_temperature_dhw", address=1210, type=F32, module="cascade"),
    Row(
        key="cascade_min_power_heating",
        address=1220,
        type=U8,
        access="rw",
        wear="eeprom",
        minimum=0,
        maximum=100,
        module="cascade",
    ),
    Row(
        key="cascade_max_power_heating",
        address=1221,
        type=U8,
        access="rw",
        wear="eeprom",
        minimum=0,
        maximum=100,
        module="cascade",
    ),
    Row(
        key="cascade_min_power_cooling",
        address=1222,
        type=U8,
        access="rw",
        wear="eeprom",
        minimum=0,
        maximum=100,
        module="cascade",
    ),
    Row(
        key="cascade_max_power_cooling",
        address=1223,
        type=U8,
        access="rw",
        wear="eeprom",
        minimum=0,
        maximum=100,
        module="cascade",
    ),
    Row(
        key="cascade_min_power_dhw",
        address=1224,
        type=U8,
        access="rw",
        wear="eeprom",
        minimum=0,
        maximum=100,
        module="cascade",
    ),
    Row(
        key="cascade_max_power_dhw",
        address=1225,
        type=U8,
        access="rw",
        wear="eeprom",
        minimum=0,
        maximum=100,
        module="cascade",
    ),
    Row(
        key="cascade_bivalence_heating_parallel",
        address=1226,
        type=I16,
        access="rw",
        wear="eeprom",
        minimum=-40,
        maximum=40,
        absent=-32768,
        module="cascade",
    ),
    Row(
        key="cascade_bivalence_heating_alternative",
        address=1227,
        type=I16,
        access="rw",
        wear="eeprom",
        minimum=-40,
        maximum=40,
        absent=-32768,
        module="cascade",
    ),
    Row(
        key="cascade_bivalence_cooling_parallel",
        address=1228,
        type=I16,
        access="rw",
        wear="eeprom",
        minimum=-40,
        maximum=40,
        absent=-32768,
        module="cascade",
    ),
    Row(
        key="cascade_bivalence_cooling_alternative",
        address=1229,
        type=I16,
        access="rw",
        wear="eeprom",
        minimum=-40,
        maximum=40,
        absent=-32768,
        module="cascade",
    ),
    Row(
        key="cascade_bivalence_dhw_parallel",
        address=1230,
        type=I16,
        access="rw",
        wear="eeprom",
        minimum=-40,
        maximum=40,
        absent=-32768,
        module="cascade",
    ),
    Row(
        key="cascade_bivalence_dhw_alternative",
        address=1231,
        type=I16,
        access="rw",
        wear="eeprom",
        minimum=-40,
        maximum=40,
        absent=-32768,
        module="cascade",
    ),
    Row(key="circuit_flow_temperature", address=1350, type=F32, circuits=2),
    Row(key="circuit_room_temperature", address=1364, type=F32, circuits=2),
    Row(key="circuit_flow_target_temperature", address=1378, type=F32, circuits=2),
    Row(key="humidity_sensor", address=1392, type=F32),
    Row(
        key="circuit_mode",
        address=1393,
        type=U8,
        access="rw",
        wear="eeprom",
        codes=(0, 1, 2, 3, 4, 5),
        default=1,
        circuits=1,
    ),
    Row(
        key="circuit_room_setpoint_heating_normal",
        address=1401,
        type=F32,
        access="rw",
        wear="eeprom",
        minimum=15,
        maximum=30,
        default=22,
        circuits=2,
    ),
    Row(
        key="circuit_room_setpoint_heating_eco",
        address=1415,
        type=F32,
        access="rw",
        wear="eeprom",
        minimum=10,
        maximum=25,
        default=18,
        circuits=2,
    ),
    Row(
        key="circuit_heating_curve",
        address=1429,
        type=F32,
        access="rw",
        wear="eeprom",
        minimum=0.1,
        maximum=3.5,
        default=0.6,
        circuits=2,
    ),
    Row(
        key="circuit_heating_limit",
        address=1442,
        type=U8,
        access="rw",
        wear="eeprom",
        minimum=0,
        maximum=50,
        default=15,
        circuits=1,
    ),
    Row(
        key="circuit_flow_setpoint_constant",
        address=1449,
        type=U8,
        access="rw",
        wear="eeprom",
        minimum=20,
        maximum=90,
        default=45,
        circuits=1,
    ),
    Row(
        key="circuit_room_setpoint_cooling_normal",
        address=1457,
        type=F32,
        access="rw",
        wear="eeprom",
        minimum=15,
        maximum=30,
        default=23,
        absent=0.0,
        circuits=2,
    ),
    Row(
        key="circuit_room_setpoint_cooling_eco",
        address=1471,
        type=F32,
        access="rw",
        wear="eeprom",
        minimum=15,
        maximum=30,
        default=25,
        absent=0.0,
        circuits=2,
    ),
    Row(
        key="circuit_cooling_limit",
        address=1484,
        type=U8,
        access="rw",
        wear="eeprom",
        minimum=0,
        maximum=36,
        default=25,
        circuits=1,
    ),
    Row(
        key="circuit_flow_setpoint_cooling",
        address=1491,
        type=U8,
        access="rw",
        wear="eeprom",
        minimum=8,
        maximum=30,
        default=18,
        circuits=1,
    ),
    Row(key="circuit_active_mode", address=1498, type=U8, circuits=1),
    Row(
        key="circuit_parallel_shift",
        address=1505,
        type=U8,
        access="rw",
        wear="eeprom",
        minimum=0,
        maximum=30,
        default=0,
        circuits=1,
    ),
    Row(
        key="circuit_external_room_temperature",
        address=1650,
        type=F32,
        access="w",
        wear="cyclic",
        minimum=15,
        maximum=30,
        circuits=2,
    ),
    Row(key="fault_heat_source_circuit", address=1680, type=U8, module="navigator_10"),
    Row(key="fault_heat_source_pressure_switch", address=1681, type=U8, module="navigator_10"),
    Row(key="fault_charge_pump_1_intermediate", address=1682, type=U8, module="navigator_10"),
    Row(key="fault_charge_pump_2_intermediate", address=1683, type=U8, module="navigator_10"),
    Row(key="external_outdoor_temperature", address=1690, type=F32, access="w", wear="cyclic"),
    Row(
        key="external_humidity",
        address=1692,
        type=F32,
        access="w",
        wear="cyclic",
        minimum=0,
        maximum=100,
    ),
    Row(
        key="external_request_temperature_heating",
        address=1694,
        type=U8,
        access="rw",
        wear="eeprom",
        minimum=20,
        maximum=65,
        default=40,
        absent=0,
    ),
    Row(
        key="external_request_temperature_cooling",
        address=1695,
        type=U8,
        access="rw",
        wear="eeprom",
        minimum=10,
        maximum=25,
        default=18,
        absent=0,
    ),
    Row(
        key="glt_temperature_request_heating",
        address=1696,
        type=F32,
        access="w",
        wear="cyclic",
        default=0,
    ),
    Row(
        key="glt_temperature_request_cooling",
        address=1698,
        type=F32,
        access="w",
        wear="cyclic",
        default=100,
    ),
    Row(
        key="request_heating",
        address=1710,
        type=U8,
        access="rw",
        wear="cyclic",
        codes=(0, 1),
        default=0,
    ),
    Row(
        key="request_cooling",
        address=1711,
        type=U8,
        access="rw",
        wear="cyclic",
        codes=(0, 1),
        default=0,
    ),
    Row(key="request_dhw", address=1712, type=U8, access="rw", wear="ram", codes=(0, 1), default=0),
    Row(
        key="request_dhw_once",
        address=1713,
        type=U8,
        access="rw",
        wear="ram",
        codes=(0, 1),
        default=0,
    ),
    Row(
        key="external_request_pump_m15_m16",
        address=1714,
        type=U8,
        access="rw",
        wear="ram",
        minimum=0,
        maximum=100,
        absent=254,
    ),
    Row(
        key="external_request_pump_m15_sw_max",
        address=1715,
        type=U8,
        access="rw",
        wear="ram",
        minimum=0,
        maximum=100,
        absent=254,
    ),
    Row(
        key="glt_heat_storage_temperature",
        address=1716,
        type=F32,
        access="w",
        wear="cyclic",
        default=-1,
    ),
    Row(
        key="glt_cold_storage_temperature",
        address=1718,
        type=F32,
        access="w",
        wear="cyclic",
        default=-1,
    ),
    Row(
        key="glt_dhw_temperature_bottom",
        address=1720,
        type=F32,
        access="w",
        wear="cyclic",
        default=-1,
    ),
    Row(
        key="glt_dhw_temperature_top", address=1722, type=F32, access="w", wear="cyclic", default=-1
    ),
    Row(key="energy_heating", address=1748, type=F32),
    Row(key="energy_total", address=1750, type=F32),
    Row(key="energy_cooling", address=1752, type=F32),
    Row(key="energy_dhw", address=1754, type=F32),
    Row(key="energy_defrost", address=1756, type=F32),
    Row(key="energy_passive_cooling", address=1758, type=F32),
    Row(key="energy_solar", address=1760, type=F32),
    Row(key="energy_electric_heater", address=1762, type=F32),
    Row(key="thermal_power", address=1790, type=F32),
    Row(key="thermal_power_solar", address=1792, type=F32),
    Row(key="solar_collector_temperature", address=1850, type=F32, module="solar"),
    Row(key="solar_collector_return_temperature", address=1852, type=F32, module="solar"),
    Row(key="solar_charge_temperature", address=1854, type=F32, module="solar"),
    Row(
        key="solar_mode",
        address=1856,
        type=U8,
        access="rw",
        wear="eeprom",
        codes=(0, 1, 2, 3, 4),
        default=0,
        module="solar",
    ),
    Row(key="solar_reference_pool_temperature", address=1857, type=F32, module="solar"),
    Row(key="isc_charge_temperature_cooling", address=1870, type=F32, module="isc"),
    Row(key="isc_recooling_temperature", address=1872, type=F32, module="isc"),
    Row(key="isc_mode", address=1874, type=U8, module="isc"),
    Row(
        key="acknowledge_faults",
        address=1999,
        type=U8,
        access="w",
        wear="ram",
        readable=False,
        codes=(1,),
    ),
    Row(key="zone_mode", address=2000, type=U8, module="zone", zones=65),
    Row(key="zone_dehumidifier", address=2001, type=U8, module="zone", zones=65),
    Row(
        key="zone_room_temperature",
        address=2002,
        type=F32,
        access="rw",
        wear="cyclic",
        minimum=15,
        maximum=30,
        module="zone",
        zones=65,
        rooms=7,
    ),
    Row(
        key="zone_room_setpoint",
        address=2004,
        type=F32,
        access="rw",
        wear="ram",
        module="zone",
        zones=65,
        rooms=7,
    ),
    Row(
        key="zone_room_humidity",
        address=2006,
        type=U8,
        access="rw",
        wear="cyclic",
        minimum=0,
        maximum=100,
        module="zone",
        zones=65,
        rooms=7,
    ),
    Row(
        key="zone_room_mode",
        address=2007,
        type=U8,
        access="rw",
        wear="ram",
        codes=(0, 1, 2, 3, 4),
        module="zone",
        zones=65,
        rooms=7,
    ),
    Row(key="zone_room_relay", address=2008, type=U8, module="zone", zones=65, rooms=7),
    Row(key="zone_room_9_relay", address=2064, type=U8, module="room_9_relay", zones=65),
    Row(key="booster_fault", address=4001, type=U8, module="navigator_10"),
    Row(key="booster_interlock", address=4002, type=U8, module="navigator_10"),
    Row(
        key="booster_source_inlet_temperature",
        address=4010,
        type=F32,
        module="booster",
        boosters=30,
    ),
    Row(
        key="booster_source_outlet_temperature",
        address=4012,
        type=F32,
        module="booster",
        boosters=30,
    ),
    Row(key="booster_storage_temperature", address=4014, type=F32, module="booster", boosters=30),
    Row(key="booster_flow_temperature", address=4016, type=F32, module="booster", boosters=30),
    Row(key="booster_return_temperature", address=4018, type=F32, module="booster", boosters=30),
    Row(
        key="booster_source_pump", address=4020, type=I16, absent=-1, module="booster", boosters=30
    ),
    Row(
        key="booster_charge_pump", address=4021, type=I16, absent=-1, module="booster", boosters=30
    ),
    Row(key="booster_compressor", address=4022, type=U8, module="booster", boosters=30),
    Row(
        key="power_limit_heat_pump",
        address=4108,
        type=F32,
        access="rw",
        wear="ram",
        module="power_limit",
    ),
    Row(
        key="power_limit_cascade",
        address=4112,
        type=F32,
        access="rw",
        wear="ram",
        module="power_limit",
    ),
    Row(key="firmware_version_legacy", address=4116, type=F32, module="firmware_4116"),
    Row(key="firmware_version", address=4120, type=F32, module="firmware"),
    Row(key="electric_power", address=4122, type=F32, module="power_meter"),
    Row(key="electric_power_total", address=4124, type=F32, module="smartfox"),
    Row(key="thermal_power_flow_sensor", address=4126, type=F32, module="power_meter"),
    Row(key="energy_total_flow_sensor", address=4128, type=F32, module="power_meter"),
)
