"""Modbus TCP or TLS to one device, over the connection of its endpoint.

``modbus_connection`` orders words and paces; this module owns the policy around it: one
connection attempt per poll, errors as this project's words, one log line (the
coordinator's) instead of pymodbus's own, and no request left hanging when the link
drops.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
import logging
import ssl
import struct
from typing import Any, Final, Literal, cast, override

from modbus_connection import (
    AcknowledgeError,
    GatewayPathUnavailableError,
    GatewayTargetError,
    ModbusConnectionError,
    ModbusError,
    ModbusExceptionError,
    ModbusProtocolError,
    ModbusTcpParams,
    ModbusTimeoutError,
    ModbusTlsParams,
    ModbusUnit,
    ServerDeviceBusyError,
)
from modbus_connection.pymodbus import ModbusConnection
from pymodbus.client import AsyncModbusTlsClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.framer import FramerSocket

from .driver import (
    Address,
    BusyError,
    LinkLostError,
    LinkRefusedError,
    NoAnswerError,
    RefusedError,
    WrongProtocolError,
)
from .endpoints import Endpoint, SharedLink

type Table = Literal["holding", "input"]

TIMEOUT: Final = 5.0
"""Seconds a request may take."""
_GRACE: Final = 0.5
"""Seconds a request that is about to answer is given by a link that is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """How a family talks Modbus, where it is not the usual way."""

    spacing: float = 0.0
    """Seconds of silence before each request."""
    tls: bool = False
    """Modbus/TCP Security. Controllers sign their certificates themselves: not verified."""
    single_writes: bool = False
    """One register is written with FC06 instead of FC16."""


PLAIN: Final = Wire()

_BUSY: Final = (
    AcknowledgeError,
    ServerDeviceBusyError,
    GatewayPathUnavailableError,
    GatewayTargetError,
)

_ours: ContextVar[bool] = ContextVar("heat_pump_hub_modbus", default=False)


def _not_ours(record: logging.LogRecord) -> bool:
    """Keep pymodbus's lines about our links for those who turned on its debugging."""
    return not _ours.get() or _PYMODBUS.isEnabledFor(logging.DEBUG)


_PYMODBUS: Final = logging.getLogger("pymodbus.logging")
_PYMODBUS.addFilter(_not_ours)


def unverified_tls() -> ssl.SSLContext:
    """Return a TLS context that encrypts but trusts any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _QuietConnection(ModbusConnection):
    """A connection that only :meth:`open` opens, and that an undecodable answer closes quietly."""

    context: Any = None
    """pymodbus's side of the last connection."""

    async def open(self) -> None:
        """Connect, unless connected. Raises ``ModbusError``."""
        await super().connect()

    @override
    async def connect(self) -> None:
        """Do nothing: what every request begins with must not open a lost connection again.

        Raises ``ModbusConnectionError`` if it is lost.
        """
        if not self.connected:
            raise ModbusConnectionError("the connection was lost")

    @override
    async def _connect_client(self) -> Any:
        client = await super()._connect_client()
        self.context = context = client.ctx
        if isinstance(client, AsyncModbusTlsClient):
            # its own framer takes every record for a whole answer
            context.framer = FramerSocket(context.framer.decoder)
        decode = context.callback_data

        def callback_data(data: bytes, addr: tuple[Any, ...] | None = None) -> int:
            try:
                used: int = decode(data, addr)
            except ModbusException, struct.error, IndexError, ValueError:
                cast(asyncio.Transport, context.transport).abort()
                return len(data)
            return used

        context.callback_data = callback_data  # type: ignore[method-assign]
        return client


class _Endpoint(Endpoint):
    """One Modbus connection, and the request that is under way on it."""

    def __init__(self, address: Address, wire: Wire, timeout: float) -> None:
        """Remember where to connect."""
        super().__init__()
        self.connection = _QuietConnection(
            ModbusTlsParams(host=address.host, port=address.port, sslctx=unverified_tls())
            if wire.tls
            else ModbusTcpParams(host=address.host, port=address.port),
            timeout=timeout,
        )
        # pymodbus would wait out the time-out for an answer that can no longer come
        self.connection.on_connection_lost(self.expire)
        self._requests = 0
        self._under_way = False

    def begin(self, timeout: float) -> None:
        """Note that a request is under way; its answer may take ``timeout`` seconds."""
        self.connection.context.comm_params.timeout_connect = timeout
        self._requests += 1
        self._under_way = True

    def end(self) -> None:
        """Note that it is over."""
        self._under_way = False

    def expire(self) -> None:
        """End the request that is under way: it fails as lost."""
        if self._under_way:
            answer = self.connection.context.response_future
            if not answer.done():
                lost = ConnectionException("the connection was lost")  # type: ignore[no-untyped-call]
                answer.set_exception(lost)

    def expire_after(self, grace: float) -> None:
        """End the request that is under way, if it takes longer than ``grace`` seconds."""
        if self._under_way:
            asyncio.get_running_loop().call_later(grace, self._expire_if, self._requests)

    def _expire_if(self, number: int) -> None:
        if number == self._requests:
            self.expire()

    @property
    @override
    def connected(self) -> bool:
        connected: bool = self.connection.connected
        return connected

    @override
    async def _disconnect(self) -> None:
        try:
            await self.connection.disconnect()
        except ModbusError as err:
            logging.getLogger(__name__).debug("closing a link: %s", err)


class Link(SharedLink[_Endpoint]):
    """The way to one Modbus unit, over the connection that its endpoint shares."""

    def __init__(self, address: Address, wire: Wire = PLAIN, *, timeout: float = TIMEOUT) -> None:
        """Remember where to connect; nothing is opened before the first request.

        ``timeout``: seconds a request may take; of a shared connection the first user's
        holds for connecting.
        """
        key = ("tls" if wire.tls else "tcp", address.host.lower(), address.port)
        super().__init__(key, address)
        self.wire = wire
        self._timeout = timeout
        self._unit: ModbusUnit

    @override
    def _make(self) -> _Endpoint:
        return _Endpoint(self.address, self.wire, self._timeout)

    @override
    def _attach(self, endpoint: _Endpoint) -> None:
        self._unit = endpoint.connection.for_unit(self.address.unit)
        if self.wire.spacing:
            self._unit.set_message_spacing(self.wire.spacing)

    @override
    def _cut(self) -> None:
        if self._endpoint is not None:
            self._endpoint.expire_after(_GRACE)

    @asynccontextmanager
    @override
    async def session(self) -> AsyncIterator[None]:
        """Hold the endpoint for one poll or one command."""
        async with super().session():
            token = _ours.set(True)
            try:
                yield
            finally:
                _ours.reset(token)

    @property
    def _open(self) -> _Endpoint:
        """Return the endpoint. Raises :class:`LinkLostError` outside a session."""
        if self._endpoint is None or self._closed:
            raise LinkLostError("the link is closed")
        return self._endpoint

    async def open(self) -> None:
        """Connect unless connected, and greet. Raises :class:`.driver.DriverError`."""
        if not self._open.connected:
            await self._connect(self._open)
        await self._meet(self._open)

    async def _request[T](self, call: Callable[[ModbusUnit], Awaitable[T]]) -> T:
        """Run one request and translate what goes wrong.

        Raises :class:`LinkError`, :class:`BusyError` or :class:`RefusedError`.
        """
        await self.open()
        endpoint = self._open
        if not endpoint.connected:
            raise LinkLostError("the connection was lost")
        self.traffic.requests += 1
        endpoint.begin(self._timeout)
        try:
            return await call(self._unit)
        except _BUSY as err:
            raise BusyError(f"the device is busy (code {err.exception_code})") from err
        except ModbusExceptionError as err:
            self.traffic.refused += 1
            raise RefusedError(str(err), err.exception_code) from err
        except ModbusError as err:
            lost = self._closed or not endpoint.connected
            self.traffic.failures += 1
            # a late answer must not meet the next request
            await endpoint.hang_up()
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # pymodbus turns a cancellation into an error of its own
                raise asyncio.CancelledError from err
            if isinstance(err, ModbusProtocolError):
                raise WrongProtocolError(str(err)) from err
            if lost or isinstance(err, ModbusConnectionError):
                raise LinkLostError("the connection was lost") from err
            raise NoAnswerError(f"no answer within {self._timeout:g} s") from err
        finally:
            endpoint.end()

    async def _connect(self, endpoint: _Endpoint) -> None:
        if not self._may_connect:
            raise LinkLostError("the connection was lost")
        self._may_connect = False
        self.traffic.connects += 1
        try:
            await endpoint.settle()
            await endpoint.connection.open()
        except ModbusTimeoutError as err:
            self.traffic.failures += 1
            raise NoAnswerError(str(err)) from err
        except ModbusError as err:
            self.traffic.failures += 1
            raise LinkRefusedError(str(err)) from err
        await self._opened(endpoint)

    async def read_input_registers(self, address: int, count: int) -> list[int]:
        """Read input registers (FC04). Raises as :meth:`_request`."""
        return await self._read(lambda unit: unit.read_input_registers(address, count), count)

    async def read_holding_registers(self, address: int, count: int) -> list[int]:
        """Read holding registers (FC03). Raises as :meth:`_request`."""
        return await self._read(lambda unit: unit.read_holding_registers(address, count), count)

    async def _read(
        self, read: Callable[[ModbusUnit], Awaitable[list[int]]], count: int
    ) -> list[int]:
        words = await self._request(read)
        if len(words) != count:
            self.traffic.failures += 1
            await self._open.hang_up()
            raise WrongProtocolError(f"{len(words)} registers came back, {count} were asked for")
        return words

    async def write_registers(self, address: int, words: list[int]) -> None:
        """Write holding registers in one request (FC16, or FC06). Raises as :meth:`_request`."""
        if self.wire.single_writes and len(words) == 1:
            await self._request(lambda unit: unit.write_register(address, words[0]))
        else:
            await self._request(lambda unit: unit.write_registers(address, words))
