"""Old samples in bulk: each is on the server in the end, once, and what was there stays."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from random import Random
from typing import Any
from unittest.mock import patch

import aiohttp
from aiohttp import web
import pytest

from custom_components.heat_pump_hub.history import bulk as module
from custom_components.heat_pump_hub.history.ask import (
    HOUR,
    Gap,
    Labels,
    Span,
    count,
    gaps,
    hour_of,
    hourly,
    labels_of,
    last_stored,
)
from custom_components.heat_pump_hub.history.bulk import Batch, Bulk, Column, NotKeptError
from custom_components.heat_pump_hub.history.codec import Coding
from custom_components.heat_pump_hub.history.server import RefusedError, UnreachableError
from custom_components.heat_pump_hub.history.shipper import Shipper
from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics
from tests.servers import VictoriaMetrics as RealServer, VictoriaMetricsFactory

from .conftest import Stub, Thread

START = 1_767_225_600_000  # 2026-01-01, a full hour
POLL = 30_000


def series(name: str = "flow_temperature", **more: str) -> Labels:
    return labels_of({"__name__": f"heatpump_{name}", "heatpump_id": 'cellar "ö"'} | more)


def weeks() -> list[Batch[str]]:
    """Return 30 batches, a week apart, of nine hours of 100 series."""
    week, hour = 7 * 24 * 120, 120
    return [
        Batch(
            [column(range(n * week, n * week + 9 * hour, hour), f"v_{m}") for m in range(100)],
            str(n),
            alone=True,
        )
        for n in range(30)
    ]


def column(
    polls: Iterable[int],
    name: str = "flow_temperature",
    value: float = 20.0,
    shift: int = 0,
    **more: str,
) -> Column:
    numbers = list(polls)
    return Column(
        series(name, **more),
        [START + n * POLL + shift for n in numbers],
        [value + n % 7 / 10 for n in numbers],
    )


def shipper_of(session: aiohttp.ClientSession, url: str) -> Shipper:
    return Shipper(VictoriaMetrics(session, url))


def bulk_of(
    shipper: Shipper, thread: Thread, server: RealServer | None = None, **more: float
) -> Bulk:
    async def sleep(delay: float) -> None:
        await asyncio.sleep(min(delay, 0.05))
        if server is not None:
            # What a server took can be seen after some seconds: that is what a hold waits for.
            with suppress(OSError):
                await server.flush()

    return Bulk(shipper, thread, sleep=sleep, rng=Random(1), **{"hold": 0.0} | more)


async def deliver(bulk: Bulk, *batches: Batch[str]) -> list[tuple[str, int, int, int]]:
    async def made() -> AsyncIterator[Batch[str]]:
        for batch in batches:
            yield batch

    return [(d.tag, d.sent, d.skipped, d.resent) async for d in bulk.deliver(made())]


async def held(server: RealServer) -> dict[Labels, dict[int, float]]:
    found: dict[Labels, dict[int, float]] = {}
    for one in await server.export('{heatpump_id!=""}'):
        times = one["timestamps"]
        assert len(set(times)) == len(times)
        found[labels_of(one["metric"])] = dict(zip(times, one["values"], strict=True))
    return found


@pytest.fixture(params=[False, True], ids=["1.145", "1.79.5"])
def server(
    request: pytest.FixtureRequest, victoria_metrics_factory: VictoriaMetricsFactory
) -> RealServer:
    return victoria_metrics_factory(old=request.param)


async def test_everything_is_there_once(
    server: RealServer, session: aiohttp.ClientSession, thread: Thread, request: Any
) -> None:
    shipper = shipper_of(session, server.url)
    if "1.79.5" in request.node.name:
        shipper._known.coding = Coding.GZIP
    bulk = bulk_of(shipper, thread, server)
    columns = [
        column(range(5000), "flow_temperature", shift=137),
        column(range(5000), "cop", stat="mean"),
    ]
    again = Batch(columns, "week", alone=True)
    ((tag, sent, skipped, _),) = await deliver(bulk, again)
    assert (tag, sent, skipped) == ("week", 10_000, 0)
    await server.flush()
    whole = {one.labels: dict(zip(one.times, one.values, strict=True)) for one in columns}
    found = await held(server)
    assert found.keys() == whole.keys()
    for labels, samples in whole.items():
        assert found[labels] == pytest.approx(samples, abs=1e-9)
    # Once more: nothing is sent, whether it is counted or compared.
    assert await deliver(bulk, again) == [("week", 0, 10_000, 0)]
    assert await deliver(bulk, Batch(columns, "week")) == [("week", 0, 10_000, 0)]
    assert await bulk.missing(columns) == []


async def test_what_is_there_stays_and_what_lacks_comes(
    victoria_metrics: RealServer, session: aiohttp.ClientSession, thread: Thread
) -> None:
    bulk = bulk_of(shipper_of(session, victoria_metrics.url), thread, victoria_metrics)
    await deliver(bulk, Batch([column(range(0, 100, 2), value=50.0)], "there"))
    await victoria_metrics.flush()
    whole = column(range(100), value=99.0)
    (missing,) = await bulk.missing([whole])
    assert len(missing.times) == 50
    assert await deliver(bulk, Batch([whole], "more")) == [("more", 50, 50, 0)]
    await victoria_metrics.flush()
    samples = (await held(victoria_metrics))[series()]
    assert [samples[at] > 90 for at in sorted(samples)] == [False, True] * 50


async def test_as_many_at_other_times_are_not_taken_for_it(
    victoria_metrics: RealServer, session: aiohttp.ClientSession, thread: Thread
) -> None:
    bulk = bulk_of(shipper_of(session, victoria_metrics.url), thread, victoria_metrics)
    await deliver(bulk, Batch([column([0, 2, 3, 6])], "there"))
    await victoria_metrics.flush()
    assert await deliver(bulk, Batch([column([0, 4, 5, 6])], "more")) == [("more", 2, 2, 0)]


async def test_what_a_killed_server_lost_is_sent_again(
    victoria_metrics: RealServer, session: aiohttp.ClientSession, thread: Thread
) -> None:
    bulk = bulk_of(shipper_of(session, victoria_metrics.url), thread, victoria_metrics, hold=0.3)
    batches = [
        Batch([column(range(n * 3000, n * 3000 + 3000), f"value_{m}") for m in range(4)], str(n))
        for n in range(3)
    ]
    confirm = bulk._confirm
    killed = False

    async def after_a_kill(held: Any) -> None:
        nonlocal killed
        if not killed:
            # The first batch was taken, none of it is on the disk.
            killed = True
            await asyncio.to_thread(victoria_metrics.kill)
            await asyncio.to_thread(victoria_metrics.start)
        await confirm(held)

    with patch.object(bulk, "_confirm", after_a_kill):
        done = await deliver(bulk, *batches)
    assert [tag for tag, *_ in done] == ["0", "1", "2"]
    assert sum(resent for *_, resent in done) > 0
    assert sum(sent for _, sent, *_ in done) == 36_000
    await victoria_metrics.flush()
    found = await held(victoria_metrics)
    assert {labels: len(samples) for labels, samples in found.items()} == {
        series(f"value_{m}"): 9000 for m in range(4)
    }


async def test_a_server_that_keeps_nothing_is_given_up(
    stub: Stub, session: aiohttp.ClientSession, thread: Thread
) -> None:
    def answer(request: web.Request, _body: bytes) -> web.Response:
        if request.method == "POST":
            return web.Response(status=204)
        return web.json_response({"data": {"result": []}})

    stub.answer = answer
    bulk = bulk_of(shipper_of(session, stub.url), thread)
    with pytest.raises(NotKeptError):
        await deliver(bulk, Batch([column(range(10))], "lost"))
    posts = sum(1 for one in stub.requests if one.method == "POST")
    assert posts == module.TRIES


async def test_a_server_that_is_away_for_a_while_is_waited_for(
    stub: Stub, session: aiohttp.ClientSession, thread: Thread
) -> None:
    answers = 0

    def answer(request: web.Request, _body: bytes) -> web.Response:
        nonlocal answers
        answers += 1
        if answers % 2:
            return web.Response(status=503, headers={"Retry-After": "1"})
        if request.method == "POST":
            return web.Response(status=204)
        result = []
        if "POST" in {one.method for one in stub.requests}:
            result = [{"metric": dict(series()), "values": [[0, "10"]]}]
        return web.json_response({"data": {"result": result}})

    stub.answer = answer
    bulk = bulk_of(shipper_of(session, stub.url), thread)
    assert await deliver(bulk, Batch([column(range(10))], "late")) == [("late", 10, 0, 0)]


async def test_a_server_that_stays_away_ends_it(
    unused_url: str, session: aiohttp.ClientSession, thread: Thread
) -> None:
    slept: list[float] = []

    async def sleep(delay: float) -> None:
        slept.append(delay)

    bulk = Bulk(shipper_of(session, unused_url), thread, sleep=sleep, rng=Random(1))
    with pytest.raises(UnreachableError):
        await deliver(bulk, Batch([column(range(10))], "never"))
    assert len(slept) == module.ATTEMPTS - 1
    assert max(slept) <= module.LONGEST_DELAY


async def test_what_is_refused_for_good_is_not_tried_again(
    stub: Stub, session: aiohttp.ClientSession, thread: Thread
) -> None:
    stub.answer = lambda _request, _body: web.Response(status=422, text="no")
    bulk = bulk_of(shipper_of(session, stub.url), thread)
    with pytest.raises(RefusedError):
        await deliver(bulk, Batch([column(range(10))], "never"))
    assert len(stub.requests) == 1


async def test_an_empty_batch_is_delivered_in_its_place(
    victoria_metrics: RealServer, session: aiohttp.ClientSession, thread: Thread
) -> None:
    bulk = bulk_of(shipper_of(session, victoria_metrics.url), thread, victoria_metrics)
    done = await deliver(
        bulk, Batch([], "first"), Batch([column(range(5))], "second"), Batch([column([])], "third")
    )
    assert [(tag, sent) for tag, sent, _, _ in done] == [("first", 0), ("second", 5), ("third", 0)]


def test_bodies_are_small_and_are_read_back() -> None:
    random = Random(2)
    columns = [
        Column(
            series(f"noise_{n}"),
            [START + k * POLL for k in range(20_000)],
            [random.uniform(-1e6, 1e6) for _ in range(20_000)],
            None,
        )
        for n in range(5)
    ]
    bodies = module.encode(columns, Coding.ZSTD)
    assert len(bodies) > 3
    assert all(len(body) < 1024 * 1024 for body in bodies)
    back: dict[Labels, dict[int, float]] = {}
    for one in module.decode(bodies):
        back.setdefault(one.labels, {}).update(zip(one.times, one.values, strict=True))
    assert back == {one.labels: dict(zip(one.times, one.values, strict=True)) for one in columns}


async def test_last_stored_tells_no_data_from_a_question_that_failed(
    victoria_metrics: RealServer, session: aiohttp.ClientSession, thread: Thread, unused_url: str
) -> None:
    shipper = shipper_of(session, victoria_metrics.url)
    match = '{heatpump_id!=""}'
    assert await last_stored(shipper.turn, match, 3650) is None
    await deliver(bulk_of(shipper, thread, victoria_metrics), Batch([column([0, 7])], ""))
    await victoria_metrics.flush()
    assert await last_stored(shipper.turn, match, 3650) == START + 7 * POLL
    with pytest.raises(UnreachableError):
        await last_stored(shipper_of(session, unused_url).turn, match)


async def test_samples_are_counted_by_series_and_hour(
    server: RealServer, session: aiohttp.ClientSession, thread: Thread, request: Any
) -> None:
    shipper = shipper_of(session, server.url)
    if "1.79.5" in request.node.name:
        shipper._known.coding = Coding.GZIP
    polls = [n for n in range(1, 601) if not 130 <= n < 190]
    await deliver(
        bulk_of(shipper, thread, server),
        Batch([column(polls), column(range(1, 601), "cop"), column(range(9), stat="mean")], ""),
    )
    await server.flush()
    asked = [series(), series("cop"), series("never")]
    span = Span(START + 1, START + 600 * POLL)
    counts = await hourly(shipper.turn, thread, asked, span)
    hours = [START + n * HOUR for n in range(5)]
    assert counts == {
        series(): dict(zip(hours, (120, 60, 120, 120, 120), strict=True)),
        series("cop"): dict.fromkeys(hours, 120),
    }
    assert hour_of(START) == START - HOUR
    assert await count(shipper.turn, thread, asked, span) == {series(): 540, series("cop"): 600}


async def test_gaps_are_found_wherever_they_are(
    victoria_metrics: RealServer, session: aiohttp.ClientSession, thread: Thread
) -> None:
    shipper = shipper_of(session, victoria_metrics.url)
    # One poll lacks (no gap), some lack across a full hour, and the end lacks; the last point
    # of the other series hides what lacks in its middle.
    first = [n for n in range(1, 500) if n != 50 and not 118 <= n <= 125]
    second = [n for n in range(1, 601) if not 200 <= n < 500]
    await deliver(
        bulk_of(shipper, thread, victoria_metrics),
        Batch([column(first), column(second, "cop")], "", absent=True),
    )
    await victoria_metrics.flush()
    wanted = dict.fromkeys((series(), series("cop"), series("never")), POLL)
    span = Span(START + 1, START + 600 * POLL)
    found = await gaps(shipper.turn, thread, wanted, span)
    half = POLL // 2

    def at(poll: int) -> int:
        return START + poll * POLL

    assert found == {
        series(): [Gap(at(117) + half, at(126)), Gap(at(499) + half, at(600) + 1)],
        series("cop"): [Gap(at(199) + half, at(500))],
        series("never"): [Gap(START, at(600) + 1)],
    }


async def test_many_batches_are_sent_before_the_first_is_counted(
    victoria_metrics: RealServer, session: aiohttp.ClientSession, thread: Thread
) -> None:
    shipper = shipper_of(session, victoria_metrics.url)
    bulk = bulk_of(shipper, thread, victoria_metrics, hold=1e3)
    assert await deliver(bulk, *weeks()) == [(str(n), 900, 0, 0) for n in range(30)]


async def test_a_batch_waits_for_one_it_overlaps(
    victoria_metrics: RealServer, session: aiohttp.ClientSession, thread: Thread
) -> None:
    bulk = bulk_of(shipper_of(session, victoria_metrics.url), thread, victoria_metrics, hold=1e3)
    order: list[str] = []
    put, delivered = bulk._put, bulk._delivered

    def watched_put(batch: Batch[str], *rest: Any) -> Any:
        order.append(f"put {batch.tag}")
        return put(batch, *rest)

    def watched_delivered(flow: Any) -> Any:
        order.append(f"count {flow[0].tag}")
        return delivered(flow)

    with (
        patch.object(bulk, "_put", watched_put),
        patch.object(bulk, "_delivered", watched_delivered),
    ):
        await deliver(
            bulk,
            Batch([column(range(10))], "a"),
            Batch([column(range(20, 30))], "b"),
            Batch([column(range(5, 15))], "c"),
            Batch([column(range(5, 15), "cop")], "d"),
        )
    assert order == ["put a", "put b", "count a", "put c", "put d", "count b", "count c", "count d"]
