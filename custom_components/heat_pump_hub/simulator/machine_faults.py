"""Faults of a simulated machine that begin at a moment and grow, as real ones do.

The twelve classes that the detector is measured with. :func:`fault` draws one of usual
(``nominal``) or of mild severity (``hard``); :attr:`HeatPumpModel.scheduled` takes it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from .physics import HeatPumpModel

type Name = Literal[
    "leak", "stuck", "drift", "offset", "pump", "icing", "shortcycle", "heater", "valve",
    "dhwloss", "frozen", "spike",
]  # fmt: skip
type Severity = Literal["nominal", "hard"]

NAMES: Final[tuple[Name, ...]] = (
    "leak", "stuck", "drift", "offset", "pump", "icing", "shortcycle", "heater", "valve",
    "dhwloss", "frozen", "spike",
)  # fmt: skip
HARD: Final[tuple[Name, ...]] = (
    "leak", "drift", "offset", "pump", "icing", "shortcycle", "dhwloss",
)  # fmt: skip
"""Those that come in a mild form, too."""
SENSORS: Final = (
    "outdoor_temperature", "source_inlet_temperature", "flow_temperature", "return_temperature",
    "dhw_temperature", "hot_gas_temperature", "evaporation_temperature",
    "condensation_temperature",
)  # fmt: skip
"""What gets stuck, drifts, or shows too much."""
DAYS: Final[dict[Name, float]] = {
    "leak": 28.0, "stuck": 3.0, "drift": 18.0, "offset": 5.0, "pump": 3.0, "icing": 8.0,
    "shortcycle": 3.0, "heater": 2.0, "valve": 4.0, "dhwloss": 8.0, "frozen": 1.0, "spike": 0.5,
}  # fmt: skip
"""How long each is watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFault:
    """One fault: ``severity`` is reached ``ramp`` after ``onset``.

    Unit of ``severity``: share lost (leak, pump), K (drift, offset, spike), share clogged
    (icing), minutes of a run (shortcycle), factor of the loss (dhwloss), 1 for the rest.
    """

    name: Name
    onset: datetime
    severity: float = 1.0
    ramp: timedelta = timedelta(0)
    key: str | None = None
    """The sensor, where it is one."""

    def act(self, model: HeatPumpModel) -> None:
        """Make the model as faulty as it is to be now; call it every minute."""
        since = model.now - self.onset
        if since < timedelta(0):
            return
        part = min(1.0, since / self.ramp) if self.ramp else 1.0
        size = part * self.severity
        match self.name:
            case "leak":
                model.inject("refrigerant_leak", size)
            case "stuck" if f"stuck:{self.key}" not in model.faults:
                model.inject(f"stuck:{self.key}")
            case "drift" | "offset":
                model.inject(f"offset:{self.key}", size)
            case "spike":
                if since < timedelta(seconds=60):
                    model.inject(f"offset:{self.key}", size)
                else:
                    model.clear(f"offset:{self.key}")
            case "icing":
                model.inject("clogging", size)
                model.inject("icing", 1.0 + 2.0 * size)
            case "pump":
                model.inject("pump", size)
            case "shortcycle":
                model.inject("short_cycling", self.severity)
            case "heater":
                model.inject("heater_stuck")
            case "valve":
                model.inject("valve", size)
            case "dhwloss":
                model.inject("dhw_loss", 1.0 + part * (self.severity - 1.0))
            case "frozen" if "frozen" not in model.faults:
                model.inject("frozen")
            case _:
                pass


def fault(
    name: Name,
    onset: datetime,
    rng: Random,
    *,
    severity: Severity = "nominal",
    keys: frozenset[str] | None = None,
) -> MachineFault:
    """Draw one fault; ``keys`` are the sensors there are (all of :data:`SENSORS`)."""
    mild = severity == "hard"
    key = None
    if name in ("stuck", "drift", "offset", "spike"):
        key = rng.choice([one for one in SENSORS if keys is None or one in keys])
    size, days = 1.0, 0.0
    match name:
        case "leak":
            size, days = (0.10, 14.0) if mild else (rng.uniform(0.18, 0.35), rng.uniform(18, 28))
        case "drift":
            rate, size = (0.1, 1.5) if mild else (rng.uniform(0.25, 0.5), rng.uniform(4.0, 6.0))
            days = size / rate
            size *= rng.choice((-1, 1))
        case "offset":
            size = (1.2 if mild else rng.uniform(3.0, 5.0)) * rng.choice((-1, 1))
        case "spike":
            size = rng.uniform(12.0, 40.0) * rng.choice((-1, 1))
        case "pump":
            size = 0.4 if mild else rng.uniform(0.6, 0.9)
        case "icing":
            size, days = (0.3 if mild else rng.uniform(0.7, 1.0)), 2.0
        case "shortcycle":
            size = 8.0 if mild else rng.uniform(4.0, 6.0)
        case "dhwloss":
            size = 2.5 if mild else rng.uniform(4.0, 9.0)
        case _:
            pass
    return MachineFault(name=name, onset=onset, severity=size, ramp=timedelta(days=days), key=key)
