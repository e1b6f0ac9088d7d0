"""What a poll makes of answers that are no values, on a real socket."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from custom_components.heat_pump_hub.drivers.blocks import BlockReader, Reading
from custom_components.heat_pump_hub.drivers.derived import follow
from custom_components.heat_pump_hub.drivers.driver import (
    Address,
    LinkError,
    LinkLostError,
    RefusedError,
)
from custom_components.heat_pump_hub.drivers.link import Link, Wire
from custom_components.heat_pump_hub.drivers.modbus import Codec, Register
from custom_components.heat_pump_hub.drivers.points import Failure, Kind, Point, Quantity

from .scripted import ScriptedServer, exception

pytestmark = pytest.mark.usefixtures("socket_enabled")


def register(address: int, **changes: object) -> Register:
    """Return a plain number register ``r<address>``."""
    point = Point(key=f"r{address}", name="r", quantity=Quantity.COUNT, kind=Kind.ANALOG)
    return Register(point=point, address=address, codec=Codec.UINT16, **changes)  # type: ignore[arg-type]


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    """Return a device that answers 0 to 59, each with its own address."""
    server = ScriptedServer({address: address for address in range(60)})
    await server.start()
    yield server
    await server.stop()


async def poll(link: Link, registers: list[Register], defined: int = 0) -> tuple[Reading, object]:
    """Read registers that stand apart, each in a request of its own."""
    reader = BlockReader(link, registers, defined=frozenset(range(defined)), anchor="r0")
    async with link.session():
        reading = await reader.read(frozenset(r.point.key for r in registers))
    return reading, reader.refusals.to_json()


@pytest.mark.parametrize("code", [1, 3, 4])
async def test_other_refusals_cost_their_block_and_are_held_against_nobody(
    server: ScriptedServer, link: Link, code: int
) -> None:
    """Only "no such address" says something about an address."""
    server.answer = lambda function, address, _: (
        exception(function, code) if address == 2 else False
    )
    reading, learned = await poll(link, [register(0), register(2), register(4)])
    assert reading.values == {"r0": 0, "r4": 4}
    assert reading.failed == {"r2": Failure.REFUSED}
    assert learned == {"splits": [], "seen": [], "quarantine": [], "strikes": []}


async def test_a_device_without_that_function_says_so(server: ScriptedServer, link: Link) -> None:
    """Nothing was read, and the code is kept."""
    server.answer = lambda function, *_: exception(function, 1)
    with pytest.raises(RefusedError) as refused:
        await poll(link, [register(0), register(2)])
    assert refused.value.code == 1


@pytest.mark.parametrize(
    ("second", "why"), [(None, Failure.NO_ANSWER), (b"\x84\x06", Failure.IMPLAUSIBLE)]
)
async def test_a_second_look_that_fails(
    server: ScriptedServer, link: Link, second: bytes | None, why: Failure
) -> None:
    """What cannot be looked at again is not shown."""
    server.answer = lambda _, address, __: (
        second if address == 2 and len(server.requests) > 3 else False
    )
    registers = [register(0), register(2, plausible=(0, 1)), register(4)]
    reading, _ = await poll(link, registers)
    assert reading.values == {"r0": 0, "r4": 4}
    assert reading.failed == {"r2": why}


async def test_only_a_few_values_are_looked_at_twice(server: ScriptedServer, link: Link) -> None:
    """A device that sends nonsense is not asked for all of it again."""
    wrong = [register(address, plausible=(0, 1)) for address in range(2, 40, 2)]
    reading, _ = await poll(link, [register(0), *wrong], defined=60)
    assert set(reading.failed.values()) == {Failure.IMPLAUSIBLE}
    assert len(reading.failed) == len(wrong)
    assert len(server.requests) == 1 + 8


@pytest.mark.parametrize("pdu", [b"\x04", b"\x04\x08\x00"])
async def test_an_answer_that_cannot_be_decoded_ends_the_link(
    server: ScriptedServer, link: Link, pdu: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """No traceback, no hang, and the next poll is whole."""
    server.answer = lambda *_: pdu
    with pytest.raises(LinkError):
        await poll(link, [register(0)])
    await asyncio.sleep(0.05)
    assert server.open == 0
    server.answer = lambda *_: False
    assert (await poll(link, [register(0)]))[0].values == {"r0": 0}
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_closed_link_stays_closed(server: ScriptedServer, link: Link) -> None:
    """Closing twice does no harm."""
    await poll(link, [register(0)])
    await link.close()
    await link.close()
    with pytest.raises(LinkLostError):
        await poll(link, [register(0)])
    assert server.connections == 1


async def test_a_pause_before_each_request(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the family asks for, and before every one but the first."""
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def counted(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    address = Address(host="127.0.0.1", port=server.port)
    link = Link(address, Wire(spacing=30.0), timeout=0.3)
    await poll(link, [register(0)])
    monkeypatch.setattr("modbus_connection._pacing.asyncio.sleep", counted)
    await poll(link, [register(0), register(2), register(4)])
    monkeypatch.undo()
    waited = [pause for pause in pauses if pause > 1]
    assert len(waited) == 3
    assert all(pause <= 30.0 for pause in waited)
    await link.close()


def test_a_value_that_follows_from_nothing_is_nothing() -> None:
    """Neither a value nor a failure where the sources are absent or say nothing."""
    reading = Reading(values={"a": 1.0}, failed={"b": Failure.BUSY})
    follow(reading, "x", ("a",), lambda a: a + 1)
    follow(reading, "y", ("a", "b"), lambda a, b: a + b)
    follow(reading, "z", ("a",), lambda _: None)
    follow(reading, "w", ("c",), lambda c: c)
    assert reading.values == {"a": 1.0, "x": 2.0}
    assert reading.failed == {"b": Failure.BUSY, "y": Failure.BUSY}
