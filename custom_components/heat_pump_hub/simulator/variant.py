"""What differs between one simulated machine with its house and another."""

from dataclasses import dataclass
from random import Random
from typing import Literal, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One make, in one house; the defaults are the demo heat pump."""

    source: Literal["air", "brine"] = "air"
    inverter: bool = True
    """Without one, the compressor knows on and off."""
    capacity: float = 115.0
    """W of heat per Hz, from air at 2 °C to water at 35 °C."""
    efficiency: float = 0.54
    """Share of Carnot's COP, at best."""
    approach: float = 1.0
    """Multiplies the temperature difference that the evaporator needs."""
    superheat: float = 6.0
    """K that the expansion valve holds."""
    hot_gas: float = 12.0
    """K above condensation, before frequency and lift."""
    valve: float = 0.55
    """% of the expansion valve per Hz."""
    water_flow: float = 18.0
    """l/min while heating."""
    house: float = 1.0
    """Multiplies the losses of the house."""
    tank_loss: float = 1.0
    draws: float = 1.0
    """Multiplies hot water drawn."""
    noise: float = 1.0
    """Multiplies the sensors' noise."""
    sun: float = 0.0
    """K that 100 W/m² of sun add to the outdoor sensor."""
    ground: float = 9.5
    """°C of undisturbed ground."""
    climate: float = 9.5
    """Yearly mean outdoors, °C."""

    @classmethod
    def draw(
        cls, rng: Random, source: Literal["air", "brine"] = "air", *, inverter: bool = True
    ) -> Self:
        """Return a machine of this type, as makes and houses vary."""
        size = rng.uniform(0.75, 1.35)
        return cls(
            source=source,
            inverter=inverter,
            capacity=115.0 * size * (1.25 if not inverter else 1.0),
            efficiency=rng.uniform(0.48, 0.58),
            approach=rng.uniform(0.75, 1.35),
            superheat=rng.uniform(4.5, 8.0),
            hot_gas=rng.uniform(9.0, 16.0),
            valve=rng.uniform(0.45, 0.8),
            water_flow=18.0 * size * rng.uniform(0.9, 1.2),
            house=size * rng.uniform(0.75, 1.1),
            tank_loss=rng.uniform(0.8, 1.6),
            draws=rng.uniform(0.5, 1.4),
            noise=rng.uniform(0.5, 2.0),
            sun=rng.choice((0.0, 0.0, 0.2, 0.4)),
            ground=rng.uniform(8.5, 11.5),
            climate=rng.uniform(8.0, 11.0),
        )
