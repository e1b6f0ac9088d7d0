"""What a live poll costs the processor, beside Home Assistant's influxdb integration.

All threads of the process are counted: ours works on the event loop, the other in a thread.
What showing the states costs is measured too and left out. Polls follow one another at once:
how dear it is to wake an idle processor is the machine's affair, not ours.
"""

import asyncio
from asyncio import events
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
import time
from typing import Final
from unittest.mock import patch

import aiohttp
from homeassistant.core import HomeAssistant

from custom_components.heat_pump_hub.drivers.points import Snapshot
from custom_components.heat_pump_hub.history.codec import Coding
from custom_components.heat_pump_hub.history.entry import Entry

from . import influx
from .figures import Figure
from .history_parts import SIGNALS, Shipping, encoder, shipping, verified, written
from .house import house

POLLS: Final = 200
PACED_POLLS: Final = 20
PACE: Final = 0.2
"""Seconds from poll to poll where they come one by one."""
HOLD: Final = 12.0
"""Seconds; longer than the server takes to show what it took."""


@dataclass(slots=True)
class Longest:
    """The longest callback of the event loop, by the CPU time of its thread, s."""

    seconds: float = 0.0


async def measure(folder: Path) -> list[Figure]:
    """Ship polls, each sent and counted by itself; then let the others write the same."""
    comparable = await asyncio.to_thread(influx.install)
    async with aiohttp.ClientSession() as session:
        async with shipping(folder, HOLD, session) as live:
            await asyncio.to_thread(live.feed.prepare, None)
            device = written()
            with _watched() as longest:
                for snapshot in _polls(PACED_POLLS):
                    live.feed.take(replace(snapshot, time=datetime.now(UTC)))
                    await asyncio.sleep(PACE)
                await verified(live.shipper)
            device = written() - device
        async with house() as hass, shipping(folder, 0.0, session) as live:
            snapshots = await _known(live)
            ours = await _ours(live, snapshots)
            line = await _forerunner(live, session, snapshots)
            theirs = await _theirs(hass, live, snapshots) if comparable else None
    return [
        Figure("CPU of a live poll: encode, send, count", ours, None, "ms",
               f"{SIGNALS} signals, all moving"),
        Figure("the same / Home Assistant's influxdb", 0.0 if theirs is None else ours / theirs,
               0.1, "x", "not compared: no packages" if theirs is None else f"{theirs:.2f} ms"),
        Figure("the forerunner's: an Influx line a poll, not counted", line, None, "ms"),
        Figure("longest callback of live polls, the first too", longest.seconds * 1000, 1.5, "ms",
               "thread CPU"),
        Figure("device bytes of healthy live polls", device, 0, "B"),
    ]  # fmt: skip


async def _known(live: Shipping) -> list[Snapshot]:
    """Return polls that the server has already: what it is sent again can be counted at once."""
    snapshots = list(_polls(POLLS))
    # Frames of their own, so that the encoder keeps no text of theirs.
    for snapshot in snapshots:
        for frame in encoder().encode([snapshot]):
            await live.client.write(frame.body, Coding.ZSTD)
    await live.server.flush()
    live.feed.prepare(None)
    live.feed.take(snapshots[0])
    await verified(live.shipper)
    return snapshots


async def _ours(live: Shipping, snapshots: Sequence[Snapshot]) -> float:
    """Return what a poll costs until its frame is released, ms."""
    counted = asyncio.Event()
    release = live.journal.outbox.release

    async def released(entries: Sequence[Entry]) -> None:
        await release(entries)
        counted.set()

    async def ship(snapshot: Snapshot) -> None:
        live.feed.take(snapshot)
        await counted.wait()
        counted.clear()

    with patch.object(live.journal.outbox, "release", released):
        return await _cost(ship, snapshots)


async def _theirs(hass: HomeAssistant, live: Shipping, snapshots: Sequence[Snapshot]) -> float:
    """Return what a poll costs until Home Assistant's integration has sent it, ms."""

    async def show(snapshot: Snapshot) -> None:
        influx.show(hass, snapshot)

    shown = await _cost(show, snapshots)
    sent = asyncio.Queue[int]()
    async with influx.influxdb(hass, live.server) as thread:
        write = thread.influx.write

        def write_points(points: Sequence[object]) -> None:
            write(points)
            hass.loop.call_soon_threadsafe(sent.put_nowait, len(points))

        thread.influx.write = write_points

        async def show_and_send(snapshot: Snapshot) -> None:
            influx.show(hass, snapshot)
            waiting = len(snapshot.values)
            while waiting > 0:
                # It writes a hundred at a time.
                waiting -= await sent.get()

        return await _cost(show_and_send, snapshots) - shown


async def _forerunner(
    live: Shipping, session: aiohttp.ClientSession, snapshots: Sequence[Snapshot]
) -> float:
    """Return what a line of all values costs a poll, plain and never looked after, ms."""

    async def send(snapshot: Snapshot) -> None:
        values = ",".join(f"{key}={value}" for key, value in snapshot.values.items())
        line = f"line,heatpump_id=forerunner {values} {int(snapshot.time.timestamp() * 1e9)}"
        async with session.post(f"{live.server.url}/write", data=line) as answer:
            answer.raise_for_status()

    return await _cost(send, snapshots)


async def _cost(
    handle: Callable[[Snapshot], Awaitable[None]], snapshots: Sequence[Snapshot]
) -> float:
    """Return the CPU time of a poll, the median of all, in ms: a shared machine has bad moments."""
    costs = []
    for snapshot in snapshots:
        since = time.process_time()
        await handle(snapshot)
        costs.append(time.process_time() - since)
    return median(costs) * 1000


def _polls(count: int) -> Iterator[Snapshot]:
    """Yield polls in which every value has moved: the dearest there are, for either side."""
    # So young that none has to go to the disk.
    start = datetime.now(UTC) - timedelta(milliseconds=20 * count)
    for index in range(count):
        values = {
            f"point_{n}": 20.0 + (n + 7 * index) % 100 / 10 if n % 3 else n + index
            for n in range(SIGNALS)
        }
        yield Snapshot(time=start + timedelta(milliseconds=20 * index), values=values)


@contextmanager
def _watched() -> Iterator[Longest]:
    """Time every callback of the event loop meanwhile."""
    longest = Longest()
    original = events.Handle._run  # noqa: SLF001 - the only place where every callback passes

    def timed(handle: asyncio.Handle) -> None:
        since = time.thread_time()
        original(handle)
        longest.seconds = max(longest.seconds, time.thread_time() - since)

    with patch.object(events.Handle, "_run", timed):
        yield longest
