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
        """Offer all states: one that cannot be written may still be shown."""
        self._attr_options = list(dict.fromkeys((point.options or {}).values()))
        super().__init__(data, point)

    @override
    async def async_select_option(self, option: str) -> None:
        """Write a state; the guard refuses those that are the heat pump's own."""
        await self._async_write(option)

    @override
    def _set_value(self, value: Value | None) -> None:
        self._attr_current_option = None if value is None else str(value)
