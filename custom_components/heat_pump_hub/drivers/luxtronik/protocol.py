"""The Luxtronik wire protocol: one connection, one command in flight, exact framing.

Source: field notes on the Luxtronik 2.0/2.1 socket interface (TCP 8889). Everything is a
signed 32 bit integer, big endian. A read is ``command, 0``; the answer is
``command, [status of 3004,] N`` and N values (bytes for 3005). A write is
``3002, index, value``; its answer is ``3002, index`` and confirms no value. Nothing in an
answer tells to which request it belongs, so whatever is not exactly the answer that is
awaited ends the connection.
"""

import asyncio
from enum import IntEnum
import socket
import struct
from typing import Final, override

from ..driver import (
    Address,
    BusyError,
    DriverError,
    LinkError,
    LinkLostError,
    LinkRefusedError,
    NameNotFoundError,
    NoAnswerError,
    WrongProtocolError,
)
from ..endpoints import Endpoint, SharedLink

TIMEOUT: Final = 5.0
"""Seconds without a byte of the answer; a whole answer may take four times as long."""

MOST_VALUES: Final = 10_000
"""More values than any controller has: a length beyond is not a length."""

_PATIENCE: Final = 4
_HEAD: Final = struct.Struct(">ii")
_WRITE: Final = struct.Struct(">iii")


class Command(IntEnum):
    """What can be asked."""

    WRITE = 3002
    PARAMETERS = 3003
    CALCULATIONS = 3004
    VISIBILITIES = 3005


class Reply:
    """The answer to one command as it comes in, piece by piece."""

    def __init__(self, command: Command) -> None:
        """Await the answer to ``command``."""
        self._command = command
        self._echo = int(command).to_bytes(4, "big")
        # 3004 has a status between the echo and the number of values; nobody uses it
        self._head = 12 if command is Command.CALCULATIONS else 8
        self._size = 1 if command is Command.VISIBILITIES else 4
        self._length: int | None = None
        self._data = bytearray()

    def feed(self, data: bytes) -> bool:
        """Add what came in; say whether the answer is whole.

        Raises :class:`WrongProtocolError` if it cannot be the answer, :class:`BusyError`
        if the controller has no values yet.
        """
        self._data += data
        if not self._data.startswith(self._echo[: len(self._data)]):
            raise WrongProtocolError(f"the answer is not one to command {self._command:d}")
        if self._length is None:
            if len(self._data) < self._head:
                return False
            self._length = self._measure()
        if len(self._data) > self._length:
            raise WrongProtocolError(f"{len(self._data) - self._length} bytes too many came back")
        return len(self._data) == self._length

    def _measure(self) -> int:
        """Return the length of the whole answer, bytes."""
        if self._command is Command.WRITE:
            return self._head
        (count,) = struct.unpack_from(">i", self._data, self._head - 4)
        if count == 0:
            raise BusyError("the controller has no values yet")
        if not 0 < count <= MOST_VALUES:
            raise WrongProtocolError(f"an answer cannot have {count} values")
        return self._head + self._size * int(count)

    def values(self) -> tuple[int, ...]:
        """Return the values of a whole answer; of a write what was echoed."""
        if self._command is Command.WRITE:
            return struct.unpack_from(">i", self._data, 4)
        count = (len(self._data) - self._head) // self._size
        kind = "b" if self._size == 1 else "i"
        return struct.unpack_from(f">{count}{kind}", self._data, self._head)


class _Wire(asyncio.Protocol):
    """One connection. Bytes nobody asked for end it."""

    def __init__(self) -> None:
        self.lost = False
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._reply: Reply | None = None
        self._whole: asyncio.Future[None] | None = None
        self._heard = 0.0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        if self._reply is None or self._whole is None or self._whole.done():
            self.abort()
            return
        self._heard = asyncio.get_running_loop().time()
        try:
            if self._reply.feed(data):
                self._whole.set_result(None)
        except DriverError as err:
            self._whole.set_exception(err)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self._whole is not None and not self._whole.done():
            self._whole.set_exception(LinkLostError("the connection was lost"))
        if not self.closed.done():
            self.closed.set_result(None)

    def abort(self) -> None:
        """Close at once; nothing that still comes in is looked at."""
        self.lost = True
        if self._transport is not None:
            self._transport.abort()

    async def ask(self, request: bytes, reply: Reply, timeout: float) -> None:
        """Send ``request`` and fill ``reply``; anything but a whole answer ends the connection.

        Raises :class:`LinkError` or :class:`BusyError`.
        """
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        whole = self._whole = loop.create_future()
        self._reply = reply
        self._heard = loop.time()
        deadline = self._heard + _PATIENCE * timeout
        timer: asyncio.TimerHandle

        def look() -> None:
            nonlocal timer
            due = min(self._heard + timeout, deadline)
            if loop.time() < due:
                timer = loop.call_at(due, look)
            elif not whole.done():
                whole.set_exception(NoAnswerError(f"no answer within {timeout:g} s"))

        timer = loop.call_at(self._heard + timeout, look)
        self._transport.write(request)
        try:
            await whole
        finally:
            timer.cancel()
            self._reply = self._whole = None
            # after a time-out, a cancellation or a broken frame the answer may still come
            if not whole.done() or whole.cancelled() or whole.exception() is not None:
                self.abort()


class _Endpoint(Endpoint):
    """One connection to a controller."""

    def __init__(self) -> None:
        """Open nothing."""
        super().__init__()
        self.wire: _Wire | None = None

    @property
    @override
    def connected(self) -> bool:
        return self.wire is not None and not self.wire.lost

    @override
    async def _disconnect(self) -> None:
        if self.wire is not None:
            self.wire.abort()
            await self.wire.closed


class Link(SharedLink[_Endpoint]):
    """The way to one controller; commands are serialised.

    Used as ``async with link.session():`` around everything that belongs together (a
    poll, a write): it holds the lock and allows a single connection attempt.
    """

    def __init__(self, address: Address, *, timeout: float = TIMEOUT) -> None:
        """Remember where to connect; nothing is opened before the first command."""
        super().__init__(("luxtronik", address.host.lower(), address.port), address)
        self._timeout = timeout

    @override
    def _make(self) -> _Endpoint:
        return _Endpoint()

    @override
    def _cut(self) -> None:
        if self._endpoint is not None and self._endpoint.wire is not None:
            self._endpoint.wire.abort()

    @property
    def connected(self) -> bool:
        """Whether the connection is open, as far as anybody can know."""
        return self._endpoint is not None and self._endpoint.connected

    async def open(self) -> None:
        """Connect unless connected. Raises :class:`LinkError`."""
        await self._reached()

    async def _reached(self) -> _Wire:
        """Return the connection, opened if need be. Raises :class:`LinkError`."""
        if self._endpoint is None or self._closed:
            raise LinkLostError("the link is closed")
        if not self._endpoint.connected:
            await self._connect(self._endpoint)
        await self._meet(self._endpoint)
        wire = self._endpoint.wire
        if wire is None or wire.lost:
            raise LinkLostError("the connection was lost")
        return wire

    async def read(self, command: Command) -> tuple[int, ...]:
        """Read a whole table.

        A connection that had been lost unnoticed is replaced once, if this session still
        may. Raises :class:`LinkError` or :class:`BusyError`.
        """
        request = _HEAD.pack(command, 0)
        try:
            return await self._request(request, command)
        except LinkLostError:
            if not self._may_connect or self._closed:
                raise
            return await self._request(request, command)

    async def write(self, index: int, value: int) -> None:
        """Write one parameter, once. Raises :class:`LinkError` or :class:`BusyError`."""
        echoed = await self._request(_WRITE.pack(Command.WRITE, index, value), Command.WRITE)
        if echoed[0] not in (index, value) and self._endpoint is not None:
            # an unexpected echo may be the tail of something else
            await self._endpoint.hang_up()

    async def _request(self, request: bytes, command: Command) -> tuple[int, ...]:
        wire = await self._reached()
        reply = Reply(command)
        self.traffic.requests += 1
        try:
            await wire.ask(request, reply, self._timeout)
        except LinkError, BusyError:
            self.traffic.failures += 1
            # whatever is not a whole answer ended the connection
            self._endpoint_closed()
            raise
        return reply.values()

    def _endpoint_closed(self) -> None:
        if self._endpoint is not None:
            self._endpoint.hung_up = asyncio.get_running_loop().time()

    async def _connect(self, endpoint: _Endpoint) -> None:
        if not self._may_connect:
            raise LinkLostError("the connection was lost")
        self._may_connect = False
        self.traffic.connects += 1
        await endpoint.settle()
        try:
            endpoint.wire = await self._reach()
        except LinkError:
            self.traffic.failures += 1
            raise
        await self._opened(endpoint)

    async def _reach(self) -> _Wire:
        host, port = self.address.host, self.address.port
        try:
            async with asyncio.timeout(self._timeout):
                # all_errors: else a name with two addresses hides why it failed
                _, wire = await asyncio.get_running_loop().create_connection(  # type: ignore[call-overload]
                    _Wire, host, port, all_errors=True
                )
        except TimeoutError as err:
            raise NoAnswerError(f"{host} does not answer") from err
        except (socket.gaierror, UnicodeError) as err:
            raise NameNotFoundError(f"{host} is not known on this network") from err
        except OSError as err:
            raise NoAnswerError(f"{host} cannot be reached: {err.strerror}") from err
        except ExceptionGroup as err:
            if err.subgroup(ConnectionRefusedError):
                raise LinkRefusedError(f"{host} refuses connections to port {port}") from err
            raise NoAnswerError(f"{host} cannot be reached") from err
        assert isinstance(wire, _Wire)
        return wire
