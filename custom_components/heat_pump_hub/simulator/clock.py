"""Ties the time of a model to the wall clock."""

from collections.abc import Callable
import time

from .physics import HeatPumpModel

_MOST_STEPS = 360
"""Steps made up for at once; a machine that slept falls behind instead of stalling others."""


class Clock:
    """Advances a model by the real time that passed, times ``speed``."""

    def __init__(
        self,
        model: HeatPumpModel,
        speed: float = 1.0,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start counting now. ``speed`` 0 stops the model's time."""
        self.model = model
        self.speed = speed
        self._monotonic = monotonic
        self._last = monotonic()

    def tick(self) -> bool:
        """Advance the model once at least a second has passed; say whether it moved."""
        now = self._monotonic()
        elapsed = now - self._last
        if elapsed < 1.0:
            return False
        self._last = now
        most = _MOST_STEPS * self.model.inner_step
        return self.model.advance(min(elapsed * self.speed, most)) > 0
