"""What history costs: bytes on the wire and the disk, time of a drain, CPU of a poll; and kills.

Bytes on the disk are those the process caused to be written (``write_bytes`` of
``/proc/self/io``), the SQLite file's log included.
"""

import asyncio
from asyncio import events
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
import tempfile
import time
from unittest.mock import patch

import aiohttp

from custom_components.heat_pump_hub.drivers.points import Kind, Point, Quantity, Snapshot
from custom_components.heat_pump_hub.history.feed import JOINED_POLLS, Feed
from custom_components.heat_pump_hub.history.journal import BATCH_POLLS, Journal
from custom_components.heat_pump_hub.history.series import Encoder
from custom_components.heat_pump_hub.history.shipper import Shipper
from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics
from tests.servers import VictoriaMetrics as Server

from .figures import Figure

SIGNALS = 150
EVERYTHING = 698
INTERVAL = 30
POLLS_A_DAY = 86_400 // INTERVAL
HOLD = 6.0
LIVE_POLLS = 20
WARM_POLLS = 200


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


async def run(kills: int = 10) -> list[Figure]:
    """Measure."""
    # A folder of the work tree: /tmp may be memory, which counts no bytes.
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        return [
            *_wire(),
            await _record(folder, SIGNALS, 3.0, "record"),
            await _record(folder, EVERYTHING, None, "record of everything"),
            await _outage(folder),
            *await _drain(folder),
            *await _live(folder),
            *await _kills(folder, kills),
        ]


def _wire() -> list[Figure]:
    start = datetime(2026, 1, 15, tzinfo=UTC)
    figures = []
    for count, limit in ((1, 8.0), (10, 2.5), (100, 1.3)):
        frames = encoder().encode(list(polls(count, SIGNALS, start)))
        size = sum(len(frame.body) for frame in frames) / sum(frame.samples for frame in frames)
        figures.append(Figure(f"wire, {count} polls a frame", size, limit, "B", "a sample"))
    return figures


@asynccontextmanager
async def _journal(folder: Path) -> AsyncIterator[Journal]:
    executor = ThreadPoolExecutor(1)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        journal = Journal(Path(name) / "one.sqlite", "idm", executor, days=365)
        journal.keys = None
        await journal.open()
        yield journal
        await journal.close()
    executor.shutdown()


async def _record(folder: Path, signals: int, limit: float | None, name: str) -> Figure:
    start = datetime.now(UTC) - timedelta(days=2)
    async with _journal(folder) as journal:
        for snapshot in polls(BATCH_POLLS, signals, start):
            journal.take(snapshot)
        await journal.flush()
        before = written()
        for index, snapshot in enumerate(polls(POLLS_A_DAY, signals, start + timedelta(days=1))):
            journal.take(snapshot)
            if index % BATCH_POLLS == BATCH_POLLS - 1:
                await journal.flush()
        await journal.pause()
        size = (written() - before) / 1e6
        await journal.resume()
    return Figure(f"device bytes a day, {name}", size, limit, "MB", f"{signals} points at 30 s")


async def _outage(folder: Path) -> Figure:
    encode = encoder().encode
    start = datetime.now(UTC) - timedelta(days=1)
    async with _journal(folder) as journal:
        taken: list[Snapshot] = []
        samples = 0
        before = written()
        for snapshot in polls(POLLS_A_DAY, SIGNALS, start):
            taken.append(snapshot)
            if len(taken) == JOINED_POLLS:
                for frame in encode(taken):
                    journal.outbox.put(frame)
                    samples += frame.samples
                await journal.outbox.spill(everything=True)
                taken.clear()
        await journal.pause()
        size = (written() - before) / samples
        await journal.resume()
    return Figure("device bytes a sample, outage of a day", size, 23.0, "B", "frames of ten polls")


@asynccontextmanager
async def _shipping(
    folder: Path, hold: float = HOLD
) -> AsyncIterator[tuple[Server, Journal, Shipper, Feed]]:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        server = Server(Path(name)).start()
        try:
            async with aiohttp.ClientSession() as session, _journal(folder) as journal:
                shipper = Shipper(VictoriaMetrics(session, server.url), hold=hold, sleep=_short)
                feed = Feed(encoder(), journal.outbox, shipper)
                feed.keys = None
                shipper.attach(journal.outbox)
                task = asyncio.create_task(shipper.run())
                yield server, journal, shipper, feed
                shipper.detach(journal.outbox)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        finally:
            server.kill()


async def _short(_delay: float) -> None:
    await asyncio.sleep(0.05)


async def _verified(shipper: Shipper) -> None:
    while shipper.stats.queued_samples or shipper.stats.unverified:
        await asyncio.sleep(0.05)


async def _drain(folder: Path) -> list[Figure]:
    start = datetime.now(UTC) - timedelta(days=8)
    encode = encoder().encode
    async with _shipping(folder) as (server, journal, shipper, feed):
        # The backlog is on the disk, as after a restart.
        feed.take(next(polls(1, SIGNALS, start - timedelta(days=1))))
        await _verified(shipper)
        shipper.detach(journal.outbox)
        taken: list[Snapshot] = []
        for snapshot in polls(7 * POLLS_A_DAY, SIGNALS, start):
            taken.append(snapshot)
            if len(taken) == JOINED_POLLS:
                for frame in encode(taken):
                    journal.outbox.put(frame)
                taken.clear()
        await journal.outbox.spill(everything=True)
        samples = journal.outbox.samples
        wall, cpu = time.perf_counter(), time.thread_time()
        shipper.attach(journal.outbox)
        while shipper.stats.queued_samples:
            await asyncio.sleep(0.005)
        wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
        await _verified(shipper)
        missing = samples + SIGNALS - await server.count('{heatpump_id="idm"}')
    return [
        Figure("drain of 7 days, 1 million samples", wall / samples * 1e6, 0.4, "s",
               f"{samples / wall / 1e6:.1f} million/s"),
        Figure("loop CPU of a drained sample", cpu / samples * 1e6, 0.015, "us"),
        Figure("samples missing after the drain", missing, 0, ""),
    ]  # fmt: skip


async def _live(folder: Path) -> list[Figure]:
    longest = 0.0
    original = events.Handle._run  # noqa: SLF001 - the only place where every callback passes

    def timed(handle: asyncio.Handle) -> None:
        nonlocal longest
        since = time.thread_time()
        original(handle)
        longest = max(longest, time.thread_time() - since)

    async with _shipping(folder) as (server, _, shipper, feed):
        snapshots = list(polls(LIVE_POLLS, SIGNALS, datetime.now(UTC)))
        before = written()
        with patch.object(events.Handle, "_run", timed):
            await _spent(shipper, feed, snapshots)
        healthy = written() - before
        encode = encoder().encode
        async with aiohttp.ClientSession() as session:
            client = VictoriaMetrics(session, server.url)
            costs = []
            for snapshot in polls(WARM_POLLS, SIGNALS, datetime.now(UTC) - timedelta(days=1)):
                since = time.thread_time()
                for frame in encode([snapshot], None, shipper.coding):
                    await client.write(frame.body, shipper.coding)
                    await client.counts("idm", frame.first, frame.last)
                costs.append(time.thread_time() - since)
    return [
        Figure("loop CPU of a poll: encode, send, count", sorted(costs)[WARM_POLLS // 2] * 1000,
               None, "ms", f"{SIGNALS} signals, warm"),
        Figure("longest callback of live polls, thread CPU", longest * 1000, 1.5, "ms"),
        Figure("device bytes of healthy live polls", healthy, 0, "B"),
    ]  # fmt: skip


async def _spent(shipper: Shipper, feed: Feed, snapshots: Sequence[Snapshot]) -> None:
    """Ship polls that are each sent and counted by themselves."""
    for snapshot in snapshots:
        feed.take(replace(snapshot, time=datetime.now(UTC)))
        await asyncio.sleep(1.0)
    await _verified(shipper)


async def _kills(folder: Path, kills: int) -> list[Figure]:
    random = Random(kills)
    start = datetime.now(UTC) - timedelta(days=2)
    taken = 0
    async with _shipping(folder) as (server, journal, shipper, feed):
        source = polls(1 << 30, SIGNALS, start)
        for _ in range(kills):
            until = time.monotonic() + random.uniform(0.2, 2.0)
            while time.monotonic() < until:
                feed.take(next(source))
                taken += 1
                await asyncio.sleep(0.05)
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(random.uniform(0.0, 0.3))
            await asyncio.to_thread(server.start)
        journal.outbox.draw()
        await _verified(shipper)
        found = await server.export('{heatpump_id="idm"}')
        missing = taken * SIGNALS - sum(len(set(one["timestamps"])) for one in found)
        twice = sum(len(one["timestamps"]) - len(set(one["timestamps"])) for one in found)
        lost = shipper.stats.lost
    return [
        Figure(f"samples missing after {kills} kills of the server", missing, 0, "",
               f"{lost} had been lost after their answer"),
        Figure("samples there twice", twice, 0, ""),
    ]  # fmt: skip
