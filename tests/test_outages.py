"""Outages by the integration's own timers, several heat pumps at once, and nothing that grows."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
import pytest

from custom_components.heat_pump_hub.simulator.faults import Fault
from scripts._bench.fault_rig import SINGLE, Lines, Rig, no_values, refusing, rig, short_timeouts

pytestmark = pytest.mark.usefixtures("socket_enabled")

INTERVAL = 0.5
TIMEOUT = 0.3

type Start = Callable[..., Awaitable[Rig]]


@pytest.fixture
async def start(hass: HomeAssistant) -> AsyncGenerator[Start]:
    """Return a function that sets a heat pump up."""
    async with AsyncExitStack() as stack:

        async def start(key: str, **options: float) -> Rig:
            return await stack.enter_async_context(rig(hass, key, **options))

        yield start


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something; the time-out of the test ends what never comes."""
    while not condition():
        await asyncio.sleep(0.01)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("key", ["idm", "luxtronik"])
async def test_an_outage_is_told_once_and_over_within_two_polls(
    start: Start, key: str, silent: bool
) -> None:
    """By its own timers: one connection an interval, however long it lasts."""
    with short_timeouts(TIMEOUT):
        one = await start(key, interval=INTERVAL)
        coordinator = one.coordinator
        driver = coordinator.driver
        with Lines() as log:
            if silent:
                one.proxy.fault = Fault.SILENT
            else:
                await one.proxy.pause()
            since, connects = coordinator._ticks, driver.traffic.connects
            await until(lambda: not coordinator.last_update_success)
            assert coordinator._ticks - since <= 2
            await until(lambda: coordinator._ticks - since >= 6)
            assert driver.traffic.connects - connects <= coordinator._ticks - since + 1
            one.proxy.clear()
            await one.proxy.resume()
            since = coordinator._ticks
            await until(lambda: coordinator.last_update_success)
            assert coordinator._ticks - since <= 2
            assert one.wrong() == {}
        assert len(log.lines) == 2, log.lines
        assert log.tracebacks == 0


async def test_a_heat_pump_that_hangs_delays_no_other(start: Start) -> None:
    """Each of them in turn."""
    with short_timeouts(30.0):
        rigs = [await start(key) for key in SINGLE]
        for stuck in rigs:
            stuck.proxy.fault = Fault.SILENT
            asked = stuck.proxy.requests
            poll = asyncio.create_task(stuck.poll())
            await until(lambda stuck=stuck, asked=asked: stuck.proxy.requests > asked)
            for one in rigs:
                assert one is stuck or await one.poll()
            assert not poll.done()
            stuck.proxy.clear()
            await stuck.proxy.drop_all()
            await poll
            assert await stuck.poll() or await stuck.poll()


@pytest.mark.timeout(120)
async def test_nothing_grows_with_faults(start: Start) -> None:
    """Neither sockets nor tasks."""
    with short_timeouts(TIMEOUT):
        rigs = [await start(key) for key in SINGLE]

        async def live() -> tuple[int, int]:
            for fault in (Fault.DROP, Fault.SILENT, Fault.HALF_OPEN, Fault.GARBAGE, Fault.RESET):
                for one in rigs:
                    one.proxy.one_shot(fault, 2)
                await asyncio.gather(*(one.poll() for one in rigs))
                assert [one.wrong() for one in rigs] == [{}] * len(rigs)
            for one in rigs:
                await one.poll()
            await asyncio.sleep(0.2)
            files = len(list(Path("/proc/self/fd").iterdir()))  # noqa: ASYNC240
            return files, len(asyncio.all_tasks())

        first = await live()
        for _ in range(2):
            last = await live()
        assert last == first


@pytest.mark.parametrize("key", SINGLE)
async def test_a_controller_that_boots_is_tried_again_by_home_assistant(
    hass: HomeAssistant, start: Start, key: str
) -> None:
    """Whatever it says meanwhile, setting up never ends for good."""
    with short_timeouts(TIMEOUT):
        one = await start(key)
        edits = [no_values] if key == "luxtronik" else [refusing(code) for code in (1, 2, 4, 6, 11)]
        for edit in edits:
            await hass.config_entries.async_unload(one.entry.entry_id)
            one.proxy.edit = edit
            await hass.config_entries.async_setup(one.entry.entry_id)
            await hass.async_block_till_done()
            assert one.entry.state is ConfigEntryState.SETUP_RETRY
            one.proxy.clear()
            await hass.config_entries.async_reload(one.entry.entry_id)
            await hass.async_block_till_done()
            assert one.entry.state is ConfigEntryState.LOADED
