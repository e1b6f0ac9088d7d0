"""A clock that is moved by hand, a heat pump in memory, and a disk that may fail."""

import asyncio
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
import json
from typing import Any

from custom_components.heat_pump_hub.control import Asker, WriteGuard, WriteResult
from custom_components.heat_pump_hub.drivers.driver import DriverError, RefusedError
from custom_components.heat_pump_hub.drivers.points import Kind, Point, Quantity, Value, Wear

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ANNA = Asker(user="anna", context="c1")
NIGHT = Asker(automation="automation.night", context="c2", parent="c1")


class Clock:
    """Both clocks; time passes only in :meth:`sleep` and :meth:`advance`."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.wall = NOON
        self.stopped = False
        self.slept: list[float] = []
        self._targets: list[float] = []

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds)

    def jump(self, seconds: float) -> None:
        """Set the wall clock, as NTP does."""
        self.wall += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        """Wait until no earlier sleeper is left, then let the time pass."""
        self.slept.append(seconds)
        target = self.seconds + seconds
        self._targets.append(target)
        try:
            while self.seconds < target:
                await settle()
                if not self.stopped and target == min(self._targets):
                    self.advance(max(0.0, target - self.seconds))
        finally:
            self._targets.remove(target)


async def settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(20):
        await asyncio.sleep(0)


def point(key: str, wear: Wear | None = Wear.EEPROM, **changes: Any) -> Point:
    described: dict[str, Any] = {
        "key": key,
        "name": key,
        "quantity": Quantity.TEMPERATURE,
        "kind": Kind.SETPOINT,
        "wear": wear,
        "minimum": 35.0,
        "maximum": 60.0,
        "step": 0.5,
    }
    return Point(**described | changes)


POINTS: Mapping[str, Point] = {
    p.key: p
    for p in (
        point("dhw_setpoint"),
        point("dhw_setpoint_twin"),
        point("dhw_on"),
        point("unknown_wear", Wear.UNKNOWN),
        point("boost", Wear.VOLATILE),
        point("pv_surplus", Wear.CYCLIC, minimum=0.0, maximum=20000.0, step=None, default=0.0),
        point("request_cooling", Wear.CYCLIC, minimum=5.0, maximum=30.0, step=None, default=-1.0),
        point("no_default", Wear.CYCLIC, minimum=None, maximum=None, step=None),
        point("shift", Wear.VOLATILE, minimum=None, maximum=5.0, step=None, decimals=1),
        point(
            "mode",
            quantity=Quantity.STATE,
            kind=Kind.STATE,
            options={0: "off", 1: "heating", 2: "fault"},
            writable_options=frozenset({"off", "heating"}),
        ),
        point("speed", quantity=Quantity.STATE, kind=Kind.STATE, options={1: "slow", 2: "fast"}),
        point("release", quantity=Quantity.FLAG, kind=Kind.STATE),
        point(
            "acknowledge",
            Wear.VOLATILE,
            quantity=Quantity.FLAG,
            kind=Kind.STATE,
            readable=False,
        ),
        point("outdoor_temperature", None),
    )
}
REGISTERS = {key: ("holding", 1000 + index) for index, key in enumerate(POINTS)}
REGISTERS["dhw_setpoint_twin"] = REGISTERS["dhw_setpoint"]


@dataclass
class FakeDriver:
    """Registers in memory that show a write only after ``delay`` seconds."""

    clock: Clock
    delay: float = 0.0
    points: Mapping[str, Point] = field(default_factory=lambda: dict(POINTS))
    values: dict[tuple[str, int], Value] = field(default_factory=dict)
    written: list[tuple[float, str, Value]] = field(default_factory=list)
    """Monotonic time, key and value of each write that reached the device."""
    reads: list[str] = field(default_factory=list)
    deaf: bool = False
    """Takes writes and forgets them."""
    read_errors: list[DriverError | None] = field(default_factory=list)
    """Raised by the next reads, one each; None: that read works."""
    write_error: DriverError | None = None
    """Raised by every write; all but a refusal reach the registers nevertheless."""
    write_seconds: float = 0.0
    _pending: list[tuple[float, tuple[str, int], Value]] = field(default_factory=list)

    async def read_point(self, key: str) -> Value | None:
        await asyncio.sleep(0)
        self.reads.append(key)
        if self.read_errors and (error := self.read_errors.pop(0)):
            raise error
        for item in list(self._pending):
            if item[0] <= self.clock.seconds:
                self.values[item[1]] = item[2]
                self._pending.remove(item)
        return self.values.get(self.register(key))

    async def write(self, key: str, value: Value) -> None:
        await asyncio.sleep(0)
        if self.write_seconds:
            await self.clock.sleep(self.write_seconds)
        self.written.append((self.clock.seconds, key, value))
        if not self.deaf and not isinstance(self.write_error, RefusedError):
            self._pending.append((self.clock.seconds + self.delay, self.register(key), value))
        if self.write_error:
            raise self.write_error

    def register(self, key: str) -> tuple[str, int]:
        return REGISTERS[key]

    def show(self, key: str, value: Value) -> None:
        """Set a value as if someone turned it at the machine."""
        self.values[self.register(key)] = value

    @property
    def sent(self) -> list[tuple[str, Value]]:
        return [(key, value) for _, key, value in self.written]


@dataclass
class Disk:
    """What survives a restart. Only text is kept, so it must be JSON-able."""

    text: str | None = None
    error: Exception | None = None
    saves: int = 0

    async def save(self, data: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        self.saves += 1
        self.text = json.dumps(data, allow_nan=False)

    async def load(self) -> dict[str, Any] | None:
        if self.error:
            raise self.error
        return self.data

    @property
    def data(self) -> dict[str, Any] | None:
        return None if self.text is None else json.loads(self.text)

    @data.setter
    def data(self, data: Any) -> None:
        self.text = json.dumps(deepcopy(data))


@dataclass
class House:
    """One heat pump with its guard."""

    clock: Clock = field(default_factory=Clock)
    disk: Disk = field(default_factory=Disk)
    seen: list[tuple[str, Value]] = field(default_factory=list)
    """What the guard told the coordinator."""

    def __post_init__(self) -> None:
        self.driver = FakeDriver(self.clock)
        self.guard = self.start()

    def start(self, identity: str = "idm-cellar", **changes: Any) -> WriteGuard:
        """Start Home Assistant (again), without closing what ran before."""
        settings: dict[str, Any] = {
            "load": self.disk.load,
            "save": self.disk.save,
            "now": self.clock.now,
            "monotonic": self.clock.monotonic,
            "sleep": self.clock.sleep,
            "on_verified": lambda key, value: self.seen.append((key, value)),
        }
        self.guard = WriteGuard(self.driver, identity, **settings | changes)
        return self.guard

    async def write(self, key: str, value: Value, asked_by: Asker = ANNA) -> WriteResult:
        return await self.guard.write(key, value, asked_by=asked_by)
