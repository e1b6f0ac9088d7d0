"""Frames reach the server, whatever it does meanwhile, and stay until it has them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
import json
import logging
from random import Random
import time
from typing import Any

import pytest

from custom_components.heat_pump_hub.drivers.points import Snapshot
from custom_components.heat_pump_hub.history import backoff, known, probe, shipper as shipping
from custom_components.heat_pump_hub.history.backoff import (
    AWAY_AFTER,
    LONGEST_DELAY,
    LONGEST_RETRY_AFTER,
)
from custom_components.heat_pump_hub.history.codec import Coding, DamagedError, decompress
from custom_components.heat_pump_hub.history.feed import JOINED_POLLS, Feed
from custom_components.heat_pump_hub.history.journal_file import JournalError, JournalFile
from custom_components.heat_pump_hub.history.outbox import Outbox
from custom_components.heat_pump_hub.history.pool import WriterPool
from custom_components.heat_pump_hub.history.series import BODY_LIMIT
from custom_components.heat_pump_hub.history.server import (
    AuthRejectedError,
    HistoryError,
    NotVictoriaMetricsError,
    OverloadedError,
    RefusedError,
    ServerInfo,
    UnreachableError,
)
from custom_components.heat_pump_hub.history.shipper import Shipper
from custom_components.heat_pump_hub.history.state import Failing, Trouble

from .conftest import Thread, at, encoder, frame, line

HOLD = 0.05
NOW = int(time.time()) * 1000


def decode(body: bytes) -> bytes:
    """Return the text of a body, or say that it is damaged."""
    try:
        return decompress(body) if body else b""
    except DamagedError:
        return b"damaged"


class FakeServer:
    """Stores lines and counts them, or fails as a test says."""

    def __init__(self) -> None:
        self.samples: set[tuple[str, int]] = set()
        self.error: Callable[[bytes], HistoryError | None] = lambda _text: None
        self.query_error: HistoryError | None = None
        self.information = ServerInfo(readable=True, deduplicates=True)
        self.forgets: Callable[[bytes, Coding | None], bool] = lambda _text, _coding: False
        self.canaries: set[str] = set()
        self.bodies: list[bytes] = []
        self.codings: list[Coding | None] = []
        self.writes = 0
        self.asked = 0
        self.counted = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.in_flight = 0

    async def write(self, body: bytes, coding: Coding | None = None) -> None:
        assert self.in_flight == 0
        self.in_flight += 1
        self.writes += 1
        try:
            await self.gate.wait()
            text = decode(body)
            if (error := self.error(text)) is not None:
                raise error
            if self.forgets(text, coding):
                return
            if b"canary" in text:
                self.canaries.add(json.loads(text)["metric"]["coding"])
                return
            self.codings.append(coding)
            if body:
                self.bodies.append(body)
            for one in text.splitlines():
                found = json.loads(one)
                for stamp in found["timestamps"]:
                    self.samples.add((found["metric"]["__name__"], stamp))
        finally:
            self.in_flight -= 1

    async def query(self, expression: str, *, at: float | None = None) -> list[dict[str, Any]]:
        if self.query_error is not None:
            raise self.query_error
        return [{"metric": {"coding": coding}} for coding in self.canaries]

    async def counts(self, heatpump_id: str, first: int, last: int) -> dict[int, int]:
        self.counted += 1
        if self.query_error is not None:
            raise self.query_error
        series = Counter(name for name, stamp in self.samples if first <= stamp <= last)
        return dict(Counter(series.values()))

    async def info(self) -> ServerInfo:
        self.asked += 1
        if (error := self.error(b"")) is not None:
            raise error
        return self.information

    @property
    def times(self) -> set[int]:
        """Return which polls it has."""
        return {stamp for _, stamp in self.samples}


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


class Told:
    """Keeps the troubles that are told."""

    def __init__(self) -> None:
        self.all: list[tuple[Trouble, str | None]] = []

    def __call__(self, trouble: Trouble, details: str | None) -> None:
        self.all.append((trouble, details))

    @property
    def now(self) -> set[Trouble]:
        """Return what is not over."""
        latest = dict(self.all)
        return {trouble for trouble, details in latest.items() if details is not None}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for canaries at once."""
    monkeypatch.setattr(known, "LOOK_EVERY", 0.001)


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def sleep() -> FakeSleep:
    return FakeSleep()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def outbox(file: JournalFile, thread: Thread) -> AsyncIterator[Outbox]:
    outbox = Outbox("idm-keller", file, thread, clock=lambda: NOW / 1000)
    yield outbox
    await outbox.close()


type Make = Callable[..., Shipper]


@pytest.fixture
def make(server: FakeServer, sleep: FakeSleep, told: Told, outbox: Outbox) -> Make:
    """Make a shipper with one outbox."""

    def shipper(**more: Any) -> Shipper:
        made = Shipper(
            server, **{"hold": HOLD, "sleep": sleep, "on_trouble": told, "rng": Middle()} | more
        )
        made.attach(outbox)
        return made

    return shipper


@asynccontextmanager
async def running(shipper: Shipper) -> AsyncIterator[None]:
    """Run a shipper meanwhile."""
    task = asyncio.create_task(shipper.run())
    try:
        yield
    finally:
        assert not task.done() or task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_frame_is_sent_held_counted_and_forgotten(
    server: FakeServer, outbox: Outbox, thread: Thread, make: Make
) -> None:
    shipper = make(clock=lambda: NOW / 1000)
    async with running(shipper):
        outbox.put(frame(3, first=NOW))
        await until(lambda: shipper.stats.posted == 3)
        assert (shipper.stats.queued_samples, shipper.stats.unverified) == (0, 3)
        await until(lambda: shipper.stats.verified == 3)
    stats = shipper.stats
    assert (stats.unverified, stats.queued_bytes, stats.lost) == (0, 0, 0)
    assert (stats.last_success, stats.last_verified) == (NOW / 1000, NOW)
    assert server.codings == [Coding.ZSTD]
    # A healthy server costs the disk nothing.
    assert thread.jobs == []


async def test_waiting_frames_travel_together_in_order_up_to_the_limit(
    server: FakeServer, outbox: Outbox, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [frame(1, first=NOW + number) for number in range(5)]
    monkeypatch.setattr(shipping, "BODY_LIMIT", 2 * max(len(one.body) for one in frames))
    shipper = make()
    for one in frames:
        outbox.put(one)
    assert await shipper.flush(5)
    bodies = [one.body for one in frames]
    assert server.bodies == [bodies[0] + bodies[1], bodies[2] + bodies[3], bodies[4]]
    assert BODY_LIMIT == 256 * 1024


async def test_heat_pumps_travel_together(
    server: FakeServer, outbox: Outbox, file: JournalFile, thread: Thread, make: Make
) -> None:
    shipper = make()
    other = Outbox("idm-barn", file, thread, clock=lambda: NOW / 1000)
    shipper.attach(other)
    outbox.put(frame(2, first=NOW))
    other.put(frame(3, first=NOW + 1))
    assert await shipper.flush(5)
    assert len(server.bodies) == 1
    assert shipper.stats.posted == 5
    shipper.detach(other)
    await other.close()
    outbox.put(frame(1, first=NOW + 2))
    assert await shipper.flush(5)
    assert server.times == {NOW, NOW + 1, NOW + 2}


async def test_nothing_is_lost_while_the_server_is_away(
    server: FakeServer,
    sleep: FakeSleep,
    outbox: Outbox,
    make: Make,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    shipper = make()
    server.error = lambda _text: UnreachableError("http://nas: nobody there")
    async with running(shipper):
        for number in range(4):
            outbox.put(frame(10, first=NOW + number))
            await sleep.asked()
            sleep.end()
        await sleep.asked()
        stats = shipper.stats
        assert (stats.queued_samples, stats.posted, stats.oldest) == (40, 0, NOW)
        assert stats.last_error == "http://nas: nobody there"
        assert stats.failing is Failing.SILENT
        assert stats.failing_for is not None
        assert stats.last_success is None
        server.error = lambda _text: None
        sleep.end()
        await until(lambda: shipper.stats.verified == 40)
    assert server.times == {NOW + number for number in range(4)}
    assert shipper.stats.last_error is None
    assert (shipper.stats.failing, shipper.stats.failing_for) == (None, None)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_attempts_become_rarer_and_never_stop(
    server: FakeServer, sleep: FakeSleep, outbox: Outbox, make: Make
) -> None:
    shipper = make()
    server.error = lambda _text: UnreachableError("away")
    outbox.put(frame(first=NOW))
    delays = []
    async with running(shipper):
        for _ in range(40):
            delays.append(await sleep.asked())
            sleep.end()
        server.error = lambda _text: None
        await until(lambda: shipper.stats.posted == 1)
        server.error = lambda _text: UnreachableError("away")
        outbox.put(frame(first=NOW + 1))
        after_success = await sleep.asked()
    assert delays == [0.75 * min(2.0**attempt, LONGEST_DELAY) for attempt in range(40)]
    assert after_success == 0.75


async def test_pauses_have_jitter(server: FakeServer, outbox: Outbox, make: Make) -> None:
    server.error = lambda _text: UnreachableError("away")
    outbox.put(frame(first=NOW))
    delays = set()
    for seed in range(20):
        sleep = FakeSleep()
        shipper = make(sleep=sleep, rng=Random(seed))
        async with running(shipper):
            delays.add(await sleep.asked())
    assert len(delays) == 20
    assert all(0.5 <= delay <= 1.0 for delay in delays)


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [(40.0, 40.0, 44.0), (0.0, 0.5, 1.0), (1e9, LONGEST_RETRY_AFTER, LONGEST_RETRY_AFTER * 1.1)],
)
async def test_retry_after_is_honoured(
    server: FakeServer,
    sleep: FakeSleep,
    outbox: Outbox,
    make: Make,
    asked: float,
    least: float,
    most: float,
) -> None:
    shipper = make(rng=None)
    server.error = lambda _text: OverloadedError("busy", asked)
    outbox.put(frame(first=NOW))
    async with running(shipper):
        assert least <= await sleep.asked() <= most


def test_how_long_it_fails_is_counted_from_the_first_attempt_in_vain() -> None:
    failing = backoff.Backoff(Random(1))
    assert failing.failing_for(90.0) is None
    for now in (100.0, 160.0):
        failing.failed(UnreachableError("nobody there"), now)
    assert failing.failing_for(200.0) == 100.0
    failing.succeeded()
    assert failing.failing_for(210.0) is None
    assert failing.cause is None


async def test_rejected_credentials_are_reported_each_time_and_nothing_is_lost(
    server: FakeServer, sleep: FakeSleep, outbox: Outbox, make: Make
) -> None:
    reports: list[None] = []
    shipper = make(on_auth_failed=lambda: reports.append(None))
    server.error = lambda _text: AuthRejectedError("401")
    outbox.put(frame(first=NOW))
    async with running(shipper):
        for _ in range(3):
            assert await sleep.asked() == 0.75 * LONGEST_DELAY
            sleep.end()
        await sleep.asked()
        # Who asks an owner may not have been able to, as long as another form was open.
        assert len(reports) == 4
        assert shipper.stats.queued_samples == 1
        # Replaced credentials are tried at once, though the pause has not ended.
        better = FakeServer()
        shipper.replace_server(better)
        await until(lambda: shipper.stats.posted == 1)
        # They can go stale too.
        better.error = lambda _text: AuthRejectedError("401")
        outbox.put(frame(first=NOW + 1))
        await sleep.asked()
    assert len(reports) == 5


async def test_a_server_that_is_back_and_rejects_the_login_is_another_cause(
    server: FakeServer,
    sleep: FakeSleep,
    outbox: Outbox,
    make: Make,
    caplog: pytest.LogCaptureFixture,
) -> None:
    errors: list[HistoryError] = [
        UnreachableError("away"),
        UnreachableError("away"),
        AuthRejectedError("401"),
        AuthRejectedError("401"),
    ]
    server.error = lambda _text: errors.pop(0)
    outbox.put(frame(first=NOW))
    async with running(make()):
        while errors:
            await sleep.asked()
            sleep.end()
    told = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert [text.rpartition(": ")[2] for text in told] == ["away", "401"]


async def test_credentials_replaced_in_mid_request_are_not_reported(
    server: FakeServer, outbox: Outbox, make: Make
) -> None:
    reports: list[None] = []
    shipper = make(on_auth_failed=lambda: reports.append(None))
    server.error = lambda text: AuthRejectedError("401") if text else None
    server.gate.clear()
    outbox.put(frame(first=NOW))
    async with running(shipper):
        await until(lambda: server.in_flight)
        shipper.replace_server(FakeServer())
        server.gate.set()
        await until(lambda: shipper.stats.posted == 1)
    assert reports == []


async def test_what_was_lost_after_the_answer_is_sent_again(
    server: FakeServer, outbox: Outbox, make: Make
) -> None:
    shipper = make()
    async with running(shipper):
        for number in range(8):
            outbox.put(frame(3, first=NOW + number))
        await until(lambda: shipper.stats.posted == 24)
        # Cut at different polls, as a crash does.
        server.samples -= {(f"heatpump_point_{n}", NOW + 6 + n % 2) for n in range(3)}
        await until(lambda: shipper.stats.verified == 24)
    assert server.samples == {
        (f"heatpump_point_{n}", NOW + number) for n in range(3) for number in range(8)
    }
    # Only the two frames that were incomplete, not all eight.
    assert shipper.stats.lost == 6
    assert shipper.stats.posted == 30


async def test_what_is_lost_again_and_again_is_told_kept_and_sent_ever_more_rarely(
    server: FakeServer, outbox: Outbox, make: Make, told: Told
) -> None:
    server.forgets = lambda text, _coding: b"canary" not in text
    shipper = make(hold=0.01)
    async with running(shipper):
        outbox.put(frame(3, first=NOW))
        await until(lambda: Trouble.NOT_KEPT in told.now)
        assert shipper.stats.queued_samples + shipper.stats.unverified == 3
        assert shipper.stats.verified == 0
        server.forgets = lambda _text, _coding: False
        await until(lambda: shipper.stats.verified == 3)
        await until(lambda: not told.now)
    assert server.times == {NOW}


async def test_neighbours_that_were_counted_before_hide_nothing(
    server: FakeServer, outbox: Outbox, make: Make
) -> None:
    shipper = make()
    async with running(shipper):
        for number in range(3):
            outbox.put(frame(2, first=NOW + number))
        await until(lambda: shipper.stats.posted == 6)
        server.samples -= {("heatpump_point_0", NOW), ("heatpump_point_1", NOW)}
        server.samples -= {("heatpump_point_0", NOW + 2), ("heatpump_point_1", NOW + 2)}
        await until(lambda: shipper.stats.lost == 4)
        # The first and the third are sent again; the second, between them, is there.
        await until(lambda: shipper.stats.verified == 6)
    assert server.times == {NOW, NOW + 1, NOW + 2}


async def test_what_was_not_on_the_disk_of_a_killed_writer_hides_nothing(
    server: FakeServer, sleep: FakeSleep, file: JournalFile, thread: Thread, told: Told
) -> None:
    before = Outbox("idm-keller", file, thread, clock=lambda: NOW / 1000)
    for number in range(3):
        before.put(frame(2, first=NOW + number))
    # The second is verified, and the others are on the disk, when the writer is killed.
    entries = await before.take(BODY_LIMIT, Coding.ZSTD)
    before.hold(entries, 0.0)
    await before.release(entries[1:2])
    await before.close()
    server.samples = {(f"heatpump_point_{n}", NOW + 1) for n in range(2)}
    after = Outbox("idm-keller", file, thread, clock=lambda: NOW / 1000)
    await after.load()
    shipper = Shipper(server, hold=HOLD, sleep=sleep, on_trouble=told)
    shipper.attach(after)
    async with running(shipper):
        await until(lambda: shipper.stats.posted == 4)
        server.samples -= {(f"heatpump_point_{n}", NOW + 2) for n in range(2)}
        await until(lambda: not shipper.stats.queued_samples + shipper.stats.unverified)
    assert server.times == {NOW, NOW + 1, NOW + 2}
    assert shipper.stats.lost == 2
    await after.close()


async def test_a_server_that_takes_zstd_for_nothing_gets_gzip(
    server: FakeServer, outbox: Outbox, make: Make
) -> None:
    server.forgets = lambda _text, coding: coding is Coding.ZSTD
    shipper = make()
    async with running(shipper):
        for number in range(30):
            outbox.put(frame(200, first=NOW + number))
        await until(lambda: shipper.stats.verified == 6_000)
        assert shipper.coding is Coding.GZIP
        assert set(server.codings) == {Coding.GZIP}
        outbox.put(encoder().encode([one(40)], None, shipper.coding)[0])
        await until(lambda: shipper.stats.verified == 6_001)
    assert shipper.stats.lost == 0


async def test_a_server_that_refuses_zstd_gets_gzip(
    server: FakeServer, outbox: Outbox, make: Make
) -> None:
    server.error = lambda text: RefusedError("400") if b'"coding":"zstd"' in text else None
    shipper = make()
    async with running(shipper):
        outbox.put(frame(2, first=NOW))
        await until(lambda: shipper.stats.verified == 2)
    assert server.codings == [Coding.GZIP]


async def test_canaries_that_never_show_do_not_hold_up_for_ever(
    server: FakeServer, outbox: Outbox, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "PATIENCE", 0.01)
    server.forgets = lambda text, _coding: b"canary" in text
    shipper = make()
    async with running(shipper):
        outbox.put(frame(2, first=NOW))
        await until(lambda: shipper.stats.verified == 2)


async def test_canaries_that_a_killed_server_lost_are_sent_anew(
    server: FakeServer, outbox: Outbox, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "AGAIN_AFTER", 0.01)
    monkeypatch.setattr(probe, "PATIENCE", float("inf"))
    sent: list[bytes] = []

    def forgets(text: bytes, coding: Coding | None) -> bool:
        if b"canary" in text:
            sent.append(text)
        return len(sent) <= 2 or coding is Coding.ZSTD

    server.forgets = forgets
    shipper = make()
    async with running(shipper):
        outbox.put(frame(2, first=NOW))
        await until(lambda: shipper.stats.verified == 2)
    assert shipper.coding is Coding.GZIP
    # Each time with the time of then, and no oftener than it has to.
    assert len(sent) == 4


async def test_a_server_that_refuses_the_canaries_sent_anew_is_asked_what_it_is(
    server: FakeServer,
    sleep: FakeSleep,
    outbox: Outbox,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probe, "AGAIN_AFTER", 0.01)
    server.forgets = lambda text, _coding: b"canary" in text
    shipper = make()
    async with running(shipper):
        outbox.put(frame(2, first=NOW))
        await until(lambda: shipper.stats.posted)
        server.forgets = lambda _text, _coding: False
        server.error = lambda text: RefusedError("400") if b'"coding":"zstd"' in text else None
        await sleep.asked()
        sleep.end()
        await until(lambda: shipper.stats.verified == 2)
    assert shipper.coding is Coding.GZIP


async def test_a_server_that_was_away_is_asked_again_what_it_is(
    server: FakeServer, sleep: FakeSleep, outbox: Outbox, make: Make
) -> None:
    shipper = make()
    async with running(shipper):
        outbox.put(frame(2, first=NOW))
        await until(lambda: shipper.stats.verified == 2)
        assert server.asked == 1
        server.error = lambda _text: UnreachableError("restarting")
        outbox.put(frame(2, first=NOW + 1))
        await sleep.asked()
        # It comes back as an older version.
        server.error = lambda _text: None
        server.canaries.clear()
        server.forgets = lambda _text, coding: coding is Coding.ZSTD
        sleep.end()
        await until(lambda: shipper.stats.verified == 4)
    assert shipper.coding is Coding.GZIP


async def test_a_login_that_may_not_read_is_told_and_costs_only_the_proof(
    server: FakeServer, outbox: Outbox, make: Make, told: Told
) -> None:
    server.information = ServerInfo(readable=False)
    shipper = make()
    async with running(shipper):
        outbox.put(frame(2, first=NOW))
        await until(lambda: shipper.stats.posted == 2 and not shipper.stats.unverified)
    assert told.all == [(Trouble.UNREADABLE, "")]
    assert (shipper.stats.verified, shipper.stats.last_verified) == (0, None)
    # Nobody could tell whether zstd was taken for nothing.
    assert server.codings == [None, Coding.GZIP]


@pytest.mark.parametrize(
    "error",
    [RefusedError("422"), AuthRejectedError("403"), NotVictoriaMetricsError("404")],
    ids=type,
)
async def test_reading_that_ends_is_noticed_and_nothing_is_forgotten(
    server: FakeServer, sleep: FakeSleep, outbox: Outbox, make: Make, error: HistoryError
) -> None:
    shipper = make()
    async with running(shipper):
        outbox.put(frame(2, first=NOW))
        await until(lambda: shipper.stats.posted == 2 and server.canaries)
        server.query_error = error
        await sleep.asked()
        assert shipper.stats.unverified == 2
        server.query_error = None
        sleep.end()
        await until(lambda: shipper.stats.verified == 2)


async def test_a_server_that_stores_twice_is_told_until_it_does_not(
    server: FakeServer, sleep: FakeSleep, outbox: Outbox, make: Make, told: Told
) -> None:
    server.information = ServerInfo(readable=True, deduplicates=False)
    shipper = make()
    async with running(shipper):
        outbox.put(frame(2, first=NOW))
        await until(lambda: shipper.stats.verified == 2)
        assert told.now == {Trouble.NO_DEDUPLICATION}
        server.information = ServerInfo(readable=True, deduplicates=True)
        server.error = lambda _text: UnreachableError("restarting")
        outbox.put(frame(2, first=NOW + 1))
        await sleep.asked()
        server.error = lambda _text: None
        sleep.end()
        await until(lambda: shipper.stats.verified == 4)
    assert told.now == set()


async def test_what_a_server_would_drop_by_age_waits_until_it_keeps_longer(
    server: FakeServer, sleep: FakeSleep, outbox: Outbox, make: Make, told: Told
) -> None:
    server.information = ServerInfo(readable=True, retention=timedelta(days=2))
    shipper = make()
    old = NOW - 3 * 86_400_000
    for first in (old, old + 1, NOW):
        outbox.put(frame(2, first=first))
    async with running(shipper):
        await until(lambda: shipper.stats.verified == 2)
        assert server.times == {NOW}
        assert told.all == [(Trouble.RETENTION, "2")]
        assert (shipper.stats.queued_samples, shipper.stats.oldest) == (4, old)
        server.information = ServerInfo(readable=True, retention=timedelta(days=30))
        server.error = lambda _text: UnreachableError("restarting")
        outbox.put(frame(2, first=NOW + 1))
        await sleep.asked()
        server.error = lambda _text: None
        sleep.end()
        await until(lambda: shipper.stats.verified == 8)
    assert told.now == set()


async def test_poison_is_found_put_aside_and_reported_once(
    server: FakeServer,
    file: JournalFile,
    outbox: Outbox,
    make: Make,
    told: Told,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.error = lambda text: RefusedError("cannot parse") if b"poison" in text else None
    shipper = make()
    for number in range(20):
        name = "poison" if number in (3, 4, 17) else "point"
        text = line(0, NOW + number) + line(1, NOW + number, name=name) + line(2, NOW + number)
        outbox.put(frame(first=NOW + number, text=text))
    async with running(shipper):
        await until(lambda: shipper.stats.verified == 57)
    assert len(server.samples) == 57
    stats = shipper.stats
    assert (stats.refused, stats.dropped, stats.queued_samples, stats.lost) == (3, 0, 0, 0)
    assert [parked for _, parked in file.parked()] == [
        line(1, NOW + number, name="poison") for number in (3, 4, 17)
    ]
    assert told.all == [(Trouble.REFUSED, "cannot parse")]
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1


async def test_a_frame_of_nothing_but_poison(
    server: FakeServer, file: JournalFile, outbox: Outbox, make: Make
) -> None:
    server.error = lambda text: RefusedError("400") if b"poison" in text else None
    shipper = make()
    outbox.put(frame(first=NOW, text=line(0, NOW, name="poison") + line(1, NOW, name="poison")))
    assert await shipper.flush(5)
    assert (shipper.stats.refused, shipper.stats.queued_samples) == (2, 0)
    assert len(file.parked()) == 2


async def test_a_damaged_frame_does_not_stop_the_others(
    server: FakeServer, outbox: Outbox, make: Make
) -> None:
    server.error = lambda text: RefusedError("400") if text == b"damaged" else None
    shipper = make()
    for number in range(3):
        outbox.put(frame(2, first=NOW + number))
    outbox._waiting[1].body = frame(2).body[:-5]
    async with running(shipper):
        await until(lambda: shipper.stats.verified == 4)
    assert server.times == {NOW, NOW + 2}
    assert shipper.stats.refused == 2


@pytest.mark.parametrize("but", [[], [b""]], ids=["everything", "all but nothing"])
async def test_server_that_refuses_everything_costs_nothing(
    server: FakeServer, sleep: FakeSleep, outbox: Outbox, make: Make, but: list[bytes]
) -> None:
    shipper = make()
    async with running(shipper):
        outbox.put(frame(1, first=NOW - 1))
        await until(lambda: shipper.stats.verified == 1)
        server.error = lambda text: None if text in but else RefusedError("400: unsupported path")
        for number in range(5):
            outbox.put(frame(1, first=NOW + number))
        await sleep.asked()
        assert shipper.stats.queued_samples == 5
        assert shipper.stats.refused == 0
        server.error = lambda _text: None
        sleep.end()
        await until(lambda: shipper.stats.verified == 6)


async def test_server_that_dies_while_poison_is_sought(
    server: FakeServer, sleep: FakeSleep, outbox: Outbox, make: Make
) -> None:
    shipper = make()
    dead = False

    def refuse_then_die(text: bytes) -> HistoryError | None:
        nonlocal dead
        dead = dead or len(server.bodies) == 2
        if dead:
            return UnreachableError("away")
        return RefusedError("400") if b"poison" in text else None

    server.error = refuse_then_die
    for number in range(8):
        name = "poison" if number == 4 else "point"
        outbox.put(frame(first=NOW + number, text=line(0, NOW + number, name=name)))
    async with running(shipper):
        await sleep.asked()
        server.error = lambda text: RefusedError("400") if b"poison" in text else None
        sleep.end()
        await until(lambda: shipper.stats.verified == 7)
    assert server.times == {NOW + number for number in range(8) if number != 4}
    assert shipper.stats.refused == 1


async def test_an_hour_without_a_server_is_told_until_it_is_back(
    server: FakeServer,
    sleep: FakeSleep,
    outbox: Outbox,
    make: Make,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert AWAY_AFTER == 3600
    monkeypatch.setattr(backoff, "AWAY_AFTER", 0.0)
    shipper = make()
    server.error = lambda _text: UnreachableError("away")
    outbox.put(frame(first=NOW))
    async with running(shipper):
        await sleep.asked()
        assert told.all == []
        sleep.end()
        await sleep.asked()
        assert told.all == [(Trouble.AWAY, "away")]
        server.error = lambda _text: None
        sleep.end()
        await until(lambda: shipper.stats.posted)
    assert told.now == set()


async def test_a_disk_that_does_not_give_frames_is_tried_again(
    server: FakeServer, sleep: FakeSleep, outbox: Outbox, thread: Thread, make: Make
) -> None:
    shipper = make()
    outbox.put(frame(2, first=NOW))
    await outbox.spill(everything=True)
    thread.error = JournalError("no such device")
    async with running(shipper):
        await sleep.asked()
        assert shipper.stats.queued_samples == 2
        thread.error = None
        sleep.end()
        await until(lambda: shipper.stats.verified == 2)


async def test_flush_waits_for_what_is_under_way(
    server: FakeServer, outbox: Outbox, make: Make
) -> None:
    shipper = make()
    async with running(shipper):
        server.gate.clear()
        outbox.put(frame(1, first=NOW))
        await until(lambda: server.in_flight)
        outbox.put(frame(1, first=NOW + 1))
        flush = asyncio.create_task(shipper.flush(5))
        await asyncio.sleep(0.01)
        assert not flush.done()
        server.gate.set()
        assert await flush
    assert server.times == {NOW, NOW + 1}


async def test_flush_of_a_server_that_is_away_ends_at_once(
    server: FakeServer, outbox: Outbox, make: Make
) -> None:
    shipper = make()
    server.error = lambda _text: UnreachableError("away")
    outbox.put(frame(1, first=NOW))
    assert not await shipper.flush(5)
    assert shipper.stats.queued_samples == 1
    server.error = lambda _text: None
    assert await shipper.flush(5)
    assert server.times == {NOW}


async def test_flush_ends_in_time(server: FakeServer, outbox: Outbox, make: Make) -> None:
    shipper = make()
    server.gate.clear()
    outbox.put(frame(1, first=NOW))
    assert not await shipper.flush(0.01)
    assert shipper.stats.queued_samples == 1


async def test_cancelled_run_keeps_what_was_in_flight(
    server: FakeServer, outbox: Outbox, make: Make
) -> None:
    shipper = make()
    async with running(shipper):
        outbox.put(frame(1, first=NOW))
        await until(lambda: shipper.stats.verified == 1)
        server.gate.clear()
        outbox.put(frame(1, first=NOW + 1))
        await until(lambda: server.in_flight)
        outbox.put(frame(1, first=NOW + 2))
    assert shipper.stats.queued_samples == 2
    server.gate.set()
    assert await shipper.flush(5)
    assert server.times == {NOW, NOW + 1, NOW + 2}


def one(index: int) -> Snapshot:
    """Return a poll of one value."""
    return Snapshot(time=at(NOW + index), values={"compressor_starts": index})


async def test_polls_are_joined_while_the_server_is_away(
    server: FakeServer, sleep: FakeSleep, outbox: Outbox, make: Make
) -> None:
    shipper = make()
    feed = Feed(encoder(), outbox, shipper)
    feed.keys = None
    server.error = lambda _text: UnreachableError("away")
    async with running(shipper):
        feed.take(one(0))
        await sleep.asked()
        for index in range(1, JOINED_POLLS + 4):
            feed.take(one(index))
            assert shipper.stats.queued_samples == index + 1
        assert outbox.joining == 3
        server.error = lambda _text: None
        sleep.end()
        await until(lambda: shipper.stats.verified == JOINED_POLLS + 4)
    # The first one alone, ten joined, three when the server was back.
    assert server.times == {NOW + index for index in range(JOINED_POLLS + 4)}
    assert outbox.joining == 0


async def test_slow_polls_are_joined_for_five_minutes_at_most(
    server: FakeServer, sleep: FakeSleep, outbox: Outbox, make: Make
) -> None:
    shipper = make()
    feed = Feed(encoder(), outbox, shipper)
    feed.keys = None
    server.error = lambda _text: UnreachableError("away")
    async with running(shipper):
        feed.take(one(-700_000))
        await sleep.asked()
        joining = []
        for index in range(5):
            feed.take(one(-600_000 + index * 120_000))
            joining.append(outbox.joining)
        assert joining == [1, 2, 3, 0, 1]


async def test_polls_that_are_joined_are_tried_if_nothing_else_is_left_to_try(
    server: FakeServer, sleep: FakeSleep, outbox: Outbox, make: Make
) -> None:
    shipper = make()
    feed = Feed(encoder(), outbox, shipper)
    feed.keys = None
    async with running(shipper):
        feed.take(one(0))
        await until(lambda: shipper.stats.posted == 1 and server.canaries)
        server.query_error = OverloadedError("busy")
        await sleep.asked()
        feed.take(one(1))
        sleep.end()
        await sleep.asked()
        assert server.times == {NOW, NOW + 1} or shipper.stats.queued_samples == 1
        server.query_error = None
        sleep.end()
        await until(lambda: shipper.stats.verified == 2)


async def test_flush_sends_polls_that_are_to_be_joined(
    server: FakeServer, sleep: FakeSleep, outbox: Outbox, make: Make
) -> None:
    shipper = make()
    feed = Feed(encoder(), outbox, shipper)
    feed.keys = None
    server.error = lambda _text: UnreachableError("away")
    async with running(shipper):
        feed.take(one(0))
        await sleep.asked()
        feed.take(one(1))
        server.error = lambda _text: None
        assert await shipper.flush(5)
    assert server.times == {NOW, NOW + 1}


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
