"""The page that asks which entities of an older integration the detector learns from."""

import asyncio
from collections.abc import AsyncIterator, Generator
from datetime import timedelta
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

from homeassistant.components.recorder import Recorder
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.heat_pump_hub import anomaly
from custom_components.heat_pump_hub.diagnostics import async_get_config_entry_diagnostics
from custom_components.heat_pump_hub.drivers.points import Kind, Point, Quantity, Tier
from custom_components.heat_pump_hub.older_entities import KEYS

from .fakes import POINTS, FakeFamily, entity_id, families, make_entry, set_up


def point(key: str, quantity: Quantity, **more: Any) -> Point:
    return Point(key=key, name=key, quantity=quantity, kind=Kind.ANALOG, **more)


LEARNS = {
    "outdoor_temperature",
    "flow_temperature",
    "return_temperature",
    "electrical_power",
    "compressor_running",
    "fan_speed",
    "flow_rate",
    "superheat",
    "operating_mode",
}
OLDER = {
    "flow_temperature": ("sensor", "flow_in_temperature", "Vorlauf", "°C"),
    "return_temperature": ("sensor", "flow_out_temperature", "Rücklauf", "°C"),
    "outdoor_temperature": ("sensor", "outdoor_temperature", "Außentemperatur", "°F"),
    "electrical_power": ("sensor", "current_power_consumption", "Leistungsaufnahme", "kW"),
    "compressor_running": ("binary_sensor", "compressor", "Verdichter", None),
}
WANTED = ("sensor", "flow_out_temperature_target", "Rücklauf Soll", "°C")


@pytest.fixture
def fake() -> Generator[FakeFamily]:
    fake = FakeFamily()
    fake.points = MappingProxyType(
        POINTS
        | {
            one.key: one
            for one in (
                point("flow_temperature", Quantity.TEMPERATURE),
                point("return_temperature", Quantity.TEMPERATURE),
                point("compressor_running", Quantity.FLAG),
                point("fan_speed", Quantity.ROTATION),
                # neither of these is measured
                point("dhw_temperature", Quantity.TEMPERATURE, tier=Tier.SETTING),
                point("buffer_temperature", Quantity.TEMPERATURE, readable=False),
            )
        }
    )
    with families(fake):
        yield fake


@pytest.fixture
async def entry(hass: HomeAssistant, fake: FakeFamily) -> AsyncIterator[MockConfigEntry]:
    entry = make_entry()
    await set_up(hass, entry)
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)


def add_older(hass: HomeAssistant) -> dict[str, str]:
    """Register an older integration's entities; return their ids by our keys."""
    registry = er.async_get(hass)
    older = MockConfigEntry(domain="luxtronik2")
    older.add_to_hass(hass)
    ids = {}
    for key, (domain, translation_key, name, unit) in {**OLDER, "wanted": WANTED}.items():
        ids[key] = registry.async_get_or_create(
            domain,
            "luxtronik2",
            translation_key,
            config_entry=older,
            original_name=name,
            translation_key=translation_key,
            unit_of_measurement=unit,
        ).entity_id
    registry.async_get_or_create(
        "sensor",
        "luxtronik2",
        "off",
        config_entry=older,
        original_name="Drehzahl Ventilator",
        unit_of_measurement="rpm",
        disabled_by=er.RegistryEntryDisabler.USER,
    )
    ids.pop("wanted")
    return ids


def filled(form: ConfigFlowResult) -> dict[str, Any]:
    """Return what the fields of a form are filled with."""
    assert form["data_schema"] is not None
    return {
        marker.schema: (marker.description or {}).get("suggested_value")
        for marker in form["data_schema"].schema
    }


async def options_of(hass: HomeAssistant, entry: MockConfigEntry) -> ConfigFlowResult:
    return await hass.config_entries.options.async_init(entry.entry_id)


async def submit(hass: HomeAssistant, form: ConfigFlowResult, **given: Any) -> ConfigFlowResult:
    result = await hass.config_entries.options.async_configure(form["flow_id"], given)
    await hass.async_block_till_done()
    return result


PAGE = {
    "interval": 30,
    "allow_control": True,
    "cooldown": 300,
    "journal_days": 14,
    "history_everything": False,
    "history_names": "canonical",
}


async def learn_page(hass: HomeAssistant, entry: MockConfigEntry, **page: Any) -> ConfigFlowResult:
    form = await options_of(hass, entry)
    return await submit(hass, form, **PAGE | {"learn_from_entities": True} | page)


async def test_it_is_not_offered_without_a_recorder(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    assert "learn_from_entities" not in filled(await options_of(hass, entry))


async def test_it_is_not_offered_before_the_heat_pump_is_known(
    recorder_mock: Recorder, hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    assert "learn_from_entities" in filled(await options_of(hass, entry))
    await hass.config_entries.async_unload(entry.entry_id)
    assert "learn_from_entities" not in filled(await options_of(hass, entry))
    await hass.config_entries.async_setup(entry.entry_id)


async def test_entities_of_an_older_integration_are_proposed(
    recorder_mock: Recorder, hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    ids = add_older(hass)
    form = await learn_page(hass, entry, interval=60)
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "learn_from")
    assert list(filled(form)) == [key for key in KEYS if key in LEARNS]
    assert filled(form) == dict.fromkeys(LEARNS) | ids

    chosen = {key: entity for key, entity in ids.items() if key != "outdoor_temperature"}
    result = await submit(hass, form, **chosen)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options["learn_from"] == chosen
    assert entry.options["interval"] == 60
    assert "learn_from_entities" not in entry.options

    # What was emptied is not proposed again, and the first page alone changes nothing of it.
    form = await learn_page(hass, entry)
    assert filled(form) == dict.fromkeys(LEARNS) | chosen
    await submit(hass, await options_of(hass, entry), **PAGE)
    assert entry.options["learn_from"] == chosen
    await submit(hass, await learn_page(hass, entry))
    assert "learn_from" not in entry.options


async def test_without_an_older_integration_nothing_is_proposed(
    recorder_mock: Recorder, hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    form = await learn_page(hass, entry)
    assert filled(form) == dict.fromkeys(LEARNS)


async def test_what_cannot_be_is_told_by_its_field(
    recorder_mock: Recorder, hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    ids = add_older(hass)
    hass.states.async_set("sensor.yaml", "1", {"unit_of_measurement": "V"})
    form = await learn_page(hass, entry)
    chosen = {
        "outdoor_temperature": entity_id(hass, "sensor", "outdoor_temperature"),
        "flow_temperature": ids["flow_temperature"],
        "return_temperature": ids["flow_temperature"],
        "electrical_power": "sensor.yaml",
        "compressor_running": ids["outdoor_temperature"],
        "flow_rate": ids["electrical_power"],
        "superheat": ids["compressor_running"],
        # of an entity that is gone the recorder may still know something
        "fan_speed": "sensor.gone",
    }
    form = await submit(hass, form, **chosen)
    assert form["errors"] == {
        "outdoor_temperature": "learn_from_own",
        "return_temperature": "learn_from_twice",
        "electrical_power": "learn_from_unit",
        "compressor_running": "learn_from_unit",
        "flow_rate": "learn_from_unit",
        "superheat": "learn_from_unit",
    }
    # What was chosen is still there.
    assert filled(form) == dict.fromkeys(LEARNS) | chosen
    assert "learn_from" not in entry.options
    hass.states.async_set("sensor.yaml", "1", {"unit_of_measurement": "W"})
    good = {"electrical_power": "sensor.yaml", "fan_speed": "sensor.gone"}
    await submit(hass, form, **good)
    assert entry.options["learn_from"] == good


async def learned(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, int]:
    """Wait for the detector; return from where it learned how many samples."""
    while not entry.runtime_data.anomaly.ready:
        await asyncio.sleep(0.01)
    await hass.async_block_till_done(wait_background_tasks=True)
    counts: dict[str, int] = (await async_get_config_entry_diagnostics(hass, entry))["detector"][
        "learned"
    ]
    return counts


async def test_the_detector_learns_from_what_was_recorded_of_them(
    recorder_mock: Recorder, hass: HomeAssistant, fake: FakeFamily, hass_storage: dict[str, Any]
) -> None:
    ids = add_older(hass)
    begin = dt_util.utcnow() - timedelta(hours=30)
    for number in range(0, 24 * 60, 10):
        stamp = (begin + timedelta(minutes=number)).timestamp()
        for key, unit in (("flow_temperature", "°C"), ("outdoor_temperature", "°F")):
            hass.states.async_set(
                ids[key], str(30 + number % 70 / 10), {"unit_of_measurement": unit}, timestamp=stamp
            )
        running = "on" if number % 60 < 30 else "off"
        hass.states.async_set(ids["compressor_running"], running, timestamp=stamp)
    await async_wait_recording_done(hass)

    with patch.object(anomaly, "LOAD_DELAY", 0.0):
        entry = make_entry()
        await set_up(hass, entry)
        before = await learned(hass, entry)
        assert before["recorder"] == 0

        form = await learn_page(hass, entry)
        await submit(hass, form, **ids)
        # a sample a minute, and half an hour beyond the last state
        counts = await learned(hass, entry)
        assert 24 * 60 <= counts["recorder"] <= 25 * 60
        await hass.config_entries.async_unload(entry.entry_id)
        saved = hass_storage[f"heat_pump_hub.{entry.entry_id}.detector"]["data"]
        assert saved["learned_from"] == ids

        # The next start goes on with what was learned.
        await hass.config_entries.async_setup(entry.entry_id)
        assert (await learned(hass, entry))["recorder"] < 60
        await hass.config_entries.async_unload(entry.entry_id)
