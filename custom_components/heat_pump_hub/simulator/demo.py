"""The demo heat pump: model and server in a thread and event loop of their own."""

import asyncio
from datetime import UTC, datetime
from typing import override

from .idm_values import IdmMachine
from .machines import Machine, circuits_of, server_of
from .own_thread import OwnThread
from .physics import HeatPumpModel
from .server import RegisterServer


class DemoHeatPump(OwnThread):
    """A heat pump (an IDM unless told otherwise) on an ephemeral port of 127.0.0.1, in its own thread."""

    def __init__(
        self,
        *,
        seed: int = 1,
        speed: float = 1.0,
        start: datetime | None = None,
        machine: Machine | None = None,
        read_back_delay: tuple[float, float] = (0.0, 15.0),
        port: int = 0,
    ) -> None:
        """Prepare; ``start`` is the model's first moment (now, UTC), ``speed`` its pace."""
        super().__init__("demo heat pump")
        self._seed = seed
        self._speed = speed
        self._start = start
        self._machine: Machine = machine or IdmMachine()
        self._read_back_delay = read_back_delay
        self._asked_port = port
        self._server: RegisterServer | None = None

    @override
    async def _open(self) -> int:
        model = HeatPumpModel(
            self._seed,
            self._start or datetime.now(UTC),
            circuits=circuits_of(self._machine),
            # Small steps look alive at the pace of the wall clock.
            inner_step=2.0 if self._speed <= 5.0 else 10.0,
        )
        # A machine that has run for some hours, in slices that leave other threads room.
        for _ in range(180):
            model.advance(60.0)
            await asyncio.sleep(0.001)
        self._server = server_of(
            self._machine,
            model,
            port=self._asked_port,
            speed=self._speed,
            read_back_delay=self._read_back_delay,
            seed=self._seed,
        )
        return await self._server.start()

    @override
    async def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.stop()
