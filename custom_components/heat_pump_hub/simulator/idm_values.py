"""What stands in each register of a simulated IDM machine, and what a write does to it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite, pi, sin
from struct import pack, unpack
from typing import Final, Literal

from .idm_table import F32, I16, Row, rows
from .physics import HeatPumpModel, StateValue
from .settings import CIRCUIT_MODES, Setting

type Reading = Callable[[HeatPumpModel, Mapping[str, StateValue]], float | None]

DEFAULT_FEATURES: Final = frozenset({"power_meter", "firmware"})
FEATURES: Final = DEFAULT_FEATURES | {
    "booster",
    "cascade",
    "firmware_4116",
    "isc",
    "power_limit",
    "pv_target",
    "room_9_relay",
    "smart_grid_90",
    "smartfox",
    "solar",
}
"""Optional blocks of the register map."""
_NAVIGATOR_10: Final = {"navigator_10", "power_limit", "pv_target", "smart_grid_90", "smartfox"}


@dataclass(frozen=True, slots=True, kw_only=True)
class IdmMachine:
    """What one simulated IDM heat pump has. Raises ``ValueError`` for what cannot be."""

    circuits: str = "AB"
    zones: Mapping[int, int] = field(default_factory=dict)
    """Zone module 1..10 to the number of its rooms, 1..8; others are refused."""
    features: frozenset[str] = DEFAULT_FEATURES
    """Of :data:`FEATURES`; what is missing is refused with exception 2."""
    sentinels: frozenset[str] = frozenset()
    """Blocks that are not fitted but answer sentinels instead of refusing, as some do."""
    navigator: Literal["2.0", "10", "1.7"] = "2.0"
    max_read: int = 125
    """Registers in one read; more is refused with exception 3."""

    def __post_init__(self) -> None:
        """Check circuits, zones and features."""
        if not self.circuits or not set(self.circuits.lower()) <= set("abcdefg"):
            raise ValueError(f"no such circuits: {self.circuits!r}")
        if not all(1 <= zone <= 10 and 1 <= count <= 8 for zone, count in self.zones.items()):
            raise ValueError(f"zones are 1-10 with 1-8 rooms: {dict(self.zones)}")
        if unknown := (self.features | self.sentinels) - FEATURES - {"navigator_10"}:
            raise ValueError(f"no such features: {sorted(unknown)}")

    def rows(self) -> Iterator[tuple[Row, bool]]:
        """Yield every row this machine answers, and whether what it shows is fitted."""
        fitted = self.features | {"core"} | (_NAVIGATOR_10 if self.navigator == "10" else set())
        circuits = self.circuits.lower()
        for row in rows():
            if self.navigator == "1.7":
                if 1000 <= row.address <= 1014:
                    yield row, row.address == 1000
            elif row.zone:
                if row.zone in self.zones and row.module in {"zone", *fitted}:
                    yield row, row.room <= self.zones[row.zone]
            elif row.module in fitted:
                yield row, not row.circuit or row.circuit in circuits
            elif row.module in self.sentinels:
                yield row, False


def encode(row: Row, value: float | None) -> tuple[int, ...]:
    """Return the words of a value; ``None`` becomes the sentinel of the row.

    Floats have the low word first: 21.5 is 0x0000, 0x41AC.
    """
    if value is None:
        value = row.sentinel
    if row.type is F32:
        low, high = unpack("<HH", pack("<f", value))
        return low, high
    return (int(value) & 0xFFFF,)


def decode(row: Row, words: tuple[int, ...]) -> float:
    """Return the value of words; single registers are signed where the row is."""
    if row.type is F32:
        value: float = unpack("<f", pack("<HH", *words))[0]
        return value
    return words[0] - 0x10000 if row.type is I16 and words[0] > 0x7FFF else words[0]


def acceptable(row: Row, value: float) -> bool:
    """Return whether the controller takes ``value``: its codes, its range, or "no value"."""
    if not isfinite(value):
        return False
    if row.codes is not None:
        return value in row.codes
    if row.wear == "cyclic" and value in {row.default, -1.0}:
        return True
    if row.type.words == 1 and row.type is not I16 and value > 0xFF:
        return False
    low = row.minimum if row.minimum is not None else value
    high = row.maximum if row.maximum is not None else value
    # A limit such as 0.1 is not exact in 32 bits.
    return low - 1e-6 <= value <= high + 1e-6


@dataclass(frozen=True, slots=True)
class Link:
    """A register that is a setting of the model."""

    setting: str
    codes: Mapping[int, Setting] | None = None
    factor: float = 1.0
    """Multiplies the register's value: kW to W."""
    none: float | None = None
    """The register's value that stands for "not supplied"."""

    def to_model(self, value: float) -> Setting:
        """Return what the model is told."""
        if self.codes is not None:
            return self.codes[int(value)]
        return None if value == self.none else value * self.factor

    def from_model(self, value: Setting) -> float | None:
        """Return what the register shows."""
        if self.codes is not None:
            return next(code for code, slug in self.codes.items() if slug == value)
        return value / self.factor if isinstance(value, int | float) else self.none


_SYSTEM_MODES: Final[dict[int, Setting]] = {
    0: "standby",
    1: "automatic",
    2: "away",
    4: "hot_water_only",
    5: "heating_cooling_only",
}
LINKS: Final[dict[str, Link]] = {
    "system_mode": Link("system_mode", _SYSTEM_MODES),
    "dhw_setpoint": Link("dhw_temperature_setpoint"),
    "dhw_charge_on_temperature": Link("dhw_charge_on_temperature"),
    "dhw_charge_off_temperature": Link("dhw_charge_off_temperature"),
    "bivalence_point_1_second_generator": Link("bivalence_point"),
    "pv_surplus": Link("pv_surplus", factor=1000.0),
    "power_limit_heat_pump": Link("power_limit", factor=1000.0, none=-1.0),
    "external_outdoor_temperature": Link("external_outdoor_temperature", none=-1.0),
    "glt_temperature_request_heating": Link("flow_request", none=0.0),
    "request_heating": Link("request_heating"),
    "request_cooling": Link("request_cooling"),
    "request_dhw": Link("request_dhw"),
    "request_dhw_once": Link("request_dhw_once"),
}
_CIRCUIT_LINKS: Final = {
    "mode": Link("mode", dict(enumerate(CIRCUIT_MODES))),
    "room_setpoint_heating_normal": Link("room_temperature_setpoint"),
    "room_setpoint_heating_eco": Link("room_temperature_setback"),
    "heating_curve": Link("heating_curve_slope"),
    "parallel_shift": Link("heating_curve_shift"),
    "heating_limit": Link("heating_limit"),
    "cooling_limit": Link("cooling_limit"),
    "flow_setpoint_constant": Link("flow_setpoint_constant"),
    "flow_setpoint_cooling": Link("flow_setpoint_cooling"),
    "external_room_temperature": Link("external_room_temperature", none=-1.0),
}


def link(row: Row) -> Link | None:
    """Return the model's setting behind a register, with the circuit's prefix."""
    if not row.circuit:
        return LINKS.get(row.key)
    prefix = f"circuit_{row.circuit}_"
    found = _CIRCUIT_LINKS.get(row.key.removeprefix(prefix))
    if found is None:
        return None
    return Link(prefix + found.setting, found.codes, found.factor, found.none)


def stored(row: Row) -> float:
    """Return what a setting without a model behind it holds at first."""
    initial = {
        "cascade_max_power": 100.0,
        "cascade_min_power": 0.0,
        "cascade_bivalence": 5.0,
        "bivalence_point": -15.0,
        "electric_heater_power": 0.0,
        "pv_production": 0.0,
    }
    for start, value in initial.items():
        if row.key.startswith(start):
            return value
    if row.room:
        return {"setpoint": 21.0, "mode": 1.0}.get(row.key.rpartition("_")[2], row.sentinel)
    return row.sentinel if row.default is None else row.default


def reading(row: Row) -> Reading | None:
    """Return how a measured register follows from the model; ``None``: never fitted here."""
    key = row.key
    if row.circuit:
        name = key.removeprefix(f"circuit_{row.circuit}_")
        prefix = f"circuit_{row.circuit}_"
        if name == "active_mode":
            codes = {"off": 0.0, "heating": 1.0, "cooling": 2.0}
            return lambda _m, state: codes[str(state[prefix + name])]
        shown = name.replace("flow_target_temperature", "flow_temperature_setpoint")
        return _shown(prefix + shown)
    if row.zone:
        return _zone_reading(row)
    if key.startswith("booster_") and row.boosters:
        return _BOOSTER.get(key[len("booster_a_") :])
    return _READINGS.get(key)


def _shown(key: str, factor: float = 1.0) -> Reading:
    """Return a reading that is a state, as a number, times ``factor``."""
    return lambda _m, state: float(state[key]) * factor


def _zone_reading(row: Row) -> Reading | None:
    """Return what a zone module measures; every room is a little different."""
    name = row.key.rpartition("_")[2]
    offset = 0.3 * row.room - 0.2 * row.zone
    if name == "mode" and not row.room:
        return lambda model, _s: 0.0 if model.mode == "cooling" else 1.0
    if name == "temperature":
        return lambda _m, state: float(state["room_temperature"]) + offset
    if name == "humidity":
        return lambda _m, state: float(round(float(state["room_humidity"]) - row.room))
    if name == "relay":
        return lambda _m, state: float(float(state["room_temperature"]) + offset < 21.0)
    return lambda _m, _s: 0.0


def _mode_bits(_model: HeatPumpModel, state: Mapping[str, StateValue]) -> float:
    """Return register 1090: 1 heating, 2 cooling, 4 hot water, 8 defrost."""
    bits = {"heating": 1.0, "cooling": 2.0, "dhw": 4.0, "defrost": 8.0}
    return bits.get(str(state["operating_mode"]), 0.0)


def _pump(_model: HeatPumpModel, state: Mapping[str, StateValue]) -> float:
    """Return a pump signal: -1 off, else its speed in %."""
    return float(state["circulation_pump_speed"]) or -1.0


def _valve(key: str) -> Reading:
    """Return a valve that stands at 1 while the state is true."""
    return lambda _m, state: float(bool(state[key]))


def _price(model: HeatPumpModel, _state: Mapping[str, StateValue]) -> float:
    """Return a price in EUR/MWh: dear in the evening, cheap at noon."""
    hour = model.now.hour + model.now.minute / 60.0
    return round(92.0 - 38.0 * sin(pi * (hour - 6.0) / 12.0), 2)


def _smart_grid(model: HeatPumpModel, _state: Mapping[str, StateValue]) -> float:
    """Return register 90: 0 red, 1 yellow, 2 green, 4 supergreen."""
    codes = {"locked": 0.0, "normal": 1.0, "recommended": 2.0, "forced": 4.0}
    return codes[str(model.settings["smart_grid_mode"])]


def _smart_grid_legacy(model: HeatPumpModel, _state: Mapping[str, StateValue]) -> float:
    """Return register 1006 of older firmware: lock and cheap power."""
    codes = {"locked": 0.0, "normal": 1.0, "recommended": 2.0, "forced": 2.0}
    return codes[str(model.settings["smart_grid_mode"])]


def _collector(model: HeatPumpModel, _state: Mapping[str, StateValue]) -> float:
    """Return the temperature of a solar collector."""
    return round(model.weather.temperature + 0.09 * model.weather.sun, 1)


def _constant(value: float) -> Reading:
    """Return a reading that never changes."""
    return lambda _m, _s: value


def _target(model: HeatPumpModel, _state: Mapping[str, StateValue]) -> float:
    """Return the flow temperature the house wants."""
    return round(model.target, 1)


_READINGS: Final[dict[str, Reading]] = {
    "smart_grid_status": _smart_grid,
    "smart_grid_status_legacy": _smart_grid_legacy,
    "outdoor_temperature": _shown("outdoor_temperature"),
    "outdoor_temperature_average": _shown("outdoor_temperature_average"),
    "internal_message_number": _shown("fault_code"),
    "heat_storage_temperature": _shown("buffer_temperature"),
    "dhw_temperature_bottom": _shown("dhw_temperature_bottom"),
    "dhw_temperature_top": _shown("dhw_temperature"),
    "dhw_tap_temperature": _shown("dhw_tap_temperature"),
    "electricity_price": _price,
    "flow_temperature": _shown("flow_temperature"),
    "return_temperature": _shown("return_temperature"),
    "heat_source_inlet_temperature": _shown("source_inlet_temperature"),
    "heat_source_outlet_temperature": _shown("source_outlet_temperature"),
    "air_intake_temperature": _shown("source_inlet_temperature"),
    "air_heat_exchanger_temperature": _shown("evaporation_temperature"),
    "heat_sink_return_temperature": _shown("return_temperature"),
    "heat_sink_flow_temperature": _shown("flow_temperature"),
    "heat_sink_flow_rate": _shown("flow_rate"),
    "heat_sink_charge_pump": _pump,
    "heat_pump_mode": _mode_bits,
    "heating_request": _valve("heating_request"),
    "cooling_request": _valve("cooling_request"),
    "dhw_request": _valve("dhw_request"),
    "evu_lock_contact": lambda _m, state: 0.0 if state["utility_lock"] else 1.0,
    "heat_pump_fault": _valve("fault"),
    "compressor_1_status": _valve("compressor_running"),
    "charge_pump_status": _pump,
    "valve_circuit_heating_cooling": _valve("cooling_request"),
    "valve_storage_heating_cooling": _valve("cooling_request"),
    "valve_heating_dhw": _valve("dhw_charging"),
    "valve_heat_source_heating_cooling": _valve("cooling_request"),
    "circulation_pump": lambda model, _s: float(model.now.hour in {6, 7, 17, 18, 19, 20}),
    "bivalence_state": _valve("backup_heater_running"),
    "cascade_available_stages_heating": _constant(2.0),
    "cascade_available_stages_cooling": _constant(0.0),
    "cascade_available_stages_dhw": _constant(1.0),
    "cascade_running_stages_heating": lambda model, _s: float(model.mode == "heating"),
    "cascade_running_stages_cooling": lambda model, _s: float(model.mode == "cooling"),
    "cascade_running_stages_dhw": lambda model, _s: float(model.mode == "dhw"),
    "cascade_requested_heating_temperature": _target,
    "cascade_requested_cooling_temperature": _constant(0.0),
    "cascade_requested_dhw_temperature": _shown("dhw_temperature_setpoint"),
    "cascade_average_flow_temperature_heating": _shown("flow_temperature"),
    "cascade_average_flow_temperature_cooling": _shown("flow_temperature"),
    "cascade_average_flow_temperature_dhw": _shown("flow_temperature"),
    "humidity_sensor": _shown("room_humidity"),
    "fault_heat_source_circuit": _constant(1.0),
    "fault_heat_source_pressure_switch": _constant(1.0),
    "fault_charge_pump_1_intermediate": _constant(1.0),
    "fault_charge_pump_2_intermediate": _constant(1.0),
    "energy_heating": _shown("heating_energy"),
    "energy_total": _shown("thermal_energy"),
    "energy_cooling": _shown("cooling_energy"),
    "energy_dhw": _shown("dhw_energy"),
    "energy_defrost": _shown("defrost_energy"),
    "energy_electric_heater": _shown("backup_heater_energy"),
    "thermal_power": _shown("thermal_power", 0.001),
    "solar_collector_temperature": _collector,
    "solar_collector_return_temperature": _constant(31.5),
    "solar_charge_temperature": _constant(33.0),
    "isc_charge_temperature_cooling": _constant(14.5),
    "isc_recooling_temperature": _constant(22.5),
    "isc_mode": _constant(0.0),
    "firmware_version_legacy": _constant(20.23),
    "firmware_version": _constant(20.23),
    "electric_power": _shown("electrical_power", 0.001),
    "electric_power_total": _shown("electrical_power", 0.001),
    "thermal_power_flow_sensor": _shown("thermal_power", 0.001),
    "energy_total_flow_sensor": _shown("thermal_energy"),
}
"""Measured registers; a key that is missing here is a sensor this machine does not have."""

_BOOSTER: Final[dict[str, Reading]] = {
    "source_inlet_temperature": _shown("buffer_temperature"),
    "source_outlet_temperature": lambda _m, state: float(state["buffer_temperature"]) - 4.0,
    "storage_temperature": _constant(58.0),
    "flow_temperature": _constant(60.5),
    "return_temperature": _constant(56.0),
    "source_pump": _constant(-1.0),
    "charge_pump": _constant(-1.0),
    "compressor": _constant(0.0),
}
