"""Frames reach the server, whatever it does meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
import logging
from random import Random

import aiohttp
from aiohttp import web
import pytest

from custom_components.heat_pump_hub.history.outbox import MemoryOutbox
from custom_components.heat_pump_hub.history.series import BODY_LIMIT, Frame
from custom_components.heat_pump_hub.history.shipper import (
    LONGEST_DELAY,
    LONGEST_RETRY_AFTER,
    Shipper,
    WriterPool,
)
from custom_components.heat_pump_hub.history.victoriametrics import (
    AuthRejectedError,
    HistoryError,
    OverloadedError,
    RefusedError,
    UnreachableError,
    VictoriaMetrics,
)

from .conftest import Stub, frame


class FakeServer:
    """Takes bodies, or fails with what :attr:`error` returns for a body."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.attempts: list[bytes] = []
        self.error: Callable[[bytes], HistoryError | None] = lambda _body: None
        self.gate = asyncio.Event()
        self.gate.set()
        self.in_flight = 0

    async def write(self, body: bytes) -> None:
        self.in_flight += 1
        assert self.in_flight == 1
        try:
            self.attempts.append(body)
            await self.gate.wait()
            if (error := self.error(body)) is not None:
                raise error
            if body:
                self.taken.append(body)
        finally:
            self.in_flight -= 1


class FakeSleep:
    """Keeps the delays asked for, and ends each when the test says so."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self._asked = asyncio.Event()
        self._go = asyncio.Event()

    async def __call__(self, delay: float) -> None:
        self.delays.append(delay)
        self._asked.set()
        await self._go.wait()
        self._go.clear()

    async def asked(self) -> float:
        """Wait until the shipper pauses; return for how long."""
        await asyncio.wait_for(self._asked.wait(), 5)
        self._asked.clear()
        return self.delays[-1]

    def end(self) -> None:
        """End the pause."""
        self._go.set()


class Middle(Random):
    """Always the middle of a range."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def sleep() -> FakeSleep:
    return FakeSleep()


@asynccontextmanager
async def running(shipper: Shipper) -> AsyncIterator[None]:
    """Run a shipper meanwhile."""
    task = asyncio.create_task(shipper.run())
    try:
        yield
    finally:
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


def body(number: int) -> bytes:
    return b"%d\n" % number


async def test_a_frame_is_sent_as_it_comes(server: FakeServer) -> None:
    shipper = Shipper(server, clock=lambda: 1_000.0)
    async with running(shipper):
        shipper.put(frame(3, body=b"a\n"))
        await until(lambda: shipper.stats.posted == 3)
        shipper.put(frame(2, body=b"b\n"))
        await until(lambda: shipper.stats.posted == 5)
    assert server.taken == [b"a\n", b"b\n"]
    assert shipper.stats.last_success == 1_000.0
    assert shipper.stats.queued_samples == 0
    assert shipper.stats.queued_bytes == 0


async def test_waiting_frames_travel_together_in_order_up_to_the_limit(
    server: FakeServer,
) -> None:
    shipper = Shipper(server)
    bodies = [bytes([65 + number]) * (BODY_LIMIT // 2) for number in range(5)]
    for content in bodies:
        shipper.put(frame(body=content))
    assert await shipper.flush(5)
    assert server.taken == [bodies[0] + bodies[1], bodies[2] + bodies[3], bodies[4]]


async def test_a_frame_beyond_the_limit_travels_alone(server: FakeServer) -> None:
    shipper = Shipper(server)
    bodies = [b"a", b"b" * (BODY_LIMIT + 1), b"c"]
    for content in bodies:
        shipper.put(frame(body=content))
    assert await shipper.flush(5)
    assert server.taken == bodies


async def test_nothing_is_lost_while_the_server_is_away(
    server: FakeServer, sleep: FakeSleep, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    shipper = Shipper(server, sleep=sleep)
    server.error = lambda _body: UnreachableError("http://nas: nobody there")
    async with running(shipper):
        for number in range(4):
            shipper.put(frame(10, body=body(number)))
            await sleep.asked()
            sleep.end()
        await sleep.asked()
        stats = shipper.stats
        assert (stats.queued_samples, stats.posted) == (40, 0)
        assert stats.last_error == "http://nas: nobody there"
        assert stats.last_success is None
        server.error = lambda _body: None
        sleep.end()
        await until(lambda: shipper.stats.posted == 40)
    assert b"".join(server.taken) == b"0\n1\n2\n3\n"
    assert shipper.stats.last_error is None
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_attempts_become_rarer_and_never_stop(server: FakeServer, sleep: FakeSleep) -> None:
    shipper = Shipper(server, sleep=sleep, rng=Middle())
    server.error = lambda _body: UnreachableError("away")
    shipper.put(frame())
    delays = []
    async with running(shipper):
        for _ in range(40):
            delays.append(await sleep.asked())
            sleep.end()
        server.error = lambda _body: None
        await until(lambda: shipper.stats.posted == 1)
        server.error = lambda _body: UnreachableError("away")
        attempts = len(server.attempts)
        shipper.put(frame())
        after_success = await sleep.asked()
        await asyncio.sleep(0.02)
        assert len(server.attempts) == attempts + 1
    assert delays == [0.75 * min(2.0**attempt, LONGEST_DELAY) for attempt in range(40)]
    assert after_success == 0.75


async def test_pauses_have_jitter(server: FakeServer) -> None:
    delays = set()
    for seed in range(20):
        sleep = FakeSleep()
        shipper = Shipper(server, sleep=sleep, rng=Random(seed))
        server.error = lambda _body: UnreachableError("away")
        shipper.put(frame())
        async with running(shipper):
            delays.add(await sleep.asked())
    assert len(delays) == 20
    assert all(0.5 <= delay <= 1.0 for delay in delays)


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [(40.0, 40.0, 44.0), (0.0, 0.5, 1.0), (1e9, LONGEST_RETRY_AFTER, LONGEST_RETRY_AFTER * 1.1)],
)
async def test_retry_after_is_honoured(
    server: FakeServer, sleep: FakeSleep, asked: float, least: float, most: float
) -> None:
    shipper = Shipper(server, sleep=sleep)
    server.error = lambda _body: OverloadedError("busy", asked)
    shipper.put(frame())
    async with running(shipper):
        assert least <= await sleep.asked() <= most


async def test_retry_after_of_a_web_server(
    session: aiohttp.ClientSession, stub: Stub, sleep: FakeSleep
) -> None:
    stub.answer = lambda _request, _body: web.Response(status=503, headers={"Retry-After": "120"})
    shipper = Shipper(VictoriaMetrics(session, stub.url), sleep=sleep)
    shipper.put(frame(body=b"a\n"))
    async with running(shipper):
        assert 120 <= await sleep.asked() <= 132
        stub.answer = lambda _request, _body: web.Response(status=204)
        sleep.end()
        await until(lambda: shipper.stats.posted == 1)
    assert stub.bodies == [b"a\n", b"a\n"]


async def test_rejected_credentials_are_reported_once_and_nothing_is_lost(
    server: FakeServer, sleep: FakeSleep
) -> None:
    reports: list[None] = []
    shipper = Shipper(
        server, sleep=sleep, rng=Middle(), on_auth_failed=lambda: reports.append(None)
    )
    server.error = lambda _body: AuthRejectedError("401")
    shipper.put(frame(body=b"a\n"))
    async with running(shipper):
        for _ in range(3):
            assert await sleep.asked() == 0.75 * LONGEST_DELAY
            sleep.end()
        await sleep.asked()
        assert len(reports) == 1
        assert shipper.stats.queued_samples == 1
        # Replaced credentials are tried at once, though the pause has not ended.
        better = FakeServer()
        shipper.replace_server(better)
        await until(lambda: shipper.stats.posted == 1)
        assert better.taken == [b"a\n"]
        # They can go stale too.
        better.error = lambda _body: AuthRejectedError("401")
        shipper.put(frame())
        await sleep.asked()
    assert len(reports) == 2


async def test_credentials_replaced_in_mid_request_are_not_reported(
    server: FakeServer, sleep: FakeSleep
) -> None:
    reports: list[None] = []
    shipper = Shipper(server, sleep=sleep, on_auth_failed=lambda: reports.append(None))
    server.error = lambda _body: AuthRejectedError("401")
    server.gate.clear()
    shipper.put(frame())
    better = FakeServer()
    async with running(shipper):
        await until(lambda: server.in_flight)
        shipper.replace_server(better)
        server.gate.set()
        await until(lambda: shipper.stats.posted == 1)
    assert reports == []


async def test_credentials_without_anybody_to_tell(server: FakeServer, sleep: FakeSleep) -> None:
    shipper = Shipper(server, sleep=sleep)
    server.error = lambda _body: AuthRejectedError("401")
    shipper.put(frame())
    async with running(shipper):
        await sleep.asked()
        assert shipper.stats.queued_samples == 1


async def test_poison_is_found_dropped_and_reported_once(
    session: aiohttp.ClientSession, stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    stub.answer = lambda _request, content: (
        web.Response(status=400, text="cannot parse poison")
        if b"poison" in content
        else web.Response(status=204)
    )
    reasons: list[str] = []
    shipper = Shipper(VictoriaMetrics(session, stub.url), on_refused=reasons.append)
    for number in range(20):
        shipper.put(frame(2, body=b"poison\n" if number in (3, 4, 17) else body(number)))
    assert await shipper.flush(5)
    accepted = b"".join(content for content in stub.bodies if b"poison" not in content)
    assert accepted.split() == [b"%d" % number for number in range(20) if number not in (3, 4, 17)]
    stats = shipper.stats
    assert (stats.posted, stats.refused, stats.dropped, stats.queued_samples) == (34, 6, 0, 0)
    assert len(reasons) == 1
    assert "cannot parse poison" in reasons[0]
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1


async def test_server_that_refuses_everything_costs_nothing(
    server: FakeServer, sleep: FakeSleep
) -> None:
    shipper = Shipper(server, sleep=sleep)
    server.error = lambda _body: RefusedError("400: unsupported path")
    for number in range(5):
        shipper.put(frame(body=body(number)))
    async with running(shipper):
        await sleep.asked()
        assert shipper.stats.queued_samples == 5
        assert shipper.stats.refused == 0
        server.error = lambda _body: None
        sleep.end()
        await until(lambda: shipper.stats.posted == 5)
    assert b"".join(server.taken) == b"0\n1\n2\n3\n4\n"


async def test_server_that_dies_while_poison_is_sought(
    server: FakeServer, sleep: FakeSleep
) -> None:
    shipper = Shipper(server, sleep=sleep)

    def refuse_then_die(content: bytes) -> HistoryError | None:
        if b"9" in content:
            return RefusedError("400")
        return UnreachableError("away") if len(server.taken) == 2 else None

    server.error = refuse_then_die
    for number in [1, 2, 3, 4, 9, 5, 6, 7]:
        shipper.put(frame(body=body(number)))
    async with running(shipper):
        await sleep.asked()
        server.error = lambda content: RefusedError("400") if b"9" in content else None
        sleep.end()
        await until(lambda: not shipper.stats.queued_samples)
    assert b"".join(server.taken).split() == [b"1", b"2", b"3", b"4", b"5", b"6", b"7"]
    assert shipper.stats.refused == 1


async def test_full_queue_drops_the_oldest_and_counts_them(
    server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    shipper = Shipper(server, limit_samples=25, clock=lambda: 100.0)
    for number in range(6):
        shipper.put(frame(10, body=body(number), first=number * 1000))
    stats = shipper.stats
    assert (stats.queued_samples, stats.dropped, stats.oldest_age) == (20, 40, 96.0)
    assert len(caplog.records) == 1
    assert await shipper.flush(5)
    assert server.taken == [b"4\n5\n"]
    # A second outage that fills the queue is a second message.
    for number in range(3):
        shipper.put(frame(10, body=body(number)))
    assert len(caplog.records) == 2


async def test_full_queue_by_bytes(server: FakeServer) -> None:
    shipper = Shipper(server, limit_bytes=25)
    for letter in (b"a", b"b", b"c"):
        shipper.put(frame(body=letter * 10))
    assert shipper.stats.queued_bytes == 20
    assert await shipper.flush(5)
    assert server.taken == [b"b" * 10 + b"c" * 10]


async def test_newest_frame_is_kept_whatever_its_size(server: FakeServer) -> None:
    shipper = Shipper(server, limit_samples=5)
    shipper.put(frame(1))
    shipper.put(frame(10, body=b"big\n"))
    assert await shipper.flush(5)
    assert server.taken == [b"big\n"]
    assert shipper.stats.dropped == 1


async def test_frames_in_flight_are_not_dropped(server: FakeServer) -> None:
    shipper = Shipper(server, limit_samples=20)
    server.gate.clear()
    async with running(shipper):
        shipper.put(frame(10, body=b"a\n"))
        await until(lambda: server.in_flight)
        for letter in (b"b\n", b"c\n", b"d\n"):
            shipper.put(frame(10, body=letter))
        assert shipper.stats.queued_samples == 20
        server.gate.set()
        await until(lambda: not shipper.stats.queued_samples)
    assert server.taken == [b"a\n", b"d\n"]
    assert shipper.stats.dropped == 20


async def test_frames_that_came_back_are_dropped_like_others(server: FakeServer) -> None:
    shipper = Shipper(server, limit_samples=20)
    server.error = lambda _body: UnreachableError("away")
    for letter in (b"a\n", b"b\n"):
        shipper.put(frame(10, body=letter))
    assert not await shipper.flush(5)
    shipper.put(frame(10, body=b"c\n"))
    assert (shipper.stats.queued_samples, shipper.stats.dropped) == (20, 10)
    server.error = lambda _body: None
    assert await shipper.flush(5)
    assert server.taken == [b"b\nc\n"]


async def test_age_is_that_of_the_oldest_sample(server: FakeServer) -> None:
    shipper = Shipper(server, clock=lambda: 100.0)

    def age() -> float | None:
        return shipper.stats.oldest_age

    assert age() is None
    shipper.put(frame(first=40_000))
    shipper.put(frame(first=70_000))
    assert age() == 60.0
    server.gate.clear()
    async with running(shipper):
        await until(lambda: server.in_flight)
        assert age() == 60.0
        server.gate.set()
        await until(lambda: shipper.stats.posted)
    assert age() is None


async def test_sample_of_the_future_has_no_negative_age(server: FakeServer) -> None:
    shipper = Shipper(server, clock=lambda: 0.0)
    shipper.put(frame(first=40_000))
    assert shipper.stats.oldest_age == 0.0


async def test_flush_of_a_server_that_is_away_ends_at_once(server: FakeServer) -> None:
    shipper = Shipper(server)
    server.error = lambda _body: UnreachableError("away")
    shipper.put(frame(body=b"a\n"))
    assert not await shipper.flush(5)
    assert len(server.attempts) == 1
    assert shipper.stats.queued_samples == 1
    server.error = lambda _body: None
    assert await shipper.flush(5)
    assert server.taken == [b"a\n"]


async def test_flush_of_a_silent_server_ends_in_time_and_keeps_all(server: FakeServer) -> None:
    shipper = Shipper(server)
    server.gate.clear()
    shipper.put(frame(body=b"a\n"))
    shipper.put(frame(body=b"b\n"))
    assert not await shipper.flush(0.01)
    assert shipper.stats.queued_samples == 2
    server.gate.set()
    assert await shipper.flush(5)
    assert server.taken == [b"a\nb\n"]


async def test_flush_waits_for_what_is_in_flight(server: FakeServer) -> None:
    shipper = Shipper(server)
    server.gate.clear()
    async with running(shipper):
        shipper.put(frame(body=b"a\n"))
        await until(lambda: server.in_flight)
        shipper.put(frame(body=b"b\n"))
        flush = asyncio.create_task(shipper.flush(5))
        await asyncio.sleep(0)
        assert not flush.done()
        server.gate.set()
        assert await flush
    assert server.taken == [b"a\n", b"b\n"]


async def test_flush_ends_a_pause(server: FakeServer, sleep: FakeSleep) -> None:
    shipper = Shipper(server, sleep=sleep)
    server.error = lambda _body: UnreachableError("away")
    shipper.put(frame(body=b"a\n"))
    async with running(shipper):
        await sleep.asked()
        server.error = lambda _body: None
        assert await shipper.flush(5)
        shipper.put(frame(body=b"b\n"))
        await until(lambda: shipper.stats.posted == 2)
    assert server.taken == [b"a\n", b"b\n"]


async def test_cancelled_run_keeps_what_was_in_flight(server: FakeServer) -> None:
    shipper = Shipper(server)
    server.gate.clear()
    shipper.put(frame(body=b"a\n"))
    async with running(shipper):
        await until(lambda: server.in_flight)
        shipper.put(frame(body=b"b\n"))
    assert shipper.stats.queued_samples == 2
    server.gate.set()
    assert await shipper.flush(5)
    assert server.taken == [b"a\nb\n"]


async def test_outbox_of_the_caller_is_used(server: FakeServer) -> None:
    outbox = MemoryOutbox()
    outbox.put(frame(body=b"from before\n"))
    shipper = Shipper(server, outbox=outbox)
    async with running(shipper):
        await until(lambda: server.taken == [b"from before\n"])
    assert outbox.samples == 0


async def test_outbox_gives_back_in_order() -> None:
    outbox = MemoryOutbox()
    frames = [frame(body=body(number)) for number in range(5)]
    for one in frames:
        outbox.put(one)
    taken = await outbox.take(6)
    assert taken == frames[:3]
    await outbox.release(taken[:1])
    outbox.give_back()
    outbox.give_back()
    assert await outbox.take(100) == frames[1:]


async def test_outbox_releases_only_what_is_in_flight() -> None:
    outbox = MemoryOutbox()
    waiting: Frame = frame()
    outbox.put(waiting)
    with pytest.raises(KeyError):
        await outbox.release([waiting])
    assert await outbox.take(100) == [waiting]


def test_pool_shares_a_writer_until_the_last_user_is_gone() -> None:
    pool: WriterPool[tuple[str, str], object] = WriterPool()
    first = pool.acquire(("http://nas", "anna"), object)
    assert pool.acquire(("http://nas", "anna"), object) is first
    other = pool.acquire(("http://nas", "bert"), object)
    assert other is not first
    assert pool.release(("http://nas", "anna")) is None
    assert pool.release(("http://nas", "anna")) is first
    assert pool.acquire(("http://nas", "anna"), object) is not first
    assert pool.release(("http://nas", "bert")) is other
    with pytest.raises(KeyError):
        pool.release(("http://nas", "bert"))
