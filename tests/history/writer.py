"""A writer that is killed: polls, ships, and tells what it has polled and posted.

Takes the path of its journal, the address of its server, the time of its first poll (ms), the
seconds it holds what the server took, the ms between the times of two polls, the seconds
between two polls, and how long its pauses are, 1 as long as in a house. Prints, whenever it
changes: polls taken, samples posted, samples waiting, those of them that wait to be joined.
"""

import asyncio
from functools import partial
from pathlib import Path
import sys
import time
from typing import Final

import aiohttp

from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics

from .proof import House, poll, short

TELL: Final = 0.05
"""Seconds between two looks at what there is to tell."""


async def main(
    path: str,
    url: str,
    start: str,
    hold: str = "1",
    step: str = "30000",
    pause: str = "0.02",
    scale: str = "0",
) -> None:
    """Poll until killed."""
    sleep = partial(_sleep, float(scale)) if float(scale) else short
    async with aiohttp.ClientSession() as session:
        server = VictoriaMetrics(session, url, kept=True)
        house = await House(Path(path), server, hold=float(hold), sleep=sleep).open()
        index = 0
        told: tuple[int, ...] = ()
        due = time.monotonic()
        while True:
            if time.monotonic() >= due:
                due = max(due + float(pause), time.monotonic())
                house.feed.take(poll(index, int(start), int(step)))
                index += 1
            await asyncio.sleep(min(TELL, max(0.0, due - time.monotonic())))
            stats = house.shipper.stats
            now = index, stats.posted, stats.queued_samples, house.journal.outbox.joining
            if now != told:
                told = now
                print(*now, flush=True)  # noqa: T201 - for its parent


async def _sleep(scale: float, delay: float) -> None:
    await asyncio.sleep(delay * scale)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
