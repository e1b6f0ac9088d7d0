"""Daikin Altherma 3 heat pumps behind a Home Hub (EKRHH), over Modbus TCP or TLS.

Source: Daikin document 4P744838-1D. The hub passes changes on: an unchanged value is not
sent to the unit, a setpoint out of range becomes the nearest limit, any other value out
of range is dropped without a word, and what is written while the unit is lost is lost
too. So every write has to be read back, and desired values have to be repeated.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, override

from . import daikin_points as table
from .blocks import Reading
from .contact import Question, answer, first_answer, look
from .decoded import UnknownCode
from .derived import (
    COP,
    DHW_CHARGING,
    OPERATING_MODE,
    THERMAL_POWER,
    cop,
    flag,
    follow,
    thermal_power,
)
from .device import ModbusDriver
from .driver import Address, BusyError, Family, Fingerprint, Identity, Layout, NotThisFamilyError
from .link import TIMEOUT, Link, Wire
from .points import Kind, Point, Quantity
from .recognition import NOTHING

MANUFACTURER: Final = "Daikin"
TLS_PORT: Final = 802
"""Where the hub speaks Modbus/TCP Security, with a certificate of its own."""
_LONGEST: Final = 60
"""Registers in one read."""
_QUESTION: Final = Question("input", 20, 2)
"""Error state and error code of the unit."""
_LIMITS: Final = 53
_AIR_TO_AIR: Final = 1000
_ABSENT: Final = frozenset({0x7FFE, 0x7FFF})

_FAULT_CODE: Final = Point(
    key="fault_code", name="fault_code", quantity=Quantity.CODE, kind=Kind.STATE, decimals=0
)
"""The two letters of the error code as one number, 0: none; history stores numbers."""

_DERIVED: Final = (
    OPERATING_MODE,
    flag("defrosting"),
    DHW_CHARGING,
    flag("fault"),
    _FAULT_CODE,
    THERMAL_POWER,
    COP,
)


def wire(address: Address) -> Wire:
    """Return how the hub is talked to at this port."""
    return Wire(tls=address.port == TLS_PORT, single_writes=True)


class DaikinDriver(ModbusDriver):
    """One Altherma 3 behind one Home Hub, or a hub for air-to-air units."""

    def __init__(
        self,
        address: Address,
        layout: Layout,
        learned: Mapping[str, Any] | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare the points; nothing is opened before the first read."""
        self._water = table.AIR_TO_AIR not in layout.features
        super().__init__(
            Link(address, wire(address)),
            table.registers(layout),
            derived=_DERIVED if self._water else (),
            defined=table.READABLE,
            anchor="unit_error" if self._water else "air_to_air_smart_grid_mode",
            max_span=_LONGEST,
            learned=learned,
            now=now,
        )

    @override
    async def look(self, expected: Fingerprint) -> Fingerprint:
        """Read which limits there are; while the hub has lost its unit, that is nothing."""
        limits = await answer(self._link, _LIMITS, 8) if self._water else None
        if limits is None or _ABSENT.issuperset(limits):
            return NOTHING
        return _fitted(limits)

    @override
    def derive(self, reading: Reading) -> None:
        """Add mode, fault, heat and COP of a unit that heats water."""
        if not self._water:
            return
        values = reading.values
        follow(reading, "fault", ("unit_error",), lambda state: state == "fault")
        if values.get("unit_error") == "none":
            values["fault_code"] = 0
        else:
            follow(reading, "fault_code", ("unit_error_code",), _number)
        water = ("flow_rate", "flow_temperature", "return_temperature")
        follow(reading, "thermal_power", water, thermal_power)
        follow(reading, "defrosting", ("defrost_startup", "compressor_running", *water), _defrosts)
        runs = ("compressor_running", "backup_heater_running", "three_way_valve")
        follow(reading, "dhw_charging", runs, _charges)
        mode = (*runs, "defrosting", "operation_mode_actual")
        follow(reading, "operating_mode", mode, _mode)
        if (ratio := cop(values)) is not None:
            values[COP.key] = ratio


def _number(code: str) -> int:
    """Return the characters of an error code as one number."""
    return int.from_bytes(code.encode("ascii"))


def _defrosts(signal: bool, runs: bool, flow_rate: float, flow: float, back: float) -> bool:
    """Return whether the unit defrosts: one signal tells defrost and start-up.

    A defrost takes heat from the water, a start-up does not.
    """
    return signal and runs and flow_rate > 0 and flow < back


def _charges(compressor: bool, heater: bool, valve: str) -> bool:
    return valve == "dhw" and (compressor or heater)


def _mode(compressor: bool, heater: bool, valve: str, defrosting: bool, actual: str) -> str:
    if defrosting:
        return "defrost"
    if not (compressor or heater):
        return "off"
    return "dhw" if valve == "dhw" else actual


async def probe(address: Address) -> Identity:
    """Look at a device, read only, and say what it is.

    Raises :class:`.driver.DriverError`: the precise reason, as a config flow shows it.
    """
    return await look(address, _identify, _QUESTION, wire(address), timeout=TIMEOUT)


async def _identify(link: Link) -> Identity:
    try:
        state, code = await first_answer(link, _QUESTION)
    except NotThisFamilyError:
        return await _identify_air_to_air(link)
    rows = {register.point.key: register for register in table.registers(Layout())}
    text = rows["unit_error_code"].decode(code)
    if state not in (0, 1, 2) or isinstance(text, UnknownCode):
        raise NotThisFamilyError("registers 21 and 22 hold no error: not a Daikin Home Hub")
    limits = await answer(link, _LIMITS, 8)
    if limits is None:
        raise NotThisFamilyError("register 54 is refused: not a Daikin Home Hub")
    if _ABSENT.issuperset(limits) and text == "U8":
        raise BusyError("the hub has lost its unit (error U8)")
    if not 500 <= limits[0] <= limits[1] <= 8000:
        raise NotThisFamilyError("registers 54 and 55 hold no limits: not a Daikin Home Hub")
    return Identity(
        manufacturer=MANUFACTURER,
        model="Altherma 3 (Home Hub EKRHH)",
        layout=Layout(),
        fingerprint={"use_case": "3", **_fitted(limits)},
    )


def _fitted(limits: list[int]) -> dict[str, str]:
    return {
        "cooling": "no" if limits[2] in _ABSENT else "yes",
        "zones": "1" if limits[4] in _ABSENT else "2",
    }


async def _identify_air_to_air(link: Link) -> Identity:
    words = await answer(link, _AIR_TO_AIR, 2, "holding")
    if words is None:
        raise NotThisFamilyError("neither 21 nor 1001 answers: not a Daikin Home Hub")
    mode, limit = words
    if mode not in (*range(4), *_ABSENT) or not (limit <= 2000 or limit in _ABSENT):
        raise NotThisFamilyError("1001 holds no smart grid mode: not a Daikin Home Hub")
    return Identity(
        manufacturer=MANUFACTURER,
        model="Air to air (Home Hub EKRHH)",
        layout=Layout(features=frozenset({table.AIR_TO_AIR})),
        fingerprint={"use_case": "4"},
    )


FAMILY: Final = Family(
    key="daikin",
    manufacturer=MANUFACTURER,
    port=502,
    unit=1,
    interval=30,
    probe=probe,
    create=DaikinDriver,
)
