"""The flow that adds an IoTaWatt unit to a heat pump's history, or changes one."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigSubentryFlow, SubentryFlowResult
from homeassistant.const import CONF_HOST, CONF_MAC, CONF_PASSWORD, CONF_USERNAME
from homeassistant.data_entry_flow import section
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
from ..history.iotawatt import Iotawatt, parse_host
from ..history.iotawatt_answers import (
    InvalidHostError,
    IotawattError,
    PasswordError,
    Series,
    UnitBusyError,
    UnitNameError,
    WrongAnswerError,
)
from .fields import BASE, PASSWORD, SECTION_CREDENTIALS, field_error

TIMEOUT: Final = 15.0
EXAMPLE: Final = "iotawatt.local"
ERRORS: Final[Mapping[type[Exception], tuple[str, str]]] = {
    InvalidHostError: (CONF_HOST, "iotawatt_invalid_host"),
    UnitNameError: (CONF_HOST, "iotawatt_name_not_found"),
    PasswordError: (BASE, "iotawatt_password"),
    UnitBusyError: (CONF_HOST, "iotawatt_busy"),
    WrongAnswerError: (CONF_HOST, "iotawatt_other"),
    IotawattError: (CONF_HOST, "iotawatt_unreachable"),
}
LOGIN: Final = vol.Schema(
    {
        vol.Optional(CONF_USERNAME): SelectSelector(
            SelectSelectorConfig(options=["user", "admin"], mode=SelectSelectorMode.DROPDOWN)
        ),
        vol.Optional(CONF_PASSWORD): PASSWORD,
    }
)
"""The users that the firmware knows."""


class IotawattSubentryFlow(ConfigSubentryFlow):
    """Ask for a unit's address, then which of its series go to the history."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._unit: dict[str, str] = {}
        """Address and login."""
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
                    data={
                        **self._unit,
                        CONF_DEVICE: self._get_reconfigure_subentry().data[CONF_DEVICE],
                        CONF_SERIES: chosen,
                    },
                )
            else:
                device = _device(self._unit[CONF_HOST])
                return self.async_create_entry(
                    title=f"IoTaWatt {device}",
                    data={**self._unit, CONF_DEVICE: device, CONF_SERIES: chosen},
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
            description_placeholders={"host": self._unit[CONF_HOST]},
        )

    async def _async_step_host(
        self, step_id: str, user_input: dict[str, Any] | None
    ) -> SubentryFlowResult:
        errors: dict[str, str] = {}
        stored = self._get_reconfigure_subentry().data if step_id == "reconfigure" else {}
        if user_input is not None:
            login = _login(user_input.get(SECTION_CREDENTIALS, {}), stored)
            errors = await self._async_look(user_input[CONF_HOST], login)
            if not errors:
                if step_id == "user" and self._taken():
                    return self.async_abort(reason="already_configured")
                return await self.async_step_series()
        asks = BASE in errors or CONF_USERNAME in stored
        schema = vol.Schema(
            {
                vol.Required(CONF_HOST): TextSelector(),
                vol.Optional(SECTION_CREDENTIALS): section(LOGIN, {"collapsed": not asks}),
            }
        )
        suggested = user_input or {
            **stored,
            SECTION_CREDENTIALS: {CONF_USERNAME: stored.get(CONF_USERNAME)},
        }
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
            errors=errors,
            description_placeholders={"example": EXAMPLE},
        )

    async def _async_look(self, host: str, login: Mapping[str, str]) -> dict[str, str]:
        """Ask a unit for its series; return what is wrong."""
        if CONF_PASSWORD in login and CONF_USERNAME not in login:
            return {BASE: "iotawatt_no_user"}
        try:
            unit = Iotawatt(
                async_get_clientsession(self.hass),
                host,
                self.hass.async_add_executor_job,
                username=login.get(CONF_USERNAME),
                password=login.get(CONF_PASSWORD),
                timeout=TIMEOUT,
            )
            found = await unit.series()
            mac = await _mac(unit)
        except PasswordError as err:
            return {BASE: "iotawatt_wrong_password"} if login else field_error(err, ERRORS)
        except IotawattError as err:
            return field_error(err, ERRORS)
        except Exception:  # noqa: BLE001 - a flow shows an error, never a traceback
            LOGGER.exception("Unexpected error while looking at an IoTaWatt unit")
            return {BASE: "unknown"}
        if not found:
            return {CONF_HOST: "iotawatt_other"}
        self._unit = {CONF_HOST: parse_host(host), **login}
        if mac is not None:
            self._unit[CONF_MAC] = mac
        self._series = {one.name: one for one in found}
        return {}

    def _taken(self) -> bool:
        """Tell whether this heat pump has the unit already, under this name or another."""
        host = self._unit[CONF_HOST]
        mac = self._unit.get(CONF_MAC)
        device = _device(host)
        return any(
            one.unique_id == device
            or one.data.get(CONF_HOST) == host
            or (mac is not None and one.data.get(CONF_MAC) == mac)
            for one in self._get_entry().subentries.values()
        )


async def _mac(unit: Iotawatt) -> str | None:
    """Return what tells a unit from others; one that does not answer this can be used as well."""
    try:
        return await unit.mac()
    except IotawattError as err:
        LOGGER.debug("An IoTaWatt unit does not tell its own address: %r", err)
        return None


def _login(given: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, str]:
    """Return what was entered; an empty password keeps the stored one of the same user."""
    login = {key: given[key] for key in (CONF_USERNAME, CONF_PASSWORD) if given.get(key)}
    if CONF_PASSWORD not in login and CONF_USERNAME in login:
        user = login[CONF_USERNAME]
        login[CONF_PASSWORD] = stored[CONF_PASSWORD] if stored.get(CONF_USERNAME) == user else ""
    return login


def _device(host: str) -> str:
    """Return the name of a unit in its series: it stays when the address changes."""
    return host.removesuffix(".local")
