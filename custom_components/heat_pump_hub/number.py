"""Settings of a heat pump that are numbers."""

from typing import Final, override

from homeassistant.components.number import NumberDeviceClass, NumberEntity, NumberMode
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import HubConfigEntry, HubData
from .drivers.points import Point, Value
from .entity import ControlEntity, async_add_in_slices, is_fed_measurement, points_of

# The guard lets writes of one register follow one another; others need not wait for its read-back.
from .units import DEVICE_CLASSES

PARALLEL_UPDATES = 0

UNBOUNDED: Final = 1_000_000.0
"""Where no document names a limit, Home Assistant still wants one."""


async def async_setup_entry(
    hass: HomeAssistant, entry: HubConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the settings that are numbers."""
    data = entry.runtime_data
    await async_add_in_slices(
        async_add_entities,
        (SettingEntity(data, point) for point in points_of(entry, Platform.NUMBER)),
    )


def bounds_of(point: Point) -> tuple[float, float]:
    """Return the least and the greatest number an owner may enter, in the point's unit.

    The value that means "no request" may lie outside the bounds of a request.
    """
    low = -UNBOUNDED if point.minimum is None else point.minimum
    high = UNBOUNDED if point.maximum is None else point.maximum
    if isinstance(point.default, int | float):
        low, high = min(low, point.default), max(high, point.default)
    return low, high


class SettingEntity(ControlEntity, NumberEntity):
    """A number that can be written."""

    # A slider that is dragged would write on its way; what is typed is meant.
    _attr_mode = NumberMode.BOX

    def __init__(self, data: HubData, point: Point) -> None:
        """Describe the values by the point's quantity and bounds."""
        if (device_class := DEVICE_CLASSES.get(point.quantity)) is not None:
            self._attr_device_class = NumberDeviceClass(device_class)
        self._attr_native_unit_of_measurement = point.unit
        self._attr_native_min_value, self._attr_native_max_value = bounds_of(point)
        self._attr_native_step = point.step or 10**-point.decimals
        super().__init__(data, point)
        if is_fed_measurement(point):
            # its sensor is what owners look at; few feed it
            self._attr_entity_registry_enabled_default = False

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Write a number."""
        await self._async_write(value)

    @override
    def _set_value(self, value: Value | None) -> None:
        if value is None or isinstance(value, str):
            self._attr_native_value = None
        else:
            # Home Assistant hands out floats; "50.0" looks odd where only whole numbers exist.
            self._attr_native_value = value if self.point.decimals else round(value)
