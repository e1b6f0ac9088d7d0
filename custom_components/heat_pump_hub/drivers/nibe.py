"""NIBE S-series heat pumps over Modbus TCP.

Source: the lists of registers that the pumps export, and NIBE "Modbus TCP/IP" (menu
7.5.9). Gentle by design: short blocks of known addresses, a pause before each request,
no scan, and nothing that is on no list.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, override

from . import nibe_points as table
from .blocks import BlockReader, Reading
from .contact import Question, answer, first_answer, look
from .derived import COP, DHW_CHARGING, THERMAL_POWER, cop, flag, follow, thermal_power
from .device import ModbusDriver
from .driver import (
    Address,
    Family,
    Fingerprint,
    Identity,
    Layout,
    NoAnswerError,
    NotThisFamilyError,
    UnsupportedModelError,
)
from .link import TIMEOUT, Link, Wire
from .modbus import Register
from .points import Failure, Point
from .recognition import known
from .table import places

MANUFACTURER: Final = "NIBE"
SPACING: Final = 0.02
"""Seconds before each request. NIBE names no limit; the older MODBUS 40 needed pauses."""
_LONGEST: Final = 20
"""Registers in one read."""
_QUESTION: Final = Question("input", 1, 1)
"""The outdoor temperature."""
_PRIORITY: Final = 1028
_PRIORITIES: Final = frozenset({10, 20, 30, 40, 41, 50, 60})
_TYPE: Final = 1497
_NO_SENSOR: Final = 0x8000

_COUNTERS: Final = ("thermal_energy", "compressor_starts")
_SOURCES: Final = (
    (10, "ground source", table.GROUND),
    (1621, "outdoor unit", table.AIR),
    (19, "exhaust air", table.EXHAUST),
)
"""A sensor that only machines of one kind have: brine in, outdoor unit, exhaust air."""


class NibeDriver(ModbusDriver):
    """One NIBE S-series heat pump."""

    def __init__(
        self,
        address: Address,
        layout: Layout,
        learned: Mapping[str, Any] | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        spacing: float = SPACING,
    ) -> None:
        """Prepare the points; nothing is opened before the first read.

        ``layout.features`` names the models it may be (:data:`.nibe_points.MODELS`), or
        holds the list that the pump exported (:attr:`.nibe_map.PumpMap.features`).
        """
        registers = list(table.registers(layout))
        derived = list(_derived({register.point.key: register for register in registers}))
        self._added = frozenset(point.key for point in derived)
        self._models = layout.features
        super().__init__(
            Link(address, Wire(spacing=spacing)),
            registers,
            derived=derived,
            defined=places(registers),
            anchor="outdoor_temperature",
            max_span=_LONGEST,
            learned=learned,
            now=now,
        )

    @override
    async def look(self, expected: Fingerprint) -> Fingerprint:
        """Read type, size and the counters that were compared when it was added."""
        kind = await answer(self._link, _TYPE, 2)
        codes = _type(kind) if kind is not None else {}
        counters = {key for key in expected if key in _COUNTERS}
        return known({**codes, **(await _counters(self._link, self._models, counters))})

    @override
    def derive(self, reading: Reading) -> None:
        """Add what follows from priority, compressor, alarm and heater."""
        values, added = reading.values, self._added
        if "compressor_running" in added:
            follow(reading, "compressor_running", ("compressor_frequency",), lambda hz: hz > 0)
        if "defrosting" in added:
            follow(reading, "defrosting", ("eb101_defrosting",), lambda state: state != "off")
        if "dhw_charging" in added:
            follow(reading, "dhw_charging", ("operating_mode",), lambda mode: mode == "dhw")
            if values.get("defrosting") is True and "operating_mode" in values:
                values["operating_mode"] = "defrost"
        if "fault" in added:
            follow(reading, "fault", ("fault_code",), lambda code: code != 0)
        if "backup_heater_running" in added:
            heater = ("internal_additional_heat_power",)
            follow(reading, "backup_heater_running", heater, lambda watts: watts > 0)
        if "thermal_power" in added:
            water = ("flow_rate", "flow_temperature", "return_temperature")
            follow(reading, "thermal_power", water, thermal_power)
        if "cop" in added and (ratio := cop(values)) is not None:
            values[COP.key] = ratio


def _derived(registers: Mapping[str, Register]) -> Iterator[Point]:
    """Return what follows from the registers that this machine has."""
    if "compressor_frequency" in registers and "compressor_running" not in registers:
        yield flag("compressor_running")
    if "eb101_defrosting" in registers and "thermal_power" in registers:
        yield flag("defrosting")
    if "operating_mode" in registers:
        yield DHW_CHARGING
    if "fault_code" in registers:
        yield flag("fault")
    if "internal_additional_heat_power" in registers:
        yield flag("backup_heater_running")
    water = {"flow_rate", "flow_temperature", "return_temperature"} <= registers.keys()
    if water and "thermal_power" not in registers:
        yield THERMAL_POWER
    if (water or "thermal_power" in registers) and "electrical_power" in registers:
        yield COP


async def probe(address: Address) -> Identity:
    """Look at a device, read only, and say what it is.

    Raises :class:`.driver.DriverError`: the precise reason, as a config flow shows it.
    """
    return await look(address, _identify, _QUESTION, Wire(spacing=SPACING), timeout=TIMEOUT)


async def _identify(link: Link) -> Identity:
    outdoor = await first_answer(link, _QUESTION)
    if not -600 <= _signed(outdoor[0]) <= 800:
        raise NotThisFamilyError("30002 holds no outdoor temperature: not a NIBE S-series")
    priority = await answer(link, _PRIORITY)
    if priority is None or priority[0] & 0xFF not in _PRIORITIES:
        raise NotThisFamilyError("31029 holds no operating priority: not a NIBE S-series")
    kind = await answer(link, _TYPE, 2)
    if kind is None:
        raise NotThisFamilyError("31498 is refused: not a NIBE S-series")
    source, models = await _source(link)
    if models is table.AIR:
        # of those with an outdoor unit, only the SMO has no return line of its own
        indoor = await answer(link, 7)
        models = models - {"smos40"} if indoor is not None else frozenset({"smos40"})
    layout = Layout(circuits=await _circuits(link), features=models)
    answering = await _answering(link, layout)
    return Identity(
        manufacturer=MANUFACTURER,
        model=_name(source, models),
        layout=replace(layout, features=models | answering | {table.PROBED}),
        fingerprint={
            "source": source,
            **_type(kind),
            **await _counters(link, models),
        },
    )


def _type(words: list[int]) -> dict[str, str]:
    return {"type": str(words[0] & 0xFF), "size": str(words[1] & 0xFF)}


def _signed(word: int) -> int:
    return word - 0x10000 if word & 0x8000 else word


async def _source(link: Link) -> tuple[str, frozenset[str]]:
    """Return where the heat comes from, and the models that are like that."""
    empty = None
    for address, source, models in _SOURCES:
        words = await answer(link, address)
        if words is None:
            continue
        if words[0] != _NO_SENSOR:
            return source, models
        empty = empty or (source, models)
    if empty is None:
        raise UnsupportedModelError("neither 30011 nor 31622 nor 30020 answers")
    return empty


def _name(source: str, models: frozenset[str]) -> str:
    if len(models) == 1:
        return table.MODELS[next(iter(models))]
    if models == table.GROUND:
        return "S1155, S1255, S1156, S1256"
    return f"S-series with {source}"


async def _circuits(link: Link) -> tuple[str, ...]:
    """Return the climate systems that have a sensor; the first is always there."""
    supply = await answer(link, 2, 3) or []
    rooms = await answer(link, 109, 4) or []
    # both run down: 4 is the supply line of system 2, 112 the room of system 5
    found = [word != _NO_SENSOR for word in (*reversed(supply), *reversed(rooms))]
    return ("a", *(c for c, there in zip(table.SYSTEMS[1:], found, strict=False) if there))


async def _answering(link: Link, layout: Layout) -> frozenset[str]:
    """Return the keys that only some of the models have, and that this machine answers."""
    anchor = next(register for register, _ in table.known(layout))
    disputed = [register for register, certain in table.known(layout) if not certain]
    registers = [anchor, *(r for r in disputed if r.point.readable)]
    reader = BlockReader(
        link,
        registers,
        defined=places(registers),
        anchor=anchor.point.key,
        max_span=_LONGEST,
    )
    reading = await reader.read(frozenset(register.point.key for register in registers))
    if Failure.NO_ANSWER in reading.failed.values():
        raise NoAnswerError("the heat pump stopped to answer")
    return frozenset(
        register.point.key
        for register in disputed
        if reading.failed.get(register.point.key) is not Failure.REFUSED
    )


async def _counters(
    link: Link, models: frozenset[str], keys: Collection[str] = _COUNTERS
) -> dict[str, float]:
    """Return counters that never fall on the same machine."""
    found = {}
    layout = Layout(features=models)
    rows = {register.point.key: register for register in table.registers(layout)}
    for key in keys:
        if (register := rows.get(key)) is None:
            continue
        words = await answer(link, register.address, register.count)
        if words is None:
            continue
        value = register.decode(register.as_field().decode(words))
        if isinstance(value, int | float):
            found[key] = value
    return found


FAMILY: Final = Family(
    key="nibe",
    manufacturer=MANUFACTURER,
    port=502,
    unit=1,
    interval=60,
    probe=probe,
    create=NibeDriver,
)
