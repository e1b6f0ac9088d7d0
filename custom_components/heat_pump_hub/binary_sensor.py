"""Flags a heat pump reports, and whether something is wrong with it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, override

from homeassistant.components.binary_sensor import BinarySensorEntity
from homeassistant.components.binary_sensor.const import BinarySensorDeviceClass
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import HubConfigEntry, HubData
from .detection.verdict import Reason
from .drivers.points import Point, Value
from .entity import AnomalyEntity, PointEntity, async_add_in_slices, points_of

# Nothing is read here: the coordinator reads for all.
PARALLEL_UPDATES = 0

DEVICE_CLASSES: Final[Mapping[str, BinarySensorDeviceClass]] = MappingProxyType(
    {
        "backup_heater_running": BinarySensorDeviceClass.RUNNING,
        "booster_compressor": BinarySensorDeviceClass.RUNNING,
        "circulation_pump": BinarySensorDeviceClass.RUNNING,
        "compressor_running": BinarySensorDeviceClass.RUNNING,
        "compressor_status": BinarySensorDeviceClass.RUNNING,
        "defrosting": BinarySensorDeviceClass.RUNNING,
        "dhw_charging": BinarySensorDeviceClass.RUNNING,
        "fault": BinarySensorDeviceClass.PROBLEM,
        "fault_heat_source_circuit": BinarySensorDeviceClass.PROBLEM,
        "pump_running": BinarySensorDeviceClass.RUNNING,
    }
)


async def async_setup_entry(
    hass: HomeAssistant, entry: HubConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the flags, and the verdict of the detector."""
    data = entry.runtime_data
    await async_add_in_slices(
        async_add_entities,
        (FlagEntity(data, point) for point in points_of(entry, Platform.BINARY_SENSOR)),
    )
    async_add_entities([AnomalyBinarySensor(data)])


class FlagEntity(PointEntity, BinarySensorEntity):
    """A flag that cannot be written."""

    def __init__(self, data: HubData, point: Point) -> None:
        """Choose the device class by what the flag means."""
        self._attr_device_class = DEVICE_CLASSES.get(point.name)
        super().__init__(data, point)

    @override
    def _set_value(self, value: Value | None) -> None:
        self._attr_is_on = None if value is None else bool(value)


class AnomalyBinarySensor(AnomalyEntity, BinarySensorEntity):
    """Whether the heat pump, or one of its sensors, behaves unlike itself."""

    _attr_device_class = BinarySensorDeviceClass.PROBLEM
    _unrecorded_attributes = frozenset({"explanation", "reasons"})

    def __init__(self, data: HubData) -> None:
        """Name the entity after its purpose."""
        self._texts = data.episodes.texts
        super().__init__(data, "anomaly")

    @override
    def _judge(self) -> object:
        if (verdict := self._watch.verdict) is None:
            self._attr_is_on = None
            self._attr_extra_state_attributes = {}
            return None
        self._attr_is_on = verdict.alarm
        self._attr_extra_state_attributes = attributes = {
            "learning_state": verdict.state,
            "explanation": self._texts.explanation(verdict.reasons),
            "reasons": [self._reason(reason) for reason in verdict.reasons],
        }
        return verdict.alarm, attributes

    def _reason(self, reason: Reason) -> dict[str, Any]:
        """Return a reason of the detector as an attribute."""
        return {
            "monitor": reason.monitor,
            "signals": list(reason.signals),
            "suspect": reason.suspect,
            **self._texts.attributes(reason),
            "since": reason.since.isoformat(),
        }
