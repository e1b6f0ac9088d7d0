"""Which IoTaWatt units a heat pump has: a task each, begun and ended as its owner wants."""

import asyncio
from contextlib import suppress
from typing import Any

from homeassistant.config_entries import SIGNAL_CONFIG_ENTRY_CHANGED, ConfigEntry, ConfigEntryChange
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.dispatcher import async_dispatcher_connect

from .archive import Archive
from .const import CONF_COMPANION_RULES, DOMAIN, LOGGER, SUBENTRY_IOTAWATT
from .history.companion_rules import DEFAULT_RULES, Rules, RulesError, rules_of
from .history.iotawatt_answers import InvalidHostError
from .iotawatt import UnitSync


class IotawattUnits:
    """The units of one heat pump; added, changed and removed ones are followed."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, archive: Archive, identity: str
    ) -> None:
        """Nothing begins yet."""
        self._hass = hass
        self._entry = entry
        self._archive = archive
        self._identity = identity
        self._rules = _rules(entry)
        self.units: dict[str, UnitSync] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @callback
    def start(self) -> None:
        """Begin, and follow what the owner changes."""
        self._entry.async_on_unload(
            async_dispatcher_connect(self._hass, SIGNAL_CONFIG_ENTRY_CHANGED, self._changed)
        )
        self._follow()

    async def async_close(self) -> None:
        """Stop; the next start goes on where the server is."""
        for subentry_id in list(self.units):
            await self._drop(subentry_id)

    def report(self) -> list[dict[str, Any]]:
        """Return what diagnostics show."""
        return [one.report() for one in self.units.values()]

    @callback
    def _changed(self, change: ConfigEntryChange, entry: ConfigEntry) -> None:
        if change is ConfigEntryChange.UPDATED and entry.entry_id == self._entry.entry_id:
            self._follow()

    @callback
    def _follow(self) -> None:
        """Start what is new, stop what is gone; what was changed is both."""
        wanted = {
            key: one
            for key, one in self._entry.subentries.items()
            if one.subentry_type == SUBENTRY_IOTAWATT
        }
        for key, unit in list(self.units.items()):
            if key not in wanted or wanted[key].data != unit.data:
                self._stop(key)
        for key, subentry in wanted.items():
            if key in self.units:
                continue
            try:
                unit = UnitSync(
                    self._hass, self._entry, self._archive, self._identity, subentry, self._rules
                )
            except InvalidHostError as err:
                LOGGER.error("%s: %s: %s", self._entry.title, subentry.title, err)
                continue
            self.units[key] = unit
            self._tasks[key] = self._entry.async_create_background_task(
                self._hass, unit.async_run(), f"{DOMAIN} iotawatt"
            )

    @callback
    def _stop(self, key: str) -> asyncio.Task[None]:
        self.units.pop(key).async_forget()
        task = self._tasks.pop(key)
        task.cancel()
        return task

    async def _drop(self, key: str) -> None:
        task = self._stop(key)
        with suppress(asyncio.CancelledError):
            await task


def _rules(entry: ConfigEntry) -> Rules:
    try:
        return rules_of(entry.options.get(CONF_COMPANION_RULES))
    except RulesError:
        # Companions tell what is wrong with them.
        return DEFAULT_RULES
