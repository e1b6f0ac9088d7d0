"""Saving and restoring changes nothing, and damage costs only what it hits."""

from collections.abc import Callable
import copy
from datetime import timedelta
import json
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st
import pytest

from custom_components.heat_pump_hub.detection import (
    Detector,
    Signal,
    Verdict,
    daily,
    events,
    state,
)
from custom_components.heat_pump_hub.detection.contexts import Clock
from custom_components.heat_pump_hub.detection.latches import Latch
from custom_components.heat_pump_hub.detection.verdict import MONITORS

from .conftest import Household
from .days import SIGNALS, House, Sample
from .test_faults import watch


def reload(detector: Detector, signals: tuple[Signal, ...] = SIGNALS) -> Detector:
    return Detector.from_json(signals, json.loads(json.dumps(detector.to_json())))


@pytest.fixture(scope="module")
def eventful(
    household: Callable[[], Household],
) -> tuple[dict[str, Any], list[Sample], list[Verdict]]:
    """Return a state, the samples of five days with all three faults, and their verdicts."""
    detector, house = household()
    saved = detector.to_json()
    house.period = 300
    samples: list[Sample] = []
    for index, (time, values) in enumerate(house.days(9)):
        if 100 < index < 1100:
            values["dhw_temperature"] = 44.3
        if 300 < index < 320:
            values["outdoor_temperature"] = -99.9
        if 1300 < index < 1350:
            values = samples[1300][1]
        if index % 400 == 399:
            values = {}
        samples.append((time, values))
    verdicts = [detector.observe(*sample) for sample in samples]
    monitors = {reason.monitor for verdict in verdicts for reason in verdict.reasons}
    assert monitors == {"flatline_running", "range", "frozen"}
    assert any(r.context["accepted"] for verdict in verdicts for r in verdict.reasons)
    return json.loads(json.dumps(saved)), samples, verdicts


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.sets(st.integers(min_value=0, max_value=2500), min_size=1, max_size=6))
def test_restart_changes_no_later_verdict(
    eventful: tuple[dict[str, Any], list[Sample], list[Verdict]], cuts: set[int]
) -> None:
    saved, samples, expected = eventful
    detector = Detector.from_json(SIGNALS, saved)
    for index, (sample, verdict) in enumerate(zip(samples, expected, strict=True)):
        if index in cuts:
            detector = reload(detector)
        assert detector.observe(*sample) == verdict


def test_state_is_stable_and_small(household: Callable[[], Household]) -> None:
    detector, _ = household()
    saved = detector.to_json()
    assert reload(detector).to_json() == saved
    assert len(json.dumps(saved, allow_nan=False)) < 3000 * len(SIGNALS)


def test_alarm_survives_a_restart_before_the_next_sample(
    household: Callable[[], Household],
) -> None:
    detector, house = household()
    verdict, _ = watch(detector, house, 1, dhw_temperature=44.3)
    restored = reload(detector).verdict
    assert restored.alarm
    assert restored.reasons == verdict.reasons


def test_signal_with_another_unit_or_kind_is_learned_anew_and_the_rest_kept(
    household: Callable[[], Household],
) -> None:
    detector, _ = household()
    saved = detector.to_json()["signals"]
    changed = (
        Signal("outdoor_temperature", "analog", "°F"),
        Signal("flow_temperature", "setpoint", "°C"),
        Signal("added_temperature", "analog", "°C"),
        *SIGNALS[2:],
    )
    restored = reload(detector, changed).to_json()["signals"]
    assert restored["outdoor_temperature"]["changes"] == 0
    assert restored["added_temperature"]["changes"] == 0
    assert "flow_temperature" not in restored
    for signal in SIGNALS[2:]:
        if signal.kind == "analog":
            assert restored[signal.key] == saved[signal.key]


def test_alarm_of_a_signal_that_is_gone_is_dropped(household: Callable[[], Household]) -> None:
    detector, house = household()
    watch(detector, house, 1, dhw_temperature=44.3)
    without = tuple(signal for signal in SIGNALS if signal.key != "dhw_temperature")
    assert not reload(detector, without).verdict.alarm


@pytest.mark.parametrize("garbage", [None, [], "x", 7, {}, {"schema": 99}, {"schema": 1}])
def test_state_that_is_none_starts_anew(garbage: object) -> None:
    detector = Detector.from_json(SIGNALS, garbage)
    assert detector.verdict.state == "learning"
    assert detector.to_json() == Detector(SIGNALS).to_json()


def test_damaged_signal_costs_only_itself_and_never_the_alarm(
    household: Callable[[], Household],
) -> None:
    detector, house = household()
    watch(detector, house, 1, dhw_temperature=44.3)
    saved = json.loads(json.dumps(detector.to_json()))
    whole = copy.deepcopy(saved)
    saved["signals"]["dhw_temperature"]["longest"] += 1
    restored = Detector.from_json(SIGNALS, saved)
    assert restored.verdict.alarm
    again = restored.to_json()["signals"]
    assert again["dhw_temperature"]["changes"] == 0
    del again["dhw_temperature"], whole["signals"]["dhw_temperature"]
    assert again == whole["signals"]


def test_damaged_clock_keeps_what_was_learned_of_signals(
    household: Callable[[], Household],
) -> None:
    detector, _ = household()
    saved = json.loads(json.dumps(detector.to_json()))
    saved["clock"] = None
    restored = Detector.from_json(SIGNALS, saved)
    assert restored.verdict.state == "learning"
    assert restored.to_json()["signals"] == saved["signals"]
    assert restored.to_json()["device"] == saved["device"]


junk = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), st.text(max_size=3),
    st.lists(st.integers(), max_size=3), st.dictionaries(st.text(max_size=2), st.none(), max_size=1),
)  # fmt: skip


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_damage_crashes_or_alarms(
    household: Callable[[], Household], data: st.DataObject
) -> None:
    """Also with a right checksum, which only a person who edits the file can write."""
    detector, house = household()
    saved = json.loads(json.dumps(detector.to_json()))
    path: list[str] = []
    node: Any = saved
    while isinstance(node, dict) and node and (not path or data.draw(st.booleans())):
        path.append(data.draw(st.sampled_from(sorted(node))))
        parent, node = node, node[path[-1]]
    parent[path[-1]] = data.draw(junk)
    if "check" in parent and path[-1] != "check":
        del parent["check"]
        try:
            parent |= state.seal(parent)
        except ValueError:
            parent["check"] = 0
    restored = Detector.from_json(SIGNALS, saved)
    json.dumps(restored.to_json(), allow_nan=False)
    for time, values in house.days(0.01):
        verdict = restored.observe(time, values)
        assert 0 <= verdict.score <= 1
        assert verdict.alarm is False or path[-1] in {"run", "run_on", "learned"}


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damaged_alarm_is_dropped_alone(
    household: Callable[[], Household], data: st.DataObject
) -> None:
    detector, house = household()
    watch(detector, house, 0.1, dhw_temperature=150.0, outdoor_temperature=-99.9)
    saved = json.loads(json.dumps(detector.to_json()))
    assert len(saved["latches"]) == 2
    latch = saved["latches"][0]
    del latch["check"]
    name = data.draw(st.sampled_from(sorted(latch)))
    latch[name] = data.draw(junk)
    try:
        saved["latches"][0] = state.seal(latch)
    except ValueError:
        saved["latches"][0] = data.draw(junk)
    restored = Detector.from_json(SIGNALS, saved)
    suspects = {reason.suspect for reason in restored.verdict.reasons}
    assert saved["latches"][1]["key"] in suspects
    json.dumps(restored.to_json(), allow_nan=False)
    time, values = next(house.days(1))
    restored.observe(time + timedelta(minutes=1), values)


def test_parts_are_checked_field_by_field() -> None:
    clock = Clock()
    whole = {**clock.to_json(), "period": 60_000.0}
    assert Clock.from_json(whole).patience == 900_000
    for name, value in (("period", -1.0), ("period", 1e9), ("learned", -1), ("running", 1)):
        with pytest.raises(state.DamagedError):
            Clock.from_json({**whole, name: value})
    with pytest.raises(state.DamagedError, match="monitor"):
        Latch.from_json({"monitor": "gossip"}, clock)
    with pytest.raises(state.DamagedError):
        state.text({"key": 7}, "key")
    with pytest.raises(state.DamagedError):
        state.numbers({"wider": [1.0]}, "wider", (0, 2))
    with pytest.raises(state.DamagedError, match="JSON"):
        state.unseal({"value": float("nan"), "check": 1})


def test_moments_need_a_zone() -> None:
    with pytest.raises(state.DamagedError):
        state.moment({"since": "2026-01-01T00:00:00"}, "since")
    with pytest.raises(state.DamagedError):
        state.moment({"since": "yesterday"}, "since")


def test_two_houses_do_not_share_anything() -> None:
    first, second = Detector(SIGNALS), Detector(SIGNALS)
    for sample in House().days(0.1):
        first.observe(*sample)
    assert second.to_json() == Detector(SIGNALS).to_json()
    assert first.to_json() != second.to_json()


def test_every_monitor_begins_with_a_word_that_consumers_know() -> None:
    words = ("range", "spike", "jump", "flatline", "frozen", "relation", "cycle", "tank", "heater")
    told = {
        *(MONITORS.get(name, name) for name in (*events._MONITORS, *daily.DAILY, "fast", "slow")),
        *MONITORS.values(),
    }
    assert [name for name in told if not name.startswith(words)] == []
