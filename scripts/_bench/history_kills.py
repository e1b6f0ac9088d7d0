"""Kill server and writer again and again, at random, and look for what is missing.

Several heat pumps, each with a server and a writer of its own, are killed side by side. What
the promise allows to be lost is told from the times of the kills: a writer that dies takes
with it what was not posted, or, where its server dies too, what is not verified; and of that
only what it had read in the last W, or five minutes where polls are joined. A poll's time is
what its writer read on the clock that all processes share: when its line is read does not count.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
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
SHOWN: Final = 2.0
"""Seconds; how often it makes parts of what it took. No flag changes that."""
STEADY: Final = 2.0
"""Seconds of the hold that are not scaled.

What a killed server forgets, measured on a busy machine with one that takes samples all the time:
as in a house what it took in the last 12.8 s, of 30; at a fifth in the last 4.4 s, of 7.6.
"""
SLACK: Final = 1.0
"""Seconds a disk takes."""
SERIES: Final = 6
WORDS: Final = 10
"""Runs of missing polls that are told of."""
QUIET: Final = 0.2
"""Share of a server's kills after which it stays away for long enough that polls are joined."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long everything takes; ``scale`` 1 is as in a house, but for the time between polls.

    Nobody may let go of a sample that the server can still forget, and some of what it does
    takes its time whatever it is told.
    """

    scale: float = 0.2
    poll: float = 0.02
    """Seconds between two polls."""

    @property
    def hold(self) -> float:
        """Seconds from the server's answer to the count."""
        return STEADY + (HOLD - STEADY) * self.scale

    @property
    def w(self) -> float:
        """Seconds until what is not verified is on the disk of its writer."""
        return SPILL_AFTER / HOLD * self.hold

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
    waiting: int
    """Newest polls of which the server has never taken anything, those that are joined included."""
    joining: int
    """Newest polls that wait to be joined."""
    taken: float
    """When the last poll was taken."""


class Moment(NamedTuple):
    """Something happened between two times."""

    after: float
    before: float


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
    """When each poll was taken."""
    last: Told = field(default_factory=lambda: Told(0, 0, 0, 0, 0.0))
    end: Moment | None = None
    reading: asyncio.Task[None] | None = None

    async def read(self) -> None:
        """Follow what the writer tells."""
        assert self.process.stdout is not None
        # The last line of one that was killed may be cut.
        while (line := await self.process.stdout.readline()).endswith(b"\n"):
            polled, posted, waiting, joining = map(int, line.split()[:4])
            self.last = Told(polled, posted, waiting, joining, float(line.split()[4]))
            self.taken += [self.last.taken] * (self.last.polled - len(self.taken))

    def may_lack(self, kills: Sequence[Moment], lengths: Lengths) -> int:
        """Return from which poll on the promise lets some be lost."""
        assert self.end is not None
        for index, taken in enumerate(self.taken):
            both = any(
                kill.before >= taken and kill.after <= self.end.before + lengths.hold
                for kill in kills
            )
            to_end = len(self.taken) - index
            age = self.end.before - taken - SLACK
            if age <= lengths.w and (both or to_end <= self.last.waiting):
                return index
            if age <= max(lengths.w, lengths.joined) and to_end <= self.last.joining:
                return index
        return len(self.taken)


@dataclass(slots=True)
class Rig:
    """A heat pump with its own server and writer, and what became of them."""

    number: int
    old: bool
    """Whether the server is 1.79.5."""
    lives: list[Life] = field(default_factory=list)
    dead: list[Moment] = field(default_factory=list)
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
    which: list[str] = field(default_factory=list)
    """The polls that are missing, and why they may not be."""


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
        result.which += one.which
    dead, lives = (sum(len(part) for part in parts) for parts in zip(
        *((rig.dead, rig.lives) for rig in work), strict=True))  # fmt: skip
    note = (
        f"of {result.taken}; {dead} of the server, {lives - len(work)} of the writer;"
        f" {result.allowed} lost as the promise says; hold {lengths.hold:g} s, W {lengths.w:g} s,"
        f" poll {lengths.poll:g} s{''.join(f'; {text}' for text in result.which[:WORDS])}"
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
        missing: set[int] = set()
        for (_, name), samples in expected(everything, "keller").items():
            for index, (stamp, value) in enumerate(samples.items()):
                there = found.pop((name, stamp), None)
                result.wrong += there is not None and there != value
                if there is None and index < safe:
                    result.missing += 1
                    missing.add(index)
                result.allowed += there is None and safe <= index < taken
        result.which += [
            f"rig {rig.number}, life {number} of {len(rig.lives)}, {text}"
            for text in _runs(life, missing, rig.dead)
        ]
    result.wrong += len(found)
    return result


def _runs(life: Life, missing: set[int], kills: Sequence[Moment]) -> list[str]:
    """Tell of polls that are missing, neighbours together."""
    assert life.end is not None
    texts = []
    for first in sorted(index for index in missing if index - 1 not in missing):
        last = next(index for index in range(first, len(life.taken)) if index + 1 not in missing)
        ages = [life.end.before - life.taken[index] for index in (first, last)]
        later = [round(kill.after - life.taken[last], 1) for kill in kills]
        texts.append(
            f"polls {first} to {last} of {len(life.taken)}, read {ages[0]:.1f} to {ages[1]:.1f} s"
            f" before its end with {life.last.waiting} polls waiting, server killed {later} s later"
        )
    return texts


async def _run(
    rig: Rig, folder: Path, fates: Sequence[Fate], lengths: Lengths, tell: Callable[[str], None]
) -> None:
    journal = folder / "journal.sqlite"
    server = await asyncio.to_thread(Server(folder / "server", *lengths.flags, old=rig.old).start)
    hurrying = asyncio.create_task(_hurry(server, lengths))
    try:
        rig.lives.append(await _begin(journal, server, lengths))
        for number, (which, pause, writer_after, away) in enumerate(fates):
            while not rig.lives[-1].taken:
                await asyncio.sleep(0.05)
            await asyncio.sleep(pause)
            last = rig.lives[-1].last
            if which != WRITER:
                after = time.monotonic()
                await asyncio.to_thread(server.kill)
                rig.dead.append(Moment(after, time.monotonic()))
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
        hurrying.cancel()
        with suppress(asyncio.CancelledError):
            await hurrying
        await asyncio.gather(*(_end(life) for life in rig.lives))
        server.kill()


async def _hurry(server: Server, lengths: Lengths) -> None:
    """Let a server make parts of what it took as often as its flush is scaled."""
    if lengths.scale == 1:
        return
    async with aiohttp.ClientSession() as session:
        while True:
            # It is dead now and then.
            with suppress(aiohttp.ClientError):
                async with session.get(f"{server.url}/internal/force_flush") as answer:
                    await answer.read()
            await asyncio.sleep(SHOWN * lengths.scale)


def _fates(random: Random, kills: int, lengths: Lengths, choices: Sequence[str]) -> list[Fate]:
    fates = []
    for _ in range(kills):
        which = random.choice(choices)
        pause = random.uniform(2.5, 15.0) if random.random() < 0.5 else random.uniform(15.0, 120.0)
        if lengths.scale < 1 and pause > 15:
            pause /= 8
        later = 0.0
        if which == BOTH:
            # At once, or so late that what W says has to be on the disk.
            span = (0.0, 0.05) if random.random() < 0.4 else (0.8, 2.0)
            later = random.uniform(*span) * lengths.w
        away = random.uniform(0.0, 1.5)
        if lengths.scale == 1 and random.random() < QUIET:
            away = random.uniform(30.0, 200.0)
        fates.append(Fate(which, pause * lengths.scale, later, away * lengths.scale))
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
    if life.end is not None:
        return
    after = time.monotonic()
    life.process.kill()
    await life.process.wait()
    life.end = Moment(after, time.monotonic())
    if life.reading is not None:
        await life.reading
