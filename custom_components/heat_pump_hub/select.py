"""Settings of a heat pump that are one of several states."""

from typing import override

from homeassistant.components.select import SelectEntity
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import HubConfigEntry, HubData
from .drivers.points import Point, Value
from .entity import ControlEntity, async_add_in_slices, points_of

# The guard lets writes of one register follow one another; others need not wait for its read-back.
PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant, entry: HubConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the settings that are states."""
    data = entry.runtime_data
    await async_add_in_slices(
        async_add_entities,
        (ModeEntity(data, point) for point in points_of(entry, Platform.SELECT)),
    )


class ModeEntity(ControlEntity, SelectEntity):
    """A state that can be written."""

    def __init__(self, data: HubData, point: Point) -> None:
        """Offer the states that can be written; another one is offered while it is shown."""
        states = dict.fromkeys((point.options or {}).values())
        self._writable = [
            state
            for state in states
            if point.writable_options is None or state in point.writable_options
        ]
        super().__init__(data, point)

    @override
    async def async_select_option(self, option: str) -> None:
        """Write a state; the guard refuses those that are the heat pump's own."""
        await self._async_write(option)

    @override
    def _set_value(self, value: Value | None) -> None:
        self._attr_current_option = shown = None if value is None else str(value)
        self._attr_options = self._writable
        if shown is not None and shown not in self._writable:
            self._attr_options = [*self._writable, shown]
