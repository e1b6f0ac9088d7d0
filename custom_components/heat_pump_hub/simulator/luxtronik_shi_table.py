"""The registers of a Luxtronik's Smart Home Interface, as the simulated one serves them.

Written from register table luxtronik_shi (field notes), independently of the driver, so
that the two check each other. Addresses are those of the wire.
"""

from typing import Final

from .two_tables import S16, S32, U16, MapRow, Type

ABSENT: Final = 32767
"""What stands where a function is not available, in each register of a value."""

type Firmware = tuple[int, int, int]

FIRST: Final[Firmware] = (3, 90, 1)
SECOND: Final[Firmware] = (3, 92, 0)
THIRD: Final[Firmware] = (3, 92, 1)


def _read(
    address: int,
    key: str,
    type: Type = U16,
    factor: float = 1.0,
    *,
    since: Firmware = FIRST,
    holding: bool = False,
) -> tuple[Firmware, MapRow]:
    """Return a row that is only read."""
    long = type is S32
    return since, MapRow(
        key=key,
        address=address,
        type=type,
        factor=factor,
        holding=holding,
        absent=ABSENT << 16 | ABSENT if long else ABSENT,
        high_first=long,
    )


def _choice(address: int, key: str, codes: int, since: Firmware = FIRST) -> tuple[Firmware, MapRow]:
    """Return a row that takes the numbers below ``codes``."""
    return since, MapRow(
        key=key,
        address=address,
        type=U16,
        holding=True,
        access="rw",
        wear="ram",
        codes=tuple(range(codes)),
        default=0,
        absent=ABSENT,
    )


def _number(
    address: int,
    key: str,
    minimum: float,
    maximum: float,
    default: float,
    *,
    type: Type = U16,
    since: Firmware = FIRST,
) -> tuple[Firmware, MapRow]:
    """Return a row that takes tenths."""
    return since, MapRow(
        key=key,
        address=address,
        type=type,
        factor=10.0,
        holding=True,
        access="rw",
        wear="ram",
        minimum=minimum,
        maximum=maximum,
        default=default,
        absent=ABSENT,
    )


ROWS: Final = (
    _choice(10000, "heating_mode", 4),
    _number(10001, "heating_setpoint", 15, 75, 35),
    _number(10002, "heating_offset", -20, 20, 0, type=S16),
    _choice(10003, "heating_level", 4, SECOND),
    _choice(10005, "hot_water_mode", 4),
    _number(10006, "hot_water_setpoint", 30, 75, 40),
    _number(10007, "hot_water_offset", -20, 20, 0, type=S16),
    _choice(10008, "hot_water_level", 4, SECOND),
    _choice(10010, "mc1_heat_mode", 4),
    _number(10011, "mc1_heat_setpoint", 20, 65, 35),
    _number(10012, "mc1_heat_offset", -5, 5, 0, type=S16),
    _choice(10013, "mc1_heat_level", 4, SECOND),
    _choice(10015, "mc1_cool_mode", 4),
    _number(10016, "mc1_cool_setpoint", 5, 25, 20),
    _number(10017, "mc1_cool_offset", -5, 5, 0, type=S16),
    _choice(10020, "mc2_heat_mode", 4),
    _number(10021, "mc2_heat_setpoint", 20, 65, 35),
    _number(10022, "mc2_heat_offset", -5, 5, 0, type=S16),
    _choice(10023, "mc2_heat_level", 4, SECOND),
    _choice(10025, "mc2_cool_mode", 4),
    _number(10026, "mc2_cool_setpoint", 5, 25, 20),
    _number(10027, "mc2_cool_offset", -5, 5, 0, type=S16),
    _choice(10030, "mc3_heat_mode", 4),
    _number(10031, "mc3_heat_setpoint", 20, 65, 35),
    _number(10032, "mc3_heat_offset", -5, 5, 0, type=S16),
    _choice(10033, "mc3_heat_level", 4, SECOND),
    _choice(10035, "mc3_cool_mode", 4),
    _number(10036, "mc3_cool_setpoint", 5, 25, 20),
    _number(10037, "mc3_cool_offset", -5, 5, 0, type=S16),
    _choice(10040, "lpc_mode", 3),
    _number(10041, "pc_limit", 0, 30, 30),
    _choice(10050, "lock_heating", 2, SECOND),
    _choice(10051, "lock_hot_water", 2, SECOND),
    _choice(10052, "lock_cooling", 2),
    _choice(10053, "lock_swimming_pool", 2),
    _read(10060, "unknown_holding_60", since=THIRD, holding=True),
    _choice(10065, "heat_overall_mode", 4, SECOND),
    _number(10066, "heat_overall_offset", -20, 20, 0, since=SECOND, type=S16),
    _choice(10067, "heat_overall_level", 4, SECOND),
    _choice(10070, "circulation", 2, SECOND),
    _choice(10071, "hot_water_extra", 2, SECOND),
    _read(10000, "heatpump_status"),
    _read(10002, "operation_mode"),
    _read(10003, "heating_status"),
    _read(10004, "hot_water_status"),
    _read(10006, "cooling_status"),
    _read(10007, "pool_heating_status"),
    _read(10100, "return_line_temp", U16, 10),
    _read(10101, "return_line_target", U16, 10),
    _read(10102, "return_line_ext", U16, 10),
    _read(10103, "return_line_limit", S16, 10),
    _read(10104, "return_line_min_target", S16, 10),
    _read(10105, "flow_line_temp", U16, 10),
    _read(10106, "room_temperature", S16, 10),
    _read(10107, "heating_limit", S16, 10),
    _read(10108, "outside_temp", S16, 10),
    _read(10109, "outside_temp_average", S16, 10, since=SECOND),
    _read(10110, "heat_source_input", S16, 10, since=SECOND),
    _read(10111, "heat_source_output", S16, 10, since=SECOND),
    _read(10112, "max_flow_temp", U16, 10, since=SECOND),
    _read(10113, "unknown_input_113", since=SECOND),
    _read(10120, "hot_water_temp", S16, 10),
    _read(10121, "hot_water_target", U16, 10),
    _read(10122, "hot_water_min", S16, 10),
    _read(10123, "hot_water_max", S16, 10),
    _read(10124, "hot_water_limit", S16, 10),
    _read(10140, "mc1_temp", S16, 10),
    _read(10141, "mc1_target", S16, 10),
    _read(10142, "mc1_min", S16, 10),
    _read(10143, "mc1_max", S16, 10),
    _read(10150, "mc2_temp", S16, 10),
    _read(10151, "mc2_target", S16, 10),
    _read(10152, "mc2_min", S16, 10),
    _read(10153, "mc2_max", S16, 10),
    _read(10160, "mc3_temp", S16, 10),
    _read(10161, "mc3_target", S16, 10),
    _read(10162, "mc3_min", S16, 10),
    _read(10163, "mc3_max", S16, 10),
    _read(10201, "error_number"),
    _read(10202, "buffer_type"),
    _read(10203, "min_off_time"),
    _read(10204, "min_run_time"),
    _read(10205, "cooling_configured"),
    _read(10206, "pool_heating_configured"),
    _read(10207, "cooling_release"),
    _read(10300, "heating_power_actual", S16, 10),
    _read(10301, "electric_power_actual", U16, 10),
    _read(10302, "electric_power_min_predicted", U16, 10),
    _read(10310, "electric_energy_total", S32, 10),
    _read(10312, "electric_energy_heating", S32, 10),
    _read(10314, "electric_energy_dhw", S32, 10),
    _read(10316, "electric_energy_cooling", S32, 10),
    _read(10318, "electric_energy_pool", S32, 10),
    _read(10320, "thermal_energy_total", S32, 10, since=SECOND),
    _read(10322, "thermal_energy_heating", S32, 10, since=SECOND),
    _read(10324, "thermal_energy_dhw", S32, 10, since=SECOND),
    _read(10326, "thermal_energy_cooling", S32, 10, since=SECOND),
    _read(10328, "thermal_energy_pool", S32, 10, since=SECOND),
    _read(10350, "unknown_input_350", since=SECOND),
    _read(10351, "unknown_input_351", since=SECOND),
    _read(10352, "unknown_input_352", since=SECOND),
    _read(10353, "unknown_input_353", since=SECOND),
    _read(10354, "unknown_input_354", since=SECOND),
    _read(10355, "unknown_input_355", since=SECOND),
    _read(10356, "unknown_input_356", since=SECOND),
    _read(10360, "unknown_input_360", since=SECOND),
    _read(10361, "unknown_input_361", since=SECOND),
    _read(10400, "version_1"),
    _read(10401, "version_2"),
    _read(10402, "version_3"),
    _read(10404, "unknown_input_404", since=SECOND),
    _read(10405, "unknown_input_405", since=SECOND),
    _read(10406, "unknown_input_406", since=SECOND),
    _read(10407, "unknown_input_407", since=SECOND),
    _read(10408, "unknown_input_408", since=SECOND),
    _read(10409, "unknown_input_409", since=SECOND),
    _read(10410, "unknown_input_410", since=SECOND),
    _read(10411, "unknown_input_411", since=SECOND),
    _read(10412, "unknown_input_412", since=SECOND),
    _read(10413, "unknown_input_413", since=SECOND),
    _read(10416, "unknown_input_416", since=SECOND),
    _read(10417, "unknown_input_417", since=SECOND),
    _read(10500, "unknown_input_500", since=SECOND),
    _read(10501, "unknown_input_501", since=SECOND),
    _read(10502, "unknown_input_502", since=SECOND),
)
"""Each row with the first firmware that has it."""
