"""Any signals, any times, any values: a verdict comes back, and the state can be saved."""

from datetime import UTC, datetime, timedelta
import json
import math
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.heat_pump_hub.detection import Detector, GenericScorer, Signal

from .plant import PLANT, Plant

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
numbers = st.floats(-1e3, 1e3) | st.sampled_from([0.0, 45.0, math.nan, math.inf, 1e300])
anything = numbers | st.integers(-(2**70), 2**70) | st.text(max_size=4) | st.booleans() | st.none()
steps = st.sampled_from([-7200.0, 0.0, 1.0, 30.0, 60.0, 61.7, 300.0, 3600.0, 90_000.0])


@given(
    chosen=st.sets(st.sampled_from(PLANT), min_size=1, max_size=7),
    period=st.sampled_from([1.0, 60.0, 300.0, 3600.0]),
    odd=st.lists(st.tuples(steps, st.sampled_from(PLANT), anything), max_size=60),
    cut=st.integers(0, 60),
)
@settings(deadline=None, max_examples=40)
def test_any_signals_and_samples_give_a_verdict_and_a_state(
    chosen: set[Signal], period: float, odd: list[tuple[float, Signal, Any]], cut: int
) -> None:
    signals = sorted(chosen, key=lambda signal: signal.key)
    detector = Detector(signals)
    plant = Plant(period=period)
    for sample in plant.days(min(8.0, 200 * period / 86_400)):
        detector.observe(*sample)
    time = plant.time
    for index, (step, signal, value) in enumerate(odd):
        time += timedelta(seconds=step)
        verdict = detector.observe(time, {signal.key: value})
        assert 0 <= verdict.score <= 1
        assert 0 <= verdict.progress <= 1
        assert all(math.isfinite(reason.observed) for reason in verdict.reasons)
        if index == cut:
            saved = json.dumps(detector.to_json(), allow_nan=False)
            detector = Detector.from_json(signals, json.loads(saved))
    json.dumps(detector.to_json(), allow_nan=False)
    json.dumps(detector.explain(), allow_nan=False)


@given(odd=st.lists(st.tuples(steps, anything), max_size=80), keys=st.sampled_from([1, 3]))
@settings(deadline=None, max_examples=40)
def test_scorer_takes_anything(odd: list[tuple[float, Any]], keys: int) -> None:
    names = [f"signal_{index}" for index in range(keys)]
    scorer = GenericScorer(names, timedelta(minutes=10))
    time = BEGIN
    for step, value in odd:
        time += timedelta(seconds=step)
        assert 0 <= scorer.observe(time, dict.fromkeys(names, value)) <= 1


@pytest.mark.parametrize("count", [5, 300])
def test_few_signals_and_many(count: int) -> None:
    """Many of them appear late, and one vanishes."""
    signals = [
        *PLANT[:count],
        *(Signal(f"vendor_{i}", "analog") for i in range(count - len(PLANT))),
    ]
    detector = Detector(signals)
    plant = Plant(period=900.0)
    for index, (time, values) in enumerate(plant.days(26)):
        extra = {f"vendor_{i}": 5 + math.sin(index * (i + 1)) for i in range(count - len(PLANT))}
        if index > 600:
            values |= extra
        if index > 1500:
            values["hot_gas_temperature"] = None
        verdict = detector.observe(time, values)
        assert not verdict.alarm, verdict.reasons
    assert verdict.progress == 1


def test_signal_of_another_kind_or_unit_is_learned_anew_and_the_rest_is_kept() -> None:
    detector, plant = Detector(PLANT), Plant(period=600.0)
    for sample in plant.days(20):
        detector.observe(*sample)
    saved = detector.to_json()
    changed = [
        Signal("flow_rate", "analog", "m³/h") if signal.key == "flow_rate" else signal
        for signal in PLANT
    ]
    again = Detector.from_json(changed, saved)
    kept = again.to_json()
    assert kept["signals"]["flow_temperature"] == saved["signals"]["flow_temperature"]
    assert kept["signals"]["flow_rate"] != saved["signals"]["flow_rate"]
    for time, values in plant.days(2):
        assert not again.observe(time, {**values, "flow_rate": 1.2}).alarm


def test_signals_come_and_go_and_what_was_learned_of_the_others_stays() -> None:
    detector, plant = Detector(PLANT), Plant(period=300.0)
    for sample in plant.days(26):
        detector.observe(*sample)
    saved = json.loads(json.dumps(detector.to_json()))
    gone = ("superheat", "flow_rate")
    fewer = [signal for signal in reversed(PLANT) if signal.key not in gone]
    again = Detector.from_json([*fewer, Signal("low_pressure", "analog", "bar")], saved)
    assert again.verdict.progress == 1
    for sample in plant.days(1.5):
        assert not again.observe(*sample).alarm
    plant.error["hot_gas_temperature"] = 7.0
    delay = None
    for time, values in plant.days(0.5):
        verdict = again.observe(time, values)
        if verdict.alarm:
            delay = time
            break
    assert delay is not None
    assert verdict.reasons[0].suspect == "hot_gas_temperature"
    back = Detector.from_json(PLANT, again.to_json())
    assert back.verdict.alarm
