"""What deviations may come from: which way relations and events move, and how it adds up."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from .arrays import Array
from .basis import Relation, quantity_of

_LEAST: Final = {"refrigerant_loss": 3, "icing": 2}
"""Quantities that can bear witness together: how many each cause needs."""

_SIGNATURES: Final[dict[str, dict[str, float]]] = {
    "refrigerant_loss": {
        "thermal_power": -1, "cop": -1, "cop_low": 1, "run_cop": 1, "superheat": 1,
        "expansion_valve_position": 1,
        "source_gap": 1, "evaporation_temperature": -1, "hot_gas_temperature": 1,
        "gas_balance": 1, "suction_gap": 1, "suction_gas_temperature": 1, "capacity": -1,
        "condenser_gap": -1, "low_pressure": -1,
    },
    "icing": {
        "source_gap": 1, "evaporation_temperature": -1, "source_drop": 1,
        "source_outlet_temperature": -1, "low_pressure": -1, "defrost_interval": 2,
        "outlet_gap": 1, "source_balance": 1,
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
    "heater": {
        "heater_run": 3, "electrical_power": 1, "work": 1, "supply_current": 1, "cop": -1,
        "spread": 1, "spread_over": 1, "flow_over": 1,
    },
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
    scores: list[tuple[float, float, str]] = []
    for cause, signature in _SIGNATURES.items():
        fit = sum(sign * seen[name] for name, sign in signature.items() if name in seen)
        length = sum(sign * sign for name, sign in signature.items() if name in seen) ** 0.5
        hits = sum(name in seen for name in signature)
        if size and length:
            # A sign that is the mark of one cause says less of the others.
            strength = length / max(map(abs, signature.values()))
            scores.append((fit / (length * size) * (1 + 0.1 * min(hits, 4)), strength, cause))
    scores.sort(key=lambda item: (-round(item[0], 6), -item[1], item[2]))
    return [cause for score, _, cause in scores[:2] if score > 0.4]


TOLD: Final = ("refrigerant_loss", "icing")
"""Causes that grow for weeks, and show in many relations long before they show in one."""

_ALSO: Final[dict[str, dict[str, float]]] = {
    "icing": {
        "thermal_power": -1, "capacity": -1, "suction_gas_temperature": -1, "suction_source_gap": 1,
    },
}  # fmt: skip
"""What bears witness as well, but is the mark of no cause."""


def together(cause: str, relations: Sequence[Relation], usable: Sequence[bool]) -> Array:
    """Return weights of relations whose deviations add up to one sign of a cause.

    Quantities count alike, whatever number of relations they are measured by. A sum of n
    independent numbers of size 1 is of size 1. No weights: too few quantities say anything.
    """
    signature = {**_SIGNATURES[cause], **_ALSO.get(cause, {})}
    weights = np.zeros(len(relations))
    groups: dict[str, list[int]] = {}
    for row, relation in enumerate(relations):
        if usable[row] and relation.name in signature:
            groups.setdefault(quantity_of(relation.name), []).append(row)
    if len(groups) < _LEAST[cause]:
        return weights
    for rows in groups.values():
        for row in rows:
            sign = 1.0 if signature[relations[row].name] > 0 else -1.0
            weights[row] = sign / (len(rows) * len(groups) ** 0.5)
    return weights
