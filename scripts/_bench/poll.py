"""What a poll costs: requests against the floor, time on a slow wire, event loop CPU."""

import asyncio
from asyncio import events
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
import time
from typing import Any
from unittest.mock import patch

from custom_components.heat_pump_hub.drivers import family, nibe
from custom_components.heat_pump_hub.drivers.device import ModbusDriver
from custom_components.heat_pump_hub.drivers.driver import Address, Driver
from custom_components.heat_pump_hub.drivers.points import Tier

from .figures import Figure
from .floor import floor
from .house import enable_all, entry_for, house, layout_of
from .machine import FAMILIES, Machine, machine

LATENCY_MS = 20.0
POLLS = 20
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """What a family may cost."""

    loop_ms: float
    requests: int | None = None
    """Of a full poll, where the floor is not the measure."""
    spacing: float = 0.0
    """Seconds of silence before each request."""


LIMITS = {
    "idm": Limits(2.5),
    "nibe": Limits(5.0, spacing=nibe.SPACING),
    "daikin": Limits(2.5, requests=3),
    "luxtronik": Limits(4.0, requests=3),
}


async def run(family_key: str = "idm") -> list[Figure]:
    """Measure one family, or ``all``."""
    figures = []
    for key in FAMILIES if family_key == "all" else (family_key,):
        async with machine(key, latency_ms=LATENCY_MS) as device:
            figures += await _wire(key, device)
            figures += await _loop(key, device.port)
    return figures


async def _driver(key: str, port: int, layout_port: int) -> Driver:
    kind = family(key)
    layout = await layout_of(key, layout_port)
    return kind.create(Address(host="127.0.0.1", port=port, unit=kind.unit), layout, None)


async def _wire(key: str, device: Machine) -> list[Figure]:
    driver = await _driver(key, device.port, device.port)
    await driver.read(Tier)
    requests = await _requests(device, driver, *Tier)
    fast = await _requests(device, driver, Tier.MEASUREMENT)
    await driver.close()

    slow = await _driver(key, device.slow_port, device.port)
    await slow.read(Tier)
    walls = []
    for _ in range(5):
        since = time.perf_counter()
        await slow.read(Tier)
        walls.append(time.perf_counter() - since)
    await slow.close()
    wall = sorted(walls)[len(walls) // 2]

    limits = LIMITS[key]
    if isinstance(driver, ModbusDriver):
        least = floor(key, driver.blocks(Tier))
        note = f"{requests} requests, floor {least}, {len(driver.points)} points"
        figures = [
            Figure(f"{key}: requests per full poll / defined floor", requests / least, 1.1, "x",
                   note),
        ]  # fmt: skip
    else:
        figures = [Figure(f"{key}: requests per poll of measurements", fast, 1, "")]
    if limits.requests is not None:
        figures.append(Figure(f"{key}: requests per full poll", requests, limits.requests, ""))
    ideal = requests * (LATENCY_MS / 1000 + limits.spacing)
    pause = f" + {limits.spacing * 1000:.0f} ms of pause" if limits.spacing else ""
    figures.append(
        Figure(f"{key}: wall of a full poll / requests x (20 ms{pause})", wall / ideal, 1.15,
               "x", f"{wall * 1000:.0f} ms")
    )  # fmt: skip
    return figures


async def _requests(device: Machine, driver: Driver, *tiers: Tier) -> int:
    before = (await device.counts())["requests"]
    await driver.read(tiers)
    return (await device.counts())["requests"] - before


async def _loop(key: str, port: int) -> list[Figure]:
    limits = LIMITS[key]
    # A NIBE is read without the pauses that are for its own sake: what they cost is idle.
    unpaced = replace(nibe.FAMILY, create=partial(nibe.NibeDriver, spacing=0.0))
    async with house() as hass:
        with patch.object(nibe, "FAMILY", unpaced):
            entry = entry_for(port, family_key=key, layout=await layout_of(key, port))
            entry.add_to_hass(hass)
            await hass.config_entries.async_setup(entry.entry_id)
            await hass.async_block_till_done()
            entities = await enable_all(hass, entry)
        coordinator = entry.runtime_data.coordinator
        values = len(coordinator.values)
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
            Figure(f"{key}: loop CPU of a full poll at 0 ms", full - idle, limits.loop_ms, "ms",
                   f"{entities} entities, {values} values"),
            Figure(f"{key}: loop CPU of a poll of measurements", fast - idle, None, "ms"),
            Figure(f"{key}: longest callback of a poll, thread CPU", longest * 1000, 5.0, "ms"),
        ]  # fmt: skip


async def _settle(hass: Any) -> None:
    await hass.async_block_till_done()
    # the detector is loaded after the set-up; wait until that thread is quiet
    await asyncio.sleep(6)


async def _cpu(coordinator: Any, *, full: bool) -> float:
    """Return the loop CPU of a poll, ms; a pause between polls as in real life."""

    async def poll() -> None:
        coordinator._settings_due = full  # noqa: SLF001 - a full poll on demand
        await coordinator.async_refresh()
        await asyncio.sleep(0.005)

    return await _spent(poll)


async def _idle() -> float:
    """Return what the pause itself costs, ms."""
    return await _spent(lambda: asyncio.sleep(0.005))


async def _spent(work: Callable[[], Awaitable[None]]) -> float:
    """Return the median thread CPU, ms, of the quietest round: others empty the caches, too."""
    medians = []
    for _ in range(ROUNDS):
        spent = []
        for _ in range(POLLS):
            since = time.thread_time()
            await work()
            spent.append((time.thread_time() - since) * 1000)
        medians.append(sorted(spent)[POLLS // 2])
    return min(medians)
