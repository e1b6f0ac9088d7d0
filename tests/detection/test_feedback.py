"""The owner answers, and the detector heeds it."""

from collections.abc import Callable
from datetime import timedelta
import json

import pytest

from custom_components.heat_pump_hub.detection import Detector

from .conftest import Household
from .days import SIGNALS
from .test_faults import watch


def test_normal_is_learned(household: Callable[[], Household]) -> None:
    detector, house = household()
    watch(detector, house, 1, dhw_temperature=44.3)
    detector.feedback("normal")
    assert detector.verdict.reasons == ()
    assert not detector.verdict.alarm
    begin = house.time
    verdict, _ = watch(detector, house, 2, dhw_temperature=44.3)
    assert verdict.alarm
    assert house.time - begin > timedelta(hours=4)


def test_fixed_forgets_but_learns_nothing(household: Callable[[], Household]) -> None:
    detector, house = household()
    _, first = watch(detector, house, 1, dhw_temperature=44.3)
    detector.feedback("fixed")
    assert not detector.verdict.alarm
    verdict, again = watch(detector, house, 1, dhw_temperature=44.3)
    assert verdict.alarm
    assert again < 2 * first


def test_confirmed_alarm_stands_until_the_cause_is_gone(
    household: Callable[[], Household],
) -> None:
    detector, house = household()
    watch(detector, house, 1, dhw_temperature=44.3)
    detector.feedback("confirmed")
    for time, values in house.days(4):
        verdict = detector.observe(time, {**values, "dhw_temperature": 44.3})
    assert verdict.alarm
    assert verdict.reasons[0].context["confirmed"] is True
    for sample in house.days(0.5):
        verdict = detector.observe(*sample)
    assert not verdict.alarm


def test_confirming_an_accepted_alarm_raises_it_again(household: Callable[[], Household]) -> None:
    detector, house = household()
    for time, values in house.days(4):
        verdict = detector.observe(time, {**values, "dhw_temperature": 44.3})
    assert not verdict.alarm
    detector.feedback("confirmed")
    assert detector.verdict.alarm


def test_normal_widens_a_range_for_good(household: Callable[[], Household]) -> None:
    detector, house = household()

    def alarms(detector: Detector, value: float) -> bool:
        for index, (time, values) in enumerate(house.days(0.05)):
            values["outdoor_temperature"] = value + index % 2 / 10
            verdict = detector.observe(time, values)
        return verdict.alarm

    assert alarms(detector, -62.0)
    detector.feedback("normal")
    assert not alarms(detector, -62.0)
    detector = Detector.from_json(SIGNALS, json.loads(json.dumps(detector.to_json())))
    assert not alarms(detector, -62.0)
    assert alarms(detector, -99.0)
    detector.feedback("normal")
    assert not alarms(detector, -99.0)
    assert not alarms(detector, -62.0)


@pytest.mark.parametrize(("feedback", "again"), [("normal", 100), ("fixed", 10)])
def test_feedback_on_a_frozen_device(
    household: Callable[[], Household], feedback: str, again: int
) -> None:
    detector, house = household()
    time, values = next(house.days(1))
    for minute in range(25):
        detector.observe(time + timedelta(minutes=minute), values)
    assert detector.verdict.alarm
    detector.feedback(feedback)  # type: ignore[arg-type]
    for minute in range(25, 25 + again - 10):
        assert not detector.observe(time + timedelta(minutes=minute), values).alarm
    for minute in range(25 + again - 10, 500):
        verdict = detector.observe(time + timedelta(minutes=minute), values)
    assert verdict.alarm


def test_feedback_without_an_alarm_changes_nothing(household: Callable[[], Household]) -> None:
    detector, _ = household()
    before = detector.to_json()
    for answer in ("normal", "fixed", "confirmed"):
        detector.feedback(answer)  # type: ignore[arg-type]
    assert detector.to_json() == before


def test_unknown_feedback_is_refused(household: Callable[[], Household]) -> None:
    with pytest.raises(ValueError, match="maybe"):
        household()[0].feedback("maybe")  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", ["normal", "fixed"])
def test_what_was_answered_is_no_longer_probable(
    household: Callable[[], Household], answer: str
) -> None:
    detector, house = household()
    # it shows in the stops of the compressor, too, of which each sample tells anew
    watch(detector, house, 2, return_temperature=27.0)
    assert detector.verdict.score > 0.5
    detector.feedback(answer)  # type: ignore[arg-type]
    assert not detector.verdict.alarm
    assert detector.verdict.score < 0.1
    restored = Detector.from_json(SIGNALS, json.loads(json.dumps(detector.to_json())))
    assert restored.verdict == detector.verdict


def test_without_an_alarm_none_is_probable(household: Callable[[], Household]) -> None:
    detector, _ = household()
    # each is just below where it alarms
    detector._learned.ratios |= {"event": 0.99, "heating": 0.99}
    assert (detector.verdict.alarm, detector.verdict.score) == (False, 0.499)


def test_paused_detector_without_an_alarm_finds_none(household: Callable[[], Household]) -> None:
    detector, house = household()
    detector.paused = True
    verdict, _ = watch(detector, house, 1, dhw_temperature=44.3)
    assert (verdict.alarm, verdict.score, verdict.state) == (False, 0.0, "paused")


def test_paused_detector_neither_learns_nor_alarms(household: Callable[[], Household]) -> None:
    detector, house = household()
    watch(detector, house, 1, dhw_temperature=44.3)
    before = detector.verdict
    detector.paused = True
    learned = detector.to_json()["signals"]
    for sample in house.days(1):
        verdict = detector.observe(*sample)
        assert verdict.state == "paused"
        # what stood before is no news afterwards
        assert verdict.alarm
        assert verdict.score == before.score >= 0.5
    assert detector.to_json()["signals"] == learned
    restored = Detector.from_json(SIGNALS, json.loads(json.dumps(detector.to_json())))
    assert restored.paused
    restored.paused = False
    verdict = restored.observe(*next(house.days(1)))
    assert verdict.alarm
    assert [reason.suspect for reason in verdict.reasons] == ["dhw_temperature"]


def test_nothing_is_learned_under_alarm(household: Callable[[], Household]) -> None:
    detector, house = household()
    watch(detector, house, 1, dhw_temperature=44.3)
    before = detector.to_json()["signals"]["outdoor_temperature"]
    for time, values in house.days(0.2):
        values["outdoor_temperature"] = 3.3 if time.hour % 2 else 3.4
        detector.observe(time, {**values, "dhw_temperature": 44.3})
    after = detector.to_json()["signals"]["outdoor_temperature"]
    for name in ("longest", "longest_on", "changes", "exposure", "moved"):
        assert after[name] == before[name]
    assert after["total"] > before["total"]
