"""Block reads learn what a device refuses, on a real socket."""

from datetime import UTC, datetime, timedelta

from hypothesis import example, given, strategies as st
import pytest

from custom_components.heat_pump_hub.drivers.blocks import BlockReader, plan
from custom_components.heat_pump_hub.drivers.driver import (
    Address,
    BusyError,
    LinkLostError,
    LinkRefusedError,
    NoAnswerError,
    RefusedError,
)
from custom_components.heat_pump_hub.drivers.link import Link
from custom_components.heat_pump_hub.drivers.modbus import Codec, Register
from custom_components.heat_pump_hub.drivers.points import Failure, Kind, Point, Quantity, Tier
from custom_components.heat_pump_hub.drivers.refusals import Refusals

from .scripted import ScriptedServer, exception

pytestmark = pytest.mark.usefixtures("socket_enabled")


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        """Start on a winter morning."""
        self.now = datetime(2026, 1, 15, 6, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def turn(self, **by: float) -> None:
        """Let time pass."""
        self.now += timedelta(**by)


def register(address: int, **changes: object) -> Register:
    """Return a plain number register ``r<address>``."""
    point = Point(
        key=f"r{address}",
        name="r",
        quantity=Quantity.COUNT,
        kind=Kind.ANALOG,
        tier=Tier.MEASUREMENT,
        decimals=0,
    )
    return Register(point=point, address=address, codec=Codec.UINT16, **changes)  # type: ignore[arg-type]


@pytest.fixture
def clock() -> Clock:
    """Return a clock that a test turns."""
    return Clock()


KEYS = frozenset(f"r{address}" for address in range(10))


def reader(link: Link, clock: Clock, learned: object = None, **changes: object) -> BlockReader:
    """Return a reader of the registers 0 to 9."""
    return BlockReader(
        link,
        [register(address) for address in range(10)],
        defined=frozenset(range(40)),
        anchor="r0",
        learned=learned,  # type: ignore[arg-type]
        now=clock,
        **changes,  # type: ignore[arg-type]
    )


async def poll(link: Link, blocks: BlockReader) -> tuple[set[str], dict[str, Failure]]:
    """Poll once; return what was read and what failed."""
    async with link.session():
        reading = await blocks.read(KEYS)
    return set(reading.values), reading.failed


async def test_one_request_reads_a_run(server: ScriptedServer, link: Link, clock: Clock) -> None:
    """Neighbours share a request, and values land where they belong."""
    blocks = reader(link, clock)
    async with link.session():
        reading = await blocks.read(KEYS)
    assert server.requests == [(4, 0, 10)]
    assert reading.values == {f"r{address}": address for address in range(10)}


async def test_a_refused_register_is_found_and_hides_nothing(
    server: ScriptedServer, link: Link, clock: Clock
) -> None:
    """Bisection finds it; the rest of the block is read in the same poll."""
    server.refused = {7}
    blocks = reader(link, clock)
    read, failed = await poll(link, blocks)
    assert read == KEYS - {"r7"}
    assert failed == {"r7": Failure.REFUSED}
    server.requests.clear()
    await poll(link, blocks)
    # from then on it has a request of its own, and no bisection is needed
    assert sorted(server.requests) == [(4, 0, 7), (4, 7, 1), (4, 8, 2)]


async def test_quarantine_takes_three_strikes_ten_minutes_apart(
    server: ScriptedServer, link: Link, clock: Clock
) -> None:
    """Polls in quick succession count once; the third strike ends the asking."""
    server.refused = {7}
    blocks = reader(link, clock)
    for _ in range(5):
        await poll(link, blocks)
        clock.turn(seconds=30)
    assert blocks.refusals.quarantine == {}
    for _ in range(2):
        clock.turn(minutes=10)
        await poll(link, blocks)
    assert set(blocks.refusals.quarantine) == {7}
    server.requests.clear()
    _, failed = await poll(link, blocks)
    assert (4, 7, 1) not in server.requests
    assert failed == {"r7": Failure.REFUSED}


async def test_a_quarantined_register_is_tried_each_hour_and_comes_back(
    server: ScriptedServer, link: Link, clock: Clock
) -> None:
    """One is tried an hour; when it answers it is read like the others again."""
    server.refused = {7}
    blocks = reader(link, clock)
    for _ in range(3):
        await poll(link, blocks)
        clock.turn(minutes=10)
    restored = reader(link, clock, blocks.refusals.to_json())
    assert set(restored.refusals.quarantine) == {7}
    server.refused = set()
    server.requests.clear()
    await poll(link, restored)
    assert (4, 7, 1) not in server.requests
    clock.turn(hours=1)
    read, failed = await poll(link, restored)
    assert read == KEYS
    assert failed == {}
    server.requests.clear()
    await poll(link, restored)
    assert server.requests == [(4, 0, 10)]


async def test_a_transient_refusal_is_forgotten(
    server: ScriptedServer, link: Link, clock: Clock
) -> None:
    """A register that answers again loses its strikes."""
    server.refused = {3}
    blocks = reader(link, clock)
    await poll(link, blocks)
    server.refused = set()
    assert await poll(link, blocks) == (set(KEYS), {})
    assert blocks.refusals.strikes == {}


async def test_a_device_that_refuses_all_is_held_against_no_register(
    server: ScriptedServer, link: Link, clock: Clock
) -> None:
    """A controller that boots costs two requests and no strike."""
    server.refused = set(range(40))
    blocks = reader(link, clock)
    for _ in range(4):
        with pytest.raises(RefusedError):
            await poll(link, blocks)
        clock.turn(minutes=15)
    assert len(server.requests) == 8
    assert blocks.refusals.to_json()["strikes"] == []
    server.refused = set()
    assert await poll(link, blocks) == (set(KEYS), {})


async def test_a_device_that_starts_to_refuse_midway_is_not_blamed_on_registers(
    server: ScriptedServer, link: Link, clock: Clock
) -> None:
    """What was read stays; the rest is refused for this poll only."""
    blocks = reader(link, clock)
    blocks.refusals.split(3)
    blocks.refusals.split(6)
    server.answer = lambda function, *_: (
        exception(function, 2) if len(server.requests) > 1 else False
    )
    read, failed = await poll(link, blocks)
    assert read == {"r0", "r1", "r2"}
    assert set(failed) == KEYS - read
    assert blocks.refusals.strikes == {}


async def test_a_length_limit_is_learned(server: ScriptedServer, link: Link, clock: Clock) -> None:
    """Halves that answer show that the length was refused: the split is remembered."""
    server.longest = 6
    blocks = reader(link, clock)
    assert await poll(link, blocks) == (set(KEYS), {})
    again = reader(link, clock, blocks.refusals.to_json())
    server.requests.clear()
    assert await poll(link, again) == (set(KEYS), {})
    assert server.requests == [(4, 0, 5), (4, 5, 5)]
    assert again.refusals.strikes == {}


async def test_busy_is_never_held_against_a_register(
    server: ScriptedServer, link: Link, clock: Clock
) -> None:
    """Exceptions 5, 6, 10 and 11 end the poll after two requests."""
    blocks = reader(link, clock)
    blocks.refusals.split(5)
    for code in (5, 6, 10, 11):
        server.requests.clear()
        server.answer = lambda function, *_, code=code: exception(function, code)
        with pytest.raises(BusyError):
            await poll(link, blocks)
        assert len(server.requests) == 2
    assert blocks.refusals.strikes == {}


async def test_a_single_busy_answer_costs_only_its_block(
    server: ScriptedServer, link: Link, clock: Clock
) -> None:
    """The other blocks of the poll are read."""
    blocks = reader(link, clock)
    blocks.refusals.split(5)
    server.answer = lambda function, address, _: exception(function, 6) if address == 0 else False
    read, failed = await poll(link, blocks)
    assert read == {f"r{address}" for address in range(5, 10)}
    assert set(failed.values()) == {Failure.BUSY}


async def test_silence_ends_the_poll_and_closes_the_link(
    server: ScriptedServer, link: Link, clock: Clock
) -> None:
    """A time-out is not tried again in the same poll, and never quarantines."""
    blocks = reader(link, clock)
    server.answer = lambda *_: None
    with pytest.raises(NoAnswerError):
        await poll(link, blocks)
    assert len(server.requests) == 1
    server.answer = lambda *_: False
    assert await poll(link, blocks) == (set(KEYS), {})
    assert server.connections == 2
    assert server.open == 1
    assert blocks.refusals.to_json()["strikes"] == []


async def test_silence_midway_keeps_what_was_read(
    server: ScriptedServer, link: Link, clock: Clock
) -> None:
    """The rest is marked as not answered."""
    blocks = reader(link, clock)
    blocks.refusals.split(5)
    server.answer = lambda _, address, __: None if address == 5 else False
    read, failed = await poll(link, blocks)
    assert read == {f"r{address}" for address in range(5)}
    assert failed == {f"r{address}": Failure.NO_ANSWER for address in range(5, 10)}


async def test_a_dropped_link_is_opened_once_more_in_the_same_poll(
    server: ScriptedServer, link: Link, clock: Clock
) -> None:
    """A drop between two polls is healed without losing one."""
    blocks = reader(link, clock)
    await poll(link, blocks)
    dropped: list[int] = []

    def drop_once(*_: int) -> bool:
        dropped.append(1)
        return len(dropped) == 1

    server.answer = drop_once
    assert await poll(link, blocks) == (set(KEYS), {})
    assert server.connections == 2


async def test_only_one_connection_attempt_a_poll(
    server: ScriptedServer, link: Link, clock: Clock
) -> None:
    """A device that drops every request sees one connection a poll."""
    blocks = reader(link, clock)
    server.answer = lambda *_: True
    for attempt in range(1, 4):
        with pytest.raises(LinkLostError):
            await poll(link, blocks)
        assert server.connections == attempt


async def test_nobody_listening_is_refused(clock: Clock) -> None:
    """A closed port says so."""
    gone = ScriptedServer({})
    port = await gone.start()
    await gone.stop()
    link = Link(Address(host="127.0.0.1", port=port), timeout=0.3)
    with pytest.raises(LinkRefusedError):
        await poll(link, reader(link, clock))
    assert link.traffic.connects == 1
    await link.close()


async def test_what_physics_forbids_is_read_again(
    server: ScriptedServer, link: Link, clock: Clock
) -> None:
    """A value that is right the second time counts, one that stays wrong does not."""
    strange = [register(address, plausible=(0, 100)) for address in (2, 4)]
    blocks = BlockReader(
        link, [register(0), *strange], defined=frozenset(range(40)), anchor="r0", now=clock
    )
    server.registers[2] = server.registers[4] = 999

    def heal(_: int, address: int, __: int) -> bool:
        if address == 2:
            server.registers[2] = 50
        return False

    server.answer = heal
    async with link.session():
        reading = await blocks.read(frozenset({"r0", "r2", "r4"}))
    assert reading.values == {"r0": 0, "r2": 50}
    assert reading.failed == {"r4": Failure.IMPLAUSIBLE}


async def test_what_stays_forbidden_is_read_again_once_and_not_in_every_poll(
    server: ScriptedServer, link: Link, clock: Clock
) -> None:
    """Until a block read allows it; then a doubt is looked into again."""
    strange = register(2, plausible=(0, 100))
    blocks = BlockReader(
        link, [register(0), strange], defined=frozenset(range(40)), anchor="r0", now=clock
    )
    wanted = frozenset({"r0", "r2"})

    async def requests(value: int) -> int:
        server.registers[2] = value
        server.requests.clear()
        async with link.session():
            await blocks.read(wanted)
        return len(server.requests)

    assert [await requests(value) for value in (999, 999, 50, 999, 999)] == [2, 1, 1, 2, 1]


async def test_one_value_that_physics_forbids_is_read_again(
    server: ScriptedServer, link: Link, clock: Clock
) -> None:
    """As a read-back needs it."""
    blocks = BlockReader(
        link, [register(0), register(2, plausible=(0, 100))],
        defined=frozenset(range(40)), anchor="r0", now=clock,
    )  # fmt: skip
    server.registers[2] = 999

    def heal(*_: int) -> bool:
        server.registers[2] = 999 if len(server.requests) == 1 else 50
        return False

    server.answer = heal
    async with link.session():
        assert await blocks.read_one("r2") == 50


ADDRESSES = st.lists(st.integers(0, 200), min_size=1, max_size=60, unique=True)


@given(
    ADDRESSES,
    st.frozensets(st.integers(0, 200)),
    st.integers(1, 125),
    st.frozensets(st.integers(0, 200), max_size=5),
    st.frozensets(st.integers(0, 200), max_size=5),
)
@example([171, 173], frozenset({172}), 3, frozenset(), frozenset({171, 173}))
def test_a_plan_reads_everything_once_and_nothing_undefined(
    addresses: list[int],
    defined: frozenset[int],
    span: int,
    splits: frozenset[int],
    barrier: frozenset[int],
) -> None:
    """Each register is in one block; gaps are defined; limits hold."""
    defined |= frozenset(addresses)
    blocks = plan(
        [register(address) for address in addresses],
        defined,
        max_span=span,
        splits=splits,
        barrier=barrier,
    )
    read = [r.address for block in blocks for r in block.registers]
    assert sorted(read) == sorted(addresses)
    assert len(read) == len(set(read))
    for block in blocks:
        covered = range(block.start, block.start + block.count)
        assert block.count <= max(span, 1)
        assert set(covered) <= defined
        assert not (set(covered) - {block.start}) & splits & set(addresses)
        own = {r.address for r in block.registers}
        assert own <= barrier or not own & barrier
        assert not (set(covered) - own) & barrier


def test_a_register_that_stands_alone_has_a_block_of_its_own() -> None:
    """Neighbours of an overlap never share its request."""
    blocks = plan(
        [register(1), register(2, alone=True), register(3)], frozenset(range(9)), max_span=40
    )
    assert [(block.start, block.count) for block in blocks] == [(1, 1), (2, 1), (3, 1)]


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists))
def test_damaged_memory_costs_only_itself(garbage: object) -> None:
    """Whatever was saved, a reader starts."""
    good = {"splits": [5, garbage], "seen": ["r1", garbage], "strikes": [garbage]}
    good["quarantine"] = [[7, "2026-01-01T00:00:00+00:00"], garbage]
    refusals = Refusals(good, Clock())
    assert 5 in refusals.splits
    assert "r1" in refusals.seen
    assert 7 in refusals.quarantine
    assert Refusals(refusals.to_json(), Clock()).to_json() == refusals.to_json()
