"""One kept connection: what it understands, what it leaves to the session, and how it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import socket
import ssl
from types import SimpleNamespace
from unittest.mock import patch

import aiohttp
from hypothesis import given, strategies as st
import pytest
from yarl import URL

from custom_components.heat_pump_hub.history import victoriametrics
from custom_components.heat_pump_hub.history.codec import Coding, Compressor
from custom_components.heat_pump_hub.history.server import OverloadedError, UnreachableError
from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics
from custom_components.heat_pump_hub.history.wire import UnusualAnswerError, Wire, _read
from tests.servers import VictoriaMetrics as RealServer, VictoriaMetricsFactory, free_port

from .conftest import line

TAKEN = b"HTTP/1.1 204 No Content\r\nDate: today\r\n\r\n"
FOUND_BODY = (
    b'{"data":{"result":[{"metric":{"samples":"1"},"value":[1,"150"]},'
    b'{"metric":{"samples":"2"},"value":[1,"3"]}]}}'
)
FOUND = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(FOUND_BODY),
    FOUND_BODY,
)
STRANGE = b"HTTP/1.1 204 No Content\r\nContent-Encoding: identity\r\n\r\n"


class Peer:
    """A server that answers every request with bytes, and keeps what it is asked."""

    def __init__(self, *answers: bytes | None) -> None:
        """``None`` hangs up; the last answer is given for ever."""
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                body = await reader.readexactly(int(length or b"0"))
                self.requests.append(head + body)
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer is None:
                    break
                writer.write(answer)
        except asyncio.IncompleteReadError, ConnectionError:
            return
        finally:
            writer.close()


@asynccontextmanager
async def peer(*answers: bytes | None, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """Run a server."""
    served = Peer(*answers)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    served.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield served
    server.close()
    server.close_clients()
    await server.wait_closed()


@asynccontextmanager
async def kept(
    session: aiohttp.ClientSession, url: str, **options: object
) -> AsyncIterator[VictoriaMetrics]:
    """Speak to a server over a kept connection."""
    client = VictoriaMetrics(session, url, kept=True, **options)  # type: ignore[arg-type]
    yield client
    client.close()


@asynccontextmanager
async def wire(url: str) -> AsyncIterator[Wire]:
    """Keep a connection."""
    opened = Wire(URL(url), {}, None)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _sockets(socket_enabled: None) -> None:
    """Allow sockets."""


async def test_requests_share_a_connection(session: aiohttp.ClientSession) -> None:
    async with peer(TAKEN, FOUND) as server:
        async with kept(session, f"{server.url}/vm", username="anna", password="geheim") as client:
            await client.write(b"body", Coding.ZSTD)
            for _ in range(2):
                assert await client.counts('ke"ller', 1_000, 31_000) == {1: 150, 2: 3}
        port = server.url.rpartition(":")[2]
    written, counted, again = server.requests
    assert server.connections == 1
    assert written == (
        b"POST /vm/api/v1/import HTTP/1.1\r\nHost: 127.0.0.1:" + port.encode() + b"\r\n"
        b"Accept-Encoding: identity\r\nAuthorization: Basic YW5uYTpnZWhlaW0=\r\n"
        b"Content-Encoding: zstd\r\nContent-Length: 4\r\n\r\nbody"
    )
    assert counted.startswith(
        b"GET /vm/api/v1/query?nocache=1&latency_offset=1ms&query=count_values%28%22samples%22%2C"
        b"%20count_over_time%28%7Bheatpump_id%3D%22ke%5C%22ller%22%2Cstat%3D%22%22%2Csource%3D%22"
        b"%22%7D%5B30001ms%5D%29%29&time=31.000 HTTP/1.1\r\n"
    )
    assert again == counted


async def test_both_ways_ask_the_same(session: aiohttp.ClientSession) -> None:
    async with peer(FOUND) as server:
        async with kept(session, server.url) as client:
            await client.counts("keller", 1_000, 31_000)
        await VictoriaMetrics(session, server.url).counts("keller", 1_000, 31_000)
    short, long = (request.partition(b"\r\n")[0] for request in server.requests)
    assert short == long


@pytest.mark.parametrize(
    "answer",
    [
        STRANGE,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
        b"HTTP/1.1 ok\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"x" * 70_000,
    ],
)
async def test_answer_of_another_kind_is_not_read(answer: bytes) -> None:
    async with peer(answer, TAKEN) as server, wire(server.url) as opened:
        with pytest.raises(UnusualAnswerError):
            await opened.ask("GET /", timeout=10)
        assert (await opened.ask("GET /", timeout=10)).status == 204
    assert server.connections == 2


async def test_strange_server_is_asked_by_the_session_for_an_hour(
    session: aiohttp.ClientSession,
) -> None:
    async with peer(STRANGE) as server, kept(session, server.url) as client:
        with patch.object(victoriametrics, "time", SimpleNamespace(monotonic=lambda: 1_000.0)):
            await client.write(b"one")
            await client.write(b"two")
        asked = [b"aiohttp" in request for request in server.requests]
        assert asked == [False, True, True]
        with patch.object(victoriametrics, "time", SimpleNamespace(monotonic=lambda: 4_601.0)):
            await client.write(b"three")
    assert [b"aiohttp" in request for request in server.requests[3:]] == [False, True]


async def test_trouble_is_told_at_once(session: aiohttp.ClientSession) -> None:
    full = b"HTTP/1.1 503 Full\r\nContent-Length: 4\r\nretry-after: 7 \r\n\r\nfull"
    async with peer(full, full, TAKEN) as server, kept(session, server.url) as client:
        for _ in range(2):
            with pytest.raises(OverloadedError, match="full") as caught:
                await client.write(b"line")
            assert caught.value.retry_after == 7
        await client.write(b"line")
    assert len(server.requests) == 3
    assert server.connections == 1


async def test_server_that_is_away_is_asked_once_a_time(session: aiohttp.ClientSession) -> None:
    async with peer(None, None, None, TAKEN) as server, kept(session, server.url) as client:
        for _ in range(2):
            with pytest.raises(UnreachableError):
                await client.write(b"line")
        for _ in range(2):
            await client.write(b"line")
    # Both ways the first time, the session until it gets through, and then the short one.
    asked = [b"aiohttp" in request for request in server.requests]
    assert asked == [False, True, True, True, False]


async def test_connection_that_the_server_closed_is_made_again(
    session: aiohttp.ClientSession,
) -> None:
    closes = TAKEN.replace(b"Date: today", b"Connection: close")
    async with peer(closes, TAKEN, None, TAKEN) as server, kept(session, server.url) as client:
        for _ in range(4):
            await client.write(b"line")
    # It hung up after the first, and when it was asked a third time: then the session asked.
    assert server.connections == 4
    asked = [b"aiohttp" in request for request in server.requests]
    assert asked == [False, False, False, True, False]


async def test_connection_that_was_closed_meanwhile(session: aiohttp.ClientSession) -> None:
    async with peer(TAKEN) as server, kept(session, server.url) as client:
        await client.write(b"line")
        await client.write(b"line")
        assert server.connections == 1
        wire = client._wire
        assert wire is not None
        assert wire._connection is not None
        assert wire._connection._transport is not None
        # As when an idle connection is given up by the server.
        wire._connection._transport.abort()
        while not wire._connection.closed:
            await asyncio.sleep(0)
        await client.write(b"line")
    assert server.connections == 2
    assert not any(b"aiohttp" in request for request in server.requests)


async def test_bytes_nobody_asked_for_end_the_connection() -> None:
    async with peer(TAKEN + b"HTTP/1.1 ", TAKEN) as server, wire(server.url) as opened:
        with pytest.raises(UnusualAnswerError):
            await opened.ask("GET /", timeout=10)
        assert (await opened.ask("GET /", timeout=10)).status == 204
        connection = opened._connection
        assert connection is not None
        connection.data_received(b"HTTP/1.1 204 late\r\n\r\n")
        assert connection.closed
        assert (await opened.ask("GET /", timeout=10)).status == 204
    assert server.connections == 3


async def test_silent_server(session: aiohttp.ClientSession) -> None:
    async with peer(b"") as server, kept(session, server.url, timeout=0.05) as client:
        with pytest.raises(UnreachableError, match="in time"):
            await client.write(b"line")
        # Nobody waits for it twice in a row.
        assert len(server.requests) == 1


async def test_request_that_is_cancelled_gives_the_connection_up() -> None:
    async with peer(b"", TAKEN) as server, wire(server.url) as opened:
        task = asyncio.create_task(opened.ask("GET /slow", timeout=10))
        while not server.requests:
            await asyncio.sleep(0)
        assert opened.busy
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not opened.busy
        assert (await opened.ask("GET /", timeout=10)).status == 204
    assert server.connections == 2


async def test_two_requests_at_once(session: aiohttp.ClientSession) -> None:
    async with peer(TAKEN) as server, kept(session, server.url) as client:
        await asyncio.gather(client.write(b"one"), client.write(b"two"))
    assert sorted(b"aiohttp" in request for request in server.requests) == [False, True]


async def test_nobody_listens(session: aiohttp.ClientSession) -> None:
    async with kept(session, f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(UnreachableError):
            await client.write(b"line")


async def test_name_that_only_the_session_knows(session: aiohttp.ClientSession) -> None:
    async with peer(TAKEN) as server:
        port = int(server.url.rpartition(":")[2])
        known = aiohttp.abc.ResolveResult(
            hostname="nas.invalid", host="127.0.0.1", port=port, family=2, proto=0, flags=0
        )

        class Resolver(aiohttp.abc.AbstractResolver):
            async def resolve(self, *_args: object, **_kwargs: object) -> list[object]:  # type: ignore[override]
                return [known]

            async def close(self) -> None: ...

        connector = aiohttp.TCPConnector(resolver=Resolver())
        async with (
            aiohttp.ClientSession(connector=connector) as knowing,
            kept(knowing, f"http://nas.invalid:{port}") as client,
        ):
            # The system is not asked in tests.
            with patch.object(Wire, "_connect", side_effect=socket.gaierror("unknown")):
                await client.write(b"line")
            with patch.object(Wire, "_connect", side_effect=AssertionError("asked twice")):
                await client.write(b"line")


async def test_encrypted(session: aiohttp.ClientSession, self_signed: ssl.SSLContext) -> None:
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    async with (
        peer(TAKEN, tls=self_signed) as server,
        kept(session, server.url, verify_ssl=trusting) as client,
    ):
        await client.write(b"one")
        await client.write(b"two")
        assert server.connections == 1
        # Without a context that was made elsewhere the session encrypts.
        assert VictoriaMetrics(session, server.url, kept=True)._wire is None


def test_header_of_two_lines_is_refused() -> None:
    with pytest.raises(ValueError, match="one line"):
        Wire(URL("http://nas"), {"Authorization": "Bearer a\r\nX: b"}, None)


@given(cuts=st.lists(st.integers(0, len(FOUND)), max_size=5))
def test_answer_may_come_in_pieces(cuts: list[int]) -> None:
    found = [_read(bytearray(FOUND[:cut])) for cut in sorted(cuts) if cut < len(FOUND)]
    assert found == [None] * len(found)
    answer = _read(bytearray(FOUND))
    assert answer is not None
    assert (answer.status, answer.body, answer.last) == (200, FOUND_BODY, False)
    assert answer.field(b"content-type") == "application/json"
    assert answer.field(b"retry-after") == ""


@given(
    st.one_of(
        st.binary(max_size=300),
        st.builds(
            bytes.replace, st.just(FOUND), st.binary(min_size=1, max_size=4), st.binary(max_size=9)
        ),
        st.builds(
            lambda at, junk: FOUND[:at] + junk + FOUND[at:], st.integers(0, 200), st.binary()
        ),
    )
)
def test_any_bytes_are_an_answer_or_refused(received: bytes) -> None:
    try:
        answer = _read(bytearray(received))
    except ValueError:
        return
    assert answer is None or (200 <= answer.status <= 999 and len(answer.body) < len(received))


@pytest.mark.parametrize("old", [False, True])
async def test_real_server(
    session: aiohttp.ClientSession,
    victoria_metrics_factory: VictoriaMetricsFactory,
    old: bool,
) -> None:
    server: RealServer = victoria_metrics_factory(old=old)
    coding = Coding.GZIP if old else Coding.ZSTD
    body = Compressor().compress(b"".join(line(n, 1_790_000_000_000) for n in range(3)), coding)
    async with kept(session, server.url) as client:
        wire = client._wire
        assert wire is not None
        with patch.object(client, "_fetch", side_effect=AssertionError("not over the wire")):
            await client.write(body, coding)
            await server.flush()
            found = await client.counts("idm-keller", 1_790_000_000_000, 1_790_000_000_000)
            assert found == {1: 3}
            assert await client.counts("nobody", 0, 1_000) == {}
        connection = wire._connection
        server.kill()
        with pytest.raises(UnreachableError):
            await client.write(body, coding)
        server.start()
        await client.write(body, coding)
        await client.write(body, coding)
        assert wire._connection is not connection
