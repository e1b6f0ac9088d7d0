"""History inside Home Assistant: what is sent, by whom, and what becomes of the rest."""

import asyncio
from collections.abc import Generator
from datetime import timedelta
import json
from typing import Any

from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntryState
from homeassistant.const import STATE_UNKNOWN, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed
from pytest_homeassistant_custom_component.test_util.aiohttp import AiohttpClientMocker

from custom_components.heat_pump_hub import archive
from custom_components.heat_pump_hub.archive import DATA_WRITERS
from custom_components.heat_pump_hub.const import DOMAIN

from .fakes import POINTS, FakeFamily, families, make_entry, set_up, state

URL = "http://victoria:8428"
IMPORT = f"{URL}/api/v1/import"
HISTORY = {"history_url": URL, "history_username": "owner", "history_password": "secret"}


@pytest.fixture
def fake() -> Generator[FakeFamily]:
    fake = FakeFamily()
    with families(fake):
        yield fake


@pytest.fixture
def server(aioclient_mock: AiohttpClientMocker) -> AiohttpClientMocker:
    aioclient_mock.post(IMPORT, status=204)
    return aioclient_mock


def second(**data: Any) -> MockConfigEntry:
    return make_entry(
        entry_id="02SECOND", unique_id="two", title="Barn", data={"identity": "two"} | data
    )


def lines(server: AiohttpClientMocker) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for _, _, body, _ in server.mock_calls
        for line in (body or b"").splitlines()
    ]


def names(server: AiohttpClientMocker) -> set[str]:
    return {line["metric"]["__name__"] for line in lines(server)}


async def sent(hass: HomeAssistant) -> None:
    """Let the writers work off what they have."""
    for _ in range(10):
        await asyncio.sleep(0)
    await hass.async_block_till_done()


async def poll(hass: HomeAssistant, *entries: MockConfigEntry) -> None:
    for entry in entries:
        await entry.runtime_data.coordinator.async_refresh()
    await sent(hass)


async def test_the_first_snapshot_is_sent_already(
    hass: HomeAssistant, fake: FakeFamily, server: AiohttpClientMocker
) -> None:
    entry = make_entry(data=HISTORY)
    await set_up(hass, entry)
    await sent(hass)
    (outdoor,) = [
        line
        for line in lines(server)
        if line["metric"]["__name__"] == "heatpump_outdoor_temperature"
    ]
    assert outdoor["metric"] == {
        "__name__": "heatpump_outdoor_temperature",
        "heatpump_id": "idm",
        "manufacturer": "IDM",
        "model": "Navigator 2.0",
    }
    assert outdoor["values"] == [3.5]
    time = entry.runtime_data.coordinator.data.time
    assert outdoor["timestamps"] == [int(time.timestamp() * 1000)]
    await hass.config_entries.async_unload(entry.entry_id)


async def test_canonical_points_and_enabled_ones_are_sent(
    hass: HomeAssistant, fake: FakeFamily, server: AiohttpClientMocker
) -> None:
    registry = er.async_get(hass)
    entry = make_entry(data=HISTORY)
    entry.add_to_hass(hass)
    registry.async_get_or_create(
        Platform.SENSOR,
        DOMAIN,
        "idm_electricity_price",
        config_entry=entry,
        disabled_by=er.RegistryEntryDisabler.USER,
    )
    await set_up(hass, entry)
    await sent(hass)
    # Canonical although disabled; not canonical and disabled; not canonical but enabled.
    assert "heatpump_supply_voltage" in names(server)
    assert "heatpump_electricity_price" not in names(server)
    assert "heatpump_heating_today" in names(server)
    await hass.config_entries.async_unload(entry.entry_id)


async def test_an_owner_may_want_everything(
    hass: HomeAssistant, fake: FakeFamily, server: AiohttpClientMocker
) -> None:
    entry = make_entry(data=HISTORY, options={"interval": 30, "history_everything": True})
    await set_up(hass, entry)
    await sent(hass)
    readable = {point.key for point in POINTS.values() if point.readable}
    assert names(server) == {f"heatpump_{key}" for key in readable}
    await hass.config_entries.async_unload(entry.entry_id)


async def test_an_owner_may_want_the_forerunners_names(
    hass: HomeAssistant, fake: FakeFamily, server: AiohttpClientMocker
) -> None:
    entry = make_entry(data=HISTORY, options={"interval": 30, "history_names": "forerunner"})
    await set_up(hass, entry)
    await sent(hass)
    assert any(name.startswith("idm_heatpump_") for name in names(server))
    await hass.config_entries.async_unload(entry.entry_id)


async def test_two_heat_pumps_share_a_writer(
    hass: HomeAssistant, fake: FakeFamily, server: AiohttpClientMocker
) -> None:
    entries = make_entry(data=HISTORY), second(**HISTORY)
    for entry in entries:
        await set_up(hass, entry)
    first, other = (entry.runtime_data.archive for entry in entries)
    assert first._writer is other._writer
    await poll(hass, *entries)
    assert {line["metric"]["heatpump_id"] for line in lines(server)} == {"idm", "two"}

    task = first._writer.task
    await hass.config_entries.async_unload(entries[0].entry_id)
    assert not task.done()
    before = len(server.mock_calls)
    await poll(hass, entries[1])
    assert len(server.mock_calls) > before
    await hass.config_entries.async_unload(entries[1].entry_id)
    assert task.done()


async def test_another_user_means_another_writer(
    hass: HomeAssistant, fake: FakeFamily, server: AiohttpClientMocker
) -> None:
    entries = make_entry(data=HISTORY), second(**HISTORY | {"history_username": "other"})
    for entry in entries:
        await set_up(hass, entry)
    first, other = (entry.runtime_data.archive for entry in entries)
    assert first._writer is not other._writer
    for entry in entries:
        await hass.config_entries.async_unload(entry.entry_id)


async def test_a_rejected_password_starts_one_reauth(
    hass: HomeAssistant, fake: FakeFamily, aioclient_mock: AiohttpClientMocker
) -> None:
    aioclient_mock.post(IMPORT, status=204)
    entries = make_entry(data=HISTORY), second(**HISTORY)
    for entry in entries:
        await set_up(hass, entry)
    await poll(hass, *entries)
    aioclient_mock.clear_requests()
    aioclient_mock.post(IMPORT, status=401)
    await poll(hass, *entries)
    await poll(hass, *entries)
    assert [entry.state for entry in entries] == [ConfigEntryState.LOADED] * 2
    flows = hass.config_entries.flow.async_progress()
    assert [flow["context"]["source"] for flow in flows] == [SOURCE_REAUTH]
    for entry in entries:
        await hass.config_entries.async_unload(entry.entry_id)


async def test_what_was_not_taken_waits_for_new_credentials(
    hass: HomeAssistant, fake: FakeFamily, aioclient_mock: AiohttpClientMocker
) -> None:
    aioclient_mock.post(IMPORT, status=401)
    entry = make_entry(data=HISTORY)
    await set_up(hass, entry)
    await poll(hass, entry)
    first = entry.runtime_data.coordinator.data.time
    hass.config_entries.async_update_entry(entry, data={**entry.data, "history_password": "better"})
    await hass.config_entries.async_unload(entry.entry_id)
    assert hass.data[DATA_WRITERS].parked
    aioclient_mock.clear_requests()
    aioclient_mock.post(IMPORT, status=204)
    await hass.config_entries.async_setup(entry.entry_id)
    await sent(hass)
    times = {time for line in lines(aioclient_mock) for time in line["timestamps"]}
    assert int(first.timestamp() * 1000) in times
    assert not hass.data[DATA_WRITERS].parked
    await hass.config_entries.async_unload(entry.entry_id)


async def test_new_credentials_of_one_serve_all_that_share_the_writer(
    hass: HomeAssistant, fake: FakeFamily, aioclient_mock: AiohttpClientMocker
) -> None:
    aioclient_mock.post(IMPORT, status=401)
    entries = make_entry(data=HISTORY), second(**HISTORY)
    for entry in entries:
        await set_up(hass, entry)
    await sent(hass)
    aioclient_mock.clear_requests()
    aioclient_mock.post(IMPORT, status=204)
    hass.config_entries.async_update_entry(
        entries[0], data={**entries[0].data, "history_password": "better"}
    )
    await hass.config_entries.async_reload(entries[0].entry_id)
    await sent(hass)
    assert {line["metric"]["heatpump_id"] for line in lines(aioclient_mock)} == {"idm", "two"}
    for entry in entries:
        await hass.config_entries.async_unload(entry.entry_id)


async def test_an_unload_sends_what_waits(
    hass: HomeAssistant, fake: FakeFamily, server: AiohttpClientMocker
) -> None:
    entry = make_entry(data=HISTORY)
    await set_up(hass, entry)
    entry.runtime_data.archive.take(entry.runtime_data.coordinator.data)
    assert entry.runtime_data.archive.stats.queued_samples > 0
    await hass.config_entries.async_unload(entry.entry_id)
    assert "heatpump_outdoor_temperature" in names(server)
    assert not hass.data[DATA_WRITERS].parked


async def test_an_address_that_is_none_costs_only_the_history(
    hass: HomeAssistant, fake: FakeFamily, caplog: pytest.LogCaptureFixture
) -> None:
    entry = make_entry(data={"history_url": "victoria"})
    await set_up(hass, entry)
    assert entry.state is ConfigEntryState.LOADED
    assert entry.runtime_data.archive is None
    assert "no history" in caplog.text


async def test_its_sensors_are_there_for_those_who_enable_them(
    hass: HomeAssistant, fake: FakeFamily, server: AiohttpClientMocker
) -> None:
    registry = er.async_get(hass)
    entry = make_entry(data=HISTORY)
    await set_up(hass, entry)
    for key in ("history_backlog", "history_last_stored"):
        found = registry.async_get_entity_id("sensor", DOMAIN, f"idm_{key}")
        assert found is not None
        assert registry.entities[found].disabled_by is er.RegistryEntryDisabler.INTEGRATION
        registry.async_update_entity(found, disabled_by=None)
    await hass.config_entries.async_reload(entry.entry_id)
    await sent(hass)
    assert state(hass, "sensor", "history_last_stored") == STATE_UNKNOWN
    await poll(hass, entry)
    assert state(hass, "sensor", "history_backlog") == "0"
    stored = dt_util.parse_datetime(state(hass, "sensor", "history_last_stored"))
    assert stored is not None
    assert dt_util.utcnow() - stored < timedelta(minutes=1)
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_stop_does_not_wait_for_a_server_that_is_away(
    hass: HomeAssistant, fake: FakeFamily, aioclient_mock: AiohttpClientMocker, monkeypatch: Any
) -> None:
    async def silent(*_args: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(archive, "FLUSH_TIMEOUT", 0.01)
    aioclient_mock.post(IMPORT, side_effect=silent)
    entry = make_entry(data=HISTORY)
    await set_up(hass, entry)
    await sent(hass)
    await hass.async_stop(force=True)
    assert fake.driver.closed
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(hours=1))
