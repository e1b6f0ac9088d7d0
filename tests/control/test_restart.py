"""What survives a restart, and what damage does to it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from custom_components.heat_pump_hub.control import CooldownError
from custom_components.heat_pump_hub.control.stamps import Stamps

from .fakes import NIGHT, NOON, House


async def test_cooldown_survives_a_restart(house: House) -> None:
    await house.write("dhw_setpoint", 48)
    house.start()
    house.clock.advance(100)

    with pytest.raises(CooldownError) as blocked:
        await house.write("dhw_setpoint", 50)

    assert blocked.value.seconds_left == 199
    house.clock.advance(199)
    assert (await house.write("dhw_setpoint", 50)).outcome == "written"


async def test_time_passed_while_stopped_counts(house: House) -> None:
    await house.write("dhw_setpoint", 48)
    house.clock.jump(200)
    house.start()

    with pytest.raises(CooldownError) as blocked:
        await house.write("dhw_setpoint", 50)
    assert blocked.value.seconds_left == 99


async def test_a_stamp_in_the_future_counts_as_now(house: House) -> None:
    """A Pi without a clock starts in the past."""
    await house.write("dhw_setpoint", 48)
    house.clock.jump(-3600)
    house.start()
    await house.guard.load()

    assert house.guard.seconds_left("dhw_setpoint") == 300
    house.clock.advance(150)
    house.clock.jump(3600)
    assert house.guard.seconds_left("dhw_setpoint") == 150


async def test_a_stamp_of_an_unset_clock_counts_as_now(house: House) -> None:
    house.clock.wall = datetime.fromisoformat("1970-01-01T00:01:00+00:00")
    await house.write("dhw_setpoint", 48)
    house.clock.wall = NOON
    house.start()
    await house.guard.load()

    assert house.guard.seconds_left("dhw_setpoint") == 300


async def test_a_clock_set_while_running_moves_the_saved_stamp_along(house: House) -> None:
    await house.write("dhw_setpoint", 48)
    house.clock.jump(7200)
    await house.write("dhw_on", 48)
    house.start()

    with pytest.raises(CooldownError):
        await house.write("dhw_setpoint", 50)


async def test_a_clock_set_back_does_not_move_the_saved_stamp_back(house: House) -> None:
    await house.write("dhw_setpoint", 48)
    house.clock.jump(-7200)
    await house.write("dhw_on", 48)
    house.clock.jump(7200)
    house.start()

    with pytest.raises(CooldownError):
        await house.write("dhw_setpoint", 50)


async def test_stamps_older_than_a_day_are_forgotten(house: House) -> None:
    await house.write("dhw_setpoint", 48)
    house.clock.advance(timedelta(days=2).total_seconds())
    await house.write("dhw_on", 48)

    assert list(house.disk.data["stamps"]) == ["holding:1002"]


@pytest.mark.parametrize(
    "damage", ["", "yesterday", 17, None, [], "2026-13-01", "9999-12-31T23:59:59-23:00"]
)
async def test_a_damaged_stamp_counts_as_now_for_its_register(house: House, damage: Any) -> None:
    house.disk.data = {
        "version": 1,
        "stamps": {"holding:1000": damage, "holding:1002": "2026-11-20T10:00:00+00:00"},
    }
    house.start()

    with pytest.raises(CooldownError) as blocked:
        await house.write("dhw_setpoint", 48)
    assert blocked.value.seconds_left == 300
    assert (await house.write("dhw_on", 48)).outcome == "written"


@pytest.mark.parametrize(
    "damage", [[], "text", 5, {}, {"version": 2}, {"version": 1}, {"version": 1, "stamps": []}]
)
async def test_a_damaged_state_counts_as_now_for_every_register(house: House, damage: Any) -> None:
    house.disk.data = damage
    house.start()

    with pytest.raises(CooldownError):
        await house.write("dhw_setpoint", 48)
    house.clock.advance(300)
    assert (await house.write("dhw_setpoint", 48)).outcome == "written"


async def test_damage_still_counts_after_another_restart(house: House) -> None:
    house.disk.data = []
    house.start()
    await house.write("pv_surplus", 500)
    await house.guard.close()
    house.start()

    with pytest.raises(CooldownError):
        await house.write("dhw_setpoint", 48)


async def test_a_state_that_cannot_be_loaded_counts_as_now(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.disk.error = OSError("bad sector")
    await house.guard.load()
    house.disk.error = None

    assert house.guard.seconds_left("dhw_setpoint") == 300
    assert "idm-cellar" in caplog.text


async def test_the_first_start_of_all_lets_everything_through(house: House) -> None:
    assert (await house.write("dhw_setpoint", 48)).outcome == "written"


async def test_the_state_of_another_heat_pump_is_not_ours(house: House) -> None:
    await house.write("dhw_setpoint", 48)
    house.start("idm-attic")

    assert (await house.write("dhw_setpoint", 50)).outcome == "written"
    assert len(house.guard.ledger.entries) == 1


async def test_the_ledger_survives_a_restart(house: House) -> None:
    await house.write("dhw_setpoint", 48, NIGHT)
    with pytest.raises(CooldownError):
        await house.write("dhw_setpoint", 50)
    await house.guard.close()
    before = house.disk.data
    house.start()
    await house.guard.load()

    assert house.guard.ledger.to_json()["ledger"] == before["ledger"]
    assert house.guard.ledger.entries[0].asked_by == NIGHT
    assert house.guard.ledger.totals() == {"holding:1000": 1}
    assert house.guard.ledger.blocked == {"dhw_setpoint": 1}


async def test_cyclic_writes_are_saved_now_and_then_and_on_close(house: House) -> None:
    for _ in range(20):
        await house.write("pv_surplus", 500)
    assert house.disk.saves == 1
    house.clock.advance(300)
    await house.write("pv_surplus", 500)
    assert house.disk.saves == 2
    await house.write("pv_surplus", 500)
    await house.guard.close()
    assert house.disk.saves == 3
    assert house.disk.data["ledger"][0]["count"] == 22


def test_a_register_never_written_is_free(house: House) -> None:
    stamps = Stamps(house.clock.now, house.clock.monotonic)

    assert stamps.elapsed("holding:1") == float("inf")
    assert stamps.to_json() == {}
