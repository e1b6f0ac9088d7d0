"""History inside Home Assistant: what is sent, by whom, and what becomes of the rest."""

import asyncio
from datetime import timedelta
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntryState
from homeassistant.const import STATE_UNKNOWN, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed
from pytest_homeassistant_custom_component.test_util.aiohttp import AiohttpClientMocker

from custom_components.heat_pump_hub import archive, backup
from custom_components.heat_pump_hub.const import CONF_HISTORY_URL, DOMAIN
from custom_components.heat_pump_hub.history.codec import decompress
from custom_components.heat_pump_hub.history.journal_file import JournalFile
from custom_components.heat_pump_hub.history.wire import Wire
from custom_components.heat_pump_hub.journals import DATA_JOURNALS

from .fakes import HISTORY_URL, POINTS, FakeFamily, history_server, make_entry, set_up, state
from .servers import VictoriaMetrics

HISTORY = {"history_url": HISTORY_URL, "history_username": "owner", "history_password": "secret"}


@pytest.fixture
def server(aioclient_mock: AiohttpClientMocker) -> AiohttpClientMocker:
    history_server(aioclient_mock)
    return aioclient_mock


def second(**data: Any) -> MockConfigEntry:
    return make_entry(
        entry_id="02SECOND", unique_id="two", title="Barn", data={"identity": "two"} | data
    )


def lines(server: AiohttpClientMocker) -> list[dict[str, Any]]:
    return [
        line
        for _, _, body, _ in server.mock_calls
        if body
        for line in map(json.loads, decompress(body).splitlines())
        if line["metric"]["__name__"] != "heatpump_hub_canary"
    ]


def names(server: AiohttpClientMocker) -> set[str]:
    return {line["metric"]["__name__"] for line in lines(server)}


async def sent(hass: HomeAssistant) -> None:
    """Let the writers work off what they have."""
    for _ in range(30):
        await asyncio.sleep(0)
    await hass.async_block_till_done()


async def nothing_waits(entry: MockConfigEntry) -> None:
    """Wait until the server has taken everything; a journal is opened in a thread first."""
    async with asyncio.timeout(30):
        while entry.runtime_data.archive.stats.queued_samples:
            await asyncio.sleep(0.01)


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
    history_server(aioclient_mock)
    entries = make_entry(data=HISTORY), second(**HISTORY)
    for entry in entries:
        await set_up(hass, entry)
    await poll(hass, *entries)
    history_server(aioclient_mock, status=401)
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
    history_server(aioclient_mock, status=401)
    entry = make_entry(data=HISTORY)
    await set_up(hass, entry)
    await poll(hass, entry)
    first = entry.runtime_data.coordinator.data.time
    hass.config_entries.async_update_entry(entry, data={**entry.data, "history_password": "better"})
    await hass.config_entries.async_unload(entry.entry_id)
    history_server(aioclient_mock, status=204)
    await hass.config_entries.async_setup(entry.entry_id)
    await sent(hass)
    times = {time for line in lines(aioclient_mock) for time in line["timestamps"]}
    assert int(first.timestamp() * 1000) in times
    await hass.config_entries.async_unload(entry.entry_id)


async def test_new_credentials_of_one_serve_all_that_share_the_writer(
    hass: HomeAssistant, fake: FakeFamily, aioclient_mock: AiohttpClientMocker
) -> None:
    history_server(aioclient_mock, status=401)
    entries = make_entry(data=HISTORY), second(**HISTORY)
    for entry in entries:
        await set_up(hass, entry)
    await sent(hass)
    history_server(aioclient_mock, status=204)
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
    for key in (
        "history_backlog",
        "history_last_stored",
        "history_oldest",
        "history_verified",
        "history_dropped",
    ):
        found = registry.async_get_entity_id("sensor", DOMAIN, f"idm_{key}")
        assert found is not None
        assert registry.entities[found].disabled_by is er.RegistryEntryDisabler.INTEGRATION
        registry.async_update_entity(found, disabled_by=None)
    await hass.config_entries.async_reload(entry.entry_id)
    await nothing_waits(entry)
    await poll(hass, entry)
    assert state(hass, "sensor", "history_backlog") == "0"
    # It shows what waits at the moment of a poll, which is sent right after it.
    assert state(hass, "sensor", "history_oldest") == STATE_UNKNOWN
    assert state(hass, "sensor", "history_verified") == STATE_UNKNOWN
    assert state(hass, "sensor", "history_dropped") == "0"
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
    history_server(aioclient_mock, side_effect=silent)
    entry = make_entry(data=HISTORY)
    await set_up(hass, entry)
    await sent(hass)
    await hass.async_stop(force=True)
    assert fake.driver.closed
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(hours=1))


def journal_file(hass: HomeAssistant, entry: MockConfigEntry) -> Path:
    return Path(hass.config.path("heat_pump_hub", "journal", f"{entry.entry_id}.sqlite"))


def repairs(hass: HomeAssistant) -> set[str]:
    return {
        str(issue.translation_key)
        for (domain, _), issue in ir.async_get(hass).issues.items()
        if domain == DOMAIN
    }


async def test_what_the_server_had_not_taken_outlives_a_restart(
    hass: HomeAssistant, fake: FakeFamily, aioclient_mock: AiohttpClientMocker
) -> None:
    history_server(aioclient_mock, status=503)
    entry = make_entry(data=HISTORY)
    await set_up(hass, entry)
    await poll(hass, entry)
    waiting = entry.runtime_data.archive.stats.queued_samples
    assert waiting > 20
    await hass.config_entries.async_unload(entry.entry_id)
    assert DATA_JOURNALS in hass.data
    assert not hass.data[DATA_JOURNALS]
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.runtime_data.archive.stats.queued_samples >= waiting
    history_server(aioclient_mock)
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_heat_pump_without_a_server_has_a_journal_too(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    entry = make_entry()
    await set_up(hass, entry)
    await poll(hass, entry)
    first = entry.runtime_data.coordinator.data
    await hass.config_entries.async_reload(entry.entry_id)
    journal = entry.runtime_data.journal
    found = [one async for one in journal.snapshots(first.time - timedelta(minutes=1), first.time)]
    assert found[-1].values["outdoor_temperature"] == 3.5
    assert found[-1].values["operating_mode"] == "comfort"
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_removed_heat_pump_leaves_no_journal_and_no_repair(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    entry = make_entry()
    path = journal_file(hass, entry)
    await hass.async_add_executor_job(lambda: path.parent.mkdir(parents=True, exist_ok=True))
    await hass.async_add_executor_job(path.write_bytes, b"no database " * 999)
    await set_up(hass, entry)
    assert repairs(hass) == {"journal_damaged"}
    assert len(await hass.async_add_executor_job(lambda: list(path.parent.glob("*damaged*")))) == 1
    # The next start finds nothing wrong any more.
    await hass.config_entries.async_reload(entry.entry_id)
    assert repairs(hass) == set()
    await hass.config_entries.async_remove(entry.entry_id)
    assert await hass.async_add_executor_job(lambda: list(path.parent.iterdir())) == []


async def test_a_backup_gets_whole_journals(hass: HomeAssistant, fake: FakeFamily) -> None:
    entry = make_entry()
    await set_up(hass, entry)
    await backup.async_pre_backup(hass)
    path = journal_file(hass, entry)
    names = await hass.async_add_executor_job(
        lambda: [one.name for one in path.parent.glob(f"{path.name}*")]
    )
    assert names == [path.name]
    assert entry.runtime_data.journal.paused
    await backup.async_post_backup(hass)
    assert not entry.runtime_data.journal.paused
    await hass.config_entries.async_unload(entry.entry_id)


async def test_what_a_backup_holds_is_sent_after_a_restore(
    hass: HomeAssistant, fake: FakeFamily, aioclient_mock: AiohttpClientMocker
) -> None:
    history_server(aioclient_mock, status=503)
    entry = make_entry(data=HISTORY)
    await set_up(hass, entry)
    await poll(hass, entry)
    data = entry.runtime_data
    time = data.coordinator.data.time
    read = time.replace(microsecond=time.microsecond // 1000 * 1000)
    await backup.async_pre_backup(hass)
    waiting, oldest = data.archive.stats.queued_samples, data.archive.stats.oldest
    path = journal_file(hass, entry)
    copy = await hass.async_add_executor_job(path.read_bytes)
    await backup.async_post_backup(hass)
    await poll(hass, entry)
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_add_executor_job(JournalFile(path).delete)
    await hass.async_add_executor_job(path.write_bytes, copy)
    await hass.config_entries.async_setup(entry.entry_id)
    stats, journal = entry.runtime_data.archive.stats, entry.runtime_data.journal
    assert stats.oldest == oldest
    assert stats.queued_samples >= waiting > 20
    found = [one async for one in journal.snapshots(read - timedelta(minutes=1), read)]
    assert found[-1].time == read
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_backup_without_heat_pumps(hass: HomeAssistant) -> None:
    await backup.async_pre_backup(hass)
    await backup.async_post_backup(hass)


async def test_a_repair_of_a_shared_writer_goes_on_with_who_stays(
    hass: HomeAssistant, fake: FakeFamily, aioclient_mock: AiohttpClientMocker
) -> None:
    history_server(aioclient_mock, flags='-dedup.minScrapeInterval="0s"')
    entries = make_entry(data=HISTORY), second(**HISTORY)
    for entry in entries:
        await set_up(hass, entry)
    await poll(hass, *entries)

    def told() -> list[str]:
        return [
            entry.title
            for entry in entries
            if (DOMAIN, f"history_no_deduplication_{entry.entry_id}") in ir.async_get(hass).issues
        ]

    assert told() == ["Cellar"]
    await hass.config_entries.async_unload(entries[0].entry_id)
    assert told() == ["Barn"]
    await hass.config_entries.async_unload(entries[1].entry_id)
    assert told() == []


@pytest.mark.parametrize(
    "other",
    [
        {"history_tenant": "7"},
        {"history_username": None, "history_password": "token"},
        {"history_username": None, "history_password": "another"},
    ],
)
async def test_another_tenant_or_token_means_another_writer(
    hass: HomeAssistant, fake: FakeFamily, server: AiohttpClientMocker, other: dict[str, Any]
) -> None:
    server.post(f"{HISTORY_URL}/insert/7/prometheus/api/v1/import", status=204)
    server.get(f"{HISTORY_URL}/select/7/prometheus/api/v1/query", status=404)
    one = HISTORY | {"history_username": None, "history_password": "one token"}
    entries = make_entry(data=one), second(**HISTORY | other)
    for entry in entries:
        await set_up(hass, entry)
    await poll(hass, *entries)
    first, another = (entry.runtime_data.archive for entry in entries)
    assert first._writer is not another._writer
    for entry in entries:
        await hass.config_entries.async_unload(entry.entry_id)


async def test_a_tenant_that_is_none_costs_only_the_history(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    entry = make_entry(data=HISTORY | {"history_tenant": "seven"})
    await set_up(hass, entry)
    assert entry.state is ConfigEntryState.LOADED
    assert entry.runtime_data.archive is None
    await hass.config_entries.async_unload(entry.entry_id)


async def test_without_a_server_its_sensors_go_and_come_back_as_they_were(
    hass: HomeAssistant, fake: FakeFamily, server: AiohttpClientMocker
) -> None:
    registry = er.async_get(hass)
    entry = make_entry(data=HISTORY)
    await set_up(hass, entry)
    backlog = registry.async_get_entity_id("sensor", DOMAIN, "idm_history_backlog")
    assert backlog is not None
    registry.async_update_entity(
        backlog, new_entity_id="sensor.waiting", disabled_by=None, name="Waiting"
    )
    data = dict(entry.data)
    hass.config_entries.async_update_entry(entry, data=data | {CONF_HISTORY_URL: ""})
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert [one for one in registry.entities if "history" in registry.entities[one].unique_id] == []
    assert hass.states.get("sensor.waiting") is None
    hass.config_entries.async_update_entry(entry, data=data)
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert hass.states.get("sensor.waiting") is not None
    assert registry.entities["sensor.waiting"].name == "Waiting"
    await hass.config_entries.async_unload(entry.entry_id)


async def test_its_connection_is_kept_and_closed_with_the_writer(
    hass: HomeAssistant, fake: FakeFamily, victoria_metrics: VictoriaMetrics
) -> None:
    closed: list[Wire] = []
    close = Wire.close
    with patch.object(Wire, "close", lambda wire: (close(wire), closed.append(wire))):
        entry = make_entry(data={"history_url": victoria_metrics.url})
        await set_up(hass, entry)
        async with asyncio.timeout(20):
            while not entry.runtime_data.archive.stats.posted:
                await asyncio.sleep(0.01)
        (writer,) = (one for one, _ in hass.data[archive.DATA_WRITERS]._writers.values())
        first = writer.server._wire
        assert first._connection is not None
        assert first not in closed
        data = {**entry.data, "history_password": "better"}
        other = second(**data)
        await set_up(hass, other)
        assert first not in closed
        await hass.config_entries.async_unload(other.entry_id)
        await hass.config_entries.async_unload(entry.entry_id)
    assert first in closed
    assert first._connection is None
    # The one of the other token is closed as well.
    assert len(set(closed)) == 2
