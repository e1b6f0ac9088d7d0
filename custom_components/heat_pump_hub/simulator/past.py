"""A past for a simulated machine: healthy weeks, then the first days of a fault.

The model is the one that is served afterwards, so that the present continues the past.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Final

from .machine_faults import MachineFault, Name, fault
from .physics import HeatPumpModel
from .sampler import Sample

HEALTHY: Final = timedelta(days=45)
PERIOD: Final = 60.0
"""Seconds between two samples."""
FIRST: Final[dict[Name, float]] = {
    "leak": 9.5, "stuck": 1.5, "drift": 3.0, "offset": 1.0, "pump": 0.5, "icing": 2.0,
    "shortcycle": 1.0, "heater": 3.0, "valve": 1.3, "dhwloss": 3.0, "frozen": 0.1, "spike": 0.04,
}  # fmt: skip
"""Days of each fault until its alarm stands; that of a spike is over in hours."""
COMMON: Final = frozenset(
    {"outdoor_temperature", "flow_temperature", "return_temperature", "dhw_temperature"}
)
"""Sensors that every make shows."""


def begin(name: Name, now: datetime) -> datetime:
    """Return when the past has to begin for a fault to be under way ``now``."""
    return now - timedelta(days=FIRST[name]) - HEALTHY


def schedule(model: HeatPumpModel, name: Name, now: datetime, seed: int = 1) -> MachineFault:
    """Let the fault come by itself, early enough to be seen ``now``; return it."""
    onset = now - timedelta(days=FIRST[name])
    made = fault(name, onset, Random(seed), keys=COMMON)
    model.scheduled.append(made)
    return made


def past(model: HeatPumpModel, now: datetime) -> Iterator[Sample]:
    """Yield what the machine showed until ``now``, and bring it there."""
    while model.now < now:
        model.advance(min(PERIOD, (now - model.now).total_seconds()))
        yield model.now, dict(model.state)
