"""Alarms of the learned monitors: raised, held with hysteresis, accepted after three days."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from . import state
from .basis import BALANCES
from .contexts import HOUR
from .latches import ACCEPTED_AFTER
from .verdict import MONITORS, Reason

_QUIET: Final = 0.6
"""Under this share of the threshold, the cause counts as gone."""
_AGAIN_AFTER: Final = 24 * HOUR
_CALM: Final = {"spike": 3 * HOUR, "generic": 6 * HOUR}
_CALM_ELSE: Final = 2 * HOUR
_STALE: Final = {
    "spike": 0, "generic": HOUR, "generic_fast": 96 * HOUR, "generic_slow": 96 * HOUR, "generic_rest": HOUR, "jump": 30 * 24 * HOUR, "fast": 96 * HOUR, "slow": 96 * HOUR, "multi": 96 * HOUR,
}  # fmt: skip
_STALE_ELSE: Final = 30 * HOUR
"""What nothing more was heard of for so long is gone."""
_OF_RELATIONS: Final = frozenset({"fast", "slow"})
"""Monitors whose numbers are of one relation."""


@dataclass(slots=True, kw_only=True)
class Alarm:
    """One alarm of one monitor; times on the clock in ms."""

    monitor: str
    key: str
    signals: tuple[str, ...]
    suspect: str | None
    since: datetime
    raised: int
    heard: int
    ratio: float
    signed: float
    observed: float
    expected: float
    tolerance: float
    unit: str
    mode: str
    causes: str = ""
    calm: int | None = None
    accepted: bool = False
    confirmed: bool = False
    over: bool = False

    def refresh(self, other: Alarm) -> None:
        """Keep the numbers current."""
        self.heard = other.heard
        self.ratio = other.ratio
        if other.ratio >= 1:
            self.signed, self.observed = other.signed, other.observed
            self.expected, self.tolerance = other.expected, other.tolerance

    def quiet(self, now: int) -> None:
        """Take note that the monitor is far from its threshold."""
        self.heard = now
        self.ratio = 0.0

    def settle(self, now: int) -> bool:
        """Look whether it is over; return whether it is to be dropped."""
        stale = now - self.heard >= _STALE.get(self.monitor, _STALE_ELSE)
        if self.ratio >= _QUIET and not stale:
            self.calm = None
        elif self.calm is None:
            self.calm = now
        calm = 0 if self.calm is None else now - self.calm
        if self.accepted:
            self.over = self.over or calm >= _AGAIN_AFTER
            return False
        if self.calm is not None and calm >= _CALM.get(self.monitor, _CALM_ELSE):
            return True
        if not self.confirmed and now - self.raised >= ACCEPTED_AFTER:
            self.accepted = True
        return False

    def reason(self) -> Reason:
        """Return it as a reason."""
        context: dict[str, str | float | bool] = {
            "accepted": self.accepted,
            "confirmed": self.confirmed,
        }
        _, _, relation = self.key.partition(":")
        told = {
            "unit": self.unit, "mode": self.mode, "causes": self.causes,
            "relation": BALANCES.get(relation, relation) if self.monitor in _OF_RELATIONS else "",
        }  # fmt: skip
        context |= {name: value for name, value in told.items() if value}
        return Reason(
            monitor=MONITORS.get(self.monitor, self.monitor),
            signals=self.signals,
            suspect=self.suspect,
            observed=self.observed,
            expected=self.expected,
            tolerance=self.tolerance,
            since=self.since,
            context=context,
        )

    def to_json(self, now: int) -> dict[str, Any]:
        """Return what :meth:`from_json` needs."""
        part = {name: getattr(self, name) for name in _PLAIN}
        return {
            **part,
            "signals": list(self.signals),
            "since": self.since.isoformat(),
            "raised": now - self.raised,
            "heard": now - self.heard,
            "calm": None if self.calm is None else now - self.calm,
        }

    @classmethod
    def from_json(cls, part: Mapping[str, Any], now: int) -> Self:
        """Restore; raises :class:`~.state.DamagedError`."""
        signals = part.get("signals")
        if not isinstance(signals, list) or not all(isinstance(one, str) for one in signals):
            raise state.DamagedError("signals")
        suspect = part.get("suspect")
        calm = state.optional_whole(part, "calm")
        return cls(
            monitor=state.text(part, "monitor"),
            key=state.text(part, "key"),
            unit=state.text(part, "unit"),
            mode=state.text(part, "mode"),
            causes=state.text(part, "causes"),
            ratio=state.number(part, "ratio"),
            signed=state.number(part, "signed"),
            observed=state.number(part, "observed"),
            expected=state.number(part, "expected"),
            tolerance=state.number(part, "tolerance"),
            accepted=state.flag(part, "accepted"),
            confirmed=state.flag(part, "confirmed"),
            over=state.flag(part, "over"),
            signals=tuple(signals),
            suspect=suspect if isinstance(suspect, str) else None,
            since=state.moment(part, "since"),
            raised=now - state.whole(part, "raised"),
            heard=now - state.whole(part, "heard"),
            calm=None if calm is None else now - calm,
        )


_PLAIN: Final = (
    "monitor", "key", "suspect", "ratio", "signed", "observed", "expected", "tolerance", "unit",
    "mode", "causes", "accepted", "confirmed", "over",
)  # fmt: skip
