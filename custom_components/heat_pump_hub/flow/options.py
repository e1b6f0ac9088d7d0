"""The options of a heat pump."""

from typing import Any, Final

from homeassistant.config_entries import ConfigFlowResult, OptionsFlowWithReload
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    TextSelector,
    TextSelectorConfig,
)
import probatio as vol

from ..companions import NUMBERED, SWITCHED
from ..const import (
    CONF_ALLOW_CONTROL,
    CONF_COMPANION_RULES,
    CONF_COMPANIONS,
    CONF_COOLDOWN,
    CONF_DEMO,
    CONF_FAMILY,
    CONF_HISTORY_EVERYTHING,
    CONF_HISTORY_NAMES,
    CONF_INTERVAL,
    CONF_JOURNAL_DAYS,
    CONF_LEARN_FROM,
    CONF_METER_ENERGY,
    CONF_METER_POWER,
    CONF_METER_PREFERRED,
    CONF_REPORT_DAYS,
    CONF_REPORT_FORMAT,
    CONF_REPORTS,
    COOLDOWN_RANGE,
    DEMO_INTERVAL_RANGE,
    INTERVAL_RANGE,
)
from ..drivers.points import Point
from ..history.companion_rules import RulesError, parse_rules
from ..history.journal import DAYS, DAYS_RANGE
from ..history.report_files import Format
from ..reports import REPORT_DAYS, REPORT_DAYS_RANGE
from .fields import BASE, FORERUNNER_FAMILIES, HISTORY_NAMES, box, choice
from .learn_from import CONF_LEARN, async_propose, learnable, mistakes, schema as learn_from_schema
from .others import fault

SECTION_REPORTS: Final = "daily_reports"
SECTION_COMPANIONS: Final = "companion_entities"
SECTION_METER: Final = "electricity_meter"

COMPANIONS: Final = vol.Schema(
    {
        vol.Optional(CONF_COMPANIONS): EntitySelector(
            EntitySelectorConfig(multiple=True, domain=[*NUMBERED, *SWITCHED])
        ),
        vol.Optional(CONF_COMPANION_RULES): TextSelector(TextSelectorConfig(multiline=True)),
    }
)
METER: Final = vol.Schema(
    {
        vol.Optional(CONF_METER_POWER): EntitySelector(
            EntitySelectorConfig(domain="sensor", device_class="power")
        ),
        vol.Optional(CONF_METER_ENERGY): EntitySelector(
            EntitySelectorConfig(domain="sensor", device_class="energy")
        ),
        vol.Required(CONF_METER_PREFERRED, default=False): BooleanSelector(),
    }
)


class HeatPumpHubOptionsFlow(OptionsFlowWithReload):
    """How often a heat pump is read, whether it may be written, what its history holds."""

    def __init__(self) -> None:
        """Start with nothing chosen."""
        self._chosen: dict[str, Any] = {}
        self._learnable: dict[str, Point] = {}

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Show all options on one page."""
        entry = self.config_entry
        options = dict(entry.options)
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        self._learnable = self._learnable or learnable(self.hass, entry)
        if user_input is not None:
            chosen = dict(user_input)
            learns = chosen.pop(CONF_LEARN, False)
            chosen |= chosen.pop(SECTION_REPORTS, {})
            for name, own in ((SECTION_COMPANIONS, COMPANIONS), (SECTION_METER, METER)):
                if (given := chosen.pop(name, None)) is not None:
                    # What an owner has emptied is not sent.
                    options = {
                        key: value for key, value in options.items() if key not in own.schema
                    }
                    chosen |= given
            options |= chosen
            try:
                parse_rules(options.get(CONF_COMPANION_RULES, ""))
            except RulesError as err:
                line = err.lines[0]
                errors = {BASE: f"rules_{line.kind}"}
                placeholders = {"line": str(line.line), "text": line.text}
            if not errors and (wrong := fault(self.hass, entry, options)) is not None:
                errors = {BASE: wrong[0]}
                placeholders = {"entity": wrong[1]}
            if not errors and learns:
                self._chosen = options
                return await self.async_step_learn_from()
            if not errors:
                return self.async_create_entry(data=options)
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
        if self._learnable:
            schema[vol.Required(CONF_LEARN, default=False)] = BooleanSelector()
        reports = {
            vol.Required(CONF_REPORTS, default=False): BooleanSelector(),
            vol.Required(CONF_REPORT_FORMAT, default=Format.CSV.value): choice(
                tuple(Format), "report_format", multiple=False
            ),
            vol.Required(CONF_REPORT_DAYS, default=REPORT_DAYS): box(*REPORT_DAYS_RANGE, "d"),
        }
        schema[vol.Optional(SECTION_REPORTS)] = section(
            vol.Schema(reports), {"collapsed": not options.get(CONF_REPORTS)}
        )
        schema[vol.Optional(SECTION_COMPANIONS)] = section(
            COMPANIONS, {"collapsed": not options.get(CONF_COMPANIONS) and not errors}
        )
        named = options.get(CONF_METER_POWER) or options.get(CONF_METER_ENERGY)
        schema[vol.Optional(SECTION_METER)] = section(METER, {"collapsed": not named})
        sections = (SECTION_REPORTS, SECTION_COMPANIONS, SECTION_METER)
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(schema), options | dict.fromkeys(sections, options)
            ),
            errors=errors,
            description_placeholders=placeholders,
        )

    async def async_step_learn_from(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which entities of another integration the detector learns from."""
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = mistakes(self.hass, self._learnable, user_input)
            if not errors:
                options = {
                    key: value for key, value in self._chosen.items() if key != CONF_LEARN_FROM
                }
                return self.async_create_entry(
                    data=options | ({CONF_LEARN_FROM: user_input} if user_input else {})
                )
            filled = user_input
        elif CONF_LEARN_FROM in self._chosen:
            filled = self._chosen[CONF_LEARN_FROM]
        else:
            filled = await async_propose(self.hass, self._learnable)
        return self.async_show_form(
            step_id="learn_from",
            data_schema=self.add_suggested_values_to_schema(
                learn_from_schema(self._learnable), filled
            ),
            errors=errors,
        )
