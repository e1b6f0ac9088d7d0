"""The anomaly detector on recorded heat pumps, and the generic scorer on public benchmarks.

``--data DIR`` holds ``recordings/<kind>.normal.csv.xz``, each continued by one
``<kind>.<fault>.csv.xz`` per fault, and, if they are there, ``nab`` and ``skab``.
"""

from collections.abc import Iterator, Sequence
import csv
from datetime import UTC, datetime
import json
import lzma
from pathlib import Path
import time

from custom_components.heat_pump_hub.detection import Detector, Signal, Verdict, load

from . import detector_nab, detector_skab
from .figures import Figure

type Sample = tuple[datetime, dict[str, float | int | str | bool | None]]

FAULTS = ("leak", "stuck", "drift", "pump", "icing", "shortcycle", "heater", "dhwloss")
DELAYS = {"leak": 48.0, "drift": 36.0, "icing": 6.0, "stuck": 2.1, "pump": 1.0}
"""Hours that a fault may take to be found; the others have no limit of their own."""
RELATED = {
    "shortcycle": ("cycle_starts_3h", "cycle_starts_24h", "cycle_length"),
    "heater": ("heater_run",),
    "dhwloss": ("tank_cooling", "tank_loss", "tank_runs", "tank_balance"),
}
"""The monitors whose word counts; of the other faults, any does."""
SENSORS = {
    ("air_inv", "stuck"): "dhw_temperature",
    ("brine_onoff", "stuck"): "source_inlet_temperature",
    ("air_inv", "drift"): "outdoor_temperature",
    ("brine_onoff", "drift"): "return_temperature",
}
MERGE = 6 * 60
"""Minutes of quiet that end an episode."""
_STATES = {
    "compressor_running", "operating_mode", "defrosting", "dhw_charging", "backup_heater_running",
    "reversing_valve",
}  # fmt: skip
_COUNTERS = {
    "compressor_hours", "compressor_starts", "electrical_energy", "thermal_energy",
    "backup_heater_hours",
}  # fmt: skip
_UNITS = {
    "pressure": "bar", "superheat": "K", "position": "%", "frequency": "Hz", "fan_speed": "rpm",
    "pump_speed": "%", "flow_rate": "L/min", "power": "W", "voltage": "V", "current": "A",
    "temperature": "°C",
}  # fmt: skip


def signals_of(keys: Sequence[str]) -> list[Signal]:
    """Return the signals of a recording's columns."""
    found = []
    for key in keys:
        if key in _STATES:
            found.append(Signal(key, "state"))
        elif key in _COUNTERS:
            found.append(Signal(key, "counter"))
        elif key.endswith("_setpoint"):
            found.append(Signal(key, "setpoint", "°C"))
        else:
            unit = next((unit for part, unit in _UNITS.items() if part in key), None)
            found.append(Signal(key, "analog", unit))
    return found


def read(path: Path) -> tuple[list[str], list[Sample]]:
    """Return keys and samples of a recording."""
    with lzma.open(path, "rt", newline="") as file:
        reader = csv.reader(file)
        keys = next(reader)[1:]
        samples: list[Sample] = []
        for row in reader:
            values: dict[str, float | int | str | bool | None] = {}
            for key, text in zip(keys, row[1:], strict=True):
                if not text:
                    values[key] = None
                elif key == "operating_mode":
                    values[key] = text
                elif key in _STATES:
                    values[key] = text == "1"
                else:
                    values[key] = float(text)
            samples.append((datetime.fromtimestamp(int(row[0]), UTC), values))
    return keys, samples


def watch(detector: Detector, samples: Sequence[Sample]) -> Iterator[tuple[float, Verdict]]:
    """Feed samples; yield the minutes since the first, and the verdict."""
    begin = samples[0][0]
    for moment, values in samples:
        yield (moment - begin).total_seconds() / 60, detector.observe(moment, values)


def _normal(kind: str, detector: Detector, samples: Sequence[Sample]) -> list[Figure]:
    episodes, quiet, costs = 0, float("inf"), []
    last = 0.0
    worst = 0.0
    begin = samples[0][0]
    for moment, values in samples:
        start = time.thread_time_ns()
        verdict = detector.observe(moment, values)
        costs.append(time.thread_time_ns() - start)
        minute = (moment - begin).total_seconds() / 60
        worst = max(worst, verdict.score)
        if verdict.alarm:
            episodes += quiet > MERGE
            quiet = 0.0
        else:
            quiet += minute - last
        last = minute
    costs.sort()
    days = last / 1440
    return [
        Figure(f"{kind}: false alarms", episodes, 0, "", f"in {days:.0f} days"),
        Figure(f"{kind}: highest score", worst, 0.5, ""),
        Figure(f"{kind}: CPU mean", sum(costs) / len(costs) / 1e3, 60, "µs"),
        Figure(f"{kind}: CPU p99", costs[int(0.99 * len(costs))] / 1e3, 400, "µs"),
    ]


def _fault(kind: str, fault: str, detector: Detector, samples: Sequence[Sample]) -> Figure:
    name = f"{kind}: {fault}"
    sensor = SENSORS.get((kind, fault))
    first = None
    named = False
    for minute, verdict in watch(detector, samples):
        for reason in verdict.reasons if verdict.alarm else ():
            related = RELATED.get(fault)
            if related is not None and reason.monitor not in related:
                continue
            if first is None:
                first = (minute / 60, reason)
            named = named or (sensor is not None and reason.suspect == sensor)
    if first is None:
        return Figure(name, float("inf"), DELAYS.get(fault, 1e9), "h", "missed")
    delay, reason = first
    note = f"{reason.monitor} {reason.signals[0] if reason.signals else ''}"
    if causes := reason.context.get("causes"):
        note += f", {causes}"
    if sensor is not None:
        note += ", sensor named" if named else ", sensor NOT named"
    return Figure(name, delay, DELAYS.get(fault), "h", note)


def _recordings(folder: Path) -> Iterator[Figure]:
    for path in sorted(folder.glob("*.normal.csv.xz")):
        kind = path.name.partition(".")[0]
        keys, samples = read(path)
        signals = signals_of(keys)
        detector = Detector(signals)
        yield from _normal(kind, detector, samples)
        saved = json.dumps(detector.to_json())
        yield Figure(f"{kind}: state", len(saved) / 1024, 200, "KiB", f"{len(signals)} signals")
        for fault in FAULTS:
            path = folder / f"{kind}.{fault}.csv.xz"
            if path.exists():
                restored = Detector.from_json(signals, json.loads(saved))
                yield _fault(kind, fault, restored, read(path)[1])


def _nab(folder: Path) -> Iterator[Figure]:
    scored = [(series, detector_nab.score(series)) for series in detector_nab.load(folder)]
    for name, weights in detector_nab.PROFILES.items():
        value, threshold = detector_nab.sweep(scored, *weights)
        limit = 60.0 if name == "standard" else None
        yield Figure(
            f"NAB files here: {name}", value, limit, "", f"threshold {threshold:.4f}", least=True
        )
        if name == "standard":
            share, alarms = detector_nab.hits(scored, threshold)
            yield Figure("NAB: windows hit", 100 * share, None, "%")
            yield Figure("NAB: false alarms", alarms, None, "", "per 1,000 rows")


def _skab(folder: Path) -> Iterator[Figure]:
    counts = sum(map(detector_skab.judge, detector_skab.load(folder)), detector_skab.Counts())
    note = f"threshold {detector_skab.THRESHOLD}"
    yield Figure("SKAB files here: F1", counts.f1, 0.66, "", note, least=True)
    yield Figure("SKAB: false alarm rate", counts.false_rate, 27, "%")
    yield Figure("SKAB: missed alarm rate", counts.missed_rate, None, "%")


async def run(data: Path) -> list[Figure]:
    """Measure everything there is data for. Raises ``FileNotFoundError`` if there is none."""
    if not (data / "recordings").is_dir():
        raise FileNotFoundError(data / "recordings")
    load()
    figures = list(_recordings(data / "recordings"))
    if (data / "nab").is_dir():
        figures += _nab(data / "nab")
    if (data / "skab").is_dir():
        figures += _skab(data / "skab")
    return figures
