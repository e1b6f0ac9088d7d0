"""A simulated Lambda controller on Modbus TCP, in front of a model.

Behaviour follows Lambda's "Modbus Beschreibung und Protokoll" and field notes: holding
registers only, and the registers of modules that are not configured do not exist.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .idm_values import Link, Reading
from .lambda_table import BASES, rows
from .physics import HeatPumpModel, StateValue
from .two_tables import TwoTableServer

_ALWAYS: Final = ("ambient", "heat_pump")


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaMachine:
    """What one simulated Lambda has. Raises ``ValueError`` for what cannot be."""

    modules: frozenset[str] = frozenset(BASES) - {"solar"}
    high_first: bool = False
    """Firmware before V0.0.10-3K."""

    def __post_init__(self) -> None:
        """Check the modules."""
        if unknown := self.modules - BASES.keys():
            raise ValueError(f"no such modules: {sorted(unknown)}")

    @property
    def circuits(self) -> str:
        """Letters of the heating circuits."""
        return "".join(c for c in "ab" if f"circuit_{c}" in self.modules) or "a"


class LambdaServer(TwoTableServer):
    """Serves one model as one Lambda; all methods belong to the server's loop."""

    def __init__(
        self, model: HeatPumpModel, machine: LambdaMachine | None = None, **options: Any
    ) -> None:
        """Prepare; nothing listens before :meth:`start`.

        ``options`` are those of :class:`.two_tables.TwoTableServer`.
        """
        self.machine = machine or LambdaMachine()
        modules = {*self.machine.modules, *_ALWAYS}
        registers = [
            row for row in rows(high_first=self.machine.high_first) if row.module in modules
        ]
        super().__init__(model, registers, _READINGS, _LINKS, **options)
        for key, value in _STORED.items():
            if key in self._rows:
                self.set_value(key, value)


def _shown(key: str, factor: float = 1.0, offset: float = 0.0) -> Reading:
    """Return a reading that is a state, as a number, times ``factor`` plus ``offset``."""
    return lambda _m, state: float(state[key]) * factor + offset


def _constant(value: float) -> Reading:
    return lambda _m, _s: value


def _coded(codes: Mapping[str, float], otherwise: float) -> Reading:
    """Return a number for the operating mode."""
    return lambda _m, state: codes.get(str(state["operating_mode"]), otherwise)


def _state(_model: HeatPumpModel, state: Mapping[str, StateValue]) -> float:
    """Return 1002: 3 ready, 7 regulation, 9 cooling, 10 defrosting, 30 fault lock."""
    if state["fault"]:
        return 30.0
    if not state["compressor_running"]:
        return 3.0
    return {"cooling": 9.0, "defrost": 10.0}.get(str(state["operating_mode"]), 7.0)


def _operating_state(_model: HeatPumpModel, state: Mapping[str, StateValue]) -> float:
    """Return 1003: 0 standby, 1 heating, 2 hot water, 3 cooling, 5 defrost, 16 blocked."""
    if state["utility_lock"]:
        return 16.0
    codes = {"heating": 1.0, "dhw": 2.0, "cooling": 3.0, "defrost": 5.0}
    return codes.get(str(state["operating_mode"]), 0.0)


def _cop(_model: HeatPumpModel, state: Mapping[str, StateValue]) -> float:
    power = float(state["electrical_power"])
    heat = float(state["thermal_power"])
    return round(max(0.0, heat) / power, 2) if power > 50.0 else 0.0


def _surplus(model: HeatPumpModel, _state: Mapping[str, StateValue]) -> float:
    return float(model.settings["pv_surplus"] or 0.0)


def _circuit_links(circuit: str) -> dict[str, Link]:
    settings = f"circuit_{circuit}_"
    return {
        f"circuit_{circuit}.offset": Link(f"{settings}heating_curve_shift"),
        f"circuit_{circuit}.room_heating": Link(f"{settings}room_temperature_setpoint"),
    }


def _circuit_readings(circuit: str) -> dict[str, Reading]:
    shown = f"circuit_{circuit}_"
    codes = {"off": 15.0, "heating": 0.0, "cooling": 2.0}
    return {
        f"circuit_{circuit}.error": _constant(0.0),
        f"circuit_{circuit}.state": lambda _m, state: codes[str(state[f"{shown}active_mode"])],
        f"circuit_{circuit}.flow": _shown(f"{shown}flow_temperature"),
        f"circuit_{circuit}.room": _shown(f"{shown}room_temperature"),
        f"circuit_{circuit}.flow_target": _shown(f"{shown}flow_temperature_setpoint"),
    }


_LINKS: Final = {
    "e_manager.surplus": Link("pv_surplus"),
    "boiler.target": Link("dhw_temperature_setpoint"),
    **_circuit_links("a"),
    **_circuit_links("b"),
}
_STORED: Final = {
    "buffer.request": 0.0,
    "buffer.highest": 55.0,
    "solar.highest": 70.0,
    "solar.changeover": 60.0,
    "circuit_a.mode": 2.0,
    "circuit_b.mode": 2.0,
    "circuit_a.room_cooling": 25.0,
    "circuit_b.room_cooling": 25.0,
}
_READINGS: Final[dict[str, Reading]] = {
    "ambient.error": _constant(0.0),
    "ambient.state": _constant(1.0),
    "ambient.outdoor": _shown("outdoor_temperature"),
    "ambient.outdoor_hour": _shown("outdoor_temperature_average"),
    "ambient.outdoor_calculated": _shown("outdoor_temperature_average"),
    "e_manager.error": _constant(0.0),
    "e_manager.state": _constant(1.0),
    "e_manager.consumption": _shown("electrical_power"),
    "e_manager.wanted": _surplus,
    "heat_pump.error_state": lambda _m, state: 4.0 if state["fault"] else 0.0,
    "heat_pump.error": _shown("fault_code"),
    "heat_pump.state": _state,
    "heat_pump.operating_state": _operating_state,
    "heat_pump.flow": _shown("flow_temperature"),
    "heat_pump.return": _shown("return_temperature"),
    "heat_pump.sink_flow": _shown("flow_rate", 60.0),
    "heat_pump.source_in": _shown("outdoor_temperature"),
    "heat_pump.source_out": _shown("outdoor_temperature", 1.0, -3.0),
    "heat_pump.source_flow": _constant(0.0),
    "heat_pump.rating": lambda _m, state: min(100.0, float(state["compressor_frequency"])),
    "heat_pump.heat": _shown("thermal_power", 0.001),
    "heat_pump.power": _shown("electrical_power"),
    "heat_pump.cop": _cop,
    "heat_pump.request": _constant(0.0),
    "heat_pump.request_flow": _constant(0.0),
    "heat_pump.request_return": _constant(0.0),
    "heat_pump.request_spread": _constant(0.0),
    "heat_pump.second_stage": _shown("backup_heater_running"),
    "heat_pump.energy_in": _shown("electrical_energy", 1000.0),
    "heat_pump.energy_out": _shown("thermal_energy", 1000.0),
    "heat_pump.highest_rating": _constant(100.0),
    "heat_pump.hot_gas": _shown("hot_gas_temperature"),
    "heat_pump.subcooling": _constant(4.0),
    "heat_pump.suction_gas": _shown("suction_gas_temperature"),
    "heat_pump.condensation": _shown("condensation_temperature"),
    "heat_pump.evaporation": _shown("evaporation_temperature"),
    "heat_pump.source_rating": _shown("fan_speed", 0.1),
    "heat_pump.expansion_valve": _shown("expansion_valve_position"),
    "boiler.error": _constant(0.0),
    "boiler.state": _coded({"dhw": 1.0}, 0.0),
    "boiler.high": _shown("dhw_temperature"),
    "boiler.low": _shown("dhw_temperature_bottom"),
    "boiler.circulation_pump": _constant(0.0),
    "buffer.error": _constant(0.0),
    "buffer.state": _coded({"heating": 1.0, "defrost": 1.0, "cooling": 2.0}, 0.0),
    "buffer.high": _shown("buffer_temperature"),
    "buffer.low": _shown("buffer_temperature", 1.0, -2.0),
    "solar.error": _constant(0.0),
    "solar.state": _constant(0.0),
    "solar.collector": _shown("outdoor_temperature"),
    "solar.storage": _shown("buffer_temperature"),
    **_circuit_readings("a"),
    **_circuit_readings("b"),
}
