"""What the detector is told of: settings, gaps, firmware, a new heat pump."""

from dataclasses import replace

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.heat_pump_hub.anomaly_notes import VALUES, is_setting
from custom_components.heat_pump_hub.drivers.points import Tier

from .fake_detector import FakeDetector, pass_time
from .fakes import POINTS, FakeFamily, entity_id, make_entry, set_up


@pytest.fixture
async def entry(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, fake: FakeFamily, detector: FakeDetector
) -> MockConfigEntry:
    entry = make_entry()
    await set_up(hass, entry)
    await pass_time(hass, freezer, 2)
    return entry


def told(detector: FakeDetector) -> list[str]:
    return [event for _, event in detector.notes]


async def read_settings(
    hass: HomeAssistant, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    entry.runtime_data.coordinator.async_read_settings_soon()
    await pass_time(hass, freezer, 2)


async def test_a_new_heat_pump_is_being_commissioned_once(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
) -> None:
    assert told(detector) == ["commissioning"]
    assert await hass.config_entries.async_reload(entry.entry_id)
    await pass_time(hass, freezer, 2)
    assert told(detector) == ["commissioning"]


async def test_a_setting_written_here_is_known(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
) -> None:
    number = entity_id(hass, "number", "dhw_temperature_setpoint")
    await hass.services.async_call(
        "number", "set_value", {"entity_id": number, "value": 50}, blocking=True
    )
    await pass_time(hass, freezer, 2)
    assert told(detector) == ["commissioning", "setting"]


async def test_a_setting_changed_at_the_machine_is_known(
    hass: HomeAssistant,
    fake: FakeFamily,
    entry: MockConfigEntry,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
) -> None:
    await read_settings(hass, entry, freezer)
    assert told(detector) == ["commissioning"]
    fake.driver.values["system_mode"] = "off"
    await read_settings(hass, entry, freezer)
    assert told(detector) == ["commissioning", "setting"]
    time, _ = detector.notes[-1]
    assert time == entry.runtime_data.coordinator.data.time


async def test_what_the_machine_changes_all_the_time_is_no_news(
    hass: HomeAssistant,
    fake: FakeFamily,
    entry: MockConfigEntry,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
) -> None:
    for value in range(30, 30 + 2 * VALUES):
        fake.driver.values["dhw_temperature_setpoint"] = value
        await read_settings(hass, entry, freezer)
    # the first value at the start, and those that were news
    assert told(detector).count("setting") == VALUES - 1


async def test_an_input_that_is_fed_is_no_news(
    hass: HomeAssistant,
    fake: FakeFamily,
    entry: MockConfigEntry,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
) -> None:
    fake.driver.values["pv_surplus"] = 900
    await pass_time(hass, freezer, 600)
    assert "setting" not in told(detector)
    assert is_setting(POINTS["dhw_boost"])
    assert not is_setting(replace(POINTS["pv_surplus"], tier=Tier.SETTING))


async def test_other_firmware_is_known(
    hass: HomeAssistant,
    fake: FakeFamily,
    entry: MockConfigEntry,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
) -> None:
    fake.driver.known["firmware"] = "3.90.0"
    await read_settings(hass, entry, freezer)
    assert told(detector) == ["commissioning"]
    fake.driver.known["firmware"] = "3.91.0"
    await read_settings(hass, entry, freezer)
    await read_settings(hass, entry, freezer)
    assert told(detector) == ["commissioning", "firmware"]
