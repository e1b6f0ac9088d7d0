"""What holds on the wire for every driver: its tests are imported where a driver is.

They want the fixtures ``proxy``, ``driver``, which talks through it, and ``another``, which
makes one more such driver.
"""

import asyncio
from collections.abc import Callable

import pytest

from custom_components.heat_pump_hub.drivers.driver import Driver, DriverError
from custom_components.heat_pump_hub.drivers.points import Tier, Value
from custom_components.heat_pump_hub.simulator.faults import Fault, FaultProxy


async def poll(driver: Driver) -> dict[str, Value] | None:
    """Poll everything; ``None`` if nothing could be read."""
    try:
        snapshot = await driver.read(Tier)
    except DriverError:
        return None
    return dict(snapshot.values)


async def test_closing_frees_the_only_slot(
    driver: Driver, proxy: FaultProxy, another: Callable[[], Driver]
) -> None:
    """A reload on a device with one connection finds the slot free."""
    proxy.max_connections = 1
    assert await poll(driver)
    await driver.close()
    for _ in range(3):
        await asyncio.sleep(0.1)  # the proxy, too, needs a moment to see the end
        again = another()
        assert await poll(again)
        await again.close()
    assert proxy.refused == 0


async def test_a_closed_driver_opens_nothing(driver: Driver, proxy: FaultProxy) -> None:
    """After close no request goes out."""
    await driver.close()
    assert await poll(driver) is None
    assert proxy.connects == 0


async def test_a_cancelled_poll_is_cancelled(driver: Driver, proxy: FaultProxy) -> None:
    """Unloading during a silent request ends it as a cancellation, and the link is free."""
    assert await poll(driver)
    proxy.fault = Fault.SILENT
    task = asyncio.create_task(driver.read(Tier))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    proxy.clear()
    assert await poll(driver)
