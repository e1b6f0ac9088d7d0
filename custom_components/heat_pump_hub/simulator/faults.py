"""A TCP proxy that makes every link fault on demand, for any protocol of request and answer."""

import asyncio
from collections.abc import Callable
import contextlib
from enum import StrEnum
import socket
from struct import pack
from typing import Final, Literal

type FrameLength = Callable[[bytes], int]
"""Returns the length of the first whole frame in a buffer, 0 if it is not whole yet."""

_WEB_ANSWER: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n"
    b"Connection: close\r\n\r\nBad Request\n"
)
_GARBAGE: Final = bytes(range(0x80, 0xC0))


class Fault(StrEnum):
    """What can happen to a request or to its answer."""

    SILENT = "silent"
    """The request is swallowed; the connection stays."""
    HALF_OPEN = "half_open"
    """From here on nothing passes and nobody closes."""
    DROP = "drop"
    """The connection is closed instead of an answer."""
    RESET = "reset"
    """The connection is reset instead of an answer."""
    RESET_IN_FRAME = "reset_in_frame"
    """Half an answer, then a reset."""
    HALF_FRAME = "half_frame"
    """Half an answer, then nothing more of it."""
    GARBAGE = "garbage"
    """Bytes that mean nothing instead of the answer."""
    WEB_SERVER = "web_server"
    """An HTTP error, then the connection is closed."""
    SINGLE_BYTES = "single_bytes"
    """The answer comes byte by byte."""
    LATE = "late"
    """The answer comes when the next request is sent, before that one's own answer."""
    SWAPPED = "swapped"
    """The answer comes after the answer to the next request."""
    WRONG_TRANSACTION = "wrong_transaction"
    """Modbus only: another transaction id."""
    WRONG_UNIT = "wrong_unit"
    """Modbus only: another unit."""
    WRONG_FUNCTION = "wrong_function"
    """Modbus only: another function code."""
    SHORT = "short"
    """Modbus only: a well-formed answer with one register less."""


_MODBUS_ONLY: Final = {
    Fault.WRONG_TRANSACTION,
    Fault.WRONG_UNIT,
    Fault.WRONG_FUNCTION,
    Fault.SHORT,
}


def modbus_frame(buffer: bytes) -> int:
    """Return the length of the Modbus TCP frame at the start of a buffer."""
    if len(buffer) < 6:
        return 0
    length = 6 + int.from_bytes(buffer[4:6], "big")
    return length if len(buffer) >= length else 0


def chunk(buffer: bytes) -> int:
    """Take what came at once as one frame, for protocols the proxy does not know."""
    return len(buffer)


def edit_modbus(fault: Fault, answer: bytes) -> bytes:
    """Return a Modbus TCP answer with one thing wrong in it."""
    frame = bytearray(answer)
    if fault is Fault.WRONG_TRANSACTION:
        frame[0:2] = (int.from_bytes(frame[0:2], "big") ^ 0x5555).to_bytes(2, "big")
    elif fault is Fault.WRONG_UNIT:
        frame[6] ^= 0x55
    elif fault is Fault.WRONG_FUNCTION:
        frame[7] ^= 0x07
    elif fault is Fault.SHORT and frame[7] in (3, 4) and frame[8] >= 4:
        frame[4:6] = (int.from_bytes(frame[4:6], "big") - 2).to_bytes(2, "big")
        frame[8] -= 2
        del frame[-2:]
    return bytes(frame)


class FaultProxy:
    """Forwards a port to a target; faults are switched at run time by its attributes."""

    def __init__(
        self,
        target_host: str,
        target_port: int,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        frame: FrameLength = modbus_frame,
    ) -> None:
        """Prepare; nothing listens before :meth:`start`.

        ``frame`` finds requests and answers in the stream: :func:`modbus_frame` or
        :func:`chunk`, or one of your own.
        """
        self.target = (target_host, target_port)
        """Where new connections lead."""
        self._host = host
        self._port = port
        self._frame = frame
        self._listener: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._planned: dict[int, Fault] = {}
        self._fault: Fault | None = None
        self.latency = 0.0
        """Added to every request, ms."""
        self.max_connections: int | None = None
        """More than these at a time are refused."""
        self.refuse_every_second = False
        """Refuse every second connection."""
        self.refusal: Literal["close", "reset"] = "close"
        """How a connection beyond the limit ends."""
        self.edit: Callable[[bytes], bytes] | None = None
        """Changes every answer."""
        self.connects = 0
        """Connections accepted since the start, refused ones included."""
        self.refused = 0
        self.requests = 0

    @property
    def port(self) -> int:
        """The port, once started; kept while paused."""
        return self._port

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._connections)

    @property
    def fault(self) -> Fault | None:
        """What happens to every request; ``None``: it passes."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        """Set it. Raises ``ValueError`` for a Modbus fault in another protocol."""
        self._check(fault)
        self._fault = fault

    def one_shot(self, fault: Fault, request: int = 1) -> None:
        """Let ``fault`` happen once, to the ``request``-th request from now.

        Raises ``ValueError`` for a Modbus fault in another protocol.
        """
        self._check(fault)
        self._planned[self.requests + request] = fault

    def clear(self) -> None:
        """End every fault, limit and delay; connections that are dead stay dead."""
        self._fault = None
        self._planned.clear()
        self.latency = 0.0
        self.max_connections = None
        self.refuse_every_second = False
        self.edit = None

    def _check(self, fault: Fault | None) -> None:
        if fault in _MODBUS_ONLY and self._frame is not modbus_frame:
            raise ValueError(f"{fault} needs Modbus frames")

    async def start(self) -> int:
        """Listen and return the port. Raises ``OSError`` if it is taken."""
        self._listener = await asyncio.start_server(self._accept, self._host, self._port)
        self._port = self._listener.sockets[0].getsockname()[1]
        return self._port

    async def pause(self, *, drop: bool = True) -> None:
        """Close the listener, so that connections are refused; ``drop`` ends open ones."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        if drop:
            await self.drop_all()

    async def resume(self) -> None:
        """Listen again on the same port."""
        if self._listener is None:
            await self.start()

    async def stop(self) -> None:
        """Close everything; once more does nothing."""
        await self.pause()

    async def drop_all(self, *, reset: bool = False) -> None:
        """End every open connection."""
        ended = list(self._connections)
        for connection in ended:
            connection.end(reset=reset)
        for connection in ended:
            await connection.ended.wait()

    def next_fault(self) -> Fault | None:
        """Count a request and return what shall happen to it."""
        self.requests += 1
        return self._planned.pop(self.requests, self._fault)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one connection, or refuse it."""
        self.connects += 1
        full = self.max_connections is not None and self.connections >= self.max_connections
        if full or (self.refuse_every_second and self.connects % 2 == 0):
            self.refused += 1
            _end(writer, reset=self.refusal == "reset")
            return
        connection = _Connection(self, self._frame, reader, writer)
        self._connections.add(connection)
        try:
            await connection.run(*self.target)
        finally:
            self._connections.discard(connection)
            connection.ended.set()


class _Connection:
    """One client and its twin at the target."""

    def __init__(
        self,
        proxy: FaultProxy,
        frame: FrameLength,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Belong to ``proxy``."""
        self.ended = asyncio.Event()
        self._proxy = proxy
        self._frame = frame
        self._reader = reader
        self._writer = writer
        self._target: asyncio.StreamWriter | None = None
        self._over = asyncio.Event()
        self._reset = False
        self._dead = False
        self._plan: Fault | None = None
        self._held: bytes = b""

    def end(self, *, reset: bool = False) -> None:
        """End both sides."""
        self._reset = self._reset or reset
        self._over.set()

    async def run(self, host: str, port: int) -> None:
        """Forward until one side is done; a target that is away ends it at once."""
        try:
            target_reader, self._target = await asyncio.open_connection(host, port)
        except OSError:
            _end(self._writer, reset=False)
            return
        tasks = [
            asyncio.create_task(self._pump_requests()),
            asyncio.create_task(self._pump_answers(target_reader)),
        ]
        try:
            await self._over.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            _end(self._writer, reset=self._reset)
            _end(self._target, reset=False)
            for writer in (self._writer, self._target):
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _pump_requests(self) -> None:
        """Pass what the client asks."""
        buffer = b""
        with contextlib.suppress(OSError):
            while data := await self._reader.read(65536):
                if self._dead:
                    continue
                buffer += data
                while length := self._frame(buffer):
                    request, buffer = buffer[:length], buffer[length:]
                    await self._request(request)
                # A client that does not speak the protocol still meets a web server.
                if buffer and self._proxy.fault is Fault.WEB_SERVER:
                    await self._request(buffer)
        self.end()

    async def _request(self, request: bytes) -> None:
        """Let one request through, or what is to happen instead."""
        fault = self._proxy.next_fault()
        if self._proxy.latency:
            await asyncio.sleep(self._proxy.latency / 1000.0)
        if fault is Fault.SILENT:
            return
        if fault is Fault.HALF_OPEN:
            self._dead = True
        elif fault is Fault.WEB_SERVER:
            self._writer.write(_WEB_ANSWER)
            self.end()
        elif fault in {Fault.DROP, Fault.RESET}:
            self.end(reset=fault is Fault.RESET)
        else:
            if self._held and self._plan is Fault.LATE:
                self._writer.write(self._held)
                self._held = b""
            self._plan = fault
            assert self._target is not None
            self._target.write(request)

    async def _pump_answers(self, reader: asyncio.StreamReader) -> None:
        """Pass what the target answers."""
        buffer = b""
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                buffer += data
                while length := self._frame(buffer):
                    answer, buffer = buffer[:length], buffer[length:]
                    if not self._dead:
                        await self._answer(answer)
        if not self._dead:
            self.end()

    async def _answer(self, answer: bytes) -> None:
        """Pass one answer, or what has become of it."""
        fault = self._plan
        if self._proxy.edit is not None:
            answer = self._proxy.edit(answer)
        half = answer[: max(1, len(answer) // 2)]
        if fault in _MODBUS_ONLY:
            self._writer.write(edit_modbus(fault, answer))
        elif fault is Fault.GARBAGE:
            self._writer.write(_GARBAGE)
        elif fault is Fault.HALF_FRAME:
            self._writer.write(half)
        elif fault is Fault.RESET_IN_FRAME:
            self._writer.write(half)
            await self._writer.drain()
            self.end(reset=True)
        elif fault is Fault.SINGLE_BYTES:
            for byte in answer:
                self._writer.write(bytes((byte,)))
                await asyncio.sleep(0.001)
        elif fault is Fault.LATE or (fault is Fault.SWAPPED and not self._held):
            self._held = answer
        else:
            self._writer.write(answer + self._held)
            self._held = b""


def _end(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    """Close a connection politely, or reset it."""
    if reset:
        # Lingering for no time makes the kernel send a reset instead of an end.
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
        writer.transport.abort()
    else:
        writer.close()
