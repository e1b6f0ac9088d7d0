"""A simulated Daikin Home Hub (EKRHH) on Modbus TCP or TLS, in front of a model.

Behaviour follows Daikin document 4P744838-1D and field notes: gaps answer, at most 60
registers a request, setpoints are clamped, other values out of range are dropped without
a word, and a hub that lost its unit takes writes and forgets them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, override

from pymodbus.constants import ExcCodes

from .daikin_table import ROWS
from .idm_values import Link, Reading
from .physics import HeatPumpModel, StateValue
from .server import HOLDINGS
from .two_tables import MapRow, TwoTableServer, acceptable

_ERROR: Final = 0x4533
"""E3."""
_LOST: Final = 0x5538
"""U8."""
_LIMITS: Final = {
    "main_heating": (25.0, 55.0),
    "main_cooling": (5.0, 22.0),
    "add_heating": (25.0, 60.0),
    "add_cooling": (5.0, 22.0),
}
"""The range of each setpoint by field settings, °C."""
_STORED: Final = {
    "operation_mode": 1.0,
    "space_heating_cooling_switch": 1.0,
    "room_thermostat_cooling_setpoint": 24.0,
    "quiet_mode": 0.0,
    "dhw_reheat_switch": 1.0,
    "dhw_booster_switch": 0.0,
    "weather_dependent_mode_main": 1.0,
    "weather_dependent_main_cooling_offset": 0.0,
    "power_limit_recommended_on": 4.0,
    "thermostat_main_input_a": 0.0,
    "thermostat_add_input_a": 0.0,
    "weather_dependent_mode_add": 0.0,
    "weather_dependent_add_cooling_offset": 0.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DaikinMachine:
    """What one simulated hub has. Raises ``ValueError`` for what cannot be."""

    use_case: int = 3
    """3: an Altherma; 4: air-to-air units."""
    additional: bool = True
    """There is a second zone, circuit B of the model."""

    def __post_init__(self) -> None:
        """Check the use case."""
        if self.use_case not in (3, 4):
            raise ValueError(f"no such use case: {self.use_case}")


class DaikinServer(TwoTableServer):
    """Serves one model as one hub; all methods belong to the server's loop."""

    def __init__(
        self, model: HeatPumpModel, machine: DaikinMachine | None = None, **options: Any
    ) -> None:
        """Prepare; nothing listens before :meth:`start`.

        ``options`` are those of :class:`.two_tables.TwoTableServer`.
        """
        self.machine = machine or DaikinMachine()
        additional = self.machine.additional
        self.unit_lost = False
        """The hub hears nothing from the unit."""
        links = {
            key: link
            for key, link in _LINKS.items()
            if link.setting in model.settings and (additional or "_add" not in key)
        }
        readings = {
            key: self._heard(source)
            for key, source in _READINGS.items()
            if additional or not key.startswith("add_")
        }
        readings |= {
            "unit_error": lambda _m, state: float(self.unit_lost or bool(state["fault"])),
            "unit_error_code": self._code,
            "unit_error_sub_code": lambda _m, state: (
                2.0 if self.unit_lost or state["fault"] else None
            ),
        }
        rows = [row for row in ROWS if self._serves(row)]
        super().__init__(model, rows, readings, links, **{"max_read": 60, **options})
        for key, value in _STORED.items():
            if self.machine.use_case == 3 and (additional or "_add" not in key):
                self.set_value(key, value)

    def _serves(self, row: MapRow) -> bool:
        if row.address >= 1000:
            return self.machine.use_case == 4
        return self.machine.use_case == 3 and row.address < 70

    def _heard(self, source: Reading) -> Reading:
        return lambda model, state: None if self.unit_lost else source(model, state)

    def _code(self, _model: HeatPumpModel, state: Mapping[str, StateValue]) -> float | None:
        """Return the error code, two letters in a word."""
        if self.unit_lost:
            return float(_LOST)
        return float(_ERROR) if state["fault"] else None

    def lose_unit(self, lost: bool = True) -> None:
        """Cut the hub off from its unit, or end it."""
        self.unit_lost = lost
        self._dirty = True

    @override
    def defined(self) -> Iterable[int]:
        """Return every place that answers: the hub fills the gaps of its two ranges."""
        if self.machine.use_case == 4:
            return super().defined()
        return [*range(20, 61), *range(HOLDINGS, HOLDINGS + 67)]

    @override
    def taken(self, row: MapRow, value: float) -> float | ExcCodes | None:
        """Clamp setpoints, drop what else is out of range, and all while the unit is lost."""
        if self.unit_lost:
            return None
        if row.codes is None and row.factor == 1.0:
            low, high = self._range(row)
            return min(max(value, low), high)
        return value if acceptable(row, value) else None

    def _range(self, row: MapRow) -> tuple[float, float]:
        for name, limits in _LIMITS.items():
            if row.key == f"leaving_water_{name}_setpoint":
                return limits
        assert row.minimum is not None
        assert row.maximum is not None
        return row.minimum, row.maximum


def _shown(key: str, factor: float = 1.0) -> Reading:
    """Return a reading that is a state, as a number, times ``factor``."""
    return lambda _m, state: float(state[key]) * factor


def _constant(value: float) -> Reading:
    return lambda _m, _s: value


def _operates(*modes: str) -> Reading:
    return lambda _m, state: float(state["operating_mode"] in modes)


_LINKS: Final = {
    "leaving_water_main_heating_setpoint": Link("circuit_a_flow_setpoint_constant"),
    "leaving_water_main_cooling_setpoint": Link("circuit_a_flow_setpoint_cooling"),
    "room_thermostat_heating_setpoint": Link("circuit_a_room_temperature_setpoint"),
    "dhw_reheat_setpoint": Link("dhw_temperature_setpoint"),
    "weather_dependent_main_heating_offset": Link("circuit_a_heating_curve_shift"),
    "smart_grid_mode": Link(
        "smart_grid_mode", {0: "normal", 1: "locked", 2: "recommended", 3: "forced"}
    ),
    "general_power_limit": Link("power_limit", factor=1000.0),
    "leaving_water_add_heating_setpoint": Link("circuit_b_flow_setpoint_constant"),
    "leaving_water_add_cooling_setpoint": Link("circuit_b_flow_setpoint_cooling"),
    "weather_dependent_add_heating_offset": Link("circuit_b_heating_curve_shift"),
    "air_to_air_smart_grid_mode": Link(
        "smart_grid_mode", {0: "normal", 1: "locked", 2: "recommended", 3: "forced"}
    ),
    "air_to_air_demand_power_limit": Link("power_limit", factor=1000.0),
}

_READINGS: Final[dict[str, Reading]] = {
    "circulation_pump_running": lambda _m, state: float(float(state["flow_rate"]) > 0),
    "compressor_running": _shown("compressor_running"),
    "booster_heater_running": _shown("backup_heater_running"),
    "disinfection_running": _constant(0.0),
    "defrost_startup": _shown("defrosting"),
    "hot_start": _constant(0.0),
    "three_way_valve": _shown("dhw_charging"),
    "operation_mode_actual": lambda _m, state: 1.0 + float(state["operating_mode"] == "cooling"),
    "leaving_water_temperature_phe": _shown("flow_temperature"),
    "leaving_water_temperature_buh": _shown("flow_temperature"),
    "return_water_temperature": _shown("return_temperature"),
    "dhw_temperature": _shown("dhw_temperature"),
    "outdoor_temperature": _shown("outdoor_temperature"),
    "liquid_refrigerant_temperature": _shown("evaporation_temperature"),
    "flow_rate": _shown("flow_rate"),
    "remote_controller_room_temperature": _shown("room_temperature"),
    "heat_pump_power": _shown("electrical_power", 0.001),
    "dhw_normal_operation": _operates("dhw"),
    "space_normal_operation": _operates("heating", "cooling", "defrost"),
    **{f"{name}_setpoint_min": _constant(low) for name, (low, _) in _LIMITS.items()},
    **{f"{name}_setpoint_max": _constant(high) for name, (_, high) in _LIMITS.items()},
}
