"""A Modbus TCP server for simulated machines: it counts, records and misbehaves on demand.

The registers live in pymodbus' ``SimDevice``; its action hook asks the machine for them.
"""

from abc import ABC, abstractmethod
import asyncio
from collections.abc import Iterable
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
import ssl
from typing import Final, override

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.server import ModbusTcpServer
from pymodbus.server.base import ModbusBaseServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice
from pymodbus.transport import CommParams, CommType

_READS: Final = (3, 4)
_WRITES: Final = (6, 16)
_ATTEMPTS: Final = (5, 6, 15, 16, 22, 23)
"""Every function code that would change something."""
_HOLDING: Final = (3, *_WRITES)
HOLDINGS: Final = 0x10000
"""Where holding registers begin, on machines that have them apart from input registers."""
_KEPT = 20_000
"""Requests and writes remembered, so that a demo may run for a year."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in."""

    function_code: int
    address: int
    count: int
    unit: int


@dataclass(slots=True)
class Write:
    """One attempt to write, taken or refused."""

    time: datetime
    address: int
    words: tuple[int, ...]
    function_code: int
    accepted: bool = False


class RegisterServer(ABC):
    """Serves one machine: reads (3, 4) and writes (6, 16).

    They share one space, or are ``separate``: then a machine knows its holding registers
    (3, 6, 16) by their address plus :data:`HOLDINGS`. All methods belong to the server's
    event loop.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        unit: int,
        silent_unit: bool,
        max_read: int,
        separate: bool = False,
        sslctx: ssl.SSLContext | None = None,
    ) -> None:
        """Prepare; nothing listens before :meth:`start`.

        A request to another unit is answered with exception 11, or not at all if
        ``silent_unit``; a read of more than ``max_read`` registers with exception 3.
        ``sslctx``: speak TLS.
        """
        self.unit = unit
        self.silent_unit = silent_unit
        self.writes: list[Write] = []
        """Every attempt to write, accepted or not."""
        self.requests: list[Request] = []
        self.request_count = 0
        self.connects = 0
        """Connections since the start."""
        self.silent = False
        """Take requests and answer none."""
        self._host = host
        self._asked_port = port
        self._max_read = max_read
        self._separate = separate
        self._sslctx = sslctx
        self._server: _TcpServer | None = None
        self._task: asyncio.Task[None] | None = None
        self._refused: dict[int, ExcCodes] = {}
        self._refuse_all: int | None = None
        self._crashing: set[int] = set()

    # -- what a machine does -------------------------------------------------------

    @abstractmethod
    def defined(self) -> Iterable[int]:
        """Return every address that exists; the others are refused with exception 2."""

    @abstractmethod
    def tick(self) -> None:
        """Let time pass; called before every read and once a second."""

    @abstractmethod
    def load(self, address: int, count: int) -> list[int] | ExcCodes:
        """Return the words of a read, or why it is refused; undefined ones do not matter."""

    @abstractmethod
    def store(self, address: int, words: tuple[int, ...]) -> ExcCodes | None:
        """Take a write, or return why it is refused."""

    # -- life ----------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port it listens on. Raises ``RuntimeError`` before :meth:`start`."""
        if self._server is None:
            raise RuntimeError("the server is not started")
        listener: asyncio.Server = self._server.transport  # type: ignore[assignment]
        port: int = listener.sockets[0].getsockname()[1]
        return port

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._server.active_connections) if self._server is not None else 0

    async def start(self) -> int:
        """Listen and let time run; return the port. Raises ``OSError`` if it is taken."""
        device = SimDevice(id=self.unit, simdata=self._blocks(), action=self._act)
        server = _TcpServer(self, device, (self._host, self._asked_port), self._sslctx)
        try:
            await server.serve_forever(background=True)
        except RuntimeError as err:
            raise OSError(f"cannot listen on {self._host}:{self._asked_port}") from err
        self._server = server
        self._task = asyncio.create_task(self._keep_time())
        return self.port

    def _blocks(
        self,
    ) -> list[SimData] | tuple[list[SimData], list[SimData], list[SimData], list[SimData]]:
        """Return what pymodbus shall hold: one space, or bits, bits, holding and input."""
        defined = set(self.defined())
        if not self._separate:
            return _registers(defined)
        bits = SimData(0, values=[False] * 16, datatype=DataType.BITS)
        holding = {place - HOLDINGS for place in defined if place >= HOLDINGS}
        inputs = {place for place in defined if place < HOLDINGS}
        # pymodbus wants at least one register in each
        return [bits], [bits], _registers(holding or {0}), _registers(inputs or {0})

    async def stop(self) -> None:
        """Close the listener and every connection; once more does nothing."""
        server, self._server = self._server, None
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if server is None:
            return
        await server.shutdown()  # type: ignore[no-untyped-call]
        if ModbusBaseServer.active_server is server:
            # pymodbus keeps the last server alive for itself.
            ModbusBaseServer.active_server = None
        # Transports close on the next turn of the loop.
        await asyncio.sleep(0)

    async def _keep_time(self) -> None:
        """Move the model even while nobody reads."""
        while True:
            await asyncio.sleep(1.0)
            self.tick()

    # -- for tests -----------------------------------------------------------------

    def refuse(self, *addresses: int, code: int = 2) -> None:
        """Answer every request that touches one of these addresses with an exception."""
        for address in addresses:
            self._refused[address] = ExcCodes(code)

    def accept(self, *addresses: int) -> None:
        """End :meth:`refuse` and :meth:`crash` for these addresses, or for all."""
        for address in addresses or list(self._refused.keys() | self._crashing):
            self._refused.pop(address, None)
            self._crashing.discard(address)

    def refuse_all(self, code: int | None) -> None:
        """Answer everything with one exception (5 or 6 while booting), ``None``: no more."""
        self._refuse_all = code

    def crash(self, *addresses: int) -> None:
        """Drop the link, without an answer, on a request that touches one of these."""
        self._crashing.update(addresses)

    # -- requests ------------------------------------------------------------------

    async def answer(self, pdu: ModbusPDU) -> ModbusPDU | None:
        """Return the answer to a request; ``None``: stay silent.

        Raises ``ConnectionAbortedError`` if the link shall be dropped.
        """
        code = pdu.function_code
        count = pdu.count or len(pdu.registers) or 1
        write = self._record(pdu, code, count)
        if self.silent:
            return None
        if pdu.dev_id != self.unit:
            if self.silent_unit:
                return None
            return ExceptionResponse(code, ExcCodes.GATEWAY_NO_RESPONSE)
        if self._refuse_all is not None:
            return ExceptionResponse(code, self._refuse_all)
        place = self._place(code, pdu.address)
        touched = range(place, place + count)
        if not self._crashing.isdisjoint(touched):
            raise ConnectionAbortedError
        if code not in (*_READS, *_WRITES):
            return ExceptionResponse(code, ExcCodes.ILLEGAL_FUNCTION)
        assert self._server is not None
        response = await pdu.datastore_update(self._server.context, self.unit)  # type: ignore[arg-type]
        if write is not None:
            write.accepted = not response.isError()
        return response

    def _record(self, pdu: ModbusPDU, code: int, count: int) -> Write | None:
        """Remember a request, and what it wants to write."""
        self.request_count += 1
        if len(self.requests) >= _KEPT:
            del self.requests[: _KEPT // 2]
        self.requests.append(Request(code, pdu.address, count, pdu.dev_id))
        if code not in _ATTEMPTS:
            return None
        if len(self.writes) >= _KEPT:
            del self.writes[: _KEPT // 2]
        words = tuple(pdu.registers) or tuple(int(bit) for bit in pdu.bits)
        self.writes.append(Write(datetime.now(UTC), pdu.address, words, code))
        return self.writes[-1]

    def _place(self, function_code: int, address: int) -> int:
        return address + (HOLDINGS if self._separate and function_code in _HOLDING else 0)

    async def _act(
        self,
        function_code: int,
        start_address: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Read or write; called by pymodbus before it looks at its own registers."""
        place = self._place(function_code, address)
        for refused, code in self._refused.items():
            if place <= refused < place + count:
                return code
        if values is not None:
            return self.store(place, tuple(int(word) for word in values))
        if function_code == 6:
            # The echo of a single write: what pymodbus has just put there.
            return None
        if not 1 <= count <= self._max_read:
            return ExcCodes.ILLEGAL_VALUE
        self.tick()
        words = self.load(place, count)
        if isinstance(words, ExcCodes):
            return words
        offset = address - start_address
        registers[offset : offset + count] = words
        return None


class _TcpServer(ModbusTcpServer):
    """pymodbus' server, with our handler behind every connection."""

    def __init__(
        self,
        owner: RegisterServer,
        device: SimDevice,
        address: tuple[str, int],
        sslctx: ssl.SSLContext | None,
    ) -> None:
        """Serve ``device`` at ``address``."""
        if sslctx is not None:
            # where pymodbus' own TLS server keeps it
            self.tls_setup = CommParams(
                comm_type=CommType.TLS, comm_name="tls", reconnect_delay=0.0, sslctx=sslctx
            )
        super().__init__(device, address=address)
        self.owner = owner

    @override
    def callback_new_connection(self) -> ServerRequestHandler:
        """Return the handler of a fresh connection."""
        self.owner.connects += 1
        return _Handler(self)


class _Handler(ServerRequestHandler):
    """One connection: lets the simulated machine decide whether and what to answer."""

    def __init__(self, server: _TcpServer) -> None:
        """Belong to ``server``."""
        super().__init__(server, None, None, None)  # type: ignore[no-untyped-call]
        self.owner = server.owner
        self._tasks: set[asyncio.Task[None]] = set()

    @override
    def handle_later(self) -> None:
        """Answer in a task of its own, so that a mistake in a machine is seen."""
        task = self.loop.create_task(self.handle_request())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @override
    async def handle_request(self) -> None:
        """Answer the request that was just decoded."""
        pdu = self.last_pdu
        if pdu is None:
            return
        try:
            response = await self.owner.answer(pdu)
        except ConnectionAbortedError:
            self.close()
            return
        if response is None or self.transport is None:
            return
        response.transaction_id = pdu.transaction_id
        response.dev_id = pdu.dev_id
        self.server_send(response, self.last_addr)  # type: ignore[no-untyped-call]


def _registers(addresses: Iterable[int]) -> list[SimData]:
    """Return blocks of zeros at these addresses."""
    return [
        SimData(start, values=[0] * count, datatype=DataType.REGISTERS)
        for start, count in _runs(addresses)
    ]


def _runs(addresses: Iterable[int]) -> list[tuple[int, int]]:
    """Return contiguous runs as start and length."""
    runs: list[tuple[int, int]] = []
    for address in sorted(addresses):
        if runs and address == sum(runs[-1]):
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((address, 1))
    return runs
