"""What the detector costs: time a sample, memory, imports, state, and a month learned at once."""

from collections.abc import Iterator
from datetime import UTC, datetime
import gc
import json
import math
from random import Random
import subprocess
import sys
import time
import tracemalloc

from custom_components.heat_pump_hub.detection import Detector, Signal
from custom_components.heat_pump_hub.simulator import sampler
from custom_components.heat_pump_hub.simulator.sampler import Sampler

from .figures import Figure

type Sample = tuple[datetime, dict[str, float | int | str | bool | None]]
_LIMITS = {40: (60.0, 400.0), 150: (300.0, 1500.0)}
_IMPORTS = """
import resource, sys
import custom_components.heat_pump_hub
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20
before = resident()
from custom_components.heat_pump_hub.detection import Detector, Signal, load
load()
Detector([Signal("flow_temperature", "analog")])
print(resident() - before)
"""


def _keys() -> tuple[str, ...]:
    measured = (*sampler.ALWAYS, *sampler.OPTIONAL, "flow_rate", "thermal_power", "cop")
    told = ("compressor_frequency", *sampler.SETPOINTS, *sampler.STATES, *sampler.COUNTERS)
    return (*measured, *told)[:40]


def _signals(count: int) -> list[Signal]:
    kinds = dict.fromkeys(sampler.STATES, "state") | dict.fromkeys(sampler.COUNTERS, "counter")
    kinds |= dict.fromkeys(sampler.SETPOINTS, "setpoint")
    known = [Signal(key, kinds.get(key, "analog")) for key in _keys()]
    return known + [Signal(f"vendor_{index}", "analog", "°C") for index in range(count - 40)]


def _samples(count: int, days: float, period: float) -> Iterator[Sample]:
    machine = Sampler(77, datetime(2025, 11, 20, tzinfo=UTC), period=period, keys=_keys())
    dice = Random(1)
    for index, (moment, values) in enumerate(machine.days(days)):
        for extra in range(count - 40):
            wave = 30 + 5 * math.sin(index / (100 + extra))
            values[f"vendor_{extra}"] = round(wave + dice.gauss(0, 0.1), 1)
        yield moment, values


def figures() -> Iterator[Figure]:
    """Yield them; the machine should have nothing else to do."""
    for count, (mean, p99) in _LIMITS.items():
        samples = list(_samples(count, 30.0 if count == 40 else 24.0, 60.0))
        detector = Detector(_signals(count))
        costs = []
        for sample in samples:
            start = time.thread_time_ns()
            detector.observe(*sample)
            costs.append(time.thread_time_ns() - start)
        costs.sort()
        yield Figure(f"{count} signals: CPU mean", sum(costs) / len(costs) / 1e3, mean, "µs")
        yield Figure(f"{count} signals: CPU p99", costs[int(0.99 * len(costs))] / 1e3, p99, "µs")
        saved = json.dumps(detector.to_json())
        limit = 200.0 if count == 40 else None
        yield Figure(f"{count} signals: state", len(saved) / 1024, limit, "KiB")
        gc.collect()
        tracemalloc.start()
        copy = Detector.from_json(_signals(count), json.loads(saved))
        for sample in samples[-3000:]:
            copy.observe(*sample)
        gc.collect()
        used = tracemalloc.get_traced_memory()[0] / 2**20
        tracemalloc.stop()
        yield Figure(f"{count} signals: memory", used, 5.0 if count == 40 else None, "MiB")
        del samples
    month = list(_samples(40, 30.0, 30.0))
    detector = Detector(_signals(40))
    began = time.perf_counter()
    for sample in month:
        detector.observe(*sample)
    note = f"{len(month)} samples, with everything else that runs here"
    yield Figure("30 days of 30 s learned", time.perf_counter() - began, 60.0, "s", note)
    found = subprocess.run(
        [sys.executable, "-c", _IMPORTS], capture_output=True, text=True, check=True
    )
    yield Figure("memory of the imports", float(found.stdout), 110.0, "MiB")
