"""The Smart Home Interface of a Luxtronik 2.1: Modbus TCP, for control that wears nothing out.

Source: field notes on the interface (firmware V3.90.1 or newer, port 502, switched on at
the controller). What is written is kept in memory, stays in force while any register is
read or written within ten minutes, and is forgotten when the controller restarts.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, override

from ..contact import Question, ask
from ..device import ModbusDriver
from ..driver import Address, DriverError, NoAnswerError, WrongProtocolError
from ..link import PLAIN, Link
from ..points import Failure, Snapshot, Tier
from ..table import places
from . import shi_points as table
from .discovery import USUAL_PORTS
from .firmware import SHI_PORT, SHI_SINCE, Version

TIMEOUT: Final = 2.0
"""Seconds a request may take: it must not keep the other protocol's values waiting."""
BUDGET: Final = 5.0
"""Seconds a whole poll may take."""
PAUSE: Final = 1.0
"""Seconds the controller is left alone after a write."""

_UNIT: Final = 1
_LONGEST: Final = 40
"""Registers in one read."""
_QUESTION: Final = Question("input", table.VERSION, 3)


class _Link(Link):
    """A link that leaves the controller alone after each write."""

    _written = float("-inf")

    @asynccontextmanager
    @override
    async def session(self) -> AsyncIterator[None]:
        """Hold the link for one poll or one command."""
        async with super().session():
            await asyncio.sleep(self._written + PAUSE - asyncio.get_running_loop().time())
            yield

    @override
    async def write_registers(self, address: int, words: list[int]) -> None:
        """Write holding registers in one request. Raises as :meth:`..link.Link.write_registers`."""
        try:
            await super().write_registers(address, words)
        finally:
            self._written = asyncio.get_running_loop().time()


class ShiDriver(ModbusDriver):
    """The Smart Home Interface of one controller, as a companion of its own protocol."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        circuits: Collection[str],
        version: Version | None,
        taken: Collection[str],
        learned: Mapping[str, Any] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare the points of a firmware; nothing is opened before the first read.

        ``taken`` are the keys that the controller's own protocol serves.
        """
        registers = list(table.registers(circuits, version, taken))
        versions = [r for r in registers if table.VERSION <= r.address < table.VERSION + 3]
        others = [r for r in registers if r not in versions]
        super().__init__(
            _Link(Address(host=host, port=port, unit=_UNIT), PLAIN, timeout=TIMEOUT),
            others,
            derived=(*table.RUNNING, *(register.point for register in versions)),
            defined=places(others),
            anchor=table.ANCHOR,
            max_span=_LONGEST,
            learned=learned,
            now=now,
        )
        self._versions = [register.point for register in versions]
        self._places = {r.point.key: (f"shi_{r.table}", r.address) for r in registers}
        self._places |= {p.key: self._places[table.STATUS] for p in table.RUNNING}
        self.version: Version | None = None
        """The firmware as the last poll found it."""
        self._served: Mapping[Tier, frozenset[str]] = self._tiers
        """Keys of the registers that this firmware has."""

    def greet_with(self, greet: Callable[[], Awaitable[None]] | None) -> None:
        """Call this before the first request on each new connection."""
        self._link.greet = greet

    @override
    async def read(self, tiers: Iterable[Tier]) -> Snapshot:
        """Poll these tiers. Raises as :meth:`..driver.Driver.read`."""
        asked = frozenset(tiers)
        try:
            async with asyncio.timeout(BUDGET), self._link.session():
                time = self._now()
                found = await _version(self._link)
                self._recognise(found)
                keys = frozenset[str]().union(*(self._served[tier] for tier in asked))
                reading = await self._reader.read(keys)
        except TimeoutError as err:
            raise NoAnswerError(f"no whole answer within {BUDGET:g} s") from err
        missing = frozenset[str]().union(*(self._tiers[tier] for tier in asked)) - keys
        reading.failed.update(dict.fromkeys(missing, Failure.REFUSED))
        status = reading.values.get(table.STATUS)
        for bit, point in enumerate(table.RUNNING):
            if isinstance(status, int):
                reading.values[point.key] = bool(status >> bit & 1)
            elif table.STATUS in reading.failed:
                reading.failed[point.key] = reading.failed[table.STATUS]
        if Tier.SETTING in asked:
            reading.values |= zip((point.key for point in self._versions), found, strict=False)
        return reading.snapshot(time, asked)

    def _recognise(self, found: Version) -> None:
        """Ask for what this firmware has, and for nothing else."""
        if found == self.version:
            return
        self.version = found
        has = table.served(found)
        self._served = {
            tier: frozenset(
                key
                for key in keys
                if (self._registers[key].table, self._registers[key].address) in has
            )
            for tier, keys in self._tiers.items()
        }

    @override
    def register(self, key: str) -> tuple[str, int]:
        """Return table and address of a point."""
        return self._places[key]

    @override
    def report(self) -> dict[str, Any]:
        """Return firmware, plan, refusals and traffic for diagnostics."""
        version = None if self.version is None else ".".join(map(str, self.version))
        return {"version": version, **super().report()}


async def _version(link: Link) -> Version:
    """Return the firmware. Raises :class:`DriverError`, also if it is none with this interface."""
    found = Version(*await ask(link, _QUESTION))
    if not SHI_SINCE <= found < Version(100, 0):
        raise WrongProtocolError("inputs 10400 to 10402 hold no firmware with this interface")
    return found


def port_beside(port: int) -> int | None:
    """Return where the interface answers on a host whose controller answers at ``port``.

    Where the controller's port is forwarded to another one, it is the next.
    """
    beside = SHI_PORT if port in USUAL_PORTS else port + 1
    return beside if beside < 65536 else None


async def look_for(address: Address) -> int | None:
    """Return the port at which a controller has the interface; ``None`` if it has none.

    Read only; leaves nothing open.
    """
    port = port_beside(address.port)
    if port is None:
        return None
    link = _Link(Address(host=address.host, port=port, unit=_UNIT), PLAIN, timeout=TIMEOUT)
    try:
        async with link.session():
            await _version(link)
    except DriverError:
        return None
    finally:
        await link.close()
    return port
