"""The numbers behind a verdict, for a plot or a question: relations, measures, days."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from .daily import DAILY
from .events import unit_of_monitor
from .gauges import Gauge
from .runs import RUN_COP, RUNS
from .signals import unit_of
from .verdict import Verdict

if TYPE_CHECKING:
    from .learned import Learned

_PLOTTED: Final = 4
"""Relations whose points are given if nobody asks for others."""


def explanation(
    verdict: Verdict, learned: Learned, warm_ups: Mapping[str, float], time: datetime | None,
    wanted: Iterable[str] | None,
) -> dict[str, Any]:  # fmt: skip
    """Return a JSON-able dict.

    ``relations``: of each context and relation its signals, unit, present deviations with
    their thresholds (in units of its usual spread), and ``points``: time, observed,
    expected, tolerance. ``measures``: counted and measured events, the largest usual value
    and the threshold. ``days``: numbers of a day, the last ones and the usual ones.
    """
    names = None if wanted is None else frozenset(wanted)
    relations = _relations(learned)
    for place, (part, model, row) in enumerate(relations):
        chosen = place < _PLOTTED if names is None else part["name"] in names
        part["points"] = (
            [[at.isoformat(), *numbers] for at, *numbers in model.trail.points(row)]
            if chosen
            else []
        )
    return {
        "time": None if time is None else time.isoformat(),
        "state": verdict.state,
        "score": verdict.score,
        "warm_ups": {name: round(value, 3) for name, value in warm_ups.items()},
        "source_kind": learned.source_kind,
        "explained_by": list(verdict.explained),
        "reasons": [reason.to_json() for reason in verdict.reasons],
        "relations": [part for part, _, _ in relations],
        "measures": [
            {
                "name": name,
                "unit": unit,
                "usual": round(gauge.top, 3),
                "threshold": round(gauge.threshold, 3),
                "judged": gauge.warm,
            }
            for name, unit, gauge in _gauges(learned)
        ],
        "days": [
            {
                "name": name,
                "unit": (DAILY.get(kind) or RUNS[kind])[0],
                "known": [round(value, 3) for value in norm.known],
                "last": [round(value, 3) for value in norm.recent],
            }
            for name, norm in (*learned.daily.norms.items(), *learned.runs.norms.items())
            for kind in (name.partition(":")[0],)
        ],
    }


def _gauges(learned: Learned) -> list[tuple[str, str, Gauge]]:
    found = [(name, unit_of_monitor(name), gauge) for name, gauge in learned.events.gauges.items()]
    found.extend((name, RUNS[RUN_COP][0], gauge) for name, gauge in learned.runs.gauges.items())
    return found


def _relations(learned: Learned) -> list[tuple[dict[str, Any], Any, int]]:
    found: list[tuple[float, dict[str, Any], Any, int]] = []
    for context, model in learned.window.models.items():
        if model.last is None:
            continue
        for row, relation in enumerate(model.relations):
            fast, slow = float(model.fast[row]), float(model.slow[row])
            limits = model.fast_limit.threshold[row], model.slow_limit.threshold[row]
            worst = max(abs(fast) / float(limits[0]), abs(slow) / float(limits[1]))
            part = {
                "context": context,
                "name": relation.name,
                "signals": list(relation.signals),
                "unit": unit_of(learned.signals[relation.plus]),
                "judged": bool(model.usable[row]),
                "observed": round(float(model.last[0][row]), 3),
                "expected": round(float(model.last[1][row]), 3),
                "fast": round(fast, 3),
                "fast_threshold": round(float(limits[0]), 3),
                "slow": round(slow, 3),
                "slow_threshold": round(float(limits[1]), 3),
            }
            found.append((worst if model.usable[row] else -1.0, part, model, row))
    found.sort(key=lambda item: -item[0])
    return [(part, model, row) for _, part, model, row in found]
