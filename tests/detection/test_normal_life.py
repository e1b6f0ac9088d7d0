"""Nothing fires over fault-free days, whatever time and link do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from custom_components.heat_pump_hub.detection import Detector, Signal

from .conftest import Household
from .days import SIGNALS, START, House


@pytest.mark.parametrize("period", [30.0, 60.0, 300.0])
def test_thirty_days_with_gaps_settings_and_a_holiday(period: float) -> None:
    detector, house = Detector(SIGNALS), House(seed=int(period), period=period)
    worst = 0.0
    for days, away in ((12, False), (5, True), (13, False)):
        house.away = away
        for time, values in house.days(days):
            verdict = detector.observe(time, values)
            worst = max(worst, verdict.score)
            assert not verdict.alarm
    assert verdict.state == "normal"
    assert verdict.progress == 1
    assert worst < 0.3


def test_summer_after_winter_with_sensors_that_have_no_noise() -> None:
    detector, house = Detector(SIGNALS), House(seed=2, period=300, noise=0.0)
    for days, heating, away in ((14, True, False), (20, False, False), (14, False, True)):
        house.heating, house.away = heating, away
        for sample in house.days(days):
            assert not detector.observe(*sample).alarm


@pytest.mark.parametrize("period", [1.0, 3600.0])
def test_any_period_from_a_second_to_an_hour(period: float) -> None:
    detector, house = Detector(SIGNALS), House(seed=3, period=period, gaps=False)
    for sample in house.days(0.05 if period == 1 else 40):
        verdict = detector.observe(*sample)
        assert not verdict.alarm
    if period == 3600:
        assert verdict.progress == 1


def test_learning_takes_weeks_whatever_the_period() -> None:
    for period in (120.0, 600.0):
        detector, house = Detector(SIGNALS), House(period=period, gaps=False)
        for sample in house.days(2):
            verdict = detector.observe(*sample)
        assert verdict.state == "learning"
        told = detector.warm_ups
        assert told["frozen"] == told["range"] == 1
        assert told["flatline"] == pytest.approx(0.5, abs=0.02)
        assert told["slow"] == pytest.approx(2 / 24, abs=0.01)
        assert verdict.progress == pytest.approx(sum(told.values()) / len(told), abs=0.02)
    for sample in house.days(23):
        verdict = detector.observe(*sample)
    assert (verdict.state, verdict.progress) == ("normal", 1)


def test_frozen_device_is_not_judged_before_it_was_learned() -> None:
    detector, house = Detector(SIGNALS), House(gaps=False)
    for time, values in house.days(1):
        detector.observe(time, values)
    for minute in range(60):
        assert not detector.observe(time + timedelta(minutes=minute), values).alarm


def test_stuck_sensor_is_not_judged_before_it_was_learned() -> None:
    detector, house = Detector(SIGNALS), House(gaps=False, period=300)
    for time, values in house.days(3.9):
        if time > START + timedelta(days=1.5):
            values["dhw_temperature"] = 44.3
        assert not detector.observe(time, values).alarm
    for time, values in house.days(0.2):
        verdict = detector.observe(time, {**values, "dhw_temperature": 44.3})
    assert [reason.suspect for reason in verdict.reasons] == ["dhw_temperature"]


@pytest.mark.parametrize("rests", [[1] * 10, [1] * 40 + [216, 216]])
def test_sensor_that_hardly_ever_moves_may_rest(rests: list[int]) -> None:
    """Rests in samples of 10 minutes; then it never moves again."""
    signals = (*SIGNALS, Signal("circuit_b_flow_temperature", "analog", "°C"))
    detector, house = Detector(signals), House(period=600, gaps=False)
    changes = {sum(rests[: index + 1]) for index in range(len(rests))}
    value = 20.0
    for index, (time, values) in enumerate(house.days(20)):
        value += index in changes
        assert not detector.observe(time, {**values, "circuit_b_flow_temperature": value}).alarm


@pytest.mark.parametrize(
    "jump", [timedelta(days=-400), timedelta(hours=-1), timedelta(hours=1), timedelta(days=9000)]
)
def test_clock_jumps_are_no_time(household: Callable[[], Household], jump: timedelta) -> None:
    detector, house = household()
    progress = detector.verdict.progress
    for time, values in house.days(0.5):
        verdict = detector.observe(time + jump, values)
        assert not verdict.alarm
    for time, values in house.days(0.5):
        assert not detector.observe(time, values).alarm
    assert verdict.progress >= progress


def test_same_time_again_and_again_counts_no_time(household: Callable[[], Household]) -> None:
    detector, house = household()
    time, values = next(house.days(1))
    for _ in range(5000):
        assert not detector.observe(time, values).alarm


def test_gap_ends_a_rest(household: Callable[[], Household]) -> None:
    detector, house = household()
    for _ in range(20):
        for time, values in house.days(0.025):
            assert not detector.observe(time, {**values, "dhw_temperature": 44.3}).alarm
        house.time += timedelta(hours=2)


def test_values_of_a_signal_that_comes_and_goes_end_its_rest(
    household: Callable[[], Household],
) -> None:
    detector, house = household()
    for index, (time, values) in enumerate(house.days(3)):
        values["dhw_temperature"] = 44.3 if index % 60 < 40 else None
        assert not detector.observe(time, values).alarm


def test_single_missing_values_do_not_end_a_rest(household: Callable[[], Household]) -> None:
    detector, house = household()
    for index, (time, values) in enumerate(house.days(0.5)):
        values["dhw_temperature"] = 44.3 if index % 10 else None
        verdict = detector.observe(time, values)
    assert [reason.suspect for reason in verdict.reasons] == ["dhw_temperature"]


def test_time_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Detector(SIGNALS).observe(datetime(2026, 1, 1), {})


def test_daylight_saving_is_no_gap() -> None:
    zone = ZoneInfo("Europe/Vienna")
    detectors = Detector(SIGNALS), Detector(SIGNALS)
    house = House(gaps=False, time=datetime(2026, 3, 28, 12, tzinfo=UTC))
    for time, values in house.days(1):
        here = detectors[0].observe(time.astimezone(zone), values)
        there = detectors[1].observe(time, values)
        assert here.progress == there.progress


def test_nonsense_is_absent(household: Callable[[], Household]) -> None:
    detector, house = household()
    nonsense = [float("nan"), float("inf"), "44.3", True, 10**400, None]
    for index, (time, values) in enumerate(house.days(0.4)):
        values["dhw_temperature"] = nonsense[index % len(nonsense)]
        assert not detector.observe(time, values).alarm


@pytest.mark.parametrize("count", [0, 1, 5, 300])
def test_any_number_of_signals(count: int) -> None:
    signals = [Signal(f"extra_{index}_temperature", "analog", "°C") for index in range(count)]
    detector = Detector(signals)
    for minute in range(300):
        values = {signal.key: 20.0 + (minute * 7 + i) % 13 for i, signal in enumerate(signals)}
        verdict = detector.observe(START + timedelta(minutes=minute), values)
    assert not verdict.alarm
    assert verdict.state == "learning"


@pytest.mark.parametrize(
    ("on", "off"),
    [
        ({"compressor_running": "on"}, {"compressor_running": "off"}),
        ({"compressor_running": 1.0}, {"compressor_running": 0}),
        ({"compressor_frequency": 48}, {"compressor_frequency": 0}),
        ({"operating_mode": "dhw"}, {"operating_mode": "utility_lock"}),
        ({"operating_mode": 1}, {"operating_mode": 0}),
    ],
)
def test_what_says_that_the_compressor_runs(
    on: dict[str, float | str], off: dict[str, float | str]
) -> None:
    detector = Detector([Signal("dhw_temperature", "analog", "°C")])

    def context(values: dict[str, float | str], minute: int) -> object:
        for second in range(0, 600, 60):
            time = START + timedelta(minutes=minute, seconds=second)
            verdict = detector.observe(time, {"dhw_temperature": 999.0, **values})
        return verdict.reasons[0].context.get("compressor_running")

    detector.observe(START, {"dhw_temperature": 40.0})
    assert context({"compressor_running": "?", "operating_mode": "other"}, 1) is None
    for minute, values, running in ((100, on, True), (200, off, False)):
        detector.feedback("fixed")
        assert context(values, minute) is running
        assert context({"compressor_frequency": float("nan")}, minute + 10) is running
