"""How fast the log of an IoTaWatt unit comes to the server, and what the event loop bears meanwhile.

The unit is simulated, in a process of its own, with a log of two years; the server is a real
VictoriaMetrics. What is measured is a unit's own task, from an empty server to a log that was
counted; the rests it gives a unit and the hold before counting are taken off. What a page of
a real unit takes is its own: the rate here is what we could bear.
"""

import asyncio
from asyncio import events
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
import tempfile
import time
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import aiohttp

from custom_components.heat_pump_hub import iotawatt, iotawatt_reader
from custom_components.heat_pump_hub.history.bulk import Bulk
from custom_components.heat_pump_hub.history.companion_rules import DEFAULT_RULES
from custom_components.heat_pump_hub.history.shipper import Shipper
from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics
from custom_components.heat_pump_hub.simulator.iotawatt import MINUTE, SERIES, IotawattUnit
from tests.servers import VictoriaMetrics as Server

from .figures import Figure

DAYS = 2 * 365
CHOSEN = {"Mains_1": "W", "Mains_2": "W", "Heat_Pump": "W", "Voltage": "V"}
UNITS = {"Watts": "W", "Volts": "V"}
HOLD = 2.0


def simulate(begin: int, now: int, end: Connection) -> None:
    """Be a unit until the other end is closed."""
    unit = IotawattUnit(begin=begin, clock=lambda: float(now))
    end.send(unit.start())
    end.poll(None)
    unit.stop()


@contextmanager
def simulated(begin: int, now: int) -> Iterator[int]:
    """Start a unit in a process of its own; give its port."""
    context = get_context("spawn")
    near, far = context.Pipe()
    process = context.Process(target=simulate, args=(begin, now, far))
    process.start()
    far.close()
    try:
        yield near.recv()
    finally:
        near.close()
        process.join(10.0)


async def run() -> list[Figure]:
    """Measure."""
    now = int(time.time()) // MINUTE * MINUTE
    begin = now - DAYS * 86_400
    with tempfile.TemporaryDirectory(dir=".") as name, simulated(begin, now) as port:
        server = await asyncio.to_thread(Server(Path(name), "-retentionPeriod=10y").start)
        threads = ThreadPoolExecutor(4)
        try:
            async with aiohttp.ClientSession() as session:
                return await _measure(server, threads, session, port, begin, now)
        finally:
            threads.shutdown()
            server.kill()


async def _measure(
    server: Server,
    threads: ThreadPoolExecutor,
    session: aiohttp.ClientSession,
    port: int,
    begin: int,
    now: int,
) -> list[Figure]:
    loop = asyncio.get_running_loop()

    def run_in_thread[*Ts, T](job: Callable[[*Ts], T], *arguments: *Ts) -> Awaitable[T]:
        return loop.run_in_executor(threads, job, *arguments)

    waited = longest = 0.0

    async def sleep(delay: float) -> None:
        nonlocal waited
        since = time.perf_counter()
        await asyncio.sleep(min(delay, 0.2))
        await server.flush()
        waited += time.perf_counter() - since

    original = events.Handle._run  # noqa: SLF001 - the only place where every callback passes

    def timed(handle: asyncio.Handle) -> None:
        nonlocal longest
        since = time.thread_time()
        original(handle)
        longest = max(longest, time.thread_time() - since)

    data = {"host": f"127.0.0.1:{port}", "device": "iwatt", "series": CHOSEN}
    with (
        patch.object(iotawatt, "async_get_clientsession", lambda _: session),
        patch.object(iotawatt, "HOLD", HOLD),
        patch.object(iotawatt, "Bulk", partial(Bulk, sleep=sleep)),
        patch.object(iotawatt_reader, "REST", (0.0, 0.0)),
        patch.object(events.Handle, "_run", timed),
    ):
        sync = iotawatt.UnitSync(
            cast("Any", SimpleNamespace(async_add_executor_job=run_in_thread, loop=loop)),
            cast("Any", SimpleNamespace(title="bench")),
            cast("Any", SimpleNamespace(shipper=Shipper(VictoriaMetrics(session, server.url)))),
            "idm",
            cast("Any", SimpleNamespace(data=data, title="IoTaWatt")),
            DEFAULT_RULES,
        )
        since, cpu = time.perf_counter(), time.process_time()
        await sync._async_step()  # noqa: SLF001 - what its task does again and again
        wall = time.perf_counter() - since - waited
        cpu = time.process_time() - cpu
    samples = len(CHOSEN) * (now - begin) // MINUTE
    await server.flush()
    unit = IotawattUnit({name: SERIES[name] for name in SERIES}, begin=begin, clock=lambda: now)
    wrong = sum([await _wrong(server, unit, name, begin, now) for name in CHOSEN])
    return [
        Figure("backfill of an IoTaWatt's log", samples / wall / 1000, None, "k/s",
               f"{samples} samples of {DAYS // 365} years in {wall:.1f} s"),
        Figure("CPU of a sample", cpu / samples * 1e6, None, "µs"),
        Figure("samples counted twice or not at all", abs(sync.progress.sent - samples), 0, ""),
        Figure("minutes missing on the server, or of another value", wrong, 0, ""),
        Figure("longest callback meanwhile, thread CPU", longest * 1000, 1.5, "ms"),
    ]  # fmt: skip


async def _wrong(server: Server, unit: IotawattUnit, name: str, begin: int, now: int) -> int:
    """Compare a series with the log."""
    (found,) = await server.export(f'{{source="iotawatt",series="{name}"}}')
    stored = dict(zip(found["timestamps"], found["values"], strict=True))
    missing = sum(
        stored.pop(at * 1000, None) != unit.value(name, at) for at in range(begin, now, MINUTE)
    )
    return int(missing + len(stored))
