"""The simulated machine of the benches, in a process of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
import json
import sys

from custom_components.heat_pump_hub.simulator.faults import FaultProxy
from custom_components.heat_pump_hub.simulator.idm import IdmServer
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel


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
async def machine(*, latency_ms: float = 20.0, speed: float = 1.0) -> AsyncIterator[Machine]:
    """Run a simulated IDM with circuits A and B in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "scripts._bench.machine",
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


async def _serve(latency_ms: float, speed: float) -> None:
    model = HeatPumpModel(seed=1, start=datetime(2026, 1, 15, 6, tzinfo=UTC))
    server = IdmServer(model, speed=speed)
    port = await server.start()
    proxy = FaultProxy("127.0.0.1", port)
    slow_port = await proxy.start()
    proxy.latency = latency_ms
    print(json.dumps([port, slow_port]), flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        counts = {
            "requests": server.request_count,
            "connects": server.connects,
            "connections": server.connections,
            "writes": len(server.writes),
        }
        print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]), float(sys.argv[2])))
