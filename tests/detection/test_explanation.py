"""The numbers behind a verdict, and a self-test on the owner's own data."""

from collections.abc import Callable
import copy
from datetime import datetime, timedelta
import json

import pytest

from custom_components.heat_pump_hub.detection import Detector
from custom_components.heat_pump_hub.detection.self_test import FAULTS, Fault, damage, self_test

from .days import Sample
from .plant import PLANT, Plant, live

type Owner = tuple[Detector, Plant, list[Sample]]


@pytest.fixture(scope="module")
def owner() -> Callable[[], Owner]:
    """Return a function that makes a copy of a detector after 30 days, and the last three."""
    plant = Plant(seed=9)
    detector = Detector(PLANT)
    recent: list[Sample] = []
    for sample in plant.days(30):
        detector.observe(*sample)
        recent.append(sample)
    saved = json.dumps(detector.to_json())

    def make() -> Owner:
        restored = Detector.from_json(PLANT, json.loads(saved))
        return restored, copy.deepcopy(plant), recent[-3 * 288 :]

    return make


def test_explanation_is_json_and_shows_what_deviates(owner: Callable[[], Owner]) -> None:
    detector, plant, _ = owner()
    plant.error["hot_gas_temperature"] = 7.0
    verdict, _ = live(detector, plant, 1)
    assert verdict.alarm
    told = json.loads(json.dumps(detector.explain()))
    assert told["state"] == "alarm"
    assert told["source_kind"] == "air"
    assert told["reasons"][0]["suspect"] == "hot_gas_temperature"
    worst = told["relations"][0]
    assert "hot_gas_temperature" in worst["signals"]
    assert worst["unit"] == "°C"
    time, observed, expected, tolerance = worst["points"][-1]
    assert datetime.fromisoformat(time) <= plant.time
    assert observed - expected > max(5, tolerance)
    assert sum(bool(part["points"]) for part in told["relations"]) == 4
    assert {measure["name"] for measure in told["measures"]} >= {"starts_3h", "dhw_cooling"}
    assert any(day["known"] for day in told["days"])
    assert all(value == 1 for value in told["warm_ups"].values())


def test_points_of_chosen_relations_only_and_bounded(owner: Callable[[], Owner]) -> None:
    detector, plant, _ = owner()
    for sample in plant.days(4):
        detector.observe(*sample)
    told = detector.explain(["spread"])
    points = {
        (part["context"], part["name"]): len(part["points"])
        for part in told["relations"]
        if part["points"]
    }
    assert points["heating", "spread"] == 576
    assert {name for _, name in points} == {"spread"}


def test_detector_that_knows_nothing_explains_nothing() -> None:
    told = Detector(PLANT).explain()
    assert told["relations"] == []
    assert told["time"] is told["source_kind"] is None


@pytest.mark.parametrize(
    ("fault", "monitor"),
    [("stuck", "flatline"), ("offset", ""), ("drift", ""), ("frozen", "frozen"), ("leak", ""),
     ("heater", "heater"), ("dhwloss", ""), ("icing", ""), ("pump", "")],
)  # fmt: skip
def test_fault_on_own_data_is_found(owner: Callable[[], Owner], fault: Fault, monitor: str) -> None:
    detector, _, recent = owner()
    saved = detector.to_json()
    before = json.dumps(saved)
    result = self_test(PLANT, saved, recent, fault, days=14)
    assert json.dumps(saved) == before
    assert result.fired
    assert not result.alarmed_before
    assert result.hours is not None
    assert result.reason is not None
    assert result.reason.monitor.startswith(monitor)
    if result.signal is not None:
        assert result.signal == "return_temperature"


def test_no_fault_large_enough_is_told_so(owner: Callable[[], Owner]) -> None:
    detector, _, recent = owner()
    result = self_test(PLANT, detector.to_json(), recent, "drift", severity=0.001, days=3)
    assert (result.fired, result.hours, result.reason) == (False, None, None)
    assert result.played == pytest.approx(72, abs=1)


def test_spike_is_one_sample_and_other_values_stay(owner: Callable[[], Owner]) -> None:
    _, _, recent = owner()
    damaged = list(damage(recent[:40], "spike", "dhw_temperature"))
    different = [
        {key for key in values if values[key] != was[key]}
        for (_, values), (_, was) in zip(damaged, recent[:40], strict=True)
    ]
    assert [one for one in different if one] == [{"dhw_temperature"}]
    assert set(FAULTS) > {"spike"}


def test_self_test_refuses_nonsense(owner: Callable[[], Owner]) -> None:
    detector, _, recent = owner()
    with pytest.raises(ValueError, match="No such fault"):
        self_test(PLANT, detector.to_json(), recent, "gremlins")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs samples"):
        self_test(PLANT, detector.to_json(), [], "stuck")


def test_pause_and_resume(owner: Callable[[], Owner]) -> None:
    detector, plant, _ = owner()
    detector.pause()
    plant.error["hot_gas_temperature"] = 30.0
    verdict, _ = live(detector, plant, 1)
    assert verdict.state == "paused"
    plant.error.clear()
    detector.resume()
    plant.time += timedelta(minutes=5)
    verdict, _ = live(detector, plant, 0.5)
    assert (verdict.alarm, verdict.state) == (False, "normal")
