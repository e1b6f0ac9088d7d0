"""Follows heat pumps that got another address while Home Assistant did not notice.

While a machine answers, the MAC address of its network card is learned from Home
Assistant's DHCP discovery, so that an announcement of it is recognised. One that has
not answered for two checks is looked for, at most once an hour: where DHCP saw its card
last, and, for Luxtronik, by one search of the network.
"""

from datetime import datetime, timedelta
from typing import Final

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import CONF_HOST
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.device_registry import format_mac
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.util.hass_dict import HassKey

from .const import CONF_FAMILY, CONF_FINGERPRINT, DOMAIN
from .discovery import (
    address_of,
    answers,
    async_cards,
    async_entries,
    async_keep_card,
    async_look,
    async_move,
    async_search,
    async_seen_by_dhcp,
    proves,
)

CHECK_INTERVAL: Final = timedelta(minutes=5)
SEARCH_INTERVAL: Final = timedelta(hours=1)
_STATES: Final = frozenset(
    {ConfigEntryState.LOADED, ConfigEntryState.SETUP_RETRY, ConfigEntryState.SETUP_ERROR}
)
_DATA: HassKey[Whereabouts] = HassKey(f"{DOMAIN}_whereabouts")


@callback
def async_watch(hass: HomeAssistant) -> None:
    """Watch over all heat pumps; once is enough for all of them."""
    if _DATA not in hass.data:
        hass.data[_DATA] = Whereabouts(hass)


class Whereabouts:
    """Checks now and then whether every heat pump still answers where it was."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Begin to check."""
        self._hass = hass
        self._lost: set[str] = set()
        self._searched: dict[str, datetime] = {}
        self._checking = False
        self._unsub = async_track_time_interval(
            hass,
            self._async_check,
            CHECK_INTERVAL,
            name=f"{DOMAIN} whereabouts",
            cancel_on_shutdown=True,
        )

    async def _async_check(self, now: datetime) -> None:
        entries = [entry for entry in async_entries(self._hass) if entry.disabled_by is None]
        if not entries:
            self._unsub()
            self._hass.data.pop(_DATA, None)
            return
        if self._checking:
            return
        self._checking = True
        try:
            await self._async_follow(now, [entry for entry in entries if entry.state in _STATES])
        finally:
            self._checking = False

    async def _async_follow(self, now: datetime, entries: list[ConfigEntry]) -> None:
        lost = [entry for entry in entries if not answers(entry)]
        for entry in entries:
            if entry not in lost:
                self._learn(entry)
        due = [entry for entry in lost if entry.entry_id in self._lost and self._is_due(entry, now)]
        self._lost = {entry.entry_id for entry in lost}
        self._searched |= dict.fromkeys((entry.entry_id for entry in due), now)
        still = [entry for entry in due if not await self._async_by_card(entry)]
        await self._async_by_search(
            [entry for entry in still if entry.data.get(CONF_FINGERPRINT, {}).get("serial")]
        )

    def _is_due(self, entry: ConfigEntry, now: datetime) -> bool:
        last = self._searched.get(entry.entry_id)
        # a clock that was set back is no reason to wait for it
        return last is None or not timedelta() <= now - last < SEARCH_INTERVAL

    def _learn(self, entry: ConfigEntry) -> None:
        """Keep the network card of a machine that answers, if DHCP knows exactly one there."""
        if async_cards(self._hass, entry):
            return
        seen = [one for one in async_seen_by_dhcp(self._hass) if one.ip == entry.data[CONF_HOST]]
        if len(seen) == 1:
            async_keep_card(self._hass, entry, seen[0].macaddress)

    async def _async_by_card(self, entry: ConfigEntry) -> bool:
        """Look where DHCP saw the network card of this machine last."""
        cards = async_cards(self._hass, entry)
        for seen in list(async_seen_by_dhcp(self._hass)):
            if format_mac(seen.macaddress) not in cards or seen.ip == entry.data[CONF_HOST]:
                continue
            found = await async_look(
                self._hass, entry.data[CONF_FAMILY], address_of(entry, seen.ip)
            )
            if found is not None and proves(entry, found, card=True):
                return async_move(self._hass, entry, seen.ip)
        return False

    async def _async_by_search(self, lost: list[ConfigEntry]) -> None:
        """Search the network for controllers with the serial numbers of these."""
        lost = [entry for entry in lost if entry.data[CONF_FAMILY] == "luxtronik"]
        if not lost:
            return
        known = {entry.data[CONF_HOST] for entry in async_entries(self._hass)}
        for address in await async_search(self._hass):
            if address.host in known:
                continue
            found = await async_look(self._hass, "luxtronik", address)
            for entry in lost:
                if found is not None and proves(entry, found):
                    async_move(self._hass, entry, address.host, address.port)
