"""Observed and expected numbers of the last days, for plots; not part of a saved state."""

from collections import deque
from datetime import datetime
from typing import Final

import numpy as np

from .arrays import Array

_KEPT: Final = 576
"""Windows of five minutes: two days of them."""

type Point = tuple[datetime, float, float, float]


class Trail:
    """A bounded memory of what a model judged."""

    __slots__ = ("_rows",)

    def __init__(self) -> None:
        """Remember nothing."""
        self._rows: deque[tuple[datetime, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]]
        self._rows = deque(maxlen=_KEPT)

    def add(self, time: datetime, observed: Array, expected: Array, tolerance: Array) -> None:
        """Remember one window of all relations."""
        self._rows.append((time, np.stack((observed, expected, tolerance)).astype(np.float32)))

    def points(self, row: int) -> list[Point]:
        """Return time, observed, expected and tolerance of one relation, oldest first."""
        found: list[Point] = []
        for time, numbers in self._rows:
            observed, expected, tolerance = (round(float(one), 3) for one in numbers[:, row])
            found.append((time, observed, expected, tolerance))
        return found
