"""The parts of the learned monitors, one by one."""

import json
from typing import Any

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from custom_components.heat_pump_hub.detection import Signal, load, state
from custom_components.heat_pump_hub.detection.alarms import Alarm
from custom_components.heat_pump_hub.detection.arrays import (
    pack,
    pack_triangle,
    unpack,
    unpack_triangle,
)
from custom_components.heat_pump_hub.detection.basis import (
    FEATURES,
    Relation,
    columns,
    quantities_of,
    relations_of,
)
from custom_components.heat_pump_hub.detection.causes import causes_of, together
from custom_components.heat_pump_hub.detection.ceilings import BLOCK, BLOCKS, Ceilings
from custom_components.heat_pump_hub.detection.contexts import Clock
from custom_components.heat_pump_hub.detection.events import Events
from custom_components.heat_pump_hub.detection.expectations import Expectations
from custom_components.heat_pump_hub.detection.gauges import Gauge
from custom_components.heat_pump_hub.detection.learned import Learned
from custom_components.heat_pump_hub.detection.relations import Model
from custom_components.heat_pump_hub.detection.river_parts import Moments
from custom_components.heat_pump_hub.detection.situation import Situation, mode_of
from custom_components.heat_pump_hub.detection.steps import Steps
from custom_components.heat_pump_hub.detection.tracks import Track

from .plant import PLANT, Plant

load()
junk = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), st.text(max_size=5),
    st.lists(st.one_of(st.integers(), st.text(max_size=2)), max_size=3),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=1),
)  # fmt: skip


def test_arrays_come_back_bit_for_bit() -> None:
    array = np.array([[0.1, -2e9], [1 / 3, 0.0]])
    assert (unpack({"a": pack(array)}, "a", (2, 2)) == array).all()
    symmetric = array + array.T
    assert (unpack_triangle({"a": pack_triangle(symmetric)}, "a", 2) == symmetric).all()


@pytest.mark.parametrize(
    "text",
    [None, 7, "", "AAAA", "%%%%", pack(np.array([1.0, np.nan])), pack(np.array([1.0, 1e16]))],
)
def test_damaged_array_is_refused(text: object) -> None:
    with pytest.raises(state.DamagedError):
        unpack({"a": text}, "a", (2,))


def test_moments_are_those_of_numpy_and_continue_bit_for_bit() -> None:
    dice = np.random.default_rng(1)
    rows = dice.normal(3, 2, (200, 4))
    moments = Moments(4, 10_000)
    for row in rows:
        moments.learn(row, np.ones(4))
    mean, second = moments.raw
    assert np.allclose(mean, rows.mean(axis=0))
    assert np.allclose(second - np.outer(mean, mean), np.cov(rows.T, bias=True))
    twin = Moments(4, 10_000)
    twin.restore(moments.n, moments.weights.copy(), mean.copy(), second.copy())
    for row in dice.normal(3, 2, (50, 4)):
        for one in (moments, twin):
            one.learn(row, np.ones(4))
    assert (moments.raw[1] == twin.raw[1]).all()


def test_relation_is_not_explained_by_its_own_signals() -> None:
    present = frozenset({"source_inlet_temperature", "flow_temperature", "outdoor_temperature"})
    everything = columns(frozenset(), present)
    without = columns(frozenset({"flow_temperature"}), present)
    assert set(without) < set(everything)
    assert max(everything) < FEATURES
    stand_in = present | {"condensation_temperature"}
    assert set(columns(frozenset({"flow_temperature"}), stand_in)) - set(everything)


def test_relations_follow_from_the_signals_that_are_there() -> None:
    names = [relation.name for relation in relations_of(PLANT)]
    assert "spread" in names
    assert "thermal_power" in names
    assert "cop" not in names
    assert "supply_voltage" not in names
    assert relations_of([Signal("vendor_extra", "analog"), Signal("cop", "setpoint")]) == []
    rows = [row for group in quantities_of(relations_of(PLANT)) for row in group]
    assert sorted(rows) == list(range(len(names)))


def test_thresholds_come_late_and_within_limits() -> None:
    limit = Ceilings((2,), margin=2.0, base=1.0, cap=3.0)
    limit.learn(np.array([0.2, 5.0]), 0.0)
    for _ in range(2):
        assert limit.threshold.tolist() == [1.5, 1.5]
        limit.learn(np.zeros(2), BLOCK)
    assert limit.threshold.tolist() == [1.5, 1.5 * 6.25]
    limit.accept(0, 1.2)
    assert limit.threshold.tolist() == pytest.approx([1.5 * 2.4, 1.5 * 6.25])
    twin = Ceilings((2,), margin=2.0, base=1.0, cap=3.0)
    twin.restore(json.loads(json.dumps(limit.to_json())))
    assert twin.threshold.tolist() == limit.threshold.tolist()


def test_thresholds_are_higher_until_weeks_of_weather_were_seen() -> None:
    limit = Ceilings((1,), margin=2.0, base=1.0, cap=3.0)
    seen = []
    for _ in range(BLOCKS):
        limit.learn(np.array([0.1]), BLOCK)
        seen.append(float(limit.threshold[0]))
    assert seen == pytest.approx([1.5] * 5 + [4 / 3, 7 / 6] + [1.0] * 4)
    saved = limit.to_json()
    del saved["closed"]
    old = Ceilings((1,), margin=2.0, base=1.0, cap=3.0)
    old.restore(saved)
    assert old.threshold.tolist() == [1.0]
    for closed in (-1, BLOCKS + 1):
        with pytest.raises(state.DamagedError):
            old.restore(saved | {"closed": closed})


def test_gauge_judges_by_what_was_known_five_days_ago() -> None:
    gauge = Gauge(margin=2.0, add=1.0, floor=3.0, days=1, least=2)
    assert gauge.judge(2.0, learning=True) == 0.0
    gauge.judge(4.0, learning=True)
    gauge.age(4 * 1440)
    assert not gauge.warm
    gauge.age(1440)
    assert gauge.warm
    assert gauge.threshold == 9.0
    assert gauge.judge(18.0, learning=True) == 2.0
    assert max(gauge.blocks) == 4.0
    gauge.accept(18.0)
    assert gauge.judge(18.0, learning=True) < 1


def test_causes_follow_the_signs() -> None:
    leak = [("thermal_power", -2.0), ("superheat", 2.0), ("expansion_valve_position", 2.0)]
    assert causes_of(leak)[0] == "refrigerant_loss"
    assert "refrigerant_loss" not in causes_of([(name, -value) for name, value in leak])
    assert causes_of([("spread", 2.0), ("flow_rate", -2.0)])[0] in ("pump", "strainer")
    assert causes_of([("heater_run", 1.2)]) == ["heater"]
    assert causes_of([("spread_over", 1.2)])[0] == "pump"
    assert causes_of([("spread_over", 1.2), ("electrical_power", 2.0)])[0] == "heater"
    assert causes_of([]) == []


def test_a_cause_counts_each_quantity_once() -> None:
    names = (
        "superheat", "suction_gap", "thermal_power", "capacity", "source_gap", "hot_gas_temperature",
    )  # fmt: skip
    relations = [Relation(name, name) for name in names]
    weights = together("refrigerant_loss", relations, [True] * len(names))
    assert weights.round(2).tolist() == [0.25, 0.25, -0.25, -0.25, 0.5, 0.5]
    few = [name in ("superheat", "suction_gap", "thermal_power") for name in names]
    assert not together("refrigerant_loss", relations, few).any()


def test_ice_is_borne_witness_to_by_what_boils_and_what_is_given() -> None:
    names = ("source_gap", "low_pressure", "capacity", "superheat", "source_drop")
    relations = [Relation(name, name) for name in names]
    usable = [name != "source_drop" for name in names]
    weights = together("icing", relations, usable)
    assert weights.round(2).tolist() == [0.35, -0.35, -0.71, 0.0, 0.0]
    alone = [name in ("source_gap", "low_pressure") for name in names]
    assert not together("icing", relations, alone).any()


@pytest.mark.parametrize(
    ("values", "running", "mode"),
    [
        ({"operating_mode": "dhw"}, None, "dhw"),
        ({"operating_mode": 3.0}, None, "defrost"),
        ({"operating_mode": "utility_lock"}, True, "off"),
        ({"operating_mode": "pool"}, True, "other"),
        ({"defrosting": "on"}, True, "defrost"),
        ({"dhw_charging": 1}, True, "dhw"),
        ({"dhw_charging": 1}, False, "off"),
        ({}, True, "heating"),
        ({}, None, None),
        ({"operating_mode": float("nan")}, True, "heating"),
    ],
)
def test_mode_is_told_or_inferred(
    values: dict[str, Any], running: bool | None, mode: str | None
) -> None:
    assert mode_of(values, running) == mode


def test_situation_is_steady_only_after_a_while() -> None:
    situation = Situation()
    for minute in range(40):
        mode = "defrost" if 12 <= minute < 15 else "heating"
        situation.update({"operating_mode": mode}, 1.0, True)
        assert situation.steady is (10 <= minute < 12)
    situation.update({"backup_heater_running": True, "operating_mode": "heating"}, 30.0, True)
    assert situation.heater
    assert not situation.steady
    assert situation.air


def test_machine_that_runs_for_minutes_only_is_looked_at_sooner() -> None:
    situation = Situation()

    def run(minutes: int) -> list[int]:
        steady = []
        for minute in range(minutes):
            situation.update({"operating_mode": "heating"}, 1.0, True)
            if situation.steady:
                steady.append(minute)
        situation.update({"operating_mode": "off"}, 1.0, False)
        return steady

    assert run(9) == []
    for _ in range(60):
        run(9)
    assert run(9) == [4, 5, 6, 7, 8]
    situation.update({"operating_mode": "heating"}, 5.0, True)
    situation.update({"operating_mode": "heating"}, 5.0, True)
    assert not situation.steady
    run(9)
    restored = Situation()
    restored.restore(situation.to_json())
    assert (restored.run, restored.short) == (situation.run, True)
    for _ in range(5):
        run(120)
    assert run(12) == [10, 11]


def test_model_saved_before_there_was_more_to_save_is_restored() -> None:
    model = lived()["window"].models["heating"]
    older = model.to_json()
    names = len(model.relations)
    del older["extra"]
    older["multi"] = 0.0
    older["numbers"] = pack(unpack(older, "numbers", (7, names))[:6])
    older["limits"] = older["limits"][:3]
    restored = Model("heating", model.relations, model.signals)
    restored.restore(older)
    assert restored.windows == model.windows
    assert (restored.spread == model.spread).all()
    assert not restored.slow_limit.known
    assert not restored.lasting()[0].any()


def test_model_saved_before_it_looked_for_what_is_quick_sees_first_what_is_usual() -> None:
    model = lived()["window"].models["heating"]
    older = model.to_json()
    del older["quick"]
    older["multi"] = older["multi"][:-1]
    count = len(model.multi)
    blocks = unpack(older["limits"][2], "blocks", (BLOCKS, count))[:, :-1]
    older["limits"][2] |= {"blocks": pack(blocks), "size": count - 1}
    restored = Model("heating", model.relations, model.signals)
    restored.restore(older)
    assert (restored.slow == model.slow).all()
    assert not restored.quick.any()
    before, after = model.multi_limit.threshold, restored.multi_limit.threshold
    assert (after[[0, 1, 3]] == before[[0, 1, 3]]).all()
    assert after[[2, 4, 5]].min() >= 4


def lived() -> dict[str, Any]:
    """Return each part's state after some days of a plant, and what restores it."""
    plant = Plant(period=300)
    analog = [signal for signal in PLANT if signal.analog]
    parts: dict[str, Any] = {
        "situation": Situation(), "events": Events(), "steps": Steps(analog),
        "window": Expectations(analog),
    }  # fmt: skip
    for _, values in plant.days(12):
        situation = parts["situation"]
        running = bool(values["compressor_running"])
        situation.update(values, 5.0, running)
        array = np.array([values[signal.key] for signal in analog], dtype=np.float64)
        parts["steps"].observe(array, situation, 5.0, 5.0, learning=True)
        parts["events"].observe(values, situation, 5.0, running, learning=True)
        place = [analog.index(next(s for s in analog if s.key == k)) for k in parts["window"].keys]
        parts["window"].observe(array[place], situation, 5.0, learning=True)
    parts["model"] = parts["window"].models["heating"]
    return parts


PARTS = lived()


@pytest.mark.parametrize("name", sorted(PARTS))
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_damage_with_a_right_checksum_is_refused_or_harmless(
    name: str, data: st.DataObject
) -> None:
    part = PARTS[name]
    before = json.dumps(part.to_json())
    saved = json.loads(before)
    node: Any = saved
    path: list[Any] = []
    while isinstance(node, (dict, list)) and node and (not path or data.draw(st.booleans())):
        keys = sorted(node) if isinstance(node, dict) else list(range(len(node)))
        path.append(data.draw(st.sampled_from(keys)))
        parent, node = node, node[path[-1]]
    parent[path[-1]] = data.draw(junk)
    try:
        part.restore(saved)
    except state.DamagedError:
        pass
    else:
        json.dumps(part.to_json(), allow_nan=False)
    part.restore(json.loads(before))
    assert json.dumps(part.to_json()) == before


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_alarm_is_refused_or_harmless(data: st.DataObject) -> None:
    saved: dict[str, Any] = {
        "monitor": "slow", "key": "heating:spread", "signals": ["a"], "suspect": None,
        "since": "2026-01-01T00:00:00+00:00", "raised": 1, "heard": 0, "ratio": 1.0, "signed": 1.0,
        "observed": 1.0, "expected": 1.0, "tolerance": 1.0, "unit": "K", "mode": "heating",
        "causes": "", "calm": None, "accepted": False, "confirmed": False, "over": False,
    }  # fmt: skip
    assert Alarm.from_json(saved, 10).to_json(10) == saved
    saved[data.draw(st.sampled_from(sorted(saved)))] = data.draw(junk)
    try:
        alarm = Alarm.from_json(saved, 10)
    except state.DamagedError:
        return
    json.dumps(alarm.to_json(10), allow_nan=False)
    alarm.settle(20)
    alarm.reason()


@pytest.mark.parametrize("restless", [False, True])
def test_sensor_that_steps_far_elsewhere_does_not_jump_here(restless: bool) -> None:
    steps, situation = Steps([Signal("dhw_temperature_bottom", "analog", "°C")]), Situation()
    found: list[str] = []
    for index in range(3000):
        hour = index // 12
        mode = "dhw" if hour % 8 == 0 else "off"
        situation.update({"operating_mode": mode}, 5.0, mode == "dhw")
        value = 40.0 + (index % 3) / 10 + (8.0 if restless and mode == "dhw" else 0.0)
        value += 6.0 if index >= 2950 else 0.0
        array = np.array([value])
        found += [one[0] for one in steps.observe(array, situation, 5.0, 5.0, learning=True)]
    assert found == ([] if restless else ["jump"])


@pytest.mark.parametrize(
    ("period", "neighbour", "told"), [(1.0, 0.0, True), (1.0, 3.0, False), (5.0, 0.0, False)]
)
def test_value_that_leaves_and_returns_alone_is_a_spike_even_where_it_steps_far(
    period: float, neighbour: float, told: bool
) -> None:
    """What has mass is not back in two minutes, and not unnoticed by what is around it."""
    keys = ("condensation_temperature", "flow_temperature")
    steps, situation = Steps([Signal(key, "analog", "°C") for key in keys]), Situation()
    found: list[tuple[str, int]] = []
    for index in range(9000):
        phase = index % 60
        runs = phase < 30
        situation.update({"operating_mode": "heating" if runs else "off"}, period, runs)
        hot = 24.0 if runs else 0.0
        array = np.array([30.0 + hot + index % 3 / 10, 30.0 + hot / 4])
        if index == 8940 + 5 / period:
            array += (-20.0, -neighbour)
        told_now = steps.observe(array, situation, period, period, learning=True)
        found += [(one[0], one[1]) for one in told_now]
    assert found == ([("spike", 0)] if told else [])


def test_window_far_outside_of_what_was_lived_in_is_not_judged() -> None:
    model = lived()["model"]
    keys = list(model.signals)
    usual = {
        "outdoor_temperature": 2.0, "source_inlet_temperature": 1.7, "flow_temperature": 33.2,
        "compressor_frequency": 50.0, "condensation_temperature": 36.0,
    }  # fmt: skip
    for shift, judged in ((0.0, True), (-30.0, False)):
        mean = np.array([usual.get(key, 10.0) for key in keys])
        mean[keys.index("outdoor_temperature")] += shift
        mean[keys.index("source_inlet_temperature")] += shift
        assert model.window(mean, 5.0, 1e6, 0.0, learning=False) is judged
        assert model.novel is not judged


@pytest.mark.parametrize(("changed", "count"), [(False, 2.0), (True, 1.0)])
def test_charges_after_a_changed_setpoint_do_not_count(changed: bool, count: float) -> None:
    events, situation = Events(), Situation()
    for minute in range(400):
        mode = "dhw" if 10 <= minute < 40 or 300 <= minute < 330 else "off"
        wanted = 60.0 if changed and minute >= 200 else 48.0
        values: dict[str, Any] = {
            "operating_mode": mode, "dhw_temperature": 45.0, "dhw_temperature_setpoint": wanted,
        }  # fmt: skip
        situation.update(values, 1.0, mode == "dhw")
        events.observe(values, situation, 1.0, mode == "dhw", learning=True)
    assert events.gauges["dhw_runs"].count == count


@pytest.mark.parametrize(("name", "accepted"), [("spread", True), ("source_gap", False)])
def test_deviation_that_was_accepted_is_no_other_alarm_in_another_mode(
    name: str, accepted: bool
) -> None:
    clock = Clock()
    learned = Learned(PLANT, [Track(signal, clock) for signal in PLANT if signal.analog])
    time = Plant().time

    def report(monitor: str, key: str) -> None:
        learned._raise(monitor, key, (), None, 1.5, 1.5, 0.0, 0.0, 0.0, "K", time, clock)

    report("slow", "heating:spread")
    learned.alarms["slow", "heating:spread"].accepted = True
    report("fast", f"dhw:{name}")
    assert learned.alarms["fast", f"dhw:{name}"].accepted is accepted
    assert learned.alarming is not accepted
