"""What an owner attaches to a report, and what must not be in it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
import json
from typing import Any
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.helpers.json import json_dumps
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.test_util.aiohttp import AiohttpClientMocker

from custom_components.heat_pump_hub.archive import Archive
from custom_components.heat_pump_hub.diagnostics import async_get_config_entry_diagnostics
from custom_components.heat_pump_hub.drivers.driver import NoAnswerError
from custom_components.heat_pump_hub.drivers.points import Failure
from custom_components.heat_pump_hub.system_health import async_register, system_health_info

from .fakes import HISTORY_URL, FakeFamily, entity_id, history_server, make_entry, set_up


def shown(time: datetime) -> str:
    """Return a time as the house reads it."""
    return f"{dt_util.as_local(time):%Y-%m-%d %H:%M:%S}"


async def test_it_tells_everything_but_addresses_and_secrets(
    hass: HomeAssistant, fake: FakeFamily, aioclient_mock: AiohttpClientMocker
) -> None:
    history_server(aioclient_mock, status=500, text=f"broken at {HISTORY_URL}")
    entry = make_entry(
        title="SN4711 cellar",
        data={
            "identity": "SN4711",
            "fingerprint": {"serial": "SN4711"},
            "history_url": HISTORY_URL,
            "history_username": "owner",
            "history_password": "secret",
        },
    )
    fake.prepare = lambda driver: driver.failed.update(superheat=Failure.REFUSED)
    await set_up(hass, entry)
    await hass.services.async_call(
        "switch",
        "turn_on",
        {"entity_id": entity_id(hass, "switch", "dhw_boost", "SN4711")},
        blocking=True,
    )
    fake.driver.error = NoAnswerError("192.168.1.20 is silent")
    await entry.runtime_data.coordinator.async_refresh()

    # As Home Assistant writes the file.
    text = json_dumps(await async_get_config_entry_diagnostics(hass, entry))
    for secret in ("192.168.1.20", "SN4711", "victoria", "owner", "secret"):
        assert secret not in text
    data = json.loads(text)
    assert data["values"]["outdoor_temperature"] == 3.5
    assert data["failed"] == {"superheat": "refused"}
    assert data["driver"] == {"plan": "everything"}
    assert data["points"]["dhw_temperature_setpoint"]["maximum"] == 60
    assert (data["poll"]["success"], data["poll"]["error"]) == (False, "NoAnswerError")
    assert [write["key"] for write in data["writes"]] == ["dhw_boost"]
    assert list(data["writes_ever"].values()) == [1]
    assert data["history"]["last_error"] in {True, False}
    assert data["journal"]["waiting"] > 0
    assert data["detector"]["verdict"] is None
    assert data["detector"]["learned"] == {"recorder": 0, "server": 0, "journal": 0}
    await hass.config_entries.async_unload(entry.entry_id)


async def test_it_is_complete_without_history_and_errors(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    entry = make_entry()
    await set_up(hass, entry)
    data = await async_get_config_entry_diagnostics(hass, entry)
    assert data["history"] is None
    assert data["poll"]["error"] is None


async def test_system_health_has_a_line_a_heat_pump(
    hass: HomeAssistant, fake: FakeFamily, aioclient_mock: AiohttpClientMocker
) -> None:
    history_server(aioclient_mock)
    assert await system_health_info(hass) == {
        "last_poll": "–",
        "history_server": "–",
        "history_backlog": "–",
        "history_verified": "–",
        "history_dropped": "–",
        "writes_blocked": "–",
    }
    entries = (
        make_entry(data={"history_url": HISTORY_URL}),
        make_entry(entry_id="02SECOND", title="Barn", unique_id="two", data={"identity": "two"}),
    )
    for entry in entries:
        await set_up(hass, entry)
    fake.driver.error = NoAnswerError("silent")
    await entries[1].runtime_data.coordinator.async_refresh()
    info = await system_health_info(hass)
    times = [shown(e.runtime_data.coordinator.data.time) for e in entries]
    assert info["last_poll"] == f"Cellar: {times[0]}; Barn: not read since {times[1]}"
    assert info["history_server"].endswith("; Barn: –")
    assert info["history_backlog"].startswith("Cellar: ")
    assert info["history_backlog"].endswith("; Barn: –")
    assert info["history_verified"] == "Cellar: –; Barn: –"
    assert info["history_dropped"] == "Cellar: 0; Barn: –"
    assert info["writes_blocked"] == "Cellar: 0; Barn: 0"
    for entry in entries:
        await hass.config_entries.async_unload(entry.entry_id)


async def test_system_health_tells_times(
    hass: HomeAssistant, fake: FakeFamily, aioclient_mock: AiohttpClientMocker
) -> None:
    history_server(aioclient_mock)
    entry = make_entry(data={"history_url": HISTORY_URL})
    await set_up(hass, entry)
    archive = entry.runtime_data.archive
    assert archive is not None
    stats = replace(archive.stats, queued_samples=7, oldest=1_000, last_verified=2_500, dropped=3)
    with patch.object(Archive, "stats", stats):
        info = await system_health_info(hass)
    assert info["history_backlog"] == "Cellar: 7, the oldest of 1969-12-31 16:00:01"
    assert info["history_verified"] == "Cellar: 1969-12-31 16:00:02"
    assert info["history_dropped"] == "Cellar: 3"
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize(
    ("answer", "language", "told"),
    [
        ({}, "en", "answers"),
        ({"exc": TimeoutError()}, "en", "has not answered since"),
        ({"exc": TimeoutError()}, "de", "antwortet seit"),
        ({"status": 401}, "en", "has refused the login since"),
        ({"status": 503}, "en", "answers, but has taken nothing since"),
    ],
)
async def test_system_health_says_how_the_history_server_fares(
    hass: HomeAssistant,
    fake: FakeFamily,
    aioclient_mock: AiohttpClientMocker,
    answer: dict[str, Any],
    language: str,
    told: str,
) -> None:
    """Since when, in the time and the language of the house, and without its address."""
    hass.config.language = language
    history_server(aioclient_mock, **answer)
    entry = make_entry(data={"history_url": HISTORY_URL})
    await set_up(hass, entry)
    archive = entry.runtime_data.archive
    assert archive is not None
    async with asyncio.timeout(10):
        while not (archive.stats.failing if answer else archive.stats.last_success):
            await asyncio.sleep(0.01)
    stats = archive.stats
    if stats.failing:
        stats = replace(stats, failing_for=3600.0)
    now = datetime(2026, 1, 2, 20, tzinfo=UTC)
    with patch.object(Archive, "stats", stats), patch.object(dt_util, "utcnow", return_value=now):
        line = (await system_health_info(hass))["history_server"]
    assert line.startswith(f"Cellar: {told}")
    assert ("2026-01-02 11:00:00" in line) is bool(answer)
    assert "victoria" not in line
    await hass.config_entries.async_unload(entry.entry_id)


async def test_system_health_is_registered(hass: HomeAssistant) -> None:
    registered = []

    class Register:
        def async_register_info(self, info: object) -> None:
            registered.append(info)

    async_register(hass, Register())  # type: ignore[arg-type]
    assert registered == [system_health_info]
