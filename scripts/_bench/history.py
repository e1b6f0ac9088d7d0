"""What history costs: bytes on the wire and the disk, time of a drain, CPU of a poll; and kills.

Bytes on the disk are those the process caused to be written (``write_bytes`` of
``/proc/self/io``), the SQLite file's log included.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
import tempfile
import time

from custom_components.heat_pump_hub.drivers.points import Snapshot
from custom_components.heat_pump_hub.history.feed import JOINED_POLLS
from custom_components.heat_pump_hub.history.journal import BATCH_POLLS
from custom_components.heat_pump_hub.history.series import Frame

from . import history_cpu, history_faults, history_kills
from .figures import Figure
from .history_parts import (
    EVERYTHING,
    POLLS_A_DAY,
    SIGNALS,
    encoder,
    open_journal,
    polls,
    shipping,
    verified,
    written,
)

DRAINS = 3


async def run(
    kills: int = 10,
    part: str | None = None,
    scale: float = 0.2,
    interval: float = 0.02,
    rigs: int = 2,
    log: Path | None = None,
) -> list[Figure]:
    """Measure all, or one part; ``scale`` is that of hold, W and the server's flush."""
    figures: list[Figure] = []
    # A folder of the work tree: /tmp may be memory, which counts no bytes.
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        if part in {None, "cost"}:
            figures += [
                *_wire(),
                await _record(folder, SIGNALS, 3.0, "record"),
                await _record(folder, EVERYTHING, None, "record of everything"),
                await _outage(folder),
                *await _drain(folder),
                *await history_cpu.measure(folder),
            ]
        if part in {None, "kills"}:
            lengths = history_kills.Lengths(scale, interval)
            figures += await history_kills.measure(folder, kills, lengths, rigs, _teller(log))
        if part in {None, "faults"}:
            # A day of polls in a minute, whatever the time between two kills' polls.
            lengths = history_kills.Lengths(scale)
            figures += await history_faults.measure(folder, lengths, rigs, _teller(log))
    return figures


def _teller(log: Path | None) -> Callable[[str], None]:
    """Return what adds a line to a file."""

    def tell(text: str) -> None:
        if log is not None:
            with log.open("a", encoding="utf-8") as file:
                file.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")

    return tell


def _wire() -> list[Figure]:
    start = datetime(2026, 1, 15, tzinfo=UTC)
    figures = []
    for count, limit in ((1, 8.0), (10, 2.5), (100, 1.3)):
        frames = encoder().encode(list(polls(count, SIGNALS, start)))
        size = sum(len(frame.body) for frame in frames) / sum(frame.samples for frame in frames)
        figures.append(Figure(f"wire, {count} polls a frame", size, limit, "B", "a sample"))
    return figures


async def _record(folder: Path, signals: int, limit: float | None, name: str) -> Figure:
    start = datetime.now(UTC) - timedelta(days=2)
    async with open_journal(folder) as journal:
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
    async with open_journal(folder) as journal:
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


async def _drain(folder: Path) -> list[Figure]:
    """Send a backlog that is on the disk, as after a restart; the best of some, as a machine is shared."""
    start = datetime.now(UTC) - timedelta(days=8)
    encode = encoder().encode
    frames: list[Frame] = []
    taken: list[Snapshot] = []
    for snapshot in polls(7 * POLLS_A_DAY, SIGNALS, start):
        taken.append(snapshot)
        if len(taken) == JOINED_POLLS:
            frames += encode(taken)
            taken.clear()
    samples = sum(frame.samples for frame in frames)
    runs = [await _drain_once(folder, frames, start) for _ in range(DRAINS)]
    wall, cpu = (min(run[index] for run in runs) for index in (0, 1))
    return [
        Figure("drain of 7 days", samples / wall / 1e6, 2.5, "M/s",
               f"{samples / 1e6:.2f} million samples, best of {DRAINS}", least=True),
        Figure("loop CPU of a drained sample", cpu / samples * 1e6, 0.015, "us"),
        Figure("samples missing after the drains", sum(run[2] for run in runs), 0, ""),
    ]  # fmt: skip


async def _drain_once(
    folder: Path, frames: Sequence[Frame], start: datetime
) -> tuple[float, float, int]:
    """Return seconds, seconds of the loop's CPU, and how many samples are missing."""
    async with shipping(folder) as live:
        live.feed.take(next(polls(1, SIGNALS, start - timedelta(days=1))))
        await verified(live.shipper)
        live.shipper.detach(live.journal.outbox)
        for frame in frames:
            live.journal.outbox.put(frame)
        await live.journal.outbox.spill(everything=True)
        wall, cpu = time.perf_counter(), time.thread_time()
        live.shipper.attach(live.journal.outbox)
        while live.shipper.stats.queued_samples:
            await asyncio.sleep(0.005)
        wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
        await verified(live.shipper)
        found = await live.server.count('{heatpump_id="idm"}')
    return wall, cpu, sum(frame.samples for frame in frames) + SIGNALS - found
