"""A driver whose electricity is measured by a meter beside the heat pump."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from .derived import COP, cop
from .driver import Driver, Fingerprint, Traffic
from .points import Kind, Point, Quantity, Snapshot, Tier, Value

POWER: Final = Point(
    key="electrical_power",
    name="electrical_power",
    quantity=Quantity.POWER,
    kind=Kind.ANALOG,
    decimals=1,
    enabled=True,
)
ENERGY: Final = Point(
    key="electrical_energy",
    name="electrical_energy",
    quantity=Quantity.ENERGY,
    kind=Kind.COUNTER,
    decimals=3,
    enabled=True,
)
_METERED: Final = (POWER, ENERGY)


class MeteredDriver:
    """Puts what a meter shows into every poll, in place of what the heat pump says of itself.

    A value the meter does not have is absent: what the heat pump says instead would be
    another quantity in the same series. The momentary COP follows the meter's power.
    """

    def __init__(
        self,
        driver: Driver,
        meter: Callable[[], Mapping[str, float]],
        keys: Collection[str],
    ) -> None:
        """``meter`` returns what it shows now, W and kWh by key; ``keys`` are those it has."""
        self._driver = driver
        self._meter = meter
        self._metered = frozenset(keys)
        points = dict(driver.points)
        for point in _METERED:
            if point.key in self._metered:
                own = points.get(point.key, point)
                points[point.key] = replace(
                    point, part=own.part, enabled=own.enabled, diagnostic=own.diagnostic
                )
        self._cop = POWER.key in self._metered and "thermal_power" in points
        if self._cop:
            points[COP.key] = replace(points.get(COP.key, COP), tier=Tier.MEASUREMENT)
        self.points: Mapping[str, Point] = points

    @property
    def traffic(self) -> Traffic:
        """Counters of the link."""
        return self._driver.traffic

    @property
    def learned_version(self) -> int:
        """Grows whenever :meth:`learned` has something worth saving."""
        return self._driver.learned_version

    def expect(self, fingerprint: Fingerprint) -> None:
        """Read and write only the machine of this fingerprint."""
        self._driver.expect(fingerprint)

    async def read(self, tiers: Iterable[Tier]) -> Snapshot:
        """Poll the heat pump, then look at the meter. Raises what the driver raises."""
        snapshot = await self._driver.read(tiers)
        values = {k: value for k, value in snapshot.values.items() if k not in self._metered}
        failed = {k: why for k, why in snapshot.failed.items() if k not in self._metered}
        if self._cop:
            values.pop(COP.key, None)
            failed.pop(COP.key, None)
        if Tier.MEASUREMENT in snapshot.tiers:
            shown = self._meter()
            for key in self._metered & shown.keys():
                values[key] = round(shown[key], self.points[key].decimals)
            if self._cop:
                if (ratio := cop(values)) is not None:
                    values[COP.key] = ratio
                elif (why := failed.get("thermal_power")) is not None:
                    failed[COP.key] = why
        return replace(snapshot, values=values, failed=failed)

    async def read_point(self, key: str) -> Value | None:
        """Read one point now. Raises :class:`~.driver.DriverError`."""
        if key in self._metered:
            return self._meter().get(key)
        return await self._driver.read_point(key)

    async def write(self, key: str, value: Value) -> None:
        """Write one point. Raises :class:`~.driver.DriverError`."""
        await self._driver.write(key, value)

    def register(self, key: str) -> tuple[str, int]:
        """Return table and address of a point of the heat pump."""
        return self._driver.register(key)

    def learned(self) -> dict[str, Any]:
        """Return what was learned about this device."""
        return self._driver.learned()

    def report(self) -> dict[str, Any]:
        """Return the driver's report, and what the meter measures."""
        return self._driver.report() | {"metered": sorted(self._metered)}

    async def close(self) -> None:
        """Close the link."""
        await self._driver.close()
