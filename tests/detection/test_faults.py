"""The three faults fire, and say which signal, since when, and why."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from custom_components.heat_pump_hub.detection import Detector, Signal, Verdict

from .conftest import Household
from .days import SIGNALS, START, House

ANALOG = tuple(signal.key for signal in SIGNALS if signal.kind == "analog")


def watch(
    detector: Detector, house: House, days: float, **held: float | None
) -> tuple[Verdict, timedelta]:
    """Return the first alarm (or the last verdict) with these values held, and the delay."""
    begin = house.time
    verdict = detector.verdict
    for time, values in house.days(days):
        verdict = detector.observe(time, {**values, **held})
        if verdict.alarm:
            break
    return verdict, house.time - begin


@pytest.mark.parametrize(
    ("key", "value"),
    [("dhw_temperature", 44.3), ("outdoor_temperature", None), ("electrical_power", 1795)],
)
def test_stuck_sensor_is_named(
    household: Callable[[], Household], key: str, value: float | None
) -> None:
    detector, house = household()
    if value is None:
        value = float(next(house.days(0.001))[1][key] or 0.0)
    verdict, delay = watch(detector, house, 2, **{key: value})
    assert verdict.alarm
    assert verdict.state == "alarm"
    assert verdict.score >= 0.5
    assert delay < timedelta(hours=6)
    (reason,) = verdict.reasons
    assert reason.monitor == "flatline_running"
    assert reason.signals == (key,)
    assert reason.suspect == key
    assert reason.expected < reason.observed
    assert reason.observed >= reason.expected + reason.tolerance
    assert reason.context["unit"] == "min"
    assert reason.context["value"] == value


def test_sensor_stuck_while_the_compressor_rests_takes_three_hours() -> None:
    """Where nothing says whether the compressor runs, hours count instead."""
    signals = tuple(s for s in SIGNALS if s.key != "compressor_running")
    hidden = {"compressor_running": None, "compressor_frequency": None}
    detector, house = Detector(signals), House(seed=6, period=300)
    for time, values in house.days(6):
        detector.observe(time, {**values, **hidden})
    verdict, delay = watch(detector, house, 1, dhw_temperature=44.3, **hidden)
    assert [(r.monitor, r.suspect) for r in verdict.reasons] == [("flatline", "dhw_temperature")]
    assert timedelta(hours=2.5) < delay < timedelta(hours=4)
    assert abs(house.time - delay - verdict.reasons[0].since) < timedelta(minutes=30)


@pytest.mark.parametrize(
    ("held", "least", "most"),
    [
        ({"flow_temperature": 31.2}, 45, 74),
        ({"electrical_power": 1795}, 75, 120),
        ({"dhw_temperature": 44.3, "flow_temperature": 31.2, "return_temperature": 28.8}, 75, 120),
    ],
)
def test_what_rests_alone_is_told_sooner(
    household: Callable[[], Household], held: dict[str, float], least: float, most: float
) -> None:
    """A machine that is quiet, or steady, is not a sensor that is stuck."""
    verdict, _ = watch(*household(), 2, **held)
    reason = verdict.reasons[0]
    assert reason.monitor == "flatline_running"
    assert least <= reason.expected + reason.tolerance <= most


def test_actuators_derived_values_and_setpoints_may_rest(
    household: Callable[[], Household],
) -> None:
    verdict, _ = watch(
        *household(), 3, compressor_frequency=50, cop=3.1, flow_temperature_setpoint=35,
        compressor_hours=1234.5,
    )  # fmt: skip
    assert not verdict.alarm


def test_powers_may_rest_while_the_compressor_does(household: Callable[[], Household]) -> None:
    detector, house = household()
    house.heating, house.away = False, True
    house.noise, outdoor = 0.0, 12.0
    verdict, _ = watch(detector, house, 5, outdoor_temperature=outdoor)
    assert not any(reason.signals == ("electrical_power",) for reason in verdict.reasons)
    assert verdict.score < 0.1


def test_many_stuck_sensors_are_the_machine(household: Callable[[], Household]) -> None:
    detector, house = household()
    held = {"dhw_temperature": 44.3, "flow_temperature": 31.2, "return_temperature": 28.8}
    watch(detector, house, 1, **held)
    for time, values in house.days(0.2):
        verdict = detector.observe(time, {**values, **held})
    (reason,) = verdict.reasons
    assert reason.suspect is None
    assert set(reason.signals) == set(held)


def test_frozen_device(household: Callable[[], Household]) -> None:
    detector, house = household()
    time, values = next(house.days(1))
    for minute in range(14):
        verdict = detector.observe(time + timedelta(minutes=minute), values)
        assert verdict.alarm == (minute >= 10)
    (reason,) = verdict.reasons
    assert reason.monitor == "frozen"
    assert reason.suspect is None
    assert set(reason.signals) == set(ANALOG)
    assert abs(reason.since - time) < timedelta(minutes=2)


def test_frozen_device_is_not_a_crowd_of_stuck_sensors(
    household: Callable[[], Household],
) -> None:
    detector, house = household()
    time, values = next(house.days(1))
    for minute in range(1, 12 * 60):
        verdict = detector.observe(time + timedelta(minutes=minute), values)
    assert [reason.monitor for reason in verdict.reasons] == ["frozen"]
    house.time += timedelta(hours=12)
    verdicts = [detector.observe(*sample) for sample in house.days(1)]
    assert verdicts[0].alarm
    assert not verdicts[-1].alarm
    assert {reason.monitor for verdict in verdicts for reason in verdict.reasons} == {"frozen"}


def test_sensors_are_not_blamed_for_the_time_the_device_hung(
    household: Callable[[], Household],
) -> None:
    detector, house = household()
    time, values = next(house.days(1))
    values["compressor_running"] = True
    for minute in range(6 * 60):
        detector.observe(time + timedelta(minutes=minute), values)
    house.time += timedelta(hours=6)
    held = {key: values[key] for key in ("dhw_temperature", "outdoor_temperature")}
    for time, alive in house.days(0.03):
        verdict = detector.observe(time, {**alive, **held, "compressor_running": True})
    assert verdict.reasons == ()


def test_silent_device_is_not_frozen(household: Callable[[], Household]) -> None:
    detector, house = household()
    for time, _values in house.days(0.5):
        assert not detector.observe(time, {}).alarm


@pytest.mark.parametrize(
    ("key", "value", "limit"),
    [("outdoor_temperature", -99.9, -60.0), ("dhw_temperature", 150.0, 120.0)],
)
def test_value_outside_its_range(key: str, value: float, limit: float) -> None:
    detector, house = Detector(SIGNALS), House(gaps=False)
    for time, values in house.days(0.05):
        detector.observe(time, values)
    verdict, delay = watch(detector, house, 0.1, **{key: value})
    assert verdict.state == "alarm"
    assert timedelta(minutes=5) <= delay <= timedelta(minutes=8)
    (reason,) = verdict.reasons
    assert (reason.monitor, reason.signals, reason.suspect) == ("range", (key,), key)
    assert (reason.observed, reason.expected, reason.tolerance) == (value, limit, 0.0)


def test_one_sample_outside_the_range_is_no_alarm(household: Callable[[], Household]) -> None:
    detector, house = household()
    for index, (time, values) in enumerate(house.days(0.5)):
        if index % 20 == 0:
            values["dhw_temperature"] = 327.67
        assert not detector.observe(time, values).alarm


def test_sensor_that_was_never_plausible_is_not_fitted() -> None:
    detector, house = Detector(SIGNALS), House()
    verdict, _ = watch(detector, house, 1, source_inlet_temperature=-50.0)
    assert not verdict.alarm


def test_sentinel_of_a_signal_without_unit() -> None:
    signals = (*SIGNALS, Signal("vendor_extra", "analog"))
    detector, house = Detector(signals), House(gaps=False)
    for time, values in house.days(0.05):
        detector.observe(time, {**values, "vendor_extra": 4711.0})
    verdict, _ = watch(detector, house, 0.1, vendor_extra=32767)
    assert [(r.monitor, r.suspect) for r in verdict.reasons] == [("range", "vendor_extra")]


def test_strongest_reason_comes_first(household: Callable[[], Household]) -> None:
    detector, house = household()
    watch(detector, house, 1, dhw_temperature=44.3)
    for time, values in house.days(0.1):
        verdict = detector.observe(
            time, {**values, "dhw_temperature": 44.3, "outdoor_temperature": -99.9}
        )
    assert [reason.suspect for reason in verdict.reasons] == [
        "outdoor_temperature",
        "dhw_temperature",
    ]
    assert verdict.score > 0.75


def test_alarm_clears_when_the_sensor_lives_again(household: Callable[[], Household]) -> None:
    detector, house = household()
    _verdict, _ = watch(detector, house, 1, dhw_temperature=44.3)
    back = house.time
    for time, values in house.days(0.5):
        verdict = detector.observe(time, values)
        if not verdict.alarm:
            break
    assert timedelta(minutes=30) < house.time - back < timedelta(hours=3)
    assert verdict.reasons == ()
    assert not verdict.unanswered
    assert verdict.state == "learning"


def test_one_twitch_does_not_clear_a_stuck_sensor(household: Callable[[], Household]) -> None:
    detector, house = household()
    watch(detector, house, 1, dhw_temperature=44.3)
    for time, values in house.days(0.3):
        assert detector.observe(time, {**values, "dhw_temperature": 44.4}).alarm


def test_out_of_range_alarm_outlasts_a_short_recovery(household: Callable[[], Household]) -> None:
    detector, house = household()
    watch(detector, house, 0.1, dhw_temperature=327.67)
    states = [detector.observe(*sample).alarm for sample in house.days(0.05)]
    assert all(states[:29])
    assert not states[-1]


def test_alarm_of_a_signal_that_vanishes_ends(household: Callable[[], Household]) -> None:
    detector, house = household()
    watch(detector, house, 0.1, dhw_temperature=327.67)
    verdicts = [
        detector.observe(time, {**values, "dhw_temperature": None})
        for time, values in house.days(0.3)
    ]
    assert verdicts[200].alarm
    assert not verdicts[-1].alarm


def test_unanswered_alarm_is_accepted_after_three_days_and_its_reason_stays(
    household: Callable[[], Household],
) -> None:
    detector, house = household()
    watch(detector, house, 1, dhw_temperature=44.3)
    raised = house.time
    for time, values in house.days(4):
        verdict = detector.observe(time, {**values, "dhw_temperature": 44.3})
        if not verdict.alarm:
            break
    assert timedelta(days=3) <= house.time - raised < timedelta(days=3.2)
    assert verdict.state == "learning"
    assert verdict.unanswered
    assert verdict.score < 0.5
    assert [(r.suspect, r.context["accepted"]) for r in verdict.reasons] == [
        ("dhw_temperature", True)
    ]
    verdicts = [detector.observe(*sample) for sample in house.days(2)]
    assert not any(verdict.alarm for verdict in verdicts)
    assert len(verdicts[-1].reasons) == 1


def test_accepted_range_alarm_comes_back_after_it_was_over(
    household: Callable[[], Household],
) -> None:
    detector, house = household()
    for time, values in house.days(3.5):
        verdict = detector.observe(time, {**values, "dhw_temperature": 150.0})
    assert not verdict.alarm
    assert verdict.reasons
    for sample in house.days(1.2):
        verdict = detector.observe(*sample)
    assert verdict.reasons
    verdict, _ = watch(detector, house, 0.1, dhw_temperature=150.0)
    assert verdict.alarm
    assert verdict.reasons[0].since > START
    assert house.time - verdict.reasons[0].since < timedelta(hours=1)
