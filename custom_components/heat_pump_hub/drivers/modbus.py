"""What the Modbus families share: the link, and registers that become values.

``modbus_connection`` plans, orders words and paces; this module owns the policy
around it: one connection attempt per poll, errors as this project's words, one log
line (the coordinator's) instead of pymodbus's own, and no request left hanging when
the link drops.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
import logging
import math
import socket
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
    ServerDeviceBusyError,
)
from modbus_connection.model.fields import RegisterField, float32, integer
from modbus_connection.pymodbus import ModbusConnection
from pymodbus.exceptions import ModbusException

from .driver import (
    Address,
    BusyError,
    DriverError,
    LinkError,
    LinkLostError,
    LinkRefusedError,
    NameNotFoundError,
    NoAnswerError,
    RefusedError,
    Traffic,
    WrongProtocolError,
)
from .points import Kind, Point, Quantity, Value

type Table = Literal["holding", "input"]

TIMEOUT: Final = 5.0
"""Seconds a request may take."""

_BUSY: Final = (
    AcknowledgeError,
    ServerDeviceBusyError,
    GatewayPathUnavailableError,
    GatewayTargetError,
)

_ours: ContextVar[bool] = ContextVar("heat_pump_hub_modbus", default=False)


def _not_ours(record: logging.LogRecord) -> bool:
    """Keep pymodbus's lines about our links for those who turned on debugging."""
    return not _ours.get() or logging.getLogger(__package__).isEnabledFor(logging.DEBUG)


logging.getLogger("pymodbus.logging").addFilter(_not_ours)


class _QuietConnection(ModbusConnection):
    """A connection on which an undecodable answer closes the link without a traceback."""

    @override
    async def _connect_client(self) -> Any:
        client = await super()._connect_client()
        context = client.ctx
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

    def __init__(self, address: Address, *, timeout: float = TIMEOUT) -> None:
        """Remember where to connect; nothing is opened before the first request."""
        self.address = address
        self.traffic = Traffic()
        self._timeout = timeout
        self._lock = asyncio.Lock()
        self._may_connect = False
        self._closed = False
        self._expiry: asyncio.Timeout | None = None
        self._connection = _QuietConnection(
            ModbusTcpParams(host=address.host, port=address.port), timeout=timeout
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
        """Write holding registers in one request (FC16). Raises as :meth:`_request`."""
        await self._request(lambda: self._unit.write_registers(address, words))

    async def close(self) -> None:
        """Close the connection for good; waits for a request that is about to answer."""
        self._closed = True
        try:
            await self._connection.close()
        except ModbusError as err:
            logging.getLogger(__name__).debug("closing the link: %s", err)


class Codec(StrEnum):
    """How a value lies in its registers."""

    FLOAT32 = "float32"
    """IEEE 754, two registers, low word first."""
    UINT8 = "uint8"
    """One register, low byte; some firmware repeats it in the high byte."""
    UINT16 = "uint16"
    INT16 = "int16"


_PLAUSIBLE: Final[Mapping[Quantity, tuple[float, float]]] = {
    Quantity.TEMPERATURE: (-60.0, 250.0),
    Quantity.POWER: (-200_000.0, 200_000.0),
    Quantity.ENERGY: (0.0, 1e9),
    Quantity.HUMIDITY: (0.0, 100.0),
    Quantity.BATTERY: (0.0, 100.0),
    Quantity.RATIO: (-1.0, 100.0),
    Quantity.FLOW_RATE: (0.0, 1000.0),
    Quantity.PRESSURE: (-1.0, 100.0),
    Quantity.FREQUENCY: (0.0, 500.0),
    Quantity.ROTATION: (0.0, 10_000.0),
}


@dataclass(frozen=True, slots=True)
class Absent:
    """The device says that it has no value here."""


@dataclass(frozen=True, slots=True)
class Implausible:
    """A value that physics forbids: read once more before it counts."""

    raw: float


@dataclass(frozen=True, slots=True)
class UnknownCode:
    """A state whose number nobody documented."""

    raw: int


type Decoded = Value | Absent | Implausible | UnknownCode

ABSENT: Final = Absent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Where one point lives on the wire, and what its raw numbers mean."""

    point: Point
    address: int
    codec: Codec
    table: Table = "input"
    """Of the documents: what the ledger and the cooldown name. Reads may use another."""
    scale: float = 1.0
    """Raw times scale is the value in the point's unit."""
    sentinels: frozenset[float] = frozenset()
    """Raw numbers that mean "no sensor" and that no real value can equal."""
    unset: frozenset[float] = frozenset()
    """Raw numbers that mean "no sensor" until any other was seen: -1.0 °C can be real."""
    states: Mapping[int, str] | None = None
    """Raw number to slug, where it is not the point's own numbering."""
    flag: Mapping[int, bool] = field(default_factory=lambda: {0: False, 1: True})
    convert: Callable[[float], Value | None] | None = None
    """Raw number to value, where a table cannot say it; ``None`` is an unknown code."""
    plausible: tuple[float, float] | None = None
    """Physical range in the point's unit; by default that of the quantity."""
    alone: bool = False
    """Must not share a request with other registers."""

    @property
    def count(self) -> int:
        """Registers on the wire."""
        return 2 if self.codec is Codec.FLOAT32 else 1

    @property
    def end(self) -> int:
        """The last address."""
        return self.address + self.count - 1

    def as_field(self) -> RegisterField[Any]:
        """Return the field that reads and writes it."""
        if self.codec is Codec.FLOAT32:
            return float32(self.address, word_order="little", writable=True, force_fc16=True)
        return integer(
            self.address,
            signed=self.codec is Codec.INT16,
            writable=True,
            force_fc16=True,
        )

    def decode(self, raw: float | None, *, seen: bool = True) -> Decoded:
        """Turn a raw number into a value; ``seen``: it once was something else than unset."""
        if raw is None:
            return ABSENT
        if self.codec is Codec.UINT8:
            raw = int(raw) & 0xFF
        if raw in self.sentinels or (not seen and raw in self.unset):
            return ABSENT
        if not math.isfinite(raw):
            return Implausible(raw)
        if self.convert is not None:
            value = self.convert(raw)
            return UnknownCode(int(raw)) if value is None else value
        point = self.point
        if point.quantity is Quantity.STATE:
            slug = (self.states or point.options or {}).get(int(raw))
            return UnknownCode(int(raw)) if slug is None else slug
        if point.quantity is Quantity.FLAG:
            flag = self.flag.get(int(raw))
            return UnknownCode(int(raw)) if flag is None else flag
        number = raw * self.scale
        low, high = self.plausible or _PLAUSIBLE.get(point.quantity, (-math.inf, math.inf))
        if not low <= number <= high:
            return Implausible(raw)
        if point.decimals == 0 or (point.kind is Kind.STATE and number == int(number)):
            return round(number)
        return round(number, point.decimals) + 0.0  # no negative zero

    def encode(self, value: Value) -> list[int]:
        """Turn a value into registers.

        Raises ``ValueError`` for a slug or a number that the register cannot hold.
        """
        raw: float
        if isinstance(value, bool):
            raw = next((code for code, flag in self.flag.items() if flag is value), -1)
        elif isinstance(value, str):
            table = self.states or self.point.options or {}
            raw = next((code for code, slug in table.items() if slug == value), -1)
        else:
            raw = value / self.scale
        if self.codec is Codec.FLOAT32:
            return list(self.as_field().encode(raw))
        low, high = {
            Codec.UINT8: (0, 254),
            Codec.UINT16: (0, 65535),
            Codec.INT16: (-32768, 32767),
        }[self.codec]
        if not low <= round(raw) <= high:
            raise ValueError(f"{value!r} does not fit into {self.codec} at {self.address}")
        return [round(raw) & 0xFFFF]


async def explain(address: Address, err: DriverError, *, timeout: float = TIMEOUT) -> DriverError:
    """Find out why a first contact failed, by one plain connection of its own.

    Returns the more precise error, or ``err`` where nothing better is known: pymodbus
    does not say whether a name failed, a port was closed or a web server answered.
    """
    if not isinstance(err, LinkError):
        return err
    loop = asyncio.get_running_loop()
    try:
        await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError, UnicodeError:
        return NameNotFoundError(f"{address.host} is not known on this network")
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(address.host, address.port)
    except TimeoutError:
        return NoAnswerError(f"{address.host} does not answer")
    except OSError as refused:
        if isinstance(refused, ConnectionRefusedError):
            return LinkRefusedError(f"{address.host} refuses connections to port {address.port}")
        return NoAnswerError(f"{address.host} cannot be reached: {refused.strerror}")
    try:
        # transaction 1, protocol 0, 6 bytes, unit, FC04, address 1000, 2 registers
        writer.write(struct.pack(">HHHBBHH", 1, 0, 6, address.unit, 4, 1000, 2))
        async with asyncio.timeout(timeout):
            head = await reader.read(8)
    except TimeoutError:
        return NoAnswerError(f"{address.host} accepts connections but does not answer")
    except OSError:
        return LinkLostError(f"{address.host} closes the connection")
    finally:
        writer.transport.abort()
    if not head:
        return LinkLostError(f"{address.host} closes the connection")
    if len(head) < 4 or head[2:4] != b"\0\0":
        return WrongProtocolError(f"what answers at port {address.port} is not Modbus")
    return err
