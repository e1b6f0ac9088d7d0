"""IDM heat pumps with a Navigator 2.0, Pro or 10 controller, over Modbus TCP.

Source: IDM "Modbus TCP Navigator 2.0" and "Navigator 10". Everything is read as one
space of input registers (FC04) and written with FC16.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, override

from . import idm_points as table
from .blocks import Reading
from .contact import Question, answer, first_answer, look
from .derived import COP, cop
from .device import ModbusDriver
from .driver import (
    Address,
    Family,
    Fingerprint,
    Identity,
    Layout,
    NotThisFamilyError,
    UnsupportedModelError,
)
from .link import TIMEOUT, Link
from .points import HOT_WATER, Kind, Point, Quantity
from .recognition import known

MANUFACTURER: Final = "IDM"
_QUESTION: Final = Question("input", 1000, 2)
"""The outdoor temperature."""
_CIRCUIT_A: Final = 1350
_LONGEST: Final = 40
"""Registers in one read."""

_DERIVED: Final = (
    Point(
        key="compressor_running",
        name="compressor_running",
        quantity=Quantity.FLAG,
        kind=Kind.STATE,
        enabled=True,
    ),
    Point(
        key="defrosting",
        name="defrosting",
        quantity=Quantity.FLAG,
        kind=Kind.STATE,
        enabled=True,
    ),
    Point(
        key="dhw_charging",
        name="dhw_charging",
        quantity=Quantity.FLAG,
        kind=Kind.STATE,
        part=HOT_WATER,
        enabled=True,
    ),
)

_PROBES: Final[Mapping[str, int]] = {
    "pv_target": 88,
    "smart_grid": 90,
    "heat_sink": 1068,
    "groundwater": 1086,
    "cascade": 1147,
    "extra_faults": 1680,
    "solar": 1850,
    "isc": 1870,
    "booster": 4001,
    "booster_a": 4010,
    "booster_b": 4040,
    "power_limit": 4108,
    "power_limit_cascade": 4112,
    "firmware_legacy": 4116,
    "firmware": 4120,
    "electric_power": 4122,
    "electric_power_total": 4124,
    "flow_sensor": 4126,
}
"""Optional blocks and the address that tells whether a machine answers them."""

_UNSET_MEANS_ABSENT: Final = frozenset({"cascade", "solar", "isc", "booster"})
"""Blocks that some firmware answers with 255 or -1.0 where nothing is fitted."""


class IdmDriver(ModbusDriver):
    """One IDM heat pump."""

    def __init__(
        self,
        address: Address,
        layout: Layout,
        learned: Mapping[str, Any] | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare the points; nothing is opened before the first read."""
        registers = list(table.registers(layout))
        measured = any(register.point.key == "electrical_power" for register in registers)
        super().__init__(
            Link(address),
            registers,
            derived=(*_DERIVED, COP) if measured else _DERIVED,
            defined=table.defined(layout),
            anchor="outdoor_temperature",
            max_span=_LONGEST,
            learned=learned,
            now=now,
        )

    @override
    async def look(self, expected: Fingerprint) -> Fingerprint:
        """Read the circuits and the heat counter."""
        circuits = "".join(await _circuits(self._link))
        return known({"circuits": circuits, **await _counters(self._link)})

    @override
    def derive(self, reading: Reading) -> None:
        """Add the compressor's state, the mode's flags and the COP."""
        values, failed = reading.values, reading.failed
        compressors = [f"compressor_{number}_status" for number in range(1, table.COMPRESSORS + 1)]
        states = [values[key] for key in compressors if key in values]
        if states:
            values["compressor_running"] = any(states)
        elif (why := failed.get(compressors[0])) is not None:
            failed["compressor_running"] = why
        mode = values.get("operating_mode")
        if mode is not None:
            values["defrosting"] = mode == "defrost"
            values["dhw_charging"] = mode == "dhw"
            if mode == "off" and values.get("utility_lock") is True:
                values["operating_mode"] = "utility_lock"
        elif (why := failed.get("operating_mode")) is not None:
            failed["defrosting"] = failed["dhw_charging"] = why
        if (ratio := cop(values)) is not None:
            values[COP.key] = ratio


async def probe(address: Address) -> Identity:
    """Look at a device, read only, and say what it is.

    Raises :class:`DriverError`: the precise reason, as a config flow shows it.
    """
    return await look(address, _identify, _QUESTION, timeout=TIMEOUT)


async def _identify(link: Link) -> Identity:
    outdoor = await first_answer(link, _QUESTION)
    rows = {register.point.key: register for register in table.registers(Layout())}
    if not _plausible(rows["outdoor_temperature"].as_field().decode(outdoor)):
        raise NotThisFamilyError("address 1000 holds no outdoor temperature: not an IDM Navigator")
    if await answer(link, _CIRCUIT_A, 2) is None:
        raise UnsupportedModelError("address 1350 is refused: a Navigator 1.0 or 1.7")
    circuits = await _circuits(link)
    features = {name for name, at in _PROBES.items() if await _fitted(link, name, at)}
    zones = {}
    for zone in range(1, table.ZONES + 1):
        rooms = await _rooms(link, zone)
        if rooms is not None:
            zones[str(zone)] = rooms
    layout = Layout(circuits=circuits, zones=zones, features=frozenset(features))
    navigator_10 = {"heat_sink", "groundwater"} <= features or "booster" in features
    firmware = None
    if "firmware" in features and (words := await answer(link, 4120, 2)):
        number = rows["outdoor_temperature"].as_field().decode(words)
        firmware = f"{number:.2f}" if number and number > 0 else None
    return Identity(
        manufacturer=MANUFACTURER,
        model="Navigator 10" if navigator_10 else "Navigator 2.0",
        layout=layout,
        firmware=firmware,
        fingerprint={
            "circuits": "".join(circuits),
            "zones": ",".join(zones),
            "features": ",".join(sorted(features)),
            **await _counters(link),
        },
    )


def _plausible(outdoor: float | None) -> bool:
    return outdoor is not None and -60 <= outdoor <= 80


async def _circuits(link: Link) -> tuple[str, ...]:
    """Return the circuits whose active mode is set (not 255) or whose flow sensor is."""
    modes = await answer(link, 1498, len(table.CIRCUITS))
    flows = await answer(link, _CIRCUIT_A, 2 * len(table.CIRCUITS))
    found = []
    for index, circuit in enumerate(table.CIRCUITS):
        active = modes is not None and modes[index] & 0xFF != 0xFF
        sensor = flows is not None and flows[2 * index : 2 * index + 2] != [0, 0xBF80]
        if active or (modes is None and sensor):
            found.append(circuit)
    return tuple(found)


async def _fitted(link: Link, name: str, address: int) -> bool:
    single = address in (90, 1147, 1680, 4001)
    words = await answer(link, address, 1 if single else 2)
    if words is None:
        return False
    if name not in _UNSET_MEANS_ABSENT:
        return True
    return words[0] & 0xFF != 0xFF if single else words != [0, 0xBF80]


async def _rooms(link: Link, zone: int) -> tuple[str, ...] | None:
    """Return the rooms of a zone module, ``None`` where none is fitted."""
    base = 2000 + (zone - 1) * table.ZONE_STEP
    if await answer(link, base, 1) is None:
        return None
    rooms = []
    for room in range(1, table.ROOMS + 1):
        mode = await answer(link, base + 7 + (room - 1) * table.ROOM_STEP, 1)
        if mode is not None and mode[0] & 0xFF != 0xFF:
            rooms.append(str(room))
    return tuple(rooms)


async def _counters(link: Link) -> dict[str, float]:
    """Return the heat counter, which never falls on the same machine."""
    words = await answer(link, 1750, 2)
    register = next(r for r in table.registers(Layout()) if r.point.key == "thermal_energy")
    value = register.as_field().decode(words) if words else None
    return {"thermal_energy": round(value, 1)} if value is not None and value >= 0 else {}


FAMILY: Final = Family(
    key="idm",
    manufacturer=MANUFACTURER,
    port=502,
    unit=1,
    interval=30,
    probe=probe,
    create=IdmDriver,
)
