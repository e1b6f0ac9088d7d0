"""What a poll costs: requests against the floor, time on a slow wire, event loop CPU."""

import asyncio
from asyncio import events
import time
from typing import Any
from unittest.mock import patch

from custom_components.heat_pump_hub.drivers import idm_points
from custom_components.heat_pump_hub.drivers.driver import Address
from custom_components.heat_pump_hub.drivers.idm import IdmDriver
from custom_components.heat_pump_hub.drivers.points import Tier
from custom_components.heat_pump_hub.simulator.idm_values import IdmMachine

from .figures import Figure
from .floor import defined_floor
from .house import LAYOUT, enable_all, entry_for, house
from .machine import machine

LATENCY_MS = 20.0
POLLS = 40


def floor() -> int:
    """Return the floor for circuits A and B without options."""
    fitted = IdmMachine()
    exists = {address for row, _ in fitted.rows() for address in row.addresses if row.readable}
    overlapped = {1392, 1441, 1483}
    spans = [
        (register.address, register.end)
        for register in idm_points.registers(LAYOUT)
        if register.point.readable
    ]
    return defined_floor(spans, exists - overlapped)


async def run() -> list[Figure]:
    """Measure."""
    async with machine(latency_ms=LATENCY_MS) as device:
        return [
            *await _wire(device.port, device.slow_port, device),
            *await _loop(device.port),
        ]


async def _wire(port: int, slow_port: int, device: Any) -> list[Figure]:
    driver = IdmDriver(Address(host="127.0.0.1", port=port), LAYOUT)
    await driver.read(Tier)
    before = (await device.counts())["requests"]
    await driver.read(Tier)
    requests = (await device.counts())["requests"] - before
    await driver.close()
    least = floor()

    slow = IdmDriver(Address(host="127.0.0.1", port=slow_port), LAYOUT)
    await slow.read(Tier)
    walls = []
    for _ in range(5):
        since = time.perf_counter()
        await slow.read(Tier)
        walls.append(time.perf_counter() - since)
    await slow.close()
    wall = sorted(walls)[len(walls) // 2]
    return [
        Figure("requests per full poll / defined floor", requests / least, 1.1, "x",
               f"{requests} requests, floor {least}"),
        Figure("wall of a full poll at 20 ms / (requests x 20 ms)",
               wall / (requests * LATENCY_MS / 1000), 1.15, "x", f"{wall * 1000:.0f} ms"),
    ]  # fmt: skip


async def _loop(port: int) -> list[Figure]:
    async with house() as hass:
        entry = entry_for(port)
        entry.add_to_hass(hass)
        await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        entities = await enable_all(hass, entry)
        coordinator = entry.runtime_data.coordinator
        await _settle(hass)
        longest = 0.0
        original = events.Handle._run  # noqa: SLF001 - the only place where every callback passes

        def timed(handle: asyncio.Handle) -> None:
            nonlocal longest
            since = time.thread_time()
            original(handle)
            longest = max(longest, time.thread_time() - since)

        full = await _cpu(coordinator, full=True)
        fast = await _cpu(coordinator, full=False)
        with patch.object(events.Handle, "_run", timed):
            for _ in range(POLLS):
                coordinator._settings_due = True  # noqa: SLF001 - a full poll on demand
                await coordinator.async_refresh()
                await asyncio.sleep(0.005)
        idle = await _idle()
        return [
            Figure("loop CPU of a full poll at 0 ms", full - idle, 2.5, "ms",
                   f"{entities} entities"),
            Figure("loop CPU of a poll of measurements", fast - idle, None, "ms"),
            Figure("longest callback of a poll, thread CPU", longest * 1000, 5.0, "ms"),
        ]  # fmt: skip


async def _settle(hass: Any) -> None:
    await hass.async_block_till_done()
    # the detector is loaded after the set-up; wait until that thread is quiet
    await asyncio.sleep(6)


async def _cpu(coordinator: Any, *, full: bool) -> float:
    """Return the median loop CPU of a poll, ms; a pause between polls as in real life."""
    spent = []
    for _ in range(POLLS):
        coordinator._settings_due = full  # noqa: SLF001 - a full poll on demand
        since = time.thread_time()
        await coordinator.async_refresh()
        await asyncio.sleep(0.005)
        spent.append((time.thread_time() - since) * 1000)
    return sorted(spent)[POLLS // 2]


async def _idle() -> float:
    """Return what the pause itself costs, ms."""
    spent = []
    for _ in range(POLLS):
        since = time.thread_time()
        await asyncio.sleep(0.005)
        spent.append((time.thread_time() - since) * 1000)
    return sorted(spent)[POLLS // 2]
