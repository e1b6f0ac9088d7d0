"""A simulated NIBE S-series pump on Modbus TCP, in front of a model.

Behaviour follows the lists that pumps export and field notes: input and holding registers
apart, low word first, type limits where there is no value, exception 2 at addresses that
are on no list, and a restart for whoever touches the two registers that nobody may touch.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .idm_values import Link, Reading
from .nibe_table import MODELS, NibeRow, rows
from .physics import HeatPumpModel, StateValue
from .server import HOLDINGS
from .two_tables import TwoTableServer

GROUND: Final = frozenset({"s1155_s1255", "s1156_s1256"})
EXHAUST: Final = frozenset({"s735"})
SYSTEMS: Final = "abcdefgh"

CRASHING: Final = frozenset(
    table + number - base
    for number in (43234, 43243)
    for base in (0, 40001, 40000, 30001, 30000)
    for table in (0, HOLDINGS)
)
"""Places of the registers that restart firmware 2.22.6, by every numbering."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NibeMachine:
    """What one simulated NIBE has. Raises ``ValueError`` for what cannot be."""

    model: str = "s1155_s1255"
    systems: str = "ab"
    """Climate systems with sensors, as letters."""

    def __post_init__(self) -> None:
        """Check model and systems."""
        if self.model not in MODELS:
            raise ValueError(f"no such model: {self.model}")
        if not self.systems.startswith("a") or not set(self.systems) <= set(SYSTEMS):
            raise ValueError(f"no such climate systems: {self.systems!r}")

    def rows(self) -> Iterator[NibeRow]:
        """Yield every row that is on the list of this model."""
        for row in rows():
            if self.model in row.models.split():
                yield row

    def fitted(self, row: NibeRow) -> bool:
        """Return whether there is a sensor behind a row."""
        if row.key.startswith("eb101_") and self.model in GROUND | EXHAUST:
            return False
        system = int(row.key[-1]) if row.key[-4:-1] == "_cs" else row.system
        return not system or SYSTEMS[system - 1] in self.systems


class NibeServer(TwoTableServer):
    """Serves one model as one NIBE; all methods belong to the server's loop."""

    def __init__(
        self, model: HeatPumpModel, machine: NibeMachine | None = None, **options: Any
    ) -> None:
        """Prepare; nothing listens before :meth:`start`.

        ``options`` are those of :class:`.two_tables.TwoTableServer`. Raises
        ``ValueError`` if the model lacks a circuit of the machine.
        """
        self.machine = machine or NibeMachine()
        missing = set(self.machine.systems) - {circuit.name for circuit in model.circuits}
        if missing:
            raise ValueError(f"the model has no circuits {sorted(missing)}")
        fitted = {row.key for row in self.machine.rows() if self.machine.fitted(row)}
        super().__init__(
            model,
            self.machine.rows(),
            {key: source for key, source in _readings(self.machine).items() if key in fitted},
            {key: link for key, link in _links(self.machine).items() if key in fitted},
            **options,
        )
        for key in ("operating_mode", "more_hot_water", "more_hot_water_minutes"):
            self.set_value(key, 0.0)
        self.crash(*CRASHING)


def _shown(key: str, factor: float = 1.0, offset: float = 0.0) -> Reading:
    """Return a reading that is a state, as a number, times ``factor`` plus ``offset``."""
    return lambda _m, state: float(state[key]) * factor + offset


def _constant(value: float) -> Reading:
    return lambda _m, _s: value


def _priority(_model: HeatPumpModel, state: Mapping[str, StateValue]) -> float:
    """Return 31029: 10 off, 20 hot water, 30 heat, 60 cooling; a defrost interrupts none."""
    codes = {"dhw": 20.0, "heating": 30.0, "defrost": 30.0, "cooling": 60.0}
    return codes.get(str(state["operating_mode"]), 10.0)


def _brine(cooler: float) -> Reading:
    """Return a brine temperature: steady, and colder while heat is taken from it."""
    return lambda _m, state: 6.5 - 0.02 * float(state["compressor_frequency"]) - cooler


def _degree_minutes(model: HeatPumpModel, _state: Mapping[str, StateValue]) -> float:
    """Return how much the flow falls short of what is wanted."""
    return round(60.0 * min(0.0, model.buffer.temperature - model.target), 1)


def _last_hour(mode: str, share: float) -> Reading:
    """Return the energy of the last hour, kWh: as if it had run like now."""
    return lambda _m, state: (
        abs(float(state["thermal_power"])) / 1000.0 * share
        if state["operating_mode"] == mode
        else 0.0
    )


def _sg_state(model: HeatPumpModel, _state: Mapping[str, StateValue]) -> float:
    """Return 31912: 10 normal, 20 high price (blocked), 30 low price, 40 free."""
    codes = {"normal": 10.0, "locked": 20.0, "recommended": 30.0, "forced": 40.0}
    return codes[str(model.settings["smart_grid_mode"])]


def _readings(machine: NibeMachine) -> dict[str, Reading]:
    """Return how measured registers follow from the model, by key of the map."""
    exhaust = machine.model in EXHAUST
    readings = dict(_READINGS)
    if machine.model in GROUND:
        # heat from the ground: the air in the house is nobody's source
        readings |= {"brine_in_temperature": _brine(0.0), "brine_out_temperature": _brine(3.0)}
    elif exhaust:
        readings |= {
            "exhaust_air_temperature": _shown("room_temperature"),
            "extract_air_temperature": _shown("room_temperature", 1.0, -14.0),
        }
    for system in machine.systems:
        index = SYSTEMS.index(system) + 1
        prefix = f"circuit_{system}_"
        supply = "supply_temperature" if index == 1 else f"supply_temperature_cs{index}"
        readings |= {
            supply: _shown(prefix + "flow_temperature"),
            f"return_temperature_cs{index}": _shown(prefix + "flow_temperature", 1.0, -4.0),
            f"room_temperature_cs{index}": _shown(prefix + "room_temperature"),
            f"room_temperature_average_cs{index}": _shown(prefix + "room_temperature"),
            f"calculated_supply_temperature_cs{index}": _shown(
                prefix + "flow_temperature_setpoint"
            ),
            f"shunt_status_cs{index}": _constant(20.0),
        }
    return readings


def _links(machine: NibeMachine) -> dict[str, Link]:
    """Return the model's settings behind holding registers, by key of the map."""
    links = dict(_LINKS)
    for system in machine.systems:
        index = SYSTEMS.index(system) + 1
        prefix = f"circuit_{system}_"
        links |= {
            f"heating_curve_cs{index}": Link(prefix + "heating_curve_slope", factor=0.07),
            f"heating_offset_cs{index}": Link(prefix + "heating_curve_shift"),
            f"room_setpoint_cs{index}": Link(prefix + "room_temperature_setpoint"),
        }
    return links


_LINKS: Final = {
    "hot_water_stop_normal": Link("dhw_temperature_setpoint"),
    "hot_water_start_normal": Link("dhw_charge_on_temperature"),
    "auto_additional_heat_stop_temperature": Link("bivalence_point"),
    "pv_available_power": Link("pv_surplus"),
    "power_limit": Link("power_limit", factor=1000.0),
    "sg_ready_requested_mode": Link(
        "smart_grid_mode", {0: "locked", 1: "normal", 2: "recommended", 3: "forced"}
    ),
    "external_bt1_value": Link("external_outdoor_temperature"),
    "external_bt50_value": Link("circuit_a_external_room_temperature"),
}

_READINGS: Final[dict[str, Reading]] = {
    "outdoor_temperature": _shown("outdoor_temperature"),
    "outdoor_temperature_average": _shown("outdoor_temperature_average"),
    "return_temperature": _shown("return_temperature"),
    "hot_water_top_temperature": _shown("dhw_temperature"),
    "hot_water_charging_temperature": _shown("dhw_temperature_bottom"),
    "hot_water_start_temperature": _shown("dhw_temperature_bottom"),
    "outgoing_hot_water_temperature": _shown("dhw_tap_temperature"),
    "condenser_supply_temperature": _shown("flow_temperature"),
    "discharge_temperature": _shown("hot_gas_temperature"),
    "liquid_line_temperature": _shown("condensation_temperature", 1.0, -4.0),
    "suction_gas_temperature": _shown("suction_gas_temperature"),
    "external_supply_temperature": _shown("buffer_temperature"),
    "eb101_outdoor_temperature": _shown("source_inlet_temperature"),
    "eb101_evaporator_temperature": _shown("evaporation_temperature"),
    "eb101_return_temperature": _shown("return_temperature"),
    "eb101_condenser_supply_temperature": _shown("flow_temperature"),
    "eb101_discharge_temperature": _shown("hot_gas_temperature"),
    "eb101_liquid_line_temperature": _shown("condensation_temperature", 1.0, -4.0),
    "eb101_suction_gas_temperature": _shown("suction_gas_temperature"),
    "eb101_low_pressure": _shown("low_pressure"),
    "eb101_compressor_frequency": _shown("compressor_frequency"),
    "eb101_requested_compressor_frequency": _shown("compressor_frequency"),
    "eb101_protection_mode": _constant(0.0),
    "eb101_defrosting": _shown("defrosting"),
    "eb101_time_to_defrost": _constant(45.0),
    "eb101_generated_power": lambda _m, state: max(0.0, float(state["thermal_power"])) / 1000.0,
    "eb101_compressor_status": lambda _m, state: 60.0 if state["compressor_running"] else 20.0,
    "eb101_compressor_time_to_start": _constant(0.0),
    "eb101_compressor_starts": _shown("compressor_starts"),
    "eb101_compressor_hours": lambda _m, state: float(int(state["compressor_hours"])),
    "eb101_compressor_hours_hot_water": lambda _m, state: float(
        int(float(state["compressor_hours"]) / 4)
    ),
    "eb101_alarm_number": _shown("fault_code"),
    "compressor_frequency": _shown("compressor_frequency"),
    "requested_compressor_frequency": _shown("compressor_frequency"),
    "max_compressor_frequency_heating": _constant(90.0),
    "compressor_status": _shown("compressor_running"),
    "inverter_limit_status": _constant(0.0),
    "compressor_starts": _shown("compressor_starts"),
    "eb100_compressor_starts": _shown("compressor_starts"),
    "eb100_compressor_hours": lambda _m, state: float(int(state["compressor_hours"])),
    "eb100_compressor_hours_hot_water": lambda _m, state: float(
        int(float(state["compressor_hours"]) / 4)
    ),
    "eb100_compressor_time_to_start": _constant(0.0),
    "brine_pump_mode": lambda _m, state: 20.0 if state["compressor_running"] else 10.0,
    "brine_pump_speed": _shown("circulation_pump_speed"),
    "heating_medium_pump_speed": _shown("circulation_pump_speed"),
    "high_pressure_dew_point": _shown("condensation_temperature"),
    "low_pressure_dew_point": _shown("evaporation_temperature"),
    "low_pressure": _shown("low_pressure"),
    "flow_rate": _shown("flow_rate"),
    "current_phase_1": _shown("supply_current"),
    "current_phase_2": _constant(0.4),
    "current_phase_3": _constant(0.3),
    "internal_additional_heat_power": lambda model, _s: model.heater / 1000.0,
    "instantaneous_used_power": _shown("electrical_power"),
    "current_power_consumption": _shown("electrical_power", 0.001),
    "current_power_consumption_components": _shown("electrical_power", 0.001),
    "current_power": _shown("electrical_power", 0.001),
    "total_production": _shown("thermal_energy"),
    "total_consumption": _shown("electrical_energy"),
    "heat_hot_water_total": _shown("dhw_energy"),
    "heat_heating_total": _shown("heating_energy"),
    "heat_hot_water_compressor": _shown("dhw_energy"),
    "heat_heating_compressor": _shown("heating_energy"),
    "heat_cooling_compressor": _shown("cooling_energy"),
    "heat_pool_compressor": _constant(0.0),
    "hour_produced_heating": _last_hour("heating", 1.0),
    "hour_produced_hot_water": _last_hour("dhw", 1.0),
    "hour_produced_cooling": _last_hour("cooling", 1.0),
    "hour_used_heating": _last_hour("heating", 0.25),
    "hour_used_hot_water": _last_hour("dhw", 0.3),
    "hour_used_cooling": _last_hour("cooling", 0.25),
    "hour_used_additional_heating": _constant(0.0),
    "hour_used_additional_hot_water": _constant(0.0),
    "priority": _priority,
    "alarm_number": _shown("fault_code"),
    "class_1_alarm": _shown("fault"),
    "frost_protection_status": _constant(0.0),
    "additional_heat_hours": _shown("backup_heater_hours"),
    "additional_heat_hours_hot_water": _shown("backup_heater_hours", 0.5),
    "additional_heat_mode": _constant(10.0),
    "shunt_additional_heat_status": _constant(10.0),
    "fan_mode": _constant(0.0),
    "hot_water_mode_current": _constant(1.0),
    "external_blocking": _shown("utility_lock"),
    "hot_water_circulation_pump": lambda model, _s: float(model.now.hour in {6, 7, 17, 18, 19}),
    "more_hot_water_status": _constant(0.0),
    "active_heat_pumps": _constant(1.0),
    "blocked": _shown("utility_lock"),
    "diverter_valve_hot_water": _shown("dhw_charging"),
    "sg_ready_state": _sg_state,
    "sg_ready_input_a": _constant(0.0),
    "sg_ready_input_b": _constant(0.0),
    "heat_pump_type": _constant(16.0),
    "compressor_size": _constant(12.0),
    "degree_minutes": _degree_minutes,
}
