"""Whatever happens to server, network or disk: in the end every sample is stored, once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from random import Random
import time

import aiohttp
import pytest

from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics
from tests.servers import VictoriaMetrics as RealServer, VictoriaMetricsFactory

from .proof import Disk, Fault, House, NoDiskError, disk, expected, gate, held, poll

# What was lost once is lost: no second go.
pytestmark = pytest.mark.flaky(reruns=0)

DAY = 2880
"""Polls of a day at 30 s."""

type Build = Callable[..., House]


@pytest.fixture
async def build(session: aiohttp.ClientSession, tmp_path: Path) -> AsyncIterator[Build]:
    """Build houses, by default of one journal; all are gone afterwards."""
    houses: list[House] = []

    def house(url: str, folder: Path = tmp_path, hold: float = 1.0) -> House:
        server = VictoriaMetrics(session, url, kept=True)
        houses.append(House(folder / "journal.sqlite", server, hold=hold))
        return houses[-1]

    yield house
    for one in houses:
        await one.stop()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Callable[[str], Disk]]:
    """Mount small disks."""
    mounted = []

    def mount(size: str) -> Disk:
        opened = disk(tmp_path / f"disk{len(mounted)}", size)
        try:
            found = opened.__enter__()
        except NoDiskError as err:
            pytest.skip(str(err))
        mounted.append(opened)
        return found

    yield mount
    for one in mounted:
        one.__exit__(None, None, None)


@pytest.fixture
def start() -> int:
    """Return a time of the day before yesterday, in ms."""
    return int(time.time() - 2 * 86_400) * 1000 + 123


async def feed(house: House, polls: range, start: int, pause: float = 0.02) -> None:
    """Poll."""
    for index in polls:
        house.feed.take(poll(index, start))
        await asyncio.sleep(pause)


async def complete(house: House, server: RealServer, polls: int, start: int) -> None:
    """Wait until all is stored, and see that it is what was polled."""
    house.journal.outbox.draw()
    await house.verified()
    assert await held(server) == expected([poll(n, start) for n in range(polls)], "keller")


@pytest.mark.slow
@pytest.mark.parametrize("old", [False, True], ids=["new", "1.79.5"])
async def test_a_network_that_fails_in_every_way_loses_nothing(
    victoria_metrics_factory: VictoriaMetricsFactory, build: Build, start: int, old: bool
) -> None:
    server = victoria_metrics_factory(old=old)
    random = Random(11)
    async with gate(server) as before:
        house = await build(before.url).open()
        await feed(house, range(10), start)
        while house.shipper.server_info is None:
            # What is sent in a coding that it does not store is not lost: it is sent anew.
            await asyncio.sleep(0.02)
        before.fault = lambda: random.choice([*Fault, Fault.NONE])
        await feed(house, range(10, 90), start, 0.05)
        while min(before.seen.values()) == 0:
            # The probe of a coding takes a while; so does an answer to what was swallowed.
            await asyncio.sleep(0.05)
        before.fault = lambda: Fault.NONE
        await complete(house, server, 90, start)
    assert house.shipper.stats.lost > 0
    assert house.shipper.stats.refused == 0


async def test_an_outage_of_a_day_with_a_restart_in_it_loses_nothing(
    victoria_metrics: RealServer, build: Build, start: int
) -> None:
    house = await build(victoria_metrics.url).open()
    await feed(house, range(5), start)
    await asyncio.to_thread(victoria_metrics.kill)
    await feed(house, range(5, DAY // 2), start, 0)
    await house.stop()
    house = await build(victoria_metrics.url).open()
    await feed(house, range(DAY // 2, DAY), start, 0)
    assert house.journal.outbox.dropped == 0
    await asyncio.to_thread(victoria_metrics.start)
    await complete(house, victoria_metrics, DAY, start)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("old", [False, True], ids=["new", "1.79.5"])
async def test_a_server_whose_disk_fills_up_loses_nothing(
    small: Callable[[str], Disk], build: Build, start: int, tmp_path: Path, old: bool
) -> None:
    place = small("64m")
    (place.path / "server").mkdir()
    # Room that is "enough" for a server to go on: it takes what it cannot keep.
    server = RealServer(place.path / "server", "-storage.minFreeDiskSpaceBytes=1", old=old)
    server.log = tmp_path / "server.log"
    await asyncio.to_thread(server.start)
    house = await build(server.url, hold=2.0).open()
    await feed(house, range(20), start)
    place.fill()
    await feed(house, range(20, 60), start, 0.2)
    await asyncio.to_thread(server.kill)
    place.free()
    await asyncio.to_thread(server.start)
    await feed(house, range(60, 70), start)
    await complete(house, server, 70, start)
    await asyncio.to_thread(server.stop)


async def test_a_server_that_is_read_only_gets_everything_later(
    session: aiohttp.ClientSession,
    victoria_metrics_factory: VictoriaMetricsFactory,
    build: Build,
    start: int,
) -> None:
    server = victoria_metrics_factory("-storage.minFreeDiskSpaceBytes=100TiB")
    house = await build(server.url).open()
    await feed(house, range(30), start)
    while house.shipper.stats.last_error is None:
        await asyncio.sleep(0.02)
    assert "503" in house.shipper.stats.last_error or "read-only" in house.shipper.stats.last_error
    healed = victoria_metrics_factory()
    house.shipper.replace_server(VictoriaMetrics(session, healed.url, kept=True))
    await complete(house, healed, 30, start)


@pytest.mark.parametrize("failing", ["full", "read-only"])
async def test_a_journal_whose_disk_fails_keeps_all_in_memory_and_heals(
    small: Callable[[str], Disk],
    victoria_metrics: RealServer,
    build: Build,
    start: int,
    failing: str,
) -> None:
    place = small("2m")
    await asyncio.to_thread(victoria_metrics.kill)
    house = await build(victoria_metrics.url, folder=place.path, hold=0.1).open()
    await feed(house, range(20), start)
    await house.journal.flush()
    assert not [said for said in house.troubles if said]
    await house.journal.pause()  # no file may be open for this
    place.fill() if failing == "full" else place.read_only(True)
    await house.journal.resume()
    for index in range(20, 600):
        house.feed.take(poll(index, start))
        house.journal.take(poll(index, start))
        await asyncio.sleep(0)
    await house.journal.flush()
    assert house.troubles[-1]
    assert house.journal.outbox.size < 1 << 20
    place.free() if failing == "full" else place.read_only(False)
    await house.journal.flush()
    assert house.troubles[-1] is None
    await asyncio.to_thread(victoria_metrics.start)
    await complete(house, victoria_metrics, 600, start)
    await house.stop()


async def test_a_disk_that_is_read_only_from_the_start_costs_the_journal_only(
    small: Callable[[str], Disk], victoria_metrics: RealServer, build: Build, start: int
) -> None:
    place = small("2m")
    place.read_only(True)
    house = await build(victoria_metrics.url, folder=place.path).open()
    assert house.troubles[-1]
    await feed(house, range(30), start)
    await complete(house, victoria_metrics, 30, start)
    place.read_only(False)
    house.journal.take(poll(30, start))
    await house.journal.flush()
    assert house.troubles[-1] is None
    await house.stop()
