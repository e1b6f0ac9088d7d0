"""The base entity, and the one mapping from a point to what Home Assistant knows."""

import asyncio
from collections.abc import Iterable
from itertools import batched
from typing import Final, override

from homeassistant.const import EntityCategory, Platform
from homeassistant.core import callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import DOMAIN
from .control import (
    Asker,
    ControlError,
    ControlOffError,
    CooldownError,
    NotAcceptedError,
    NotReadError,
    NotSavedError,
    NotWritableError,
    UnverifiedError,
    ValueNotAllowedError,
)
from .coordinator import Absent, HeatPumpCoordinator, HubConfigEntry, HubData, Shown, UnknownCode
from .drivers.points import MACHINE, Kind, Point, Quantity, Value

ATTR_RAW_CODE: Final = "raw_code"

SLICE: Final = 20
"""Entities added at a time; each costs about 0.1 ms."""

NOT_ALLOWED: Final = (ControlOffError, CooldownError, NotWritableError, ValueNotAllowedError)
"""What the owner asked for may not be done; all else is what the heat pump did not do."""


def platform_of(point: Point) -> Platform:
    """Return the platform that shows a point."""
    if not point.writable:
        return Platform.BINARY_SENSOR if point.quantity is Quantity.FLAG else Platform.SENSOR
    if not point.readable:
        return Platform.BUTTON
    if point.quantity is Quantity.FLAG:
        return Platform.SWITCH
    return Platform.SELECT if point.quantity is Quantity.STATE else Platform.NUMBER


def category_of(point: Point) -> EntityCategory | None:
    """Return the entity category of a point."""
    if point.writable:
        return EntityCategory.CONFIG
    return EntityCategory.DIAGNOSTIC if point.diagnostic else None


def is_fed_measurement(point: Point) -> bool:
    """Whether a room measures it itself, unless its owner feeds it: a sensor, and an input."""
    return point.writable and point.kind is Kind.ANALOG and "room" in point.labels


def points_of(entry: HubConfigEntry, platform: Platform) -> Iterable[Point]:
    """Yield the points that a platform shows."""
    for point in entry.runtime_data.driver.points.values():
        if platform_of(point) is platform or (
            platform is Platform.SENSOR and is_fed_measurement(point)
        ):
            yield point


async def async_add_in_slices(
    async_add_entities: AddConfigEntryEntitiesCallback, entities: Iterable[Entity]
) -> None:
    """Add entities, leaving the event loop to others between slices.

    Home Assistant adds all entities of one call without a pause, disabled ones included.
    """
    for some in batched(entities, SLICE, strict=False):
        async_add_entities(some)
        await asyncio.sleep(0)


class HubEntity(CoordinatorEntity[HeatPumpCoordinator]):
    """What all entities of a heat pump share."""

    _attr_has_entity_name = True

    def __init__(self, data: HubData, key: str) -> None:
        """Take the identity that the config flow decided."""
        super().__init__(data.coordinator)
        self._attr_unique_id = f"{data.identity}_{key}"


class PointEntity(HubEntity):
    """Shows one point; writes its state only when what it shows has changed."""

    _unrecorded_attributes = frozenset({ATTR_RAW_CODE})

    def __init__(self, data: HubData, point: Point) -> None:
        """Describe the entity by its point."""
        super().__init__(data, point.key)
        self.point = point
        self._key = point.key
        self._attr_device_info = data.devices[point.part]
        self._attr_translation_key = point.name
        self._attr_translation_placeholders = point.placeholders
        self._attr_entity_category = category_of(point)
        self._attr_entity_registry_enabled_default = point.enabled
        self._shown: Shown | None = self.coordinator.shown.get(point.key)
        self._take(self._shown)

    @property
    @override
    def available(self) -> bool:
        """Availability means communication: a value the heat pump does not have is unknown."""
        return self._shown is not Absent.NO_ANSWER

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        shown = self.coordinator.shown.get(self._key)
        if shown == self._shown:
            return
        self._shown = shown
        self._take(shown)
        self.async_write_ha_state()

    def _take(self, shown: Shown | None) -> None:
        if isinstance(shown, UnknownCode):
            self._attr_extra_state_attributes = {ATTR_RAW_CODE: shown.code}
            self._set_value(None)
        else:
            self._attr_extra_state_attributes = {}
            self._set_value(None if isinstance(shown, Absent) else shown)

    def _set_value(self, value: Value | None) -> None:
        """Keep the value in the platform's attribute; ``None``: unknown."""
        raise NotImplementedError


class AnomalyEntity(HubEntity):
    """Shows something of the detector's verdict; writes its state only when that changed."""

    def __init__(self, data: HubData, key: str) -> None:
        """Belong to the machine."""
        super().__init__(data, key)
        self._watch = data.anomaly
        self._attr_device_info = data.devices[MACHINE]
        self._attr_translation_key = key
        self._judged = self._judge()
        self._was_available = self.available

    @property
    @override
    def available(self) -> bool:
        """Without the heat pump, or without River, there is nothing to judge."""
        return self.coordinator.last_update_success and not self._watch.missing

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        self.async_on_remove(self._watch.async_add_listener(self._handle_coordinator_update))

    async def async_entity_id_changed(self, old_entity_id: str) -> None:
        """Nothing here depends on the entity id."""

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        judged, available = self._judge(), self.available
        if judged == self._judged and available is self._was_available:
            return
        self._judged, self._was_available = judged, available
        self.async_write_ha_state()

    def _judge(self) -> object:
        """Set the platform's attributes; return what they depend on."""
        raise NotImplementedError


class ControlEntity(PointEntity):
    """Shows one point and writes it through the write guard."""

    def __init__(self, data: HubData, point: Point) -> None:
        """Keep the guard besides."""
        super().__init__(data, point)
        self._guard = data.guard

    async def _async_write(self, value: Value) -> None:
        """Write, and wait until the heat pump shows the value.

        The guard tells the coordinator what the heat pump shows. Raises
        :class:`ServiceValidationError` for what may not be done, and
        :class:`HomeAssistantError` for what the heat pump did not do, both translated.
        """
        try:
            result = await self._guard.write(self._key, value, asked_by=self._asker())
        except ControlError as error:
            if isinstance(error, NotAcceptedError | UnverifiedError):
                self.coordinator.async_read_settings_soon()
            raise translated(error) from error
        if result.outcome == "written":
            self.coordinator.async_read_settings_soon()

    def _asker(self) -> Asker:
        """Return who asked, as far as the context of the running action tells."""
        if (context := self._context) is None:
            return Asker()
        ids = {context.id, context.parent_id}
        automation = next(
            (
                state.entity_id
                for state in self.hass.states.async_all(("automation", "script"))
                if state.context.id in ids
            ),
            None,
        )
        return Asker(
            user=context.user_id,
            automation=automation,
            context=context.id,
            parent=context.parent_id,
        )


def translated(error: ControlError) -> HomeAssistantError:
    """Return a failed write as an error in the owner's language."""
    placeholders = error.placeholders
    match error:
        case CooldownError():
            placeholders = placeholders | {"seconds": str(error.seconds_left)}
            key = "cooldown"
        case ValueNotAllowedError() if error.options:
            key = "option_not_allowed"
        case NotReadError():
            key = "no_connection"
        case NotSavedError():
            key = "write_not_saved"
        case _:
            key = error.translation_key
    kind = ServiceValidationError if isinstance(error, NOT_ALLOWED) else HomeAssistantError
    return kind(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )
