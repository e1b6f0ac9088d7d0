"""What fails for a while, on real parts, and what the server holds when all is well again.

One heat pump polls throughout, with the times of now; its pauses, hold and W are scaled. None
of these faults may cost a sample: whoever reads them lives on, or is stopped in an orderly way.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
import logging
from pathlib import Path
from random import Random
import tempfile
import time
from typing import Final

import aiohttp

from custom_components.heat_pump_hub import history
from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics
from tests.history.proof import Disk, Fault, Gate, House, NoDiskError, disk, expected, gate, poll
from tests.servers import VictoriaMetrics as Server

from .figures import Figure
from .history_kills import Lengths

DAY: Final = 2880
"""Polls of a day at 30 s."""
SHOWS: Final = 25.0
"""Seconds until a server is known again, and shows what it took."""
NO_ROOM: Final = f"-storage.minFreeDiskSpaceBytes={1 << 46}"


@dataclass(slots=True)
class Scene:
    """A heat pump that polls, its server, and the gate between them."""

    lengths: Lengths
    storage: Path
    """Of the server."""
    old: bool
    """Whether it is 1.79.5."""
    server: Server
    gate: Gate
    client: VictoriaMetrics
    journal: Path
    place: Disk
    """The small disk of whoever has one."""
    random: Random
    start: int
    """Time of the first poll, ms."""
    house: House
    taken: int = 0

    async def poll(self, seconds: float, polls: float = float("inf")) -> None:
        """Poll for so long, at most so often."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and polls > 0:
            snapshot = poll(self.taken, self.start, round(self.lengths.poll * 1000))
            self.house.feed.take(snapshot)
            self.house.journal.take(snapshot)
            self.taken += 1
            polls -= 1
            await asyncio.sleep(self.lengths.poll)

    async def restart(self) -> None:
        """Stop Home Assistant and start it again."""
        await self.house.stop()
        self.house = await house(self.journal, self.client, self.lengths).open()

    async def failing(self, *faults: Fault) -> None:
        """Let the network fail for two holds, one way or another."""
        self.gate.fault = lambda: self.random.choice(faults)
        await self.poll(2 * self.lengths.hold)
        self.gate.fault = lambda: Fault.NONE


@dataclass(frozen=True, slots=True)
class Case:
    """A fault; when it returns, all is well again."""

    befall: Callable[[Scene], Awaitable[None]]
    size: str = ""
    """Of the small disk, if there is one."""
    servers_disk: bool = False
    """Whether it is the server's, and not the heat pump's."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fault cost, in samples, and how long it took to heal."""

    taken: int
    missing: int
    wrong: int
    """Twice, of another value, or of nobody."""
    again: int
    """Sent again, as the server had lost them."""
    lasted: float
    healed: float


def house(journal: Path, client: VictoriaMetrics, lengths: Lengths) -> House:
    """Return the heat pump with its journal, as at a start of Home Assistant."""

    async def sleep(delay: float) -> None:
        await asyncio.sleep(delay * lengths.scale)

    return House(journal, client, hold=lengths.hold, sleep=sleep)


async def _outage(scene: Scene, polls: int = DAY) -> None:
    await asyncio.to_thread(scene.server.kill)
    await scene.poll(float("inf"), polls / 2)
    await scene.restart()
    await scene.poll(float("inf"), polls / 2)
    await asyncio.to_thread(scene.server.start)


async def _frozen(scene: Scene) -> None:
    scene.server.freeze(True)
    await scene.poll(2 * scene.lengths.hold)
    scene.server.freeze(False)


async def _read_only(scene: Scene) -> None:
    await asyncio.to_thread(scene.server.stop)
    full = Server(scene.storage, NO_ROOM, old=scene.old)
    scene.gate.server = await asyncio.to_thread(full.start)
    try:
        await scene.poll(2 * scene.lengths.hold)
    finally:
        await asyncio.to_thread(full.stop)
    scene.gate.server = await asyncio.to_thread(scene.server.start)


async def _server_full(scene: Scene) -> None:
    # Small disks are made in memory: the server dies of it, or takes what it cannot keep.
    scene.place.fill()
    await scene.poll(2 * scene.lengths.hold)
    await asyncio.to_thread(scene.server.kill)
    scene.place.free()
    await asyncio.to_thread(scene.server.start)


async def _journal_full(scene: Scene) -> None:
    await asyncio.to_thread(scene.server.kill)
    scene.place.fill()
    await scene.poll(2 * scene.lengths.hold)
    scene.place.free()
    await scene.poll(scene.lengths.hold / 2)
    await asyncio.to_thread(scene.server.start)


async def _journal_read_only(scene: Scene) -> None:
    await asyncio.to_thread(scene.server.kill)
    await scene.house.journal.pause()  # no file may be open for this
    scene.place.read_only(True)
    await scene.house.journal.resume()
    await scene.poll(2 * scene.lengths.hold)
    # It holds nothing open that was opened for writing.
    scene.place.read_only(False)
    await scene.poll(scene.lengths.hold / 2)
    await asyncio.to_thread(scene.server.start)


def _network(*faults: Fault) -> Case:
    async def befall(scene: Scene) -> None:
        await scene.failing(*faults)

    return Case(befall)


CASES: Final[dict[str, Case]] = {
    "storm of 503": _network(*[Fault.BUSY] * 9, Fault.NONE),
    "cut requests, bodies, answers": _network(
        Fault.CUT_REQUEST, Fault.CUT_BODY, Fault.CUT_ANSWER, Fault.NONE
    ),
    "204, and nothing kept": _network(Fault.SWALLOWED),
    "server stands still": Case(_frozen),
    "server read-only": Case(_read_only),
    "server's disk full": Case(_server_full, "64m", servers_disk=True),
    "outage of 24 h, a restart in it": Case(_outage),
    "outage, journal's disk full": Case(_journal_full, "2m"),
    "outage, journal read-only": Case(_journal_read_only, "2m"),
}


async def measure(
    folder: Path, lengths: Lengths, at_once: int, tell: Callable[[str], None]
) -> list[Figure]:
    """Let each fault befall a heat pump with a server of each version; some side by side."""
    room = asyncio.Semaphore(at_once)

    async def one(number: int, name: str, case: Case, old: bool) -> list[Figure]:
        title = f"{name}{', 1.79.5' if old else ''}"
        async with room:
            try:
                outcome = await befall(folder, case, lengths, old=old, seed=number)
            except NoDiskError as err:
                return [Figure(title, 0, None, "", f"not measured: {err}")]
        tell(f"{title}: {outcome}")
        return _figures(title, outcome, lengths)

    # It tells of each fault, and of its end.
    logging.getLogger(history.__name__).addHandler(logging.NullHandler())
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(one(number, name, case, old))
            for number, (name, case) in enumerate(CASES.items())
            for old in (False, True)
        ]
    return [figure for task in tasks for figure in task.result()]


def _figures(title: str, outcome: Outcome, lengths: Lengths) -> list[Figure]:
    # The next attempt is about as far away as all before it together took.
    limit = outcome.lasted + lengths.hold + SHOWS
    return [
        Figure(f"missing: {title}", outcome.missing, 0, "",
               f"of {outcome.taken} samples; {outcome.again} sent again"),
        Figure(f"twice, wrong or foreign: {title}", outcome.wrong, 0, ""),
        Figure(f"healed: {title}", outcome.healed, limit, "s", f"after {outcome.lasted:.0f} s"),
    ]  # fmt: skip


async def befall(folder: Path, case: Case, lengths: Lengths, *, old: bool, seed: int) -> Outcome:
    """Let a fault befall a heat pump. Raises :class:`NoDiskError` if it needs a small disk."""
    async with _scene(folder, case, lengths, old, seed) as scene:
        try:
            await scene.poll(lengths.hold / 2)
            began = time.monotonic()
            await case.befall(scene)
            ended = time.monotonic()
            # Whoever polls no more has everything verified nevertheless.
            await scene.poll(lengths.hold / 5)
            await scene.house.verified(within=1000)
            healed = time.monotonic() - ended
            found = await scene.server.export('{heatpump_id!=""}')
            again = scene.house.shipper.stats.lost
        finally:
            await scene.house.stop()
    held = Counter(
        (series["metric"]["__name__"], stamp, value)
        for series in found
        for stamp, value in zip(series["timestamps"], series["values"], strict=True)
    )
    step = round(lengths.poll * 1000)
    polls = [poll(index, scene.start, step) for index in range(scene.taken)]
    wanted = {
        (name, stamp, value)
        for (_, name), samples in expected(polls, "keller").items()
        for stamp, value in samples.items()
    }
    return Outcome(
        taken=len(wanted),
        missing=len(wanted - held.keys()),
        wrong=held.total() - len(wanted & held.keys()),
        again=again,
        lasted=ended - began,
        healed=healed,
    )


@asynccontextmanager
async def _scene(
    folder: Path, case: Case, lengths: Lengths, old: bool, seed: int
) -> AsyncIterator[Scene]:
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder)))
        place = stack.enter_context(disk(root / "disk", case.size)) if case.size else Disk(root)
        storage = (place.path if case.servers_disk else root) / "server"
        # Room that is "enough" for a server to go on: it takes what it cannot keep.
        flags = ("-storage.minFreeDiskSpaceBytes=1",) if case.servers_disk else ()
        server = Server(storage, *(() if old else lengths.flags), *flags, old=old)
        server.log = root / "server.log"
        await asyncio.to_thread(server.start)
        stack.callback(server.kill)
        journal = (root if case.servers_disk else place.path) / "journal.sqlite"
        async with gate(server) as before, aiohttp.ClientSession() as session:
            client = VictoriaMetrics(session, before.url, kept=True)
            yield Scene(
                lengths=lengths,
                storage=storage,
                old=old,
                server=server,
                gate=before,
                client=client,
                journal=journal,
                place=place,
                random=Random(seed),
                start=int(time.time() * 1000),
                house=await house(journal, client, lengths).open(),
            )
