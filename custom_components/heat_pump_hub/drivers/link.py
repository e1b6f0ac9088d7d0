"""One Modbus TCP or TLS connection to one device.

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
    ServerDeviceBusyError,
)
from modbus_connection.pymodbus import ModbusConnection
from pymodbus.client import AsyncModbusTlsClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerSocket

from .driver import (
    Address,
    BusyError,
    LinkLostError,
    LinkRefusedError,
    NoAnswerError,
    RefusedError,
    Traffic,
    WrongProtocolError,
)

type Table = Literal["holding", "input"]

TIMEOUT: Final = 5.0
"""Seconds a request may take."""


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
    """A connection on which an undecodable answer closes the link without a traceback."""

    @override
    async def _connect_client(self) -> Any:
        client = await super()._connect_client()
        context = client.ctx
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


class Link:
    """One TCP connection to one Modbus device; requests are serialised.

    Used as ``async with link.session():`` around everything that belongs together (a
    poll, a write): it holds the lock and allows a single connection attempt.
    """

    def __init__(self, address: Address, wire: Wire = PLAIN, *, timeout: float = TIMEOUT) -> None:
        """Remember where to connect; nothing is opened before the first request."""
        self.address = address
        self.wire = wire
        self.traffic = Traffic()
        self._timeout = timeout
        self._lock = asyncio.Lock()
        self._may_connect = False
        self._closed = False
        self._expiry: asyncio.Timeout | None = None
        self._connection = _QuietConnection(
            ModbusTlsParams(host=address.host, port=address.port, sslctx=unverified_tls())
            if wire.tls
            else ModbusTcpParams(host=address.host, port=address.port),
            timeout=timeout,
            message_spacing=wire.spacing,
        )
        self._connection.on_connection_lost(self._on_lost)
        self._unit = self._connection.for_unit(address.unit)

    def _on_lost(self) -> None:
        # pymodbus would wait out the time-out for an answer that can no longer come
        if self._expiry is not None and not self._expiry.expired():
            self._expiry.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Hold the link for one poll or one command."""
        async with self._lock:
            self._may_connect = True
            token = _ours.set(True)
            try:
                yield
            finally:
                _ours.reset(token)
                self._may_connect = False

    async def _request[T](self, call: Callable[[], Awaitable[T]]) -> T:
        """Run one request and translate what goes wrong.

        Raises :class:`LinkError`, :class:`BusyError` or :class:`RefusedError`.
        """
        if not self._connection.connected:
            await self._connect()
        self.traffic.requests += 1
        try:
            async with asyncio.timeout(self._timeout + 1) as self._expiry:
                return await call()
        except _BUSY as err:
            raise BusyError(f"the device is busy (code {err.exception_code})") from err
        except ModbusExceptionError as err:
            self.traffic.refused += 1
            raise RefusedError(str(err), err.exception_code) from err
        except (ModbusError, TimeoutError) as err:
            lost = not self._connection.connected
            self.traffic.failures += 1
            # a late answer must not meet the next request
            await self._drop()
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
            self._expiry = None

    async def _connect(self) -> None:
        if not self._may_connect or self._closed:
            raise LinkLostError("the connection was lost")
        self._may_connect = False
        self.traffic.connects += 1
        try:
            await self._connection.connect()
        except ModbusTimeoutError as err:
            self.traffic.failures += 1
            raise NoAnswerError(str(err)) from err
        except ModbusError as err:
            self.traffic.failures += 1
            raise LinkRefusedError(str(err)) from err

    async def _drop(self) -> None:
        try:
            await self._connection.disconnect()
        except ModbusError as err:
            logging.getLogger(__name__).debug("closing a broken link: %s", err)

    @property
    def may_reconnect(self) -> bool:
        """Whether this session still has its connection attempt."""
        return self._may_connect

    async def read_input_registers(self, address: int, count: int) -> list[int]:
        """Read input registers (FC04). Raises as :meth:`_request`."""
        return await self._read(self._unit.read_input_registers, address, count)

    async def read_holding_registers(self, address: int, count: int) -> list[int]:
        """Read holding registers (FC03). Raises as :meth:`_request`."""
        return await self._read(self._unit.read_holding_registers, address, count)

    async def _read(
        self, read: Callable[[int, int], Awaitable[list[int]]], address: int, count: int
    ) -> list[int]:
        words = await self._request(lambda: read(address, count))
        if len(words) != count:
            self.traffic.failures += 1
            await self._drop()
            raise WrongProtocolError(f"{len(words)} registers came back, {count} were asked for")
        return words

    async def write_registers(self, address: int, words: list[int]) -> None:
        """Write holding registers in one request (FC16, or FC06). Raises as :meth:`_request`."""
        if self.wire.single_writes and len(words) == 1:
            await self._request(lambda: self._unit.write_register(address, words[0]))
        else:
            await self._request(lambda: self._unit.write_registers(address, words))

    async def close(self) -> None:
        """Close the connection for good; waits for a request that is about to answer."""
        self._closed = True
        try:
            await self._connection.close()
        except ModbusError as err:
            logging.getLogger(__name__).debug("closing the link: %s", err)
