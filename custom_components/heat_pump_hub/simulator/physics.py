"""A physical air-source heat pump in a house, in the canonical vocabulary.

Plain and quick rather than exact: two-node house, buffer, two-layer hot water tank, an
inverter compressor with a Carnot fraction, frost and defrosts, a controller with heating
curves. Seeded: one seed, one start and one set of calls give one history.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import exp
from random import Random

from .circuit import Circuit
from .house import WATER, Buffer, Building, DhwTank, Draws
from .machine import DEFROST_FREQUENCY, MAX_FREQUENCY, MIN_FREQUENCY, Refrigeration
from .machine_faults import MachineFault
from .measure import measure
from .settings import CIRCUIT_SETTINGS, MACHINE_SETTINGS, Setting, check
from .variant import Variant
from .weather import Weather

type StateValue = float | int | bool | str

CONTROL_PERIOD = 60.0
"""Seconds between two decisions of the controller."""
HEATER_POWER = 3000.0
FIXED_FREQUENCY = 50.0
_STANDBY_POWER = 9.0
_FAULTS = frozenset(
    {
        "refrigerant_leak", "icing", "clogging", "valve", "dhw_loss", "pump", "short_cycling",
        "heater_stuck", "frozen", "fault",
    }
)  # fmt: skip


class HeatPumpModel:
    """One machine and its house; :meth:`advance` moves time, :attr:`state` shows it."""

    def __init__(
        self,
        seed: int,
        start: datetime,
        *,
        circuits: str = "ab",
        cooling: bool = False,
        inner_step: float = 10.0,
        variant: Variant | None = None,
    ) -> None:
        """Set everything to a settled house at ``start``.

        ``circuits`` are letters; the first is a floor, the others radiators. ``inner_step``
        is the step of the physics in seconds. Raises ``ValueError`` for a step not above 0.
        """
        if inner_step <= 0:
            raise ValueError("the inner step must be above 0")
        rng = Random(seed)
        self.now = start
        self.inner_step = inner_step
        self.variant = variant = Variant() if variant is None else variant
        self.cooling = cooling
        self.settings: dict[str, Setting] = dict(MACHINE_SETTINGS)
        self.faults: dict[str, float] = {}
        self.scheduled: list[MachineFault] = []
        """Faults that come by themselves; looked at every minute."""
        self.weather = Weather(Random(rng.random()), mean=variant.climate)
        self.weather.step(start, CONTROL_PERIOD)
        self.building = Building(21.0 + rng.uniform(-0.3, 0.3), variant.house)
        self.buffer = Buffer(34.0)
        self.tank = DhwTank(46.5, 43.0)
        self.circuits = [Circuit(name, index == 0) for index, name in enumerate(circuits)]
        for circuit in self.circuits:
            for key, value in CIRCUIT_SETTINGS.items():
                self.settings[circuit.prefix + key] = value
            self.settings[circuit.prefix + "heating_curve_slope"] = circuit.slope
        self.refrigeration = Refrigeration(self.weather.temperature, variant)
        self.draws = Draws(Random(rng.random()), variant.draws)
        self.outdoor_average = self.weather.temperature
        # Drawn once and looked up by step, so that reading never changes the history.
        self._noise = tuple(rng.gauss(0.0, 1.0) for _ in range(1009))
        self._steps = 0
        self._rest = 0.0
        self._until_control = 0.0
        self.mode = "off"
        self.frequency = 0.0
        self.heater = 0.0
        self.draw = 0.0
        self.flow = 30.0
        self.return_ = 29.0
        self.water_flow = 0.0
        self.target = 0.0
        """Wanted buffer temperature, 0 when nothing is wanted."""
        self.heating_wanted = self.dhw_wanted = self.cooling_wanted = False
        self._dhw_active = False
        self._since_start = 0.0
        self._since_stop = 3600.0
        self._since_defrost = 0.0
        self._before_defrost = "heating"
        self.utility_lock = False
        age = rng.uniform(1.0, 6.0)
        self.thermal_energy = {
            "heating": 11_000.0 * age,
            "dhw": 2_900.0 * age,
            "cooling": 0.0,
            "defrost": 240.0 * age,
        }
        self.electrical_energy = {
            "heating": 2_900.0 * age,
            "dhw": 1_050.0 * age,
            "cooling": 0.0,
            "defrost": 60.0 * age,
            "off": 70.0 * age,
        }
        self.heater_energy = 35.0 * age
        self.compressor_starts = round(1_300 * age)
        self.defrost_count = round(900 * age)
        self.compressor_hours = 2_350.0 * age
        self.heater_hours = 12.0 * age
        self._stuck: dict[str, StateValue] = {}
        self._cache: dict[str, StateValue] | None = None
        self._control()

    # -- what a tester or the server does ------------------------------------------

    def set(self, key: str, value: Setting) -> None:
        """Change a setting; it acts from the next decision on, at once where it can.

        Raises ``KeyError`` for an unknown setting, ``ValueError`` for an unknown mode.
        """
        if key not in self.settings:
            raise KeyError(key)
        check(key, value)
        self.settings[key] = value
        self._until_control = 0.0
        self._cache = None

    def inject(self, fault: str, severity: float = 1.0) -> None:
        """Start a fault.

        ``refrigerant_leak``, ``clogging`` of the source and ``valve`` leak (shares, 0-1),
        ``icing`` and ``dhw_loss`` (factors), ``pump`` (share of the water flow lost),
        ``short_cycling`` (minutes of a run), ``heater_stuck``, ``frozen`` (the display
        stands still), ``fault`` (fault number; the machine stops), ``stuck:<key>`` and
        ``offset:<key>`` (K or the key's unit). Raises ``ValueError`` for another name.
        """
        name, _, key = fault.partition(":")
        if name in {"stuck", "offset"} and key in self.state:
            if name == "stuck":
                self._stuck[key] = self.state[key]
        elif fault not in _FAULTS:
            raise ValueError(f"no such fault: {fault}")
        self.faults[fault] = severity
        self._apply_faults()

    def clear(self, fault: str | None = None) -> None:
        """End one fault, or all."""
        for name in [fault] if fault is not None else list(self.faults):
            self.faults.pop(name, None)
            self._stuck.pop(name.partition(":")[2], None)
        self._apply_faults()

    def _apply_faults(self) -> None:
        """Pass the severities to the parts they concern."""
        self.refrigeration.leak = self.faults.get("refrigerant_leak", 0.0)
        self.refrigeration.icing = self.faults.get("icing", 1.0)
        self.refrigeration.clogging = self.faults.get("clogging", 0.0)
        self.refrigeration.bypass = self.faults.get("valve", 0.0)
        if "frozen" not in self.faults:
            self._cache = None

    def advance(self, seconds: float) -> int:
        """Let ``seconds`` pass in whole inner steps; return how many were made.

        What does not fill a step is kept for the next call.
        """
        self._rest += seconds
        steps = int(self._rest / self.inner_step + 1e-9)
        self._rest -= steps * self.inner_step
        for _ in range(steps):
            self.step()
        return steps

    # -- physics -------------------------------------------------------------------

    def step(self) -> None:
        """Make one inner step."""
        dt = self.inner_step
        self._steps += 1
        self.now += timedelta(seconds=dt)
        self._until_control -= dt
        if self._until_control <= 0.0:
            self._control()
        self._run(dt)
        weather = self.weather
        to_buffer = to_tank = 0.0
        thermal = self.refrigeration.thermal
        if self.mode == "dhw":
            to_tank = thermal + self.heater
        elif self.mode != "off":
            to_buffer = thermal + self.heater
        to_room = to_mass = 0.0
        for circuit in self.circuits:
            sink = self.building.mass if circuit.floor else self.building.room
            heat = circuit.step(dt, self.buffer.temperature, sink)
            if circuit.floor:
                to_mass += heat
            else:
                to_room += heat
        self.buffer.step(dt, to_buffer - to_room - to_mass)
        loss = self.variant.tank_loss * self.faults.get("dhw_loss", 1.0)
        self.tank.step(dt, self.draw, to_tank, loss)
        self.building.step(dt, weather.temperature, weather.sun, to_room, to_mass)
        self._count(dt)
        if "frozen" not in self.faults:
            self._cache = None

    def _run(self, dt: float) -> None:
        """Run or rest the compressor, and let the water follow."""
        refrigeration = self.refrigeration
        weather = self.weather
        source = self._source
        if self.variant.source == "brine":
            refrigeration.draw_heat(dt, 0.12 * (self.outdoor_average - 9.5))
        if self.mode == "off":
            self._since_stop += dt
            self.frequency = 0.0
            self.water_flow = 0.0
            refrigeration.rest(dt, source)
            cool = 1.0 - exp(-dt / 5400.0)
            self.flow += (21.0 - self.flow) * cool
            self.return_ += (20.5 - self.return_) * cool
            return
        self._since_start += dt
        flow = self.variant.water_flow * (22.0 / 18.0 if self.mode in {"dhw", "defrost"} else 1.0)
        self.water_flow = flow * max(0.08, 1.0 - self.faults.get("pump", 0.0))
        spread_per_watt = 60.0 / (self.water_flow * WATER)
        sink = self.buffer.temperature
        if self.mode == "dhw":
            # The coil in the tank passes 900 W/K.
            sink = self.tank.bottom + max(0.0, refrigeration.thermal) / 900.0
        spread = (refrigeration.thermal + self.heater) * spread_per_watt
        follow = 1.0 - exp(-dt / 50.0)
        self.flow += (sink + 0.6 * spread - self.flow) * follow
        self.return_ += (sink - 0.4 * spread - self.return_) * follow
        if self.mode == "defrost":
            self.frequency = DEFROST_FREQUENCY
            refrigeration.defrost(dt)
            if refrigeration.frost <= 0.0:
                self.mode = self._before_defrost
                self._since_defrost = 0.0
        elif self.mode == "cooling":
            self._steer(dt, 35.0 + 12.0 * (self.buffer.temperature - self.target))
            refrigeration.cool(dt, self.frequency, weather.temperature, self.flow)
        else:
            self._since_defrost += dt
            if self.mode == "dhw":
                self._steer(dt, 62.0 - max(0.0, source - 5.0))
            else:
                self._steer(dt, 30.0 + 12.0 * (self.target + 0.5 - self.buffer.temperature))
            refrigeration.heat(dt, self.frequency, source, self.flow, weather.humidity)
            if refrigeration.frost >= 1.0 and self._since_defrost > 1500.0:
                self._before_defrost = self.mode
                self.mode = "defrost"
                self.defrost_count += 1

    def _steer(self, dt: float, wanted: float) -> None:
        """Move the compressor towards ``wanted`` Hz, at most 0.5 Hz a second."""
        if not self.variant.inverter:
            self.frequency = FIXED_FREQUENCY
            return
        change = max(-0.5 * dt, min(0.5 * dt, wanted - self.frequency))
        limit = self.settings["power_limit"]
        if isinstance(limit, float) and limit > 0.0 and self.refrigeration.electrical > limit:
            change = -0.5 * dt
        self.frequency = max(MIN_FREQUENCY, min(MAX_FREQUENCY, self.frequency + change))

    def _count(self, dt: float) -> None:
        """Add to the counters."""
        kilowatt_hours = dt / 3_600_000.0
        mode = self.mode
        if mode in self.thermal_energy:
            self.thermal_energy[mode] += abs(self.refrigeration.thermal) * kilowatt_hours
            self.compressor_hours += dt / 3600.0
        self.electrical_energy[mode] += self.compressor_and_pumps * kilowatt_hours
        if self.heater:
            self.heater_energy += self.heater * kilowatt_hours
            self.heater_hours += dt / 3600.0

    @property
    def _source(self) -> float:
        """Temperature of what heat is taken from, °C."""
        if self.variant.source == "brine":
            return self.refrigeration.brine
        return self.weather.temperature

    @property
    def pump_speed(self) -> float:
        """What the circulation pump is told, %."""
        if self.mode == "off":
            return 0.0
        return 100.0 if self.mode in {"dhw", "defrost"} else 82.0

    @property
    def compressor_and_pumps(self) -> float:
        """Electrical power without the heater, W."""
        if self.mode == "off":
            return _STANDBY_POWER
        return self.refrigeration.electrical + _STANDBY_POWER + 45.0 + 0.6 * self.frequency

    # -- controller ----------------------------------------------------------------

    def _control(self) -> None:
        """Look at everything, decide what to do in the next minute."""
        self._until_control = CONTROL_PERIOD
        self.weather.step(self.now, CONTROL_PERIOD)
        for fault in self.scheduled:
            fault.act(self)
        self.draw = self.draws.rate(self.now)
        outdoor = self.settings["external_outdoor_temperature"]
        measured = outdoor if isinstance(outdoor, float) else self.weather.temperature
        self.outdoor_average += (measured - self.outdoor_average) * CONTROL_PERIOD / 21_600.0
        self.utility_lock = self.settings["smart_grid_mode"] == "locked"
        self._want()
        self._decide()
        self._control_heater()

    def _want(self) -> None:
        """Find out what the house and the tank want."""
        settings = self.settings
        system = settings["system_mode"]
        boost = self._boost
        room_heat = system in {"automatic", "away", "heating_cooling_only"}
        highest = 0.0
        coldest = 0.0
        for circuit in self.circuits:
            circuit.decide(
                settings,
                hour=self.now.hour,
                outdoor=self.outdoor_average,
                room=self.building.room,
                allowed=room_heat,
                away=system == "away",
                cooling=self.cooling,
            )
            if circuit.active == "heating":
                highest = max(highest, circuit.target)
            elif circuit.active == "cooling":
                coldest = circuit.target
        request = settings["flow_request"]
        if room_heat and isinstance(request, float):
            highest = max(highest, request)
        elif room_heat and settings["request_heating"]:
            highest = max(highest, 40.0)
        self.heating_wanted = highest > 0.0
        self.cooling_wanted = not self.heating_wanted and coldest > 0.0
        self.target = highest + 0.6 * boost if self.heating_wanted else coldest
        self.dhw_wanted = self._want_dhw(system, boost)

    @property
    def _boost(self) -> float:
        """Kelvins to store above the settings while there is power to spare."""
        surplus = self.settings["pv_surplus"]
        if self.settings["smart_grid_mode"] == "forced" or (
            isinstance(surplus, float) and surplus > 1500.0
        ):
            return 5.0
        return 2.0 if self.settings["smart_grid_mode"] == "recommended" else 0.0

    def _want_dhw(self, system: Setting, boost: float) -> bool:
        """Return whether the tank is to be charged; hysteresis between on and off."""
        settings = self.settings
        setpoint = self.number("dhw_temperature_setpoint") + boost
        if settings["request_dhw"]:
            return self.tank.bottom < setpoint + 3.0
        if settings["request_dhw_once"] and self.tank.bottom >= setpoint - 1.0:
            settings["request_dhw_once"] = 0.0
        if system not in {"automatic", "hot_water_only"} and not settings["request_dhw_once"]:
            self._dhw_active = False
            return False
        start = max(self.number("dhw_charge_on_temperature"), setpoint - 6.0)
        if settings["request_dhw_once"] or self.tank.top < min(start, setpoint - 2.0):
            self._dhw_active = True
        elif self.tank.top >= setpoint and self.tank.bottom >= setpoint - 3.0:
            self._dhw_active = False
        return self._dhw_active

    def number(self, key: str) -> float:
        """Return a numeric setting. Raises ``TypeError`` if it holds no number."""
        value = self.settings[key]
        if not isinstance(value, int | float):
            raise TypeError(f"{key} is not a number")
        return float(value)

    def _decide(self) -> None:
        """Start, change or stop; five minutes of pause and six of run protect the compressor."""
        if self.utility_lock or "fault" in self.faults:
            self._stop()
            return
        if self.mode == "defrost":
            return
        if self.dhw_wanted:
            wanted = "dhw"
        elif self.heating_wanted and (
            self.mode == "heating" or self.buffer.temperature < self.target - 2.0
        ):
            wanted = "heating"
        elif self.cooling_wanted and (
            self.mode == "cooling" or self.buffer.temperature > self.target + 2.0
        ):
            wanted = "cooling"
        else:
            wanted = "off"
        if wanted == "heating" and self.buffer.temperature > self.target + 3.0:
            wanted = "off"
        if wanted == "cooling" and self.buffer.temperature < self.target - 2.0:
            wanted = "off"
        if wanted == self.mode == "heating" and self._cut_short:
            self._stop()
            return
        if wanted == self.mode:
            return
        if wanted == "off":
            if self._since_start > 360.0:
                self._stop()
        elif self.mode != "off":
            self.mode = wanted
        elif self._since_stop > 300.0 and not (wanted == "heating" and self._held_off):
            self.mode = wanted
            self.frequency = 35.0
            self._since_start = 0.0
            self.compressor_starts += 1

    @property
    def _cut_short(self) -> bool:
        """Whether short cycling ends a run, whatever is wanted."""
        minutes = self.faults.get("short_cycling", 0.0)
        return minutes > 0.0 and self._since_start >= 60.0 * minutes

    @property
    def _held_off(self) -> bool:
        minutes = self.faults.get("short_cycling", 0.0)
        return self._since_stop < 60.0 * minutes

    def _stop(self) -> None:
        """Stop the compressor."""
        if self.mode != "off":
            self.mode = "off"
            self._since_stop = 0.0

    def _control_heater(self) -> None:
        """Let the electric heater help below the bivalence point and in very hot tanks."""
        cold = (
            self.mode == "heating"
            and self.outdoor_average < self.number("bivalence_point")
            and self.buffer.temperature < self.target - 3.0
        )
        hot = self.mode == "dhw" and self.tank.bottom > 53.0
        running = cold or hot or "heater_stuck" in self.faults
        self.heater = HEATER_POWER if running and not self.utility_lock else 0.0

    # -- what its sensors show -----------------------------------------------------

    @property
    def state(self) -> Mapping[str, StateValue]:
        """What the machine shows now, by canonical key; the same object until time moves."""
        if self._cache is None:
            self._cache = measure(self, self._noise, self._steps)
            for fault, severity in self.faults.items():
                name, _, key = fault.partition(":")
                if name == "offset":
                    self._cache[key] = round(float(self._cache[key]) + severity, 2)
            self._cache |= self._stuck
        return self._cache
