"""A heat pump whose points are the registers of one Modbus device."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from .blocks import Block, BlockReader, Reading
from .driver import Fingerprint, Traffic
from .link import Link
from .modbus import Register
from .points import Point, Snapshot, Tier, Value
from .recognition import NOTHING, recognise


class ModbusDriver:
    """What the drivers of the Modbus families share; a family adds its table and values."""

    def __init__(
        self,
        link: Link,
        registers: Iterable[Register],
        *,
        derived: Iterable[Point],
        defined: frozenset[int],
        anchor: str,
        max_span: int,
        learned: Mapping[str, Any] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare the points; nothing is opened before the first read.

        ``derived`` are points that :meth:`derive` fills in; the rest is as for
        :class:`.blocks.BlockReader`.
        """
        self._link = link
        self._now = now
        self._registers = {register.point.key: register for register in registers}
        self.points: Mapping[str, Point] = {
            **{key: register.point for key, register in self._registers.items()},
            **{point.key: point for point in derived},
        }
        readable = {k: r for k, r in self._registers.items() if r.point.readable}
        self._tiers = {
            tier: frozenset(k for k, r in readable.items() if r.point.tier is tier) for tier in Tier
        }
        self._reader = BlockReader(
            link,
            readable.values(),
            defined=defined,
            anchor=anchor,
            max_span=max_span,
            learned=learned,
            now=now,
        )

    @property
    def traffic(self) -> Traffic:
        """Counters of the link."""
        return self._link.traffic

    def expect(self, fingerprint: Fingerprint) -> None:
        """Read and write only the machine of this fingerprint."""
        self._link.greet = partial(recognise, fingerprint, self.look) if fingerprint else None

    async def look(self, expected: Fingerprint) -> Fingerprint:
        """Read what is quickly read of a fingerprint, within a session of the link.

        A family says how; here nothing is read. Raises :class:`.driver.DriverError`.
        """
        return NOTHING

    async def read(self, tiers: Iterable[Tier]) -> Snapshot:
        """Poll these tiers. Raises as :meth:`.driver.Driver.read`."""
        asked = frozenset(tiers)
        keys = frozenset[str]().union(*(self._tiers[tier] for tier in asked))
        async with self._link.session():
            time = self._now()
            reading = await self._reader.read(keys)
        if Tier.MEASUREMENT in asked:
            self.derive(reading)
        return reading.snapshot(time, asked)

    def derive(self, reading: Reading) -> None:
        """Add what follows from the measurements that were read."""

    async def read_point(self, key: str) -> Value | None:
        """Read one point now. Raises :class:`.driver.DriverError`."""
        async with self._link.session():
            return await self._reader.read_one(key)

    async def write(self, key: str, value: Value) -> None:
        """Write one point. Raises :class:`.driver.DriverError`."""
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
            "blocks": [[block.table, block.start, block.count] for block in self.blocks(Tier)],
            "learned": self.learned(),
            "suspected": [list(places) for places in self._reader.crashes.suspects],
            "requests": traffic.requests,
            "connects": traffic.connects,
            "refused": traffic.refused,
            "failures": traffic.failures,
        }

    async def close(self) -> None:
        """Close the link."""
        await self._link.close()
