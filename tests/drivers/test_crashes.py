"""A register that crashes the link is found, and a machine that is off is blamed for nothing."""

import pytest

from custom_components.heat_pump_hub.drivers.blocks import BlockReader
from custom_components.heat_pump_hub.drivers.driver import DriverError
from custom_components.heat_pump_hub.drivers.link import Link
from custom_components.heat_pump_hub.drivers.points import Failure

from .scripted import ScriptedServer
from .test_blocks import KEYS, Clock, reader

pytestmark = pytest.mark.usefixtures("socket_enabled")

MOST_POLLS = 12
"""1 to suspect, 3 to be sure, 4 to halve ten registers, and some where only half was read."""


def crash_at(server: ScriptedServer, *addresses: int) -> None:
    """Let the device drop the link when one of these is read."""
    server.answer = lambda _, first, count: any(
        first <= address < first + count for address in addresses
    )


async def poll(link: Link, blocks: BlockReader) -> tuple[set[str], dict[str, Failure]]:
    """Poll once; nothing at all is nothing."""
    try:
        async with link.session():
            reading = await blocks.read(KEYS)
    except DriverError:
        return set(), {}
    return set(reading.values), reading.failed


@pytest.fixture
def blocks(link: Link) -> BlockReader:
    """Return a reader of two blocks, 0 to 4 and 5 to 9."""
    blocks = reader(link, Clock())
    blocks.refusals.split(5)
    return blocks


@pytest.mark.parametrize("address", range(10))
async def test_a_crashing_register_is_found_and_left_out(
    server: ScriptedServer, link: Link, blocks: BlockReader, address: int
) -> None:
    """Wherever it is, even in the first read of a poll; the other reads go on meanwhile."""
    crash_at(server, address)
    others = {f"r{at}" for at in (range(5) if address >= 5 else range(5, 10))}
    for number in range(MOST_POLLS):
        read, _ = await poll(link, blocks)
        if number:
            assert read >= others
    assert set(blocks.refusals.quarantine) == {address}
    assert blocks.refusals.to_json()["crashing"] == [address]
    connections = server.connections
    read, failed = await poll(link, blocks)
    assert (read, failed) == (KEYS - {f"r{address}"}, {f"r{address}": Failure.REFUSED})
    assert server.connections == connections
    assert blocks.crashes.suspects == []


async def test_one_connection_attempt_a_poll_while_it_is_searched(
    server: ScriptedServer, link: Link, blocks: BlockReader
) -> None:
    crash_at(server, 7)
    for _ in range(MOST_POLLS):
        before = server.connections
        await poll(link, blocks)
        assert server.connections - before <= 1


async def test_two_crashing_registers_are_both_found(
    server: ScriptedServer, link: Link, blocks: BlockReader
) -> None:
    crash_at(server, 2, 8)
    for _ in range(2 * MOST_POLLS):
        await poll(link, blocks)
    assert set(blocks.refusals.quarantine) == {2, 8}
    assert (await poll(link, blocks))[0] == KEYS - {"r2", "r8"}


async def test_it_is_tried_again_each_hour_and_comes_back(
    server: ScriptedServer, link: Link
) -> None:
    """After an update of the firmware, say; until then an hour costs one drop at the end."""
    clock = Clock()
    blocks = reader(link, clock)
    blocks.refusals.split(5)
    crash_at(server, 7)
    for _ in range(MOST_POLLS):
        await poll(link, blocks)
    clock.turn(hours=1)
    read, failed = await poll(link, blocks)
    assert read == KEYS - {"r7"}
    assert set(failed) == {"r7"}
    assert set(blocks.refusals.quarantine) == {7}
    server.answer = lambda *_: False
    blocks = reader(link, clock, blocks.refusals.to_json())
    assert (await poll(link, blocks))[0] == KEYS - {"r7"}
    clock.turn(hours=1)
    assert await poll(link, blocks) == (set(KEYS), {})
    assert "crashing" not in blocks.refusals.to_json()


async def test_a_length_that_crashes_is_split_for_good(server: ScriptedServer, link: Link) -> None:
    """Each half answers alone, so no register is to blame."""
    blocks = reader(link, Clock())
    blocks.refusals.split(9)
    server.answer = lambda _, __, count: count > 6
    for _ in range(3 * MOST_POLLS):
        await poll(link, blocks)
    assert blocks.refusals.quarantine == {}
    assert await poll(link, blocks) == (set(KEYS), {})


async def test_a_link_that_drops_at_random_is_held_against_no_register(
    server: ScriptedServer, link: Link, blocks: BlockReader
) -> None:
    """A read that is answered once is acquitted."""
    drops = iter([True, False, False, True, True, False, True] * 20)
    server.answer = lambda *_: next(drops)
    for _ in range(15):
        await poll(link, blocks)
    assert blocks.refusals.quarantine == {}
    server.answer = lambda *_: False
    await poll(link, blocks)
    assert await poll(link, blocks) == (set(KEYS), {})
    assert blocks.crashes.suspects == []


async def test_a_machine_that_drops_everything_or_is_off_is_blamed_on_no_register(
    server: ScriptedServer, link: Link, blocks: BlockReader
) -> None:
    await poll(link, blocks)
    server.answer = lambda *_: True
    for _ in range(MOST_POLLS):
        assert await poll(link, blocks) == (set(), {})
    assert blocks.refusals.quarantine == {}
    await server.stop()
    for _ in range(MOST_POLLS):
        assert await poll(link, blocks) == (set(), {})
    assert blocks.refusals.quarantine == {}
    assert blocks.refusals.strikes == {}


async def test_time_outs_are_no_crashes(
    server: ScriptedServer, link: Link, blocks: BlockReader
) -> None:
    server.answer = lambda _, first, __: None if first == 5 else False
    for _ in range(5):
        await poll(link, blocks)
    assert blocks.crashes.suspects == []
    assert blocks.refusals.quarantine == {}
