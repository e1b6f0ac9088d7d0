"""The generic scorer: one signal, several, any period."""

from datetime import UTC, datetime, timedelta
import math
import random

import pytest

from custom_components.heat_pump_hub.detection import GenericScorer
from custom_components.heat_pump_hub.detection.generic import ALARM

START = datetime(2026, 2, 1, tzinfo=UTC)


def scores(
    values: list[float], period: float = 300.0, warmup: timedelta = timedelta(days=1)
) -> list[float]:
    scorer = GenericScorer(["a"], warmup=warmup)
    return [
        scorer.observe(START + timedelta(seconds=period * index), {"a": value})
        for index, value in enumerate(values)
    ]


def wave(rows: int, seed: int = 1) -> list[float]:
    """Return a daily rhythm at five minutes."""
    dice = random.Random(seed)
    return [10 + 3 * math.sin(2 * math.pi * i / 288) + dice.gauss(0, 0.3) for i in range(rows)]


def test_nothing_is_scored_in_the_warm_up() -> None:
    found = scores([*wave(200), 100.0, *wave(300)])
    assert not any(found[:288])


def test_value_out_of_its_range_scores_highest() -> None:
    values = wave(1500)
    values[1200] = 25.0
    found = scores(values)
    assert found.index(max(found)) == 1200
    assert max(found) > 0.7
    assert all(0 <= one < 1 for one in found)


def test_anomaly_that_lasts_scores_at_its_begin() -> None:
    values = wave(1500)
    found = scores([*values[:1200], *(value + 15 for value in values[1200:])])
    assert found.index(max(found)) == 1200
    assert max(found[1205:]) < 0.6 * found[1200]


def test_usual_value_at_an_unusual_time_scores() -> None:
    values = wave(288 * 8)
    begin = 288 * 7
    found = scores([*values[:begin], *values[begin + 144 :], *values[:144]][: 288 * 8])
    assert max(found[begin : begin + 144]) > 3 * max(found[288 * 5 : begin])


def test_unrest_scores_although_no_value_leaves_its_range() -> None:
    dice = random.Random(2)
    values = wave(2000)
    flat = [10 + dice.gauss(0, 0.02) for _ in range(1500)]
    calm = [*values[:300], *flat]
    found = scores([*calm, *(10 + dice.choice((-2.5, 2.5)) for _ in range(40))])
    assert max(found[1800:]) > 2 * max(found[700:1800])


@pytest.mark.parametrize("period", [1.0, 60.0, 3600.0])
def test_any_period(period: float) -> None:
    values = wave(800)
    values[700] = 30.0
    found = scores(values, period, timedelta(seconds=300 * period))
    assert found.index(max(found)) == 700


def together(change: float, rows: int = 1200) -> list[float]:
    dice = random.Random(3)
    scorer = GenericScorer(["a", "b", "c"], warmup=timedelta(seconds=400))
    found = []
    for index in range(rows):
        away = change if 800 <= index < 1000 else 0.0
        values = {key: dice.gauss(5, 1) for key in "abc"} | {"unknown": 7.0}
        values["b"] += away
        found.append(scorer.observe(START + timedelta(seconds=index), values))
    return found


def test_several_signals_alarm_while_one_is_elsewhere() -> None:
    found = together(6.0)
    assert max(found[:800]) < ALARM
    assert min(found[815:1000]) >= ALARM
    assert max(found[1060:]) < ALARM


def test_several_signals_stay_quiet_in_normal_life() -> None:
    assert max(together(0.0)) < ALARM


def test_what_is_no_number_is_left_out() -> None:
    scorer = GenericScorer(["a", "b"], warmup=timedelta(seconds=30))
    for index in range(100):
        junk = [None, "x", True, math.nan, math.inf][index % 5]
        values = {"a": 1.0 + index % 3, "b": junk}
        assert scorer.observe(START + timedelta(seconds=index), values) < ALARM
    assert scorer.observe(START, {}) == 0.0
    assert scorer.observe(START, {"b": "x"}) == 0.0


def test_signal_that_never_moved_alarms_when_it_moves() -> None:
    scorer = GenericScorer(["a", "b"], warmup=timedelta(seconds=100))
    for index in range(200):
        assert scorer.observe(START + timedelta(seconds=index), {"a": 1.0, "b": 2.0}) == 0.0
    later = START + timedelta(seconds=200)
    assert scorer.observe(later, {"a": 1.0, "b": 3.0}) >= ALARM


def test_warm_up_and_zone_are_needed() -> None:
    with pytest.raises(ValueError, match="warm-up"):
        GenericScorer(["a"], warmup=timedelta(0))
    with pytest.raises(ValueError, match="time zone"):
        GenericScorer(["a"]).observe(datetime(2026, 1, 1), {"a": 1.0})
