"""The parts of River that the detector is made of, imported when first asked for.

Importing ``river.stats`` costs about half a second and 37 MiB (numpy included), so
whoever owns an event loop calls :func:`load` in an executor first.
"""

import importlib
from typing import Any

_parts: dict[str, Any] = {}


def load() -> None:
    """Import what the detector needs of River; a second call costs nothing.

    Raises ``ImportError``, with a message for the owner, if River is missing or
    its compiled parts do not work on this machine.
    """
    if "stats" in _parts:
        return
    try:
        _parts["stats"] = importlib.import_module("river.stats")
    except (ImportError, OSError, AttributeError, TypeError, ValueError, RuntimeError) as err:
        msg = f"River, which the anomaly detection learns with, cannot be imported: {err}"
        raise ImportError(msg) from err


class Longest:
    """A maximum in whole milliseconds; 0 while nothing was seen. O(1)."""

    __slots__ = ("_max", "value")

    def __init__(self, value: int = 0) -> None:
        """Start, or continue from a saved value."""
        self._max = _parts["stats"].Max()
        self.value = 0
        self.learn(value)

    def learn(self, value: int) -> None:
        """Take one more value."""
        self._max.update(value)
        self.value = int(self._max.get())


class Typical:
    """An exponentially weighted mean, restored bit for bit by its first update. O(1)."""

    __slots__ = ("_mean", "_seen")

    def __init__(self, fading: float, value: float | None = None) -> None:
        """Start, or continue from a saved value."""
        self._mean = _parts["stats"].EWMean(fading_factor=fading)
        self._seen = False
        if value is not None:
            self.learn(value)

    @property
    def value(self) -> float | None:
        """The mean, ``None`` while nothing was seen."""
        return float(self._mean.get()) if self._seen else None

    def learn(self, value: float) -> None:
        """Take one more value."""
        self._mean.update(value)
        self._seen = True
