"""What lets a write through the gate, and what does not."""

import asyncio
from datetime import timedelta
from itertools import pairwise
import math
from typing import Any

import pytest

from custom_components.heat_pump_hub.control import (
    Asker,
    ControlError,
    ControlOffError,
    CooldownError,
    FirmwareRestartsError,
    FirmwareUnknownError,
    GuardClosedError,
    NotReadError,
    NotSavedError,
    NotWritableError,
    Origin,
    Outcome,
    UnknownPointError,
    UnverifiedError,
    ValueNotAllowedError,
    WriteRefusedError,
    WriteResult,
)
from custom_components.heat_pump_hub.drivers.driver import (
    BusyError,
    LinkLostError,
    NoAnswerError,
    RefusedError,
    WriteBlockedError,
)

from .fakes import ANNA, NIGHT, NOON, House, settle


async def test_a_differing_value_is_written_once_and_verified(house: House) -> None:
    result = await house.write("dhw_setpoint", 48)

    assert result == WriteResult(outcome="written", value=48, old=45.0)
    assert house.driver.sent == [("dhw_setpoint", 48)]
    assert house.seen == [("dhw_setpoint", 48)]


async def test_equal_value_is_not_written(house: House) -> None:
    result = await house.write("dhw_setpoint", 45)

    assert result == WriteResult(outcome="unchanged", value=45.0, old=45.0)
    assert house.driver.sent == []
    assert house.seen == [("dhw_setpoint", 45.0)]
    assert house.guard.ledger.entries == ()
    assert house.guard.seconds_left("dhw_setpoint") == 0
    await house.write("dhw_setpoint", 48)


async def test_equal_is_what_the_device_holds_now_and_not_what_was_written_last(
    house: House,
) -> None:
    await house.write("dhw_setpoint", 48)
    house.clock.advance(400)
    house.driver.show("dhw_setpoint", 50.0)

    assert (await house.write("dhw_setpoint", 48)).outcome == "written"


@pytest.mark.parametrize("key", ["dhw_setpoint", "unknown_wear"])
async def test_a_register_that_wears_is_written_once_per_cooldown(house: House, key: str) -> None:
    await house.write(key, 48)
    house.clock.advance(100 - 1)

    with pytest.raises(CooldownError) as blocked:
        await house.write(key, 50)

    assert blocked.value.seconds_left == 200
    assert blocked.value.placeholders == {"key": key, "seconds_left": "200"}
    assert house.guard.seconds_left(key) == 200
    house.clock.advance(199.5)
    with pytest.raises(CooldownError) as blocked:
        await house.write(key, 50)
    assert blocked.value.seconds_left == 1
    house.clock.advance(0.5)
    assert (await house.write(key, 50)).outcome == "written"
    assert house.driver.sent == [(key, 48), (key, 50)]


async def test_the_cooldown_is_an_option(house: House) -> None:
    house.start(cooldown=60)
    await house.write("dhw_setpoint", 48)
    house.clock.advance(59)

    assert (await house.write("dhw_setpoint", 50)).outcome == "written"


@pytest.mark.parametrize("cooldown", [0, -1, math.nan, math.inf])
def test_a_cooldown_that_protects_nothing_is_an_error(house: House, cooldown: float) -> None:
    with pytest.raises(ValueError, match="protects nothing"):
        house.start(cooldown=cooldown)


async def test_the_cooldown_counts_from_the_end_of_a_slow_write(house: House) -> None:
    house.driver.write_seconds = 30
    await house.write("dhw_setpoint", 48)
    house.driver.write_seconds = 0
    house.clock.advance(280)

    with pytest.raises(CooldownError):
        await house.write("dhw_setpoint", 50)


async def test_an_equal_value_during_the_cooldown_is_unchanged(house: House) -> None:
    await house.write("dhw_setpoint", 48)

    assert (await house.write("dhw_setpoint", 48)).outcome == "unchanged"


async def test_two_points_of_one_register_share_its_cooldown(house: House) -> None:
    await house.write("dhw_setpoint", 48)

    with pytest.raises(CooldownError):
        await house.write("dhw_setpoint_twin", 50)


async def test_other_registers_are_not_slowed(house: House) -> None:
    await house.write("dhw_setpoint", 48)

    assert (await house.write("dhw_on", 50)).outcome == "written"


async def test_a_volatile_point_waits_ten_seconds(house: House) -> None:
    await house.write("boost", 48)
    with pytest.raises(CooldownError) as blocked:
        await house.write("boost", 50)
    assert blocked.value.seconds_left == 9
    house.clock.advance(9)
    assert (await house.write("boost", 50)).outcome == "written"
    house.clock.advance(60)
    assert (await house.write("boost", 50)).outcome == "unchanged"


async def test_cyclic_points_are_neither_slowed_nor_skipped(house: House) -> None:
    for watts in (500, 500, 900):
        assert (await house.write("pv_surplus", watts)).outcome == "written"

    assert [value for _, value in house.driver.sent] == [500, 500, 900]
    assert house.guard.seconds_left("pv_surplus") == 0


async def test_nothing_is_written_while_control_is_off(house: House) -> None:
    house.start(allow_control=False)

    with pytest.raises(ControlOffError) as blocked:
        await house.write("dhw_setpoint", 48)

    assert blocked.value.translation_key == "control_off"
    assert house.driver.sent == house.driver.reads == []


async def test_an_unknown_point_is_an_error(house: House) -> None:
    with pytest.raises(UnknownPointError):
        await house.write("no_such_point", 1)


async def test_a_measurement_cannot_be_written(house: House) -> None:
    with pytest.raises(NotWritableError):
        await house.write("outdoor_temperature", 1)
    assert house.guard.seconds_left("outdoor_temperature") == 0


async def test_a_bad_value_reaches_neither_device_nor_disk(house: House) -> None:
    with pytest.raises(ValueNotAllowedError):
        await house.write("dhw_setpoint", 61)

    assert house.driver.reads == house.driver.sent == []
    assert house.disk.saves == 0


@pytest.mark.parametrize("origin", [Origin.REFRESH, Origin.STOP])
async def test_we_write_nothing_but_cyclic_points_of_our_own_accord(
    house: House, origin: Origin
) -> None:
    with pytest.raises(NotWritableError):
        await house.write("dhw_setpoint", 48, Asker(origin=origin))
    with pytest.raises(NotWritableError):
        await house.write("boost", 48, Asker(origin=origin))
    assert house.driver.sent == []


async def test_starting_and_closing_writes_nothing(house: House) -> None:
    await house.guard.load()
    await house.guard.close()

    assert house.driver.sent == house.driver.reads == []
    assert house.disk.saves == 0


async def test_without_the_present_value_nothing_is_written(house: House) -> None:
    house.driver.read_errors = [NoAnswerError("silent")]

    with pytest.raises(NotReadError) as failed:
        await house.write("dhw_setpoint", 48)

    assert isinstance(failed.value.__cause__, NoAnswerError)
    assert house.driver.sent == []
    assert house.guard.seconds_left("dhw_setpoint") == 0


async def test_the_stamp_is_on_disk_before_the_write_goes_out(house: House) -> None:
    on_disk: list[object] = []
    write = house.driver.write

    async def watched(key: str, value: float) -> None:
        on_disk.append(house.disk.data)
        await write(key, value)

    house.driver.write = watched
    await house.write("dhw_setpoint", 48)

    (state,) = on_disk
    assert state["stamps"] == {"holding:1000": NOON.isoformat()}
    assert state["ledger"][0]["outcome"] == "unverified"
    assert state["version"] == 1


async def test_nothing_is_written_when_the_stamp_cannot_be_saved(house: House) -> None:
    house.disk.error = OSError("disk full")
    await house.guard.load()

    house.disk.error = None
    house.start()
    await house.guard.load()
    house.disk.error = OSError("disk full")
    with pytest.raises(NotSavedError) as failed:
        await house.write("dhw_setpoint", 48)

    assert isinstance(failed.value.__cause__, OSError)
    assert house.driver.sent == []
    assert house.guard.ledger.entries == ()
    assert house.guard.ledger.totals() == {"holding:1000": 0}
    house.disk.error = None
    assert (await house.write("dhw_setpoint", 48)).outcome == "written"


async def test_an_outcome_that_cannot_be_saved_is_logged_and_saved_on_close(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.driver.delay = 5
    writing = asyncio.create_task(house.write("dhw_setpoint", 48))
    house.clock.stopped = True
    await settle()
    house.disk.error = OSError("disk full")
    house.clock.stopped = False
    await writing

    assert "could not be saved" in caplog.text
    assert house.disk.data["ledger"][0]["outcome"] == "unverified"
    house.disk.error = None
    await house.guard.close()
    assert house.disk.data["ledger"][0]["outcome"] == "verified"


async def test_a_refused_write_takes_its_stamp_back(house: House) -> None:
    house.driver.write_error = RefusedError("illegal value", 3)

    with pytest.raises(WriteRefusedError) as refused:
        await house.write("dhw_setpoint", 48)

    assert refused.value.code == 3
    assert refused.value.placeholders["code"] == "3"
    assert house.disk.data["stamps"] == {}
    (entry,) = house.guard.ledger.entries
    assert entry.outcome is Outcome.REFUSED
    assert house.guard.ledger.totals() == {"holding:1000": 0}
    house.driver.write_error = None
    assert (await house.write("dhw_setpoint", 48)).outcome == "written"


@pytest.mark.parametrize(
    ("firmware", "kind", "said"),
    [("V2.90.0", FirmwareRestartsError, "V2.90.0"), (None, FirmwareUnknownError, "not known")],
)
async def test_a_write_that_the_firmware_does_not_bear_says_so(
    house: House, firmware: str | None, kind: type[ControlError], said: str
) -> None:
    house.driver.write_error = WriteBlockedError("it would restart", firmware)

    with pytest.raises(kind, match=said) as blocked:
        await house.write("dhw_setpoint", 48)

    assert blocked.value.placeholders.get("firmware") == firmware
    assert house.disk.data["stamps"] == {}
    assert house.guard.ledger.entries[0].outcome is Outcome.REFUSED


async def test_a_refused_write_leaves_the_stamp_of_the_one_before(house: House) -> None:
    house.start(cooldown=60)
    await house.write("dhw_setpoint", 48)
    stamps = house.disk.data["stamps"]
    house.clock.advance(60)
    house.driver.write_error = RefusedError("illegal value", 3)
    with pytest.raises(WriteRefusedError):
        await house.write("dhw_setpoint", 50)

    assert house.disk.data["stamps"] == stamps


@pytest.mark.parametrize("error", [LinkLostError("gone"), BusyError("busy")])
async def test_a_write_that_may_have_gone_out_keeps_its_stamp(
    house: House, error: Exception
) -> None:
    house.driver.write_error = error

    assert (await house.write("dhw_setpoint", 48)).outcome == "written"
    with pytest.raises(CooldownError):
        await house.write("dhw_setpoint", 50)


async def test_two_callers_never_interleave_on_one_register(house: House) -> None:
    house.driver.delay = 2.5

    first, second = await asyncio.gather(
        house.write("dhw_setpoint", 48),
        house.write("dhw_setpoint", 50, NIGHT),
        return_exceptions=True,
    )

    assert isinstance(first, WriteResult)
    assert isinstance(second, CooldownError)
    assert house.driver.sent == [("dhw_setpoint", 48)]


async def test_the_same_request_twice_at_once_is_written_once(house: House) -> None:
    house.driver.delay = 2.5

    results = await asyncio.gather(*(house.write("dhw_setpoint", 48) for _ in range(3)))

    assert [result.outcome for result in results] == ["written", "unchanged", "unchanged"]
    assert len(house.driver.sent) == 1


async def test_different_registers_are_written_side_by_side(house: House) -> None:
    house.driver.delay = 15
    await asyncio.gather(house.write("dhw_setpoint", 48), house.write("dhw_on", 48))

    assert [at for at, _, _ in house.driver.written] == [1000, 1000]
    assert house.clock.seconds == 1020


async def test_states_of_two_registers_reach_the_disk_in_order(house: House) -> None:
    """A slow disk must not put an older state over a younger one."""
    turns = [50]
    on_disk: list[set[str]] = []

    async def slow(data: dict[str, Any]) -> None:
        for _ in range(turns.pop() if turns else 0):
            await asyncio.sleep(0)
        on_disk.append(set(data["stamps"]))

    house.start(save=slow)
    await asyncio.gather(house.write("dhw_setpoint", 48), house.write("dhw_on", 48))

    assert len(on_disk) == 4
    assert all(earlier <= later for earlier, later in pairwise(on_disk))


async def test_a_caller_cancelled_while_reading_back_leaves_all_in_order(house: House) -> None:
    house.driver.delay = 5
    house.clock.stopped = True
    writing = asyncio.create_task(house.write("dhw_setpoint", 48))
    await settle()
    assert len(house.driver.sent) == 1
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    house.clock.stopped = False

    assert house.guard.ledger.entries[0].outcome is Outcome.UNVERIFIED
    assert house.disk.data["ledger"][0]["outcome"] == "unverified"
    with pytest.raises(CooldownError):
        await house.write("dhw_setpoint", 50)
    house.clock.advance(300)
    assert (await house.write("dhw_setpoint", 50)).outcome == "written"


async def test_a_caller_cancelled_while_writing_keeps_the_stamp(house: House) -> None:
    house.driver.write_seconds = 5
    house.clock.stopped = True
    writing = asyncio.create_task(house.write("dhw_setpoint", 48))
    await settle()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)

    assert house.guard.seconds_left("dhw_setpoint") == 300
    assert house.guard.ledger.entries[0].outcome is Outcome.UNVERIFIED


async def test_a_caller_cancelled_while_saving_has_written_nothing(house: House) -> None:
    never = asyncio.Event()

    async def stuck(data: dict[str, object]) -> None:
        await never.wait()

    house.start(save=stuck)
    writing = asyncio.create_task(house.write("dhw_setpoint", 48))
    await settle()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing

    assert house.driver.sent == []
    assert house.guard.ledger.entries == ()
    assert house.guard.seconds_left("dhw_setpoint") == 0


async def test_closing_ends_read_backs_and_turns_away_who_waits(house: House) -> None:
    house.driver.delay = 15
    house.clock.stopped = True
    writing = asyncio.create_task(house.write("dhw_setpoint", 48))
    waiting = asyncio.create_task(house.write("dhw_setpoint", 50))
    await settle()

    await house.guard.close()

    with pytest.raises(UnverifiedError):
        await writing
    with pytest.raises(GuardClosedError):
        await waiting
    with pytest.raises(GuardClosedError):
        await house.write("dhw_on", 48)
    assert house.driver.sent == [("dhw_setpoint", 48)]
    saves = house.disk.saves
    await settle()
    assert house.disk.saves == saves


async def test_closing_waits_for_what_is_on_the_wire(house: House) -> None:
    """The next guard may load the state, and the link be closed, only after it."""
    house.driver.write_seconds = 5
    house.clock.stopped = True
    writing = asyncio.create_task(house.write("dhw_setpoint", 48))
    await settle()
    closing = asyncio.create_task(house.guard.close())
    await settle()
    assert not closing.done()
    house.clock.stopped = False
    await closing

    assert house.driver.sent == [("dhw_setpoint", 48)]
    assert writing.done()
    with pytest.raises(UnverifiedError):
        await writing


async def test_a_command_without_a_value_is_sent_and_not_read(house: House) -> None:
    result = await house.write("acknowledge", True)

    assert result == WriteResult(outcome="written", value=True, old=None)
    assert house.driver.reads == []
    assert house.guard.ledger.entries[0].outcome is Outcome.SENT
    with pytest.raises(CooldownError):
        await house.write("acknowledge", True)


async def test_a_command_that_may_be_lost_is_unverified(house: House) -> None:
    house.driver.write_error = NoAnswerError("silent")

    with pytest.raises(UnverifiedError) as failed:
        await house.write("acknowledge", True)

    assert isinstance(failed.value.__cause__, NoAnswerError)


async def test_a_wall_clock_that_jumps_forward_opens_nothing(house: House) -> None:
    await house.write("dhw_setpoint", 48)
    house.clock.jump(timedelta(days=365).total_seconds())

    with pytest.raises(CooldownError):
        await house.write("dhw_setpoint", 50)


async def test_a_wall_clock_that_jumps_back_closes_nothing_for_longer(house: House) -> None:
    await house.write("dhw_setpoint", 48)
    house.clock.jump(-timedelta(days=365).total_seconds())
    house.clock.advance(299)

    assert (await house.write("dhw_setpoint", 50)).outcome == "written"


async def test_who_asked_is_in_the_ledger(house: House) -> None:
    await house.write("dhw_setpoint", 48, NIGHT)

    (entry,) = house.guard.ledger.entries
    assert (entry.time, entry.key, entry.table, entry.address) == (
        NOON,
        "dhw_setpoint",
        "holding",
        1000,
    )
    assert (entry.old, entry.new, entry.outcome) == (45.0, 48, Outcome.VERIFIED)
    assert entry.asked_by == NIGHT
    assert house.guard.to_json()["ledger"] == house.disk.data["ledger"]


async def test_blocked_requests_are_counted_and_not_listed(house: House) -> None:
    await house.write("dhw_setpoint", 48, ANNA)
    for _ in range(3):
        with pytest.raises(CooldownError):
            await house.write("dhw_setpoint", 50, NIGHT)
    with pytest.raises(ValueNotAllowedError):
        await house.write("dhw_setpoint", 99)

    assert house.guard.ledger.blocked == {"dhw_setpoint": 4}
    assert len(house.guard.ledger.entries) == 1
