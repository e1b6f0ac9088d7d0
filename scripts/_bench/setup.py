"""What a set-up and reloads cost: requests, connections, sockets and memory."""

import gc
from pathlib import Path

from .figures import Figure
from .house import entry_for, house, resident_mb
from .machine import machine

RELOADS = 30
WARM = 10


def sockets() -> int:
    """Return how many sockets this process holds."""
    return sum(
        str(descriptor.readlink()).startswith("socket:")
        for descriptor in Path("/proc/self/fd").iterdir()
        if descriptor.exists() or descriptor.is_symlink()
    )


async def run() -> list[Figure]:
    """Measure."""
    async with machine() as device, house() as hass:
        at_first = sockets()
        entry = entry_for(device.port)
        entry.add_to_hass(hass)
        await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        poll = len(entry.runtime_data.driver.blocks(list(_tiers())))
        before = (await device.counts())["requests"]
        await hass.config_entries.async_reload(entry.entry_id)
        await hass.async_block_till_done()
        remembered = (await device.counts())["requests"] - before
        for _ in range(WARM):
            await hass.config_entries.async_reload(entry.entry_id)
        gc.collect()
        memory, open_sockets = resident_mb(), sockets()
        before = (await device.counts())["requests"]
        for _ in range(RELOADS):
            await hass.config_entries.async_reload(entry.entry_id)
        await hass.async_block_till_done()
        gc.collect()
        counts = await device.counts()
        per_reload = (counts["requests"] - before) / RELOADS
        grown = resident_mb() - memory
        more_sockets = sockets() - open_sockets
        await hass.config_entries.async_unload(entry.entry_id)
        await hass.async_block_till_done()
        left = sockets() - at_first
        return [
            Figure("set-up with a remembered plan, requests beyond a poll", remembered - poll, 5,
                   "req", f"{remembered} requests, a poll has {poll}"),
            Figure("requests per reload beyond the first reload's", per_reload - remembered, 0,
                   "req"),
            Figure("memory grown per reload", grown / RELOADS * 1024, 64, "kB"),
            Figure("sockets more after reloads", more_sockets, 0, ""),
            Figure("sockets left after unload", left, 0, ""),
            Figure("connections open at the machine", (await device.counts())["connections"], 0,
                   ""),
            Figure("writes that reached the machine", counts["writes"], 0, ""),
        ]  # fmt: skip


def _tiers() -> tuple[object, ...]:
    from custom_components.heat_pump_hub.drivers.points import Tier

    return tuple(Tier)
