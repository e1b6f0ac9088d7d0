"""The flow that adds an IoTaWatt unit to a heat pump's history, or changes one."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigSubentryFlow, SubentryFlowResult
from homeassistant.const import CONF_HOST
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)
import probatio as vol

from ..const import CONF_DEVICE, CONF_HISTORY_URL, CONF_SERIES, LOGGER
from ..history.iotawatt import (
    InvalidHostError,
    Iotawatt,
    IotawattError,
    PasswordError,
    Series,
    UnitBusyError,
    UnitNameError,
    WrongAnswerError,
    parse_host,
)
from .fields import BASE, field_error

TIMEOUT: Final = 15.0
EXAMPLE: Final = "iotawatt.local"
ERRORS: Final[Mapping[type[Exception], tuple[str, str]]] = {
    InvalidHostError: (CONF_HOST, "iotawatt_invalid_host"),
    UnitNameError: (CONF_HOST, "iotawatt_name_not_found"),
    PasswordError: (CONF_HOST, "iotawatt_password"),
    UnitBusyError: (CONF_HOST, "iotawatt_busy"),
    WrongAnswerError: (CONF_HOST, "iotawatt_other"),
    IotawattError: (CONF_HOST, "iotawatt_unreachable"),
}


class IotawattSubentryFlow(ConfigSubentryFlow):
    """Ask for a unit's address, then which of its series go to the history."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._host = ""
        self._series: dict[str, Series] = {}

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for the address; the unit is asked for its series."""
        if not self._get_entry().data.get(CONF_HISTORY_URL):
            return self.async_abort(reason="no_history_server")
        return await self._async_step_host("user", user_input)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Change the address, then the series."""
        return await self._async_step_host("reconfigure", user_input)

    async def async_step_series(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask which series are stored."""
        changing = self.source == SOURCE_RECONFIGURE
        errors: dict[str, str] = {}
        if user_input is not None:
            chosen = {name: self._series[name].unit for name in user_input[CONF_SERIES]}
            if not chosen:
                errors = {CONF_SERIES: "iotawatt_no_series"}
            elif changing:
                return self.async_update_and_abort(
                    self._get_entry(),
                    self._get_reconfigure_subentry(),
                    data_updates={CONF_HOST: self._host, CONF_SERIES: chosen},
                )
            else:
                device = _device(self._host)
                return self.async_create_entry(
                    title=f"IoTaWatt {device}",
                    data={CONF_HOST: self._host, CONF_DEVICE: device, CONF_SERIES: chosen},
                    unique_id=device,
                )
        before = self._get_reconfigure_subentry().data[CONF_SERIES] if changing else {}
        options = [
            SelectOptionDict(value=one.name, label=f"{one.name} ({one.unit})")
            for one in self._series.values()
        ]
        selector = SelectSelector(
            SelectSelectorConfig(options=options, multiple=True, mode=SelectSelectorMode.LIST)
        )
        default = [name for name in before if name in self._series]
        return self.async_show_form(
            step_id="series",
            data_schema=vol.Schema({vol.Required(CONF_SERIES, default=default): selector}),
            errors=errors,
            description_placeholders={"host": self._host},
        )

    async def _async_step_host(
        self, step_id: str, user_input: dict[str, Any] | None
    ) -> SubentryFlowResult:
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = await self._async_look(user_input[CONF_HOST])
            if not errors:
                if step_id == "user" and self._taken():
                    return self.async_abort(reason="already_configured")
                return await self.async_step_series()
        stored = self._get_reconfigure_subentry().data if step_id == "reconfigure" else {}
        schema = vol.Schema({vol.Required(CONF_HOST): TextSelector()})
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, user_input or stored),
            errors=errors,
            description_placeholders={"example": EXAMPLE},
        )

    async def _async_look(self, host: str) -> dict[str, str]:
        """Ask a unit for its series; return what is wrong."""
        try:
            unit = Iotawatt(
                async_get_clientsession(self.hass),
                host,
                self.hass.async_add_executor_job,
                timeout=TIMEOUT,
            )
            found = await unit.series()
        except IotawattError as err:
            return field_error(err, ERRORS)
        except Exception:  # noqa: BLE001 - a flow shows an error, never a traceback
            LOGGER.exception("Unexpected error while looking at an IoTaWatt unit")
            return {BASE: "unknown"}
        if not found:
            return {CONF_HOST: "iotawatt_other"}
        self._host = parse_host(host)
        self._series = {one.name: one for one in found}
        return {}

    def _taken(self) -> bool:
        """Tell whether this heat pump has a unit of that name already."""
        device = _device(self._host)
        return any(
            one.unique_id == device or one.data.get(CONF_HOST) == self._host
            for one in self._get_entry().subentries.values()
        )


def _device(host: str) -> str:
    """Return the name of a unit in its series: it stays when the address changes."""
    return host.removesuffix(".local")
