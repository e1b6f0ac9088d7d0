"""In which unit history keeps what is measured by entities of others."""

from collections.abc import Callable
from typing import Final

from homeassistant.const import (
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfPower,
    UnitOfTemperature,
    UnitOfVolumeFlowRate,
)
from homeassistant.util.unit_conversion import (
    BaseUnitConverter,
    ElectricCurrentConverter,
    ElectricPotentialConverter,
    EnergyConverter,
    PowerConverter,
    TemperatureConverter,
    VolumeFlowRateConverter,
)

type Converter = Callable[[float], float]

_NORMAL: Final[tuple[tuple[type[BaseUnitConverter], str], ...]] = (
    (PowerConverter, UnitOfPower.WATT),
    (EnergyConverter, UnitOfEnergy.KILO_WATT_HOUR),
    (ElectricPotentialConverter, UnitOfElectricPotential.VOLT),
    (ElectricCurrentConverter, UnitOfElectricCurrent.AMPERE),
    (VolumeFlowRateConverter, UnitOfVolumeFlowRate.LITERS_PER_MINUTE),
)


def same(number: float) -> float:
    """Return a number that needs no other unit."""
    return number


def normal(unit: str | None) -> tuple[str | None, Converter]:
    """Return the unit in which history keeps what comes in another, and what converts it.

    Power, energy, voltage, current, flow and degrees have one; anything else stays as it is.
    Kelvin stay: they may be a difference.
    """
    if unit == UnitOfTemperature.FAHRENHEIT:
        return UnitOfTemperature.CELSIUS, TemperatureConverter.converter_factory(
            unit, UnitOfTemperature.CELSIUS
        )
    for kind, own in _NORMAL:
        if unit in kind.VALID_UNITS:
            return own, same if unit == own else kind.converter_factory(unit, own)
    return unit, same
