"""Inputs that lapse are kept alive while in use, and made safe on stop."""

import asyncio

import pytest

from custom_components.heat_pump_hub.control import (
    CooldownError,
    CyclicInputs,
    NotReadError,
    NotWritableError,
    Origin,
    Outcome,
    UnknownPointError,
    UnverifiedError,
    WriteRefusedError,
)
from custom_components.heat_pump_hub.drivers.driver import NoAnswerError, RefusedError
from custom_components.heat_pump_hub.drivers.points import Value

from .fakes import House, settle


@pytest.fixture
def inputs(house: House) -> CyclicInputs:
    inputs = CyclicInputs(house.guard)
    for key in ("pv_surplus", "request_cooling", "no_default"):
        inputs.register(key)
    return inputs


async def test_nothing_is_written_on_start_refresh_or_stop(
    house: House, inputs: CyclicInputs
) -> None:
    house.driver.show("pv_surplus", 4000.0)
    house.clock.advance(3600)

    assert await inputs.refresh() == {}
    assert await inputs.stop() == {}
    assert house.driver.sent == []


async def test_what_was_fed_is_written_again_before_it_lapses(
    house: House, inputs: CyclicInputs
) -> None:
    await house.write("pv_surplus", 500)
    house.clock.advance(298)
    await inputs.refresh()
    assert len(house.driver.sent) == 1
    house.clock.advance(1)
    await inputs.refresh()
    await inputs.refresh()

    assert house.driver.sent == [("pv_surplus", 500)] * 2
    assert house.guard.ledger.entries[-1].asked_by.origin is Origin.REFRESH
    house.clock.advance(299)
    await inputs.refresh()
    assert len(house.driver.sent) == 3
    assert house.guard.ledger.entries[-1].count == 2


async def test_an_input_that_is_not_switched_on_is_left_alone(
    house: House,
) -> None:
    inputs = CyclicInputs(house.guard)
    inputs.register("request_cooling")
    assert inputs.keys == {"request_cooling"}
    await house.write("pv_surplus", 500)
    house.clock.advance(600)
    await inputs.refresh()
    await inputs.stop()

    assert len(house.driver.sent) == 1


async def test_only_cyclic_points_can_be_switched_on(inputs: CyclicInputs) -> None:
    for key in ("dhw_setpoint", "boost", "unknown_wear", "outdoor_temperature"):
        with pytest.raises(NotWritableError):
            inputs.register(key)
    with pytest.raises(UnknownPointError):
        inputs.register("no_such_point")


async def test_stop_writes_the_safe_value_of_what_was_fed(
    house: House, inputs: CyclicInputs
) -> None:
    await house.write("pv_surplus", 500)
    await house.write("request_cooling", 20)
    await house.write("no_default", 20)
    await house.write("dhw_setpoint", 48)
    before = len(house.driver.sent)
    reads = len(house.driver.reads)

    assert await inputs.stop() == {}

    assert sorted(house.driver.sent[before:]) == [("pv_surplus", 0.0), ("request_cooling", -1.0)]
    assert len(house.driver.reads) == reads
    entry = house.guard.ledger.entries[-1]
    assert (entry.asked_by.origin, entry.outcome) == (Origin.STOP, Outcome.SENT)
    await inputs.stop()
    assert len(house.driver.sent) == before + 2


async def test_one_input_can_be_made_safe_when_its_source_is_lost(
    house: House, inputs: CyclicInputs
) -> None:
    await house.write("pv_surplus", 500)
    await house.write("request_cooling", 20)

    await inputs.stop(["pv_surplus"])

    assert house.driver.sent[2:] == [("pv_surplus", 0.0)]
    assert list(house.guard.fed) == ["request_cooling"]


async def test_a_request_taken_back_is_not_refreshed(house: House, inputs: CyclicInputs) -> None:
    await house.write("pv_surplus", 500)
    await house.write("pv_surplus", 0)
    house.clock.advance(600)
    await inputs.refresh()
    await inputs.stop()

    assert len(house.driver.sent) == 2


async def test_a_refresh_that_fails_is_tried_again(house: House, inputs: CyclicInputs) -> None:
    await house.write("pv_surplus", 500)
    await house.write("request_cooling", 20)
    house.clock.advance(600)
    house.driver.read_errors = [NoAnswerError("silent")]

    failed = await inputs.refresh()

    assert list(failed) == ["pv_surplus"]
    assert isinstance(failed["pv_surplus"], NotReadError)
    assert house.driver.sent[2:] == [("request_cooling", 20)]
    assert await inputs.refresh() == {}
    assert house.driver.sent[3:] == [("pv_surplus", 500)]


async def test_a_refused_value_leaves_the_one_before_in_force(
    house: House, inputs: CyclicInputs
) -> None:
    await house.write("pv_surplus", 500)
    house.driver.write_error = RefusedError("no", 3)
    with pytest.raises(WriteRefusedError):
        await house.write("pv_surplus", 900)
    assert house.guard.fed["pv_surplus"].value == 500
    with pytest.raises(WriteRefusedError):
        await house.write("request_cooling", 20)
    assert "request_cooling" not in house.guard.fed

    assert isinstance((await inputs.stop())["pv_surplus"], WriteRefusedError)
    house.driver.write_error = None
    await inputs.stop()
    assert house.driver.sent[-1] == ("pv_surplus", 0.0)


async def test_a_stop_that_may_be_lost_is_an_error_and_can_be_repeated(
    house: House, inputs: CyclicInputs
) -> None:
    await house.write("pv_surplus", 500)
    house.driver.write_error = NoAnswerError("silent")

    assert isinstance((await inputs.stop())["pv_surplus"], UnverifiedError)
    house.driver.write_error = None
    assert await inputs.stop() == {}
    assert house.driver.sent[-2:] == [("pv_surplus", 0.0)] * 2


async def test_a_refresh_writes_what_was_asked_while_it_waited(
    house: House, inputs: CyclicInputs
) -> None:
    await house.write("pv_surplus", 500)
    house.clock.advance(600)
    asked = asyncio.create_task(house.write("pv_surplus", 900))
    refreshed = asyncio.create_task(house.guard.refresh("pv_surplus"))
    await asyncio.gather(asked, refreshed)

    assert [value for _, value in house.driver.sent] == [500, 900, 900]


async def test_an_input_fed_again_while_its_default_is_read_back_stays_in_force(
    house: House, inputs: CyclicInputs
) -> None:
    await house.write("pv_surplus", 500)
    house.driver.delay = 5
    house.clock.stopped = True
    taken_back = asyncio.create_task(house.write("pv_surplus", 0))
    await settle()
    fed = asyncio.create_task(house.write("pv_surplus", 900))
    await settle()
    house.clock.stopped = False
    await asyncio.gather(taken_back, fed)

    assert house.guard.fed["pv_surplus"].value == 900


async def test_an_input_fed_again_during_the_last_read_of_its_default_stays_in_force(
    house: House, inputs: CyclicInputs
) -> None:
    read_point = house.driver.read_point
    others: list[asyncio.Task[object]] = []

    async def overtaken(key: str) -> Value | None:
        value = await read_point(key)
        if len(house.driver.reads) == 2:
            others.append(asyncio.create_task(house.write("pv_surplus", 900)))
            await settle()
        return value

    house.driver.read_point = overtaken
    await house.write("pv_surplus", 0)
    await others[0]

    assert house.guard.ledger.entries[0].outcome is Outcome.VERIFIED
    assert house.guard.fed["pv_surplus"].value == 900


async def test_nothing_is_refreshed_once_control_is_switched_off(
    house: House, inputs: CyclicInputs
) -> None:
    await house.write("pv_surplus", 500)
    house.clock.advance(600)
    house.guard.allow_control = False
    assert await inputs.refresh() == {}
    assert len(house.driver.sent) == 1
    await inputs.stop()
    assert house.driver.sent[1:] == [("pv_surplus", 0.0)]


async def test_there_is_nothing_to_refresh_in_an_input_that_was_not_fed(house: House) -> None:
    assert await house.guard.refresh("pv_surplus") is None
    with pytest.raises(UnknownPointError):
        await house.guard.refresh("no_such_point")
    assert house.driver.sent == []


async def test_settings_keep_their_cooldown_whatever_the_inputs_do(
    house: House, inputs: CyclicInputs
) -> None:
    await house.write("dhw_setpoint", 48)
    await house.write("pv_surplus", 500)
    with pytest.raises(CooldownError):
        await house.write("dhw_setpoint", 50)
