"""In which unit history keeps what others measure, and in which an owner reads what we say."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from homeassistant.components.sensor.const import UNIT_CONVERTERS
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
    TemperatureDeltaConverter,
    VolumeFlowRateConverter,
)
from homeassistant.util.unit_system import UnitSystem

from .drivers.points import UNITS, Quantity

type Converter = Callable[[float], float]

# Sensors and numbers name their device classes alike.
DEVICE_CLASSES: Final[Mapping[Quantity, str]] = MappingProxyType(
    {
        Quantity.TEMPERATURE: "temperature",
        Quantity.TEMPERATURE_DIFFERENCE: "temperature_delta",
        Quantity.PRESSURE: "pressure",
        Quantity.FREQUENCY: "frequency",
        Quantity.HUMIDITY: "humidity",
        Quantity.BATTERY: "battery",
        Quantity.FLOW_RATE: "volume_flow_rate",
        Quantity.POWER: "power",
        Quantity.ENERGY: "energy",
        Quantity.VOLTAGE: "voltage",
        Quantity.CURRENT: "current",
        Quantity.DURATION: "duration",
    }
)

_NORMAL: Final[tuple[tuple[type[BaseUnitConverter], str], ...]] = (
    (PowerConverter, UnitOfPower.WATT),
    (EnergyConverter, UnitOfEnergy.KILO_WATT_HOUR),
    (ElectricPotentialConverter, UnitOfElectricPotential.VOLT),
    (ElectricCurrentConverter, UnitOfElectricCurrent.AMPERE),
    (VolumeFlowRateConverter, UnitOfVolumeFlowRate.LITERS_PER_MINUTE),
)
_CLASSES: Final = {
    UNITS[quantity]: device_class
    for quantity, device_class in DEVICE_CLASSES.items()
    if UNITS[quantity] is not None
}
_PER_DEGREE: Final[Mapping[str, str]] = {
    "min/K": "min/°F",
    "kWh/(K d)": "kWh/(°F d)",
}
"""What the detector gives for each degree, for degrees Fahrenheit."""


def same(number: float) -> float:
    """Return a number that needs no other unit."""
    return number


def normal(unit: object) -> tuple[str | None, Converter]:
    """Return the unit in which history keeps what comes in another, and what converts it.

    Power, energy, voltage, current, flow and degrees have one; anything else stays as it is.
    Kelvin stay: they may be a difference. What is no text is no unit.
    """
    if not isinstance(unit, str):
        return None, same
    if unit == UnitOfTemperature.FAHRENHEIT:
        return UnitOfTemperature.CELSIUS, TemperatureConverter.converter_factory(
            unit, UnitOfTemperature.CELSIUS
        )
    for kind, own in _NORMAL:
        if unit in kind.VALID_UNITS:
            return own, same if unit == own else kind.converter_factory(unit, own)
    return unit, same


def for_owner(system: UnitSystem, unit: str, wish: str | None = None) -> tuple[str, Converter]:
    """Return the unit in which an owner reads numbers of a unit of ours, and what converts them.

    ``wish`` is the one chosen for the entity itself. Kelvin are differences here.
    """
    fahrenheit = (wish or system.temperature_unit) == UnitOfTemperature.FAHRENHEIT
    if unit in _PER_DEGREE:
        per_degree = _delta(UnitOfTemperature.FAHRENHEIT, UnitOfTemperature.CELSIUS)
        return (_PER_DEGREE[unit], per_degree) if fahrenheit else (unit, same)
    if unit == UnitOfTemperature.KELVIN:
        wish = UnitOfTemperature.FAHRENHEIT if fahrenheit else unit
        return wish, _delta(unit, wish) if fahrenheit else same
    device_class = _CLASSES.get(unit)
    kind = UNIT_CONVERTERS.get(device_class)
    if kind is None:
        return unit, same
    if wish is None and unit == UnitOfTemperature.CELSIUS:
        wish = system.temperature_unit
    wanted = wish or system.get_converted_unit(device_class, unit)
    if wanted is None or wanted == unit or wanted not in kind.VALID_UNITS:
        return unit, same
    return wanted, kind.converter_factory(unit, wanted)


def difference(unit: str, shown: str) -> tuple[str, Converter]:
    """Return the unit of a difference of numbers of ours that are shown in ``shown``."""
    if unit != UnitOfTemperature.CELSIUS:
        kind = UNIT_CONVERTERS.get(_CLASSES.get(unit))
        return shown, same if kind is None else kind.converter_factory(unit, shown)
    if shown == UnitOfTemperature.FAHRENHEIT:
        return shown, _delta(UnitOfTemperature.CELSIUS, shown)
    return UnitOfTemperature.KELVIN, same


def _delta(unit: str, other: str) -> Converter:
    return TemperatureDeltaConverter.converter_factory(unit, other)
