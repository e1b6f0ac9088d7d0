"""A write counts when the device shows it."""

import asyncio

import pytest

from custom_components.heat_pump_hub.control import (
    NotAcceptedError,
    Outcome,
    UnverifiedError,
    WriteResult,
)
from custom_components.heat_pump_hub.drivers.driver import LinkLostError, NoAnswerError

from .fakes import House, settle


def outcome(house: House) -> Outcome:
    (entry,) = house.guard.ledger.entries
    return entry.outcome


@pytest.mark.parametrize(
    ("delay", "elapsed"), [(0, 1), (1, 1), (1.5, 3), (3.5, 8), (15, 20), (20, 20)]
)
async def test_a_late_device_is_read_at_1_3_8_and_20_seconds(
    house: House, delay: float, elapsed: float
) -> None:
    house.driver.delay = delay

    assert (await house.write("dhw_setpoint", 48)).outcome == "written"
    assert house.clock.seconds == 1000 + elapsed
    assert outcome(house) is Outcome.VERIFIED


async def test_a_value_that_never_shows_is_not_accepted(house: House) -> None:
    house.driver.deaf = True

    with pytest.raises(NotAcceptedError) as failed:
        await house.write("dhw_setpoint", 48)

    assert failed.value.shown == 45.0
    assert failed.value.placeholders == {"key": "dhw_setpoint", "value": "48", "shown": "45"}
    assert house.clock.seconds == 1020
    assert len(house.driver.reads) == 5
    assert len(house.driver.sent) == 1
    assert outcome(house) is Outcome.NOT_ACCEPTED
    assert house.seen == [("dhw_setpoint", 45.0)]


async def test_a_missing_value_is_not_accepted_and_not_reported(house: House) -> None:
    house.driver.deaf = True

    with pytest.raises(NotAcceptedError) as failed:
        await house.write("dhw_on", 48)

    assert failed.value.placeholders["shown"] == "–"
    assert house.seen == []


async def test_the_family_sets_the_schedule(house: House) -> None:
    house.start(read_back=(0.5, 2))
    house.driver.deaf = True
    with pytest.raises(NotAcceptedError):
        await house.write("dhw_setpoint", 48)

    assert house.clock.seconds == 1002


async def test_the_schedule_counts_from_the_write_and_not_from_the_last_read(
    house: House,
) -> None:
    house.driver.deaf = True
    with pytest.raises(NotAcceptedError):
        await house.write("dhw_setpoint", 48)

    assert house.clock.slept == [1, 2, 5, 12]


async def test_a_link_that_breaks_while_reading_back_is_tolerated(house: House) -> None:
    house.driver.read_errors = [None, LinkLostError("gone"), NoAnswerError("silent")]

    assert (await house.write("dhw_setpoint", 48)).outcome == "written"
    assert house.clock.seconds == 1008


async def test_a_link_that_stays_broken_leaves_the_write_unverified(house: House) -> None:
    house.driver.read_errors = [None, *[LinkLostError("gone")] * 4]

    with pytest.raises(UnverifiedError) as failed:
        await house.write("dhw_setpoint", 48)

    assert isinstance(failed.value.__cause__, LinkLostError)
    assert outcome(house) is Outcome.UNVERIFIED
    assert house.seen == []


async def test_a_link_that_breaks_last_leaves_the_write_unverified(house: House) -> None:
    house.driver.deaf = True
    house.driver.read_errors = [None, None, None, None, LinkLostError("gone")]

    with pytest.raises(UnverifiedError):
        await house.write("dhw_setpoint", 48)


async def test_a_timed_out_write_that_arrived_is_written(house: House) -> None:
    house.driver.write_error = NoAnswerError("silent")

    assert await house.write("dhw_setpoint", 48) == WriteResult(
        outcome="written", value=48, old=45.0
    )


async def test_a_timed_out_write_that_did_not_arrive_is_not_accepted(house: House) -> None:
    house.driver.write_error = NoAnswerError("silent")
    house.driver.deaf = True

    with pytest.raises(NotAcceptedError) as failed:
        await house.write("dhw_setpoint", 48)

    assert isinstance(failed.value.__cause__, NoAnswerError)


async def test_a_cyclic_input_written_again_meanwhile_is_superseded(house: House) -> None:
    house.driver.delay = 15
    house.clock.stopped = True
    first = asyncio.create_task(house.write("pv_surplus", 500))
    await settle()
    second = asyncio.create_task(house.write("pv_surplus", 900))
    await settle()
    assert house.driver.sent == [("pv_surplus", 500), ("pv_surplus", 900)]
    house.clock.stopped = False

    assert (await first).outcome == (await second).outcome == "written"
    assert [entry.outcome for entry in house.guard.ledger.entries] == [
        Outcome.SUPERSEDED,
        Outcome.VERIFIED,
    ]
    assert house.seen == [("pv_surplus", 900)]


async def test_a_cyclic_input_written_again_during_the_last_read_is_superseded(
    house: House,
) -> None:
    house.driver.deaf = True
    house.start(read_back=(1,))
    read_point = house.driver.read_point
    others: list[asyncio.Task[WriteResult]] = []

    async def overtaken(key: str) -> float | None:
        value = await read_point(key)
        if len(house.driver.reads) == 2:
            others.append(asyncio.create_task(house.write("pv_surplus", 900)))
            await settle()
        return value

    house.driver.read_point = overtaken

    assert (await house.write("pv_surplus", 500)).outcome == "written"
    assert house.guard.ledger.entries[0].outcome is Outcome.SUPERSEDED
    with pytest.raises(NotAcceptedError):
        await others[0]


async def test_the_sentinel_of_an_input_counts_as_its_default(house: House) -> None:
    """The device shows no value once a request was taken back."""
    house.driver.deaf = True

    assert (await house.write("request_cooling", -1)).outcome == "written"
    assert outcome(house) is Outcome.VERIFIED
