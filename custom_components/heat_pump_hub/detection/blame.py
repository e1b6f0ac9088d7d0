"""Sensor or machine: which one error explains all that deviates."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from .arrays import Array
from .relations import SLOW_CLIP, Model
from .signals import Role, Signal, role_of

_EXPLAINED: Final = 0.72
_CLEAR: Final = 0.04
_NOTABLE: Final = 0.6
_QUICK: Final = 4.0
_QUICK_CLIP: Final = 6.0
"""Beyond, one relation that knows exactly would outvote all others."""

_OUTLET: Final = "source_outlet_temperature"
_BOILING: Final = ("evaporation_temperature", "suction_gas_temperature")
_AT_SOURCE: Final = frozenset(
    {"source_inlet_temperature", "outdoor_temperature", "low_pressure", _OUTLET, *_BOILING}
)
_FIRST_SIGNS: Final = frozenset({(_OUTLET, -1.0), ("suction_gas_temperature", 1.0)})
"""Where less air or brine flows, what leaves is colder, and where refrigerant is lacking, the
suction gas is hotter, before anything else shows."""
_WITNESSES: Final = 2
_POWERS: Final = frozenset(
    {
        "thermal_power", "cop", "electrical_power", "supply_current", "capacity", "work",
        "expansion_valve_position", "source_balance", "superheat",
    }
)  # fmt: skip
_DERIVED: Final = ("thermal_power", "cop")
"""What machines work out from flow, return and flow rate."""


def told_by_all(model: Model) -> str | None:
    """Return the sensor whose error explains what all relations together show beyond the usual."""
    if model.last is None:
        return None
    named = model.errors.named(model.shifts(), model.scale(model.last[1], lasting=True))
    return None if named is None or named in _FIRST_SIGNS else named[0]


def suspect_of(model: Model, signals: Mapping[str, Signal]) -> str | None:
    """Return the sensor whose error alone would move all relations as they moved.

    An error of one unit in a sensor moves every relation that it is part of, or that is
    regressed on it, by a known amount. The sensor that fits best is named if it fits
    well, and clearly better than any other; ``None``: the machine.
    """
    if model.inputs is None or model.last is None:
        return None
    usable = model.usable
    quick = np.abs(model.fast[usable]).max(initial=0.0) >= _QUICK
    limit = _QUICK_CLIP if quick else SLOW_CLIP
    z = np.clip(np.where(usable, model.fast if quick else model.slow, 0.0), -limit, limit)
    energy = float(z @ z)
    if energy < _NOTABLE**2:
        return None
    grid = np.geomspace(0.03, 100.0, 40)
    sizes_of_error = np.concatenate((grid, -grid))[:, None]
    spread = model.scale(model.last[1], lasting=not quick)
    observed = model.last[0]
    scores: list[tuple[float, str]] = []
    moves = model.shifts()
    shifts: dict[str, Array] = {}
    for index, key in enumerate(model.signals):
        signal = signals.get(key)
        if signal is None or role_of(signal) is Role.PASSIVE:
            continue
        shift = moves[index]
        shifts[key] = shift
        variants = [shift, _with_derived(model, key, shift, observed)]
        best = 0.0
        for variant in variants:
            if variant is None:
                continue
            pattern = np.where(usable, variant / spread, 0.0)
            largest = float(np.abs(pattern).max())
            if largest > 0:
                sizes = sizes_of_error * (limit / largest)
                rest = np.clip(sizes * pattern, -limit, limit) - z
                best = max(best, 1.0 - float((rest * rest).sum(axis=1).min()) / energy)
        scores.append((best, key))
    scores.sort(reverse=True)
    if not scores or scores[0][0] < _EXPLAINED:
        return None
    if len(scores) > 1 and scores[0][0] - scores[1][0] < _CLEAR:
        return None
    named = scores[0][1]
    if named in _AT_SOURCE and _source_explains(model, shifts, z, spread, limit, scores[0][0]):
        return None
    return named


def _source_explains(
    model: Model, shifts: Mapping[str, Array], z: Array, spread: Array, limit: float, found: float
) -> bool:
    """Judge whether a source that gives too little explains what one wrong sensor would.

    Behind a clogged filter or ice, the refrigerant boils colder, and what leaves is colder,
    too: each by what is tried. It takes two witnesses to be the source.
    """
    boiling = [key for key in _BOILING if key in shifts]
    if not boiling or len(boiling) + (_OUTLET in shifts) < _WITNESSES:
        return False
    colder = -sum((shifts[key] for key in boiling), np.zeros(len(z)))
    if "low_pressure" in shifts and (slope := model.kelvin_per_bar) > 0:
        colder = colder - shifts["low_pressure"] / slope
    leaving = -shifts[_OUTLET] if _OUTLET in shifts else np.zeros(len(z))
    names = [relation.name for relation in model.relations]
    # What the machine gives and takes changes with both, and by how much nobody knows.
    told = model.usable & np.array([name not in _POWERS for name in names])
    z = np.where(told, z, 0.0)
    energy = float(z @ z)
    if energy <= 0:
        return False
    sizes = np.concatenate(([0.0], np.geomspace(0.1, 20.0, 16)))
    best = (np.inf, 0.0, 0.0)
    for first in sizes[1:]:
        for second in sizes if _OUTLET in shifts else sizes[:1]:
            pattern = np.where(told, (first * colder + second * leaving) / spread, 0.0)
            rest = np.clip(pattern, -limit, limit) - z
            best = min(best, (float(rest @ rest), float(first), float(second)))
    witnesses = len(boiling) * (best[1] > 0) + (best[2] > 0)
    return witnesses >= _WITNESSES and 1.0 - best[0] / energy >= found - _CLEAR


def _with_derived(model: Model, key: str, shift: Array, observed: Array) -> Array | None:
    """Return the pattern if the machine works its power out from this sensor."""
    names = [relation.name for relation in model.relations]
    if key not in ("flow_temperature", "return_temperature") or "spread" not in names:
        return None
    spread = float(observed[names.index("spread")])
    if abs(spread) < 0.5:
        return None
    sign = 1.0 if key == "flow_temperature" else -1.0
    variant = shift.copy()
    for name in _DERIVED:
        if name in names:
            row = names.index(name)
            variant[row] += sign * float(observed[row]) / spread
    return variant
