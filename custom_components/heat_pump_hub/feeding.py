"""Keeps inputs alive that the owner feeds: some lapse, some are lost with the link."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_interval

from .const import LOGGER
from .control import CyclicInputs
from .coordinator import HeatPumpCoordinator

CHECK: Final = timedelta(minutes=1)


class Feeding:
    """Writes cyclic inputs again: regularly, and at once after an outage.

    Only what was written through us in this run, and only while the heat pump answers.
    """

    def __init__(
        self, hass: HomeAssistant, coordinator: HeatPumpCoordinator, cyclic: CyclicInputs
    ) -> None:
        """Do nothing before :meth:`start`."""
        self._hass = hass
        self._coordinator = coordinator
        self._cyclic = cyclic
        self._answered = True
        self._failing: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._unsub: list[CALLBACK_TYPE] = []

    @callback
    def start(self) -> None:
        """Begin; call it once the heat pump was read."""
        self._unsub = [
            async_track_time_interval(
                self._hass,
                self._check,
                CHECK,
                name=f"{self._coordinator.name} inputs",
                cancel_on_shutdown=True,
            ),
            self._coordinator.async_add_listener(self._heard),
        ]

    async def async_stop(self) -> None:
        """Write nothing any more; a write that is under way ends first."""
        for unsub in self._unsub:
            unsub()
        self._unsub = []
        if self._task is not None:
            await asyncio.wait({self._task})

    @callback
    def _heard(self) -> None:
        """Repeat everything after an outage: what was written meanwhile may be lost."""
        answers = self._coordinator.last_update_success
        if answers and not self._answered:
            self._begin(everything=True)
        self._answered = answers

    @callback
    def _check(self, _now: datetime) -> None:
        if self._answered:
            self._begin(everything=False)

    @callback
    def _begin(self, *, everything: bool) -> None:
        if self._task is None or self._task.done():
            self._task = self._coordinator.config_entry.async_create_background_task(
                self._hass, self._async_refresh(everything), f"{self._coordinator.name} inputs"
            )

    async def _async_refresh(self, everything: bool) -> None:
        failed = await self._cyclic.refresh(everything=everything)
        for key, error in failed.items():
            if key not in self._failing:
                LOGGER.warning(
                    "%s: an input was not written again: %s", self._coordinator.name, error
                )
        self._failing = set(failed)
