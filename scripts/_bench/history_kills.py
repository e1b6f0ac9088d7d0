"""Kill server and writer again and again, at random, and look for what is missing.

Hold, W and the time between two kills are a fifth of a house's. What the promise allows to be
lost is told from the times of the kills: a writer that dies takes with it what it had not
posted, or, where its server dies too, what it had read in the last W.
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
import sys
import tempfile
import time
from typing import Final

import aiohttp

from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics
from tests.history.proof import HOLD, House, W, expected, held, poll
from tests.servers import VictoriaMetrics as Server

from .figures import Figure

SERVER, WRITER, BOTH = "server", "writer", "both"
CHOICES: Final = (*[SERVER] * 6, *[WRITER] * 3, BOTH)
FLUSH: Final = "-inmemoryDataFlushInterval=1s"
"""A fifth of the default, as the hold is."""
PERSISTS: Final = HOLD
"""Seconds after which a killed server still has what it took."""
SLACK: Final = 1.0
"""Seconds a disk takes, and a process to be started."""
SERIES: Final = 6
STEP: Final = 20
"""ms between two polls."""


@dataclass(slots=True)
class Life:
    """One run of a writer."""

    start: int
    process: asyncio.subprocess.Process
    taken: list[float] = field(default_factory=list)
    """When each poll was told of."""
    waiting: int = 0
    """Polls that the server had not taken when the writer last told."""
    end: float = 0.0
    reading: asyncio.Task[None] | None = None

    async def read(self) -> None:
        """Follow what the writer tells."""
        assert self.process.stdout is not None
        # The last line of one that was killed may be cut.
        while (line := await self.process.stdout.readline()).endswith(b"\n"):
            polled, _, queued = map(int, line.split())
            self.taken += [time.monotonic()] * (polled - len(self.taken))
            self.waiting = -(-queued // SERIES)

    def may_lack(self, kills: list[float]) -> int:
        """Return from which poll on the promise lets some be lost."""
        for index, taken in enumerate(self.taken):
            both = any(taken - SLACK <= kill <= self.end + PERSISTS for kill in kills)
            if both and self.end - taken <= W + SLACK:
                return index
        return len(self.taken) - self.waiting


async def measure(folder: Path, kills: int) -> list[Figure]:
    """Kill at random moments; then compare."""
    random = Random(kills)
    lives: list[Life] = []
    dead: list[float] = []
    with tempfile.TemporaryDirectory(dir=folder) as name:
        journal = Path(name) / "journal.sqlite"
        server = await asyncio.to_thread(Server(Path(name) / "server", FLUSH).start)
        try:
            lives.append(await _begin(journal, server))
            for _ in range(kills):
                await asyncio.sleep(random.uniform(0.5, 3.0))
                which = random.choice(CHOICES)
                if which != WRITER:
                    await asyncio.to_thread(server.kill)
                    dead.append(time.monotonic())
                if which != SERVER:
                    await asyncio.sleep(random.uniform(0.0, 0.5) if which == BOTH else 0.0)
                    await _end(lives[-1])
                if which != WRITER:
                    await asyncio.sleep(random.uniform(0.0, 0.3))
                    await asyncio.to_thread(server.start)
                if which != SERVER:
                    lives.append(await _begin(journal, server))
            await asyncio.sleep(1)
            await _end(lives[-1])
            async with aiohttp.ClientSession() as session:
                house = House(journal, VictoriaMetrics(session, server.url), hold=HOLD)
                await house.open()
                await house.verified()
                await house.stop()
            found = await held(server)
        finally:
            await asyncio.gather(*(_end(life) for life in lives))
            server.kill()
    return _compare(lives, dead, found, kills)


def _compare(
    lives: list[Life],
    dead: list[float],
    found: dict[tuple[str, str], dict[int, float]],
    kills: int,
) -> list[Figure]:
    """Compare what the server holds with what each writer had read, to the ms and the value."""
    missing = allowed = wrong = 0
    for life in lives:
        everything = [poll(index, life.start, STEP) for index in range(len(life.taken) + 5)]
        safe = life.may_lack(dead)
        for key, samples in expected(everything, "keller").items():
            for index, (stamp, value) in enumerate(samples.items()):
                there = found.get(key, {}).pop(stamp, None)
                wrong += there is not None and there != value
                missing += there is None and index < safe
                allowed += there is None and safe <= index < len(life.taken)
    foreign = sum(map(len, found.values()))
    note = (
        f"{len(dead)} of the server, {len(lives)} of the writer; {allowed} samples lost"
        " as the promise says"
    )
    return [
        Figure(f"samples missing after {kills} kills", missing, 0, "", note),
        Figure("samples there twice, wrong or foreign", wrong + foreign, 0, "",
               "to the millisecond and the value"),
    ]  # fmt: skip


async def _begin(journal: Path, server: Server) -> Life:
    # Of this moment, so that a poll's age is real.
    start = int(time.time() * 1000)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.history.writer",
        str(journal),
        server.url,
        str(start),
        str(HOLD),
        str(STEP),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    life = Life(start, process)
    life.reading = asyncio.create_task(life.read())
    return life


async def _end(life: Life) -> None:
    """Kill a writer, and read what it told last."""
    if life.end:
        return
    life.process.kill()
    life.end = time.monotonic()
    await life.process.wait()
    if life.reading is not None:
        await life.reading
