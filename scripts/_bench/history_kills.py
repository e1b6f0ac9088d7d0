"""Kill server and writer again and again, at random, and look for what is missing.

Several heat pumps, each with a server and a writer of its own, are killed side by side. What
the promise allows to be lost is told from the times of the kills: a writer that dies takes
with it what was not posted, or, where its server dies too, what is not verified; and of that
only what it had read in the last W, or five minutes where polls are joined.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
import sys
import tempfile
import time
from typing import Final, NamedTuple

import aiohttp

from custom_components.heat_pump_hub.history.feed import JOINED_POLLS, JOINED_SECONDS
from custom_components.heat_pump_hub.history.outbox import SPILL_AFTER
from custom_components.heat_pump_hub.history.shipper import HOLD
from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics
from tests.history.proof import House, expected, poll
from tests.servers import VictoriaMetrics as Server

from .figures import Figure

SERVER, WRITER, BOTH = "server", "writer", "both"
CHOICES: Final = (*[SERVER] * 5, *[WRITER] * 3, *[BOTH] * 2)
FLUSH: Final = 5.0
"""Seconds; VictoriaMetrics' default."""
SLACK: Final = 1.0
"""Seconds a disk takes, and a process to be started or to tell."""
SERIES: Final = 6
QUIET: Final = 0.2
"""Share of a server's kills after which it stays away for long enough that polls are joined."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long everything takes; ``scale`` 1 is as in a house, but for the time between polls."""

    scale: float = 0.2
    poll: float = 0.02
    """Seconds between two polls."""

    @property
    def hold(self) -> float:
        """Seconds from the server's answer to the count."""
        return HOLD * self.scale

    @property
    def w(self) -> float:
        """Seconds until what is not verified is on the disk of its writer."""
        return SPILL_AFTER * self.scale

    @property
    def joined(self) -> float:
        """Seconds that joined polls wait in memory, at most."""
        return min(JOINED_SECONDS, JOINED_POLLS * self.poll)

    @property
    def flags(self) -> tuple[str, ...]:
        """What makes a server write to its disk as often."""
        if self.scale == 1:
            return ()
        return (f"-inmemoryDataFlushInterval={FLUSH * self.scale:g}s",)


class Told(NamedTuple):
    """What a writer says of itself."""

    polled: int
    """Polls taken."""
    posted: int
    """Samples the server has taken since the start."""
    queued: int
    """Samples it has not taken, those that are joined included."""
    joining: int
    """Samples that wait to be joined."""


class Fate(NamedTuple):
    """What happens next; in seconds."""

    which: str
    pause: float
    """From the first poll, or from the last kill, to this one."""
    later: float
    """From the server's death to the writer's, where both die."""
    away: float
    """From the server's death to its return."""


@dataclass(slots=True)
class Life:
    """One run of a writer."""

    start: int
    process: asyncio.subprocess.Process
    taken: list[float] = field(default_factory=list)
    """When each poll was told of."""
    last: Told = field(default_factory=lambda: Told(0, 0, 0, 0))
    end: float = 0.0
    reading: asyncio.Task[None] | None = None

    async def read(self) -> None:
        """Follow what the writer tells."""
        assert self.process.stdout is not None
        # The last line of one that was killed may be cut.
        while (line := await self.process.stdout.readline()).endswith(b"\n"):
            self.last = Told(*map(int, line.split()))
            self.taken += [time.monotonic()] * (self.last.polled - len(self.taken))

    def may_lack(self, kills: list[float], lengths: Lengths) -> int:
        """Return from which poll on the promise lets some be lost."""
        queued, joining = (-(-samples // SERIES) for samples in self.last[2:])
        for index, taken in enumerate(self.taken):
            both = any(taken - SLACK <= kill <= self.end + lengths.hold for kill in kills)
            to_end = len(self.taken) - index
            age = self.end - taken - SLACK
            if age <= lengths.w and (both or to_end <= queued):
                return index
            if age <= max(lengths.w, lengths.joined) and to_end <= joining:
                return index
        return len(self.taken)


@dataclass(slots=True)
class Rig:
    """A heat pump with its own server and writer, and what became of them."""

    number: int
    old: bool
    """Whether the server is 1.79.5."""
    lives: list[Life] = field(default_factory=list)
    dead: list[float] = field(default_factory=list)
    """When the server was killed."""
    found: list[tuple[str, int, float]] = field(default_factory=list)
    """Series, time (ms) and value of all that the server holds in the end."""


@dataclass(slots=True)
class Sum:
    """What a comparison found, in samples."""

    taken: int = 0
    missing: int = 0
    allowed: int = 0
    """Missing as the promise says."""
    wrong: int = 0
    """Twice, of another value, or of nobody."""
    which: set[str] = field(default_factory=set)
    """The polls that are missing."""


async def measure(
    folder: Path,
    kills: int,
    lengths: Lengths = Lengths(),
    rigs: int = 1,
    tell: Callable[[str], None] = lambda _text: None,
    choices: Sequence[str] = CHOICES,
) -> list[Figure]:
    """Kill at random moments, so often in sum, one of ``choices`` each time; then compare."""
    # Only a new server can be told to write more often.
    work = [Rig(number, old=lengths.scale == 1 and number % 4 == 3) for number in range(rigs)]
    shares = [len(range(number, kills, rigs)) for number in range(rigs)]
    with tempfile.TemporaryDirectory(dir=folder) as name:
        async with asyncio.TaskGroup() as group:
            for rig, share in zip(work, shares, strict=True):
                fates = _fates(Random(1000 * kills + rig.number), share, lengths, choices)
                group.create_task(_run(rig, Path(name) / str(rig.number), fates, lengths, tell))
    result = Sum()
    for rig in work:
        one = compare(rig, lengths)
        tell(f"rig {rig.number}{' (1.79.5)' if rig.old else ''}: {one}")
        result.taken += one.taken
        result.missing += one.missing
        result.allowed += one.allowed
        result.wrong += one.wrong
    dead, lives = (sum(len(part) for part in parts) for parts in zip(
        *((rig.dead, rig.lives) for rig in work), strict=True))  # fmt: skip
    note = (
        f"of {result.taken}; {dead} of the server, {lives - len(work)} of the writer;"
        f" {result.allowed} lost as the promise says; hold {lengths.hold:g} s, W {lengths.w:g} s,"
        f" poll {lengths.poll:g} s"
    )
    return [
        Figure(f"samples missing after {kills} kills", result.missing, 0, "", note),
        Figure("samples there twice, wrong or foreign", result.wrong, 0, "",
               "to the millisecond and the value"),
    ]  # fmt: skip


def compare(rig: Rig, lengths: Lengths) -> Sum:
    """Compare what the server holds with what each writer had read, to the ms and the value."""
    result = Sum()
    found: dict[tuple[str, int], float] = {}
    for name, stamp, value in rig.found:
        result.wrong += (name, stamp) in found
        found[name, stamp] = value
    step = round(lengths.poll * 1000)
    for number, life in enumerate(rig.lives):
        taken = len(life.taken)
        safe = life.may_lack(rig.dead, lengths)
        # It may have taken some of which it could not tell.
        everything = [poll(index, life.start, step) for index in range(taken + 5)]
        result.taken += taken * SERIES
        for (_, name), samples in expected(everything, "keller").items():
            for index, (stamp, value) in enumerate(samples.items()):
                there = found.pop((name, stamp), None)
                result.wrong += there is not None and there != value
                if there is None and index < safe:
                    result.missing += 1
                    age = life.end - life.taken[index]
                    kills = [round(kill - life.taken[index], 1) for kill in rig.dead]
                    result.which.add(
                        f"life {number}, poll {index}, {age:.1f} s before its end;"
                        f" kills {kills} s later"
                    )
                result.allowed += there is None and safe <= index < taken
    result.wrong += len(found)
    return result


async def _run(
    rig: Rig, folder: Path, fates: Sequence[Fate], lengths: Lengths, tell: Callable[[str], None]
) -> None:
    journal = folder / "journal.sqlite"
    server = await asyncio.to_thread(Server(folder / "server", *lengths.flags, old=rig.old).start)
    try:
        rig.lives.append(await _begin(journal, server, lengths))
        for number, (which, pause, writer_after, away) in enumerate(fates):
            while not rig.lives[-1].taken:
                await asyncio.sleep(0.05)
            await asyncio.sleep(pause)
            last = rig.lives[-1].last
            if which != WRITER:
                await asyncio.to_thread(server.kill)
                rig.dead.append(time.monotonic())
            if which != SERVER:
                await asyncio.sleep(writer_after)
                await _end(rig.lives[-1])
                if which == WRITER:
                    rig.lives.append(await _begin(journal, server, lengths))
            if which != WRITER:
                if which == BOTH and away > 1:
                    # A house whose writer is back before its server.
                    rig.lives.append(await _begin(journal, server, lengths))
                await asyncio.sleep(away)
                await asyncio.to_thread(server.start)
                if which == BOTH and away <= 1:
                    rig.lives.append(await _begin(journal, server, lengths))
            tell(
                f"rig {rig.number}: kill {number + 1} of {len(fates)}, {which} after {pause:.1f} s,"
                f" away {away if which != WRITER else 0:.1f} s; told before: {last}"
            )
        # What the last writer took before this may lack nothing.
        await asyncio.sleep(lengths.w + SLACK)
        await _end(rig.lives[-1])
        async with aiohttp.ClientSession() as session:
            client = VictoriaMetrics(session, server.url, kept=True)
            house = House(journal, client, hold=lengths.hold)
            await house.open()
            await house.verified(within=100 + 10 * lengths.hold)
            tell(f"rig {rig.number}: verified, {house.shipper.stats.lost} samples sent again")
            await house.stop()
        rig.found = [
            (series["metric"]["__name__"], stamp, value)
            for series in await server.export('{heatpump_id!=""}')
            for stamp, value in zip(series["timestamps"], series["values"], strict=True)
        ]
    finally:
        await asyncio.gather(*(_end(life) for life in rig.lives))
        server.kill()


def _fates(random: Random, kills: int, lengths: Lengths, choices: Sequence[str]) -> list[Fate]:
    fates = []
    for _ in range(kills):
        which = random.choice(choices)
        pause = random.uniform(2.5, 15.0) if random.random() < 0.5 else random.uniform(15.0, 120.0)
        if lengths.scale < 1 and pause > 15:
            pause /= 8
        later = 0.0
        if which == BOTH:
            # Long enough, now and then, that what W says has to be on the disk.
            later = random.uniform(0.0, 2.5 if random.random() < 0.4 else 2 * SPILL_AFTER)
        away = random.uniform(0.0, 1.5)
        if lengths.scale == 1 and random.random() < QUIET:
            away = random.uniform(30.0, 200.0)
        fates.append(
            Fate(which, pause * lengths.scale, later * lengths.scale, away * lengths.scale)
        )
    return fates


async def _begin(journal: Path, server: Server, lengths: Lengths) -> Life:
    # Of this moment, so that a poll's age is real.
    start = int(time.time() * 1000)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.history.writer",
        str(journal),
        server.url,
        str(start),
        str(lengths.hold),
        str(round(lengths.poll * 1000)),
        str(lengths.poll),
        str(lengths.scale),
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
    life.end = time.monotonic()
    life.process.kill()
    await life.process.wait()
    if life.reading is not None:
        await life.reading
