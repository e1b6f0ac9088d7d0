"""What is remembered of one signal."""

import pytest

from custom_components.heat_pump_hub.detection import Signal, load
from custom_components.heat_pump_hub.detection.contexts import HOUR, MINUTE, Clock
from custom_components.heat_pump_hub.detection.tracks import Rest, Track


@pytest.fixture
def clock() -> Clock:
    load()
    return Clock()


def test_rest_in_a_longer_idle_than_ever_known_is_not_counted(clock: Clock) -> None:
    rest = Rest(clock)
    rest.moved = 2 * HOUR
    clock.turn(False)
    clock.now += 5 * HOUR
    assert rest.lasted(clock) == 2 * HOUR
    rest.leave_idle(clock)
    clock.turn(True)
    clock.now += HOUR
    assert rest.lasted(clock) == 3 * HOUR
    clock.turn(False)
    clock.now += HOUR
    assert rest.lasted(clock) == 4 * HOUR


def test_change_in_an_idle_makes_it_known(clock: Clock) -> None:
    rest = Rest(clock)
    clock.turn(False)
    clock.now += 5 * HOUR
    rest.end(clock, learning=False)
    assert rest.moved == 0
    rest.end(clock, learning=True)
    assert rest.moved == 5 * HOUR
    clock.now += HOUR
    assert rest.lasted(clock) == 0


def test_rest_outside_the_range_teaches_nothing(clock: Clock) -> None:
    track = Track(Signal("dhw_temperature", "analog", "°C"), clock)
    for value, minutes, longest in (
        (40.0, 0, 0),
        (40.1, 7, 7),
        (150.0, 1, 7),
        (151.0, 300, 7),
        (40.2, 300, 7),
        (40.3, 8, 8),
    ):
        clock.now += minutes * MINUTE
        track.take(value, clock, learning=True)
        assert track.longest.value == longest * MINUTE
        assert (track.outside is None) == (value < 120)
