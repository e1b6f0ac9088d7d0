"""Modbus TCP seen from outside: a relay that counts, and a read past everything else.

Also one parameter of a Luxtronik by its own protocol. Nothing of the integration or its libraries is used, so this is a second witness.
"""

import asyncio
from collections import deque
from collections.abc import Callable
import contextlib
from dataclasses import dataclass
from itertools import count
from pathlib import Path
import struct
import time
from typing import Final

from .errors import DevelopError
from .tools import HOST

_HEADER: Final = struct.Struct(">HHHB")
_READS: Final = (3, 4)
_WRITE_ONE: Final = 6
_WRITE_MANY: Final = 16
_PARAMETERS: Final = 3003
_KEPT: Final = 50_000
_CHUNK: Final = 65_536
_TIMEOUT: Final = 5.0
_LISTENING: Final = "0A"
_transactions: Final = count(1)


@dataclass(frozen=True, slots=True)
class Request:
    """One request that went over the wire."""

    time: float
    """Seconds since 1970."""
    function: int
    address: int
    count: int
    words: tuple[int, ...] = ()
    """What is to be written."""
    link: int = 0
    """Which connection it came over, from 1."""

    @property
    def writes(self) -> bool:
        """Whether it would change something."""
        return self.function not in _READS

    def covers(self, address: int) -> bool:
        """Return whether a register is part of it."""
        return self.address <= address < self.address + self.count


def parse(unit_and_pdu: bytes, link: int) -> Request:
    """Return the request in a frame, from its unit number on. Raises ``struct.error``."""
    function, address, number = struct.unpack_from(">BHH", unit_and_pdu, 1)
    if function == _WRITE_ONE:
        return Request(time.time(), function, address, 1, (number,), link)
    words: tuple[int, ...] = ()
    if function == _WRITE_MANY:
        words = struct.unpack_from(f">{number}H", unit_and_pdu, 7)
    return Request(time.time(), function, address, number, words, link)


class Relay:
    """Passes a port of 127.0.0.1 on to another one, and remembers the requests."""

    def __init__(self, target: int) -> None:
        """Prepare; ``target`` is the port of the simulated heat pump."""
        self.port = 0
        self.requests: deque[Request] = deque(maxlen=_KEPT)
        self._target = target
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._numbers = count(1)

    async def start(self) -> None:
        """Listen. Raises ``OSError``."""
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the listener and every connection."""
        if self._server is not None:
            self._server.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    @property
    def links(self) -> int:
        """Connections open at this moment."""
        return len(self._links)

    def writes(self, address: int) -> list[Request]:
        """Return the requests that would change a register."""
        return [request for request in self.requests if request.writes and request.covers(address)]

    def reads(self, address: int, *, since_link: int = 1) -> int:
        """Return how often a register was asked for, over connections from one on."""
        return sum(
            not request.writes and request.covers(address) and request.link >= since_link
            for request in self.requests
        )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        task.add_done_callback(self._links.discard)
        with contextlib.suppress(OSError), contextlib.closing(writer):
            far_reader, far_writer = await asyncio.open_connection(HOST, self._target)
            with contextlib.closing(far_writer):
                frames = _Frames(next(self._numbers), self.requests.append)
                ways = [
                    asyncio.ensure_future(_pump(reader, far_writer, frames)),
                    asyncio.ensure_future(_pump(far_reader, writer, None)),
                ]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)


class _Frames:
    """Cuts a stream into frames."""

    def __init__(self, link: int, take: Callable[[Request], None]) -> None:
        self._link = link
        self._take = take
        self._data = b""

    def feed(self, data: bytes) -> None:
        self._data += data
        while len(self._data) >= _HEADER.size:
            length = int.from_bytes(self._data[4:6])
            if len(self._data) < 6 + length:
                return
            frame, self._data = self._data[6 : 6 + length], self._data[6 + length :]
            with contextlib.suppress(struct.error):
                self._take(parse(frame, self._link))


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, frames: _Frames | None
) -> None:
    while data := await reader.read(_CHUNK):
        if frames is not None:
            frames.feed(data)
        writer.write(data)
        await writer.drain()


async def read_register(port: int, address: int, unit: int = 1) -> int:
    """Return one holding register, over a connection of its own.

    Raises :class:`DevelopError` if the machine refuses or does not answer.
    """
    body = struct.pack(">BBHH", unit, 3, address, 1)
    transaction = next(_transactions) & 0xFFFF
    what = f"register {address} at port {port}"
    try:
        async with asyncio.timeout(_TIMEOUT):
            reader, writer = await asyncio.open_connection(HOST, port)
            with contextlib.closing(writer):
                writer.write(struct.pack(">HHH", transaction, 0, len(body)) + body)
                answered, _, length, _ = _HEADER.unpack(await reader.readexactly(_HEADER.size))
                answer = await reader.readexactly(length - 1)
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise DevelopError(f"{what} was not read: {error!r}") from error
    if answered != transaction or answer[0] != 3:
        raise DevelopError(f"{what} was not read: the answer is {answer.hex()}")
    return int.from_bytes(answer[2:4])


async def read_parameter(port: int, index: int) -> int:
    """Return one raw parameter of a Luxtronik, over a connection of its own.

    Raises :class:`DevelopError` if the machine does not answer.
    """
    what = f"parameter {index} at port {port}"
    try:
        async with asyncio.timeout(_TIMEOUT):
            reader, writer = await asyncio.open_connection(HOST, port)
            with contextlib.closing(writer):
                writer.write(struct.pack(">ii", _PARAMETERS, 0))
                answered, number = struct.unpack(">ii", await reader.readexactly(8))
                values = struct.unpack(f">{number}i", await reader.readexactly(4 * number))
    except (OSError, TimeoutError, asyncio.IncompleteReadError, struct.error) as error:
        raise DevelopError(f"{what} was not read: {error!r}") from error
    if answered != _PARAMETERS or index >= len(values):
        raise DevelopError(f"{what} was not read: {number} values of {answered}")
    found: int = values[index]
    return found


def listening_ports(pid: int) -> set[int]:
    """Return the TCP ports of IPv4 that a process listens at (Linux)."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
    rows = Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    fields = (row.split() for row in rows)
    return {
        int(field[1].rpartition(":")[2], 16)
        for field in fields
        if field[3] == _LISTENING and field[9] in inodes
    }
