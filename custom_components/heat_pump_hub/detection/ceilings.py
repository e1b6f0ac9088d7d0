"""Self-calibrated thresholds: the largest values of normal life, known with a delay."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from . import state
from .arrays import Array, Places, moved, pack, unpack

BLOCKS = 11
BLOCK = 5 * 1440.0
"""Minutes learned per block: 55 days are remembered."""
_DELAY = 2
"""Blocks too young to be trusted: a slow fault must not teach its own threshold."""
_GROWN = 8
"""Blocks after which the largest value seen is near the largest there is."""
_FADES = 3
_YOUNG = 0.5
"""What is added to a threshold of few blocks: weather that was not there yet goes beyond them."""


class Ceilings:
    """Block maxima of many statistics, and thresholds made of the older ones."""

    __slots__ = (
        "base",
        "blocks",
        "cap",
        "closed",
        "elapsed",
        "known",
        "margin",
        "threshold",
        "top",
    )

    def __init__(
        self, shape: tuple[int, ...], margin: float, base: float | Array, cap: float | Array
    ) -> None:
        """Threshold: ``margin`` times the maximum, within ``base`` and ``cap``.

        It is higher while little was seen: in the first weeks half as high again, then less
        and less.
        """
        self.margin, self.base, self.cap = margin, base, cap
        self.blocks = np.zeros((BLOCKS, *shape))
        self.closed = 0
        """How many blocks were learned to their end, as far as it counts."""
        self.elapsed = 0.0
        self.top = np.zeros(shape)
        self.known = False
        """Whether any of it is old enough to be trusted."""
        self.threshold: Array = np.zeros(shape) + (1.0 + _YOUNG) * base

    def learn(self, values: Array, minutes: float) -> None:
        """Take values of normal life that stand for ``minutes``."""
        np.maximum(self.blocks[0], values, out=self.blocks[0])
        self.elapsed += minutes
        if self.elapsed >= BLOCK:
            self.elapsed -= BLOCK
            if not self.blocks[:_DELAY].any():
                # A season in which nothing ran teaches nothing.
                return
            self.blocks = np.roll(self.blocks, 1, axis=0)
            self.blocks[0] = 0.0
            self.closed = min(self.closed + 1, BLOCKS)
            self.refresh()

    def accept(self, index: int, value: float) -> None:
        """Count a value as normal at once, as the owner says."""
        self.blocks[_DELAY:, index] = np.maximum(self.blocks[_DELAY:, index], value)
        self.refresh()

    def refresh(self) -> None:
        """Work out the thresholds anew."""
        self.top = self.blocks[_DELAY:].max(axis=0)
        self.known = bool(self.top.any())
        missing = max(0, _GROWN - self.closed)
        young = 1.0 + _YOUNG * min(1.0, missing / _FADES)
        self.threshold = young * np.maximum(
            np.clip(self.margin * self.top, self.base, self.cap), 1.25 * self.top
        )

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs."""
        return {
            "blocks": pack(self.blocks),
            "closed": self.closed,
            "elapsed": self.elapsed,
            "size": self.blocks.shape[1],
        }

    def restore(self, part: object, at: Places | None = None) -> None:
        """Take over a saved part, of which ``at`` are the places where they are not the same.

        Raises :class:`~.state.DamagedError`.
        """
        if not isinstance(part, Mapping):
            raise state.DamagedError("limits")
        size = self.blocks.shape[1] if at is None else state.whole(part, "size")
        blocks = moved(unpack(part, "blocks", (BLOCKS, size)), at)
        elapsed = state.number(part, "elapsed")
        seen = int(blocks[1:].any(axis=1).sum())
        closed = state.whole(part, "closed") if "closed" in part else seen
        if not 0 <= elapsed < BLOCK or (blocks < 0).any() or not 0 <= closed <= BLOCKS:
            raise state.DamagedError("limits")
        self.blocks, self.closed, self.elapsed = blocks, closed, elapsed
        self.refresh()
