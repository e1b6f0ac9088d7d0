"""Would it have been noticed? A copy of a detector is shown the owner's own data with a fault."""

from collections.abc import Callable, Iterable, Iterator, Mapping
import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
import json
import math
from typing import Any, Final, Literal, get_args

from ..drivers.points import is_canonical_key
from .basis import relations_of
from .detector import Detector
from .signals import Role, Signal, role_of
from .strays import goes_anywhere
from .verdict import Reason

type Value = float | int | str | bool | None
type Sample = tuple[datetime, Mapping[str, Value]]
type Fault = Literal[
    "stuck", "offset", "drift", "spike", "frozen", "leak", "icing", "pump", "heater", "dhwloss"
]
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault.__value__)
OF_SENSOR: Final[tuple[Fault, ...]] = ("stuck", "offset", "drift", "spike")
"""Those of one signal."""
_DAY: Final = timedelta(days=1)
_RUNNING: Final = ("heating", "dhw", 1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """What came of it."""

    fault: str
    signal: str | None
    """The sensor, where the fault is one's."""
    fired: bool
    hours: float | None
    """From the fault's begin to the alarm, of the time that was played."""
    played: float
    """Hours of data that were played with the fault."""
    reason: Reason | None
    """The strongest of the alarm."""
    alarmed_before: bool
    """An alarm stood already; then the answer means little."""


def _numeric(value: Value) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def _change(values: dict[str, Value], key: str, factor: float = 1.0, plus: float = 0.0) -> None:
    number = _numeric(values.get(key))
    if number is not None:
        values[key] = round(number * factor + plus, 2)


def damage(
    samples: Iterable[Sample], fault: Fault, signal: str, severity: float = 1.0
) -> Iterator[Sample]:
    """Yield the samples as they would be with the fault, from the first one on.

    ``severity`` 1 is a usual one: 4 K of offset, 0.35 K of drift a day, 25 % of the
    refrigerant's effect within 20 days, a tank that loses five times as much.
    """
    begin: datetime | None = None
    held: dict[str, Value] | None = None
    lost = 0.0
    before: datetime | None = None
    for index, (time, seen) in enumerate(samples):
        values = dict(seen)
        begin = begin or time
        days = (time - begin) / _DAY
        hours = 0.0 if before is None else min((time - before) / timedelta(hours=1), 1.0)
        before = time
        running = values.get("operating_mode") in _RUNNING
        match fault:
            case "frozen":
                held = held or values
                values = dict(held)
            case "stuck":
                held = held or values
                values[signal] = held.get(signal)
            case "offset":
                _change(values, signal, plus=4.0 * severity)
            case "drift":
                _change(values, signal, plus=0.35 * severity * days)
            case "spike" if index == 5:
                _change(values, signal, plus=30.0 * severity)
            case "heater":
                values["backup_heater_running"] = True
                _change(values, "electrical_power", plus=3000.0 * severity)
            case "leak" if running:
                part = 0.25 * severity * min(1.0, days / 20.0)
                for key in ("thermal_power", "cop"):
                    _change(values, key, 1.0 - part)
                for key, plus in _LEAK.items():
                    _change(values, key, plus=plus * part)
                _change(values, "low_pressure", 1.0 - 0.8 * part)
            case "icing" if running:
                part = severity * min(1.0, days / 2.0)
                for key in ("evaporation_temperature", "suction_gas_temperature"):
                    _change(values, key, plus=-5.0 * part)
                _change(values, "source_outlet_temperature", plus=-2.0 * part)
                _change(values, "low_pressure", 1.0 - 0.15 * part)
            case "pump" if running:
                _change(values, "flow_rate", 1.0 - 0.6 * min(1.0, severity))
                _change(values, "flow_temperature", plus=4.0 * severity)
                _change(values, "condensation_temperature", plus=4.0 * severity)
            case "dhwloss":
                tank = _numeric(values.get("dhw_temperature"))
                if values.get("operating_mode") in ("dhw", 2):
                    lost *= 0.5**hours
                elif tank is not None:
                    lost += 0.012 * 4.0 * severity * hours * max(0.0, tank - lost - 18.0)
                _change(values, "dhw_temperature", plus=-lost)
            case _:
                pass
        yield time, values


_LEAK: Final = {
    "evaporation_temperature": -8.0, "superheat": 15.0, "suction_gas_temperature": 7.0,
    "hot_gas_temperature": 25.0, "expansion_valve_position": 45.0,
}  # fmt: skip


def watches(signals: Iterable[Signal], fault: Fault, key: str) -> bool:
    """Return whether anything can notice a fault of a signal; one of the machine needs no signal."""
    known = {signal.key: signal for signal in signals}
    if fault not in OF_SENSOR:
        return True
    if (signal := known.get(key)) is None or not signal.analog:
        return False
    if fault != "stuck" or role_of(signal) is not Role.PASSIVE:
        return True
    if not is_canonical_key(key):
        return not goes_anywhere(key)
    return any(key in (*one.signals, *one.given) for one in relations_of(known.values()))


def self_test(
    signals: Iterable[Signal], saved: Mapping[str, Any], samples: Iterable[Sample], fault: Fault,
    *, signal: str = "return_temperature", severity: float = 1.0, days: float = 10.0,
    pace: Callable[[], None] = lambda: None,
) -> SelfTest:  # fmt: skip
    """Play the samples, again and again for ``days``, with a fault to a copy of a detector.

    ``saved`` is its :meth:`~.Detector.to_json`; nothing of it is changed. It blocks for
    about 60 µs a sample and signal count of 40; ``pace`` is called after each. Raises ``ValueError`` if there is no
    sample, or for an unknown fault.
    """
    if fault not in FAULTS:
        msg = f"No such fault: {fault!r}"
        raise ValueError(msg)
    # a clock that was set back leaves them out of order
    recent = sorted(samples, key=lambda sample: sample[0])
    if not recent:
        msg = "A self-test needs samples"
        raise ValueError(msg)
    detector = Detector.from_json(signals, json.loads(json.dumps(copy.deepcopy(dict(saved)))))
    before = detector.verdict
    known = {(one.monitor, one.signals) for one in before.reasons}
    begin = played = None
    for time, values in damage(_again(recent, days), fault, signal, severity):
        begin = begin or time
        played = time
        verdict = detector.observe(time, values)
        pace()
        fresh = [one for one in verdict.reasons if (one.monitor, one.signals) not in known]
        if verdict.alarm and fresh:
            return SelfTest(
                fault=fault, signal=_of(fault, signal), fired=True,
                hours=round((time - begin) / timedelta(hours=1), 2),
                played=round((time - begin) / timedelta(hours=1), 2),
                reason=fresh[0], alarmed_before=before.alarm,
            )  # fmt: skip
    assert begin is not None and played is not None
    return SelfTest(
        fault=fault, signal=_of(fault, signal), fired=False, hours=None,
        played=round((played - begin) / timedelta(hours=1), 2), reason=None,
        alarmed_before=before.alarm,
    )  # fmt: skip


def _of(fault: Fault, signal: str) -> str | None:
    return signal if fault in OF_SENSOR else None


def _again(samples: list[Sample], days: float) -> Iterator[Sample]:
    """Yield the samples after their own end, at the same times of the day, until ``days`` are full."""
    first, last = samples[0][0], samples[-1][0]
    whole = timedelta(days=math.floor((last - first) / _DAY) + 1)
    begin = first + whole
    for turn in range(1, 10_000):
        for time, values in samples:
            moved = time + turn * whole
            if moved - begin > timedelta(days=days):
                return
            yield moved, values
