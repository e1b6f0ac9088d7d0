"""What deviates from the learned machine is named, and normal life is not."""

from collections.abc import Callable
import copy
from datetime import timedelta
import json
from typing import Any

import pytest

from custom_components.heat_pump_hub.detection import Detector, Signal

from .plant import PLANT, Plant, live

type Learned = Callable[[], tuple[Detector, Plant]]


@pytest.fixture(scope="session")
def learned() -> Learned:
    """Return a function that makes a copy of detector and plant after 45 days at 5 minutes."""
    plant = Plant()
    detector = Detector(PLANT)
    verdict, alarm = live(detector, plant, 45)
    assert alarm is None, verdict.reasons
    saved = json.dumps(detector.to_json())

    def make() -> tuple[Detector, Plant]:
        return Detector.from_json(PLANT, json.loads(saved)), copy.deepcopy(plant)

    return make


def reload(detector: Detector) -> Detector:
    return Detector.from_json(PLANT, json.loads(json.dumps(detector.to_json())))


def test_normal_life_goes_on_without_alarm(learned: Learned) -> None:
    detector, plant = learned()
    verdict, alarm = live(detector, plant, 10)
    assert alarm is None, verdict.reasons
    assert verdict.score < 0.3


@pytest.mark.parametrize(
    ("fault", "monitor", "cause", "hours"),
    [
        ({"leak": 0.15}, "relation_fast", "refrigerant_loss", 6),
        ({"loss": 4.0}, "tank_cooling", "tank", 36),
        ({"cycling": True}, "cycle_starts_3h", "control", 3),
        ({"heater": True}, "heater_run", "heater", 1),
        ({"frost": 25.0}, "cycle_defrost_interval", "icing", 6),
        ({"over": 8.0}, "relation_flow_over", "pump", 1),
    ],
)
def test_faults_of_the_machine_are_told_with_a_possible_cause(
    learned: Learned, fault: dict[str, Any], monitor: str, cause: str, hours: float
) -> None:
    detector, plant = learned()
    for name, value in fault.items():
        setattr(plant, name, value)
    verdict, delay = live(detector, plant, 3)
    assert delay is not None
    assert delay <= hours
    assert verdict.reasons[0].monitor == monitor
    for sample in plant.days(0.5):
        verdict = detector.observe(*sample)
    assert None in {reason.suspect for reason in verdict.reasons}
    causes = {name for r in verdict.reasons for name in str(r.context.get("causes")).split(",")}
    assert cause in causes


@pytest.mark.parametrize(
    "sensor",
    [
        "outdoor_temperature", "source_inlet_temperature", "evaporation_temperature",
        "hot_gas_temperature", "condensation_temperature", "flow_temperature",
        "return_temperature", "room_temperature", "suction_gas_temperature",
    ],
)  # fmt: skip
def test_sensor_that_is_off_is_named(learned: Learned, sensor: str) -> None:
    detector, plant = learned()
    plant.error[sensor] = 3.0
    verdict, delay = live(detector, plant, 2)
    assert delay is not None
    assert verdict.reasons[0].suspect == sensor
    assert sensor in verdict.reasons[0].signals


def test_source_that_clogs_is_the_machine(learned: Learned) -> None:
    """What boils and what leaves get colder together: no sensor does that."""
    detector, plant = learned()
    colder = {"evaporation_temperature": 3.0, "suction_gas_temperature": 3.0}
    plant.error |= {key: -by for key, by in (colder | {"source_outlet_temperature": 1.5}).items()}
    verdict, delay = live(detector, plant, 2)
    assert delay is not None
    assert {reason.suspect for reason in verdict.reasons} == {None}
    assert "icing" in str(verdict.reasons[0].context["causes"])


def test_source_that_clogs_a_little_is_told_within_hours(learned: Learned) -> None:
    """None of it would be told alone."""
    detector, plant = learned()
    colder = ("evaporation_temperature", "suction_gas_temperature", "source_outlet_temperature")
    plant.error |= dict.fromkeys(colder, -0.7)
    verdict, delay = live(detector, plant, 2)
    assert delay is not None
    assert delay <= 3
    assert verdict.reasons[0].monitor == "relation_multi"
    assert str(verdict.reasons[0].context["causes"]).startswith("icing")


def test_what_grows_is_told_within_a_day_and_a_half(learned: Learned) -> None:
    """A hundredth of the refrigerant's effect is lost a day."""
    detector, plant = learned()
    begin = plant.time
    for sample in plant.days(3):
        plant.leak += 0.01 * plant.period / 86_400
        verdict = detector.observe(*sample)
        if verdict.alarm:
            break
    assert verdict.alarm
    assert (plant.time - begin).total_seconds() <= 36 * 3600
    assert "refrigerant_loss" in str(verdict.reasons[0].context["causes"])


@pytest.mark.parametrize("sensor", ["outdoor_temperature", "return_temperature"])
def test_sensor_that_drifts_is_named(learned: Learned, sensor: str) -> None:
    detector, plant = learned()
    for sample in plant.days(4):
        plant.error[sensor] = plant.error.get(sensor, 0.0) + 0.3 * plant.period / 86_400
        verdict = detector.observe(*sample)
        if verdict.alarm:
            break
    assert verdict.alarm
    assert verdict.reasons[0].suspect == sensor
    assert str(verdict.reasons[0].context["causes"]).startswith("sensor")


def test_spike_is_named_and_forgotten(learned: Learned) -> None:
    detector, plant = learned()
    for index, (time, values) in enumerate(plant.days(0.2)):
        if index == 20:
            values["outdoor_temperature"] = 42.0
        verdict = detector.observe(time, values)
        assert verdict.alarm is (index > 20)
        if index > 40:
            break
    assert [(r.monitor, r.suspect) for r in verdict.reasons] == [("spike", "outdoor_temperature")]
    assert verdict.reasons[0].observed == 42.0
    for sample in plant.days(0.3):
        verdict = detector.observe(*sample)
    assert not verdict.alarm


def test_colder_than_ever_is_learned_without_alarm(learned: Learned) -> None:
    detector, plant = learned()
    plant.cold = -14.0
    verdict, alarm = live(detector, plant, 8)
    assert alarm is None, verdict.reasons


def test_hot_water_is_not_judged_when_its_setpoint_was_changed(learned: Learned) -> None:
    detector, plant = learned()
    plant.wanted = 54.0
    verdict, alarm = live(detector, plant, 5)
    assert alarm is None, verdict.reasons


def test_flow_that_is_still_hot_after_its_setpoint_fell_is_explained(learned: Learned) -> None:
    detector, plant = learned()
    plant.over = 8.0
    for time, values in plant.days(0.06):
        values["flow_temperature_setpoint"] = 20.0
        verdict = detector.observe(time, values)
        assert "relation_flow_over" not in {reason.monitor for reason in verdict.reasons}


def test_nothing_is_told_before_it_was_learned() -> None:
    detector, plant = Detector(PLANT), Plant(seed=3)
    for days, fault in ((8, 0.0), (2, 0.15)):
        plant.leak = fault
        verdict, alarm = live(detector, plant, days)
        assert alarm is None, verdict.reasons


def test_signal_whose_scale_changed_alarms_once_and_is_learned(learned: Learned) -> None:
    detector, plant = learned()
    alarms, before = 0, False
    for time, values in plant.days(12):
        values["expansion_valve_position"] = float(values["expansion_valve_position"] or 0) * 2
        verdict = detector.observe(time, values)
        alarms += verdict.alarm and not before
        before = verdict.alarm
    assert alarms == 1
    assert not verdict.alarm
    assert all(reason.context["accepted"] for reason in verdict.reasons)


def test_signals_may_vanish_and_come_back(learned: Learned) -> None:
    detector, plant = learned()
    gone = ("source_inlet_temperature", "return_temperature", "compressor_frequency")
    for days, missing in ((2, gone), (3, ())):
        for time, values in plant.days(days):
            for key in missing:
                values[key] = None
            verdict = detector.observe(time, values)
            assert not verdict.alarm, verdict.reasons


@pytest.mark.parametrize("period", [30.0, 60.0, 900.0])
def test_windows_are_minutes_whatever_the_period(learned: Learned, period: float) -> None:
    detector, plant = learned()
    plant.period = period
    plant.error["hot_gas_temperature"] = 6.0
    verdict, delay = live(detector, plant, 0.3)
    assert delay is not None
    assert delay < 3
    assert verdict.reasons[0].suspect == "hot_gas_temperature"


@pytest.mark.parametrize("fault", [{"leak": 0.15}, {"error": {"return_temperature": 3.0}}])
def test_restart_changes_nothing_that_was_learned(learned: Learned, fault: dict[str, Any]) -> None:
    detector, plant = learned()
    twin = reload(detector)
    for name, value in fault.items():
        setattr(plant, name, value)
    for index, sample in enumerate(plant.days(5)):
        assert detector.observe(*sample) == twin.observe(*sample)
        if index % 97 == 0:
            twin = reload(twin)
    assert json.dumps(twin.to_json()) == json.dumps(reload(detector).to_json())


def test_alarm_is_accepted_after_three_days_and_its_reason_stays(learned: Learned) -> None:
    detector, plant = learned()
    plant.heater = True
    for sample in plant.days(6):
        verdict = detector.observe(*sample)
    assert not verdict.alarm
    assert verdict.reasons
    assert all(reason.context["accepted"] for reason in verdict.reasons)
    detector.feedback("confirmed")
    assert detector.verdict.alarm


@pytest.mark.parametrize(
    ("fault", "again"),
    [({"loss": 4.0}, 3), ({"leak": 0.05}, 2), ({"error": {"room_temperature": 3.0}}, 2)],
)
def test_normal_is_learned_and_fixed_is_not(
    learned: Learned, fault: dict[str, Any], again: float
) -> None:
    for answer in ("normal", "fixed"):
        detector, plant = learned()
        for name, value in fault.items():
            setattr(plant, name, value)
        verdict, delay = live(detector, plant, 4)
        assert delay is not None
        first = verdict.reasons[0].monitor
        detector.feedback(answer)  # type: ignore[arg-type]
        assert not detector.verdict.alarm
        assert detector.verdict.reasons == ()
        verdict, delay = live(detector, plant, again)
        if "loss" in fault:
            told = first in {reason.monitor for reason in verdict.reasons}
            assert told is (answer == "fixed"), verdict.reasons
        if "error" in fault:
            assert delay is None


@pytest.mark.parametrize(
    "part", ["situation", "steps", "events", "thawed", "window", "ratios", "blamed"]
)
def test_damaged_part_costs_only_itself(learned: Learned, part: str) -> None:
    detector, plant = learned()
    plant.leak = 0.15
    verdict, _ = live(detector, plant, 2)
    saved = json.loads(json.dumps(detector.to_json()))
    saved["learned"][part]["check"] += 1
    restored = Detector.from_json(PLANT, saved)
    assert restored.verdict.reasons == verdict.reasons
    again = restored.to_json()["learned"]
    for name, value in saved["learned"].items():
        if name != part:
            assert again[name] == value, name
    for sample in plant.days(0.1):
        restored.observe(*sample)


def test_damaged_model_is_learned_anew_and_the_others_kept(learned: Learned) -> None:
    detector, _ = learned()
    saved = json.loads(json.dumps(detector.to_json()))
    saved["learned"]["models"]["heating"]["second"] = "AAAA"
    again = Detector.from_json(PLANT, saved).to_json()["learned"]["models"]
    assert again["heating"]["windows"] == 0
    assert again["dhw"] == saved["learned"]["models"]["dhw"]


def test_state_is_small(learned: Learned) -> None:
    detector, _ = learned()
    assert len(json.dumps(detector.to_json())) < 200 * 1024


def test_many_signals_that_nobody_knows(learned: Learned) -> None:
    extras = [Signal(f"extra_{index}", "analog", "%") for index in range(280)]
    detector, plant = Detector((*PLANT, *extras)), Plant()
    for index, (time, values) in enumerate(plant.days(2)):
        more = {extra.key: (index * 7 + place) % 101 for place, extra in enumerate(extras)}
        assert not detector.observe(time, {**values, **more}).alarm


def test_gap_is_no_jump_and_no_long_run(learned: Learned) -> None:
    detector, plant = learned()
    for _ in range(6):
        for sample in plant.days(0.2):
            verdict = detector.observe(*sample)
            assert not verdict.alarm, verdict.reasons
        plant.time += timedelta(hours=7)
