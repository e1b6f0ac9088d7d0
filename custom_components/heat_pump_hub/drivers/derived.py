"""Values that no maker sends but every owner wants."""

from collections.abc import Mapping
from typing import Final

from .points import Kind, Point, Quantity, Value

COP: Final = Point(
    key="cop",
    name="cop",
    quantity=Quantity.FACTOR,
    kind=Kind.ANALOG,
    decimals=2,
    enabled=True,
)
"""Momentary coefficient of performance: heat given over electricity taken."""

_STANDBY: Final = 50.0
_HIGHEST: Final = 15.0


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
