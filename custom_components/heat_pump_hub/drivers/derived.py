"""Values that no maker sends but every owner wants."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from .blocks import Reading
from .points import HOT_WATER, MACHINE, OPERATING_MODES, Kind, Part, Point, Quantity, Value

COP: Final = Point(
    key="cop",
    name="cop",
    quantity=Quantity.FACTOR,
    kind=Kind.ANALOG,
    decimals=2,
    enabled=True,
)
"""Momentary coefficient of performance: heat given over electricity taken."""

THERMAL_POWER: Final = Point(
    key="thermal_power",
    name="thermal_power",
    quantity=Quantity.POWER,
    kind=Kind.ANALOG,
    decimals=0,
    enabled=True,
)
"""Heat given to the water: flow times spread."""

OPERATING_MODE: Final = Point(
    key="operating_mode",
    name="operating_mode",
    quantity=Quantity.STATE,
    kind=Kind.STATE,
    options=OPERATING_MODES,
    enabled=True,
)

_STANDBY: Final = 50.0
_HIGHEST: Final = 15.0
_WATER: Final = 4186 / 60
"""Watts that warm a litre a minute by one kelvin."""


def flag(key: str, *, part: Part = MACHINE) -> Point:
    """Return a derived flag that is enabled."""
    return Point(
        key=key, name=key, quantity=Quantity.FLAG, kind=Kind.STATE, part=part, enabled=True
    )


DHW_CHARGING: Final = flag("dhw_charging", part=HOT_WATER)


def cop(values: Mapping[str, Value]) -> float | None:
    """Return the momentary COP from ``thermal_power`` and ``electrical_power`` (W).

    ``None`` while the compressor stands, during a defrost, below 50 W, and where the
    ratio cannot be real (the compressor has just started).
    """
    electrical = values.get("electrical_power")
    thermal = values.get("thermal_power")
    if not isinstance(electrical, int | float) or not isinstance(thermal, int | float):
        return None
    if values.get("compressor_running") is False or values.get("defrosting") is True:
        return None
    if electrical < _STANDBY or thermal <= 0:
        return None
    ratio = thermal / electrical
    return round(ratio, COP.decimals) if ratio <= _HIGHEST else None


def thermal_power(flow_rate: float, flow: float, back: float) -> int:
    """Return the heat given to the water, W: of l/min and °C; negative when it cools."""
    return round(flow_rate * _WATER * (flow - back))


def follow(
    reading: Reading, key: str, sources: tuple[str, ...], compute: Callable[..., Any]
) -> None:
    """Derive a value from others; why one of them is missing is why the value is.

    ``compute`` takes the sources in order; if it returns ``None`` there is no value.
    """
    values = reading.values
    if all(source in values for source in sources):
        if (value := compute(*(values[source] for source in sources))) is not None:
            values[key] = value
        return
    why = next((reading.failed[s] for s in sources if s in reading.failed), None)
    if why is not None:
        reading.failed[key] = why
