"""Who is the heat pump, how is it reached, what does it have, where does its history go.

The steps are in the modules of ``flow``. Nothing in there writes to a heat pump or to a
time-series database.
"""

from typing import Any, override

from homeassistant.config_entries import ConfigEntry, ConfigFlowResult, ConfigSubentryFlow
from homeassistant.core import callback

from .const import CONF_DEMO, CONF_FAMILY, DOMAIN, FAMILY_MAP, SUBENTRY_IOTAWATT
from .drivers import FAMILIES
from .flow.demo import DemoSteps
from .flow.fields import HISTORY_KEYS
from .flow.iotawatt import IotawattSubentryFlow
from .flow.maps import MapSteps
from .flow.network import NetworkSteps
from .flow.options import HeatPumpHubOptionsFlow


class HeatPumpHubConfigFlow(NetworkSteps, MapSteps, DemoSteps, domain=DOMAIN):
    """Add a heat pump, or change how it is reached and where its history goes."""

    VERSION = 1
    MINOR_VERSION = 1

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> HeatPumpHubOptionsFlow:
        """Return the options flow."""
        return HeatPumpHubOptionsFlow()

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Return what may be added to a heat pump."""
        return {SUBENTRY_IOTAWATT: IotawattSubentryFlow}

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the maker."""
        return self.async_show_menu(step_id="user", menu_options=[*FAMILIES, FAMILY_MAP, "demo"])

    async def async_step_idm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Add a heat pump of IDM."""
        self._data[CONF_FAMILY] = "idm"
        return await self.async_step_connection()

    async def async_step_nibe(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Add a heat pump of NIBE."""
        self._data[CONF_FAMILY] = "nibe"
        return await self.async_step_connection()

    async def async_step_daikin(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Add a heat pump of Daikin, behind its Home Hub."""
        self._data[CONF_FAMILY] = "daikin"
        return await self.async_step_connection()

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change address, parts or history; of the demo only the history."""
        entry = self._get_reconfigure_entry()
        self._data = {key: entry.data[key] for key in entry.data if key not in HISTORY_KEYS}
        if CONF_DEMO in entry.data:
            return await self.async_step_history()
        if entry.data[CONF_FAMILY] == FAMILY_MAP:
            return await self.async_step_map()
        return await self.async_step_connection()
