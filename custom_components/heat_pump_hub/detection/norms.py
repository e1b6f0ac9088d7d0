"""One number a day each, and what it usually is: median and spread of the days before."""

from collections.abc import Mapping
from statistics import median
from typing import Any, Final

from . import state

_KEPT: Final = 45
_DELAY: Final = 4
"""Days too young to be trusted: a slow fault must not teach its own threshold."""
_WIDTHS: Final = 1.4826
"""From the median of absolute deviations to a standard deviation."""


class Norm:
    """Days of normal life; :meth:`judge` says how far the last days are from them.

    ``sign`` is 1 where more is worse, -1 where less is. The threshold is the largest of
    ``widths`` standard deviations, ``share`` of the median and ``least``; each of the last
    ``days`` must be beyond it.
    """

    __slots__ = (
        "days", "known", "least", "needed", "recent", "share", "sign", "widths",
    )  # fmt: skip

    def __init__(
        self, sign: int, widths: float, share: float, least: float, *, days: int = 2,
        needed: int = 10,
    ) -> None:  # fmt: skip
        """Begin with nothing learned; ``needed`` days must be known before any is judged."""
        self.sign, self.widths, self.share, self.least = sign, widths, share, least
        self.days, self.needed = days, needed
        self.known: list[float] = []
        self.recent: list[float] = []

    def judge(self, value: float, *, learning: bool) -> tuple[float, float, float]:
        """Take a day; return ratio to the threshold (0: unknown), the usual value and the threshold."""
        self.recent = [*self.recent[1 - self.days :], value] if self.days > 1 else [value]
        trusted = self.known[:-_DELAY]
        ratio = usual = limit = 0.0
        if len(trusted) >= self.needed:
            usual = median(trusted)
            width = _WIDTHS * median([abs(one - usual) for one in trusted])
            # What few days show is less than what many would.
            sure = 1.0 + 5.0 / len(trusted)
            limit = max(self.widths * width * sure, self.share * abs(usual), self.least)
            if len(self.recent) == self.days:
                ratio = min(self.sign * (one - usual) for one in self.recent) / limit
        if learning and ratio < 1:
            self.known = [*self.known[1 - _KEPT :], value]
        return max(ratio, 0.0), usual, limit

    def accept(self) -> None:
        """Begin anew from the last days, as the owner says that they are normal."""
        self.known = []

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs."""
        return {"known": list(self.known), "recent": list(self.recent)}

    def restore(self, part: object) -> None:
        """Take over a saved part; raises :class:`~.state.DamagedError`."""
        if not isinstance(part, Mapping):
            raise state.DamagedError("norm")
        known = state.numbers(part, "known", tuple(range(_KEPT + 1)))
        self.recent = state.numbers(part, "recent", tuple(range(self.days + 1)))
        self.known = known
