"""Frames are read exactly; whatever else comes in ends the connection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
import contextlib
import socket
import struct

from hypothesis import HealthCheck, given, settings, strategies as st
import pytest

from custom_components.heat_pump_hub.drivers.driver import (
    Address,
    BusyError,
    DriverError,
    LinkLostError,
    LinkRefusedError,
    NameNotFoundError,
    NoAnswerError,
    WrongProtocolError,
)
from custom_components.heat_pump_hub.drivers.luxtronik.protocol import (
    MOST_VALUES,
    Command,
    Link,
    Reply,
)

READS = [Command.PARAMETERS, Command.CALCULATIONS, Command.VISIBILITIES]


def answer(command: Command, values: list[int], *, status: int = 0) -> bytes:
    """Return an answer as the notes lay it out."""
    head = struct.pack(">i", command)
    if command is Command.CALCULATIONS:
        head += struct.pack(">i", status)
    kind = "b" if command is Command.VISIBILITIES else "i"
    return head + struct.pack(f">i{len(values)}{kind}", len(values), *values)


def test_the_requests_of_the_notes() -> None:
    """The worked examples: a read of parameters, and 50.0 °C into parameter 2."""
    assert struct.pack(">ii", Command.PARAMETERS, 0) == bytes.fromhex("00000bbb00000000")
    assert struct.pack(">iii", Command.WRITE, 2, 500) == bytes.fromhex("00000bba00000002000001f4")


@given(
    st.sampled_from(READS),
    st.lists(st.integers(-128, 127), min_size=1, max_size=300),
    st.integers(-(2**31), 2**31 - 1),
    st.lists(st.integers(1, 200)),
)
def test_an_answer_in_any_pieces(
    command: Command, values: list[int], status: int, cuts: list[int]
) -> None:
    """It is whole with its last byte, never before, and comes out as it went in."""
    data = answer(command, values, status=status)
    reply = Reply(command)
    for cut in cuts:
        piece, rest = data[:cut], data[cut:]
        if not rest:
            break
        assert reply.feed(piece) is False
        data = rest
    assert reply.feed(data) is True
    assert reply.values() == tuple(values)


@pytest.mark.parametrize("command", READS)
@pytest.mark.parametrize("count", [-1, -(2**31), MOST_VALUES + 1, 2**31 - 1])
def test_a_length_that_cannot_be(command: Command, count: int) -> None:
    """Nothing is awaited, and no memory taken, for a length no controller has."""
    head = answer(command, [1])[:-4] if command is not Command.VISIBILITIES else None
    head = head or answer(command, [1])[:-1]
    with pytest.raises(WrongProtocolError, match="cannot have"):
        Reply(command).feed(head[:-4] + struct.pack(">i", count))


@pytest.mark.parametrize("command", READS)
def test_no_values_yet(command: Command) -> None:
    """A controller that boots has none: it is busy, not wrong."""
    with pytest.raises(BusyError):
        Reply(command).feed(answer(command, []))


@pytest.mark.parametrize("command", list(Command))
def test_bytes_too_many(command: Command) -> None:
    """An answer with a tail is not the answer that was awaited."""
    whole = (
        struct.pack(">ii", command, 5) if command is Command.WRITE else answer(command, [1, 2, 3])
    )
    with pytest.raises(WrongProtocolError, match="too many"):
        Reply(command).feed(whole + b"\0")


@given(st.sampled_from(list(Command)), st.lists(st.binary(max_size=64), max_size=40))
def test_any_bytes_raise_nothing_but_ours(command: Command, pieces: list[bytes]) -> None:
    """Garbage is refused by its first wrong byte, or is an answer."""
    reply = Reply(command)
    expected = int(command).to_bytes(4, "big")
    fed = b""
    try:
        for piece in pieces:
            fed += piece
            if reply.feed(piece):
                break
        else:
            assert fed[:4] == expected[: len(fed)]
            return
    except DriverError:
        return
    assert fed[:4] == expected
    assert all(isinstance(value, int) for value in reply.values())


@given(
    st.sampled_from(list(Command)),
    st.integers(-(2**31), 2**31 - 1),
    st.lists(st.binary(max_size=4096), max_size=40),
)
def test_memory_is_bounded(command: Command, count: int, pieces: list[bytes]) -> None:
    """Whatever length an answer names, no more is kept than a whole one and the last piece."""
    head = struct.pack(">i", command) + (b"\0" * 4 if command is Command.CALCULATIONS else b"")
    reply = Reply(command)
    longest = 12 + 4 * MOST_VALUES
    try:
        for piece in (head + struct.pack(">i", count), *pieces):
            whole = reply.feed(piece)
            assert len(reply._data) <= longest
            if whole:
                break
    except DriverError:
        assert len(reply._data) <= longest + 4096


@given(st.sampled_from(READS), st.binary(min_size=4, max_size=64))
def test_a_plausible_start_and_then_anything(command: Command, tail: bytes) -> None:
    """With the right echo it still ends in values or an error of ours."""
    reply = Reply(command)
    with contextlib.suppress(DriverError):
        if reply.feed(int(command).to_bytes(4, "big") + tail):
            assert reply.values()


# -- on a socket ---------------------------------------------------------------------

type Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Scripted:
    """A server that does with each connection what a test says."""

    def __init__(self) -> None:
        """Start with a server that says nothing."""
        self.script: Script = self._nothing
        self.connections = 0
        self.requests: list[bytes] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def _nothing(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        while await reader.read(100):
            pass

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self.script(reader, writer)
        except OSError, asyncio.IncompleteReadError:
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def always(self, *pieces: bytes, pause: float = 0.0) -> None:
        """Answer every request with these pieces."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                request = await reader.readexactly(8)
                if request.startswith(int(Command.WRITE).to_bytes(4, "big")):
                    request += await reader.readexactly(4)
                self.requests.append(request)
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(pause)

        self.script = script


@pytest.fixture
async def server(socket_enabled: None) -> AsyncIterator[Scripted]:
    """Return a scripted server."""
    server = Scripted()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def link(server: Scripted) -> AsyncIterator[Link]:
    """Return a link to it, with a short time-out."""
    link = Link(Address(host="127.0.0.1", port=server.port), timeout=0.2)
    yield link
    await link.close()


GOOD = answer(Command.CALCULATIONS, [1, -2, 3], status=77)


async def test_one_connection_serves_many_commands(server: Scripted, link: Link) -> None:
    """The socket stays open between polls."""
    server.always(GOOD[:5], GOOD[5:])
    for _ in range(3):
        async with link.session():
            assert await link.read(Command.CALCULATIONS) == (1, -2, 3)
    assert server.connections == link.traffic.connects == 1
    assert server.requests == [bytes.fromhex("00000bbc00000000")] * 3


async def test_commands_never_overlap(server: Scripted, link: Link) -> None:
    """Two pollers at once take turns."""
    server.always(GOOD[:9], GOOD[9:], pause=0.02)

    async def poll() -> tuple[int, ...]:
        async with link.session():
            return await link.read(Command.CALCULATIONS)

    assert await asyncio.gather(*(poll() for _ in range(4))) == [(1, -2, 3)] * 4
    assert server.connections == 1


async def test_a_late_answer_is_never_accepted(server: Scripted, link: Link) -> None:
    """What comes after the time-out meets a closed socket, not the next command."""
    released = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        if server.connections == 1:
            await released.wait()
            writer.write(answer(Command.CALCULATIONS, [666]))
            await writer.drain()
            return
        writer.write(GOOD)
        await reader.read()

    server.script = late
    async with link.session():
        with pytest.raises(NoAnswerError):
            await link.read(Command.CALCULATIONS)
        assert not link.connected
    released.set()
    async with link.session():
        assert await link.read(Command.CALCULATIONS) == (1, -2, 3)
    assert server.connections == 2


async def test_bytes_nobody_asked_for_end_the_connection(server: Scripted, link: Link) -> None:
    """A tail that comes later cannot shift the next answer."""
    server.always(GOOD, b"\0\0\0\1", pause=0.01)
    async with link.session():
        assert await link.read(Command.CALCULATIONS) == (1, -2, 3)
    await asyncio.sleep(0.05)
    assert not link.connected
    async with link.session():
        assert await link.read(Command.CALCULATIONS) == (1, -2, 3)
    assert server.connections == 2


async def test_a_tail_after_a_whole_answer_costs_the_connection_only(
    server: Scripted, link: Link
) -> None:
    """The answer counts: it began and ended where it had to."""
    held: list[asyncio.StreamWriter] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        await reader.readexactly(8)
        writer.write(GOOD)
        await reader.read()

    server.script = script
    async with link.session():
        await link.read(Command.CALCULATIONS)
        held[0].write(GOOD)
        await asyncio.sleep(0.05)
        assert not link.connected
        with pytest.raises(LinkLostError):
            await link.open()


async def test_drops_that_nobody_saw_cost_nothing(server: Scripted, link: Link) -> None:
    """A connection that breaks with the next request is replaced within the session, once."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(GOOD)
        await reader.readexactly(8)

    server.script = once
    for _ in range(2):
        async with link.session():
            assert await link.read(Command.CALCULATIONS) == (1, -2, 3)
    async with link.session():
        assert await link.read(Command.CALCULATIONS) == (1, -2, 3)
        with pytest.raises(LinkLostError):
            await link.read(Command.CALCULATIONS)
    assert server.connections == 3


async def test_a_write_is_never_repeated(server: Scripted, link: Link) -> None:
    """Not even when the connection breaks instead of an answer."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.requests.append(await reader.readexactly(8))
        writer.write(GOOD)
        server.requests.append(await reader.readexactly(12))

    server.script = script
    async with link.session():
        await link.read(Command.CALCULATIONS)
    async with link.session():
        with pytest.raises(LinkLostError):
            await link.write(2, 500)
    assert server.requests[1:] == [bytes.fromhex("00000bba00000002000001f4")]
    assert server.connections == 1


@pytest.mark.parametrize(("echoed", "stays"), [(2, True), (500, True), (7, False)])
async def test_the_echo_of_a_write(server: Scripted, link: Link, echoed: int, stays: bool) -> None:
    """Index or value; anything else is no error, but the connection is not trusted."""
    server.always(struct.pack(">ii", Command.WRITE, echoed))
    async with link.session():
        await link.write(2, 500)
        assert link.connected is stays


async def test_a_dripping_answer_is_awaited_only_so_long(server: Scripted, link: Link) -> None:
    """Each byte is in time, the whole is not."""
    drips = [bytes((byte,)) for byte in answer(Command.CALCULATIONS, list(range(200)))]
    server.always(*drips, pause=0.05)
    async with link.session():
        with pytest.raises(NoAnswerError):
            await asyncio.wait_for(link.read(Command.CALCULATIONS), 5)


async def test_a_slow_answer_is_no_silence(server: Scripted, link: Link) -> None:
    """As long as bytes come the answer may take longer than the time-out."""
    server.always(*(GOOD[at : at + 6] for at in range(0, len(GOOD), 6)), pause=0.12)
    async with link.session():
        assert await link.read(Command.CALCULATIONS) == (1, -2, 3)


async def test_a_controller_without_values_is_busy(server: Scripted, link: Link) -> None:
    """And the connection starts afresh."""
    server.always(answer(Command.PARAMETERS, []))
    async with link.session():
        with pytest.raises(BusyError):
            await link.read(Command.PARAMETERS)
        assert not link.connected


async def test_cancelling_frees_the_link(server: Scripted, link: Link) -> None:
    """The answer to a cancelled command is not read as the next one's."""
    session = link.session()
    async with session:
        task = asyncio.create_task(link.read(Command.CALCULATIONS))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not link.connected
    server.always(GOOD)
    async with link.session():
        assert await link.read(Command.CALCULATIONS) == (1, -2, 3)


async def test_closing_ends_a_command_under_way(server: Scripted, link: Link) -> None:
    """Close does not wait for a silent controller, and nothing is opened afterwards."""
    async with link.session():
        task = asyncio.create_task(link.read(Command.CALCULATIONS))
        await asyncio.sleep(0.05)
        await link.close()
        with pytest.raises(LinkLostError):
            await task
    with pytest.raises(LinkLostError):
        async with link.session():
            pass
    assert server.connections == 1


async def test_closing_while_connecting(
    server: Scripted, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that stands only after the close is closed at once."""
    reach = link._reach

    async def slowly() -> object:
        wire = await reach()
        await asyncio.sleep(0.05)
        return wire

    monkeypatch.setattr(link, "_reach", slowly)
    async with link.session():
        task = asyncio.create_task(link.open())
        await asyncio.sleep(0.02)
        await link.close()
        with pytest.raises(LinkLostError):
            await task
        assert not link.connected


async def test_the_reason_of_a_failed_connection(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No such name, a closed port, no route and no answer are told apart."""
    await server.stop()

    async def reason(host: str) -> type[Exception]:
        link = Link(Address(host=host, port=server.port), timeout=0.1)
        async with link.session():
            with pytest.raises(DriverError) as error:
                await link.open()
        assert host in str(error.value)
        assert link.traffic.connects == link.traffic.failures == 1
        return error.type

    loop = asyncio.get_running_loop()
    assert await reason("127.0.0.1") is LinkRefusedError

    async def hang(*_: object, **__: object) -> None:
        await asyncio.sleep(10)

    monkeypatch.setattr(loop, "create_connection", hang)
    assert await reason("10.0.0.1") is NoAnswerError
    for error, expected in (
        (ExceptionGroup("", [OSError(113, "No route to host")]), NoAnswerError),
        (OSError(101, "unreachable"), NoAnswerError),
        (socket.gaierror(-2, "Name or service not known"), NameNotFoundError),
        (UnicodeError("label too long"), NameNotFoundError),
    ):

        async def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(loop, "create_connection", fail)
        assert await reason("10.0.0.1") is expected


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    command=st.sampled_from(READS),
    pieces=st.lists(
        st.one_of(
            st.binary(min_size=1, max_size=40),
            st.sampled_from([answer(command, [1, 2, 3]) for command in READS]),
            st.sampled_from([answer(command, [1, 2, 3])[:-1] for command in READS]),
        ),
        max_size=5,
    ),
    ends=st.booleans(),
)
async def test_whatever_a_server_sends(
    server: Scripted, command: Command, pieces: list[bytes], ends: bool
) -> None:
    """Values or an error of ours, in time; after an error nothing of it is left."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if not ends:
            await reader.read()

    server.script = script
    link = Link(Address(host="127.0.0.1", port=server.port), timeout=0.03)
    try:
        async with asyncio.timeout(5), link.session():
            try:
                values = await link.read(command)
            except DriverError:
                assert not link.connected
            else:
                assert values
    finally:
        await link.close()
