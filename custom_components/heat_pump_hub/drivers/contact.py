"""First contact with a Modbus device: what a config flow needs to know about it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
import socket
import ssl
import struct
from typing import Final

from .driver import (
    Address,
    BusyError,
    DriverError,
    Identity,
    LinkError,
    LinkLostError,
    LinkRefusedError,
    NameNotFoundError,
    NoAnswerError,
    NotThisFamilyError,
    RefusedError,
    WrongProtocolError,
    WrongUnitError,
)
from .link import PLAIN, TIMEOUT, Link, Table, Wire, unverified_tls

_GATEWAY_CODES: Final = (10, 11)
_USUAL_UNITS: Final = (1, 255, 0)


@dataclass(frozen=True, slots=True)
class Question:
    """A read that every machine of a family answers."""

    table: Table
    address: int
    count: int

    @property
    def function(self) -> int:
        """The Modbus function code."""
        return 4 if self.table == "input" else 3


async def ask(link: Link, question: Question) -> list[int]:
    """Read registers. Raises as :meth:`.link.Link.read_input_registers`."""
    read = link.read_input_registers if question.table == "input" else link.read_holding_registers
    return await read(question.address, question.count)


async def answer(
    link: Link, address: int, count: int = 1, table: Table = "input"
) -> list[int] | None:
    """Read registers; ``None`` if the device refuses them. Raises :class:`DriverError`."""
    try:
        return await ask(link, Question(table, address, count))
    except RefusedError:
        return None


async def first_answer(link: Link, question: Question) -> list[int]:
    """Ask what every machine of the family answers.

    Raises :class:`NotThisFamilyError` if it refuses, :class:`WrongUnitError` if a gateway
    knows no such unit, else :class:`DriverError`.
    """
    try:
        return await ask(link, question)
    except RefusedError as err:
        raise NotThisFamilyError(f"address {question.address} is refused") from err
    except BusyError as err:
        if getattr(err.__cause__, "exception_code", 0) in _GATEWAY_CODES:
            raise WrongUnitError(f"no device answers as unit {link.address.unit}") from err
        raise


async def look(
    address: Address,
    identify: Callable[[Link], Awaitable[Identity]],
    question: Question,
    wire: Wire = PLAIN,
    *,
    timeout: float = TIMEOUT,
) -> Identity:
    """Look at a device, read only, and say what it is; leave nothing open.

    Raises :class:`DriverError`: the precise reason, as a config flow shows it.
    """
    link = Link(address, wire, timeout=timeout)
    try:
        try:
            async with link.session():
                return await identify(link)
        except DriverError as err:
            # whoever else talks to this endpoint waits: it may take one client only
            async with link.alone():
                why = await explain(address, err, question, wire, timeout=timeout)
            if why is not err and isinstance(why, NoAnswerError):
                await _try_other_units(address, question, wire, timeout / 2)
            raise why from err
    finally:
        await link.close()


async def _try_other_units(
    address: Address, question: Question, wire: Wire, timeout: float
) -> None:
    """Raise :class:`WrongUnitError` if one of the usual unit numbers answers instead."""
    for unit in _USUAL_UNITS:
        if unit == address.unit:
            continue
        other = Address(host=address.host, port=address.port, unit=unit)
        if await _speaks(other, question, wire, timeout):
            raise WrongUnitError(f"unit {address.unit} is silent, unit {unit} answers")


async def _speaks(address: Address, question: Question, wire: Wire, timeout: float) -> bool:
    link = Link(address, wire, timeout=timeout)
    try:
        async with link.session():
            await ask(link, question)
    except RefusedError, BusyError:
        return True
    except DriverError:
        return False
    finally:
        await link.close()
    return True


async def _is_web_server(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout: float
) -> bool:
    """Whether what ignores Modbus answers the end of a request line: some web servers wait for it."""
    try:
        writer.write(b" HTTP/1.0\r\n\r\n")
        async with asyncio.timeout(timeout):
            return await reader.read(4) == b"HTTP"
    except TimeoutError, OSError:
        return False


async def explain(
    address: Address,
    err: DriverError,
    question: Question,
    wire: Wire = PLAIN,
    *,
    timeout: float = TIMEOUT,
) -> DriverError:
    """Find out why a first contact failed, by one plain connection beside the endpoint's.

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
            reader, writer = await asyncio.open_connection(
                address.host, address.port, ssl=unverified_tls() if wire.tls else None
            )
    except TimeoutError:
        return NoAnswerError(f"{address.host} does not answer")
    except ssl.SSLError:
        return WrongProtocolError(f"what answers at port {address.port} does not speak TLS")
    except OSError as refused:
        if isinstance(refused, ConnectionRefusedError):
            return LinkRefusedError(f"{address.host} refuses connections to port {address.port}")
        return NoAnswerError(f"{address.host} cannot be reached: {refused.strerror}")
    try:
        # transaction 1, protocol 0, 6 bytes, unit, function, address, count
        body = (address.unit, question.function, question.address, question.count)
        writer.write(struct.pack(">HHHBBHH", 1, 0, 6, *body))
        async with asyncio.timeout(timeout):
            head = await reader.read(8)
    except TimeoutError:
        if await _is_web_server(reader, writer, timeout / 2):
            return WrongProtocolError(f"a web server answers at port {address.port}")
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
