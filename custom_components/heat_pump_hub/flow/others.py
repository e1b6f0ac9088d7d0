"""Whether entities of others can be what an owner chose them for."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    UnitOfEnergy,
    UnitOfPower,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from ..companions import NUMBERED
from ..const import CONF_COMPANIONS, CONF_METER_ENERGY, CONF_METER_POWER
from ..units import normal

_METER: Final[Mapping[str, tuple[str, str]]] = {
    CONF_METER_POWER: (UnitOfPower.WATT, "meter_no_power"),
    CONF_METER_ENERGY: (UnitOfEnergy.KILO_WATT_HOUR, "meter_no_energy"),
}


@callback
def fault(
    hass: HomeAssistant, entry: ConfigEntry, chosen: Mapping[str, Any]
) -> tuple[str, str] | None:
    """Return the error of what was chosen, and the entity it is about.

    What the entry has already stays: its integration may just not be loaded.
    """
    before = entry.options
    for entity_id in chosen.get(CONF_COMPANIONS, ()):
        if entity_id not in before.get(CONF_COMPANIONS, ()) and (
            error := _companion(hass, entry, entity_id)
        ):
            return error, entity_id
    for option, (unit, wrong_kind) in _METER.items():
        entity_id = chosen.get(option)
        if entity_id and (error := _meter(hass, entry, entity_id, unit, wrong_kind)):
            if error == "meter_is_own" or entity_id != before.get(option):
                return error, entity_id
    return None


def _companion(hass: HomeAssistant, entry: ConfigEntry, entity_id: str) -> str | None:
    state = hass.states.get(entity_id)
    registered = er.async_get(hass).async_get(entity_id)
    if state is None and registered is None:
        return "entity_unknown"
    if registered is not None and registered.config_entry_id == entry.entry_id:
        return "companion_is_own"
    if state is None or state.domain not in NUMBERED:
        return None
    return None if _may_be_number(state.state) else "companion_no_number"


def _meter(
    hass: HomeAssistant, entry: ConfigEntry, entity_id: str, wanted: str, wrong_kind: str
) -> str | None:
    state = hass.states.get(entity_id)
    registered = er.async_get(hass).async_get(entity_id)
    if registered is not None and registered.config_entry_id == entry.entry_id:
        # It would measure itself by what it was told.
        return "meter_is_own"
    if state is None and registered is None:
        return "entity_unknown"
    unit = None if registered is None else registered.unit_of_measurement
    if state is not None:
        unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT, unit)
        if not _may_be_number(state.state):
            return wrong_kind
        if unit is None and state.state == STATE_UNAVAILABLE:
            # It says nothing of itself now.
            return None
    elif unit is None:
        return None
    return None if normal(unit)[0] == wanted else wrong_kind


def _may_be_number(text: str) -> bool:
    if text in (STATE_UNAVAILABLE, STATE_UNKNOWN):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True
