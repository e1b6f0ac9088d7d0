"""A simulated Luxtronik 2.0/2.1 on its own TCP protocol, in front of a model.

Behaviour follows field notes on the controller: one answer for each request, a write's
answer that confirms no value, a late read-back, and firmware .90, which applies a write,
freezes, restarts and never answers it.
"""

import asyncio
from collections.abc import Callable, Coroutine
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
import struct
from typing import Any, Final, override

from . import luxtronik_table as table
from .clock import Clock
from .late import Late
from .luxtronik_shi import LAPSE, ShiServer, port_beside
from .luxtronik_values import LuxtronikMachine, Values
from .physics import HeatPumpModel

__all__ = ["LuxtronikMachine", "LuxtronikServer", "Write", "luxtronik_frame"]

WRITE: Final = 3002
PARAMETERS: Final = 3003
CALCULATIONS: Final = 3004
VISIBILITIES: Final = 3005

_KEPT: Final = 10_000
_TRIES: Final = 20
"""Times to look for two free ports in a row."""


@dataclass(slots=True)
class Write:
    """One attempt to write."""

    time: datetime
    index: int
    value: int
    accepted: bool = False


def luxtronik_frame(buffer: bytes) -> int:
    """Return the length of the request or answer at the start of a buffer, 0: not whole.

    For a proxy that sees both: nothing but its length tells ``3004, 0`` from the start of
    an answer, nor the answer to a write from the start of one.
    """
    if len(buffer) < 8:
        return 0
    command, second = struct.unpack_from(">ii", buffer)
    if command == WRITE:
        return 8 if len(buffer) == 8 else 12 if len(buffer) >= 12 else 0
    if command == CALCULATIONS:
        if len(buffer) == 8:
            return 8
        if len(buffer) < 12:
            return 0
        length = 12 + 4 * int.from_bytes(buffer[8:12], "big", signed=True)
    else:
        length = 8 + max(0, second) * (1 if command == VISIBILITIES else 4)
    return length if len(buffer) >= length else 0


class LuxtronikServer:
    """Serves one model as one controller; all methods belong to the server's loop."""

    def __init__(
        self,
        model: HeatPumpModel,
        machine: LuxtronikMachine | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float = 1.0,
        read_back_delay: tuple[float, float] = (0.0, 1.0),
        freeze: float = 10.0,
        boot: float = 20.0,
        discovery_port: int | None = None,
        lapse: float = LAPSE,
        seed: int = 0,
    ) -> None:
        """Prepare; nothing listens before :meth:`start`.

        ``read_back_delay`` bounds, in seconds, how long a written parameter still reads as
        before; ``freeze`` and ``boot`` how long firmware .90 hangs and is away after a
        write; ``lapse`` after how many seconds its Smart Home Interface forgets. Raises
        ``ValueError`` if the model lacks a circuit of the machine.
        """
        self.model = model
        self.machine = machine or LuxtronikMachine()
        self.values = Values(model, self.machine)
        self.clock = Clock(model, speed)
        self.read_back_delay = read_back_delay
        self.freeze = freeze
        self.boot = boot
        self.chunk: int | None = None
        """Send at most so many bytes at once."""
        self.silent = False
        """Take requests and answer none."""
        self.booting = False
        """Answer every read with no values at all."""
        self.writes: list[Write] = []
        """Every attempt to write, accepted or not."""
        self.requests: list[int] = []
        """The commands that came in."""
        self.connects = 0
        """Connections since the start."""
        self.shi: ShiServer | None = None
        """Its Smart Home Interface, where the machine has one."""
        if self.machine.shi:
            self.shi = ShiServer(
                self.values,
                self.clock,
                lapse=lapse,
                host=host,
                read_back_delay=read_back_delay,
                seed=seed,
            )
        self._host = host
        self._port = port
        self._discovery_port = discovery_port
        self._random = Random(seed)
        self._late = Late(self._apply)
        self._server: asyncio.Server | None = None
        self._udp: asyncio.DatagramTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: set[asyncio.StreamWriter] = set()

    # -- life ----------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port it listens on; kept over a restart. 0 before :meth:`start`."""
        return self._port

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._open)

    async def start(self) -> int:
        """Listen and let time run; return the port. Raises ``OSError`` if it is taken.

        The Smart Home Interface listens at the next port, beside a usual one at its own.
        """
        tries = _TRIES if self._port == 0 and self.shi is not None else 1
        while True:
            await self._listen()
            tries -= 1
            try:
                await self._listen_beside()
                break
            except OSError:
                await self._away()
                if not tries:
                    raise
                self._port = 0
        if self._discovery_port is not None:
            self._udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Discovery(lambda: self._port),
                local_addr=(self._host, self._discovery_port),
            )
        self._run(self._keep_time())
        return self._port

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _listen_beside(self) -> None:
        if self.shi is not None:
            self.shi.listen_at(port_beside(self._port))
            await self.shi.start()

    async def stop(self) -> None:
        """Close the listener and every connection; once more does nothing."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._udp is not None:
            self._udp.close()
            self._udp = None
        if self.shi is not None:
            await self.shi.stop()
        await self._away()

    async def _away(self) -> None:
        """Stop listening and drop every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        self.drop()
        # transports close on the next turn of the loop
        await asyncio.sleep(0)

    def drop(self) -> None:
        """End every connection."""
        for writer in list(self._open):
            writer.transport.abort()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_time(self) -> None:
        """Move the model even while nobody reads."""
        while True:
            await asyncio.sleep(1.0)
            self._tick()

    # -- for tests -----------------------------------------------------------------

    def hold(self, index: int, raw: int) -> None:
        """Show a raw calculation, whatever the model does, until :meth:`release`."""
        self.values.held[index] = raw

    def release(self, index: int) -> None:
        """Let the model decide again what is shown."""
        self.values.held.pop(index, None)

    def parameter(self, index: int) -> int:
        """Return what a parameter reads as now. Raises ``IndexError``."""
        return self.values.parameters()[index]

    def set_parameter(self, index: int, raw: int) -> None:
        """Change a parameter as at the panel: at once, not recorded. Raises ``IndexError``."""
        self._late.take(index, raw)

    def _tick(self) -> None:
        """Let time pass in the model, and parameters arrive."""
        self.clock.tick()
        self._late.arrive()

    def _apply(self, index: int, raw: int) -> None:
        self.values.apply(index, raw)
        if self.shi is not None:
            self.shi.act()

    # -- requests ------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        self.connects += 1
        self._open.add(writer)
        try:
            while True:
                command, second = struct.unpack(">ii", await reader.readexactly(8))
                raw = 0
                if command == WRITE:
                    (raw,) = struct.unpack(">i", await reader.readexactly(4))
                if len(self.requests) >= _KEPT:
                    del self.requests[: _KEPT // 2]
                self.requests.append(command)
                answer = self._answer(command, second, raw)
                if answer is not None:
                    await self._send(writer, answer)
        except OSError, asyncio.IncompleteReadError:
            return
        finally:
            self._open.discard(writer)
            writer.close()

    async def _send(self, writer: asyncio.StreamWriter, answer: bytes) -> None:
        """Send, in pieces where that is asked for."""
        if self.chunk is None:
            writer.write(answer)
            await writer.drain()
            return
        for start in range(0, len(answer), self.chunk):
            writer.write(answer[start : start + self.chunk])
            await writer.drain()
            await asyncio.sleep(0.001)

    def _answer(self, command: int, index: int, raw: int) -> bytes | None:
        """Return the answer to a request; ``None``: stay silent, as to what is no command."""
        if command == WRITE:
            return self._write(index, raw)
        if self.silent or command not in (PARAMETERS, CALCULATIONS, VISIBILITIES):
            return None
        self._tick()
        head = (command, self.machine.status) if command == CALCULATIONS else (command,)
        if self.booting:
            return struct.pack(f">{len(head) + 1}i", *head, 0)
        if command == VISIBILITIES:
            shown = self.values.visibilities()
            return struct.pack(f">ii{len(shown)}b", command, len(shown), *shown)
        tables = self.values
        values = tables.parameters() if command == PARAMETERS else tables.calculations()
        return struct.pack(f">{len(head) + 1 + len(values)}i", *head, len(values), *values)

    def _write(self, index: int, raw: int) -> bytes | None:
        """Take a write; whatever became of it, the answer names the index."""
        if len(self.writes) >= _KEPT:
            del self.writes[: _KEPT // 2]
        write = Write(datetime.now(UTC), index, raw)
        self.writes.append(write)
        if self.silent:
            return None
        low, high = table.LIMITS.get(index, (raw, raw))
        write.accepted = 0 <= index < self.machine.parameters and low <= raw <= high
        if write.accepted:
            self._late.take(index, raw, self._random.uniform(*self.read_back_delay))
        if self.machine.restarts_on_write:
            self.silent = True
            self._run(self._restart())
            return None
        return struct.pack(">ii", WRITE, index)

    async def _restart(self) -> None:
        """Hang, go away, come back."""
        await asyncio.sleep(self.freeze)
        await self._away()
        await asyncio.sleep(self.boot)
        self.silent = False
        with contextlib.suppress(OSError):
            await self._listen()


class _Discovery(asyncio.DatagramProtocol):
    """Answers the search for controllers."""

    def __init__(self, port: Callable[[], int]) -> None:
        self._port = port
        self._transport: asyncio.DatagramTransport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self._transport = transport

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data.startswith(b"2000;111;1;") and self._transport is not None:
            self._transport.sendto(f"2500;111;{self._port()};;\0".encode(), addr)
