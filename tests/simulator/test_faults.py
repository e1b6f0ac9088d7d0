"""Every fault of the proxy does on the wire what its name says."""

import asyncio
from collections.abc import AsyncIterator
import contextlib

import pytest

from custom_components.heat_pump_hub.simulator import faults as faults_module
from custom_components.heat_pump_hub.simulator.faults import Fault, FaultProxy, chunk, modbus_frame

SOON = 0.15
"""Nothing that is still on its way over the loopback takes so long."""


class Target:
    """A Modbus server that answers every read with its registers numbered from the address."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.quiet = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                request = await reader.readexactly(12)
                self.requests.append(request)
                if not self.quiet:
                    writer.write(answer_to(request))
        self.connections -= 1
        writer.close()


def ask_for(transaction: int, address: int = 1000, count: int = 2) -> bytes:
    """Return a read request to unit 1."""
    head = transaction.to_bytes(2) + bytes((0, 0, 0, 6, 1, 4))
    return head + address.to_bytes(2) + count.to_bytes(2)


def answer_to(request: bytes) -> bytes:
    """Return the right answer to :func:`ask_for`."""
    address, count = int.from_bytes(request[8:10]), int.from_bytes(request[10:12])
    data = b"".join((address + index).to_bytes(2) for index in range(count))
    body = request[6:8] + bytes((len(data),)) + data
    return request[:4] + len(body).to_bytes(2) + body


class Client:
    """A raw socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self, count: int = 13) -> bytes:
        """Return exactly ``count`` bytes."""
        async with asyncio.timeout(5):
            return await self.reader.readexactly(count)

    async def rest(self) -> bytes:
        """Return everything up to the end of the connection; raises if it is reset."""
        async with asyncio.timeout(5):
            return await self.reader.read(-1)

    async def is_silent(self) -> bool:
        """Return whether nothing comes and the connection stays."""
        try:
            async with asyncio.timeout(SOON):
                await self.reader.readexactly(1)
        except TimeoutError:
            return True
        except asyncio.IncompleteReadError:
            return False
        return False

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class Bench:
    """The target, the proxy, and clients of it."""

    def __init__(self) -> None:
        self.target = Target()
        self.clients: list[Client] = []
        self.proxies: list[FaultProxy] = []
        self.port = 0
        self.server: asyncio.Server

    async def proxy_for(self, **options: object) -> FaultProxy:
        proxy = FaultProxy("127.0.0.1", self.port, **options)  # type: ignore[arg-type]
        await proxy.start()
        self.proxies.append(proxy)
        return proxy

    async def connect(self, proxy: FaultProxy) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", proxy.port))
        self.clients.append(client)
        return client


@pytest.fixture
async def bench(socket_enabled: None) -> AsyncIterator[Bench]:
    bench = Bench()
    bench.server = await asyncio.start_server(bench.target.serve, "127.0.0.1", 0)
    bench.port = bench.server.sockets[0].getsockname()[1]
    yield bench
    for client in bench.clients:
        await client.close()
    for proxy in bench.proxies:
        await proxy.stop()
        assert proxy.connections == 0
    bench.server.close()
    for writer in bench.target.writers:
        writer.close()


@pytest.fixture
async def proxy(bench: Bench) -> FaultProxy:
    return await bench.proxy_for()


async def until(condition: object) -> None:
    """Wait until ``condition()`` is true."""
    async with asyncio.timeout(5):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.005)


async def passes(client: Client, transaction: int = 99) -> None:
    """Check that a request is answered as the target answers."""
    request = ask_for(transaction)
    await client.send(request)
    assert await client.receive() == answer_to(request)


async def test_without_faults_everything_passes(bench: Bench, proxy: FaultProxy) -> None:
    client = await bench.connect(proxy)
    for transaction in range(3):
        await passes(client, transaction)
    assert (proxy.connections, proxy.connects, proxy.requests, proxy.refused) == (1, 1, 3, 0)
    await client.close()
    await until(lambda: proxy.connections == 0 and bench.target.connections == 0)


async def test_requests_in_pieces_and_several_at_once(bench: Bench, proxy: FaultProxy) -> None:
    client = await bench.connect(proxy)
    first, second = ask_for(1), ask_for(2)
    await client.send(first[:5])
    await asyncio.sleep(0.01)
    await client.send(first[5:] + second)
    assert await client.receive(26) == answer_to(first) + answer_to(second)
    assert proxy.requests == 2


async def test_a_target_that_hangs_up_ends_the_client(bench: Bench, proxy: FaultProxy) -> None:
    client = await bench.connect(proxy)
    await passes(client)
    bench.target.writers[0].close()
    assert await client.rest() == b""


async def test_a_target_that_is_away_ends_the_client(bench: Bench) -> None:
    bench.port = 1
    client = await bench.connect(await bench.proxy_for())
    assert await client.rest() == b""


async def test_latency_delays_every_request(
    bench: Bench, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    client = await bench.connect(proxy)
    monkeypatch.setattr(faults_module.asyncio, "sleep", nap)
    proxy.latency = 60.0
    for transaction in range(3):
        await passes(client, transaction)
    assert naps == [0.06] * 3


@pytest.mark.parametrize("refusal", ["close", "reset"])
async def test_connection_limit(bench: Bench, proxy: FaultProxy, refusal: str) -> None:
    proxy.max_connections = 1
    proxy.refusal = refusal  # type: ignore[assignment]
    first = await bench.connect(proxy)
    await passes(first)
    second = await bench.connect(proxy)
    if refusal == "reset":
        with pytest.raises(ConnectionResetError):
            await second.rest()
    else:
        assert await second.rest() == b""
    await passes(first)
    assert (proxy.connections, proxy.refused) == (1, 1)
    await first.close()
    await until(lambda: proxy.connections == 0)
    await passes(await bench.connect(proxy))


async def test_every_second_connection_is_refused(bench: Bench, proxy: FaultProxy) -> None:
    proxy.refuse_every_second = True
    for refused in (False, True, False, True):
        client = await bench.connect(proxy)
        if refused:
            assert await client.rest() == b""
        else:
            await passes(client)
    assert (proxy.connects, proxy.refused) == (4, 2)


async def test_paused_proxy_refuses_and_comes_back_on_its_port(
    bench: Bench, proxy: FaultProxy
) -> None:
    client = await bench.connect(proxy)
    port = proxy.port
    await proxy.pause()
    assert await client.rest() == b""
    with pytest.raises(ConnectionRefusedError):
        await bench.connect(proxy)
    await proxy.resume()
    await proxy.resume()
    assert proxy.port == port
    await passes(await bench.connect(proxy))


async def test_pause_can_leave_open_connections_alone(bench: Bench, proxy: FaultProxy) -> None:
    client = await bench.connect(proxy)
    await passes(client)
    await proxy.pause(drop=False)
    await passes(client)
    await proxy.drop_all(reset=True)
    with pytest.raises(ConnectionResetError):
        await client.rest()


async def test_silence(bench: Bench, proxy: FaultProxy) -> None:
    proxy.fault = Fault.SILENT
    client = await bench.connect(proxy)
    await client.send(ask_for(1))
    assert await client.is_silent()
    assert bench.target.requests == []
    proxy.fault = None
    assert proxy.fault is None
    await passes(client, 2)


async def test_half_open_connection_stays_dead(bench: Bench, proxy: FaultProxy) -> None:
    client = await bench.connect(proxy)
    await passes(client)
    proxy.one_shot(Fault.HALF_OPEN)
    await client.send(ask_for(2))
    assert await client.is_silent()
    await client.send(ask_for(3))
    assert await client.is_silent()
    bench.target.writers[0].write(b"late news")
    await bench.target.writers[0].drain()
    bench.target.writers[0].close()
    assert await client.is_silent()
    assert len(bench.target.requests) == 1
    await passes(await bench.connect(proxy))


async def test_drop_at_the_nth_request(bench: Bench, proxy: FaultProxy) -> None:
    client = await bench.connect(proxy)
    proxy.one_shot(Fault.DROP, 3)
    await passes(client, 1)
    await passes(client, 2)
    await client.send(ask_for(3))
    assert await client.rest() == b""
    assert len(bench.target.requests) == 2
    await passes(await bench.connect(proxy), 4)


async def test_reset_at_the_nth_request(bench: Bench, proxy: FaultProxy) -> None:
    client = await bench.connect(proxy)
    proxy.one_shot(Fault.RESET, 2)
    await passes(client, 1)
    await client.send(ask_for(2))
    with pytest.raises(ConnectionResetError):
        await client.rest()


async def test_reset_in_the_middle_of_a_frame(bench: Bench, proxy: FaultProxy) -> None:
    client = await bench.connect(proxy)
    proxy.one_shot(Fault.RESET_IN_FRAME)
    request = ask_for(1)
    await client.send(request)
    with pytest.raises(ConnectionResetError):
        await client.rest()
    assert len(bench.target.requests) == 1


async def test_half_a_frame_then_silence(bench: Bench, proxy: FaultProxy) -> None:
    client = await bench.connect(proxy)
    proxy.one_shot(Fault.HALF_FRAME)
    request = ask_for(1)
    await client.send(request)
    assert await client.receive(6) == answer_to(request)[:6]
    assert await client.is_silent()
    await passes(client, 2)


async def test_garbage(bench: Bench, proxy: FaultProxy) -> None:
    client = await bench.connect(proxy)
    proxy.one_shot(Fault.GARBAGE)
    await client.send(ask_for(1))
    received = await client.receive(64)
    assert received == bytes(range(0x80, 0xC0))
    await passes(client, 2)


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        (Fault.WRONG_TRANSACTION, {0: 0x55, 1: 0x54}),
        (Fault.WRONG_UNIT, {6: 0x54}),
        (Fault.WRONG_FUNCTION, {7: 0x03}),
    ],
)
async def test_one_wrong_field(
    bench: Bench, proxy: FaultProxy, fault: Fault, changed: dict[int, int]
) -> None:
    client = await bench.connect(proxy)
    proxy.fault = fault
    request = ask_for(1)
    await client.send(request)
    received = await client.receive()
    right = answer_to(request)
    different = {i: received[i] for i in range(13) if received[i] != right[i]}
    assert different == changed


async def test_short_answer_is_well_formed(bench: Bench, proxy: FaultProxy) -> None:
    client = await bench.connect(proxy)
    proxy.one_shot(Fault.SHORT)
    await client.send(ask_for(1, 1000, 3))
    assert await client.receive(13) == answer_to(ask_for(1, 1000, 2))
    assert await client.is_silent()
    # A single register leaves nothing to shorten.
    proxy.one_shot(Fault.SHORT)
    request = ask_for(2, 1000, 1)
    await client.send(request)
    assert await client.receive(11) == answer_to(request)


async def test_late_answer_comes_before_the_next(bench: Bench, proxy: FaultProxy) -> None:
    client = await bench.connect(proxy)
    proxy.one_shot(Fault.LATE)
    first, second = ask_for(1, 1000), ask_for(2, 2000)
    await client.send(first)
    assert await client.is_silent()
    await client.send(second)
    assert await client.receive(26) == answer_to(first) + answer_to(second)
    await passes(client, 3)


async def test_swapped_answers(bench: Bench, proxy: FaultProxy) -> None:
    client = await bench.connect(proxy)
    proxy.fault = Fault.SWAPPED
    first, second = ask_for(1, 1000), ask_for(2, 2000)
    await client.send(first)
    assert await client.is_silent()
    await client.send(second)
    assert await client.receive(26) == answer_to(second) + answer_to(first)


async def test_single_bytes(bench: Bench, proxy: FaultProxy) -> None:
    client = await bench.connect(proxy)
    proxy.one_shot(Fault.SINGLE_BYTES)
    request = ask_for(1)
    await client.send(request)
    pieces = []
    while sum(map(len, pieces)) < 13:
        pieces.append(await client.reader.read(100))
    assert b"".join(pieces) == answer_to(request)
    assert len(pieces) > 3


@pytest.mark.parametrize("request_", [ask_for(1), b"GET / HTTP/1.1\r\n\r\n"])
async def test_web_server(bench: Bench, proxy: FaultProxy, request_: bytes) -> None:
    proxy.fault = Fault.WEB_SERVER
    client = await bench.connect(proxy)
    await client.send(request_)
    answer = await client.rest()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"\r\n\r\nBad Request\n")


async def test_answers_can_be_edited(bench: Bench, proxy: FaultProxy) -> None:
    client = await bench.connect(proxy)
    proxy.edit = lambda answer: answer[:-1] + b"\xee"
    await client.send(ask_for(1))
    assert (await client.receive())[-1] == 0xEE
    proxy.clear()
    await passes(client, 2)


async def test_clear_ends_everything(bench: Bench, proxy: FaultProxy) -> None:
    proxy.fault = Fault.SILENT
    proxy.one_shot(Fault.DROP)
    proxy.latency = 10_000.0
    proxy.max_connections = 0
    proxy.refuse_every_second = True
    proxy.clear()
    for transaction in range(2):
        await passes(await bench.connect(proxy), transaction)


async def test_other_protocols_pass_in_chunks(bench: Bench) -> None:
    proxy = await bench.proxy_for(frame=chunk)
    client = await bench.connect(proxy)
    await passes(client)
    proxy.one_shot(Fault.HALF_FRAME)
    await client.send(ask_for(2))
    assert await client.receive(6) == answer_to(ask_for(2))[:6]
    for fault in (Fault.SHORT, Fault.WRONG_UNIT):
        with pytest.raises(ValueError, match="Modbus"):
            proxy.fault = fault
        with pytest.raises(ValueError, match="Modbus"):
            proxy.one_shot(fault)


async def test_silent_target_does_not_block_the_next_request(
    bench: Bench, proxy: FaultProxy
) -> None:
    client = await bench.connect(proxy)
    bench.target.quiet = True
    await client.send(ask_for(1))
    assert await client.is_silent()
    bench.target.quiet = False
    await passes(client, 2)


def test_modbus_frames_are_found() -> None:
    frame = ask_for(1)
    assert [modbus_frame(frame[:count]) for count in (0, 5, 6, 11)] == [0, 0, 0, 0]
    assert modbus_frame(frame) == modbus_frame(frame + b"more") == 12
