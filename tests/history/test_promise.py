"""What is promised, on a real server: who may lose what, and what brings nothing to a standstill."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
import time

import aiohttp
import pytest

from custom_components.heat_pump_hub.history import known, probe
from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics
from scripts._bench.history_kills import BOTH, CHOICES, Lengths, measure
from tests.servers import VictoriaMetrics as RealServer

from .proof import HOLD, House, expected, held, poll

# What was lost once is lost: no second go.
pytestmark = pytest.mark.flaky(reruns=0)

type Build = Callable[..., House]


@pytest.fixture
async def build(session: aiohttp.ClientSession, tmp_path: Path) -> AsyncIterator[Build]:
    """Build houses that are gone afterwards."""
    houses: list[House] = []

    def house(server: RealServer, **more: object) -> House:
        client = VictoriaMetrics(session, server.url)
        houses.append(House(tmp_path / "journal.sqlite", client, **more))  # type: ignore[arg-type]
        return houses[-1]

    yield house
    for one in houses:
        await one.stop()


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("kills", "choices"), [(10, CHOICES), (6, (BOTH,))], ids=["at random", "both"]
)
async def test_who_is_killed_loses_what_the_promise_says_and_no_more(
    socket_enabled: None, tmp_path: Path, kills: int, choices: Sequence[str]
) -> None:
    figures = await measure(tmp_path, kills, Lengths(), 2, choices=choices)
    # A text of its own: what is missing would be cut out of the middle of anything else.
    assert all(figure.ok for figure in figures), "\n".join(map(str, figures))


async def test_canaries_lost_in_a_kill_do_not_hold_up_the_count(
    victoria_metrics: RealServer, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No request meets the server while it is down, and patience never ends.
    monkeypatch.setattr(known, "LOOK_EVERY", 3.0)
    monkeypatch.setattr(probe, "AGAIN_AFTER", 1.0)
    monkeypatch.setattr(probe, "PATIENCE", float("inf"))
    house = await build(victoria_metrics).open()
    start = int(time.time() * 1000)
    house.feed.take(poll(0, start))
    while not house.shipper.stats.posted:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(victoria_metrics.kill)
    await asyncio.to_thread(victoria_metrics.start)
    await house.verified()
    assert house.shipper.stats.lost == 6
    assert await held(victoria_metrics) == expected([poll(0, start)], "keller")


async def test_polling_that_was_switched_off_in_an_outage_leaves_nothing_uncounted(
    victoria_metrics: RealServer, build: Build
) -> None:
    house = await build(victoria_metrics).open()
    start = int(time.time() * 1000)
    polls = []
    # The last wait to be joined by polls that never come.
    while len(polls) < 25 or not house.journal.outbox.joining:
        if len(polls) == 5:
            await asyncio.to_thread(victoria_metrics.kill)
        polls.append(poll(len(polls), start, 20))
        house.feed.take(polls[-1])
        await asyncio.sleep(0.02)
    await asyncio.to_thread(victoria_metrics.start)
    await house.verified()
    assert await held(victoria_metrics) == expected(polls, "keller")


@pytest.mark.slow
async def test_a_clock_that_is_set_loses_nothing_and_holds_up_nothing(
    victoria_metrics: RealServer, build: Build
) -> None:
    late = [-86_400.0]
    house = await build(victoria_metrics, hold=HOLD, clock=lambda: time.time() + late[0]).open()
    polls = []

    async def some(count: int, kill: int) -> None:
        start = int((time.time() + late[0]) * 1000) - 20 * len(polls)
        for number in range(count):
            polls.append(poll(len(polls), start, 20))
            house.feed.take(polls[-1])
            await asyncio.sleep(0.02)
            if number == kill:
                await asyncio.to_thread(victoria_metrics.kill)
                await asyncio.to_thread(victoria_metrics.start)

    # From yesterday to now, an hour back, and right again; the server dies each time.
    for late[0] in (-86_400.0, 0.0, -3600.0, -3599.9, 0.0):
        await some(100, 70)
    await house.verified()
    assert await held(victoria_metrics) == expected(polls, "keller")
    assert house.journal.outbox.dropped == 0
    assert house.shipper.stats.lost > 0
