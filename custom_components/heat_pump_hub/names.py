"""What an owner calls a point: the name of its entity, with its part before it."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.const import ATTR_UNIT_OF_MEASUREMENT, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er

from .const import DOMAIN
from .drivers.points import PartKind, Point

_PLATFORMS: Final = (
    Platform.SENSOR,
    Platform.BINARY_SENSOR,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SWITCH,
)


def entity_of(hass: HomeAssistant, identity: str, point: Point) -> er.RegistryEntry | None:
    """Return the entity of a point, disabled or not."""
    registry = er.async_get(hass)
    for platform in _PLATFORMS:
        found = registry.async_get_entity_id(platform, DOMAIN, f"{identity}_{point.key}")
        if found is not None:
            return registry.async_get(found)
    return None


def key_of(entity: er.RegistryEntry, identity: str) -> str:
    """Return the key of an entity of ours."""
    return entity.unique_id.removeprefix(f"{identity}_")


def title_of(hass: HomeAssistant, point: Point, entity: er.RegistryEntry | None) -> str:
    """Return the name of a point's entity; its key if it has none."""
    if entity is None:
        return point.key
    title = entity.name or entity.original_name or point.key
    device = dr.async_get(hass).async_get(entity.device_id) if entity.device_id else None
    if device is not None and point.part.kind is not PartKind.MACHINE:
        title = f"{device.name_by_user or device.name} {title}"
    return title


def chosen_unit(entity: er.RegistryEntry | None) -> str | None:
    """Return the unit that an owner chose for an entity."""
    if entity is None:
        return None
    options: Mapping[str, Any] = entity.options.get(entity.domain, {})
    return options.get(ATTR_UNIT_OF_MEASUREMENT)
