"""Commands a heat pump takes: points that can be written and have no value."""

from typing import override

from homeassistant.components.button import ButtonEntity
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import HubConfigEntry
from .drivers.points import Quantity, Value
from .entity import ControlEntity, async_add_in_slices, points_of

# The guard lets writes of one register follow one another; others need not wait for its read-back.
PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant, entry: HubConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the commands."""
    data = entry.runtime_data
    await async_add_in_slices(
        async_add_entities,
        (CommandEntity(data, point) for point in points_of(entry, Platform.BUTTON)),
    )


class CommandEntity(ControlEntity, ButtonEntity):
    """A command, such as acknowledging faults."""

    @override
    async def async_press(self) -> None:
        """Send the command."""
        await self._async_write(True if self.point.quantity is Quantity.FLAG else 1)

    @override
    def _set_value(self, value: Value | None) -> None:
        """Keep nothing: a command has no value."""
