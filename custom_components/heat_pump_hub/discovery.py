"""Heat pumps in the network: search them, and recognise one that answers at another address.

An entry follows its own machine only: what answers elsewhere must prove by its serial
number, or by its network card and its fingerprint, that it is the same one. Nothing in
here writes to a heat pump.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from homeassistant.components import network
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import CONNECTION_NETWORK_MAC
from homeassistant.helpers.service_info.dhcp import DhcpServiceInfo
from homeassistant.util.network import is_ip_address

from .const import (
    CONF_DEMO,
    CONF_FAMILY,
    CONF_FINGERPRINT,
    CONF_IDENTITY,
    CONF_UNIT,
    DOMAIN,
    FAMILY_MAP,
    LOGGER,
)
from .drivers import family
from .drivers.driver import Address, DriverError, Family, Identity
from .drivers.recognition import same_machine
from .map_files import MapUnusableError, async_mapped_family

LOOK_TIMEOUT: Final = 20.0
"""Seconds for a look at a machine nobody waits for."""
_DHCP: Final = "dhcp"


def fingerprint(found: Identity) -> dict[str, float | str]:
    """Return what tells this machine from another one, the serial number included."""
    serial = {"serial": found.serial} if found.serial else {}
    return {**found.fingerprint, **serial}


def proves(entry: ConfigEntry, found: Identity, *, card: bool = False) -> bool:
    """Return whether what was found is certainly the machine of an entry.

    ``card``: it has the network card of that machine, so the rest must only agree.
    """
    stored = entry.data.get(CONF_FINGERPRINT, {})
    if found.serial and (known := stored.get("serial")):
        return bool(known == found.serial)
    return card and same_machine(stored, fingerprint(found))


async def async_look(
    hass: HomeAssistant, kind: str, address: Address, map_name: str = ""
) -> Identity | None:
    """Look at a machine, read only; ``None`` if it is not of that family or does not answer.

    ``map_name``: the register map of a machine that one describes.
    """
    try:
        driven = await async_family(hass, kind, map_name)
        async with asyncio.timeout(LOOK_TIMEOUT):
            return await driven.probe(address)
    except (DriverError, MapUnusableError, TimeoutError) as err:
        LOGGER.debug("Nothing of %s at %s: %r", kind, address, err)
        return None


async def async_family(hass: HomeAssistant, kind: str, map_name: str = "") -> Family:
    """Return a family; its module is imported off the event loop.

    Raises :class:`.map_files.MapUnusableError`.
    """
    if kind == FAMILY_MAP:
        return await async_mapped_family(hass, map_name)
    return await hass.async_add_import_executor_job(family, kind)


async def async_search(hass: HomeAssistant) -> list[Address]:
    """Return the Luxtronik controllers that answer a search of the network, by host."""
    await async_family(hass, "luxtronik")
    from .drivers.luxtronik.discovery import discover

    broadcasts = await network.async_get_ipv4_broadcast_addresses(hass)
    return await discover(broadcasts=sorted(map(str, broadcasts)))


@callback
def async_entries(hass: HomeAssistant, kind: str | None = None) -> list[ConfigEntry]:
    """Return the entries of real machines, of one family or of all."""
    return [
        entry
        for entry in hass.config_entries.async_entries(DOMAIN, include_ignore=False)
        if CONF_DEMO not in entry.data and kind in (None, entry.data.get(CONF_FAMILY))
    ]


@callback
def answers(entry: ConfigEntry) -> bool:
    """Return whether the machine of an entry answers at its address."""
    if entry.state is not ConfigEntryState.LOADED:
        return False
    coordinator = getattr(getattr(entry, "runtime_data", None), "coordinator", None)
    return coordinator is None or bool(coordinator.last_update_success)


@callback
def async_move(hass: HomeAssistant, entry: ConfigEntry, host: str, port: int | None = None) -> bool:
    """Let an entry follow its machine to another address; return whether it had to.

    A name that an owner entered stays: whatever gives it out knows the new address.
    """
    if entry.data[CONF_HOST] == host or not is_ip_address(entry.data[CONF_HOST]):
        return False
    LOGGER.info("%s: answers at %s now, no longer at %s", entry.title, host, entry.data[CONF_HOST])
    data = {**entry.data, CONF_HOST: host}
    if port is not None:
        data[CONF_PORT] = port
    hass.config_entries.async_update_entry(entry, data=data)
    hass.config_entries.async_schedule_reload(entry.entry_id)
    return True


def address_of(entry: ConfigEntry, host: str) -> Address:
    """Return an entry's address with another host."""
    return Address(host=host, port=entry.data[CONF_PORT], unit=entry.data.get(CONF_UNIT, 0))


@callback
def async_cards(hass: HomeAssistant, entry: ConfigEntry) -> set[str]:
    """Return the MAC addresses that are known of an entry's machine."""
    device = _machine(hass, entry)
    if device is None:
        return set()
    return {mac for kind, mac in device.connections if kind == CONNECTION_NETWORK_MAC}


@callback
def async_keep_card(hass: HomeAssistant, entry: ConfigEntry, mac: str) -> None:
    """Remember a MAC address of an entry's machine, so that DHCP finds it again."""
    if (device := _machine(hass, entry)) is not None:
        dr.async_get(hass).async_update_device(
            device.id, merge_connections={(CONNECTION_NETWORK_MAC, dr.format_mac(mac))}
        )


@callback
def async_seen_by_dhcp(hass: HomeAssistant) -> Iterable[DhcpServiceInfo]:
    """Return the devices that Home Assistant has seen in the network."""
    if _DHCP not in hass.config.components:
        return ()
    # Its own requirements are there only where it is in use.
    from homeassistant.components.dhcp import async_discovered_service_info

    return async_discovered_service_info(hass)


def _machine(hass: HomeAssistant, entry: ConfigEntry) -> dr.DeviceEntry | None:
    if (identity := entry.data.get(CONF_IDENTITY)) is None:
        return None
    return dr.async_get(hass).async_get_device_by_identifier((DOMAIN, identity), entry.entry_id)
