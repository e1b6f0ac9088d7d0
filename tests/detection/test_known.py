"""Known events explain what they explain, for as long as they do."""

from collections.abc import Callable
import copy
from datetime import UTC, datetime, timedelta
import json

import pytest

from custom_components.heat_pump_hub.detection import EVENTS, Detector, Event
from custom_components.heat_pump_hub.detection.contexts import DAY, HOUR
from custom_components.heat_pump_hub.detection.known import Known
from custom_components.heat_pump_hub.detection.state import DamagedError

from .plant import PLANT, Plant, live

type Learned = Callable[[], tuple[Detector, Plant]]


@pytest.fixture(scope="module")
def learned() -> Learned:
    """Return a function that makes a copy of detector and plant after 30 days."""
    plant = Plant(seed=7)
    detector = Detector(PLANT)
    for sample in plant.days(30):
        detector.observe(*sample)
    saved = json.dumps(detector.to_json())

    def make() -> tuple[Detector, Plant]:
        return Detector.from_json(PLANT, json.loads(saved)), copy.deepcopy(plant)

    return make


@pytest.mark.parametrize(
    ("event", "quiet"),
    [("setting", True), ("power_cut", True), ("holiday", True), ("commissioning", True),
     ("firmware", False), (None, False)],
)  # fmt: skip
def test_short_cycling_is_explained(learned: Learned, event: Event | None, quiet: bool) -> None:
    detector, plant = learned()
    if event is not None:
        detector.note(plant.time, event)
        assert detector.verdict.explained == (event,)
    plant.cycling = True
    verdict, _ = live(detector, plant, 0.22)
    assert verdict.alarm is not quiet


def test_what_lasts_longer_than_its_explanation_alarms(learned: Learned) -> None:
    detector, plant = learned()
    detector.note(plant.time, "power_cut")
    plant.cycling = True
    verdict, hours = live(detector, plant, 2)
    assert verdict.alarm
    assert hours is not None
    assert hours >= 6
    assert verdict.explained == ()


def test_old_news_explains_nothing(learned: Learned) -> None:
    detector, plant = learned()
    detector.note(plant.time - timedelta(days=1), "setting")
    assert detector.verdict.explained == ()


def test_new_scale_after_a_firmware_update_is_learned(learned: Learned) -> None:
    detector, plant = learned()
    detector.note(plant.time, "firmware")
    plant.error["evaporation_temperature"] = 9.0
    verdict, _ = live(detector, plant, 9)
    assert not verdict.alarm


def test_range_and_frozen_are_never_explained(learned: Learned) -> None:
    detector, plant = learned()
    for event in EVENTS:
        detector.note(plant.time, event)
    plant.error["flow_temperature"] = 300.0
    verdict, _ = live(detector, plant, 0.1)
    assert verdict.alarm
    assert verdict.reasons[0].monitor == "range"


def test_new_setpoint_is_noticed_but_not_one_that_comes_and_goes() -> None:
    known = Known()
    for hour in range(48):
        known.watch(
            "room_temperature_setpoint",
            {"room_temperature_setpoint": 21 if hour % 24 > 6 else 18},
            hour * HOUR,
        )
    assert known.active(48 * HOUR) == ()
    known.watch("room_temperature_setpoint", {"room_temperature_setpoint": 22}, 48 * HOUR)
    assert known.explains("starts_3h", 49 * HOUR) == "setting"
    assert known.explains("fast", 49 * HOUR) is None
    assert known.explains("starts_3h", 61 * HOUR) is None
    for step in range(40):
        known.watch("computed", {"computed": 20 + step / 10}, 2 * DAY)
    known.watch("computed", {"computed": 1.0}, 5 * DAY)
    assert known.active(5 * DAY) == ()


def test_holiday_ends() -> None:
    known = Known()
    known.note("holiday", 0)
    assert known.active(50 * DAY) == ("holiday",)
    known.note("holiday_end", 50 * DAY)
    assert known.active(50 * DAY) == ("holiday_end",)
    assert known.active(52 * DAY) == ()


def test_known_events_outlive_a_restart(learned: Learned) -> None:
    detector, plant = learned()
    detector.note(plant.time, "holiday")
    again = Detector.from_json(PLANT, json.loads(json.dumps(detector.to_json())))
    assert again.verdict.explained == ("holiday",)


@pytest.mark.parametrize(
    "part", [{}, {"left": 1, "values": {}}, {"left": {"holiday": -1}, "values": {}}]
)
def test_damaged_part_is_refused(part: dict[str, object]) -> None:
    with pytest.raises(DamagedError):
        Known().restore(part, 0)


def test_nonsense_is_refused(learned: Learned) -> None:
    detector, _ = learned()
    with pytest.raises(ValueError, match="Not an event"):
        detector.note(datetime.now(UTC), "earthquake")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="time zone"):
        detector.note(datetime(2026, 1, 1), "setting")
