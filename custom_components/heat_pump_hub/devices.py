"""The devices of a heat pump: the machine, and its parts as child devices."""

from collections.abc import Iterable, Mapping
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import ChildDeviceInfo, DeviceInfo

from .const import CONF_FIRMWARE, CONF_MANUFACTURER, CONF_MODEL, DOMAIN
from .drivers.points import MACHINE, Part, PartKind

_PLACEHOLDERS: Final = {PartKind.CIRCUIT: "circuit", PartKind.ZONE: "zone"}


@callback
def async_register_devices(
    hass: HomeAssistant, entry: ConfigEntry, identity: str, parts: Iterable[Part]
) -> Mapping[Part, DeviceInfo | ChildDeviceInfo]:
    """Create the devices of these parts, remove those of parts that are gone.

    The platforms start in random order, and the parent of a child device has to exist
    before it: so this comes before them.
    """
    registry = dr.async_get(hass)
    identifiers = {(DOMAIN, identity)}
    machine = registry.async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers=identifiers,
        manufacturer=entry.data.get(CONF_MANUFACTURER),
        model=entry.data.get(CONF_MODEL),
        name=entry.title,
        sw_version=entry.data.get(CONF_FIRMWARE),
    )
    devices: dict[Part, DeviceInfo | ChildDeviceInfo] = {
        MACHINE: DeviceInfo(
            identifiers=identifiers,
            manufacturer=entry.data.get(CONF_MANUFACTURER),
            model=entry.data.get(CONF_MODEL),
            name=entry.title,
            sw_version=entry.data.get(CONF_FIRMWARE),
        )
    }
    wanted: set[str] = set()
    for part in dict.fromkeys(parts):
        if part.kind is PartKind.MACHINE:
            continue
        identifiers = {(DOMAIN, "_".join(filter(None, (identity, part.kind, part.id))))}
        placeholders = (
            {_PLACEHOLDERS[part.kind]: part.id.upper()} if part.kind in _PLACEHOLDERS else {}
        )
        child = registry.async_get_or_create_child(
            config_entry_id=entry.entry_id,
            identifiers=identifiers,
            parent_device_id=machine.id,
            translation_key=part.kind.value,
            translation_placeholders=placeholders,
        )
        wanted.add(child.id)
        devices[part] = ChildDeviceInfo(
            identifiers=identifiers,
            parent_device_id=machine.id,
            translation_key=part.kind.value,
            translation_placeholders=placeholders,
        )
    for child in dr.async_entries_for_parent_device(registry, machine.id):
        if child.id not in wanted:
            registry.async_remove_device(child.id)
    return devices
