"""Sensor or machine: which one error explains all that deviates, and what it may come from."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from .arrays import Array
from .basis import DRIVERS, features
from .relations import FAST_CLIP, SLOW_CLIP, Model
from .signals import Role, Signal, role_of

_EXPLAINED: Final = 0.72
_CLEAR: Final = 0.04
_NOTABLE: Final = 0.6
_QUICK: Final = 4.0

_DERIVED: Final = ("thermal_power", "cop")
"""What machines work out from flow, return and flow rate."""


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
    limit = FAST_CLIP if quick else SLOW_CLIP
    z = np.where(usable, model.fast if quick else model.slow, 0.0)
    energy = float(z @ z)
    if energy < _NOTABLE**2:
        return None
    inputs, known = model.inputs
    grid = np.geomspace(0.03, 100.0, 40)
    sizes_of_error = np.concatenate((grid, -grid))[:, None]
    spread = model.scale(model.last[1], lasting=not quick)
    observed = model.last[0]
    scores: list[tuple[float, str]] = []
    for index, key in enumerate(model.signals):
        signal = signals.get(key)
        if signal is None or role_of(signal) is Role.PASSIVE:
            continue
        shift = model.parts[:, index].copy()
        if key in DRIVERS:
            changed = list(known)
            changed[DRIVERS.index(key)] += 1.0
            shift -= model.slope @ (np.array(features(changed[:-2], *changed[-2:])) - inputs)
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
    return scores[0][1]


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


_SIGNATURES: Final[dict[str, dict[str, float]]] = {
    "refrigerant_loss": {
        "thermal_power": -1, "cop": -1, "cop_low": 1, "run_cop": 1, "superheat": 1, "expansion_valve_position": 1,
        "source_gap": 1, "evaporation_temperature": -1, "hot_gas_temperature": 1,
        "condenser_gap": -1, "low_pressure": -1,
    },
    "icing": {
        "source_gap": 1, "evaporation_temperature": -1, "source_drop": 1,
        "source_outlet_temperature": -1, "low_pressure": -1, "defrost_interval": 2,
        "outlet_gap": 1,
    },
    "pump": {
        "spread": 2, "flow_rate": -2, "spread_over": 2, "flow_over": 2, "starts_3h": 1,
        "cycle_length": 1, "dhw_heat_up": 1,
    },
    "strainer": {"flow_rate": -2, "flow_low": 3, "spread": 1, "spread_over": 1},
    "valve": {
        "suction_gap": 1, "suction_gas_temperature": 1, "superheat": 1, "thermal_power": -1,
        "cop": -1, "run_cop": 1, "low_pressure": 1, "source_gap": -1,
    },
    "heater": {"heater_run": 3},
    "tank": {
        "dhw_cooling": 3, "tank_loss": 3, "dhw_runs": 2, "dhw_balance": 2, "dhw_energy": 2,
    },
    "control": {"starts_3h": 2, "starts_24h": 2, "cycle_length": 2},
}  # fmt: skip
"""Which way relations and events move: never a diagnosis."""


def causes_of(moved: Iterable[tuple[str, float]]) -> Sequence[str]:
    """Return up to two possible causes, likelier first, of names that moved (signed ratios)."""
    seen: dict[str, float] = {}
    for name, signed in moved:
        if abs(signed) > abs(seen.get(name, 0.0)):
            seen[name] = max(-3.0, min(3.0, signed))
    size = sum(value * value for value in seen.values()) ** 0.5
    scores: list[tuple[float, str]] = []
    for cause, signature in _SIGNATURES.items():
        fit = sum(sign * seen[name] for name, sign in signature.items() if name in seen)
        length = sum(sign * sign for name, sign in signature.items() if name in seen) ** 0.5
        hits = sum(name in seen for name in signature)
        if size and length:
            scores.append((fit / (length * size) * (1 + 0.1 * min(hits, 4)), cause))
    scores.sort(key=lambda item: (-item[0], item[1]))
    return [cause for score, cause in scores[:2] if score > 0.4]
