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
_STEADY_SHORT: Final = 4.0
"""Of a machine that would not run much longer: what it never comes to, it need not show."""
_SELDOM: Final = 2.0
"""Minutes between samples from which on nobody knows how long such a run has lasted."""
_SHORT_RUN, _LONG_RUN = 22.0, 30.0
_RUN_FADING: Final = 0.05
_LONGEST_RUN: Final = 240.0
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

    __slots__ = (
        "air", "heater", "mode", "run", "seldom", "short", "since_defrost", "since_mode",
        "since_start",
    )  # fmt: skip

    def __init__(self) -> None:
        """Know nothing yet."""
        self.mode: str | None = None
        self.heater = False
        self.air = False
        """Whether it ever defrosted: an air source, whatever anybody says."""
        self.run = _LONGEST_RUN / 2
        """How long it heats at a stretch, on average."""
        self.short = False
        """Whether that is so short that there is no time to settle."""
        self.seldom = False
        """Whether the last sample came long after the one before."""
        self.since_mode = 0.0
        self.since_start = 0.0
        self.since_defrost = _FOREVER

    def update(self, values: Values, minutes: float, running: bool | None) -> bool:
        """Take a sample that comes ``minutes`` after the last; return whether the mode changed."""
        self.seldom = minutes > _SELDOM
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
        if self.mode == HEATING and mode == OFF:
            self.run += _RUN_FADING * (min(self.since_start, _LONGEST_RUN) - self.run)
            self.short = self.run < (_LONG_RUN if self.short else _SHORT_RUN)
        self.mode = mode
        self.since_mode = 0.0
        return True

    def interrupt(self) -> None:
        """Start anew after a gap: whatever runs may have begun a moment ago."""
        self.since_mode = self.since_start = 0.0

    @property
    def steady(self) -> bool:
        """Whether the machine has settled since its mode, or a defrost, ended."""
        settled = _STEADY_SHORT if self.short and not self.seldom else _STEADY_HEATING
        if self.mode == DHW:
            settled = _STEADY
        return self.since_mode >= settled and self.since_defrost >= _STEADY_AFTER_DEFROST

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs."""
        return {
            "mode": self.mode, "heater": self.heater, "air": self.air,
            "since_mode": self.since_mode, "since_start": self.since_start,
            "since_defrost": self.since_defrost, "run": self.run, "short": self.short,
        }  # fmt: skip

    def restore(self, part: Mapping[str, Any]) -> None:
        """Take over a saved part; raises :class:`~.state.DamagedError`."""
        mode = part.get("mode")
        if mode is not None and (not isinstance(mode, str) or mode not in _MODES):
            raise state.DamagedError("mode")
        run = state.number(part, "run") if "run" in part else self.run
        if not 0 <= run <= _LONGEST_RUN:
            raise state.DamagedError("run")
        short = state.flag(part, "short") if "short" in part else False
        self.run, self.short = run, short
        self.heater = state.flag(part, "heater")
        self.air = state.flag(part, "air")
        for name in ("since_mode", "since_start", "since_defrost"):
            age = state.number(part, name)
            if not 0 <= age <= _FOREVER:
                raise state.DamagedError(name)
            setattr(self, name, age)
        self.mode = mode
