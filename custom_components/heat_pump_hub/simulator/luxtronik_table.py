"""What stands at each index of a simulated Luxtronik, and what a write does to it.

Written from field notes on the controller's socket interface, independently of the
driver, so that the two check each other. Values are raw: tenths of a degree, seconds.
"""

from collections.abc import Callable, Mapping
from typing import Final

from .physics import HeatPumpModel, StateValue

type Reading = Callable[[HeatPumpModel, Mapping[str, StateValue]], float]

MIXING: Final = "bcd"
"""Circuits of the model behind the mixing circuits 1, 2 and 3; ``a`` is without mixer."""

OPERATING: Final = {
    "heating": 0,
    "dhw": 1,
    "pool": 2,
    "utility_lock": 3,
    "defrost": 4,
    "off": 5,
    "cooling": 7,
}
"""What it does, by the number of calculation 80."""
_MENU: Final = {"heating": 0, "off": 1, "dhw": 5, "defrost": 7, "cooling": 10, "utility_lock": 4}


def shown(key: str, factor: float = 10.0) -> Reading:
    """Return a reading that is a state times ``factor``."""
    return lambda _m, state: float(state[key]) * factor


def flag(key: str) -> Reading:
    """Return a reading that is 1 while the state is true."""
    return lambda _m, state: float(bool(state[key]))


def mode(table: Mapping[str, int]) -> Reading:
    """Return a reading that numbers the operating mode."""
    return lambda _m, state: float(table[str(state["operating_mode"])])


def _status(_model: HeatPumpModel, state: Mapping[str, StateValue]) -> float:
    """Return the first line of the main menu."""
    if state["fault"]:
        return 3.0
    if state["defrosting"]:
        return 4.0
    return 0.0 if state["compressor_running"] else 1.0


CALCULATIONS: Final[dict[int, Reading]] = {
    10: shown("flow_temperature"),
    11: shown("return_temperature"),
    12: lambda model, _s: max(0.0, model.target - 4.0) * 10.0,
    13: shown("buffer_temperature"),
    14: shown("hot_gas_temperature"),
    15: shown("outdoor_temperature"),
    16: shown("outdoor_temperature_average"),
    17: shown("dhw_temperature"),
    18: shown("dhw_temperature_setpoint"),
    19: shown("source_inlet_temperature"),
    20: shown("source_outlet_temperature"),
    23: lambda _m, _s: 50.0,
    26: lambda _m, _s: 1500.0,
    27: lambda _m, _s: 750.0,
    28: lambda _m, _s: 50.0,
    29: flag("compressor_running"),
    32: lambda _m, _s: 0.0,
    33: lambda _m, _s: 1.0,
    34: lambda _m, _s: 1.0,
    37: flag("reversing_valve"),
    38: flag("dhw_charging"),
    39: flag("compressor_running"),
    42: flag("compressor_running"),
    43: flag("compressor_running"),
    44: flag("compressor_running"),
    48: flag("backup_heater_running"),
    56: shown("compressor_hours", 3600.0),
    57: shown("compressor_starts", 1.0),
    60: shown("backup_heater_hours", 3600.0),
    63: shown("compressor_hours", 3600.0),
    79: lambda model, _s: 3.0 if model.heater else 1.0,
    80: mode(OPERATING),
    117: _status,
    118: lambda _m, _s: 0.0,
    119: mode(_MENU),
    134: lambda model, _s: model.now.timestamp(),
    151: shown("heating_energy"),
    152: shown("dhw_energy"),
    154: lambda _m, state: (float(state["heating_energy"]) + float(state["dhw_energy"])) * 10.0,
    155: shown("flow_rate", 60.0),
    173: lambda _m, _s: 0.0,
    174: lambda _m, _s: 1.0,
    175: shown("evaporation_temperature"),
    176: shown("suction_gas_temperature"),
    177: shown("inverter_temperature"),
    178: shown("superheat"),
    179: lambda _m, _s: 60.0,
    180: shown("high_pressure", 100.0),
    181: shown("low_pressure", 100.0),
    183: shown("circulation_pump_speed", 1.0),
    184: shown("fan_speed", 1.0),
    227: shown("room_temperature"),
    228: lambda model, _s: model.circuits[0].setpoint * 10.0,
    231: shown("compressor_frequency", 1.0),
    232: shown("evaporation_temperature"),
    233: shown("condensation_temperature"),
    241: shown("circulation_pump_speed", 1.0),
    254: shown("flow_rate", 60.0),
    257: shown("thermal_power", 1.0),
    268: shown("electrical_power", 1.0),
}
"""What is measured; other indices are 0."""

MIXING_CALCULATIONS: Final[Mapping[int, tuple[int, str, float]]] = {
    21: (0, "flow_temperature", 10.0),
    22: (0, "flow_temperature_setpoint", 10.0),
    24: (1, "flow_temperature", 10.0),
    25: (1, "flow_temperature_setpoint", 10.0),
    51: (1, "pump_running", 1.0),
    136: (2, "flow_temperature_setpoint", 10.0),
    137: (2, "flow_temperature", 10.0),
    140: (2, "pump_running", 1.0),
}
"""Index to number of the mixing circuit, its state and the factor."""

COUNTERS: Final[dict[int, Reading]] = {
    668: shown("compressor_hours", 3600.0),
    669: shown("compressor_hours", 3600.0),
    674: shown("compressor_starts", 1.0),
    852: shown("thermal_energy", 100.0),
    854: shown("heating_energy", 100.0),
    878: shown("dhw_energy", 100.0),
    1119: lambda model, _s: model.now.timestamp() - 7200.0,
    1135: shown("cooling_energy", 100.0),
    1136: shown("heating_electrical_energy", 100.0),
    1137: shown("dhw_electrical_energy", 100.0),
    1139: shown("cooling_electrical_energy", 100.0),
}
"""Parameters that count."""

SETTINGS: Final[dict[int, int]] = {
    1: 0,
    3: 0,
    4: 0,
    12: 220,
    13: -50,
    20: 1,
    29: 0,
    47: 600,
    74: 50,
    84: 600,
    87: 550,
    88: 20,
    89: 50,
    90: -50,
    103: 0,
    107: 2,
    108: 0,
    110: 250,
    111: -100,
    119: 0,
    132: 200,
    133: 200,
    161: 0,
    222: 2,
    223: 21600,
    224: 79200,
    405: 0,
    699: 1,
    850: 20,
    851: 20,
    864: 30,
    880: 1_577_836_800,
    894: 0,
    973: 650,
    979: 150,
    980: 100,
    992: 60,
    993: 180,
    994: 1,
    1032: 100,
    1045: 0,
    1146: 600,
    1147: 7200,
    1159: 80,
}
"""What parameters hold at first; others hold 0."""

PASSWORD: Final[Mapping[int, int]] = dict(zip(range(755, 761), (9, 9, 9, 7, 7, 7), strict=True))
"""The six digits of the web server's password."""

LIMITS: Final[dict[int, tuple[int, int]]] = {
    1: (-50, 50),
    2: (300, 650),
    3: (0, 4),
    4: (0, 4),
    11: (200, 700),
    12: (50, 350),
    13: (-150, 100),
    47: (500, 700),
    74: (10, 300),
    88: (5, 60),
    103: (0, 2),
    105: (300, 650),
    108: (0, 1),
    110: (100, 350),
    222: (0, 2),
    223: (0, 86_400),
    224: (0, 86_400),
    695: (0, 4),
    696: (0, 4),
    700: (50, 300),
    779: (0, 4),
    1045: (0, 101),
    1147: (7200, 86_400),
    1159: (0, 300),
}
"""Raw values the controller takes; it keeps the old one else, and says nothing."""

CIRCUIT_MODES: Final[Mapping[int, str]] = {0: "time_program", 2: "normal", 3: "eco", 4: "off"}
"""Parameters 695, 696 and 779 to what the model calls it."""


def system_mode(heating: int, dhw: int) -> str:
    """Return the model's mode for the parameters 3 and 4 (3 holidays, 4 off)."""
    if heating == 3:
        return "away"
    if heating == 4:
        return "standby" if dhw == 4 else "hot_water_only"
    return "heating_cooling_only" if dhw == 4 else "automatic"


def slope(end_point: float, room: float) -> float:
    """Return the model's curve for the flow temperature at -20 °C."""
    return (end_point - room) / (room + 20.0)


def end_point(curve: float, room: float) -> float:
    """Return the flow temperature at -20 °C for the model's curve."""
    return room + curve * (room + 20.0)
