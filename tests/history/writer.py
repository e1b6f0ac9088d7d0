"""A writer that is killed: polls, ships, and prints what it has polled and posted.

Takes the path of its journal, the address of its server, the time of its first poll (ms), the
seconds it holds what the server took, and the ms between the times of two polls. Prints polls taken, samples posted, samples waiting.
"""

import asyncio
from pathlib import Path
import sys

import aiohttp

from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics

from .proof import House, poll


async def main(path: str, url: str, start: str, hold: str = "1", step: str = "30000") -> None:
    """Poll until killed."""
    async with aiohttp.ClientSession() as session:
        server = VictoriaMetrics(session, url)
        house = await House(Path(path), server, hold=float(hold)).open()
        index = 0
        while True:
            house.feed.take(poll(index, int(start), int(step)))
            index += 1
            await asyncio.sleep(0.02)
            stats = house.shipper.stats
            print(index, stats.posted, stats.queued_samples, flush=True)  # noqa: T201 - for its parent


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
