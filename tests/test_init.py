"""Putting a heat pump together and taking it apart."""

import asyncio
from collections.abc import Generator
from datetime import timedelta
import logging
from pathlib import Path
import sys
import threading
from types import ModuleType
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed
from pytest_homeassistant_custom_component.test_util.aiohttp import AiohttpClientMocker
from syrupy.assertion import SnapshotAssertion

from custom_components.heat_pump_hub.const import DOMAIN
from custom_components.heat_pump_hub.drivers.driver import (
    Address,
    DriverError,
    NoAnswerError,
    NotThisFamilyError,
    RefusedError,
    UnsupportedModelError,
)
from custom_components.heat_pump_hub.drivers.points import Tier
from custom_components.heat_pump_hub.guard_file import GuardFile

from .fakes import (
    HISTORY_URL,
    POINTS,
    FakeDriver,
    FakeFamily,
    entity_id,
    history_server,
    make_entry,
    set_up,
    state,
)


async def write_number(hass: HomeAssistant, key: str, value: float) -> None:
    await hass.services.async_call(
        "number",
        "set_value",
        {"entity_id": entity_id(hass, "number", key), "value": value},
        blocking=True,
    )


def record_of_writes(hass: HomeAssistant, entry: MockConfigEntry) -> Path:
    return Path(GuardFile(hass, entry.entry_id).path)


async def test_values_of_a_heat_pump_are_shown(hass: HomeAssistant, fake: FakeFamily) -> None:
    entry = make_entry()
    await set_up(hass, entry)

    assert entry.state is ConfigEntryState.LOADED
    assert fake.addresses == [Address(host="192.168.1.20", port=502, unit=1)]
    assert state(hass, "sensor", "outdoor_temperature") == "3.5"
    assert state(hass, "number", "dhw_temperature_setpoint") == "48"


@pytest.mark.snapshot
async def test_unique_ids_never_change(
    hass: HomeAssistant,
    fake: FakeFamily,
    snapshot: SnapshotAssertion,
    aioclient_mock: AiohttpClientMocker,
) -> None:
    history_server(aioclient_mock)
    await set_up(hass, make_entry(data={"history_url": HISTORY_URL}))
    entities = er.async_entries_for_config_entry(er.async_get(hass), make_entry().entry_id)
    devices = dr.async_get(hass)

    def identifiers(device_id: str | None) -> list[tuple[str, str]]:
        assert device_id is not None
        device = devices.async_get(device_id)
        assert device is not None
        return sorted(device.identifiers)

    assert (
        sorted(
            (
                entity.domain,
                entity.unique_id,
                entity.translation_key,
                *identifiers(entity.device_id),
            )
            for entity in entities
        )
        == snapshot
    )


@pytest.mark.parametrize(
    ("error", "expected", "key"),
    [
        (NoAnswerError("silence"), ConfigEntryState.SETUP_RETRY, "cannot_connect"),
        (RefusedError("no", 1), ConfigEntryState.SETUP_RETRY, "cannot_connect"),
        (NotThisFamilyError("a meter"), ConfigEntryState.SETUP_ERROR, "not_this_family"),
        (UnsupportedModelError("1.7"), ConfigEntryState.SETUP_ERROR, "unsupported_model"),
    ],
)
async def test_a_heat_pump_that_does_not_answer_is_not_set_up(
    hass: HomeAssistant,
    fake: FakeFamily,
    error: DriverError,
    expected: ConfigEntryState,
    key: str,
) -> None:
    def fail(driver: FakeDriver) -> None:
        driver.error = error

    fake.prepare = fail
    entry = make_entry()
    await set_up(hass, entry)

    assert entry.state is expected
    assert entry.error_reason_translation_key == key
    assert fake.driver.closed
    assert not hass.states.async_all()


async def test_unloading_leaves_nothing(hass: HomeAssistant, fake: FakeFamily) -> None:
    tasks = asyncio.all_tasks()
    threads = set(threading.enumerate())
    entry = make_entry()
    await set_up(hass, entry)
    await write_number(hass, "dhw_temperature_setpoint", 50)

    assert await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()

    assert fake.driver.closed
    assert asyncio.all_tasks() <= tasks
    assert not {t for t in threading.enumerate() if t.name.startswith(DOMAIN)} - threads
    reads = len(fake.driver.reads)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(hours=12))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(fake.driver.reads) == reads


async def test_every_load_asks_the_same(hass: HomeAssistant, fake: FakeFamily) -> None:
    entry = make_entry()
    await set_up(hass, entry)
    for _ in range(2):
        assert await hass.config_entries.async_reload(entry.entry_id)
        await hass.async_block_till_done()

    assert [driver.reads for driver in fake.drivers] == [[frozenset(Tier)]] * 3
    assert [driver.closed for driver in fake.drivers] == [True, True, False]
    assert len(er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)) == (
        len(POINTS) + 8
    )


async def test_what_the_driver_learned_reaches_the_next_one(
    hass: HomeAssistant, fake: FakeFamily, hass_storage: dict[str, Any]
) -> None:
    entry = make_entry()
    await set_up(hass, entry)
    fake.driver.known = {"refused": [4108]}
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()

    assert fake.learned == [None, {"refused": [4108]}]
    assert hass_storage[f"{DOMAIN}.{entry.entry_id}.map"]["data"] == {"refused": [4108]}


async def test_what_was_learned_is_kept_with_each_read_of_the_settings(
    hass: HomeAssistant, fake: FakeFamily, hass_storage: dict[str, Any]
) -> None:
    fake.prepare = lambda driver: driver.known.update(plan=7)
    entry = make_entry()
    await set_up(hass, entry)
    await hass.async_block_till_done(wait_background_tasks=True)

    assert hass_storage[f"{DOMAIN}.{entry.entry_id}.map"]["data"] == {"plan": 7}


async def test_a_removed_heat_pump_leaves_no_store(
    hass: HomeAssistant, fake: FakeFamily, hass_storage: dict[str, Any]
) -> None:
    fake.prepare = lambda driver: driver.known.update(plan=7)
    entry = make_entry()
    await set_up(hass, entry)
    await write_number(hass, "dhw_temperature_setpoint", 50)
    written = record_of_writes(hass, entry)
    assert await hass.async_add_executor_job(written.exists)

    await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()

    assert not [key for key in hass_storage if key.startswith(DOMAIN)]
    assert not await hass.async_add_executor_job(written.exists)


@pytest.mark.parametrize("text", ["{broken", "[]"])
async def test_a_damaged_record_of_writes_locks_settings_but_not_the_heat_pump(
    hass: HomeAssistant, fake: FakeFamily, text: str
) -> None:
    entry = make_entry()
    await hass.async_add_executor_job(record_of_writes(hass, entry).write_text, text)
    await set_up(hass, entry)
    assert entry.state is ConfigEntryState.LOADED
    with pytest.raises(ServiceValidationError, match="written a short while ago"):
        await write_number(hass, "dhw_temperature_setpoint", 50)
    assert fake.driver.writes == []


async def test_an_entry_of_a_later_version_is_left_alone(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    entry = make_entry(version=2)
    await set_up(hass, entry)

    assert entry.state is ConfigEntryState.MIGRATION_ERROR
    assert not fake.drivers


async def test_an_entry_of_an_earlier_minor_version_is_taken(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    entry = make_entry(minor_version=0)
    await set_up(hass, entry)

    assert entry.state is ConfigEntryState.LOADED


async def test_a_platform_that_stays_keeps_the_heat_pump(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    entry = make_entry()
    await set_up(hass, entry)
    with patch.object(hass.config_entries, "async_unload_platforms", return_value=False):
        assert not await hass.config_entries.async_unload(entry.entry_id)

    assert not fake.driver.closed


@pytest.mark.parametrize("how", ["unload", "stop"])
async def test_fed_inputs_are_made_safe(hass: HomeAssistant, fake: FakeFamily, how: str) -> None:
    entry = make_entry()
    await set_up(hass, entry)
    await write_number(hass, "pv_surplus", 2500)
    if how == "unload":
        await hass.config_entries.async_unload(entry.entry_id)
    else:
        hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
        await hass.async_block_till_done()

    assert fake.driver.writes == [("pv_surplus", 2500), ("pv_surplus", -1.0)]
    assert fake.driver.closed


async def test_stop_and_then_unload_is_fine(
    hass: HomeAssistant, fake: FakeFamily, caplog: pytest.LogCaptureFixture
) -> None:
    entry = make_entry()
    await set_up(hass, entry)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()

    assert await hass.config_entries.async_unload(entry.entry_id)
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


async def test_an_input_that_cannot_be_made_safe_is_named(
    hass: HomeAssistant, fake: FakeFamily, caplog: pytest.LogCaptureFixture
) -> None:
    entry = make_entry()
    await set_up(hass, entry)
    await write_number(hass, "pv_surplus", 2500)
    fake.driver.write_error = RefusedError("no", 2)
    assert await hass.config_entries.async_unload(entry.entry_id)

    assert "an input was not reset: pv_surplus" in caplog.text


async def test_a_slow_heat_pump_does_not_hold_up_a_stop(
    hass: HomeAssistant, fake: FakeFamily, caplog: pytest.LogCaptureFixture
) -> None:
    entry = make_entry()
    await set_up(hass, entry)
    await write_number(hass, "pv_surplus", 2500)

    async def for_ever(_key: str, _value: float) -> None:
        await asyncio.Event().wait()

    with (
        patch.object(fake.driver, "write", for_ever),
        patch("custom_components.heat_pump_hub.SAFE_TIMEOUT", 0.01),
    ):
        assert await hass.config_entries.async_unload(entry.entry_id)

    assert "inputs were not reset" in caplog.text
    assert fake.driver.closed


async def test_parts_are_child_devices(hass: HomeAssistant, fake: FakeFamily) -> None:
    entry = make_entry()
    await set_up(hass, entry)
    devices = dr.async_get(hass)
    machine = devices.async_get_device_by_identifier((DOMAIN, "idm"), entry.entry_id)
    assert machine is not None
    assert (machine.name, machine.manufacturer, machine.model, machine.sw_version) == (
        "Cellar",
        "IDM",
        "Navigator 2.0",
        "20.24",
    )
    assert {
        child.name: child.identifiers
        for child in dr.async_entries_for_parent_device(devices, machine.id)
    } == {
        "Hot water": {(DOMAIN, "idm_hot_water")},
        "Circuit A": {(DOMAIN, "idm_circuit_a")},
        "Zone 1": {(DOMAIN, "idm_zone_1")},
    }


async def test_a_circuit_that_is_gone_takes_its_device_along(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    entry = make_entry()
    await set_up(hass, entry)
    fake.points = {key: p for key, p in POINTS.items() if "circuit" not in p.labels}
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()

    devices = dr.async_get(hass)
    assert not devices.async_get_device_by_identifier((DOMAIN, "idm_circuit_a"), entry.entry_id)
    assert not er.async_get(hass).async_get_entity_id(
        "sensor", DOMAIN, "idm_circuit_a_flow_temperature"
    )


class FakeDemo:
    """Stands for the simulated heat pump."""

    running = 0
    error: OSError | None = None

    def start(self) -> int:
        if FakeDemo.error is not None:
            raise FakeDemo.error
        FakeDemo.running += 1
        return 15020

    def stop(self) -> None:
        FakeDemo.running -= 1


@pytest.fixture
def demo() -> Generator[None]:
    module = ModuleType("demo")
    module.DemoHeatPump = FakeDemo  # type: ignore[attr-defined]
    FakeDemo.running, FakeDemo.error = 0, None
    with patch.dict(sys.modules, {"custom_components.heat_pump_hub.simulator.demo": module}):
        yield


DEMO = {"family": "idm", "demo": True, "layout": {}, "manufacturer": "IDM", "model": "Demo"}


def demo_entry() -> MockConfigEntry:
    return MockConfigEntry(
        domain=DOMAIN, title="Demo", entry_id="01DEMO", data=DEMO, options={"interval": 5}
    )


@pytest.mark.usefixtures("demo")
async def test_the_demo_heat_pump_lives_as_long_as_its_entry(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    entry = demo_entry()
    await set_up(hass, entry)

    assert fake.addresses == [Address(host="127.0.0.1", port=15020, unit=1)]
    assert er.async_get(hass).async_get_entity_id(
        "sensor", DOMAIN, f"demo-{entry.entry_id}_outdoor_temperature"
    )
    assert FakeDemo.running == 1
    await hass.config_entries.async_unload(entry.entry_id)
    assert FakeDemo.running == 0


@pytest.mark.usefixtures("demo")
async def test_a_demo_that_does_not_start_is_tried_again(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    FakeDemo.error = OSError("no port")
    entry = demo_entry()
    await set_up(hass, entry)

    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "cannot_connect"
    assert not fake.drivers
