"""Writing through entities: what the heat pump gets, and what the owner is told."""

from datetime import timedelta
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockUser,
    async_fire_time_changed,
)

import custom_components.heat_pump_hub as integration
from custom_components.heat_pump_hub.control import GuardClosedError, NotSavedError
from custom_components.heat_pump_hub.drivers.driver import (
    LinkLostError,
    RefusedError,
    WriteBlockedError,
)
from custom_components.heat_pump_hub.drivers.points import Tier
from custom_components.heat_pump_hub.entity import translated

from .fakes import FakeFamily, entity_id, make_entry, set_up, state

NUMBER = ("number", "dhw_temperature_setpoint", "set_value")


@pytest.fixture
async def entry(hass: HomeAssistant, fake: FakeFamily) -> MockConfigEntry:
    entry = make_entry()
    await set_up(hass, entry)
    return entry


async def act(
    hass: HomeAssistant,
    platform: str,
    key: str,
    action: str,
    context: Context | None = None,
    **data: Any,
) -> None:
    await hass.services.async_call(
        platform,
        action,
        {"entity_id": entity_id(hass, platform, key), **data},
        blocking=True,
        context=context,
    )


@pytest.mark.parametrize(
    ("platform", "key", "action", "data", "written", "shown"),
    [
        (*NUMBER, {"value": 50}, 50, "50"),
        ("number", "circuit_a_heating_curve_slope", "set_value", {"value": 0.75}, 0.75, "0.75"),
        ("number", "pv_surplus", "set_value", {"value": 2500}, 2500, "2500"),
        ("select", "system_mode", "select_option", {"option": "comfort"}, "comfort", "comfort"),
        ("switch", "dhw_boost", "turn_on", {}, True, "on"),
    ],
)
async def test_a_value_is_written_and_shown_at_once(
    hass: HomeAssistant,
    fake: FakeFamily,
    entry: MockConfigEntry,
    platform: str,
    key: str,
    action: str,
    data: dict[str, Any],
    written: Any,
    shown: str,
) -> None:
    await act(hass, platform, key, action, **data)
    assert fake.driver.writes == [(key, written)]
    assert state(hass, platform, key) == shown


async def test_a_switch_is_turned_off(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry
) -> None:
    fake.driver.values["dhw_boost"] = True
    await act(hass, "switch", "dhw_boost", "turn_off")
    assert fake.driver.writes == [("dhw_boost", False)]


async def test_a_command_is_sent(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry
) -> None:
    await act(hass, "button", "acknowledge_faults", "press")
    assert fake.driver.writes == [("acknowledge_faults", True)]


async def test_settings_are_read_two_seconds_after_a_write(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry
) -> None:
    await act(hass, *NUMBER, value=50)
    # A write that changes another setting is why all of them are read.
    fake.driver.values["system_mode"] = "off"
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=3))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert fake.driver.reads == [frozenset(Tier), frozenset({Tier.SETTING})]
    assert state(hass, "select", "system_mode") == "off"


async def test_an_equal_value_is_not_written(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry
) -> None:
    await act(hass, *NUMBER, value=48)
    assert fake.driver.writes == []
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=3))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(fake.driver.reads) == 1


async def test_a_second_write_is_told_how_long_to_wait(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry
) -> None:
    await act(hass, *NUMBER, value=50)
    with pytest.raises(ServiceValidationError) as caught:
        await act(hass, *NUMBER, value=51)
    assert caught.value.translation_key == "cooldown"
    assert caught.value.translation_placeholders is not None
    assert 295 <= int(caught.value.translation_placeholders["seconds"]) <= 300
    assert len(fake.driver.writes) == 1


async def test_the_cooldown_outlives_a_reload(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    await act(hass, *NUMBER, value=50)
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    with pytest.raises(ServiceValidationError, match="written a short while ago"):
        await act(hass, *NUMBER, value=51)


async def test_control_can_be_switched_off(hass: HomeAssistant, fake: FakeFamily) -> None:
    await set_up(hass, make_entry(options={"interval": 30, "allow_control": False}))
    with pytest.raises(ServiceValidationError) as caught:
        await act(hass, *NUMBER, value=50)
    assert caught.value.translation_key == "control_off"
    assert fake.driver.writes == []


async def test_a_state_that_is_the_heat_pumps_own_cannot_be_chosen(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await act(hass, "select", "system_mode", "select_option", option="service")
    assert caught.value.translation_key == "not_valid_option"
    assert fake.driver.writes == []


async def test_a_state_that_is_the_heat_pumps_own_is_shown_and_refused(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry
) -> None:
    entry.runtime_data.coordinator.async_seen("system_mode", "service")
    shown = hass.states.get(entity_id(hass, "select", "system_mode"))
    assert shown is not None
    assert shown.state == "service"
    assert shown.attributes["options"] == ["off", "comfort", "eco", "service"]
    with pytest.raises(ServiceValidationError) as caught:
        await act(hass, "select", "system_mode", "select_option", option="service")
    assert caught.value.translation_key == "option_not_allowed"


async def test_a_value_between_two_steps_is_not_allowed(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await act(hass, *NUMBER, value=48.5)
    assert caught.value.translation_key == "value_not_allowed"
    assert caught.value.translation_placeholders is not None
    assert caught.value.translation_placeholders["maximum"] == "60"


async def test_a_write_the_firmware_does_not_bear_says_so(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry
) -> None:
    fake.driver.write_error = WriteBlockedError("it would restart", "V2.90.0")
    with pytest.raises(HomeAssistantError, match="V2.90.0") as caught:
        await act(hass, *NUMBER, value=50)
    assert caught.value.translation_key == "firmware_restarts"
    assert not isinstance(caught.value, ServiceValidationError)


async def test_a_write_the_heat_pump_refuses_is_an_error(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry
) -> None:
    fake.driver.write_error = RefusedError("no", 3)
    with pytest.raises(HomeAssistantError) as caught:
        await act(hass, *NUMBER, value=50)
    assert caught.value.translation_key == "write_refused"
    assert not isinstance(caught.value, ServiceValidationError)
    assert state(hass, "number", "dhw_temperature_setpoint") == "48"


async def test_a_write_without_effect_shows_what_the_heat_pump_holds(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry
) -> None:
    fake.driver.deaf = True
    fake.driver.values["dhw_temperature_setpoint"] = 47
    with pytest.raises(HomeAssistantError) as caught:
        await act(hass, *NUMBER, value=50)
    assert caught.value.translation_key == "not_accepted"
    assert caught.value.translation_placeholders is not None
    assert caught.value.translation_placeholders["shown"] == "47"
    assert state(hass, "number", "dhw_temperature_setpoint") == "47"
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=3))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(fake.driver.reads) == 2


async def test_a_write_that_may_have_gone_out_is_an_error(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry
) -> None:
    fake.driver.write_error = LinkLostError("gone")
    with (
        patch.object(fake.driver, "read_point", side_effect=[48, LinkLostError("gone")]),
        pytest.raises(HomeAssistantError) as caught,
    ):
        await act(hass, *NUMBER, value=50)
    assert caught.value.translation_key == "unverified"


async def test_without_a_connection_nothing_is_written(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry
) -> None:
    with (
        patch.object(fake.driver, "read_point", side_effect=LinkLostError("gone")),
        pytest.raises(HomeAssistantError) as caught,
    ):
        await act(hass, *NUMBER, value=50)
    assert caught.value.translation_key == "no_connection"
    assert fake.driver.writes == []


async def test_the_ledger_knows_who_asked(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, hass_admin_user: MockUser
) -> None:
    run = Context(parent_id="01TRIGGER")
    hass.states.async_set("automation.night", "on", context=run)
    await act(hass, *NUMBER, value=50, context=run)
    await act(hass, "switch", "dhw_boost", "turn_on", context=Context(user_id=hass_admin_user.id))

    by_automation, by_user = (e.asked_by for e in entry.runtime_data.guard.ledger.entries)
    assert (by_automation.automation, by_automation.parent) == ("automation.night", "01TRIGGER")
    assert (by_user.user, by_user.automation) == (hass_admin_user.id, None)


async def test_a_write_without_a_context_is_a_write_of_nobody(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry
) -> None:
    entity = hass.data["entity_components"]["number"].get_entity(
        entity_id(hass, "number", "dhw_temperature_setpoint")
    )
    await entity.async_set_native_value(50)
    assert entry.runtime_data.guard.ledger.entries[0].asked_by.to_json() == {"origin": "asked"}


def test_every_error_is_worded_in_every_language() -> None:
    used = {
        "cannot_connect",
        "control_off",
        "cooldown",
        "firmware_restarts",
        "firmware_unknown",
        "guard_closed",
        "no_connection",
        "not_accepted",
        "not_this_family",
        "option_not_allowed",
        "unsupported_model",
        "unverified",
        "value_not_allowed",
        "write_not_saved",
        "write_refused",
    }
    assert translated(NotSavedError("x")).translation_key in used
    assert translated(GuardClosedError("x")).translation_key in used
    folder = Path(integration.__file__).parent / "translations"
    for language in ("en", "de"):
        exceptions = json.loads((folder / f"{language}.json").read_text())["exceptions"]
        assert used <= exceptions.keys(), language
