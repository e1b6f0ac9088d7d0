"""A clock that is set is noticed, one that runs is not."""

from custom_components.heat_pump_hub.history.steady import SETTLED_AFTER, STEP, Steady


def test_a_clock_that_is_set_has_to_settle() -> None:
    now, ahead = [5.0], [1e9]
    steady = Steady(lambda: now[0] + ahead[0], monotonic=lambda: now[0])
    assert (steady.jumps(), steady.settled, steady.was_set) == (False, False, False)
    now[0] += SETTLED_AFTER
    assert (steady.jumps(), steady.settled, steady.was_set) == (False, True, False)
    for step in (STEP, -3 * STEP):
        ahead[0] += step
        assert (steady.jumps(), steady.settled, steady.was_set) == (True, False, True)
        assert not steady.jumps()
        now[0] += SETTLED_AFTER
        assert (steady.jumps(), steady.settled, steady.was_set) == (False, True, False)


def test_a_clock_that_is_kept_right_is_steady() -> None:
    now, ahead = [5.0], [1e9]
    steady = Steady(lambda: now[0] + ahead[0], monotonic=lambda: now[0])
    for _ in range(1000):
        now[0] += 30
        ahead[0] += 0.5
        assert not steady.jumps()
    assert steady.settled
