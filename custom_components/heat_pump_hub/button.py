"""Commands a heat pump takes (points that can be written and have no value), and answers."""

from typing import Final, get_args, override

from homeassistant.components.button import ButtonEntity
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import HubConfigEntry, HubData
from .detection.detector import Feedback
from .drivers.points import Quantity, Value
from .entity import AnomalyEntity, ControlEntity, async_add_in_slices, points_of

# The guard lets writes of one register follow one another; others need not wait for its read-back.
PARALLEL_UPDATES = 0

ANSWERS: Final[tuple[Feedback, ...]] = get_args(Feedback.__value__)


async def async_setup_entry(
    hass: HomeAssistant, entry: HubConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the commands, and the answers to an anomaly."""
    data = entry.runtime_data
    await async_add_in_slices(
        async_add_entities,
        (CommandEntity(data, point) for point in points_of(entry, Platform.BUTTON)),
    )
    async_add_entities([AnswerButton(data, answer) for answer in ANSWERS])


class CommandEntity(ControlEntity, ButtonEntity):
    """A command, such as acknowledging faults."""

    @override
    async def async_press(self) -> None:
        """Send the command."""
        await self._async_write(True if self.point.quantity is Quantity.FLAG else 1)

    @override
    def _set_value(self, value: Value | None) -> None:
        """Keep nothing: a command has no value."""


class AnswerButton(AnomalyEntity, ButtonEntity):
    """An owner's answer to an anomaly; there while it would mean something."""

    def __init__(self, data: HubData, answer: Feedback) -> None:
        """Keep who takes the answer."""
        self._episodes = data.episodes
        self._answer = answer
        super().__init__(data, f"anomaly_{answer}")

    @property
    @override
    def available(self) -> bool:
        """An episode stands that has not got this answer."""
        return not self._watch.missing and self._answer in self._episodes.answerable

    @override
    async def async_press(self) -> None:
        """Give the answer."""
        await self._episodes.async_answer(self._answer)
        self.coordinator.async_update_listeners()

    @override
    def _judge(self) -> object:
        """Show nothing but whether it is there."""
        return None
