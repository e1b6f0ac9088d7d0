"""Inputs that the owner feeds are kept alive, and nothing else is written."""

import asyncio
import time

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.heat_pump_hub.drivers.driver import LinkLostError, RefusedError

from .fakes import FakeFamily, entity_id, make_entry, set_up


@pytest.fixture
async def entry(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, fake: FakeFamily
) -> MockConfigEntry:
    entry = make_entry()
    await set_up(hass, entry)
    entry.runtime_data.guard.monotonic = time.monotonic  # the frozen one
    return entry


async def feed(hass: HomeAssistant, value: float) -> None:
    await hass.services.async_call(
        "number",
        "set_value",
        {"entity_id": entity_id(hass, "number", "pv_surplus"), "value": value},
        blocking=True,
    )


async def minutes(hass: HomeAssistant, freezer: FrozenDateTimeFactory, count: int) -> None:
    for _ in range(2 * count):
        freezer.tick(30)
        async_fire_time_changed(hass)
        await hass.async_block_till_done(wait_background_tasks=True)


async def test_a_fed_input_is_written_again_before_it_lapses(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    await feed(hass, 2500)
    await minutes(hass, freezer, 4)
    assert fake.driver.writes == [("pv_surplus", 2500)]
    await minutes(hass, freezer, 16)
    assert fake.driver.writes == [("pv_surplus", 2500)] * 5


async def test_nothing_is_written_that_nobody_fed(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    await minutes(hass, freezer, 20)
    fake.driver.error = LinkLostError("gone")
    await minutes(hass, freezer, 2)
    fake.driver.error = None
    await minutes(hass, freezer, 2)
    assert fake.driver.writes == []


async def test_a_fed_input_is_written_again_at_once_after_an_outage(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    await feed(hass, 2500)
    fake.driver.error = LinkLostError("gone")
    await minutes(hass, freezer, 20)
    assert fake.driver.writes == [("pv_surplus", 2500)]
    fake.driver.error = None
    await minutes(hass, freezer, 1)
    assert fake.driver.writes == [("pv_surplus", 2500)] * 2


async def test_an_input_that_is_refused_is_told_once_until_it_works(
    hass: HomeAssistant,
    fake: FakeFamily,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await feed(hass, 2500)
    fake.driver.write_error = RefusedError("no", 2)
    await minutes(hass, freezer, 12)
    assert caplog.text.count("an input was not written again: pv_surplus") == 1
    fake.driver.write_error = None
    await minutes(hass, freezer, 6)
    fake.driver.write_error = RefusedError("no", 2)
    await minutes(hass, freezer, 6)
    assert caplog.text.count("an input was not written again: pv_surplus") == 2
    fake.driver.write_error = None


async def test_an_unload_waits_for_a_write_that_is_under_way(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    await feed(hass, 2500)
    write = fake.driver.write
    hold = asyncio.Event()

    async def slowly(key: str, value: float) -> None:
        await hold.wait()
        await write(key, value)

    fake.driver.write = slowly  # type: ignore[method-assign,assignment]
    freezer.tick(360)
    async_fire_time_changed(hass)
    await asyncio.sleep(0)
    unload = hass.async_create_task(hass.config_entries.async_unload(entry.entry_id))
    for _ in range(5):
        await asyncio.sleep(0)
    hold.set()
    assert await unload
    assert fake.driver.writes == [("pv_surplus", 2500), ("pv_surplus", 2500), ("pv_surplus", -1.0)]
    assert fake.driver.closed
