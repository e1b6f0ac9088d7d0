"""The step about the way to the heat pump."""

from typing import Any

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.const import CONF_HOST, CONF_PORT
import probatio as vol

from ..const import CONF_UNIT
from ..drivers.driver import Address
from .fields import TEXT, box, clean_host
from .machine import MachineSteps


class ConnectionSteps(MachineSteps):
    """Ask for the address, and look at what answers there."""

    async def async_step_connection_own(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the connection of a family with a protocol of its own: it has no units."""
        return await self.async_step_connection(user_input)

    async def async_step_connection(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask where the heat pump is reached, and look at it."""
        driven = await self._async_family()
        errors: dict[str, str] = {}
        if user_input is not None:
            host, error = clean_host(user_input[CONF_HOST])
            if error:
                errors[CONF_HOST] = error
            else:
                user_input = {CONF_UNIT: driven.unit} | user_input | {CONF_HOST: host}
                self._async_abort_entries_match(user_input)
                address = Address(host=host, port=user_input[CONF_PORT], unit=user_input[CONF_UNIT])
                async with self._entry_paused(host):
                    errors = await self._async_probe(address)
            if not errors:
                self._data |= user_input
                return await self._async_machine_found()
        fields: dict[vol.Marker, Any] = {
            vol.Required(CONF_HOST): TEXT,
            vol.Required(CONF_PORT, default=driven.port): box(1, 65535),
        }
        if driven.unit:
            fields[vol.Required(CONF_UNIT, default=driven.unit)] = box(0, 255)
        return self.async_show_form(
            step_id="connection" if driven.unit else "connection_own",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(fields), user_input or self._data
            ),
            errors=errors,
            description_placeholders={"manufacturer": driven.manufacturer},
        )
