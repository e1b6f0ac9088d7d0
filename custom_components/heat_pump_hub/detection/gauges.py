"""One number of normal life each, larger is worse, with a threshold that calibrates itself."""

from collections.abc import Mapping
from typing import Any, Final

from . import state

_BLOCKS: Final = 11
_BLOCK: Final = 5 * 1440.0
_DELAY: Final = 1


class Gauge:
    """The largest values of normal life, known five days late, and the threshold above them."""

    __slots__ = (
        "add", "blocks", "count", "elapsed", "floor", "known", "least", "lived", "margin",
        "threshold", "top", "warm_up",
    )  # fmt: skip

    def __init__(
        self, margin: float, add: float, floor: float, days: float, least: float = 1.0
    ) -> None:
        """Threshold: ``margin`` times the maximum plus ``add``, at least ``floor``.

        Nothing is judged before ``days`` were learned, and values of a weight of ``least``
        were there in the blocks that count.
        """
        self.margin, self.add, self.floor = margin, add, floor
        self.warm_up = days * 1440.0
        self.least = least
        self.blocks: list[float] = [0.0]
        self.elapsed = 0.0
        self.lived = 0.0
        """Minutes of all time."""
        self.count = 0.0
        self.known = 0.0
        self.top = 0.0
        """The largest value of normal life."""
        self.threshold = 0.0
        """The value from which on it alarms."""
        self._refresh()

    def _refresh(self) -> None:
        self.top = max(self.blocks[_DELAY:], default=0.0)
        self.threshold = max(self.margin * self.top + self.add, self.floor)

    @property
    def age_days(self) -> float:
        """For how long it has learned."""
        return self.lived / 1440.0

    @property
    def warm(self) -> bool:
        """Whether enough was learned."""
        return self.lived >= self.warm_up and len(self.blocks) > 1 and self.known >= self.least

    def age(self, minutes: float) -> None:
        """Let time that was watched pass; time in which nothing came teaches nothing."""
        self.lived += minutes
        self.elapsed += minutes
        if self.elapsed >= _BLOCK:
            self.elapsed -= _BLOCK
            if self.count == self.known:
                return
            self.known = self.count
            self.blocks.insert(0, 0.0)
            del self.blocks[_BLOCKS:]
            self._refresh()

    def judge(self, value: float, *, learning: bool, weight: float = 1.0) -> float:
        """Take a value; return its ratio to the threshold, 0 while that is not known."""
        ratio = value / self.threshold if self.warm else 0.0
        if learning and ratio < 1:
            self.count += weight
            self.blocks[0] = max(self.blocks[0], value)
        return ratio

    def accept(self, value: float) -> None:
        """Count a value as normal at once, as the owner says."""
        self.blocks = [max(block, value) for block in self.blocks]
        self._refresh()

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs."""
        return {
            "blocks": list(self.blocks),
            "elapsed": self.elapsed,
            "lived": self.lived,
            "count": self.count,
            "known": self.known,
        }

    def restore(self, part: object) -> None:
        """Take over a saved part; raises :class:`~.state.DamagedError`."""
        if not isinstance(part, Mapping):
            raise state.DamagedError("gauge")
        blocks = state.numbers(part, "blocks", tuple(range(1, _BLOCKS + 1)))
        elapsed = state.number(part, "elapsed")
        if not 0 <= elapsed < _BLOCK or min(blocks) < 0:
            raise state.DamagedError("elapsed")
        lived = state.number(part, "lived")
        if lived < 0:
            raise state.DamagedError("lived")
        count, known = state.number(part, "count"), state.number(part, "known")
        if not 0 <= known <= count:
            raise state.DamagedError("count")
        self.count, self.known, self.lived = count, known, lived
        self.blocks, self.elapsed = blocks, elapsed
        self._refresh()
