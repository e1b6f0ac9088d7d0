"""Whatever is asked, and whatever the clocks do: no register is worn out."""

import asyncio

from hypothesis import HealthCheck, given, settings, strategies as st
import pytest

from custom_components.heat_pump_hub.control import ControlError, Origin
from custom_components.heat_pump_hub.drivers.driver import DriverError, NoAnswerError, RefusedError
from custom_components.heat_pump_hub.drivers.points import Value

from .fakes import REGISTERS, Asker, House

COOLDOWN = 300
KEYS = ("dhw_setpoint", "dhw_setpoint_twin", "dhw_on", "unknown_wear")
VALUES = (45.0, 45.5, 48.0)
FAULTS = (None, RefusedError("no", 3), NoAnswerError("silent"))

target = st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES))
ask = st.tuples(st.just("write"), st.lists(target, min_size=1, max_size=3))
wait = st.tuples(st.just("wait"), st.sampled_from((1.0, 99.5, 150.0, 279.0, 299.0, 300.0, 400.0)))
trouble = st.one_of(
    st.tuples(st.just("cancel"), target),
    st.tuples(st.just("jump"), st.one_of(st.floats(-4000, 4000), st.floats(-1e8, 1e8))),
    st.tuples(st.just("turn"), target),
    st.tuples(st.just("fault"), st.sampled_from(FAULTS)),
    st.tuples(st.just("delay"), st.floats(0, 25)),
    st.tuples(st.just("disk"), st.sampled_from((False, False, True))),
    st.tuples(st.just("restart"), st.booleans()),
)
action = st.one_of(ask, wait, ask, trouble, ask, wait)


class Watched(House):
    """Notes in which run each write reached the device, and what it held then."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.run = 0
        self.jumped = 0
        self.worn: list[tuple[int, int, float, tuple[str, int]]] = []
        """Run, forward jumps so far, monotonic seconds and register."""
        self.equal: list[tuple[str, Value]] = []
        write, read = self.driver.write, self.driver.read_point
        shown: dict[str, Value | None] = {}

        async def read_point(key: str) -> Value | None:
            shown[key] = await read(key)
            return shown[key]

        async def watched(key: str, value: Value) -> None:
            if shown[key] == value:
                self.equal.append((key, value))
            try:
                await write(key, value)
            except RefusedError:
                raise
            except DriverError:
                self.note(key)
                raise
            self.note(key)

        self.driver.read_point = read_point
        self.driver.write = watched

    def note(self, key: str) -> None:
        self.worn.append((self.run, self.jumped, self.clock.seconds, REGISTERS[key]))

    async def restart(self, clean: bool) -> None:
        if clean:
            await self.guard.close()
        self.run += 1
        self.start(cooldown=COOLDOWN)


async def live(actions: list[tuple[str, object]]) -> Watched:
    house = Watched()
    house.start(cooldown=COOLDOWN)
    for what, how in actions:
        match what, how:
            case "write", list(requests):
                results = await asyncio.gather(
                    *(house.write(key, value) for key, value in requests), return_exceptions=True
                )
                for result in results:
                    if isinstance(result, BaseException):
                        assert isinstance(result, ControlError), result
            case "cancel", (key, value):
                task = asyncio.create_task(house.write(key, value))
                for _ in range(7):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            case "wait", float(seconds):
                house.clock.advance(seconds)
            case "jump", float(seconds):
                house.jumped += seconds > 0
                house.clock.jump(seconds)
            case "turn", (key, value):
                house.driver.show(key, value)
            case "fault", error:
                house.driver.write_error = error
            case "delay", float(seconds):
                house.driver.delay = seconds
            case "disk", bool(broken):
                house.disk.error = OSError("disk full") if broken else None
            case "restart", bool(clean):
                await house.restart(clean)
    return house


@pytest.mark.parametrize("key", KEYS)
def test_the_keys_are_those_that_wear(key: str) -> None:
    assert House().driver.points[key].wear in ("eeprom", "unknown")


@given(st.lists(action, min_size=12, max_size=30))
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_sequence_of_requests_wears_a_register_faster(
    actions: list[tuple[str, object]],
) -> None:
    house = asyncio.run(live(actions))

    assert house.equal == []
    last: dict[tuple[str, int], tuple[int, int, float]] = {}
    for run, jumped, at, register in house.worn:
        if register in last:
            earlier_run, earlier_jumped, earlier = last[register]
            # Across a restart only the wall clock exists: it must not have been set forward.
            if run == earlier_run or jumped == earlier_jumped:
                assert at - earlier >= COOLDOWN - 1e-6
        last[register] = (run, jumped, at)


def test_asking_is_the_default_origin() -> None:
    assert Asker().origin is Origin.ASKED
