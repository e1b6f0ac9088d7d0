"""One heating circuit: curve, mixer and what it gives to the house."""

from collections.abc import Mapping
from math import exp

from .settings import Setting


class Circuit:
    """A floor (gives heat to the mass) or radiators (give it to the air)."""

    def __init__(self, name: str, floor: bool) -> None:
        """Take the letter of the circuit."""
        self.name = name
        self.floor = floor
        self.prefix = f"circuit_{name}_"
        self.slope = 0.35 if floor else 0.6
        """The heating curve that suits it."""
        self._conductance = 280.0 if floor else 100.0
        self.active = "off"
        self.target = 0.0
        self.flow = 25.0
        self.setpoint = 22.0
        self.room_offset = 0.0 if floor else -0.4

    def decide(
        self,
        settings: Mapping[str, Setting],
        *,
        hour: int,
        outdoor: float,
        room: float,
        allowed: bool,
        away: bool,
        cooling: bool,
    ) -> None:
        """Set mode and wanted flow temperature from settings and weather, °C."""

        def number(key: str) -> float:
            value = settings[self.prefix + key]
            return float(value) if isinstance(value, int | float) else 0.0

        mode = settings[self.prefix + "mode"]
        eco = away or mode == "eco" or (mode == "time_program" and not 6 <= hour < 22)
        self.setpoint = number("room_temperature_setback" if eco else "room_temperature_setpoint")
        external = settings[self.prefix + "external_room_temperature"]
        measured = external if isinstance(external, float) else room + self.room_offset
        if mode == "off" or not allowed:
            self.active = "off"
        elif mode == "manual_heating":
            self.active = "heating"
            self.target = number("flow_setpoint_constant")
        elif mode == "manual_cooling" or (cooling and outdoor > number("cooling_limit")):
            self.active = "cooling" if cooling else "off"
            self.target = number("flow_setpoint_cooling")
        elif outdoor < number("heating_limit"):
            self.active = "heating"
            curve = number("heating_curve_slope") * (self.setpoint - outdoor)
            influence = max(-6.0, min(4.0, 2.0 * (self.setpoint - measured)))
            target = self.setpoint + number("heating_curve_shift") + curve + influence
            self.target = max(20.0, min(60.0, target))
        else:
            self.active = "off"

    def step(self, seconds: float, buffer: float, sink: float) -> float:
        """Return the heat given to the house, W (negative when cooling)."""
        if self.active == "off":
            self.flow += (sink - self.flow) * (1.0 - exp(-seconds / 3600.0))
            return 0.0
        # The mixer can only weaken what the buffer holds.
        wanted = min(buffer, self.target) if self.active == "heating" else max(buffer, self.target)
        self.flow += (wanted - self.flow) * (1.0 - exp(-seconds / 90.0))
        heat = self._conductance * (self.flow - sink)
        return max(0.0, heat) if self.active == "heating" else min(0.0, heat)
