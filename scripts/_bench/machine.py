"""The simulated machines of the benches, each in a process of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
import json
import sys
from typing import Final

from custom_components.heat_pump_hub.simulator.daikin import DaikinMachine
from custom_components.heat_pump_hub.simulator.faults import FaultProxy, modbus_frame
from custom_components.heat_pump_hub.simulator.idm import IdmMachine
from custom_components.heat_pump_hub.simulator.luxtronik import LuxtronikServer, luxtronik_frame
from custom_components.heat_pump_hub.simulator.luxtronik_values import LuxtronikMachine
from custom_components.heat_pump_hub.simulator.machines import Machine as ModbusMachine, server_of
from custom_components.heat_pump_hub.simulator.nibe import NibeMachine
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel
from custom_components.heat_pump_hub.simulator.server import RegisterServer

MODBUS: Final[dict[str, ModbusMachine]] = {
    "idm": IdmMachine(),
    "nibe": NibeMachine(),
    "daikin": DaikinMachine(),
}
FAMILIES: Final = ("idm", "nibe", "daikin", "luxtronik")
START: Final = datetime(2026, 1, 15, 6, tzinfo=UTC)


class Machine:
    """A handle on the other process: where it listens, and what it counted."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, slow_port: int) -> None:
        """Keep the pipes."""
        self._process = process
        self.port = port
        self.slow_port = slow_port
        """The same machine behind a proxy that delays every request."""

    async def counts(self) -> dict[str, int]:
        """Return requests, connects, connections open now and writes so far."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"count\n")
        line = await asyncio.wait_for(self._process.stdout.readline(), 10)
        counts: dict[str, int] = json.loads(line)
        return counts


@asynccontextmanager
async def machine(
    family: str = "idm", *, latency_ms: float = 20.0, speed: float = 1.0
) -> AsyncIterator[Machine]:
    """Run a simulated machine with circuits A and B in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "scripts._bench.machine",
        family,
        str(latency_ms),
        str(speed),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    ports = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
    try:
        yield Machine(process, *ports)
    finally:
        process.terminate()
        await process.wait()


def _server(
    family: str, model: HeatPumpModel, speed: float
) -> tuple[RegisterServer | LuxtronikServer, Callable[[], int]]:
    """Return the server, and what counts its requests."""
    if family == "luxtronik":
        luxtronik = LuxtronikServer(model, LuxtronikMachine(), speed=speed)
        return luxtronik, lambda: len(luxtronik.requests)
    modbus = server_of(MODBUS[family], model, speed=speed)
    return modbus, lambda: modbus.request_count


async def _serve(family: str, latency_ms: float, speed: float) -> None:
    server, requests = _server(family, HeatPumpModel(seed=1, start=START, circuits="ab"), speed)
    port = await server.start()
    frame = luxtronik_frame if family == "luxtronik" else modbus_frame
    proxy = FaultProxy("127.0.0.1", port, frame=frame)
    slow_port = await proxy.start()
    proxy.latency = latency_ms
    print(json.dumps([port, slow_port]), flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        counts = {
            "requests": requests(),
            "connects": server.connects,
            "connections": server.connections,
            "writes": len(server.writes),
        }
        print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))
