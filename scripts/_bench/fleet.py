"""The detector on a fleet of simulated heat pumps: what it finds, names, and cries for nothing."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
import json
import math
from pathlib import Path
from statistics import median
import time
from typing import Final

from custom_components.heat_pump_hub.detection import Detector, Signal, Verdict, load
from custom_components.heat_pump_hub.simulator.machine_faults import HARD, NAMES

from .figures import Figure
from .fleet_units import LEARNING, Recording, Trial, Unit, recorded

MERGE: Final = 6 * 3600.0
"""Seconds of quiet that end an episode."""
MONTH: Final = 30.44
_REPLAYED: Final = 3000
"""Samples that are compared after a restart."""
DELAYS: Final = {"leak": 48.0, "drift": 36.0, "icing": 6.0, "stuck": 2.0, "pump": 1.0,
                 "frozen": 0.25}  # fmt: skip
NAMED: Final = {"stuck": 95.0, "spike": 95.0, "offset": 80.0, "drift": 70.0}

_GAS: Final = frozenset(
    {
        "evaporation_temperature", "suction_gas_temperature", "hot_gas_temperature", "superheat",
        "condensation_temperature", "high_pressure", "low_pressure", "expansion_valve_position",
        "thermal_power", "electrical_power", "cop", "source_outlet_temperature",
        "source_inlet_temperature", "compressor_frequency", "supply_current", "fan_speed",
    }
)  # fmt: skip
_RUNS: Final = frozenset({"compressor_running", "compressor_starts", "compressor_frequency"})
_WATER: Final = frozenset(
    {
        "flow_rate", "circulation_pump_speed", "flow_temperature", "return_temperature",
        "flow_temperature_setpoint", "condensation_temperature", "high_pressure",
        "dhw_temperature", "thermal_power",
    }
)  # fmt: skip
RELATED: Final = {
    "leak": _GAS, "icing": _GAS | {"defrosting", "defrost_count"}, "valve": _GAS,
    "pump": _WATER | _RUNS, "shortcycle": _RUNS | {"flow_temperature"},
    "heater": frozenset({"backup_heater_running", "backup_heater_hours", "electrical_power",
                         "thermal_power", "flow_temperature", "return_temperature"}),
    "dhwloss": frozenset({"dhw_temperature", "dhw_temperature_bottom", "dhw_charging"}),
}  # fmt: skip
"""Signals that a reason may name, of each fault of the machine."""
_PAIRS: Final = {
    "outdoor_temperature": {"source_inlet_temperature", "outdoor_temperature_average"},
    "source_inlet_temperature": {
        "outdoor_temperature", "source_outlet_temperature", "evaporation_temperature",
        "suction_gas_temperature",
    },
    "flow_temperature": {
        "return_temperature", "condensation_temperature", "flow_temperature_setpoint",
        "thermal_power", "hot_gas_temperature",
    },
    "return_temperature": {"flow_temperature", "condensation_temperature", "thermal_power"},
    "dhw_temperature": {"dhw_temperature_bottom", "flow_temperature", "return_temperature"},
    "hot_gas_temperature": {"condensation_temperature", "flow_temperature"},
    "evaporation_temperature": {
        "source_inlet_temperature", "source_outlet_temperature", "suction_gas_temperature",
        "superheat", "low_pressure",
    },
    "condensation_temperature": {"flow_temperature", "return_temperature", "high_pressure",
                                 "hot_gas_temperature"},
}  # fmt: skip


def acceptable(trial: Trial) -> frozenset[str]:
    """Return the signals of which a right reason names one."""
    if trial.key is None:
        if trial.name == "frozen":
            return frozenset(trial.samples.keys)
        return RELATED[trial.name or ""]
    if trial.name in ("stuck", "spike"):
        return frozenset({trial.key})
    return frozenset({trial.key}) | _PAIRS[trial.key]


@dataclass(kw_only=True)
class Outcome:
    """What came of one trial."""

    seed: int
    kind: str
    label: str
    key: str | None
    severity: float
    delay: float | None = None
    """Hours from the onset to the first alarm with a right reason."""
    first: float | None = None
    """Hours to the first alarm of any kind."""
    named: float | None = None
    why: str = ""


@dataclass(kw_only=True)
class Life:
    """What normal life of one machine showed."""

    seed: int
    kind: str
    days: float
    episodes: list[str] = field(default_factory=list)
    warm_up: int = 0
    """Alarms before anything may be judged: the first day and a half."""
    mean: float = 0.0
    p99: float = 0.0
    state: int = 0
    signals: int = 0
    equal: bool = True


def tell(verdict: Verdict, day: float) -> str:
    """Return one line on an alarm."""
    reasons = [
        f"{reason.monitor}({reason.signals[0] if reason.signals else ''}"
        f"{'!' if reason.suspect else ''} {reason.observed:.4g} for {reason.expected:.4g}"
        f"±{reason.tolerance:.3g} {reason.context.get('mode', '')})"
        for reason in verdict.reasons[:3]
    ]
    return f"day {day:.1f}: " + " ".join(reasons)


def replayed(signals: Sequence[Signal], saved: str, recording: Recording) -> bool:
    """Return whether a detector that is saved and restored says the same as one that is not."""
    one = Detector.from_json(signals, json.loads(saved))
    other = Detector.from_json(signals, json.loads(saved))
    for index, (moment, values) in enumerate(recording):
        if index == _REPLAYED // 3:
            other = Detector.from_json(signals, json.loads(json.dumps(other.to_json())))
        if one.observe(moment, values) != other.observe(moment, values):
            return False
        if index >= _REPLAYED:
            break
    return True


def live(
    detector: Detector, recording: Recording, life: Life, costs: list[int], begin: float
) -> None:
    """Go through normal life and count episodes of alarms."""
    quiet = float("-inf")
    for moment, values in recording:
        start = time.thread_time_ns()
        verdict = detector.observe(moment, values)
        costs.append(time.thread_time_ns() - start)
        if verdict.alarm:
            now = moment.timestamp()
            if now - quiet > MERGE:
                life.episodes.append(tell(verdict, (now - begin) / 86_400))
                life.warm_up += now - begin < 1.5 * 86_400
            quiet = now


def examine(unit: Unit, detector: Detector, trial: Trial) -> Outcome:
    """Let a fault happen to a detector that has learned."""
    outcome = Outcome(
        seed=unit.seed, kind=unit.kind, label=trial.label, key=trial.key, severity=trial.severity
    )
    right = acceptable(trial)
    begin = trial.onset
    before: frozenset[tuple[str, tuple[str, ...]]] | None = None
    for moment, values in trial.samples:
        verdict = detector.observe(moment, values)
        if before is None:
            before = frozenset((one.monitor, one.signals) for one in verdict.reasons)
        if not verdict.alarm or moment.timestamp() < begin:
            continue
        hours = (moment.timestamp() - begin) / 3600
        if outcome.first is None:
            outcome.first = hours
        for reason in verdict.reasons:
            if (reason.monitor, reason.signals) in before:
                continue
            if outcome.delay is None and right.intersection(reason.signals):
                outcome.delay = hours
                outcome.why = f"{reason.monitor} {reason.signals[0]} suspect {reason.suspect}"
            if trial.key is not None and outcome.named is None and reason.suspect == trial.key:
                outcome.named = hours
        if outcome.delay is not None and (trial.key is None or outcome.named is not None):
            break
    return outcome


def study(
    seed: int, *, days: float, period: float, folder: Path | None, faults: bool, winter: bool
) -> tuple[Life, list[Outcome]]:
    """Measure one machine."""
    load()
    unit = Unit(seed, period=period, winter=winter)
    learning, trials = recorded(unit, days, folder, faults=faults)
    signals = unit.signals
    detector = Detector(signals)
    life = Life(seed=seed, kind=unit.kind, days=days, signals=len(signals))
    costs: list[int] = []
    begin = float(learning.times[0])
    live(detector, learning, life, costs, begin)
    saved = json.dumps(detector.to_json())
    life.state = len(saved)
    outcomes = []
    for trial in trials:
        if trial.name is None:
            life.equal = replayed(signals, saved, trial.samples)
            live(detector, trial.samples, life, costs, begin)
        else:
            restored = Detector.from_json(signals, json.loads(saved))
            outcomes.append(examine(unit, restored, trial))
    costs.sort()
    life.mean = sum(costs) / len(costs) / 1e3
    life.p99 = costs[int(0.99 * len(costs))] / 1e3
    return life, outcomes


def bound(count: int, months: float) -> float:
    """Return the 95 % upper bound of a Poisson rate of which ``count`` were seen."""
    low, high = 0.0, 4.0 * count + 20.0
    for _ in range(80):
        mean = (low + high) / 2
        term = total = math.exp(-mean)
        for index in range(1, count + 1):
            term *= mean / index
            total += term
        low, high = (mean, high) if total > 0.05 else (low, mean)
    return high / months


def figures(lives: Sequence[Life], outcomes: Sequence[Outcome], period: float) -> Iterator[Figure]:
    """Yield the table of one sampling period."""
    tag = f"{period:g} s: "
    for hard, names in ((False, NAMES), (True, HARD)):
        found = total = 0
        for name in names:
            label = f"{name} (hard)" if hard else name
            group = [one for one in outcomes if one.label == label]
            if not group:
                continue
            hits = [one.delay for one in group if one.delay is not None]
            found, total = found + len(hits), total + len(group)
            note = f"{len(hits)}/{len(group)}"
            yield Figure(
                f"{tag}{label} found", 100 * len(hits) / len(group), None if hard else 90.0, "%",
                note, least=True,
            )  # fmt: skip
            if hits:
                limit = None if hard else DELAYS.get(name)
                yield Figure(f"{tag}{label} median delay", median(hits), limit, "h")
            if name in NAMED and not hard:
                named = [one for one in group if one.named is not None]
                yield Figure(
                    f"{tag}{label} sensor named", 100 * len(named) / len(group), NAMED[name],
                    "%", f"{len(named)}/{len(group)}", least=True,
                )  # fmt: skip
        if total:
            yield Figure(
                f"{tag}{'hard' if hard else 'all'} found", 100 * found / total,
                80.0 if hard else 98.0, "%", f"{found}/{total}", least=True,
            )  # fmt: skip
    months = sum(life.days for life in lives) / MONTH
    count = sum(len(life.episodes) for life in lives)
    yield Figure(
        f"{tag}false alarms a heat-pump-month", count / months, 0.10, "",
        f"{count} in {months:.1f}, at most {bound(count, months):.3f} (95 %), "
        f"{sum(not life.episodes for life in lives)}/{len(lives)} machines without",
    )  # fmt: skip
    yield Figure(f"{tag}alarms in warm-up", sum(life.warm_up for life in lives), 0, "")
    yield Figure(
        f"{tag}CPU mean", max(life.mean for life in lives), 60, "µs", "the slowest machine"
    )
    yield Figure(f"{tag}CPU p99", max(life.p99 for life in lives), 400, "µs")
    yield Figure(f"{tag}state", max(life.state for life in lives) / 1024, 200, "KiB")


def run(
    seeds: Sequence[int], *, days: float, period: float, folder: Path | None, faults: bool = True,
    winter: bool = True, verbose: bool = False, record: Path | None = None, processes: int = 1,
) -> list[Figure]:  # fmt: skip
    """Measure machines, ``processes`` at a time; ``record`` gets a line of JSON of each."""
    lives: list[Life] = []
    outcomes: list[Outcome] = []
    one = partial(study, days=days, period=period, folder=folder, faults=faults, winter=winter)
    with ExitStack() as stack:
        results: Iterator[tuple[Life, list[Outcome]]] = map(one, seeds)
        if processes > 1:
            results = stack.enter_context(ProcessPoolExecutor(processes)).map(one, seeds)
        for life, found in results:
            lives.append(life)
            outcomes += found
            if verbose:
                _print(life, found)
            if record is not None:
                with record.open("a") as file:
                    print(json.dumps([asdict(life), [asdict(trial) for trial in found]]), file=file)
    return list(figures(lives, outcomes, period))


def _print(life: Life, found: Sequence[Outcome]) -> None:
    print(f"# {life.seed} {life.kind} {life.mean:.0f} µs {life.state // 1024} KiB", flush=True)
    for episode in life.episodes:
        print(f"  false: {episode}")
    for one in found:
        key = f" {one.key} {one.severity:.2f}" if one.key else f" {one.severity:.2f}"
        if one.delay is None:
            print(f"  MISSED {one.label}{key} (first alarm {one.first})")
        elif one.key is not None and one.named is None:
            print(f"  not named {one.label}{key} {one.delay:.1f} h: {one.why}", flush=True)


__all__ = ["LEARNING", "run"]
