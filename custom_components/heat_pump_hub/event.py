"""Episodes of anomalies, as events to build automations on."""

from typing import Final, override

from homeassistant.components.event import EventEntity
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .anomaly_episodes import EPISODE, EVENT_TYPES, EpisodeEvent
from .coordinator import HubConfigEntry, HubData
from .drivers.points import MACHINE
from .entity import HubEntity

# Nothing is read here: the coordinator reads for all.
PARALLEL_UPDATES = 0

UNRECORDED: Final = frozenset({"explanation"})


async def async_setup_entry(
    hass: HomeAssistant, entry: HubConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the events of the detector."""
    async_add_entities([AnomalyEvent(entry.runtime_data)])


class AnomalyEvent(HubEntity, EventEntity):
    """An anomaly began, ended, or no longer counts as an alarm."""

    _attr_translation_key = EPISODE
    _unrecorded_attributes = UNRECORDED

    def __init__(self, data: HubData) -> None:
        """Belong to the machine."""
        super().__init__(data, EPISODE)
        self._episodes = data.episodes
        self._attr_event_types = list(EVENT_TYPES)
        self._attr_device_info = data.devices[MACHINE]

    @property
    @override
    def available(self) -> bool:
        """What happened has happened, whether or not the heat pump answers now."""
        return True

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        self.async_on_remove(self._episodes.async_add_listener(self._happened))

    async def async_entity_id_changed(self, old_entity_id: str) -> None:
        """Nothing here depends on the entity id."""

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        """Nothing of a poll shows here."""

    @callback
    def _happened(self, event: EpisodeEvent) -> None:
        self._trigger_event(event.type, dict(event.attributes))
        self.async_write_ha_state()
