"""What a real VictoriaMetrics holds in the end is what was read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import time

import aiohttp
import pytest

from custom_components.heat_pump_hub.drivers.points import Snapshot
from custom_components.heat_pump_hub.history.shipper import Shipper
from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics
from tests.servers import Server, VictoriaMetrics as RealServer

from .conftest import PASSWORD, USER, at, encoder

type Samples = dict[tuple[str, str], dict[int, float]]

STATES = ["off", "heating", "dhw", "defrost", "cooling", "other"]


def poll(index: int, start: int) -> Snapshot:
    """Return the snapshot of one poll; every value differs from poll to poll."""
    return Snapshot(
        time=at(start + index * 30_000 + index % 7),
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
    for series in await server.export():
        key = (series["metric"]["heatpump_id"], series["metric"]["__name__"])
        assert len(set(series["timestamps"])) == len(series["timestamps"])
        assert key not in samples
        samples[key] = dict(zip(series["timestamps"], series["values"], strict=True))
    return samples


@asynccontextmanager
async def running(shipper: Shipper) -> AsyncIterator[None]:
    """Run a shipper meanwhile."""
    task = asyncio.create_task(shipper.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def short(_delay: float) -> None:
    """Pause far shorter than asked."""
    await asyncio.sleep(0.02)


async def drained(shipper: Shipper) -> None:
    """Wait until nothing waits."""
    async with asyncio.timeout(20):
        while shipper.stats.queued_samples:
            await asyncio.sleep(0.01)


@pytest.fixture
def start() -> int:
    """Return a time of yesterday, in ms."""
    return int(time.time() - 86_400) * 1000 + 123


async def test_every_sample_is_there_with_its_time_and_value(
    session: aiohttp.ClientSession, victoria_metrics: RealServer, start: int
) -> None:
    shipper = Shipper(VictoriaMetrics(session, victoria_metrics.url))
    polls = [poll(index, start) for index in range(200)]
    async with running(shipper):
        for heatpump_id in ("keller", "anbau"):
            encode = encoder(heatpump_id).encode
            for snapshot in polls[:100]:
                for frame in encode([snapshot]):
                    shipper.put(frame)
                await asyncio.sleep(0)
            for frame in encode(polls[100:]):
                shipper.put(frame)
        await drained(shipper)
    assert await held(victoria_metrics) == expected(polls, "keller") | expected(polls, "anbau")
    assert shipper.stats.posted == 2 * 6 * 200


async def test_labels_survive(
    session: aiohttp.ClientSession, victoria_metrics: RealServer, start: int
) -> None:
    shipper = Shipper(VictoriaMetrics(session, victoria_metrics.url))
    for frame in encoder().encode([poll(0, start)]):
        shipper.put(frame)
    assert await shipper.flush(10)
    [series] = await victoria_metrics.export('{__name__="heatpump_circuit_a_flow_temperature"}')
    assert series["metric"] == {
        "__name__": "heatpump_circuit_a_flow_temperature",
        "heatpump_id": "idm-keller",
        "manufacturer": "IDM",
        "model": 'Navigator "2.0" Südhang',
        "circuit": "a",
    }


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
async def test_nothing_that_waited_is_lost_when_the_server_is_down(
    session: aiohttp.ClientSession, victoria_metrics: RealServer, start: int, kill: bool
) -> None:
    shipper = Shipper(VictoriaMetrics(session, victoria_metrics.url), sleep=short)
    polls = [poll(index, start) for index in range(60)]
    encode = encoder("keller").encode
    async with running(shipper):
        for index, snapshot in enumerate(polls):
            if index == 20:
                await drained(shipper)
                # A server makes what it has acknowledged durable some seconds later only.
                await victoria_metrics.flush()
                await asyncio.to_thread(victoria_metrics.kill if kill else victoria_metrics.stop)
            if index == 40:
                assert shipper.stats.queued_samples == 20 * 6
                await asyncio.to_thread(victoria_metrics.start)
            for frame in encode([snapshot]):
                shipper.put(frame)
            await asyncio.sleep(0.005)
        await drained(shipper)
    found, wanted = await held(victoria_metrics), expected(polls, "keller")
    if kill:
        # Acknowledged and then killed: the first 20 polls may lack, that is the journal's task.
        first = round(polls[20].time.timestamp() * 1000)
        found = {key: {t: v for t, v in one.items() if t >= first} for key, one in found.items()}
        wanted = {key: {t: v for t, v in one.items() if t >= first} for key, one in wanted.items()}
    assert found == wanted
    assert shipper.stats.dropped == 0


async def test_wrong_password_loses_nothing_until_it_is_right(
    session: aiohttp.ClientSession, victoria_metrics: RealServer, vmauth: Server, start: int
) -> None:
    rejected = asyncio.Event()
    shipper = Shipper(
        VictoriaMetrics(session, vmauth.url, username=USER, password="stale"),
        on_auth_failed=rejected.set,
    )
    polls = [poll(index, start) for index in range(5)]
    async with running(shipper):
        for frame in encoder("keller").encode(polls):
            shipper.put(frame)
        await asyncio.wait_for(rejected.wait(), 10)
        assert shipper.stats.queued_samples == 30
        shipper.replace_server(
            VictoriaMetrics(session, vmauth.url, username=USER, password=PASSWORD)
        )
        await drained(shipper)
    assert await held(victoria_metrics) == expected(polls, "keller")
