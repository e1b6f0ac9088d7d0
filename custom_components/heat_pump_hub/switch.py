"""Settings of a heat pump that are on or off, and whether its detector rests."""

from typing import Any, override

from homeassistant.components.switch import SwitchEntity
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import HubConfigEntry, HubData
from .drivers.points import Value
from .entity import AnomalyEntity, ControlEntity, async_add_in_slices, points_of

# The guard lets writes of one register follow one another; others need not wait for its read-back.
PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant, entry: HubConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the flags that can be written, and the switch of the detector."""
    data = entry.runtime_data
    await async_add_in_slices(
        async_add_entities,
        (RequestEntity(data, point) for point in points_of(entry, Platform.SWITCH)),
    )
    async_add_entities([AnomalyPauseSwitch(data)])


class RequestEntity(ControlEntity, SwitchEntity):
    """A flag that can be written."""

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Set the flag."""
        await self._async_write(True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Clear the flag."""
        await self._async_write(False)

    @override
    def _set_value(self, value: Value | None) -> None:
        self._attr_is_on = None if value is None else bool(value)


class AnomalyPauseSwitch(AnomalyEntity, SwitchEntity):
    """Lets the detector neither learn nor judge: during work on the system, say."""

    _attr_entity_category = EntityCategory.CONFIG

    def __init__(self, data: HubData) -> None:
        """Name the entity after its purpose."""
        super().__init__(data, "anomaly_pause")

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Pause."""
        await self._watch.async_pause(True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Go on."""
        await self._watch.async_pause(False)

    @override
    def _judge(self) -> object:
        verdict = self._watch.verdict
        self._attr_is_on = None if verdict is None else verdict.state == "paused"
        return self._attr_is_on
