"""A model, a server and a client, closed after every test."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

from pymodbus.client import AsyncModbusTcpClient
import pytest

from custom_components.heat_pump_hub.simulator.idm import IdmServer
from custom_components.heat_pump_hub.simulator.idm_values import IdmMachine
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

WINTER = datetime(2025, 1, 10, tzinfo=UTC)

type ServerFactory = Callable[..., Awaitable[IdmServer]]


@pytest.fixture
async def start_server(socket_enabled: None) -> AsyncIterator[ServerFactory]:
    """Start servers with options of :class:`IdmServer` and ``machine``."""
    servers: list[IdmServer] = []

    async def start(machine: IdmMachine | None = None, **options: object) -> IdmServer:
        machine = machine or IdmMachine()
        model = HeatPumpModel(1, WINTER, circuits=machine.circuits.lower())
        server = IdmServer(
            model,
            machine,
            **{"speed": 0.0, "read_back_delay": (0.0, 0.0), **options},  # type: ignore[arg-type]
        )
        await server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()


class Reader:
    """A Modbus client that returns registers, or the code of an exception."""

    def __init__(self, client: AsyncModbusTcpClient) -> None:
        self.client = client

    async def read(
        self, address: int, count: int = 1, *, unit: int = 1, holding: bool = False
    ) -> list[int] | int:
        """Return the words, or the exception code."""
        call = self.client.read_holding_registers if holding else self.client.read_input_registers
        answer = await call(address, count=count, device_id=unit)
        return answer.exception_code if answer.isError() else answer.registers

    async def write(self, address: int, *words: int, single: bool = False) -> int:
        """Return the exception code, 0 for success."""
        if single:
            answer = await self.client.write_register(address, words[0], device_id=1)
        else:
            answer = await self.client.write_registers(address, list(words), device_id=1)
        return answer.exception_code


@pytest.fixture
async def connect(socket_enabled: None) -> AsyncIterator[Callable[[int], Awaitable[Reader]]]:
    """Open clients to a port of 127.0.0.1."""
    clients: list[AsyncModbusTcpClient] = []

    async def open_client(port: int) -> Reader:
        client = AsyncModbusTcpClient(
            "127.0.0.1", port=port, retries=0, timeout=1, reconnect_delay=0
        )
        assert await client.connect()
        clients.append(client)
        return Reader(client)

    yield open_client
    for client in clients:
        client.close()
