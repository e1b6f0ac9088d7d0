"""A Luxtronik that is reached both ways: its own protocol, and the Smart Home Interface.

Each way fails by itself: what the other one tells is shown all the same. What both can
set is set by the interface, which wears nothing out; the parameter is there, disabled.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
import logging
from typing import Any, Final, override

from ..driver import (
    Address,
    BusyError,
    DriverError,
    Fingerprint,
    Layout,
    NotThisFamilyError,
    OtherMachineError,
    Traffic,
    UnsupportedModelError,
)
from ..points import Failure, Point, Snapshot, Tier, Value
from .driver import LuxtronikDriver
from .firmware import SHI_PORT, Controller
from .shi import ShiDriver

_LOGGER: Final = logging.getLogger(__name__)
_AGAIN: Final = (Failure.NO_ANSWER, Failure.BUSY)
_HOLD: Final = (NotThisFamilyError, OtherMachineError, UnsupportedModelError)
"""What answers is not the machine that was set up: nothing of it counts."""

REPLACED: Final = {
    "heating_target_correction": "shi_heating_offset",
    "dhw_temperature_setpoint": "shi_hot_water_setpoint",
    "heating_mode": "shi_lock_heating",
    "dhw_mode": "shi_lock_hot_water",
}
"""Parameters in flash memory, and what sets the same in memory that does not wear."""


@dataclass(slots=True)
class _Way:
    """One of the two, and what became of its last polls."""

    name: str
    read: Callable[[Iterable[Tier]], Awaitable[Snapshot]]
    keys: Mapping[Tier, frozenset[str]]
    missed: set[Tier] = field(default_factory=set)
    """Tiers that were asked for and not read: the next poll reads them as well."""
    down: bool = False
    """Whether its failure was logged."""

    async def poll(self, asked: frozenset[Tier]) -> Snapshot | DriverError:
        """Return what was read, or why nothing was."""
        self.missed |= asked
        try:
            snapshot = await self.read(frozenset(self.missed))
        except DriverError as err:
            return err
        failed = {key for key, why in snapshot.failed.items() if why in _AGAIN}
        self.missed = {tier for tier in self.missed if not failed.isdisjoint(self.keys[tier])}
        return snapshot

    def nothing(self, asked: frozenset[Tier], error: DriverError, time: datetime) -> Snapshot:
        """Return a snapshot of a poll that read nothing."""
        why = Failure.BUSY if isinstance(error, BusyError) else Failure.NO_ANSWER
        keys = frozenset[str]().union(*(self.keys[tier] for tier in asked))
        return Snapshot(time=time, values={}, failed=dict.fromkeys(keys, why), tiers=asked)

    def log(self, error: DriverError | None) -> None:
        """Say once that it went, and once that it is back, while the other one goes on."""
        if error is not None and not self.down:
            _LOGGER.warning("%s does not answer, its values are missing: %s", self.name, error)
        elif error is None and self.down:
            _LOGGER.info("%s answers again", self.name)
        self.down = error is not None


class TwoWayDriver(LuxtronikDriver):
    """One Luxtronik controller with its Smart Home Interface."""

    def __init__(
        self,
        address: Address,
        layout: Layout,
        learned: Mapping[str, Any] | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare the points of both; nothing is opened before the first read."""
        super().__init__(address, layout, learned, now=now)
        of_shi = (learned or {}).get("shi")
        own = self.points
        self._shi = shi = ShiDriver(
            address.host,
            Controller.from_layout(layout).shi or SHI_PORT,
            circuits=layout.circuits,
            version=self.version,
            taken=own.keys(),
            learned=of_shi if isinstance(of_shi, dict) else None,
            now=now,
        )
        self._polling: asyncio.Future[Snapshot | DriverError] | None = None
        self._doubt: DriverError | None = None
        """Why the last poll of the controller's own protocol failed."""
        self._own = _Way(f"The Luxtronik at {address.host}", super().read, _by_tier(own))
        self._beside = _Way(
            f"The Smart Home Interface of the Luxtronik at {address.host}",
            shi.read,
            _by_tier(shi.points),
        )
        self.points = {
            **{
                key: replace(point, enabled=False) if REPLACED.get(key) in shi.points else point
                for key, point in own.items()
            },
            **shi.points,
        }

    @property
    @override
    def traffic(self) -> Traffic:
        """Counters of both links."""
        own, other = super().traffic, self._shi.traffic
        return Traffic(
            requests=own.requests + other.requests,
            connects=own.connects + other.connects,
            refused=own.refused + other.refused,
            failures=own.failures + other.failures,
        )

    @override
    def expect(self, fingerprint: Fingerprint) -> None:
        """Read and write only the machine of this fingerprint, either way."""
        super().expect(fingerprint)
        self._shi.greet_with(self._prove if fingerprint else None)

    async def _prove(self) -> None:
        """Let a new connection of the interface count, if the controller is the right one.

        It tells no serial number, so it is believed what the other protocol of the same
        host proved with the same poll. Raises what that one raised.
        """
        found = self._doubt
        if self._polling is not None:
            result = await asyncio.shield(self._polling)
            found = result if isinstance(result, DriverError) else None
        if found is not None:
            raise found

    @override
    async def read(self, tiers: Iterable[Tier]) -> Snapshot:
        """Poll these tiers, both ways at the same time; raises only if neither answers."""
        asked = frozenset(tiers)
        self._polling = polling = asyncio.ensure_future(self._own.poll(asked))
        try:
            own, other = await asyncio.gather(polling, self._beside.poll(asked))
        finally:
            self._polling = None
        self._doubt = own if isinstance(own, DriverError) else None
        if isinstance(own, DriverError) and (
            isinstance(other, DriverError) or isinstance(own, _HOLD)
        ):
            raise own
        self._own.log(own if isinstance(own, DriverError) else None)
        self._beside.log(other if isinstance(other, DriverError) else None)
        if isinstance(own, DriverError):
            own = self._own.nothing(asked, own, self._now())
        if isinstance(other, DriverError):
            other = self._beside.nothing(asked, other, own.time)
        return Snapshot(
            time=own.time,
            values={**own.values, **other.values},
            failed={**own.failed, **other.failed},
            unknown_codes={**own.unknown_codes, **other.unknown_codes},
            tiers=asked,
        )

    @override
    async def read_point(self, key: str) -> Value | None:
        """Read one point now, the way it is served. Raises :class:`DriverError`."""
        if key in self._shi.points:
            self._check()
            return await self._shi.read_point(key)
        return await super().read_point(key)

    @override
    async def write(self, key: str, value: Value) -> None:
        """Write one point the way it is served. Raises as :meth:`LuxtronikDriver.write`."""
        if key in self._shi.points:
            self._check()
            await self._shi.write(key, value)
        else:
            await super().write(key, value)

    def _check(self) -> None:
        """Raise if the last poll met another machine."""
        if isinstance(self._doubt, _HOLD):
            raise self._doubt

    @override
    def register(self, key: str) -> tuple[str, int]:
        """Return table and index or address of a point."""
        return self._shi.register(key) if key in self._shi.points else super().register(key)

    @override
    def learned(self) -> dict[str, Any]:
        """Return what both learned."""
        return {**super().learned(), "shi": self._shi.learned()}

    @property
    @override
    def learned_version(self) -> int:
        """Grows whenever :meth:`learned` has something new."""
        return super().learned_version + self._shi.learned_version

    @override
    def report(self) -> dict[str, Any]:
        """Return the state of both for diagnostics."""
        return {**super().report(), "smart_home_interface": self._shi.report()}

    @override
    async def close(self) -> None:
        """Close both links."""
        await asyncio.gather(super().close(), self._shi.close())


def _by_tier(points: Mapping[str, Point]) -> Mapping[Tier, frozenset[str]]:
    return {
        tier: frozenset(key for key, point in points.items() if point.tier is tier) for tier in Tier
    }
