"""What a heat pump measures and counts, and how its history and its detector fare."""

from datetime import UTC, datetime
from typing import ClassVar, Final, override

from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorStateClass
from homeassistant.const import PERCENTAGE, EntityCategory, Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .archive import Archive
from .const import DOMAIN
from .coordinator import HubConfigEntry, HubData
from .drivers.points import MACHINE, Kind, Point, Quantity, Value
from .entity import AnomalyEntity, HubEntity, PointEntity, async_add_in_slices, points_of
from .history.series import moment
from .units import DEVICE_CLASSES

# Nothing is read here: the coordinator reads for all.
PARALLEL_UPDATES = 0

COUNTABLE: Final = frozenset({Quantity.ENERGY, Quantity.COUNT, Quantity.DURATION})
"""Of other quantities Home Assistant takes no sums."""


async def async_setup_entry(
    hass: HomeAssistant, entry: HubConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the readings, and the state of history and detector."""
    data = entry.runtime_data
    await async_add_in_slices(
        async_add_entities,
        (ReadingEntity(data, point) for point in points_of(entry, Platform.SENSOR)),
    )
    async_add_entities([AnomalyProbabilitySensor(data), LearningProgressSensor(data)])
    if data.archive is None:
        _forget_history(hass, data.identity)
    else:
        async_add_entities(kind(data, data.archive) for kind in HISTORY_SENSORS)


@callback
def _forget_history(hass: HomeAssistant, identity: str) -> None:
    """Remove what a history server left that was named once; named again, they are as they were."""
    registry = er.async_get(hass)
    for kind in HISTORY_SENSORS:
        unique_id = f"{identity}_{kind.key}"
        if found := registry.async_get_entity_id(Platform.SENSOR, DOMAIN, unique_id):
            registry.async_remove(found)


def state_class_of(point: Point) -> SensorStateClass | None:
    """Return whether statistics of a point are means or sums; ``None``: neither makes sense."""
    if point.quantity in (Quantity.STATE, Quantity.CODE):
        return None
    if point.quantity in COUNTABLE and point.kind is Kind.COUNTER:
        return SensorStateClass.TOTAL_INCREASING
    if point.quantity is Quantity.ENERGY:
        # Not a counter: of today, say, and so it falls at midnight.
        return SensorStateClass.TOTAL
    return SensorStateClass.MEASUREMENT


class ReadingEntity(PointEntity, SensorEntity):
    """A point that cannot be written, or that a room measures unless it is fed."""

    def __init__(self, data: HubData, point: Point) -> None:
        """Describe the values by the point's quantity."""
        if point.quantity is Quantity.STATE:
            self._attr_device_class = SensorDeviceClass.ENUM
            self._attr_options = list(dict.fromkeys((point.options or {}).values()))
        elif (device_class := DEVICE_CLASSES.get(point.quantity)) is not None:
            self._attr_device_class = SensorDeviceClass(device_class)
        self._attr_state_class = state_class_of(point)
        self._attr_native_unit_of_measurement = point.unit
        if self._attr_state_class is not None:
            self._attr_suggested_display_precision = point.decimals
        super().__init__(data, point)
        if point.writable:
            self._attr_entity_category = None

    @override
    def _set_value(self, value: Value | None) -> None:
        self._attr_native_value = value


class AnomalyProbabilitySensor(AnomalyEntity, SensorEntity):
    """How sure the detector is that something is wrong."""

    _attr_native_unit_of_measurement = PERCENTAGE
    _attr_state_class = SensorStateClass.MEASUREMENT
    _attr_suggested_display_precision = 0

    def __init__(self, data: HubData) -> None:
        """Name the entity after its purpose."""
        super().__init__(data, "anomaly_probability")

    @override
    def _judge(self) -> object:
        verdict = self._watch.verdict
        self._attr_native_value = None if verdict is None else round(verdict.score * 100, 1)
        return self._attr_native_value


class LearningProgressSensor(AnomalyEntity, SensorEntity):
    """How far the detector's warm-up is."""

    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _attr_native_unit_of_measurement = PERCENTAGE
    _attr_suggested_display_precision = 0

    def __init__(self, data: HubData) -> None:
        """Name the entity after its purpose."""
        super().__init__(data, "learning_progress")

    @override
    def _judge(self) -> object:
        verdict = self._watch.verdict
        # Whole percents: a warm-up of days would else write a state each poll.
        self._attr_native_value = None if verdict is None else int(verdict.progress * 100)
        return self._attr_native_value


class HistoryEntity(HubEntity, SensorEntity):
    """Shows the state of the way to the history server, heat pump or not."""

    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _attr_entity_registry_enabled_default = False

    key: ClassVar[str]

    def __init__(self, data: HubData, archive: Archive) -> None:
        """Belong to the machine."""
        super().__init__(data, self.key)
        self._archive = archive
        self._attr_device_info = data.devices[MACHINE]
        self._attr_translation_key = self.key
        self._attr_native_value = self._now()

    @property
    @override
    def available(self) -> bool:
        """The server is another machine than the heat pump."""
        return True

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        if (value := self._now()) != self._attr_native_value:
            self._attr_native_value = value
            self.async_write_ha_state()

    def _now(self) -> int | datetime | None:
        raise NotImplementedError


class HistoryBacklogSensor(HistoryEntity):
    """Samples that wait for the server, of all heat pumps that share the writer."""

    _attr_state_class = SensorStateClass.MEASUREMENT

    key = "history_backlog"

    @override
    def _now(self) -> int:
        return self._archive.stats.queued_samples


class HistoryLastStoredSensor(HistoryEntity):
    """When the server last took samples."""

    _attr_device_class = SensorDeviceClass.TIMESTAMP

    key = "history_last_stored"

    @override
    def _now(self) -> datetime | None:
        last = self._archive.stats.last_success
        return None if last is None else datetime.fromtimestamp(int(last), UTC)


class HistoryOldestSensor(HistoryEntity):
    """When the oldest sample was taken that waits for the server."""

    _attr_device_class = SensorDeviceClass.TIMESTAMP

    key = "history_oldest"

    @override
    def _now(self) -> datetime | None:
        return _moment(self._archive.stats.oldest)


class HistoryVerifiedSensor(HistoryEntity):
    """When the newest sample was taken that was found on the server."""

    _attr_device_class = SensorDeviceClass.TIMESTAMP

    key = "history_verified"

    @override
    def _now(self) -> datetime | None:
        return _moment(self._archive.stats.last_verified)


class HistoryDroppedSensor(HistoryEntity):
    """Samples that were given up because the journal was full."""

    _attr_state_class = SensorStateClass.TOTAL_INCREASING

    key = "history_dropped"

    @override
    def _now(self) -> int:
        return self._archive.stats.dropped


HISTORY_SENSORS: Final[tuple[type[HistoryEntity], ...]] = (
    HistoryBacklogSensor,
    HistoryLastStoredSensor,
    HistoryOldestSensor,
    HistoryVerifiedSensor,
    HistoryDroppedSensor,
)


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else moment(milliseconds)
