"""Simulated heat pumps of a fleet: their machines, normal life and faults, as recordings.

A seed is a machine: its type (air or brine, inverter or not), make, house, signals, season
and habits. Forty-five days are for learning; from there normal life goes on, and so it
does with each fault, from one and the same moment.
"""

from collections.abc import Iterator, Sequence
import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import Final

import numpy as np

from custom_components.heat_pump_hub.detection import Signal
from custom_components.heat_pump_hub.simulator import machine_faults, sampler
from custom_components.heat_pump_hub.simulator.machine_faults import DAYS, HARD, NAMES, Name
from custom_components.heat_pump_hub.simulator.sampler import Sampler
from custom_components.heat_pump_hub.simulator.variant import Variant

type Sample = tuple[datetime, dict[str, float | int | str | bool | None]]

LEARNING: Final = 45.0
_MODES: Final = ("off", "heating", "dhw", "defrost", "cooling", "pool", "utility_lock", "other")
_TYPES: Final = (("air", True), ("brine", False), ("air", False), ("brine", True))
_HARD_DAYS: Final = 2.0
"""Mild faults are watched so many times longer, at most as long as a leak."""
_UNITS: Final = {
    "pressure": "bar", "superheat": "K", "position": "%", "frequency": "Hz", "fan_speed": "rpm",
    "pump_speed": "%", "flow_rate": "L/min", "power": "W", "voltage": "V", "current": "A",
    "temperature": "°C",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trial:
    """One fault of one machine, or normal life if there is no fault."""

    name: Name | None
    hard: bool
    key: str | None
    severity: float
    onset: float
    """Unix time."""
    samples: Recording

    @property
    def label(self) -> str:
        """What a table calls it."""
        if self.name is None:
            return "normal"
        return f"{self.name} (hard)" if self.hard else self.name


class Recording:
    """Samples as one array; iterating gives them back as they were."""

    def __init__(self, keys: Sequence[str], times: np.ndarray, rows: np.ndarray) -> None:
        """Take Unix times and one row a sample, NaN where nothing was read."""
        self.keys, self.times, self.rows = tuple(keys), times, rows

    @classmethod
    def of(cls, keys: Sequence[str], samples: Iterator[Sample]) -> Recording:
        """Record samples."""
        times: list[float] = []
        rows: list[list[float]] = []
        for time, values in samples:
            times.append(time.timestamp())
            row = []
            for key in keys:
                value = values[key]
                if isinstance(value, str):
                    value = _MODES.index(value)
                row.append(np.nan if value is None else float(value))
            rows.append(row)
        return cls(keys, np.array(times), np.array(rows).reshape(len(rows), len(keys)))

    def __len__(self) -> int:
        """Return how many samples there are."""
        return len(self.times)

    def __iter__(self) -> Iterator[Sample]:
        """Yield the samples."""
        keys = self.keys
        mode = keys.index("operating_mode")
        for time, row in zip(self.times.tolist(), self.rows, strict=True):
            numbers: list[float | str | None] = row.tolist()
            if np.isnan(row).any():
                numbers = [None if value != value else value for value in numbers]  # noqa: PLR0124
            told = numbers[mode]
            if isinstance(told, float):
                numbers[mode] = _MODES[int(told)]
            yield datetime.fromtimestamp(time, UTC), dict(zip(keys, numbers, strict=True))


class Unit:
    """One machine of the fleet."""

    def __init__(self, seed: int, *, period: float = 60.0, winter: bool = True) -> None:
        """Draw it; without ``winter`` it is looked at in any season."""
        rng = Random(seed * 7919 + 13)
        self.seed, self.period = seed, period
        source, inverter = _TYPES[seed % 4]
        self.kind = f"{source}_{'inv' if inverter else 'onoff'}"
        day = rng.randrange(125) if winter else rng.randrange(365)
        self.start = datetime(2025, 9, 20, rng.randrange(24), tzinfo=UTC) + timedelta(days=day)
        variant = Variant.draw(rng, "brine" if source == "brine" else "air", inverter=inverter)
        self.sampler = Sampler(seed, self.start, period=period, variant=variant)
        self._rng = rng

    @property
    def signals(self) -> list[Signal]:
        """What the detector is told."""
        found = []
        for key in self.sampler.keys:
            if key in sampler.STATES:
                found.append(Signal(key, "state"))
            elif key in sampler.COUNTERS:
                found.append(Signal(key, "counter"))
            elif key in sampler.SETPOINTS:
                found.append(Signal(key, "setpoint", "°C"))
            else:
                unit = next((unit for part, unit in _UNITS.items() if part in key), None)
                found.append(Signal(key, "analog", unit))
        return found

    def learning(self) -> Recording:
        """Return the days to learn from; call it first."""
        return Recording.of(self.sampler.keys, self.sampler.days(LEARNING))

    def trials(self, days: float) -> Iterator[Trial]:
        """Yield every fault from the present moment on, then normal life till day ``days``."""
        keys = self.sampler.keys
        whole = [(name, False) for name in NAMES] + [(name, True) for name in HARD]
        for name, hard in whole:
            forked = copy.deepcopy(self.sampler)
            onset = forked.model.now + timedelta(minutes=self._rng.uniform(0, 300))
            fault = machine_faults.fault(
                name, onset, self._rng, severity="hard" if hard else "nominal",
                keys=frozenset(keys),
            )  # fmt: skip
            length = min(DAYS[name] * (_HARD_DAYS if hard else 1.0), 35.0)
            if name == "spike":
                recording = Recording.of(keys, forked.days(length))
                place = self._rng.randrange(2, 240 * 60 // int(max(self.period, 60.0)))
                column = keys.index(fault.key or "")
                place = min(place, len(recording) - 3)
                recording.rows[place, column] += fault.severity
                onset = datetime.fromtimestamp(float(recording.times[place]), UTC)
            else:
                forked.model.scheduled.append(fault)
                recording = Recording.of(keys, forked.days(length))
            yield Trial(name, hard, fault.key, fault.severity, onset.timestamp(), recording)
        rest = Recording.of(keys, self.sampler.days(days - LEARNING))
        yield Trial(None, False, None, 0.0, 0.0, rest)


def recorded(
    unit: Unit, days: float, folder: Path | None, *, faults: bool = True
) -> tuple[Recording, list[Trial]]:
    """Return what a unit lived, from ``folder`` if it is already there."""
    path = None
    if folder is not None:
        name = f"{unit.seed}.{unit.period:g}.{days:g}.{int(faults)}.{unit.start:%m%d}.npz"
        path = folder / name
        if path.exists():
            with np.load(path) as saved:
                return _load(unit, saved)
    learning = unit.learning()
    if faults:
        trials = list(unit.trials(days))
    else:
        rest = Recording.of(unit.sampler.keys, unit.sampler.days(days - LEARNING))
        trials = [Trial(None, False, None, 0.0, 0.0, rest)]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {"learning:t": learning.times, "learning:v": learning.rows}
        for trial in trials:
            told = (trial.name or "", int(trial.hard), trial.key or "", trial.severity, trial.onset)
            name = ":".join(map(str, told))
            arrays[f"{name}:t"], arrays[f"{name}:v"] = trial.samples.times, trial.samples.rows
        np.savez(path, allow_pickle=False, **arrays)
    return learning, trials


def _load(unit: Unit, saved: np.lib.npyio.NpzFile) -> tuple[Recording, list[Trial]]:
    keys = unit.sampler.keys
    learning = Recording(keys, saved["learning:t"], saved["learning:v"])
    trials = []
    known: dict[str, Name] = {name: name for name in NAMES}
    for entry in islice(saved.files, 2, None, 2):
        name, hard, key, severity, onset, _ = entry.split(":")
        stem = entry.removesuffix(":t")
        rows = Recording(keys, saved[entry], saved[f"{stem}:v"])
        trials.append(
            Trial(known.get(name), hard == "1", key or None, float(severity), float(onset), rows)
        )
    return learning, trials
