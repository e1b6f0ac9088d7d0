"""The step of the demo heat pump."""

from typing import TYPE_CHECKING, Any

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.const import CONF_NAME

from ..const import CONF_DEMO, CONF_FAMILY, CONF_INTERVAL, LOGGER
from ..drivers.driver import Address
from .fields import BASE, DEMO, DEMO_FAMILY, DEMO_NAMES
from .machine import MachineSteps

if TYPE_CHECKING:
    from ..simulator.demo import DemoHeatPump


def _start_demo() -> tuple[DemoHeatPump, int]:
    """Start a simulated heat pump; return it and its port on 127.0.0.1. Blocks: imports pymodbus."""
    from ..simulator.demo import DemoHeatPump

    demo = DemoHeatPump()
    return demo, demo.start()


class DemoSteps(MachineSteps):
    """Add a simulated heat pump."""

    @property
    def _demo_name(self) -> str:
        return DEMO_NAMES.get(self.hass.config.language, DEMO_NAMES["en"])

    async def async_step_demo(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Look at a simulated heat pump, started for the moment."""
        errors: dict[str, str] = {}
        if user_input is not None:
            self._data = {CONF_FAMILY: DEMO_FAMILY, CONF_DEMO: True}
            self._title = user_input[CONF_NAME].strip()
            self._options[CONF_INTERVAL] = user_input[CONF_INTERVAL]
            errors = await self._async_probe_demo() if self._title else {CONF_NAME: "name_empty"}
            if not errors:
                return await self.async_step_found()
        return self.async_show_form(
            step_id="demo",
            data_schema=self.add_suggested_values_to_schema(
                DEMO, {CONF_NAME: self._demo_name} | (user_input or {})
            ),
            errors=errors,
        )

    async def _async_probe_demo(self) -> dict[str, str]:
        """Look at a simulated heat pump; return errors by field, empty if found."""
        try:
            demo, port = await self.hass.async_add_import_executor_job(_start_demo)
        except Exception:  # noqa: BLE001 - a flow shows an error, never a traceback
            LOGGER.exception("The demo heat pump did not start")
            return {BASE: "demo_failed"}
        try:
            driven = await self._async_family()
            address = Address(host="127.0.0.1", port=port, unit=driven.unit)
            errors = await self._async_probe(address)
        finally:
            await self.hass.async_add_executor_job(demo.stop)
        return {BASE: "demo_failed"} if errors else {}
