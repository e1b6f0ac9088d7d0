"""Days are judged by the days before: mild losses show, what changes slowly or once does not."""

from random import Random

import pytest

from custom_components.heat_pump_hub.detection.daily import COP, HEAT_NEED, TANK_LOSS, Daily, Day
from custom_components.heat_pump_hub.detection.norms import Norm
from custom_components.heat_pump_hub.detection.situation import Situation
from custom_components.heat_pump_hub.detection.state import DamagedError


def live(
    daily: Daily, days: int, *, loss: float = 0.012, cop: float = 3.5, heat: float = 1.0,
    explained: bool = False,
) -> list[Day]:  # fmt: skip
    dice = Random(days)
    situation = Situation()
    found: list[Day] = []
    tank = 46.0
    for minute in range(0, days * 1440, 5):
        mode = "dhw" if tank < 42 else "heating" if minute // 60 % 2 else "off"
        running = mode != "off"
        situation.update({"operating_mode": mode}, 5.0, running)
        tank = 48.0 if mode == "dhw" else tank - 5 / 60 * loss * (tank - 18)
        thermal = 5000.0 * heat if running else 0.0
        values: dict[str, float | int | str | bool | None] = {
            "operating_mode": mode,
            "dhw_temperature": round(tank + dice.gauss(0, 0.05), 1),
            "outdoor_temperature": 2.0 + dice.gauss(0, 1),
            "thermal_power": thermal,
            "electrical_power": thermal / cop if running else 8.0,
        }
        found += daily.observe(values, situation, 5.0, learning=True, explained=explained)
    return found


@pytest.fixture
def weeks() -> Daily:
    daily = Daily()
    assert all(day.ratio < 1 for day in live(daily, 30))
    return daily


@pytest.mark.parametrize(
    ("name", "fault"),
    [(TANK_LOSS, {"loss": 0.026}), (COP, {"cop": 2.3}), (HEAT_NEED, {"heat": 3.2})],
)
def test_mild_change_shows_within_days(weeks: Daily, name: str, fault: dict[str, float]) -> None:
    found = live(weeks, 5, **fault)  # type: ignore[arg-type]
    ratios = [day.ratio for day in found if day.name == name]
    assert ratios[0] < 1
    assert max(ratios) >= 1
    day = max((day for day in found if day.name == name), key=lambda day: day.ratio)
    assert abs(day.observed - day.expected) > day.limit


def test_what_is_explained_is_not_judged(weeks: Daily) -> None:
    assert not [day for day in live(weeks, 3, loss=0.05, explained=True) if day.name == TANK_LOSS]


def test_one_odd_day_is_none_and_few_days_say_nothing() -> None:
    norm = Norm(1, 5.0, 0.2, 0.1)
    assert all(norm.judge(value, learning=True)[0] == 0 for value in [1.0, 1.1, 5.0, 0.9] * 3)
    norm = Norm(1, 5.0, 0.2, 0.1)
    for value in [1.0, 1.1, 0.9, 1.0] * 6:
        assert norm.judge(value, learning=True)[0] < 1
    assert norm.judge(9.0, learning=True)[0] < 1
    assert norm.judge(1.0, learning=True)[0] < 1
    assert norm.judge(9.0, learning=True)[0] < 1
    assert norm.judge(9.0, learning=True)[0] > 1
    norm.accept()
    assert norm.judge(9.0, learning=True)[0] == 0


def test_less_is_worse_where_it_is() -> None:
    norm = Norm(-1, 5.0, 0.2, 0.1)
    for value in [3.0, 3.1, 2.9] * 8:
        norm.judge(value, learning=True)
    assert norm.judge(9.0, learning=True)[0] == norm.judge(9.0, learning=True)[0] == 0
    assert norm.judge(1.0, learning=True)[0] == 0
    assert norm.judge(1.0, learning=True)[0] > 1


def test_saved_days_are_restored_or_refused(weeks: Daily) -> None:
    saved = weeks.to_json()
    again = Daily()
    again.restore(saved)
    assert again.to_json() == saved
    for damaged in ({**saved, "norms": 3}, {**saved, "numbers": [1]}, {**saved, "norms": {}}):
        with pytest.raises(DamagedError):
            Daily().restore(damaged)
