"""What proves that no sample is lost: a house that ships, a gate that fails, a disk that is small."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from enum import StrEnum
import os
from pathlib import Path
import subprocess
import time
from typing import Self

import aiohttp
from aiohttp import web

from custom_components.heat_pump_hub.drivers.points import Snapshot
from custom_components.heat_pump_hub.history.feed import Feed
from custom_components.heat_pump_hub.history.journal import Journal
from custom_components.heat_pump_hub.history.shipper import Shipper
from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics
from tests.servers import HOST, VictoriaMetrics as RealServer

from .conftest import at, encoder

type Samples = dict[tuple[str, str], dict[int, float]]

STATES = ["off", "heating", "dhw", "defrost", "cooling", "other"]


def poll(index: int, start: int, step: int = 30_000) -> Snapshot:
    """Return the snapshot of one poll; every value differs from poll to poll, times are in ms."""
    return Snapshot(
        time=at(start + index * step + index % 7),
        values={
            "outdoor_temperature": -20.0 + index / 10,
            "circuit_a_flow_temperature": 30.0 + index / 10,
            "electrical_power": 1_000.0 + index,
            "compressor_starts": 40_000 + index,
            "utility_lock": index % 2 == 0,
            "operating_mode": STATES[index % len(STATES)],
        },
    )


def expected(polls: list[Snapshot], heatpump_id: str) -> Samples:
    """Return what the server has to hold, by heat pump and series."""
    samples: Samples = {}
    for index, snapshot in enumerate(polls):
        stamp = round(snapshot.time.timestamp() * 1000)
        for key, value in {
            "outdoor_temperature": round(-20.0 + index / 10, 1),
            "circuit_a_flow_temperature": round(30.0 + index / 10, 1),
            "electrical_power": 1_000 + index,
            "compressor_starts": 40_000 + index,
            "utility_lock": int(index % 2 == 0),
            "operating_mode": [0, 1, 2, 3, 4, 7][index % 6],
        }.items():
            samples.setdefault((heatpump_id, f"heatpump_{key}"), {})[stamp] = value
    return samples


async def held(server: RealServer) -> Samples:
    """Return what the server holds, by heat pump and series; a time held twice is an error."""
    samples: Samples = {}
    for series in await server.export('{heatpump_id!=""}'):
        key = (series["metric"]["heatpump_id"], series["metric"]["__name__"])
        assert len(set(series["timestamps"])) == len(series["timestamps"])
        assert key not in samples
        samples[key] = dict(zip(series["timestamps"], series["values"], strict=True))
    return samples


HOLD = 6.0
"""Seconds, a fifth of a house's; less than that lies between two kills, so what they cost is counted."""
W = 1.5 * HOLD
"""Seconds until what is not verified is on the writer's disk."""


class House:
    """One heat pump with a journal, and a shipper to a server."""

    def __init__(
        self,
        path: Path,
        server: VictoriaMetrics,
        hold: float = 1.0,
        sleep: Callable[[float], Awaitable[None]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare all of it; W is one and a half times the hold, as in a real house.

        Pauses are short, unless a ``sleep`` is given; ``clock`` gives seconds since 1970.
        """
        self.executor = ThreadPoolExecutor(1)
        self._server = server
        self.troubles: list[str | None] = []
        """What the journal has said of its disk; ``None``: it works again."""
        self.journal = Journal(
            path,
            "keller",
            self.executor,
            spill_after=hold * 1.5,
            clock=clock,
            on_failing=self.troubles.append,
        )
        self.shipper = Shipper(server, hold=hold, sleep=sleep or short, clock=clock)
        self.feed = Feed(encoder("keller"), self.journal.outbox, self.shipper)
        self.feed.keys = self.journal.keys = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> Self:
        """Begin, with what an earlier run left."""
        await self.journal.open()
        self.shipper.attach(self.journal.outbox)
        self._task = asyncio.create_task(self.shipper.run())
        return self

    async def verified(self, within: float = 100.0) -> None:
        """Wait until the server is known to have everything, at most so many seconds."""
        async with asyncio.timeout(within):
            while self.shipper.stats.queued_samples or self.shipper.stats.unverified:
                assert self._task is not None
                assert not self._task.done(), self._task.exception()
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """End as a stop of Home Assistant does, whether or not the server is there."""
        if self._task is not None:
            self.shipper.detach(self.journal.outbox)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            self._server.close()
            await self.journal.close()
            self.executor.shutdown()


async def short(_delay: float) -> None:
    """Pause far shorter than asked."""
    await asyncio.sleep(0.02)


class Fault(StrEnum):
    """What a gate does to a request that would store something."""

    NONE = "none"
    BUSY = "busy"
    """503, with a wish to be left alone for a while."""
    CUT_REQUEST = "cut request"
    """The connection ends before the server gets anything."""
    CUT_BODY = "cut body"
    """The server gets half of the body, as a whole request."""
    CUT_ANSWER = "cut answer"
    """The server gets all of it, its answer is lost on the way back."""
    SWALLOWED = "swallowed"
    """204, and nothing is kept."""


class Gate:
    """Stands before a server, and fails as it is told to."""

    def __init__(self, server: RealServer) -> None:
        """Let everything through, until :attr:`fault` says otherwise."""
        self.fault: Callable[[], Fault] = lambda: Fault.NONE
        self.seen: dict[Fault, int] = dict.fromkeys(Fault, 0)
        self.url = ""
        self.server = server
        self._session: aiohttp.ClientSession | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        body = await request.read()
        fault = self.fault() if body and request.path == "/api/v1/import" else Fault.NONE
        self.seen[fault] += 1
        match fault:
            case Fault.BUSY:
                return web.Response(status=503, headers={"Retry-After": "1"})
            case Fault.SWALLOWED:
                return web.Response(status=204)
            case Fault.CUT_REQUEST:
                return self._cut(request)
            case Fault.CUT_BODY:
                body = body[: len(body) // 2]
        coding = request.headers.get("Content-Encoding")
        assert self._session is not None
        try:
            async with self._session.request(
                request.method,
                self.server.url + str(request.rel_url),
                data=body,
                headers={} if coding is None else {"Content-Encoding": coding},
            ) as answer:
                content = await answer.read()
        except aiohttp.ClientError:
            return self._cut(request)
        if fault is Fault.CUT_ANSWER:
            return self._cut(request)
        if fault is Fault.CUT_BODY:
            # A gateway that loses the end of a body tells nobody.
            return web.Response(status=204)
        return web.Response(status=answer.status, body=content)

    @staticmethod
    def _cut(request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()


@asynccontextmanager
async def gate(server: RealServer) -> AsyncIterator[Gate]:
    """Open a gate before a server."""
    opened = Gate(server)
    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{path:.*}", opened.handle)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    opened.url = f"http://{HOST}:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as opened._session:
        yield opened
    await runner.cleanup()


class NoDiskError(Exception):
    """No small disk can be mounted here: only root may."""


class Disk:
    """A small file system of its own, which can be filled and made read-only."""

    def __init__(self, path: Path) -> None:
        """Take where it is mounted."""
        self.path = path

    def fill(self) -> None:
        """Leave no byte free."""
        with (self.path / "filler").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        """Give all of it back."""
        (self.path / "filler").unlink()

    def read_only(self, on: bool) -> None:
        """Let nobody write, or let them again."""
        _mount("-o", "remount,ro" if on else "remount,rw", str(self.path))


@contextmanager
def disk(path: Path, size: str) -> Iterator[Disk]:
    """Mount a small disk in memory. Raises :class:`NoDiskError`."""
    path.mkdir()
    if os.geteuid():
        raise NoDiskError("only root may mount a small disk")
    try:
        _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path))
    except (OSError, subprocess.CalledProcessError) as err:
        raise NoDiskError(f"no small disk can be mounted: {err}") from err
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)
