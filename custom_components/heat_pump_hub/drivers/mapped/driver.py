"""The driver behind a register map, and how the map's machine is recognised."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
import math
import re
from types import MappingProxyType
from typing import Any, Final, override

from ..blocks import Reading
from ..contact import Question, answer, first_answer, look
from ..decoded import Absent, Implausible, UnknownCode
from ..derived import COP, DHW_CHARGING, THERMAL_POWER, cop, flag, follow, thermal_power
from ..device import ModbusDriver
from ..driver import Address, Driver, Family, Fingerprint, Identity, Layout, NotThisFamilyError
from ..link import TIMEOUT, Link
from ..modbus import Codec, Register
from ..points import Failure, Kind, PartKind, Point, Quantity, Value
from ..table import places
from .point import OWN_NAME, MapPoint, as_read
from .schema import Check, PumpMap, title_of

KEY: Final = "map"
"""The family's key in config entries."""
_WATER: Final = ("flow_rate", "flow_temperature", "return_temperature")
_NOTHING: Final = Point(key="", name="", quantity=Quantity.COUNT, kind=Kind.ANALOG)
_UNSIGNED: Final[Mapping[int, Codec]] = MappingProxyType({1: Codec.UINT16, 2: Codec.UINT32})


class MappedDriver(ModbusDriver):
    """One heat pump that a map describes."""

    def __init__(
        self,
        pump: PumpMap,
        language: str,
        address: Address,
        layout: Layout,
        learned: Mapping[str, Any] | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare the points; nothing is opened before the first read.

        ``layout`` names the circuits and the modules (as features) that this machine has.
        """
        registers = [named(point, language) for point in fitted(pump, layout)]
        own, self._views = _apart(registers)
        derived = list(_derived({register.point.key for register in registers}))
        self._added = frozenset(point.key for point in derived)
        self._pump = pump
        self._raw = {view.point.key: raw for raw, shown in self._views.items() for view in shown}
        super().__init__(
            Link(address, pump.wire),
            own,
            derived=derived,
            defined=places(registers),
            anchor=self._raw.get(pump.anchor, pump.anchor),
            max_span=pump.longest,
            learned=learned,
            now=now,
        )
        shown = [register.point for register in registers]
        self.points = {point.key: point for point in (*shown, *derived)}

    @override
    async def look(self, expected: Fingerprint) -> Fingerprint:
        """Read the registers of the fingerprint, and the serial number."""
        found: dict[str, float | str] = {}
        for check in self._pump.checks:
            if check.fingerprint and _name(check) in expected:
                words = await answer(self._link, check.address, check.count, check.table)
                if words is not None:
                    found |= _print(check, _raw(check, words))
        if "serial" in expected and (serial := await _text(self._link, self._pump.serial)):
            found["serial"] = serial
        return found

    @override
    async def read_point(self, key: str) -> Value | None:
        """Read one point now. Raises :class:`..driver.DriverError`."""
        raw = self._raw.get(key)
        if raw is None:
            return await super().read_point(key)
        reading = Reading()
        _show(self._views[raw], await super().read_point(raw), reading)
        return reading.values.get(key)

    @override
    async def write(self, key: str, value: Value) -> None:
        """Write one point. Raises :class:`..driver.DriverError`."""
        if key not in self._raw:
            await super().write(key, value)
            return
        view = next(view for view in self._views[self._raw[key]] if view.point.key == key)
        async with self._link.session():
            await self._link.write_registers(view.address, view.encode(value))

    @override
    def register(self, key: str) -> tuple[str, int]:
        """Return table and address of a point."""
        return super().register(self._raw.get(key, key))

    @override
    def derive(self, reading: Reading) -> None:
        """Add the views of shared registers, and what follows from mode, fault and water."""
        values, added = reading.values, self._added
        for key, views in self._views.items():
            _show(views, values.pop(key, None), reading)
            if (why := reading.failed.pop(key, None)) is not None:
                reading.failed.update((view.point.key, why) for view in views)
        for key, mode in (("defrosting", "defrost"), ("dhw_charging", "dhw")):
            if key in added:
                follow(reading, key, ("operating_mode",), mode.__eq__)
        if "compressor_running" in added:
            follow(reading, "compressor_running", ("compressor_frequency",), lambda hz: hz > 0)
        if "fault" in added:
            follow(reading, "fault", ("fault_code",), lambda code: code != 0)
        if "thermal_power" in added:
            follow(reading, "thermal_power", _WATER, thermal_power)
        if "cop" in added and (ratio := cop(values)) is not None:
            values[COP.key] = ratio


def named(point: MapPoint, language: str) -> Register:
    """Return a point's register; one that only the map knows carries its name."""
    register = point.register
    if register.point.name != OWN_NAME:
        return register
    placeholders = {"title": title_of(point.names, language)}
    return replace(register, point=replace(register.point, placeholders=placeholders))


def fitted(pump: PumpMap, layout: Layout) -> Iterator[MapPoint]:
    """Return the points of the circuits and modules that a machine has."""
    for point in pump.points:
        part = point.register.point.part
        circuit = part.prefix.rstrip("_") if part.kind is PartKind.CIRCUIT else ""
        if circuit and part.id not in layout.circuits:
            continue
        if point.module in ("", circuit) or point.module in layout.features:
            yield point


def _apart(
    registers: Iterable[Register],
) -> tuple[list[Register], dict[str, tuple[Register, ...]]]:
    """Return the registers to read, and by the key of a raw number the points it shows.

    A register that several points share is read once, as a raw number, with every poll.
    """
    shared: dict[int, list[Register]] = {}
    for register in registers:
        shared.setdefault(register.place, []).append(register)
    own: list[Register] = []
    views: dict[str, tuple[Register, ...]] = {}
    for found in shared.values():
        first = found[0]
        if len(found) == 1:
            own.append(first)
            continue
        key = f"raw_{first.table}_{first.address}"
        point = Point(key=key, name=key, quantity=Quantity.CODE, kind=Kind.STATE, decimals=0)
        real = first.codec is Codec.FLOAT32
        raw = Register(
            point=point,
            address=first.address,
            codec=first.codec if real else _UNSIGNED[first.count],
            table=first.table,
            space=first.space,
            high_first=first.high_first,
            convert=float if real else int,
            alone=any(register.alone for register in found),
        )
        own.append(raw)
        views[key] = tuple(found)
    return own, views


def _show(views: Iterable[Register], raw: Value | None, reading: Reading) -> None:
    """Put what a raw number means into the reading, once for each of its points."""
    if not isinstance(raw, int | float):
        return
    for view in views:
        key = view.point.key
        match view.decode(as_read(view.codec, raw)):
            case Absent():
                pass
            case Implausible():
                reading.failed[key] = Failure.IMPLAUSIBLE
            case UnknownCode(raw=code):
                reading.unknown_codes[key] = code
            case value:
                reading.values[key] = value


def _derived(own: set[str]) -> Iterator[Point]:
    """Return what follows from the points of a map, and is not among them."""
    if "operating_mode" in own:
        if "defrosting" not in own:
            yield flag("defrosting")
        if "dhw_charging" not in own:
            yield DHW_CHARGING
    if "compressor_frequency" in own and "compressor_running" not in own:
        yield flag("compressor_running")
    if "fault_code" in own and "fault" not in own:
        yield flag("fault")
    heat = "thermal_power" in own
    if not heat and own.issuperset(_WATER):
        yield THERMAL_POWER
        heat = True
    if heat and "electrical_power" in own and "cop" not in own:
        yield COP


def family_of(pump: PumpMap, language: str = "en") -> Family:
    """Return the family of a map; names that only the map has are in this language."""

    async def probe(address: Address) -> Identity:
        first = pump.checks[0]
        question = Question(first.table, first.address, first.count)
        return await look(
            address,
            lambda link: _identify(link, pump, question),
            question,
            pump.wire,
            timeout=TIMEOUT,
        )

    def create(address: Address, layout: Layout, learned: Mapping[str, Any] | None) -> Driver:
        return MappedDriver(pump, language, address, layout, learned)

    return Family(
        key=KEY,
        manufacturer=pump.maker,
        port=pump.port,
        unit=pump.unit,
        interval=pump.interval,
        circuits=pump.circuits,
        probe=probe,
        create=create,
    )


async def _identify(link: Link, pump: PumpMap, question: Question) -> Identity:
    words: list[int] | None = await first_answer(link, question)
    fingerprint: dict[str, float | str] = {}
    for index, check in enumerate(pump.checks):
        if index:
            words = await answer(link, check.address, check.count, check.table)
        raw = None if words is None else _raw(check, words)
        if raw is None or not _within(check, raw):
            shown = "is refused" if raw is None else f"holds {raw:g}"
            raise NotThisFamilyError(
                f"{check.table} register {check.address} {shown}: not what {pump.file} describes"
            )
        fingerprint |= _print(check, raw)
    present = {name for name, check in pump.modules.items() if await _answers(link, check)}
    circuits = {
        circuit
        for circuit in pump.circuits
        if f"circuit_{circuit}" in present or f"circuit_{circuit}" not in pump.modules
    }
    return Identity(
        manufacturer=pump.maker,
        model=pump.model,
        layout=Layout(circuits=tuple(sorted(circuits)), features=frozenset(present)),
        serial=await _text(link, pump.serial),
        firmware=await _text(link, pump.firmware),
        fingerprint=fingerprint,
    )


def _name(check: Check) -> str:
    return f"{check.table}_{check.address}"


def _print(check: Check, raw: float) -> dict[str, float | str]:
    """Return what a check adds to the fingerprint: a text never changes, a number never falls."""
    if not check.fingerprint:
        return {}
    return {_name(check): f"{raw:.10g}" if check.fingerprint == "same" else raw}


def _raw(check: Check, words: list[int]) -> float:
    """Return the raw number of a check."""
    register = Register(point=_NOTHING, address=0, codec=check.codec, high_first=check.high_first)
    return as_read(check.codec, register.as_field().decode(words) or 0)


def _within(check: Check, raw: float) -> bool:
    low = -math.inf if check.low is None else check.low
    high = math.inf if check.high is None else check.high
    return low <= raw <= high


async def _answers(link: Link, check: Check) -> bool:
    words = await answer(link, check.address, check.count, check.table)
    return words is not None and _within(check, _raw(check, words))


async def _text(link: Link, check: Check | None) -> str | None:
    """Return serial number or firmware; ``None`` if the machine does not tell."""
    if check is None:
        return None
    words = await answer(link, check.address, check.count, check.table)
    if words is None:
        return None
    if check.codec is Codec.TEXT:
        letters = b"".join(word.to_bytes(2) for word in words)
        text = letters.decode("ascii", "ignore").strip("\0 ")
        return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("_") or None
    number = _raw(check, words) * check.scale
    return f"{number:.10g}" if number else None
