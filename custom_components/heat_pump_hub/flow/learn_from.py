"""Entities of an older integration that the detector learns from: proposed, asked, examined."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.components.sensor.const import ATTR_OPTIONS, UNIT_CONVERTERS
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import ATTR_UNIT_OF_MEASUREMENT, Platform
from homeassistant.core import HomeAssistant, callback, split_entity_id
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    EntityWithDeviceFilterSelectorConfig,
)
import probatio as vol

from ..const import DOMAIN
from ..drivers.points import Point, Quantity, Tier
from ..older_entities import KEYS, Candidate, propose
from ..recorder_source import converter, is_there
from ..units import DEVICE_CLASSES

CONF_LEARN: Final = "learn_from_entities"
"""Leads to the step; it is not stored."""


@callback
def learnable(hass: HomeAssistant, entry: ConfigEntry) -> dict[str, Point]:
    """Return what can be learned from the recorder: nothing without one, or before a set-up."""
    data = getattr(entry, "runtime_data", None)
    if data is None or not is_there(hass):
        return {}
    points: Mapping[str, Point] = data.driver.points
    return {
        key: points[key]
        for key in KEYS
        if key in points and points[key].tier is Tier.MEASUREMENT and points[key].readable
    }


async def async_propose(hass: HomeAssistant, points: Mapping[str, Point]) -> dict[str, str]:
    """Return entities of others that seem to show these points, by key."""
    candidates = [
        Candidate(
            entity_id=entity.entity_id,
            integration=entity.platform,
            entry=entity.config_entry_id,
            device=entity.device_id,
            unit=entity.unit_of_measurement,
            translation_key=entity.translation_key,
            name=entity.original_name,
            options=frozenset((entity.capabilities or {}).get(ATTR_OPTIONS) or ()),
        )
        for entity in er.async_get(hass).entities.values()
        if entity.platform != DOMAIN
        and entity.disabled_by is None
        and entity.domain in (Platform.SENSOR, Platform.BINARY_SENSOR)
    ]

    def fits(point: Point, candidate: Candidate) -> bool:
        return _fits(point, candidate.entity_id, candidate.unit)

    # thousands of names take their time
    return await hass.async_add_executor_job(propose, points, candidates, fits)


def schema(points: Mapping[str, Point]) -> vol.Schema:
    """Return a field for each point."""
    return vol.Schema(
        {
            vol.Optional(key): EntitySelector(EntitySelectorConfig(filter=_filter(point)))
            for key, point in points.items()
        }
    )


@callback
def mistakes(
    hass: HomeAssistant, points: Mapping[str, Point], chosen: Mapping[str, Any]
) -> dict[str, str]:
    """Return errors by field."""
    registry = er.async_get(hass)
    errors: dict[str, str] = {}
    seen: set[str] = set()
    for key, entity_id in chosen.items():
        registered = registry.async_get(entity_id)
        state = hass.states.get(entity_id)
        if registered is not None and registered.platform == DOMAIN:
            errors[key] = "learn_from_own"
        elif entity_id in seen:
            errors[key] = "learn_from_twice"
        elif state is not None or registered is not None:
            unit = None if registered is None else registered.unit_of_measurement
            if state is not None:
                unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT, unit)
            if not _fits(points[key], entity_id, unit):
                errors[key] = "learn_from_unit"
        seen.add(entity_id)
    return errors


def _fits(point: Point, entity_id: str, unit: str | None) -> bool:
    """Whether the states of an entity can become values of a point."""
    domain, _ = split_entity_id(entity_id)
    if point.quantity is Quantity.FLAG:
        return domain == Platform.BINARY_SENSOR
    return domain == Platform.SENSOR and converter(point, unit) is not None


def _filter(point: Point) -> EntityWithDeviceFilterSelectorConfig:
    """Return what narrows the choice in the browser."""
    if point.quantity is Quantity.FLAG:
        return {"domain": Platform.BINARY_SENSOR}
    if point.unit is None:
        return {"domain": Platform.SENSOR}
    kind = UNIT_CONVERTERS.get(DEVICE_CLASSES.get(point.quantity))
    units = {point.unit} if kind is None else kind.VALID_UNITS
    return {"domain": Platform.SENSOR, "unit_of_measurement": sorted(filter(None, units))}
