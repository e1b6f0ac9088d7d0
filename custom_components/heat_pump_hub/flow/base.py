"""What all steps of the config flow share: the machine that is asked about, and the look at it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
)
from homeassistant.const import CONF_HOST

from ..const import (
    CONF_COOLDOWN,
    CONF_DEMO,
    CONF_FAMILY,
    CONF_HISTORY_EVERYTHING,
    CONF_HISTORY_NAMES,
    CONF_IDENTITY,
    CONF_INTERVAL,
    CONF_JOURNAL_DAYS,
    CONF_MANUFACTURER,
    CONF_MODEL,
    DEFAULT_COOLDOWN,
    HISTORY_NAMES_CANONICAL,
    LOGGER,
)
from ..drivers import family
from ..drivers.driver import Address, DriverError, Family, Identity
from ..history.journal import DAYS
from .fields import BASE, MAKER_ERRORS, OWN_PROTOCOL_ERRORS, PROBE_ERRORS, field_error

PROBE_TIMEOUT: Final = 30.0


class FlowBase(ConfigFlow):
    """What is known so far, and how a heat pump is looked at. Reads only."""

    def __init__(self) -> None:
        """Start with nothing known."""
        self._family: Family | None = None
        self._found: Identity | None = None
        self._title = ""
        self._data: dict[str, Any] = {}
        self._options: dict[str, Any] = {}

    async def _async_family(self) -> Family:
        """Return the chosen family; its module is imported off the event loop."""
        if self._family is None:  # a map was read in its own step
            self._family = await self.hass.async_add_import_executor_job(
                family, self._data[CONF_FAMILY]
            )
        return self._family

    async def _async_probe(self, address: Address) -> dict[str, str]:
        """Look at the machine behind an address; return errors by field, empty if found."""
        driven = await self._async_family()
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                self._found = await driven.probe(address)
        except (DriverError, TimeoutError) as err:
            LOGGER.debug("Probe of %s failed: %r", address, err)
            errors = field_error(err, PROBE_ERRORS)
            words = MAKER_ERRORS.get(self._data[CONF_FAMILY], {})
            if not driven.unit:
                words = OWN_PROTOCOL_ERRORS
            return {field: words.get(key, key) for field, key in errors.items()}
        except Exception:  # noqa: BLE001 - a flow shows an error, never a traceback
            LOGGER.exception("Unexpected error while looking at %s", address)
            return {BASE: "unknown"}
        return {}

    @asynccontextmanager
    async def _entry_paused(self, host: str) -> AsyncGenerator[None]:
        """Unload the entry that is being changed: some controllers take one connection only."""
        entry = self._get_reconfigure_entry() if self.source == SOURCE_RECONFIGURE else None
        pause = (
            entry is not None
            and entry.data.get(CONF_HOST) == host
            and entry.state in {ConfigEntryState.LOADED, ConfigEntryState.SETUP_RETRY}
            and await self.hass.config_entries.async_unload(entry.entry_id)
        )
        try:
            yield
        finally:
            if pause and entry is not None:
                self.hass.config_entries.async_schedule_reload(entry.entry_id)

    async def _async_finish(self, history: Mapping[str, Any]) -> ConfigFlowResult:
        """Store the entry."""
        if self.source == SOURCE_RECONFIGURE:
            return self.async_update_reload_and_abort(
                self._get_reconfigure_entry(), data={**self._data, **history}
            )
        driven = await self._async_family()
        if CONF_DEMO not in self._data:
            # Another flow may have taken the identity while this one waited for its owner.
            await self.async_set_unique_id(self._data[CONF_IDENTITY], raise_on_progress=False)
            self._abort_if_unique_id_configured()
        return self.async_create_entry(
            title=self._title or f"{self._data[CONF_MANUFACTURER]} {self._data[CONF_MODEL]}",
            data={**self._data, **history},
            options={
                CONF_INTERVAL: driven.interval,
                CONF_COOLDOWN: DEFAULT_COOLDOWN,
                CONF_HISTORY_NAMES: HISTORY_NAMES_CANONICAL,
                CONF_HISTORY_EVERYTHING: False,
                CONF_JOURNAL_DAYS: DAYS,
                **self._options,
            },
        )
