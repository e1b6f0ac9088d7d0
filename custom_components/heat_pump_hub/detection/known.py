"""Events that somebody knows of, and what they explain for a while."""

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

from . import state
from .contexts import DAY, HOUR, Values

type Event = Literal["setting", "holiday", "holiday_end", "firmware", "power_cut", "commissioning"]
EVENTS: Final[tuple[Event, ...]] = get_args(Event.__value__)

_RUNS: Final = frozenset({"starts_3h", "starts_24h", "cycle_length"})
_WATER: Final = frozenset(
    {"dhw_cooling", "dhw_runs", "dhw_balance", "dhw_heat_up", "tank_loss", "dhw_energy"}
)
_HEAT: Final = frozenset(
    {"flow_over", "spread_over", "heater_run", "heat_need", "cop_low", "run_cop", "flow_low"}
)
_SENSORS: Final = frozenset(
    {
        "fast",
        "slow",
        "multi",
        "jump",
        "spike",
        "generic",
        "generic_fast",
        "generic_slow",
        "generic_rest",
    }
)

_EXPLAINS: Final[dict[str, tuple[int, frozenset[str]]]] = {
    "setting": (12 * HOUR, _RUNS | _WATER | _HEAT),
    "holiday": (60 * DAY, _RUNS | _WATER | _HEAT | {"flatline", "flatline_running"}),
    "holiday_end": (36 * HOUR, _RUNS | _WATER | _HEAT),
    "power_cut": (6 * HOUR, _RUNS | _WATER | _HEAT | {"jump", "spike"}),
    "firmware": (7 * DAY, _SENSORS | {"cop_low", "run_cop", "heat_need", "dhw_energy", "flow_low"}),
    "commissioning": (
        14 * DAY,
        _RUNS | _WATER | _HEAT | _SENSORS | {"defrost_interval", "flatline", "flatline_running"},
    ),
}
"""For how long, on the clock in ms, and which monitors. A value out of range, or a device
that shows nothing new, is never explained."""
LEARNED_AT_ONCE: Final = frozenset({"firmware", "commissioning"})
"""What deviates then is normal from then on."""
_KEPT: Final = 12
"""Values of a setpoint that are no news."""


class Known:
    """What is explained, and until when."""

    def __init__(self) -> None:
        """Know of nothing."""
        self.until: dict[str, int] = {}
        self._values: dict[str, list[float]] = {}

    def note(self, event: Event, now: int, late: int = 0) -> None:
        """Take note of an event that was ``late`` ms ago."""
        if event == "holiday_end":
            self.until.pop("holiday", None)
        until = now + _EXPLAINS[event][0] - late
        if until > self.until.get(event, now):
            self.until[event] = until

    def explains(self, monitor: str, now: int) -> str | None:
        """Return the event that explains what a monitor says, if there is one."""
        for event, until in self.until.items():
            if now < until and monitor in _EXPLAINS[event][1]:
                return event
        return None

    def active(self, now: int) -> tuple[str, ...]:
        """Return the events that still explain something."""
        return tuple(event for event, until in self.until.items() if now < until)

    def watch(self, key: str, values: Values, now: int) -> None:
        """Note a setpoint that shows a value it did not show before."""
        value = values.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return
        seen = self._values.setdefault(key, [])
        if value in seen or value != value:  # noqa: PLR0124 - NaN
            return
        if len(seen) >= _KEPT:
            # Worked out by the machine, not set by anybody.
            return
        seen.append(float(value))
        if len(seen) > 1:
            self.note("setting", now)

    def to_json(self, now: int) -> dict[str, Any]:
        """Return what :meth:`restore` needs."""
        return {
            "left": {event: until - now for event, until in self.until.items() if until > now},
            "values": {key: list(values) for key, values in self._values.items()},
        }

    def restore(self, part: Mapping[str, Any], now: int) -> None:
        """Take over a saved part; raises :class:`~.state.DamagedError`."""
        left, values = part.get("left"), part.get("values")
        if not isinstance(left, Mapping) or not isinstance(values, Mapping):
            raise state.DamagedError("known")
        self.until = {event: now + state.whole(left, event) for event in left if event in _EXPLAINS}
        lengths = tuple(range(_KEPT + 1))
        self._values = {key: state.numbers(values, key, lengths) for key in values}
