"""IDM heat pumps with a Navigator 2.0, Pro or 10 controller, over Modbus TCP.

Source: IDM "Modbus TCP Navigator 2.0" and "Navigator 10". Everything is read as one
space of input registers (FC04) and written with FC16.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from . import idm_points as table
from .blocks import Block, BlockReader, Reading
from .derived import COP, cop
from .driver import (
    Address,
    BusyError,
    DriverError,
    Family,
    Identity,
    Layout,
    NoAnswerError,
    NotThisFamilyError,
    RefusedError,
    Traffic,
    UnsupportedModelError,
    WrongUnitError,
)
from .modbus import TIMEOUT, Link, explain
from .points import HOT_WATER, Kind, Point, Quantity, Snapshot, Tier, Value

MANUFACTURER: Final = "IDM"
_OUTDOOR: Final = 1000
_CIRCUIT_A: Final = 1350
_GATEWAY_CODES: Final = (10, 11)

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


class IdmDriver:
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
        self._link = Link(address)
        self._now = now
        self._registers = {r.point.key: r for r in table.registers(layout)}
        self.points: Mapping[str, Point] = {
            **{key: register.point for key, register in self._registers.items()},
            **{point.key: point for point in _DERIVED},
            **({COP.key: COP} if "electrical_power" in self._registers else {}),
        }
        readable = {k: r for k, r in self._registers.items() if r.point.readable}
        self._tiers = {
            tier: frozenset(k for k, r in readable.items() if r.point.tier is tier) for tier in Tier
        }
        self._reader = BlockReader(
            self._link,
            readable.values(),
            defined=table.defined(layout),
            anchor="outdoor_temperature",
            learned=learned,
            now=now,
        )

    @property
    def traffic(self) -> Traffic:
        """Counters of the link."""
        return self._link.traffic

    async def read(self, tiers: Iterable[Tier]) -> Snapshot:
        """Poll these tiers. Raises as :meth:`.driver.Driver.read`."""
        asked = frozenset(tiers)
        keys = frozenset[str]().union(*(self._tiers[tier] for tier in asked))
        async with self._link.session():
            time = self._now()
            reading = await self._reader.read(keys)
        if Tier.MEASUREMENT in asked:
            self._derive(reading)
        return Snapshot(
            time=time,
            values=reading.values,
            failed=reading.failed,
            unknown_codes=reading.unknown_codes,
            tiers=asked,
        )

    def _derive(self, reading: Reading) -> None:
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

    async def read_point(self, key: str) -> Value | None:
        """Read one point now. Raises :class:`DriverError`."""
        async with self._link.session():
            return await self._reader.read_one(key)

    async def write(self, key: str, value: Value) -> None:
        """Write one point with FC16. Raises :class:`DriverError`."""
        register = self._registers[key]
        words = register.encode(value)
        async with self._link.session():
            await self._link.write_registers(register.address, words)

    def register(self, key: str) -> tuple[str, int]:
        """Return table and address of a point."""
        register = self._registers[key]
        return register.table, register.address

    def learned(self) -> dict[str, Any]:
        """Return what the block reader learned."""
        return self._reader.refusals.to_json()

    @property
    def learned_version(self) -> int:
        """Grows whenever :meth:`learned` has something new."""
        return self._reader.refusals.version

    def blocks(self, tiers: Iterable[Tier]) -> list[Block]:
        """Return the blocks that a poll of these tiers reads."""
        keys = frozenset[str]().union(*(self._tiers[tier] for tier in tiers))
        return self._reader.blocks(keys)

    def report(self) -> dict[str, Any]:
        """Return plan, refusals and traffic for diagnostics."""
        traffic = self.traffic
        return {
            "blocks": [[block.start, block.count] for block in self.blocks(Tier)],
            "learned": self.learned(),
            "requests": traffic.requests,
            "connects": traffic.connects,
            "refused": traffic.refused,
            "failures": traffic.failures,
        }

    async def close(self) -> None:
        """Close the link."""
        await self._link.close()


async def probe(address: Address) -> Identity:
    """Look at a device, read only, and say what it is.

    Raises :class:`DriverError`: the precise reason, as a config flow shows it.
    """
    try:
        return await _probe(address)
    except NoAnswerError as err:
        why = await explain(address, err, timeout=TIMEOUT)
        if isinstance(why, NoAnswerError) or why is err:
            await _try_other_units(address)
        raise why from err
    except DriverError as err:
        raise await explain(address, err, timeout=TIMEOUT) from err


async def _probe(address: Address) -> Identity:
    link = Link(address, timeout=TIMEOUT)
    try:
        async with link.session():
            return await _identify(link, address)
    finally:
        await link.close()


async def _try_other_units(address: Address) -> None:
    """Raise :class:`WrongUnitError` if the usual unit numbers answer instead."""
    for unit in (1, 255, 0):
        if unit == address.unit:
            continue
        if await _speaks(Address(host=address.host, port=address.port, unit=unit)):
            raise WrongUnitError(f"unit {address.unit} is silent, unit {unit} answers")


async def _speaks(address: Address) -> bool:
    link = Link(address, timeout=TIMEOUT / 2)
    try:
        async with link.session():
            await link.read_input_registers(_OUTDOOR, 2)
    except RefusedError, BusyError:
        return True
    except DriverError:
        return False
    finally:
        await link.close()
    return True


async def _answers(link: Link, address: int, count: int = 2) -> list[int] | None:
    try:
        return await link.read_input_registers(address, count)
    except RefusedError:
        return None


async def _identify(link: Link, address: Address) -> Identity:
    try:
        outdoor = await link.read_input_registers(_OUTDOOR, 2)
    except RefusedError as err:
        raise NotThisFamilyError("address 1000 is refused: not an IDM Navigator") from err
    except BusyError as err:
        if err.__cause__ is not None and getattr(err.__cause__, "exception_code", 0) in (
            _GATEWAY_CODES
        ):
            raise WrongUnitError(f"no device answers as unit {address.unit}") from err
        raise
    rows = {register.point.key: register for register in table.registers(Layout())}
    if not _plausible(rows["outdoor_temperature"].as_field().decode(outdoor)):
        raise NotThisFamilyError("address 1000 holds no outdoor temperature: not an IDM Navigator")
    if await _answers(link, _CIRCUIT_A) is None:
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
    if "firmware" in features and (words := await _answers(link, 4120)):
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
    modes = await _answers(link, 1498, len(table.CIRCUITS))
    flows = await _answers(link, _CIRCUIT_A, 2 * len(table.CIRCUITS))
    found = []
    for index, circuit in enumerate(table.CIRCUITS):
        active = modes is not None and modes[index] & 0xFF != 0xFF
        sensor = flows is not None and flows[2 * index : 2 * index + 2] != [0, 0xBF80]
        if active or (modes is None and sensor):
            found.append(circuit)
    return tuple(found)


async def _fitted(link: Link, name: str, address: int) -> bool:
    single = address in (90, 1147, 1680, 4001)
    words = await _answers(link, address, 1 if single else 2)
    if words is None:
        return False
    if name not in _UNSET_MEANS_ABSENT:
        return True
    return words[0] & 0xFF != 0xFF if single else words != [0, 0xBF80]


async def _rooms(link: Link, zone: int) -> tuple[str, ...] | None:
    """Return the rooms of a zone module, ``None`` where none is fitted."""
    base = 2000 + (zone - 1) * table.ZONE_STEP
    if await _answers(link, base, 1) is None:
        return None
    rooms = []
    for room in range(1, table.ROOMS + 1):
        mode = await _answers(link, base + 7 + (room - 1) * table.ROOM_STEP, 1)
        if mode is not None and mode[0] & 0xFF != 0xFF:
            rooms.append(str(room))
    return tuple(rooms)


async def _counters(link: Link) -> dict[str, float]:
    """Return the heat counter, which never falls on the same machine."""
    words = await _answers(link, 1750)
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
