"""What is regressed on what: features of the machine's state, targets, and physical gaps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from .signals import Signal

SOURCE: Final = "source_inlet_temperature"
OUTDOOR: Final = "outdoor_temperature"
FLOW: Final = "flow_temperature"
FREQUENCY: Final = "compressor_frequency"
PUMP: Final = "circulation_pump_speed"
CONDENSATION: Final = "condensation_temperature"
DRIVERS: Final = (SOURCE, OUTDOOR, FLOW, FREQUENCY, PUMP, CONDENSATION)
"""The signals that features are made of."""

GAPS: Final = (
    ("spread", FLOW, "return_temperature"),
    ("condenser_gap", CONDENSATION, FLOW),
    ("condenser_return_gap", CONDENSATION, "return_temperature"),
    ("source_gap", SOURCE, "evaporation_temperature"),
    ("source_drop", SOURCE, "source_outlet_temperature"),
    ("outlet_gap", "source_outlet_temperature", "evaporation_temperature"),
    ("outdoor_gap", OUTDOOR, SOURCE),
    ("source_balance", SOURCE, "source_outlet_temperature"),
    ("gas_gap", "hot_gas_temperature", CONDENSATION),
    ("gas_flow_gap", "hot_gas_temperature", FLOW),
    ("suction_gap", "suction_gas_temperature", "evaporation_temperature"),
    ("suction_source_gap", SOURCE, "suction_gas_temperature"),
    ("charge_gap", FLOW, "dhw_temperature"),
    ("charge_return_gap", "return_temperature", "dhw_temperature"),
    ("tank_gap", "dhw_temperature", "dhw_temperature_bottom"),
)
"""Differences that physics ties to the machine's load: name, minuend, subtrahend."""

BALANCES: Final = {
    "saturation_low": "evaporation_temperature",
    "saturation_high": "condensation_temperature",
    "gas_balance": "hot_gas_temperature",
    "capacity": "thermal_power",
    "work": "electrical_power",
}
"""Further expectations of one signal: name, and the signal."""

_GIVEN: Final = {
    # What the source gives is what the water gets without what the compressor takes.
    "source_balance": ("thermal_power", "electrical_power"),
    # A boiling refrigerant's pressure is known by its temperature.
    "saturation_low": ("low_pressure",),
    "saturation_high": ("high_pressure",),
    # A compressor only knows what it draws in, and against what: frost is in that.
    "gas_balance": ("evaporation_temperature",),
    "capacity": ("evaporation_temperature",),
    "work": ("evaporation_temperature",),
}
"""Signals that an expectation is made of besides the features."""
GIVEN: Final = 2
"""How many at most."""

ALONE: Final = frozenset(
    {
        "evaporation_temperature", "hot_gas_temperature", "suction_gas_temperature", "superheat",
        "high_pressure", "low_pressure", "expansion_valve_position", "fan_speed", "flow_rate",
        "electrical_power", "thermal_power", "cop", "supply_current", "source_outlet_temperature",
        "circulation_pump_speed",
    }
)  # fmt: skip
"""What load and source explain by themselves; nobody knows that of a brand's own signals."""

_SAME: Final = {
    "supply_current": frozenset({"electrical_power"}),
    "cop": frozenset({"electrical_power", "thermal_power"}),
}
"""What says nothing more once the others are there."""

_QUANTITIES: Final = {
    "water": (
        "spread", "condenser_gap", "condenser_return_gap", "high_pressure", "saturation_high",
    ),
    "evaporation": (
        "source_gap", "outlet_gap", "evaporation_temperature", "low_pressure", "saturation_low",
    ),
    "source": ("source_drop", "source_outlet_temperature", "outdoor_gap", "source_balance"),
    "hot_gas": ("gas_gap", "gas_flow_gap", "hot_gas_temperature", "gas_balance"),
    "thermal_power": ("thermal_power", "capacity"),
    "electrical_power": ("electrical_power", "work"),
    "suction": (
        "suction_gap", "suction_source_gap", "suction_gas_temperature", "superheat",
    ),
    "tank": ("charge_gap", "charge_return_gap", "tank_gap"),
}  # fmt: skip

_FEATURES: Final = (
    # name, the drivers it is made of
    ("s", (SOURCE,)),
    ("ss", (SOURCE,)),
    ("w", (FLOW,)),
    ("ww", (FLOW,)),
    ("sw", (SOURCE, FLOW)),
    ("f", (FREQUENCY,)),
    ("ff", (FREQUENCY,)),
    ("fs", (FREQUENCY, SOURCE)),
    ("fw", (FREQUENCY, FLOW)),
    ("p", (PUMP,)),
    ("o", (OUTDOOR,)),
    ("c", (CONDENSATION,)),
    ("cc", (CONDENSATION,)),
    ("d", ()),
    ("e", ()),
)
FEATURES: Final = len(_FEATURES)
_STAND_INS: Final = frozenset({"c", "cc"})
"""Stand in for the water's temperature where that is not to be used."""


@dataclass(frozen=True, slots=True)
class Relation:
    """One expectation: of a signal, or of the difference between two."""

    name: str
    plus: str
    minus: str | None = None
    given: tuple[str, ...] = ()
    """Signals that are taken as they are, besides the features."""

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals it is about."""
        return (self.plus,) if self.minus is None else (self.plus, self.minus)


def relations_of(signals: Iterable[Signal]) -> list[Relation]:
    """Return what can be expected of these signals, gaps first."""
    keys = {signal.key: signal for signal in signals if signal.analog}
    made = [
        *(Relation(name, plus, minus, _GIVEN.get(name, ())) for name, plus, minus in GAPS),
        *(Relation(name, plus, None, _GIVEN[name]) for name, plus in BALANCES.items()),
    ]
    found = [one for one in made if keys.keys() >= {*one.signals, *one.given}]
    found.extend(
        Relation(key, key)
        for key in keys
        if key in ALONE and not (key in _SAME and keys.keys() >= _SAME[key])
    )
    return found


def quantity_of(relation: str) -> str:
    """Return what a relation measures, by its name."""
    return next((name for name, names in _QUANTITIES.items() if relation in names), relation)


def quantities_of(relations: Sequence[Relation]) -> list[list[int]]:
    """Return the relations by what they measure, so that one thing does not count twice."""
    groups: dict[str, list[int]] = {}
    for row, relation in enumerate(relations):
        groups.setdefault(quantity_of(relation.name), []).append(row)
    return list(groups.values())


def features(drivers: Sequence[float], since_defrost: float, settling: float) -> list[float]:
    """Return the features; ``drivers`` in the order of :data:`DRIVERS`.

    ``since_defrost`` in minutes, ``settling`` from 1 at a start to 0.
    """
    source, outdoor, flow, frequency, pump, condensation = drivers
    s, o, w = source / 10, outdoor / 10, (flow - 35) / 10
    f, c = frequency / 30 - 1.5, (condensation - 38) / 10
    return [
        s, s * s, w, w * w, s * w, f, f * f, f * s, f * w, pump / 50, o, c, c * c,
        min(since_defrost, 180.0) / 60, settling,
    ]  # fmt: skip


@cache
def columns(excluded: frozenset[str], present: frozenset[str]) -> tuple[int, ...]:
    """Return which features serve a relation about the ``excluded`` signals."""
    usable = present - excluded
    found = [
        index
        for index, (name, drivers) in enumerate(_FEATURES)
        if usable.issuperset(drivers) and name not in _STAND_INS
    ]
    if FLOW not in usable:
        found.extend(
            index
            for index, (name, drivers) in enumerate(_FEATURES)
            if usable.issuperset(drivers) and name in _STAND_INS
        )
    return tuple(sorted(found))
