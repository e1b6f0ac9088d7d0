"""Signals that only a make has: what they should be is learned, and one that is off is named."""

from collections.abc import Callable
import copy
from datetime import UTC, datetime, timedelta
import json
import math
from random import Random

import numpy as np
import pytest

from custom_components.heat_pump_hub.detection import Detector, Reason, Signal, Verdict
from custom_components.heat_pump_hub.detection.contexts import Values
from custom_components.heat_pump_hub.detection.state import DamagedError
from custom_components.heat_pump_hub.detection.unknowns import Unknowns

SIGNALS = (
    Signal("outdoor_temperature", "analog", "°C"),
    Signal("flow_temperature", "analog", "°C"),
    Signal("source_inlet_temperature", "analog", "°C"),
    Signal("compressor_frequency", "analog", "Hz"),
    Signal("compressor_running", "state"),
    Signal("operating_mode", "state"),
    Signal("hz_oil_temp", "analog", "°C"),
    Signal("reg_1071", "analog"),
    Signal("valve_b", "analog", "%"),
    Signal("pulses", "analog"),
)
type Fault = Callable[[float, float], float]


class Machine:
    """A pump whose brand shows an oil temperature, a number, a valve and a counter."""

    def __init__(self, day: float = 0.0, seed: int = 1) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
        self.dice = Random(seed)

    def values(self) -> dict[str, float | int | str | bool | None]:
        day = self.time.timestamp() / 86_400
        gauss = self.dice.gauss
        outdoor = 3 + 5 * math.sin(day / 2) + 3 * math.sin(2 * math.pi * day)
        mode = "heating" if self.time.hour % 3 else "dhw" if self.time.hour % 6 else "off"
        on = mode != "off"
        source = outdoor - 1
        flow = (38 - outdoor / 2 if mode == "heating" else 50.0) if on else 25.0
        frequency = round(55 - 2 * outdoor + gauss(0, 1)) if on else 0.0
        load = frequency / 60
        return {
            "outdoor_temperature": round(outdoor + gauss(0, 0.1), 1),
            "flow_temperature": round(flow + gauss(0, 0.1), 1),
            "source_inlet_temperature": round(source + gauss(0, 0.1), 1),
            "compressor_frequency": float(frequency),
            "compressor_running": on,
            "operating_mode": mode,
            "hz_oil_temp": round(30 + 25 * load + flow / 4 + gauss(0, 0.3), 1),
            "reg_1071": round(4000 * load + 20 * outdoor + gauss(0, 30)),
            "valve_b": round(20 + 40 * load + gauss(0, 0.6), 1),
            "pulses": float(int((day - 20_400) * 5000)),
        }

    def live(
        self, detector: Detector, days: float, key: str = "", fault: Fault | None = None
    ) -> list[Verdict]:
        begin = self.time
        found = []
        while self.time - begin < timedelta(days=days):
            self.time += timedelta(minutes=5)
            values = self.values()
            if fault is not None:
                value = values[key]
                assert isinstance(value, float | int)
                values[key] = fault(value, (self.time - begin) / timedelta(days=1))
            found.append(detector.observe(self.time, values))
        return found


@pytest.fixture(scope="module")
def calibrated() -> str:
    detector = Detector(SIGNALS)
    assert not any(verdict.alarm for verdict in Machine().live(detector, 32))
    return json.dumps(detector.to_json())


def machine(saved: str) -> tuple[Detector, Machine]:
    return Detector.from_json(SIGNALS, json.loads(saved)), Machine(32, seed=2)


def told(verdicts: list[Verdict]) -> dict[str, Reason]:
    return {reason.monitor: reason for verdict in verdicts for reason in verdict.reasons}


def test_normal_life_is_quiet(calibrated: str) -> None:
    detector, life = machine(calibrated)
    assert not any(verdict.alarm for verdict in life.live(detector, 12))


@pytest.mark.parametrize(
    ("key", "fault", "monitor", "days"),
    [
        ("hz_oil_temp", lambda value, _: value + 12.0, "generic_fast", 1),
        ("reg_1071", lambda value, _: 0.6 * value, "generic_fast", 1),
        ("valve_b", lambda value, day: value + 2.5 * day, "generic_slow", 10),
        ("reg_1071", lambda _value, _day: 2345.0, "generic_rest", 2),
        ("valve_b", lambda _value, _day: 51.3, "generic_rest", 2),
        ("reg_1071", lambda value, day: 9000.0 if 0.5 <= day < 0.5034 else value, "spike", 1),
    ],
)
def test_fault_of_an_unknown_signal_is_told_and_named(
    calibrated: str, key: str, fault: Fault, monitor: str, days: float
) -> None:
    detector, life = machine(calibrated)
    found = told(life.live(detector, days, key, fault))
    assert monitor in found
    reason = found[monitor]
    assert reason.signals == (key,)
    assert reason.suspect == key
    assert {reason.signals[0] for reason in found.values()} == {key}
    if monitor != "generic_slow":
        assert abs(reason.observed - reason.expected) > reason.tolerance > 0


def test_what_several_show_together_is_no_sensor(calibrated: str) -> None:
    detector, life = machine(calibrated)
    for _ in range(288):
        life.time += timedelta(minutes=5)
        values = life.values()
        for key, more in (("hz_oil_temp", 9.0), ("reg_1071", 900.0), ("valve_b", 12.0)):
            value = values[key]
            assert isinstance(value, float | int)
            values[key] = value + more
        verdict = detector.observe(life.time, values)
        assert not [one for one in verdict.reasons if one.monitor.startswith("generic_")]


@pytest.mark.parametrize("feedback", ["normal", "fixed"])
def test_answers_are_taken(calibrated: str, feedback: str) -> None:
    detector, life = machine(calibrated)
    shift: Fault = lambda value, _: value + 12.0  # noqa: E731
    assert "generic_fast" in told(life.live(detector, 1, "hz_oil_temp", shift))
    detector.feedback(feedback)  # type: ignore[arg-type]
    after = told(life.live(detector, 2, "hz_oil_temp", shift if feedback == "normal" else None))
    assert not after


def test_rest_that_is_normal_is_learned(calibrated: str) -> None:
    detector, life = machine(calibrated)
    still: Fault = lambda _value, _day: 2345.0  # noqa: E731
    assert "generic_rest" in told(life.live(detector, 1, "reg_1071", still))
    detector.feedback("normal")
    assert "generic_rest" not in told(life.live(detector, 0.4, "reg_1071", still))


def test_alarm_ends_with_its_cause(calibrated: str) -> None:
    detector, life = machine(calibrated)
    assert life.live(detector, 1, "hz_oil_temp", lambda value, _: value + 12.0)[-1].alarm
    assert not life.live(detector, 2)[-1].alarm


def test_what_only_grows_is_no_signal(calibrated: str) -> None:
    detector, life = machine(calibrated)
    life.live(detector, 0.1)
    life.time += timedelta(days=3)
    assert not any(verdict.alarm for verdict in life.live(detector, 1))


@pytest.mark.parametrize("hours", [1, 7, 13])
def test_restart_changes_nothing(calibrated: str, hours: int) -> None:
    one, life = machine(calibrated)
    life.live(one, hours / 24 + 0.004)
    other = Detector.from_json(SIGNALS, json.loads(json.dumps(one.to_json())))
    twin = copy.deepcopy(life)
    shift: Fault = lambda value, _: value + 12.0  # noqa: E731
    first = life.live(one, 1.5, "hz_oil_temp", shift)
    assert first == twin.live(other, 1.5, "hz_oil_temp", shift)
    assert one.to_json() == other.to_json()


def test_appearing_vanishing_and_changing_signals_cost_only_themselves(calibrated: str) -> None:
    more = (*SIGNALS[:-1], Signal("new_one", "analog", "bar"), Signal("pulses", "analog", "l"))
    detector = Detector.from_json(more, json.loads(calibrated))
    life = Machine(32, seed=2)
    assert not any(verdict.alarm for verdict in life.live(detector, 2))
    assert "generic_fast" in told(
        life.live(detector, 1, "hz_oil_temp", lambda value, _: value + 12.0)
    )


def test_damage_costs_only_what_it_hit(calibrated: str) -> None:
    saved = json.loads(calibrated)
    saved["learned"]["unknowns"]["rests"] = "AAAA"
    detector = Detector.from_json(SIGNALS, saved)
    parts = detector.to_json()["learned"]
    assert parts["unknowns"] != json.loads(calibrated)["learned"]["unknowns"]
    assert parts["models"] == json.loads(calibrated)["learned"]["models"]
    assert not any(verdict.alarm for verdict in Machine(32).live(detector, 1))


def test_nonsense_is_refused(calibrated: str) -> None:
    detector = Detector.from_json(SIGNALS, json.loads(calibrated))
    analog = [signal for signal in SIGNALS if signal.analog]
    part = detector._learned.unknowns.to_json()
    Unknowns(analog).restore(part)
    for damage in (
        {"keys": 1}, {"context": "summer"}, {"numbers": [0, 0, 0, 7]}, {"fits": 1},
        {"fits": {"heating": 1}}, {"rests": "AA=="},
        {"fits": {**part["fits"], "dhw": {**part["fits"]["dhw"], "limits": []}}},
        {"fits": {**part["fits"], "dhw": {**part["fits"]["dhw"], "lived": 3}}},
    ):  # fmt: skip
        with pytest.raises(DamagedError):
            Unknowns(analog).restore({**part, **damage})


def test_canonical_signals_and_the_weather_are_none() -> None:
    keys = ("flow_temperature", "circuit_a_flow_temperature", "zone_1_room_2_temperature",
            "garage_humidity", "my_own", "circuit_a_my_own")  # fmt: skip
    assert Unknowns([Signal(key, "analog", "°C") for key in keys]).keys == (
        "my_own", "circuit_a_my_own",
    )  # fmt: skip


def test_missing_values_and_strange_times_are_no_trouble(calibrated: str) -> None:
    detector, life = machine(calibrated)
    dice = Random(9)
    for _ in range(600):
        life.time += timedelta(minutes=dice.choice([0, 1, 5, 5, 40, 300, -30]))
        values: Values = {
            key: None if dice.random() < 0.3 else math.nan if dice.random() < 0.1 else value
            for key, value in life.values().items()
        }
        verdict = detector.observe(life.time, values)
        assert 0 <= verdict.score <= 1
    size = len(json.dumps(detector.to_json(), allow_nan=False))
    assert size < 60_000
    assert np.isfinite(detector._learned.unknowns.fits["heating"].slope).all()
