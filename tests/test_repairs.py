"""A repair leads to the page where an owner makes it."""

from http import HTTPStatus
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.heat_pump_hub.const import DOMAIN
from custom_components.heat_pump_hub.coordinator import ISSUE_DIFFERENT_MACHINE
from custom_components.heat_pump_hub.journals import FIXABLE, async_tell

DATA = {"family": "idm", "identity": "idm", "host": "192.168.1.20", "port": 502, "unit": 1}


@pytest.mark.parametrize("there", [True, False])
async def test_another_machine_leads_to_reconfigure(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, there: bool
) -> None:
    assert {ISSUE_DIFFERENT_MACHINE} == FIXABLE
    assert await async_setup_component(hass, "repairs", {})
    entry = MockConfigEntry(domain=DOMAIN, title="Cellar", data=DATA, unique_id="idm")
    entry.add_to_hass(hass)
    with patch("custom_components.heat_pump_hub.async_setup_entry", return_value=True):
        await hass.config_entries.async_setup(entry.entry_id)
    async_tell(hass, entry, ISSUE_DIFFERENT_MACHINE, "192.168.1.20")
    client = await hass_client()
    issue_id = f"{ISSUE_DIFFERENT_MACHINE}_{entry.entry_id}"
    response = await client.post(
        "/api/repairs/issues/fix", json={"handler": DOMAIN, "issue_id": issue_id}
    )
    assert response.status == HTTPStatus.OK
    form = await response.json()
    assert (form["type"], form["step_id"]) == ("form", "confirm")
    assert form["description_placeholders"] == {"title": "Cellar", "details": "192.168.1.20"}

    if not there:
        with patch("custom_components.heat_pump_hub.async_unload_entry", return_value=True):
            await hass.config_entries.async_remove(entry.entry_id)
        async_tell(hass, entry, ISSUE_DIFFERENT_MACHINE, "192.168.1.20")
    result = await (await client.post(f"/api/repairs/issues/fix/{form['flow_id']}", json={})).json()
    if not there:
        assert result["type"] == "create_entry"
        assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is None
        return
    assert result["type"] == "abort"
    kind, flow_id = result["next_flow"]
    assert kind == "config_flow"
    (flow,) = hass.config_entries.flow.async_progress()
    assert (flow["flow_id"], flow["step_id"]) == (flow_id, "connection")
    assert flow["context"]["entry_id"] == entry.entry_id
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is not None
