"""A writer that is killed: polls, ships, and prints what it has polled and posted.

Takes the path of its journal, the address of its server and the time of its first poll (ms).
"""

import asyncio
from pathlib import Path
import sys

import aiohttp

from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics

from .proof import House, poll


async def main(path: str, url: str, start: str) -> None:
    """Poll until killed."""
    async with aiohttp.ClientSession() as session:
        house = await House(Path(path), VictoriaMetrics(session, url)).open()
        index = 0
        while True:
            house.feed.take(poll(index, int(start)))
            index += 1
            await asyncio.sleep(0.02)
            print(index, house.shipper.stats.posted, flush=True)  # noqa: T201 - for its parent


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
