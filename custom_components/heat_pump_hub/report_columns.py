"""The columns of a report, in the words and units its owner sees in Home Assistant."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from math import log10
from typing import Final

from homeassistant.const import ATTR_FRIENDLY_NAME, ATTR_UNIT_OF_MEASUREMENT
from homeassistant.core import HomeAssistant, split_entity_id
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.translation import async_get_translations

from .companions import SWITCHED
from .const import DOMAIN
from .drivers.points import Kind, Point
from .history.companion_series import DECIMALS, companion_of
from .history.reports import Column
from .names import chosen_unit, entity_of, title_of
from .units import for_owner

TIME: Final = f"component.{DOMAIN}.selector.report_column.options.time"


async def async_columns(
    hass: HomeAssistant,
    identity: str,
    points: Mapping[str, Point],
    keys: Collection[str],
) -> tuple[list[Column], str]:
    """Return the columns of ``keys``, and the title of the time.

    Points of the heat pump come first, in their order, then entities of others by their id,
    which is added where two would have the same header.
    """
    language = hass.config.language
    words = await async_get_translations(hass, language, "entity", {DOMAIN})
    titles = await async_get_translations(hass, language, "selector", {DOMAIN})
    companions = {key: found for key in keys if (found := companion_of(key)) is not None}
    columns = [
        _of_point(hass, point, entity_of(hass, identity, point), words)
        for key, point in points.items()
        if key in keys and key not in companions
    ]
    columns += [
        _of_companion(hass, key, entity_id, unit, points.get(key))
        for key, (entity_id, unit) in sorted(companions.items())
    ]
    headers = Counter(column.header for column in columns)
    columns = [
        replace(column, title=f"{column.title} {companions[column.key][0]}")
        if headers[column.header] > 1 and column.key in companions
        else column
        for column in columns
    ]
    return columns, titles.get(TIME, "Time")


def _of_point(
    hass: HomeAssistant, point: Point, entity: er.RegistryEntry | None, words: Mapping[str, str]
) -> Column:
    states: dict[str, str] = {}
    if entity is not None:
        prefix = f"component.{DOMAIN}.entity.{entity.domain}.{point.name}.state."
        states = {
            slug: words[prefix + slug]
            for slug in (point.options or {}).values()
            if prefix + slug in words
        }
    column = Column(
        key=point.key,
        title=title_of(hass, point, entity),
        unit=point.unit,
        kind=point.kind,
        tier=point.tier,
        decimals=point.decimals,
        states=states,
    )
    return _for_owner(hass, column, None if entity is None else entity.entity_id)


def _of_companion(
    hass: HomeAssistant, key: str, entity_id: str, unit: str | None, point: Point | None
) -> Column:
    """Return the column of an entity, which may be gone, or no companion any more."""
    state = hass.states.get(entity_id)
    entity = er.async_get(hass).async_get(entity_id)
    title = None if state is None else state.attributes.get(ATTR_FRIENDLY_NAME)
    if title is None and entity is not None:
        title = er.async_get_full_entity_name(hass, entity)
    if point is not None:
        kind = point.kind
    else:
        kind = Kind.STATE if split_entity_id(entity_id)[0] in SWITCHED else Kind.ANALOG
    column = Column(key=key, title=title or entity_id, unit=unit, kind=kind, decimals=DECIMALS)
    return _for_owner(hass, column, entity_id)


def _for_owner(hass: HomeAssistant, column: Column, entity_id: str | None) -> Column:
    """Return a column in the unit in which its owner sees the entity."""
    if column.unit is None:
        return column
    wish = None
    if entity_id is not None:
        wish = chosen_unit(er.async_get(hass).async_get(entity_id))
        if (state := hass.states.get(entity_id)) is not None:
            wish = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT, wish)
    unit, convert = for_owner(hass.config.units, column.unit, wish)
    if unit == column.unit:
        return column
    # What is kept in W with a decimal needs four in kW.
    more_decimals = max(0, round(-log10(convert(1.0) - convert(0.0))))
    return column.converted(unit, convert, more_decimals=more_decimals)
