"""Memory that a heat pump adds to the same Home Assistant, River not loaded."""

import asyncio
import gc
import json
import sys
from unittest.mock import patch

from .figures import Figure
from .house import LAYOUT, enable_all, entry_for, house, resident_mb
from .machine import machine

RUNS = 3


async def run() -> list[Figure]:
    """Measure in fresh processes, the median of three."""
    async with machine() as device:
        without = [await _child(0) for _ in range(RUNS)]
        with_us = [await _child(device.port) for _ in range(RUNS)]
    added = sorted(found["mb"] for found in with_us)[RUNS // 2]
    added -= sorted(found["mb"] for found in without)[RUNS // 2]
    return [
        Figure("memory added, River not loaded", added, 12, "MB",
               f"{with_us[0]['entities']:.0f} entities"),
    ]  # fmt: skip


async def _child(port: int) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "scripts._bench.memory", str(port), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    return found


async def _measure(port: int) -> None:
    entities = 0
    async with house() as hass:
        if port:
            entry = entry_for(port, layout=LAYOUT_150)
            entry.add_to_hass(hass)
            with patch(
                "custom_components.heat_pump_hub.detection.load", side_effect=ImportError("bench")
            ):
                await hass.config_entries.async_setup(entry.entry_id)
                await hass.async_block_till_done()
                entities = await enable_all(hass, entry)
                await asyncio.sleep(2)
        assert "river" not in sys.modules
        gc.collect()
        print(json.dumps({"mb": resident_mb(), "entities": entities}), flush=True)


LAYOUT_150 = type(LAYOUT)(circuits=("a", "b", "c", "d"), features=LAYOUT.features)


if __name__ == "__main__":
    asyncio.run(_measure(int(sys.argv[1])))
