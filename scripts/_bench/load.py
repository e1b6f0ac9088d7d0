"""What four heat pumps at once cost a Home Assistant that does nothing else.

All simulated machines, 600 entities, 30 s interval, journal on, history sent to a real
server, detectors loaded and watching (in their warm-up). Processor time of the whole
process, all threads, beside the same Home Assistant without us in the same minutes.
"""

import asyncio
from contextlib import AsyncExitStack
import json
from pathlib import Path
import sys
import tempfile
import time
from typing import Any

from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.heat_pump_hub.drivers.points import Snapshot
from tests.servers import VictoriaMetrics as Server

from .figures import Figure
from .house import enable, entry_for, house, layout_of
from .machine import FAMILIES, machine

ENTITIES = 600
INTERVAL = 30
WINDOW = 150.0
"""Seconds: five polls of each."""
SETTLE = 45.0
"""Seconds until the detectors are loaded and every heat pump has polled."""


async def run(window: float = WINDOW) -> list[Figure]:
    """Measure both at once, each in a process of its own."""
    async with AsyncExitStack() as stack:
        ports = []
        for family in FAMILIES:
            device = await stack.enter_async_context(machine(family))
            ports.append(device.port)
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir="."))
        server = Server(Path(folder)).start()
        stack.callback(server.kill)
        found, empty = await asyncio.gather(
            _child(window, server.url, *ports), _child(window, "none")
        )
    added = found["cpu"] - empty["cpu"]
    loop = found["loop"] - empty["loop"]
    note = f"{found['entities']} entities, {found['polls']} polls, {found['samples']} samples sent"
    return [
        Figure("four heat pumps: share of one core", 100 * added / window, 1.0, "%", note),
        Figure("of it in the event loop", 100 * loop / window, None, "%"),
        Figure("the same Home Assistant without us", 100 * empty["cpu"] / window, None, "%"),
        Figure("detectors that watched", found["watching"], len(FAMILIES), "", least=True),
    ]


async def _child(window: float, url: str, *ports: int) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "scripts._bench.load",
        str(window),
        url,
        *map(str, ports),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


async def _measure(window: float, url: str, ports: list[int]) -> None:
    async with house() as hass:
        entries = await _add(hass, url, ports) if ports else []
        entities = await enable(hass, entries, ENTITIES) if entries else 0
        polls: list[Snapshot] = []
        for entry in entries:
            entry.runtime_data.coordinator.consumers.append(polls.append)
        await asyncio.sleep(SETTLE)
        await hass.async_block_till_done()
        polls.clear()
        # one writer serves all heat pumps of a server
        posted = entries[0].runtime_data.archive.stats.posted if entries else 0
        cpu, loop = time.process_time(), time.thread_time()
        await asyncio.sleep(window)
        cpu, loop = time.process_time() - cpu, time.thread_time() - loop
        found = {
            "cpu": cpu,
            "loop": loop,
            "entities": entities,
            "polls": len(polls),
            "samples": entries[0].runtime_data.archive.stats.posted - posted if entries else 0,
            "watching": sum(entry.runtime_data.anomaly.verdict is not None for entry in entries),
        }
        print(json.dumps(found), flush=True)


async def _add(hass: HomeAssistant, url: str, ports: list[int]) -> list[MockConfigEntry]:
    entries = []
    for family, port in zip(FAMILIES, ports, strict=True):
        layout = await layout_of(family, port)
        entry = entry_for(
            port, family_key=family, layout=layout, interval=INTERVAL, history_url=url
        )
        entry.add_to_hass(hass)
        await hass.config_entries.async_setup(entry.entry_id)
        entries.append(entry)
    await hass.async_block_till_done()
    return entries


if __name__ == "__main__":
    asyncio.run(_measure(float(sys.argv[1]), sys.argv[2], [int(port) for port in sys.argv[3:]]))
