"""The steps about the history server: where it is, and new credentials when it rejects the old."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigFlowResult
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import TextSelector, TextSelectorConfig, TextSelectorType
import probatio as vol
from yarl import URL

from ..archive import history_server
from ..const import (
    CONF_FAMILY,
    CONF_HISTORY_NAMES,
    CONF_HISTORY_PASSWORD,
    CONF_HISTORY_TENANT,
    CONF_HISTORY_URL,
    CONF_HISTORY_USERNAME,
    CONF_HISTORY_VERIFY_SSL,
    HISTORY_NAMES_CANONICAL,
    LOGGER,
)
from ..history.server import (
    HistoryError,
    InvalidTenantError,
    InvalidUrlError,
    NotVictoriaMetricsError,
)
from .base import FlowBase
from .fields import (
    BASE,
    CREDENTIALS,
    FORERUNNER_FAMILIES,
    HISTORY_ERRORS,
    HISTORY_NAMES,
    REAUTH,
    SECTION_CREDENTIALS,
    field_error,
    history_input,
)

HISTORY_TIMEOUT: Final = 15.0


class HistorySteps(FlowBase):
    """Ask for the VictoriaMetrics server, and check it. Reads only."""

    async def async_step_history(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the VictoriaMetrics server; no URL means no history on a server."""
        changing = self.source == SOURCE_RECONFIGURE
        stored = self._get_reconfigure_entry().data if changing else {}
        asks_names = not changing and self._data[CONF_FAMILY] in FORERUNNER_FAMILIES
        errors: dict[str, str] = {}
        if user_input is not None:
            history: dict[str, Any] = {}
            try:
                history = history_input(user_input, stored)
            except (InvalidUrlError, InvalidTenantError) as err:
                errors = field_error(err, HISTORY_ERRORS)
            else:
                errors = await self._async_check_history(history)
            if not errors:
                if asks_names:
                    self._options[CONF_HISTORY_NAMES] = user_input[CONF_HISTORY_NAMES]
                return await self._async_finish(history)
        schema: dict[vol.Marker, Any] = {
            vol.Optional(CONF_HISTORY_URL): TextSelector(
                TextSelectorConfig(type=TextSelectorType.URL)
            )
        }
        if asks_names:
            schema[vol.Required(CONF_HISTORY_NAMES, default=HISTORY_NAMES_CANONICAL)] = (
                HISTORY_NAMES
            )
        collapsed = not errors and not stored.get(CONF_HISTORY_USERNAME)
        schema[vol.Optional(SECTION_CREDENTIALS)] = section(CREDENTIALS, {"collapsed": collapsed})
        suggested = user_input or {
            CONF_HISTORY_URL: stored.get(CONF_HISTORY_URL),
            SECTION_CREDENTIALS: {
                CONF_HISTORY_USERNAME: stored.get(CONF_HISTORY_USERNAME),
                CONF_HISTORY_TENANT: stored.get(CONF_HISTORY_TENANT),
                CONF_HISTORY_VERIFY_SSL: stored.get(CONF_HISTORY_VERIFY_SSL, True),
            },
        }
        return self.async_show_form(
            step_id="history",
            data_schema=self.add_suggested_values_to_schema(vol.Schema(schema), suggested),
            errors=errors,
            description_placeholders={"example": "http://192.168.1.10:8428"},
            last_step=True,
        )

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """Start because the history server rejected the stored credentials."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for credentials and check them; other heat pumps with the old ones get them too."""
        entry = self._get_reauth_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            # Without a user name the password is a token.
            login_data = {
                CONF_HISTORY_USERNAME: user_input.get(CONF_HISTORY_USERNAME) or None,
                CONF_HISTORY_PASSWORD: user_input[CONF_HISTORY_PASSWORD],
            }
            errors = await self._async_check_history({**entry.data, **login_data})
            if not errors:
                login = (CONF_HISTORY_URL, CONF_HISTORY_USERNAME, CONF_HISTORY_PASSWORD)
                for other in self._async_current_entries(include_ignore=False):
                    if other is not entry and all(
                        other.data.get(key) == entry.data.get(key) for key in login
                    ):
                        self.hass.config_entries.async_update_entry(
                            other, data={**other.data, **login_data}
                        )
                        self.hass.config_entries.async_schedule_reload(other.entry_id)
                return self.async_update_reload_and_abort(entry, data_updates=login_data)
        suggested = user_input or {
            CONF_HISTORY_USERNAME: entry.data.get(CONF_HISTORY_USERNAME) or ""
        }
        return self.async_show_form(
            step_id="reauth_confirm",
            data_schema=self.add_suggested_values_to_schema(REAUTH, suggested),
            errors=errors,
            description_placeholders={"url": entry.data.get(CONF_HISTORY_URL, "")},
        )

    async def _async_check_history(self, history: Mapping[str, Any]) -> dict[str, str]:
        """Ask the server, read-only; return errors by field, empty if it will do."""
        if not history.get(CONF_HISTORY_URL):
            return {}
        client = history_server(self.hass, history)
        try:
            async with asyncio.timeout(HISTORY_TIMEOUT):
                try:
                    await client.check()
                except NotVictoriaMetricsError:
                    if (key := await self._async_too_much(history)) is not None:
                        return {BASE: key}
                    raise
        except (HistoryError, TimeoutError) as err:
            LOGGER.debug("Check of %r failed: %s", client, err)
            return field_error(err, HISTORY_ERRORS)
        except Exception:  # noqa: BLE001 - a flow shows an error, never a traceback
            LOGGER.exception("Unexpected error while checking the history server")
            return {BASE: "unknown"}
        return {}

    async def _async_too_much(self, history: Mapping[str, Any]) -> str | None:
        """Return what has to be left out for the server to be one; ``None``: nothing helps."""
        less: dict[str, dict[str, Any]] = {}
        if history.get(CONF_HISTORY_TENANT):
            less["history_no_tenants"] = {CONF_HISTORY_TENANT: None}
        if URL(history[CONF_HISTORY_URL]).path != "/":
            base = str(URL(history[CONF_HISTORY_URL]).with_path("/"))
            less["history_path"] = {CONF_HISTORY_URL: base}
        for key, change in less.items():
            try:
                await history_server(self.hass, {**history, **change}).check()
            except HistoryError as err:
                LOGGER.debug("Not better without: %s", err)
            else:
                return key
        return None
