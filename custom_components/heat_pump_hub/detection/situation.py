"""What a heat pump is doing at a sample: its mode, since when, and whether it is steady."""

from collections.abc import Mapping
import math
from typing import Any, Final

from . import state
from .contexts import Values, truth

HEATING: Final = "heating"
DHW: Final = "dhw"
COOLING: Final = "cooling"
DEFROST: Final = "defrost"
OFF: Final = "off"
OTHER: Final = "other"

_NUMBERS: Final = {0: OFF, 1: HEATING, 2: DHW, 3: DEFROST, 4: COOLING, 5: OTHER, 6: OFF}
"""The numbers of an operating mode in the history."""
_WORDS: Final = {
    HEATING: HEATING, DHW: DHW, COOLING: COOLING, DEFROST: DEFROST, OFF: OFF, "utility_lock": OFF,
}  # fmt: skip
_MODES: Final = frozenset({HEATING, DHW, COOLING, DEFROST, OFF, OTHER})

_STEADY: Final = 6.0
_STEADY_HEATING: Final = 10.0
_STEADY_AFTER_DEFROST: Final = 28.0
_FOREVER: Final = 1e6


def mode_of(values: Values, running: bool | None) -> str | None:
    """Return the mode, ``None`` if these values do not say.

    ``operating_mode`` first (a slug, or its number in the history), then the flags
    ``defrosting`` and ``dhw_charging``, then whether the compressor runs.
    """
    told = values.get("operating_mode")
    if isinstance(told, str):
        return _WORDS.get(told, OTHER)
    if isinstance(told, (int, float)) and math.isfinite(told):
        return _NUMBERS.get(int(told), OTHER)
    if truth(values.get("defrosting")):
        return DEFROST
    if running is None:
        return None
    if not running:
        return OFF
    return DHW if truth(values.get("dhw_charging")) else HEATING


class Situation:
    """The mode and its age, in minutes of observed time."""

    __slots__ = ("air", "heater", "mode", "since_defrost", "since_mode", "since_start")

    def __init__(self) -> None:
        """Know nothing yet."""
        self.mode: str | None = None
        self.heater = False
        self.air = False
        """Whether it ever defrosted: an air source, whatever anybody says."""
        self.since_mode = 0.0
        self.since_start = 0.0
        self.since_defrost = _FOREVER

    def update(self, values: Values, minutes: float, running: bool | None) -> bool:
        """Take a sample that comes ``minutes`` after the last; return whether the mode changed."""
        self.since_mode = min(self.since_mode + minutes, _FOREVER)
        self.since_start = min(self.since_start + minutes, _FOREVER)
        self.since_defrost = min(self.since_defrost + minutes, _FOREVER)
        heater = truth(values.get("backup_heater_running"))
        if heater is not None and heater is not self.heater:
            self.heater = heater
            self.since_mode = 0.0
        mode = mode_of(values, running)
        if mode is None or mode == self.mode:
            if self.mode == DEFROST:
                self.since_defrost = 0.0
            return False
        if mode == DEFROST:
            self.air = True
            self.since_defrost = 0.0
        if self.mode in (None, OFF):
            self.since_start = 0.0
        self.mode = mode
        self.since_mode = 0.0
        return True

    def interrupt(self) -> None:
        """Start anew after a gap: whatever runs may have begun a moment ago."""
        self.since_mode = self.since_start = 0.0

    @property
    def steady(self) -> bool:
        """Whether the machine has settled since its mode, or a defrost, ended."""
        settled = _STEADY if self.mode == DHW else _STEADY_HEATING
        return self.since_mode >= settled and self.since_defrost >= _STEADY_AFTER_DEFROST

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs."""
        return {
            "mode": self.mode, "heater": self.heater, "air": self.air,
            "since_mode": self.since_mode, "since_start": self.since_start,
            "since_defrost": self.since_defrost,
        }  # fmt: skip

    def restore(self, part: Mapping[str, Any]) -> None:
        """Take over a saved part; raises :class:`~.state.DamagedError`."""
        mode = part.get("mode")
        if mode is not None and (not isinstance(mode, str) or mode not in _MODES):
            raise state.DamagedError("mode")
        self.heater = state.flag(part, "heater")
        self.air = state.flag(part, "air")
        for name in ("since_mode", "since_start", "since_defrost"):
            age = state.number(part, name)
            if not 0 <= age <= _FOREVER:
                raise state.DamagedError(name)
            setattr(self, name, age)
        self.mode = mode
