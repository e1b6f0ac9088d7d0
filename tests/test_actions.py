"""The actions: where they are registered, and how each finds its heat pump."""

from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import device_registry as dr
import probatio as vol
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.heat_pump_hub import CONFIG_SCHEMA, async_setup
from custom_components.heat_pump_hub.actions import ACTIONS, Action, async_register_actions
from custom_components.heat_pump_hub.const import DOMAIN
from custom_components.heat_pump_hub.coordinator import HubConfigEntry

from .fakes import FakeFamily, make_entry, set_up


async def whoami(hass: HomeAssistant, entry: HubConfigEntry, call: ServiceCall) -> ServiceResponse:
    return {"identity": entry.runtime_data.identity, "loud": call.data["loud"]}


WHOAMI = Action(
    name="whoami",
    handler=whoami,
    fields={vol.Optional("loud", default=False): bool},
    response=SupportsResponse.ONLY,
)


async def ask(hass: HomeAssistant, **data: object) -> ServiceResponse:
    async_register_actions(hass, [WHOAMI])
    return await hass.services.async_call(
        DOMAIN, "whoami", data, blocking=True, return_response=True
    )


async def test_all_actions_exist_without_any_heat_pump(hass: HomeAssistant) -> None:
    assert await async_setup(hass, {})
    assert set(hass.services.async_services_for_domain(DOMAIN)) == {a.name for a in ACTIONS}


def test_nothing_is_set_up_by_yaml() -> None:
    assert CONFIG_SCHEMA({}) == {}


async def test_the_only_heat_pump_needs_no_name(hass: HomeAssistant, fake: FakeFamily) -> None:
    entry = make_entry()
    await set_up(hass, entry)
    assert await ask(hass) == {"identity": "idm", "loud": False}
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_heat_pump_is_named_by_entry_or_device(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    first = make_entry()
    second = make_entry(entry_id="02SECOND", unique_id="two", data={"identity": "two"})
    await set_up(hass, first)
    await set_up(hass, second)
    found = await ask(hass, config_entry_id=second.entry_id, loud=True)
    assert found == {"identity": "two", "loud": True}
    registry = dr.async_get(hass)
    for device in dr.async_entries_for_config_entry(registry, first.entry_id):
        assert await ask(hass, device_id=device.id) == {"identity": "idm", "loud": False}
    with pytest.raises(ServiceValidationError) as raised:
        await ask(hass)
    assert raised.value.translation_key == "service_found_multiple_config_entry_for_domain"
    with pytest.raises(ServiceValidationError) as twice:
        await ask(hass, config_entry_id=first.entry_id, device_id="one of both")
    assert twice.value.translation_key == "heat_pump_twice"
    for entry in (first, second):
        await hass.config_entries.async_unload(entry.entry_id)


async def test_what_is_no_heat_pump_is_refused(hass: HomeAssistant, fake: FakeFamily) -> None:
    other = MockConfigEntry(domain="other")
    other.add_to_hass(hass)
    device = dr.async_get(hass).async_get_or_create(
        config_entry_id=other.entry_id, identifiers={("other", "1")}
    )
    for device_id in (device.id, "unknown"):
        with pytest.raises(ServiceValidationError) as raised:
            await ask(hass, device_id=device_id)
        assert raised.value.translation_key == "no_such_heat_pump"
    with pytest.raises(ServiceValidationError) as raised:
        await ask(hass, config_entry_id=other.entry_id)
    assert raised.value.translation_key == "service_config_entry_wrong_domain"


async def test_a_heat_pump_that_is_not_loaded_is_refused(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    entry = make_entry()
    entry.add_to_hass(hass)
    with pytest.raises(ServiceValidationError) as raised:
        await ask(hass, config_entry_id=entry.entry_id)
    assert raised.value.translation_key == "service_config_entry_not_loaded"
