"""A writer that is killed: polls, ships, and tells what it has polled and posted.

Takes the path of its journal, the address of its server, the time of its first poll (ms), the
seconds it holds what the server took, the ms between the times of two polls, the seconds
between two polls, and how long its pauses are, 1 as long as in a house. Prints, whenever it
changes: polls taken, samples posted, polls of which none was, those of them that wait to be
joined, and when the last poll was taken, by the monotonic clock.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
import sys
import time
from typing import Final

import aiohttp

from custom_components.heat_pump_hub.history.entry import Entry
from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics

from .proof import House, poll, short

TELL: Final = 0.05
"""Seconds between two looks at what there is to tell."""
SERIES: Final = 6
"""Samples of a poll."""


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
        house = House(Path(path), server, hold=float(hold), sleep=sleep)
        newest = _newest_posted(house)
        await house.open()
        index = 0
        told: tuple[float, ...] = ()
        due = taken = time.monotonic()
        while True:
            if (now := time.monotonic()) >= due:
                due, taken = max(due + float(pause), now), now
                house.feed.take(poll(index, int(start), int(step)))
                index += 1
            await asyncio.sleep(min(TELL, max(0.0, due - time.monotonic())))
            # What an earlier run left is older than the first poll.
            waiting = index - max(0, (newest() - int(start)) // int(step) + 1)
            joining = house.journal.outbox.joining // SERIES
            news = index, house.shipper.stats.posted, waiting, joining, taken
            if news != told:
                told = news
                print(*news, flush=True)  # noqa: T201 - for its parent


def _newest_posted(house: House) -> Callable[[], int]:
    """Return what tells the time, ms since 1970, of the newest sample that was ever posted."""
    outbox = house.journal.outbox
    hold, newest = outbox.hold, 0

    def note(entries: Iterable[Entry], now: float) -> None:
        nonlocal newest
        taken = list(entries)
        newest = max([newest, *(entry.last for entry in taken)])
        hold(taken, now)

    outbox.hold = note  # type: ignore[method-assign]
    return lambda: newest


async def _sleep(scale: float, delay: float) -> None:
    await asyncio.sleep(delay * scale)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
