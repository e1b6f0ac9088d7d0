"""The refrigerant side of an air-source inverter machine: capacity, power, frost, gas."""

from math import exp

from .variant import Variant

MIN_FREQUENCY = 20.0
MAX_FREQUENCY = 90.0
DEFROST_FREQUENCY = 60.0
DEFROST_HEAT = 4500.0
"""Taken from the water while the ice melts, W."""
DEFROST_POWER = 1500.0


class Refrigeration:
    """One compressor between outdoor air and water. Temperatures in °C, power in W."""

    def __init__(self, ambient: float, variant: Variant | None = None) -> None:
        """Start at rest, everything at ``ambient`` °C."""
        self.variant = Variant() if variant is None else variant
        self.frost = 0.1
        """0 clear, 1 full of ice."""
        self.leak = 0.0
        """Share of the refrigerant's effect that is lost."""
        self.icing = 1.0
        """Multiplies how fast frost grows."""
        self.clogging = 0.0
        """Share of the source's flow that does not get through, or ice that no defrost melts."""
        self.bypass = 0.0
        """Share of a four-way valve's leak: hot gas gets to the suction side."""
        self.ground = self.variant.ground
        """What a ground source gives, °C."""
        self.thermal = 0.0
        self.electrical = 0.0
        self.evaporation = ambient
        self.condensation = ambient
        self.hot_gas = ambient
        self.suction_gas = ambient
        self.source_outlet = ambient
        self._near = 0.0

    def rest(self, seconds: float, ambient: float) -> None:
        """Let everything drift towards the temperature of the air."""
        self.thermal = self.electrical = 0.0
        share = 1.0 - exp(-seconds / 1800.0)
        for name in ("evaporation", "condensation", "hot_gas", "suction_gas", "source_outlet"):
            value: float = getattr(self, name)
            setattr(self, name, value + (ambient - value) * share)
        if ambient > 2.0:
            self.frost = max(0.0, self.frost - seconds / 7200.0)

    def heat(
        self, seconds: float, frequency: float, source: float, water: float, humidity: float
    ) -> None:
        """Run for ``seconds`` at ``frequency`` Hz, from air at ``source`` to ``water`` °C."""
        one = self.variant
        effect = (1.0 - self.leak) * (1.0 - 0.25 * min(1.0, self.frost))
        effect *= (1.0 - 0.3 * self.clogging) * (1.0 - 0.22 * self.bypass)
        thermal = frequency * one.capacity * effect
        thermal *= max(0.3, 1.0 + 0.028 * (source - 2.0)) * max(0.4, 1.0 - 0.004 * (water - 35.0))
        condensation = water + 1.5 + thermal / 3000.0
        # A larger machine has a larger evaporator.
        load = thermal * 115.0 / one.capacity
        approach = 3.0 + 0.75 * load / 700.0 + 5.0 * self.frost + 6.0 * self.clogging
        evaporation = source - one.approach * approach - 8.0 * self.leak + 3.0 * self.bypass
        lift = max(12.0, condensation - evaporation + 2.0)
        # Inverters are at their best near the middle of their range.
        fraction = (one.efficiency - 0.0008 * abs(frequency - 45.0)) * (1.0 - 0.6 * self.leak)
        fraction *= 1.0 - 0.15 * self.bypass
        self.thermal = thermal
        self.electrical = thermal * lift / (fraction * (condensation + 273.15))
        self._settle(seconds, frequency, source, condensation, evaporation)
        surface = evaporation + 2.0
        if surface < 0.0 and one.source == "air":
            # Cold air carries little water.
            damp = max(0.0, (humidity - 45.0) / 45.0) * exp(min(0.0, source - 2.0) / 9.0)
            self.frost += self.icing * damp * min(1.0, -surface / 5.0) * seconds / 3000.0
        elif surface > 0.0:
            self.frost = max(0.0, self.frost - surface / 5.0 * seconds / 1800.0)

    def draw_heat(self, seconds: float, season: float) -> None:
        """Let the ground recover, or cool where heat is drawn; ``season`` in K."""
        drawn = max(0.0, self.thermal - self.electrical)
        target = self.variant.ground + season
        self.ground += (target - self.ground) * seconds / 1.2e6 - drawn * seconds / 3.5e9
        self._near += (drawn / 5500.0 - self._near) * (1.0 - exp(-seconds / 7200.0))

    @property
    def brine(self) -> float:
        """What comes from the ground, °C."""
        return self.ground - self._near

    def cool(self, seconds: float, frequency: float, outdoor: float, water: float) -> None:
        """Run backwards: take heat from ``water`` and give it to the air at ``outdoor``."""
        thermal = frequency * 95.0 * (1.0 - self.leak)
        condensation = outdoor + 9.0
        evaporation = water - 4.0
        lift = max(14.0, condensation - evaporation + 2.0)
        self.thermal = -thermal
        self.electrical = thermal * lift / (0.48 * (evaporation + 273.15))
        self._settle(seconds, frequency, outdoor + 14.0, condensation, evaporation)

    def defrost(self, seconds: float) -> None:
        """Melt: a full coat takes five minutes."""
        self.thermal = -DEFROST_HEAT
        self.electrical = DEFROST_POWER
        self._settle(seconds, DEFROST_FREQUENCY, 4.0, 5.0, 0.0)
        self.frost = max(0.0, self.frost - seconds / 300.0)

    def _settle(
        self,
        seconds: float,
        frequency: float,
        source: float,
        condensation: float,
        evaporation: float,
    ) -> None:
        """Let sensors and gas follow; hot gas needs three minutes, the rest one."""
        quick = 1.0 - exp(-seconds / 60.0)
        one = self.variant
        hot = condensation + one.hot_gas + 0.2 * frequency + 0.25 * (condensation - evaporation)
        hot += 25.0 * self.leak + 6.0 * self.bypass
        self.evaporation += (evaporation - self.evaporation) * quick
        self.condensation += (condensation - self.condensation) * quick
        suction = evaporation + one.superheat + 15.0 * self.leak + 9.0 * self.bypass
        self.suction_gas += (suction - self.suction_gas) * quick
        self.hot_gas += (hot - self.hot_gas) * (1.0 - exp(-seconds / 180.0))
        per_kelvin = 11.3 * one.capacity * (1.0 - 0.7 * self.clogging)
        outlet = source - max(0.0, self.thermal - self.electrical) / per_kelvin
        self.source_outlet += (outlet - self.source_outlet) * quick


def opening(gas: Refrigeration, frequency: float) -> float:
    """Return how far the expansion valve is open, %; it opens where refrigerant is missing."""
    wanted = 12.0 + gas.variant.valve * frequency + 45.0 * gas.leak - 10.0 * gas.bypass
    return min(100.0, wanted - 4.0 * gas.clogging)


def pressure(saturation: float) -> float:
    """Return the gauge pressure of propane in bar at its saturation temperature in °C."""
    return exp(1.556 + 0.0297 * saturation - 0.00008 * saturation * saturation) - 1.0
