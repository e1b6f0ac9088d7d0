"""The steps that find heat pumps in the network: a search on demand, and DHCP."""

import asyncio
from typing import Any, Final, override

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.helpers.device_registry import format_mac
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
from homeassistant.helpers.service_info.dhcp import DhcpServiceInfo
import probatio as vol

from ..const import CONF_FAMILY, CONF_MAP, CONF_UNIT, LOGGER
from ..discovery import (
    address_of,
    answers,
    async_cards,
    async_entries,
    async_family,
    async_keep_card,
    async_look,
    async_move,
    async_search,
    proves,
)
from ..drivers.driver import Address, Identity
from .connection import ConnectionSteps

CONF_ADDRESS: Final = "address"
NAME_TIMEOUT: Final = 5.0
_HUB_NAME: Final = "homehub-"
_LUXTRONIK_PORTS: Final = (8889, 8888)
_MOST_LOOKS: Final = 4
"""Machines looked at side by side."""


class NetworkSteps(ConnectionSteps):
    """Search the network, and take up what DHCP announces."""

    def __init__(self) -> None:
        """Start with nothing found."""
        super().__init__()
        self._search: asyncio.Task[None] | None = None
        self._seen: dict[str, tuple[Address, Identity | None]] = {}
        self._known: list[str] = []

    async def async_step_luxtronik(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Add a heat pump with a Luxtronik controller: search it, or enter its address."""
        self._data[CONF_FAMILY] = "luxtronik"
        return self.async_show_menu(step_id="luxtronik", menu_options=["search", "connection_own"])

    async def async_step_search(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Search the network, which takes some seconds."""
        if self._search is None:
            self._search = self.hass.async_create_task(self._async_search(), eager_start=False)
        if not self._search.done():
            return self.async_show_progress(
                step_id="search", progress_action="search", progress_task=self._search
            )
        search, self._search = self._search, None
        if search.exception() is not None:
            LOGGER.error("The search of the network failed", exc_info=search.exception())
        if self._seen:
            return self.async_show_progress_done(next_step_id="pick")
        return self.async_show_progress_done(
            next_step_id="search_known" if self._known else "search_nothing"
        )

    async def async_step_search_nothing(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Say that nothing was found."""
        return self.async_show_menu(
            step_id="search_nothing", menu_options=["search", "connection_own"]
        )

    async def async_step_search_known(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Say that only heat pumps were found that are set up already."""
        return self.async_show_menu(
            step_id="search_known",
            menu_options=["search", "connection_own"],
            description_placeholders={"known": ", ".join(self._known)},
        )

    async def async_step_pick(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Let the owner choose one of those that were found."""
        errors: dict[str, str] = {}
        if user_input is not None:
            address, self._found = self._seen[user_input[CONF_ADDRESS]]
            if self._found is None:
                errors = await self._async_probe(address)
            if not errors:
                self._take_address(address)
                return await self._async_machine_found()
        options = [
            SelectOptionDict(
                value=host, label=f"{_name(found)} ({host})" if found is not None else host
            )
            for host, (_, found) in self._seen.items()
        ]
        field = SelectSelector(SelectSelectorConfig(options=options, mode=SelectSelectorMode.LIST))
        return self.async_show_form(
            step_id="pick",
            data_schema=vol.Schema(
                {vol.Required(CONF_ADDRESS, default=next(iter(self._seen))): field}
            ),
            errors=errors,
        )

    @override
    async def async_step_dhcp(self, discovery_info: DhcpServiceInfo) -> ConfigFlowResult:
        """Look at what DHCP announces: it may be a machine that moved, a new one, or none at all."""
        host, card = discovery_info.ip, format_mac(discovery_info.macaddress)
        moved = [
            entry for entry in async_entries(self.hass) if card in async_cards(self.hass, entry)
        ]
        for entry in moved:
            if entry.data[CONF_HOST] == host:
                continue
            kind, map_name = entry.data[CONF_FAMILY], entry.data.get(CONF_MAP, "")
            found = await async_look(self.hass, kind, address_of(entry, host), map_name)
            if found is not None and proves(entry, found, card=True):
                async_move(self.hass, entry, host)
        if moved:
            return self.async_abort(reason="already_configured")
        for entry in async_entries(self.hass):
            if await self._async_is_at(entry.data[CONF_HOST], host):
                if answers(entry):
                    async_keep_card(self.hass, entry, card)
                return self.async_abort(reason="already_configured")
        await self.async_set_unique_id(card)
        self._abort_if_unique_id_configured()
        hub = discovery_info.hostname.startswith(_HUB_NAME)
        self._data[CONF_FAMILY] = kind = "daikin" if hub else "luxtronik"
        driven = await async_family(self.hass, kind)
        for port in (driven.port,) if hub else _LUXTRONIK_PORTS:
            address = Address(host=host, port=port, unit=driven.unit)
            # Others sell network cards with these numbers, too.
            if (found := await async_look(self.hass, kind, address)) is not None:
                self._found = found
                self._take_address(address)
                self.context["title_placeholders"] = {"name": _name(found), "host": host}
                return await self._async_machine_found()
        return self.async_abort(reason="not_a_heat_pump")

    async def _async_search(self) -> None:
        """Search, look at what answers, and let entries follow their machines."""
        self._seen, self._known = {}, []
        entries = async_entries(self.hass, "luxtronik")
        places = {entry.data[CONF_HOST]: entry for entry in entries if answers(entry)}
        found = await async_search(self.hass)
        self._known += [places[one.host].title for one in found if one.host in places]
        strange = [one for one in found if one.host not in places]
        looks = asyncio.Semaphore(_MOST_LOOKS)

        async def look(address: Address) -> Identity | None:
            async with looks:
                return await async_look(self.hass, "luxtronik", address)

        for address, identity in zip(
            strange, await asyncio.gather(*map(look, strange)), strict=True
        ):
            entry = next(
                (one for one in entries if identity is not None and proves(one, identity)), None
            )
            if entry is None:
                self._seen[address.host] = address, identity
                continue
            self._known.append(entry.title)
            if not answers(entry):
                async_move(self.hass, entry, address.host, address.port)

    async def _async_is_at(self, stored: str, host: str) -> bool:
        """Return whether a stored address, or what its name stands for, is this host."""
        if stored == host:
            return True
        try:
            async with asyncio.timeout(NAME_TIMEOUT):
                found = await self.hass.loop.getaddrinfo(stored, None)
        except OSError, TimeoutError:
            return False
        return any(place[4][0] == host for place in found)

    def _take_address(self, address: Address) -> None:
        self._data |= {
            CONF_HOST: address.host,
            CONF_PORT: address.port,
            CONF_UNIT: address.unit,
        }


def _name(found: Identity) -> str:
    return f"{found.manufacturer} {found.model}"
