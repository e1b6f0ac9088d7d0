"""What the detector answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, Self

MONITORS: Final[Mapping[str, str]] = {
    "fast": "relation_fast",
    "slow": "relation_slow",
    "multi": "relation_multi",
    "flow_over": "relation_flow_over",
    "spread_over": "relation_spread_over",
    "heat_need": "relation_heat_need",
    "flow_low": "relation_flow_low",
    "starts_3h": "cycle_starts_3h",
    "starts_24h": "cycle_starts_24h",
    "defrost_interval": "cycle_defrost_interval",
    "cop_low": "cycle_cop",
    "run_cop": "cycle_run_cop",
    "dhw_cooling": "tank_cooling",
    "dhw_runs": "tank_runs",
    "dhw_heat_up": "tank_heat_up",
    "dhw_balance": "tank_balance",
    "dhw_energy": "tank_energy",
}
"""Names inside the detector that a reason gives otherwise; all others stay."""

type State = Literal["learning", "normal", "alarm", "paused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why the detector alarms.

    ``monitor`` begins with ``range``, ``spike``, ``jump``, ``flatline``
    (``flatline_running``: counted while the compressor runs), ``frozen``, ``relation``
    (``_fast``, ``_slow``: a signal, or ``signals[0]`` minus ``signals[1]`` or the reverse,
    is not what is expected; ``_multi``: several together; ``_flow_over`` the setpoint,
    ``_spread_over``; ``_heat_need`` and ``_flow_low`` of a day), ``cycle`` (``_starts_3h``, ``_starts_24h``,
    ``_length`` and ``_defrost_interval``, both as number per hour, ``_cop`` of a day,
    ``_run_cop`` of runs),
    ``tank`` (``_cooling`` in % of the excess temperature per hour, ``_loss``, ``_runs``,
    ``_heat_up``, ``_balance``, ``_energy`` of a day), ``heater`` (``_run``) or ``generic``
    (a signal of unknown meaning left the range that it ever had; ``_fast``, ``_slow``: it
    is not what it was at such a load and source; ``_rest``: it does not change while the
    compressor runs, in minutes).
    ``range`` gives ``observed``, ``expected`` (the nearest limit) and
    ``tolerance`` in the unit of the signal; ``flatline`` and ``frozen`` give
    minutes without a change: seen, longest ever learned, and how much longer than
    that is tolerated.
    """

    monitor: str
    signals: tuple[str, ...]
    suspect: str | None
    """The signal that is believed to be faulty; ``None``: the machine."""
    observed: float
    expected: float
    tolerance: float
    since: datetime
    """When it began, which is before the alarm was raised."""
    context: Mapping[str, str | float | bool] = field(default_factory=dict)
    """``unit`` of the three numbers, ``value`` of the suspect; ``compressor_running``
    when the alarm was raised; ``accepted``: it stood so long unanswered that it no
    longer alarms; ``confirmed`` by the owner; ``mode`` when it was raised; ``relation``:
    the signal, or the name of the difference of two (:data:`~.basis.GAPS`), that the
    numbers of ``relation_fast`` and ``relation_slow`` are of; ``causes``: up to two
    possible causes, likelier first, with commas (``sensor``, ``refrigerant_loss``,
    ``icing``, ``pump``, ``strainer``, ``valve``, ``heater``, ``tank``, ``control``)."""

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`from_json` takes: JSON-able, context and all."""
        return {
            "monitor": self.monitor,
            "signals": list(self.signals),
            "suspect": self.suspect,
            "observed": self.observed,
            "expected": self.expected,
            "tolerance": self.tolerance,
            "since": self.since.isoformat(),
            "context": dict(self.context),
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        """Restore; raises ``KeyError``, ``TypeError`` or ``ValueError`` for what it is not."""
        return cls(
            **{
                **saved,
                "signals": tuple(saved["signals"]),
                "since": datetime.fromisoformat(saved["since"]),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the detector thinks after a sample."""

    alarm: bool
    """Latched: stays until the cause has been gone for a while, and as it was while paused."""
    score: float
    """Probability of a fault, 0..1; 0.5 where a monitor alarms, less while no alarm stands."""
    state: State
    progress: float
    """0..1: how far the warm-ups of all monitors are; 1 when the last is over."""
    reasons: tuple[Reason, ...] = ()
    """Strongest first. Those accepted without an answer stay, without alarm."""
    unanswered: bool = False
    """Something was alarmed about that the owner has not answered, whether it still
    alarms or has been accepted: what a repair stands for."""
    since: datetime | None = None
    """When the oldest of the reasons began."""
    explained: tuple[str, ...] = ()
    """Known events that still explain what they explain."""
