"""The generic scorer: one signal, several, any period."""

from datetime import UTC, datetime, timedelta
import math
import pickle
import random
from typing import Any

from hypothesis import given, settings, strategies as st
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


def test_value_out_of_its_range_scores_at_once() -> None:
    values = wave(1500)
    values[1200] = 25.0
    found = scores(values)
    assert max(found[:1200]) < 0.5
    assert found[1200] > 0.7
    assert max(found[1202:]) < 0.5
    assert all(0 <= one < 1 for one in found)


def test_anomaly_that_lasts_scores_at_its_begin() -> None:
    values = wave(1500)
    found = scores([*values[:1200], *(value + 15 for value in values[1200:])])
    assert found.index(max(found)) == 1200
    assert max(found[1205:]) < 0.6 * found[1200]


def test_usual_value_at_an_unusual_time_scores() -> None:
    values = wave(288 * 22)
    begin = 288 * 21
    found = scores([*values[:begin], *values[begin + 144 :], *values[:144]])
    assert max(found[begin : begin + 144]) > 3 * max(found[288 * 14 : begin])


def test_quiet_weekends_are_a_habit() -> None:
    values = [
        value if index // 288 % 7 < 5 else 7.0 + 0.2 * value
        for index, value in enumerate(wave(288 * 35))
    ]
    found = scores(values)
    assert max(found[288 * 15 :]) < 0.4
    values[288 * 28 : 288 * 30] = values[288 * 26 : 288 * 28]
    assert max(scores(values)[288 * 28 : 288 * 30]) > 0.5


def test_next_anomaly_scores_although_the_last_was_alike() -> None:
    values = wave(3000)
    for begin, height in ((1500, 15.0), (2200, 22.0)):
        values[begin : begin + 20] = [height + value for value in values[begin : begin + 20]]
    found = scores(values)
    assert found[1500] > 0.7
    assert found[2200] > 0.5


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


def feed(
    scorer: GenericScorer, rows: int, *, begin: int = 0, seed: int = 5, **more: float
) -> list[float]:
    dice = random.Random(seed)
    return [
        scorer.observe(
            START + timedelta(seconds=begin + index),
            {key: dice.gauss(5, 1) for key in "abc"} | dict(more),
        )
        for index in range(rows)
    ]


def test_signal_that_appears_later_is_learned_first() -> None:
    scorer = GenericScorer([*"abcd"], warmup=timedelta(seconds=400))
    feed(scorer, 600)
    dice = random.Random(1)
    for index in range(600, 1200):
        late = {"d": 100 + dice.gauss(0, 3)}
        assert max(feed(scorer, 1, begin=index, seed=index, **late)) < ALARM


def test_signal_that_vanishes_leaves_the_others_watched() -> None:
    scorer = GenericScorer([*"abc"], warmup=timedelta(seconds=400))
    feed(scorer, 600)
    dice = random.Random(2)
    found = [
        scorer.observe(START + timedelta(seconds=600 + index), {"b": 12 + dice.gauss(0, 1)})
        for index in range(100)
    ]
    assert min(found[40:]) >= ALARM


def test_first_move_of_what_never_moved_does_not_alarm_for_ever() -> None:
    scorer = GenericScorer(["a", "b"], warmup=timedelta(seconds=100))
    found = [
        scorer.observe(
            START + timedelta(seconds=index), {"a": 1.0, "b": 2.0 if index < 200 else 2.001}
        )
        for index in range(4000)
    ]
    assert max(found[:200]) == 0
    assert found[200] >= ALARM
    assert found[-1] < ALARM


@pytest.mark.parametrize("keys", ["a", "abc"])
@pytest.mark.parametrize("jump", [timedelta(days=20_000), timedelta(days=-3)])
def test_clock_that_jumps_is_no_time_of_learning(keys: str, jump: timedelta) -> None:
    scorer = GenericScorer([*keys], warmup=timedelta(seconds=300))
    dice = random.Random(4)
    time, found = START, []
    for index in range(250):
        time += jump if index == 3 else timedelta(seconds=0 if index % 50 == 7 else 1)
        found.append(scorer.observe(time, {key: dice.gauss(5, 1) for key in keys}))
    assert not any(found[:100])
    assert all(0 <= one < 1 for one in found)


@pytest.mark.parametrize("period", [1.0, 60.0, 3600.0])
def test_default_warm_up_serves_any_period(period: float) -> None:
    scorer = GenericScorer([*"abc"])
    dice = random.Random(6)
    found = [
        scorer.observe(
            START + timedelta(seconds=period * index), {key: dice.gauss(5, 1) for key in "abc"}
        )
        for index in range(5000)
    ]
    assert not any(found[:20])
    assert sum(one >= ALARM for one in found) < 150


def size_of(scorer: GenericScorer) -> int:
    return len(pickle.dumps(scorer))


@given(
    odd=st.lists(
        st.tuples(
            st.sampled_from([-1e5, 0.0, 0.5, 1.0, 1.0, 60.0, 1e7]),
            st.dictionaries(
                st.sampled_from([*"abcx"]),
                st.floats() | st.integers() | st.none() | st.booleans() | st.text(max_size=2),
            ),
        ),
        max_size=60,
    ),
    keys=st.sampled_from(["a", "ab", "abc"]),
    scale=st.sampled_from([1e-12, 1.0, 1e14]),
)
@settings(deadline=None, max_examples=60)
def test_anything_scores_within_0_and_1_and_the_state_is_bounded(
    odd: list[tuple[float, dict[str, Any]]], keys: str, scale: float
) -> None:
    scorer = GenericScorer([*keys], warmup=timedelta(seconds=60))
    dice = random.Random(7)
    time = START
    for _ in range(120):
        time += timedelta(seconds=1)
        scorer.observe(time, {key: scale * dice.gauss(0, 1) for key in keys})
    for step, values in odd:
        time += timedelta(seconds=step)
        assert 0 <= scorer.observe(time, values) <= 1
    assert size_of(scorer) < 12_000


def test_state_does_not_grow_with_time() -> None:
    scorer = GenericScorer(["a"], warmup=timedelta(days=1))
    sizes = []
    for index in range(24 * 7 * 20):
        scorer.observe(START + timedelta(minutes=30 * index), {"a": math.sin(index)})
        if index % (48 * 14) == 48 * 14 - 1:
            sizes.append(size_of(scorer))
    assert max(sizes) < sizes[0] + 200


def test_warm_up_and_zone_are_needed() -> None:
    with pytest.raises(ValueError, match="warm-up"):
        GenericScorer(["a"], warmup=timedelta(0))
    with pytest.raises(ValueError, match="time zone"):
        GenericScorer(["a"]).observe(datetime(2026, 1, 1), {"a": 1.0})
