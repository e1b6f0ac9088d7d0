"""What a server lacks of the journal's record, and nothing else, is sent from it."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import pytest

from custom_components.heat_pump_hub.drivers.points import Snapshot
from custom_components.heat_pump_hub.history.ask import Span
from custom_components.heat_pump_hub.history.codec import Coding
from custom_components.heat_pump_hub.history.journal import BATCH_POLLS, Journal
from custom_components.heat_pump_hub.history.replay import Replay
from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics
from tests.servers import VictoriaMetrics as RealServer

from .conftest import Thread, encoder
from .test_bulk import bulk_of, shipper_of
from .test_real_server import expected, held, poll

START = 1_767_225_600_000 + 777_123
POLLS = 3_000


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    executor = ThreadPoolExecutor(1)
    opened = Journal(tmp_path / "one.sqlite", "idm-keller", executor, days=36500)
    opened.keys = None
    await opened.open()
    yield opened
    await opened.close()
    executor.shutdown()


def polls() -> list[Snapshot]:
    return [poll(index, START) for index in range(POLLS)]


async def record(journal: Journal, snapshots: list[Snapshot]) -> None:
    for index, snapshot in enumerate(snapshots):
        journal.take(snapshot)
        if index % BATCH_POLLS == BATCH_POLLS - 1:
            await journal.flush()


async def send(server: RealServer, session: aiohttp.ClientSession, some: list[Snapshot]) -> None:
    client = VictoriaMetrics(session, server.url)
    for frame in encoder().encode(some):
        await client.write(frame.body, Coding.ZSTD)
    await server.flush()


def span_of(snapshots: list[Snapshot]) -> Span:
    first, *_, last = (round(one.time.timestamp() * 1000) for one in snapshots)
    return Span(first, last)


async def resume(
    journal: Journal,
    server: RealServer,
    session: aiohttp.ClientSession,
    thread: Thread,
    span: Span,
    keys: set[str] | None = None,
) -> int:
    shipper = shipper_of(session, server.url)
    bulk = bulk_of(shipper, thread, server)
    replay = Replay(journal, encoder(), shipper, bulk, thread, keys)
    return sum([one.sent async for one in bulk.deliver(replay.batches(span))])


async def test_an_empty_server_gets_all_of_it(
    victoria_metrics: RealServer, session: aiohttp.ClientSession, thread: Thread, journal: Journal
) -> None:
    whole = polls()
    await record(journal, whole)
    sent = await resume(journal, victoria_metrics, session, thread, span_of(whole))
    assert sent == POLLS * 6
    assert await held(victoria_metrics) == expected(whole, "idm-keller")
    assert await resume(journal, victoria_metrics, session, thread, span_of(whole)) == 0


async def test_holes_in_the_middle_are_filled_to_the_sample(
    victoria_metrics: RealServer, session: aiohttp.ClientSession, thread: Thread, journal: Journal
) -> None:
    whole = polls()
    await record(journal, whole)
    # One poll, some of an hour, many hours, and the first and the last.
    gone = {0, 1, 400, *range(500, 520), *range(1000, 2500), POLLS - 2, POLLS - 1}
    await send(
        victoria_metrics, session, [one for index, one in enumerate(whole) if index not in gone]
    )
    sent = await resume(journal, victoria_metrics, session, thread, span_of(whole))
    assert sent == len(gone) * 6
    assert await held(victoria_metrics) == expected(whole, "idm-keller")


async def test_only_what_is_asked_for_is_sent(
    victoria_metrics: RealServer, session: aiohttp.ClientSession, thread: Thread, journal: Journal
) -> None:
    whole = polls()[:300]
    await record(journal, [*whole, Snapshot(time=whole[-1].time, values={"a point of old": 1})])
    part = Span(span_of(whole[50:100]).first, span_of(whole[50:100]).last)
    keys = {"outdoor_temperature", "operating_mode"}
    assert await resume(journal, victoria_metrics, session, thread, part, keys) == 100
    found = await held(victoria_metrics)
    assert {name for _, name in found} == {
        "heatpump_outdoor_temperature",
        "heatpump_operating_mode",
    }
    assert all(min(one) >= part.first and max(one) <= part.last for one in found.values())
    assert await resume(journal, victoria_metrics, session, thread, span_of(whole)) == 1700


async def test_a_server_without_anything_lacking_gets_nothing(
    victoria_metrics: RealServer, session: aiohttp.ClientSession, thread: Thread, journal: Journal
) -> None:
    whole = polls()[:500]
    await record(journal, whole)
    await send(victoria_metrics, session, whole)
    assert await resume(journal, victoria_metrics, session, thread, span_of(whole)) == 0


async def test_unknown_codes_come_along(
    victoria_metrics: RealServer, session: aiohttp.ClientSession, thread: Thread, journal: Journal
) -> None:
    whole = polls()[:10]
    odd = [
        Snapshot(
            time=one.time, values={"outdoor_temperature": 1.5}, unknown_codes={"operating_mode": 99}
        )
        for one in whole
    ]
    await record(journal, odd)
    assert await resume(journal, victoria_metrics, session, thread, span_of(odd)) == 20
    found = await held(victoria_metrics)
    assert set(found["idm-keller", "heatpump_operating_mode"].values()) == {99}
