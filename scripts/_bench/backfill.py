"""How fast a backfill is: from a recorder's database on the disk to samples that were counted.

The database has Home Assistant's own schema and a week of states, and a year of hourly
statistics, of 150 entities. The server is a real VictoriaMetrics. Rates are of the whole way:
gaps found, read, converted, sent and counted; the hold, in which nothing happens, is taken off.
What the event loop bears meanwhile is the longest callback.
"""

import asyncio
from asyncio import events
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
import sqlite3
import tempfile
import time
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import aiohttp
from homeassistant.components.recorder.db_schema import Base
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.recorder import DATA_INSTANCE
from sqlalchemy import create_engine, event
from sqlalchemy.orm import Session

from custom_components.heat_pump_hub import recorder_source
from custom_components.heat_pump_hub.backfill import Backfill, Job
from custom_components.heat_pump_hub.backfill_work import KIND, STATES, STATISTICS, Past
from custom_components.heat_pump_hub.drivers.points import Kind, Point, Quantity
from custom_components.heat_pump_hub.history.bulk import Bulk
from custom_components.heat_pump_hub.history.codec import Coding
from custom_components.heat_pump_hub.history.series import Encoder
from custom_components.heat_pump_hub.history.shipper import Shipper
from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics
from tests.servers import VictoriaMetrics as Server

from .figures import Figure

ENTITIES = 150
DAY = 86_400
STATES_EACH = 7 * DAY // 60
"""A state a minute: what changes with every second poll."""
HOURS = 365 * 24
HOLD = 20.0
"""Longer than the sending takes: it is waited for once, at the end, and cut short there."""


class Recorder:
    """A database of the recorder, and the executor its readers share."""

    def __init__(self, path: Path) -> None:
        """Make the database."""
        self.engine = create_engine(f"sqlite:///{path}")
        event.listen(self.engine, "connect", _as_home_assistant_does)
        Base.metadata.create_all(self.engine)
        self.executor = ThreadPoolExecutor(4)
        self.path = path

    def get_session(self) -> Session:
        """Return a session, as the recorder does."""
        return Session(self.engine)

    def async_add_executor_job(self, job: Callable[..., Any], *arguments: Any) -> Any:
        """Run a job in the executor."""
        return asyncio.get_running_loop().run_in_executor(self.executor, job, *arguments)

    async def async_block_till_done(self) -> None:
        """Have nothing waiting."""

    def fill(self, end: int) -> None:
        """Store states and statistics that end at a time, s since 1970."""
        random = Random(1)
        with sqlite3.connect(self.path) as db:
            db.execute(
                "INSERT INTO state_attributes (attributes_id, shared_attrs) VALUES (1, ?)",
                ('{"unit_of_measurement":"°C","friendly_name":"point"}',),
            )
            for n in range(1, ENTITIES + 1):
                name = f"sensor.point_{n}"
                db.execute("INSERT INTO states_meta VALUES (?, ?)", (n, name))
                db.execute(
                    "INSERT INTO statistics_meta (id, statistic_id, source, unit_of_measurement,"
                    " mean_type) VALUES (?, ?, 'recorder', '°C', 1)",
                    (n, name),
                )
            # As they come: entity by entity at each poll or hour, not entity after entity.
            db.executemany(
                "INSERT INTO statistics (metadata_id, start_ts, mean, min, max)"
                " VALUES (?, ?, ?, ?, ?)",
                (
                    (n, end - 3600 * (HOURS - k), 20 + random.random() * 9, 20.1, 29.7)
                    for k in range(HOURS)
                    for n in range(1, ENTITIES + 1)
                ),
            )
            db.executemany(
                "INSERT INTO states (metadata_id, last_updated_ts, state, attributes_id)"
                " VALUES (?, ?, ?, 1)",
                (
                    (n, end - 60 * (STATES_EACH - k) + n / 1e4, f"{20 + random.random() * 9:.1f}")
                    for k in range(STATES_EACH)
                    for n in range(1, ENTITIES + 1)
                ),
            )


def _as_home_assistant_does(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in ("journal_mode=WAL", "cache_size=-16384", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


class House:
    """What a backfill needs of Home Assistant."""

    def __init__(self, recorder: Recorder, run_in_thread: Callable[..., Any]) -> None:
        """Have a recorder, and threads."""
        registry = SimpleNamespace(async_get=lambda entity_id: entity_id)
        self.data = {DATA_INSTANCE: recorder, er.DATA_REGISTRY: registry}
        self.async_add_executor_job = run_in_thread


class Client(VictoriaMetrics):
    """Counts what it posts."""

    posts = 0

    async def write(self, body: bytes, coding: Coding | None = None) -> None:
        """Post a body."""
        self.posts += 1
        await super().write(body, coding)


def encoder() -> Encoder:
    """Return an encoder of temperatures, with labels of a usual length."""
    points = {
        f"point_{n}": Point(
            key=f"point_{n}", name="point", quantity=Quantity.TEMPERATURE, kind=Kind.ANALOG
        )
        for n in range(1, ENTITIES + 1)
    }
    return Encoder(points, heatpump_id="idm", manufacturer="IDM", model="Navigator 2.0")


async def run() -> list[Figure]:
    """Measure."""
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        recorder = Recorder(folder / "recorder.db")
        end = int(time.time()) // 3600 * 3600 - 2 * DAY
        recorder.fill(end)
        figures = []
        for what, start, least in (
            (STATES, end - 7 * DAY, 250.0),
            (STATISTICS, end - HOURS * 3600, 350.0),
        ):
            async with _backfill(folder / what, recorder) as (server, backfill, past):
                figures += await _measure(server, backfill, past, what, start, end, least)
        recorder.executor.shutdown()
        return figures


@asynccontextmanager
async def _backfill(
    folder: Path, recorder: Recorder
) -> AsyncIterator[tuple[Server, Backfill, Past]]:
    server = Server(folder).start()
    threads = ThreadPoolExecutor(4)

    def run_in_thread[*Ts, T](job: Callable[[*Ts], T], *arguments: *Ts) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(threads, job, *arguments)

    hass = cast("HomeAssistant", House(recorder, run_in_thread))
    try:
        async with aiohttp.ClientSession() as session:
            client = Client(session, server.url)
            shipper = Shipper(client)
            archive = SimpleNamespace(shipper=shipper, encoder=encoder(), keys=None)
            past = Past(hass, cast("Any", None), cast("Any", archive), "idm", 30)

            async def sleep(delay: float) -> None:
                since = time.perf_counter()
                if client.posts:
                    # Else it has been done: each costs the server as much as many samples.
                    client.posts = 0
                    await asyncio.sleep(min(delay, 0.2))
                    await server.flush()
                backfill.slept += time.perf_counter() - since

            backfill = SimpleNamespace(
                bulk=Bulk(shipper, run_in_thread, hold=HOLD, sleep=sleep),
                run=run_in_thread,
                slept=0.0,
            )
            yield server, cast("Backfill", backfill), past
    finally:
        threads.shutdown()
        server.kill()


async def _measure(
    server: Server, backfill: Backfill, past: Past, what: str, start: int, end: int, least: float
) -> list[Figure]:
    sources = {
        f"sensor.point_{n}": recorder_source.Source(
            f"sensor.point_{n}",
            past.archive.encoder.points[f"point_{n}"],
            *past.archive.encoder.metric(f"point_{n}"),
        )
        for n in range(1, ENTITIES + 1)
    }
    settings = {
        "start": start * 1000, "end": end * 1000, "what": [what], "points": [one.point.key for one in sources.values()]
    }  # fmt: skip
    job = Job(kind=KIND, settings=settings)
    longest = 0.0
    original = events.Handle._run  # noqa: SLF001 - the only place where every callback passes

    def timed(handle: asyncio.Handle) -> None:
        nonlocal longest
        since = time.thread_time()
        original(handle)
        longest = max(longest, time.thread_time() - since)

    sent = 0
    with (
        patch.object(events.Handle, "_run", timed),
        patch("custom_components.heat_pump_hub.backfill_work.async_sources", lambda *_: sources),
    ):
        since = time.perf_counter()
        busy = time.process_time()
        async for done in backfill.bulk.deliver(past.backfill(backfill, job)):
            sent += done.sent
        wall = time.perf_counter() - since - cast("Any", backfill).slept
        busy = time.process_time() - busy
    rows = ENTITIES * (STATES_EACH if what == STATES else HOURS)
    await server.flush()
    found = await server.count('{heatpump_id="idm"}')
    return [
        Figure(f"backfill of {what}", rows / wall / 1000, least, "k/s",
               f"{rows} rows, {sent} samples in {wall:.1f} s", least=True),
        Figure(f"processor time of ours for each of {what}", busy / rows * 1e6, None, "µs",
               "what a loaded machine cannot hide"),
        Figure(f"samples of {what} missing on the server", abs(sent - found), 0, ""),
        Figure(f"longest callback during a backfill of {what}, thread CPU", longest * 1000, 1.5, "ms"),
    ]  # fmt: skip
