"""Registers of the Smart Home Interface of a Luxtronik 2.1, sorted by address.

Source: register table luxtronik_shi (field notes). The wire address is 10000 plus the
index of those notes. Whatever is written is forgotten when the controller restarts.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from ..link import Table
from ..modbus import Codec, Register
from ..points import HOT_WATER, MACHINE, Kind, Part, PartKind, Point, Quantity, Tier, Wear
from ..table import Bounds, Row
from .firmware import SHI_SINCE, Version

_SECOND: Final = Version(3, 92, 0)
_THIRD: Final = Version(3, 92, 1)

VERSION: Final = 10400
"""The firmware, three registers."""
STATUS: Final = "shi_heatpump_status"
ANCHOR: Final = "shi_operation_mode"
"""What every machine answers."""

_CIRCUITS: Final = "abc"
"""The mixing circuits 1, 2 and 3."""
_ABSENT: Final = 0x7FFF
_ABSENT_LONG: Final = frozenset({0x7FFF_7FFF, 0x7FFF_0000, 0x7FFF_FFFF})
_SENTINELS: Final[Mapping[Codec, frozenset[float]]] = MappingProxyType(
    {
        Codec.UINT16: frozenset({_ABSENT}),
        Codec.INT16: frozenset({_ABSENT}),
        Codec.INT32: _ABSENT_LONG,
    }
)
_UNSET: Final = frozenset({_ABSENT, *_ABSENT_LONG})
"""0x7FFF is 3276.7 kWh, which a counter passes once: absent until it showed another value."""

MODES: Final[Mapping[int, str]] = MappingProxyType(
    {0: "no_influence", 1: "setpoint", 2: "offset", 3: "level"}
)
LEVELS: Final[Mapping[int, str]] = MappingProxyType(
    {0: "normal", 1: "increased", 2: "increased_2", 3: "decreased"}
)
LIMITS: Final[Mapping[int, str]] = MappingProxyType(
    {0: "no_limit", 1: "soft_limit", 2: "hard_limit"}
)
STATUSES: Final[Mapping[int, str]] = MappingProxyType(
    {0: "off", 1: "no_request", 2: "requested", 3: "running"}
)
OPERATION: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "heating",
        1: "dhw",
        2: "pool_or_solar",
        3: "utility_lock",
        4: "defrost",
        5: "no_request",
        6: "external_source",
        7: "cooling",
    }
)
BUFFERS: Final[Mapping[int, str]] = MappingProxyType(
    {0: "series", 1: "separation", 2: "multifunction"}
)


@dataclass(frozen=True, slots=True)
class Form:
    """What kind of number a register holds."""

    quantity: Quantity
    scale: float = 1.0
    """Raw times scale is the value in the unit of the quantity."""
    codec: Codec = Codec.UINT16
    options: Mapping[int, str] | None = None
    bounds: Bounds | None = None
    """Minimum, maximum and step of what may be written."""
    counter: bool = False


MODE: Final = Form(Quantity.STATE, options=MODES)
LEVEL: Final = Form(Quantity.STATE, options=LEVELS)
SWITCH: Final = Form(Quantity.FLAG)
STATE: Final = Form(Quantity.STATE, options=STATUSES)
NUMBER: Final = Form(Quantity.CODE)
CELSIUS: Final = Form(Quantity.TEMPERATURE, 0.1, Codec.INT16)
WARM: Final = Form(Quantity.TEMPERATURE, 0.1)
"""Above 0 °C."""
MINUTES: Final = Form(Quantity.DURATION, 1 / 60)
POWER: Final = Form(Quantity.POWER, 100.0)
HEAT: Final = Form(Quantity.POWER, 100.0, Codec.INT16)
ENERGY: Final = Form(Quantity.ENERGY, 0.1, Codec.INT32, counter=True)


def setpoint(low: float, high: float) -> Form:
    """Return the form of a wanted temperature, °C."""
    return replace(WARM, bounds=(low, high, 0.1))


def offset(most: float) -> Form:
    """Return the form of what is added to the controller's own temperature, K."""
    return Form(Quantity.TEMPERATURE_DIFFERENCE, 0.1, Codec.INT16, bounds=(-most, most, 0.1))


@dataclass(frozen=True, slots=True)
class Field:
    """One line of the table."""

    address: int
    key: str
    form: Form
    since: Version = SHI_SINCE
    """The first firmware that has it."""
    same: str = ""
    """The key under which the controller's own protocol tells the same."""
    part: Part = MACHINE
    enabled: bool = False
    writable: bool = False
    """A holding register, kept in memory only."""
    rare: bool = False
    """Does not change while the machine runs."""
    number: int = 0
    """Which one of several that share a name."""

    def register(self, taken: Collection[str], *, holding: bool) -> Register:
        """Return its register, beside ``taken``, the keys of the other protocol.

        What that one does not tell takes its place and is read with each poll; what it
        does tell is here once more, read with the settings.
        """
        form = self.form
        stands_in = self.same != "" and self.same not in taken
        named = self.key if not self.number else self.key.rstrip("0123456789").rstrip("_")
        row = Row(
            self.same.removeprefix(self.part.prefix) if stands_in else f"shi_{self.key}",
            self.address,
            form.codec,
            form.quantity,
            form.scale,
            holding=holding,
            wear=Wear.VOLATILE if self.writable else None,
            tier=Tier.SETTING
            if holding or self.rare or (self.same and not stands_in)
            else Tier.MEASUREMENT,
            bounds=form.bounds,
            options=form.options,
            counter=form.counter,
            part=self.part,
            diagnostic=self.rare,
            enabled=self.enabled or stands_in,
        )
        register = row.register(
            _SENTINELS,
            name=row.key if stands_in else f"shi_{named}",
            placeholders={"number": str(self.number)} if self.number else {},
        )
        if form.codec is Codec.INT32:
            return replace(register, high_first=True, unset=_UNSET)
        return register


def _circuit(address: int, circuit: str, key: str, form: Form, since: Version) -> Field:
    return Field(address, key, form, since, part=Part(PartKind.CIRCUIT, circuit), writable=True)


_MIXED: Final = (
    (0, "heat_mode", MODE, SHI_SINCE),
    (1, "heat_setpoint", setpoint(20, 65), SHI_SINCE),
    (2, "heat_offset", offset(5), SHI_SINCE),
    (3, "heat_level", LEVEL, _SECOND),
    (5, "cool_mode", MODE, SHI_SINCE),
    (6, "cool_setpoint", setpoint(5, 25), SHI_SINCE),
    (7, "cool_offset", offset(5), SHI_SINCE),
)
"""Holding registers of a mixing circuit; 10 further on are those of the next."""

_MIXED_INPUTS: Final = (
    (0, "temp", "flow_temperature"),
    (1, "target", "flow_temperature_setpoint"),
    (2, "min", ""),
    (3, "max", ""),
)
"""Input registers of a mixing circuit; 10 further on are those of the next."""


def _control(
    address: int,
    key: str,
    form: Form,
    since: Version = SHI_SINCE,
    *,
    part: Part = MACHINE,
    enabled: bool = False,
    same: str = "",
) -> Field:
    return Field(address, key, form, since, same, part, enabled=enabled, writable=True)


def _unknown(address: int, since: Version = _SECOND) -> Field:
    number = address - 10_000
    return Field(address, f"unknown_input_{number}", NUMBER, since, rare=True, number=number)


HOLDINGS: Final = (
    _control(10000, "heating_mode", MODE, enabled=True),
    _control(10001, "heating_setpoint", setpoint(15, 75), enabled=True),
    _control(10002, "heating_offset", offset(20), enabled=True),
    _control(10003, "heating_level", LEVEL, _SECOND),
    _control(10005, "hot_water_mode", MODE, part=HOT_WATER, enabled=True),
    _control(10006, "hot_water_setpoint", setpoint(30, 75), part=HOT_WATER, enabled=True),
    _control(10007, "hot_water_offset", offset(20), part=HOT_WATER, enabled=True),
    _control(10008, "hot_water_level", LEVEL, _SECOND, part=HOT_WATER),
    *(
        _circuit(10010 + 10 * number + step, circuit, key, form, since)
        for number, circuit in enumerate(_CIRCUITS)
        for step, key, form, since in _MIXED
    ),
    _control(10040, "lpc_mode", Form(Quantity.STATE, options=LIMITS), enabled=True),
    _control(
        10041, "pc_limit", replace(POWER, bounds=(0, 30_000, 100)), enabled=True, same="power_limit"
    ),
    _control(10050, "lock_heating", SWITCH, _SECOND, enabled=True),
    _control(10051, "lock_hot_water", SWITCH, _SECOND, part=HOT_WATER, enabled=True),
    _control(10052, "lock_cooling", SWITCH),
    _control(10053, "lock_swimming_pool", SWITCH),
    Field(10060, "unknown_holding_60", NUMBER, _THIRD, rare=True, number=60),
    _control(10065, "heat_overall_mode", MODE, _SECOND),
    _control(10066, "heat_overall_offset", offset(20), _SECOND),
    _control(10067, "heat_overall_level", LEVEL, _SECOND),
    _control(10070, "circulation", SWITCH, _SECOND, part=HOT_WATER),
    _control(10071, "hot_water_extra", SWITCH, _SECOND, part=HOT_WATER, enabled=True),
)

INPUTS: Final = (
    Field(10000, "heatpump_status", NUMBER),
    Field(10002, "operation_mode", Form(Quantity.STATE, options=OPERATION)),
    Field(10003, "heating_status", STATE, enabled=True),
    Field(10004, "hot_water_status", STATE, part=HOT_WATER, enabled=True),
    Field(10006, "cooling_status", STATE),
    Field(10007, "pool_heating_status", STATE),
    Field(10100, "return_line_temp", WARM, same="return_temperature"),
    Field(10101, "return_line_target", WARM, same="return_setpoint_heating"),
    Field(10102, "return_line_ext", WARM, same="return_temperature_external"),
    Field(10103, "return_line_limit", CELSIUS, same="return_limit"),
    Field(10104, "return_line_min_target", CELSIUS, same="min_return_setpoint"),
    Field(10105, "flow_line_temp", WARM, same="flow_temperature"),
    Field(10106, "room_temperature", CELSIUS, same="room_temperature"),
    Field(10107, "heating_limit", CELSIUS, same="heating_limit_temperature"),
    Field(10108, "outside_temp", CELSIUS, same="outdoor_temperature"),
    Field(10109, "outside_temp_average", CELSIUS, _SECOND, same="outdoor_temperature_average"),
    Field(10110, "heat_source_input", CELSIUS, _SECOND, same="source_inlet_temperature"),
    Field(10111, "heat_source_output", CELSIUS, _SECOND, same="source_outlet_temperature"),
    Field(10112, "max_flow_temp", WARM, _SECOND, same="flow_setpoint_max"),
    _unknown(10113),
    Field(10120, "hot_water_temp", CELSIUS, same="dhw_temperature", part=HOT_WATER),
    Field(10121, "hot_water_target", WARM, same="dhw_setpoint_active", part=HOT_WATER),
    Field(10122, "hot_water_min", CELSIUS, part=HOT_WATER, rare=True),
    Field(10123, "hot_water_max", CELSIUS, part=HOT_WATER, rare=True),
    Field(10124, "hot_water_limit", CELSIUS, part=HOT_WATER, rare=True),
    *(
        Field(
            10140 + 10 * number + step,
            key,
            CELSIUS,
            same=same and f"circuit_{circuit}_{same}",
            part=Part(PartKind.CIRCUIT, circuit),
            rare=not same,
        )
        for number, circuit in enumerate(_CIRCUITS)
        for step, key, same in _MIXED_INPUTS
    ),
    Field(10201, "error_number", NUMBER, same="fault_code"),
    Field(10202, "buffer_type", Form(Quantity.STATE, options=BUFFERS), rare=True),
    Field(10203, "min_off_time", MINUTES, rare=True),
    Field(10204, "min_run_time", MINUTES, rare=True),
    Field(10205, "cooling_configured", SWITCH, rare=True),
    Field(10206, "pool_heating_configured", SWITCH, rare=True),
    Field(10207, "cooling_release", SWITCH),
    Field(10300, "heating_power_actual", HEAT, same="thermal_power"),
    Field(10301, "electric_power_actual", POWER, same="electrical_power"),
    Field(10302, "electric_power_min_predicted", POWER),
    Field(10310, "electric_energy_total", ENERGY, same="electrical_energy"),
    Field(10312, "electric_energy_heating", ENERGY, same="heating_electrical_energy"),
    Field(10314, "electric_energy_dhw", ENERGY, same="dhw_electrical_energy"),
    Field(10316, "electric_energy_cooling", ENERGY, same="cooling_electrical_energy"),
    Field(10318, "electric_energy_pool", ENERGY, same="pool_electrical_energy"),
    Field(10320, "thermal_energy_total", ENERGY, _SECOND, same="thermal_energy"),
    Field(10322, "thermal_energy_heating", ENERGY, _SECOND, same="heating_energy"),
    Field(10324, "thermal_energy_dhw", ENERGY, _SECOND, same="dhw_energy"),
    Field(10326, "thermal_energy_cooling", ENERGY, _SECOND, same="cooling_energy"),
    Field(10328, "thermal_energy_pool", ENERGY, _SECOND, same="pool_energy"),
    *(_unknown(address) for address in (*range(10350, 10357), 10360, 10361)),
    *(
        Field(VERSION + number, f"version_{number + 1}", NUMBER, rare=True, number=number + 1)
        for number in range(3)
    ),
    *(_unknown(address) for address in (*range(10404, 10414), 10416, 10417)),
    *(_unknown(address) for address in (10500, 10501, 10502)),
)

_BITS: Final = (
    "heatpump_vd1_status",
    "heatpump_vd2_status",
    "heatpump_zwe1_status",
    "heatpump_zwe2_status",
    "heatpump_zwe3_status",
)
"""What the bits of input 10000 say, the lowest first."""

RUNNING: Final = tuple(
    Point(key=f"shi_{key}", name=f"shi_{key}", quantity=Quantity.FLAG, kind=Kind.STATE)
    for key in _BITS
)
"""The flags in the status of the heat pump."""


def registers(
    circuits: Collection[str], version: Version | None, taken: Collection[str]
) -> Iterator[Register]:
    """Yield the registers of a machine, beside ``taken``, the keys of its other protocol.

    Without a version: all that are known.
    """
    for holding, fields in ((True, HOLDINGS), (False, INPUTS)):
        for field in fields:
            if field.part.kind is PartKind.CIRCUIT and field.part.id not in circuits:
                continue
            if version is None or version >= field.since:
                yield field.register(taken, holding=holding)


def served(version: Version) -> frozenset[tuple[Table, int]]:
    """Return table and address of all that a firmware has."""
    tables: tuple[tuple[Table, tuple[Field, ...]], ...] = (("holding", HOLDINGS), ("input", INPUTS))
    return frozenset(
        (where, field.address)
        for where, fields in tables
        for field in fields
        if version >= field.since
    )
