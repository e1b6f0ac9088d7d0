"""A byte-exact Modbus TCP server whose every answer a test decides."""

import asyncio
from collections.abc import Callable
import struct

type Answer = bytes | None
"""The PDU to send, or ``None`` to stay silent."""


def exception(function: int, code: int) -> bytes:
    """Return an exception response."""
    return bytes([function | 0x80, code])


class ScriptedServer:
    """Registers by address; everything else is refused with exception 2."""

    def __init__(self, registers: dict[int, int]) -> None:
        """Serve these registers."""
        self.registers = registers
        self.refused: set[int] = set()
        self.silent_units: set[int] = set()
        self.longest = 125
        self.requests: list[tuple[int, int, int]] = []
        self.writes: list[tuple[int, list[int]]] = []
        self.connections = 0
        self.port = 0
        self.answer: Callable[[int, int, int], Answer | bool] = lambda *_: False
        """Called first; ``False`` means "as usual", ``True`` drops the connection."""
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen; return the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def stop(self) -> None:
        """Close the listener and every connection."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await self._server.wait_closed()
        await asyncio.gather(*self._tasks)

    @property
    def open(self) -> int:
        """Connections that are open."""
        return len(self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while True:
                head = await reader.readexactly(7)
                body = await reader.readexactly(int.from_bytes(head[4:6], "big") - 1)
                function, address, count = struct.unpack(">BHH", body[:5])
                self.requests.append((function, address, count))
                if head[6] in self.silent_units:
                    continue
                pdu = self.answer(function, address, count)
                if pdu is True:
                    break
                if pdu is False:
                    pdu = self._usual(function, address, count, body)
                if pdu is not None:
                    writer.write(head[:4] + struct.pack(">HB", len(pdu) + 1, head[6]) + pdu)
        except asyncio.IncompleteReadError, ConnectionError:
            return
        finally:
            self._open.discard(writer)
            writer.close()

    def _usual(self, function: int, address: int, count: int, body: bytes) -> bytes:
        span = range(address, address + count)
        if count > self.longest or any(
            at not in self.registers or at in self.refused for at in span
        ):
            return exception(function, 2)
        if function == 16:
            words = list(struct.unpack(f">{count}H", body[6:]))
            self.writes.append((address, words))
            self.registers.update(zip(span, words, strict=True))
            return body[:5]
        words = [self.registers[at] for at in span]
        return struct.pack(f">BB{count}H", function, 2 * count, *words)
