"""Batches that are made, sent and counted side by side, when one of them fails on its way."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
import signal
from typing import Any

import aiohttp
from aiohttp import web
import pytest

from custom_components.heat_pump_hub.history import bulk as module
from custom_components.heat_pump_hub.history.ask import selector
from custom_components.heat_pump_hub.history.bulk import Batch, Bulk, NotKeptError
from custom_components.heat_pump_hub.history.codec import Coding
from custom_components.heat_pump_hub.history.server import NotVictoriaMetricsError, RefusedError
from custom_components.heat_pump_hub.history.shipper import Shipper
from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics
from tests.servers import VictoriaMetrics as RealServer, VictoriaMetricsFactory

from .conftest import Thread
from .test_bulk import bulk_of, column, deliver, held, series, shipper_of, weeks

NAMES = ("flow_temperature", "cop", "poison", "heat_power")
EACH = 300
BATCHES = 8
WHOLE = BATCHES * EACH


def batches(*names: str) -> list[Batch[str]]:
    """Return batches that follow each other in time."""
    return [
        Batch([column(range(n * EACH, (n + 1) * EACH), name) for name in names], str(n))
        for n in range(BATCHES)
    ]


class Gate:
    """Stands before a real server, and answers posts itself where a test says so."""

    def __init__(self, server: RealServer, session: aiohttp.ClientSession) -> None:
        """Let all through."""
        self.server = server
        self.session = session
        self.refuse: Callable[[int, bytes], int | None] = lambda _number, _text: None
        """Number and text of a post to a status; ``None``: the server is asked."""
        self.hang_at: int | None = None
        self.hangs = asyncio.Event()
        self.closed = asyncio.Event()
        self.posts = 0
        self.requests = 0
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        # aiohttp has decompressed it.
        body = await request.read()
        self.requests += 1
        if request.method == "POST":
            self.posts += 1
            if self.posts == self.hang_at:
                self.hangs.set()
                await self.closed.wait()
            if (status := self.refuse(self.posts, body)) is not None:
                return web.Response(status=status, text="cannot take it")
        url = self.server.url + request.raw_path
        async with self.session.request(request.method, url, data=body) as answer:
            return web.Response(status=answer.status, body=await answer.read())


@pytest.fixture
async def gate(victoria_metrics: RealServer, session: aiohttp.ClientSession) -> AsyncIterator[Gate]:
    gate = Gate(victoria_metrics, session)
    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{path:.*}", gate.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    gate.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield gate
    gate.closed.set()
    await runner.cleanup()


def tasks() -> set[asyncio.Task[Any]]:
    """Return what runs for a bulk: not a test's own tasks, nor those of its servers."""
    return {
        task
        for task in asyncio.all_tasks()
        if getattr(task.get_coro(), "__qualname__", "").startswith(("Bulk.", "_ahead"))
    }


async def test_a_post_that_fails_half_way_stops_the_others(
    gate: Gate, session: aiohttp.ClientSession, thread: Thread
) -> None:
    gate.refuse = lambda number, _text: 404 if number == 4 else None
    bulk = bulk_of(shipper_of(session, gate.url), thread, gate.server, hold=1e3)
    with pytest.raises(NotVictoriaMetricsError):
        await deliver(bulk, *batches("cop"))
    assert not tasks()
    # Those behind it, which were made ready meanwhile, must not have gone before it.
    assert gate.posts == 4
    before = gate.requests
    await asyncio.sleep(0.1)
    assert gate.requests == before
    assert len((await held(gate.server))[series("cop")]) == 3 * EACH
    # Begun anew it sends what lacks, and no more.
    done = await deliver(bulk, *batches("cop"))
    assert sum(sent for _, sent, *_ in done) == WHOLE - 3 * EACH
    assert len((await held(gate.server))[series("cop")]) == WHOLE


async def test_a_post_that_times_out_is_sent_again_in_its_place(
    victoria_metrics: RealServer, session: aiohttp.ClientSession, thread: Thread
) -> None:
    frozen = posts = 0
    process = victoria_metrics._process
    assert process is not None

    async def sleep(delay: float) -> None:
        nonlocal frozen
        if frozen == 1:
            frozen = 2
            process.send_signal(signal.SIGCONT)
        await asyncio.sleep(min(delay, 0.05))
        with suppress(OSError):
            await victoria_metrics.flush()

    client = VictoriaMetrics(session, victoria_metrics.url, timeout=0.5)
    write = client.write

    async def freezing(body: bytes, coding: Coding | None = None) -> None:
        nonlocal frozen, posts
        posts += 1
        if posts == 3:
            frozen = 1
            process.send_signal(signal.SIGSTOP)
        await write(body, coding)

    client.write = freezing  # type: ignore[method-assign]
    bulk = Bulk(Shipper(client), thread, sleep=sleep, hold=0.0)
    done = await deliver(bulk, *batches("cop"))
    assert frozen == 2
    assert [tag for tag, *_ in done] == [str(n) for n in range(BATCHES)]
    assert len((await held(victoria_metrics))[series("cop")]) == WHOLE


@pytest.mark.parametrize("way", ["cancelled", "left"])
async def test_whoever_goes_away_leaves_nothing_running(
    gate: Gate, session: aiohttp.ClientSession, thread: Thread, way: str
) -> None:
    closed = asyncio.Event()

    async def made() -> AsyncIterator[Batch[str]]:
        try:
            for batch in batches("cop"):
                yield batch
        finally:
            closed.set()

    bulk = bulk_of(shipper_of(session, gate.url), thread, gate.server, hold=0.0)

    async def consume() -> None:
        async with aclosing(bulk.deliver(made())) as delivered:
            async for _ in delivered:
                await gate.hangs.wait()
                if way == "left":
                    break

    # One post is never answered.
    gate.hang_at = 3
    task = asyncio.create_task(consume())
    async with asyncio.timeout(10):
        await gate.hangs.wait()
        if way == "cancelled":
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await closed.wait()
    assert not tasks()
    before = gate.requests
    await asyncio.sleep(0.1)
    assert gate.requests == before
    # The lender of the server is free again.
    assert sum([sent for _, sent, *_ in await deliver(bulk, *batches("cop"))]) < WHOLE
    assert len((await held(gate.server))[series("cop")]) == WHOLE


async def test_a_series_that_is_refused_holds_no_other_up(
    gate: Gate, session: aiohttp.ClientSession, thread: Thread, caplog: pytest.LogCaptureFixture
) -> None:
    gate.refuse = lambda _number, text: 400 if b"poison" in text else None
    bulk = bulk_of(shipper_of(session, gate.url), thread, gate.server)

    async def made() -> AsyncIterator[Batch[str]]:
        for batch in batches(*NAMES):
            yield batch

    done = [one async for one in bulk.deliver(made())]
    assert [one.refused for one in done] == [EACH] * BATCHES
    assert [one.sent for one in done] == [3 * EACH] * BATCHES
    found = {labels: len(samples) for labels, samples in (await held(gate.server)).items()}
    assert found == {series(name): WHOLE for name in NAMES if name != "poison"}
    assert caplog.text.count("refuses") == BATCHES
    assert "heatpump_poison" in caplog.text


async def test_a_server_that_refuses_everything_ends_it(
    gate: Gate, session: aiohttp.ClientSession, thread: Thread
) -> None:
    gate.refuse = lambda _number, _text: 400
    bulk = bulk_of(shipper_of(session, gate.url), thread, gate.server)
    with pytest.raises(RefusedError):
        await deliver(bulk, *batches(*NAMES))
    # Halves of one body, and not every line of every batch.
    assert gate.posts < 2 * len(NAMES)
    # One that took others refuses a few series, not all that follow.
    gate.refuse = lambda number, text: None if b"cop" in text and number < 40 else 400
    many = [column(range(9), f"v_{n}") for n in range(module.MOST_REFUSED + 5)]
    with pytest.raises(RefusedError):
        await deliver(bulk, Batch([column(range(9), "cop")], "a"), Batch(many, "b"))
    assert not tasks()


@pytest.mark.parametrize("old", [False, True], ids=["1.145", "1.79.5"])
async def test_what_a_server_remembers_of_a_day_hides_nothing(
    victoria_metrics_factory: VictoriaMetricsFactory,
    session: aiohttp.ClientSession,
    thread: Thread,
    old: bool,
) -> None:
    # As owners run it: it remembers which series a selector found on which days.
    flags = () if old else ("-storage.cacheSizeIndexDBTagFilters=8MiB",)
    server = victoria_metrics_factory(*flags, old=old)
    shipper = shipper_of(session, server.url)
    if old:
        shipper._known.coding = Coding.GZIP
    bulk = bulk_of(shipper, thread, server, hold=1e3)
    assert await deliver(bulk, *weeks()) == [(str(n), 900, 0, 0) for n in range(30)]
    # No two questions are alike.
    asked = [selector([series()]) for _ in range(3)]
    assert len(set(asked)) == 3


async def test_a_server_that_loses_what_it_takes_is_given_up_with_all_that_is_behind(
    gate: Gate, session: aiohttp.ClientSession, thread: Thread
) -> None:
    gate.refuse = lambda _number, text: 204 if b"poison" in text else None
    bulk = bulk_of(shipper_of(session, gate.url), thread, gate.server)
    with pytest.raises(NotKeptError):
        await deliver(bulk, *batches("cop", "poison"))
    assert not tasks()
