"""What the benches of history share: a heat pump's polls, a journal, a shipper to a real server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
import tempfile

import aiohttp

from custom_components.heat_pump_hub.drivers.points import Kind, Point, Quantity, Snapshot
from custom_components.heat_pump_hub.history.feed import Feed
from custom_components.heat_pump_hub.history.journal import Journal
from custom_components.heat_pump_hub.history.series import Encoder
from custom_components.heat_pump_hub.history.shipper import Shipper
from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics
from tests.servers import VictoriaMetrics as Server

SIGNALS = 150
EVERYTHING = 698
INTERVAL = 30
POLLS_A_DAY = 86_400 // INTERVAL
HOLD = 6.0
"""Seconds, a fifth of a house's; no server is killed here."""


def points(count: int) -> dict[str, Point]:
    """Return points like those of a heat pump: two thirds measured, the others states."""
    return {
        f"point_{n}": Point(
            key=f"point_{n}",
            name="point",
            quantity=Quantity.TEMPERATURE if n % 3 else Quantity.COUNT,
            kind=Kind.ANALOG if n % 3 else Kind.STATE,
        )
        for n in range(count)
    }


def polls(count: int, signals: int, start: datetime, seed: int = 1) -> Iterator[Snapshot]:
    """Yield polls in which every second measured value has moved, and few states."""
    random = Random(seed)
    values = {f"point_{n}": 20.0 + n / 10 if n % 3 else n for n in range(signals)}
    for index in range(count):
        for n, key in enumerate(values):
            if n % 3:
                if random.random() < 0.5:
                    values[key] = round(values[key] + random.choice((-0.2, -0.1, 0.1, 0.2)), 1)
            elif random.random() < 0.01:
                values[key] += 1
        yield Snapshot(time=start + timedelta(seconds=INTERVAL * index), values=dict(values))


def encoder(signals: int = SIGNALS) -> Encoder:
    """Return an encoder with labels of a usual length."""
    return Encoder(points(signals), heatpump_id="idm", manufacturer="IDM", model="Navigator 2.0")


def written() -> int:
    """Return the bytes this process has caused to be written to devices."""
    text = Path("/proc/self/io").read_text(encoding="ascii")
    return int(
        next(line for line in text.splitlines() if line.startswith("write_bytes")).split()[1]
    )


@asynccontextmanager
async def open_journal(folder: Path) -> AsyncIterator[Journal]:
    executor = ThreadPoolExecutor(1)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        journal = Journal(Path(name) / "one.sqlite", "idm", executor, days=365)
        journal.keys = None
        await journal.open()
        yield journal
        await journal.close()
    executor.shutdown()


@dataclass(frozen=True, slots=True)
class Shipping:
    """One heat pump on its way to one server."""

    server: Server
    client: VictoriaMetrics
    journal: Journal
    shipper: Shipper
    feed: Feed


@asynccontextmanager
async def shipping(
    folder: Path, hold: float = HOLD, session: aiohttp.ClientSession | None = None
) -> AsyncIterator[Shipping]:
    """Ship to a new server; a session that is given stays open."""
    own = aiohttp.ClientSession() if session is None else session
    with tempfile.TemporaryDirectory(dir=folder) as name:
        server = Server(Path(name)).start()
        try:
            async with open_journal(folder) as journal:
                client = VictoriaMetrics(own, server.url, kept=True)
                shipper = Shipper(client, hold=hold, sleep=_short)
                feed = Feed(encoder(), journal.outbox, shipper)
                feed.keys = None
                shipper.attach(journal.outbox)
                task = asyncio.create_task(shipper.run())
                yield Shipping(server, client, journal, shipper, feed)
                shipper.detach(journal.outbox)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                client.close()
        finally:
            server.kill()
            if session is None:
                await own.close()


async def _short(_delay: float) -> None:
    await asyncio.sleep(0.05)


async def verified(shipper: Shipper, every: float = 0.05) -> None:
    """Wait until the server is known to have everything."""
    while shipper.stats.queued_samples or shipper.stats.unverified:
        await asyncio.sleep(every)
