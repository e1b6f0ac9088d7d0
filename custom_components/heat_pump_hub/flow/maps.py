"""The step about the register map of a heat pump that has no driver of its own."""

from typing import Any

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import probatio as vol

from ..const import CONF_FAMILY, CONF_MAP, FAMILY_MAP
from ..map_files import MapUnusableError, async_list_maps, async_mapped_family, folder
from .connection import ConnectionSteps


class MapSteps(ConnectionSteps):
    """Ask which register map describes the heat pump."""

    async def async_step_map(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Offer the maps there are; one with mistakes tells them when it is chosen."""
        self._data[CONF_FAMILY] = FAMILY_MAP
        errors: dict[str, str] = {}
        problems = ""
        if user_input is not None:
            try:
                self._family = await async_mapped_family(self.hass, user_input[CONF_MAP])
            except MapUnusableError as err:
                errors[CONF_MAP] = "map_unusable"
                problems = "".join(f"\n- {line}" for line in err.problems)
            else:
                self._data[CONF_MAP] = user_input[CONF_MAP]
                return await self.async_step_connection()
        options = [
            SelectOptionDict(value=found.name, label=found.title or f"⚠ {found.name}")
            for found in await async_list_maps(self.hass)
        ]
        chosen = SelectSelector(SelectSelectorConfig(options=options, mode=SelectSelectorMode.LIST))
        return self.async_show_form(
            step_id="map",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema({vol.Required(CONF_MAP): chosen}), user_input or self._data
            ),
            errors=errors,
            description_placeholders={"folder": str(folder(self.hass)), "problems": problems},
        )
