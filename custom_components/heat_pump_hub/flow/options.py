"""The options of a heat pump."""

from typing import Any

from homeassistant.config_entries import ConfigFlowResult, OptionsFlowWithReload
from homeassistant.helpers.selector import BooleanSelector
import probatio as vol

from ..const import (
    CONF_ALLOW_CONTROL,
    CONF_COOLDOWN,
    CONF_DEMO,
    CONF_FAMILY,
    CONF_HISTORY_EVERYTHING,
    CONF_HISTORY_NAMES,
    CONF_INTERVAL,
    CONF_JOURNAL_DAYS,
    COOLDOWN_RANGE,
    DEMO_INTERVAL_RANGE,
    INTERVAL_RANGE,
)
from ..history.journal import DAYS, DAYS_RANGE
from .fields import FORERUNNER_FAMILIES, HISTORY_NAMES, box


class HeatPumpHubOptionsFlow(OptionsFlowWithReload):
    """How often a heat pump is read, whether it may be written, what its history holds."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Show all options on one page."""
        if user_input is not None:
            return self.async_create_entry(data={**self.config_entry.options, **user_input})
        entry = self.config_entry
        interval = DEMO_INTERVAL_RANGE if CONF_DEMO in entry.data else INTERVAL_RANGE
        schema: dict[vol.Marker, Any] = {
            vol.Required(CONF_INTERVAL): box(*interval, "s"),
            vol.Required(CONF_ALLOW_CONTROL): BooleanSelector(),
            vol.Required(CONF_COOLDOWN): box(*COOLDOWN_RANGE, "s"),
            vol.Required(CONF_JOURNAL_DAYS, default=DAYS): box(*DAYS_RANGE, "d"),
            vol.Required(CONF_HISTORY_EVERYTHING): BooleanSelector(),
        }
        if entry.data[CONF_FAMILY] in FORERUNNER_FAMILIES:
            schema[vol.Required(CONF_HISTORY_NAMES)] = HISTORY_NAMES
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(vol.Schema(schema), entry.options),
        )
