"""Kill a server again and again while it is written to, and look for what is missing."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
import time

from .figures import Figure
from .history_parts import SIGNALS, polls, shipping, verified


async def measure(folder: Path, kills: int) -> list[Figure]:
    """Kill a server at random moments; then compare."""
    random = Random(kills)
    start = datetime.now(UTC) - timedelta(days=2)
    taken = 0
    async with shipping(folder) as live:
        source = polls(1 << 30, SIGNALS, start)
        for _ in range(kills):
            until = time.monotonic() + random.uniform(0.2, 2.0)
            while time.monotonic() < until:
                live.feed.take(next(source))
                taken += 1
                await asyncio.sleep(0.05)
            await asyncio.to_thread(live.server.kill)
            await asyncio.sleep(random.uniform(0.0, 0.3))
            await asyncio.to_thread(live.server.start)
        live.journal.outbox.draw()
        await verified(live.shipper)
        found = await live.server.export('{heatpump_id="idm"}')
        missing = taken * SIGNALS - sum(len(set(one["timestamps"])) for one in found)
        twice = sum(len(one["timestamps"]) - len(set(one["timestamps"])) for one in found)
        lost = live.shipper.stats.lost
    return [
        Figure(f"samples missing after {kills} kills of the server", missing, 0, "",
               f"{lost} had been lost after their answer"),
        Figure("samples there twice", twice, 0, ""),
    ]  # fmt: skip
