"""The options of a heat pump."""

from typing import Any, Final

from homeassistant.config_entries import ConfigFlowResult, OptionsFlowWithReload
from homeassistant.data_entry_flow import section
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
    CONF_REPORT_DAYS,
    CONF_REPORT_FORMAT,
    CONF_REPORTS,
    COOLDOWN_RANGE,
    DEMO_INTERVAL_RANGE,
    INTERVAL_RANGE,
)
from ..history.journal import DAYS, DAYS_RANGE
from ..history.report_files import Format
from ..reports import REPORT_DAYS, REPORT_DAYS_RANGE
from .fields import FORERUNNER_FAMILIES, HISTORY_NAMES, box, choice

SECTION_REPORTS: Final = "daily_reports"


class HeatPumpHubOptionsFlow(OptionsFlowWithReload):
    """How often a heat pump is read, whether it may be written, what its history holds."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Show all options on one page."""
        if user_input is not None:
            chosen = dict(user_input)
            chosen |= chosen.pop(SECTION_REPORTS, {})
            return self.async_create_entry(data={**self.config_entry.options, **chosen})
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
        reports = {
            vol.Required(CONF_REPORTS, default=False): BooleanSelector(),
            vol.Required(CONF_REPORT_FORMAT, default=Format.CSV.value): choice(
                tuple(Format), "report_format", multiple=False
            ),
            vol.Required(CONF_REPORT_DAYS, default=REPORT_DAYS): box(*REPORT_DAYS_RANGE, "d"),
        }
        schema[vol.Optional(SECTION_REPORTS)] = section(
            vol.Schema(reports), {"collapsed": not entry.options.get(CONF_REPORTS)}
        )
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(schema), {**entry.options, SECTION_REPORTS: entry.options}
            ),
        )
