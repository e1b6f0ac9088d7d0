"""The register map of a Lambda controller, as the simulated machine serves it.

Written from Lambda's "Modbus Beschreibung und Protokoll" (2025-02-13) and field notes,
independently of the shipped map file, so that the two check each other. A module's
registers stand at its base; ``absent`` is -300.0 °C where no sensor is fitted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from .two_tables import S16, S32, U16, MapRow, Type

BASES: Final = {
    "ambient": 0,
    "e_manager": 100,
    "heat_pump": 1000,
    "boiler": 2000,
    "buffer": 3000,
    "solar": 4000,
    "circuit_a": 5000,
    "circuit_b": 5100,
}
"""The first register of each module."""
_NO_SENSOR: Final = -3000
_HUNDREDTHS: Final = -0x8000


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaRow(MapRow):
    """One register of a module; the key is the module, a dot, and a name."""

    module: str


def _row(name: str, number: int, type: Type = S16, factor: float = 1.0, **more: Any) -> MapRow:
    """Return a register by its number in the module."""
    absent = _NO_SENSOR if factor == 10 else _HUNDREDTHS
    if type is not S16:
        absent = 0
    row = MapRow(key=name, address=number, type=type, factor=factor, holding=True, absent=absent)
    return replace(row, **more)


def _set(
    name: str, number: int, low: float, high: float, factor: float = 10, **more: Any
) -> MapRow:
    """Return a register that takes writes: from 50 on they are kept for good."""
    fields = {
        "access": "rw",
        "wear": "eeprom" if number >= 50 else "cyclic",
        "minimum": low,
        "maximum": high,
    }
    return _row(name, number, factor=factor, **(fields | more))


_CIRCUIT: Final = (
    _row("error", 0),
    _row("state", 1, U16),
    _row("flow", 2, factor=10),
    _row("return", 3, factor=10),
    _set("room", 4, -29.9, 99.9),
    _set("flow_request", 5, 15, 65),
    _set("mode", 6, 0, 7, 1, codes=(0, 2, 3, 4, 5, 6), wear="ram"),
    _row("flow_target", 7, factor=10),
    _set("offset", 50, -10, 10),
    _set("room_heating", 51, 15, 40),
    _set("room_cooling", 52, 15, 40),
)
_MODULES: Final[dict[str, tuple[MapRow, ...]]] = {
    "ambient": (
        _row("error", 0),
        _row("state", 1, U16),
        _set("outdoor", 2, -50, 80),
        _row("outdoor_hour", 3, factor=10),
        _row("outdoor_calculated", 4, factor=10),
    ),
    "e_manager": (
        _row("error", 0),
        _row("state", 1, U16),
        _set("surplus", 2, -32768, 32767, 1),
        _row("consumption", 3),
        _row("wanted", 4),
    ),
    "heat_pump": (
        _row("error_state", 0, U16),
        _row("error", 1),
        _row("state", 2, U16),
        _row("operating_state", 3, U16),
        _row("flow", 4, factor=100),
        _row("return", 5, factor=100),
        _row("sink_flow", 6),
        _row("source_in", 7, factor=100),
        _row("source_out", 8, factor=100),
        _row("source_flow", 9, factor=100),
        _row("rating", 10, U16, 100),
        _row("heat", 11, factor=10, absent=_HUNDREDTHS),
        _row("power", 12),
        _row("cop", 13, factor=100),
        _row("request", 15),
        _row("request_flow", 16, factor=10),
        _row("request_return", 17, factor=10),
        _row("request_spread", 18, factor=10),
        _row("second_stage", 19),
        _row("energy_in", 20, S32),
        _row("energy_out", 22, S32),
        _row("highest_rating", 25, U16, 100),
        _row("hot_gas", 26, factor=100),
        _row("subcooling", 27, factor=100),
        _row("suction_gas", 28, factor=100),
        _row("condensation", 29, factor=100),
        _row("evaporation", 30, factor=100),
        _row("source_rating", 31, U16, 100),
        _row("expansion_valve", 32, U16, 100),
    ),
    "boiler": (
        _row("error", 0),
        _row("state", 1, U16),
        _row("high", 2, factor=10),
        _row("low", 3, factor=10),
        _row("circulation", 4, factor=10),
        _row("circulation_pump", 5),
        _set("target", 50, 25, 65),
    ),
    "buffer": (
        _row("error", 0),
        _row("state", 1, U16),
        _row("high", 2, factor=10),
        _row("low", 3, factor=10),
        _set("external", 4, 0, 90),
        _set("request", 5, 0, 3, 1, absent=0),
        _set("request_flow", 6, 0, 65, absent=-1),
        _set("request_return", 7, 0, 60, absent=-1),
        _set("request_spread", 8, 0, 35, absent=-1),
        _set("request_power", 9, 0, 25.5, absent=-1),
        _set("highest", 50, 25, 65),
    ),
    "solar": (
        _row("error", 0),
        _row("state", 1, U16),
        _row("collector", 2, factor=10),
        _row("storage", 3, factor=10),
        _set("highest", 50, 25, 90),
        _set("changeover", 51, 25, 90),
    ),
    "circuit_a": _CIRCUIT,
    "circuit_b": _CIRCUIT,
}


def rows(*, high_first: bool = False) -> Iterator[LambdaRow]:
    """Yield every register of every module."""
    for module, registers in _MODULES.items():
        for row in registers:
            fields = {name: getattr(row, name) for name in MapRow.__slots__}
            fields |= {
                "key": f"{module}.{row.key}",
                "address": BASES[module] + row.address,
                "high_first": high_first,
            }
            yield LambdaRow(module=module, **fields)
