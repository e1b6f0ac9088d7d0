"""What a Luxtronik says only between the lines."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ..derived import COP, cop
from ..points import HOT_WATER, MACHINE, Kind, Part, Point, Quantity, Tier, Value
from . import codes
from .firmware import Version
from .readout import Readout, at, numbers

MODEL: Final = 78
_EVU: Final = 31
_ROOM_STATION: Final = 23
_EVU_2: Final = 185
_STATUS: Final = 117
_FAULTED: Final = 3
_ERROR: Final = 100
_SMART_GRID: Final = 1030

_SMART_GRID_STATES: Final = MappingProxyType(
    {0: "locked", 1: "reduced", 2: "normal", 3: "increased"}
)
_SOURCES: Final = MappingProxyType({0: "air", 1: "brine", 2: "water"})
_COMPRESSORS: Final = ("compressor_1_output", "compressor_2_output", "compressor_output_2")
_THERMAL: Final = ("heating_energy", "dhw_energy", "pool_energy")
_ELECTRICAL: Final = (
    "heating_electrical_energy",
    "dhw_electrical_energy",
    "pool_electrical_energy",
    "cooling_electrical_energy",
)


def _flag(key: str, part: Part = MACHINE) -> Point:
    return Point(
        key=key, name=key, quantity=Quantity.FLAG, kind=Kind.STATE, part=part, enabled=True
    )


def _energy(key: str, tier: Tier) -> Point:
    return Point(
        key=key,
        name=key,
        quantity=Quantity.ENERGY,
        kind=Kind.COUNTER,
        tier=tier,
        decimals=2,
        enabled=True,
    )


POINTS: Final = (
    _flag("compressor_running"),
    _flag("defrosting"),
    _flag("dhw_charging", HOT_WATER),
    _flag("utility_lock"),
    _flag("fault"),
    Point(
        key="fault_code",
        name="fault_code",
        quantity=Quantity.CODE,
        kind=Kind.STATE,
        decimals=0,
        enabled=True,
    ),
    Point(
        key="source_kind",
        name="source_kind",
        quantity=Quantity.STATE,
        kind=Kind.STATE,
        options=_SOURCES,
        diagnostic=True,
    ),
    Point(
        key="smart_grid_state",
        name="smart_grid_state",
        quantity=Quantity.STATE,
        kind=Kind.STATE,
        options=_SMART_GRID_STATES,
    ),
    _energy("thermal_energy", Tier.MEASUREMENT),
)
"""Points that need calculations only."""

METERED: Final = (_energy("electrical_energy", Tier.SETTING),)
"""Points that need parameters."""


def source_kind(model: int | None) -> str | None:
    """Return what a model takes its heat from, where its name tells."""
    name = codes.MODELS.get(-1 if model is None else model, "")
    if name.startswith(("L", "KLW")):
        return "air"
    if name.startswith(("SW", "MSW", "KSW", "WZS")):
        return "brine"
    return "water" if name.startswith(("WW", "WZW")) else None


def smart_grid(
    version: Version | None, calculations: Readout, parameters: Readout
) -> tuple[bool, bool] | None:
    """Return both contacts, or ``None`` while smart grid is off or was not read.

    On a Luxtronik 2.0 (V1, V2) the first is inverted, and the second lies on the room
    station's input: below zero is on.
    """
    if not at(parameters, _SMART_GRID):
        return None
    first, second = at(calculations, _EVU), at(calculations, _EVU_2)
    if version is not None and version.series < 3:
        station = at(calculations, _ROOM_STATION)
        if first is None or station is None:
            return None
        return not first, station < 0
    return None if first is None or second is None else (bool(first), bool(second))


def derive(
    values: dict[str, Value], version: Version | None, calculations: Readout, parameters: Readout
) -> None:
    """Add what follows from the calculations, and drop what is none."""
    running = [values[key] for key in _COMPRESSORS if key in values]
    if running:
        values["compressor_running"] = any(running)
    mode = values.get("operating_mode")
    if mode is not None:
        values["defrosting"] = mode == "defrost"
        values["dhw_charging"] = mode == "dhw"
    contacts = smart_grid(version, calculations, parameters)
    if contacts is not None:
        values["smart_grid_state"] = _SMART_GRID_STATES[_STATES[contacts]]
        values["utility_lock"] = contacts == (True, False)
        if version is not None and version.series < 3:
            # the input of the room station carries a contact then, not a sensor
            values.pop("room_station_temperature", None)
    elif (unlocked := at(calculations, _EVU)) is not None:
        values["utility_lock"] = mode == "utility_lock" or unlocked == 0
    status = at(calculations, _STATUS)
    if status is not None:
        values["fault"] = status == _FAULTED
        values["fault_code"] = (at(calculations, _ERROR) or 0) if status == _FAULTED else 0
    if (kind := source_kind(at(calculations, MODEL))) is not None:
        values["source_kind"] = kind
    if "heating_energy" in values:
        values["thermal_energy"] = round(sum(numbers(values, _THERMAL)), 2)
    if (ratio := cop(values)) is not None:
        values[COP.key] = ratio


_STATES: Final[Mapping[tuple[bool, bool], int]] = MappingProxyType(
    {(True, False): 0, (False, False): 1, (False, True): 2, (True, True): 3}
)
"""Both contacts to a number of :data:`_SMART_GRID_STATES`."""


def derive_metered(values: dict[str, Value]) -> None:
    """Add the electrical energy; a machine without a meter leaves every counter at 0."""
    metered = numbers(values, _ELECTRICAL)
    if any(metered):
        values["electrical_energy"] = round(sum(metered), 2)
        return
    for key in _ELECTRICAL:
        values.pop(key, None)
