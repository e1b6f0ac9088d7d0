"""The demo heat pump: model and server in a thread and event loop of their own."""

import asyncio
import contextlib
from datetime import UTC, datetime
import threading

from .idm_values import IdmMachine
from .machines import Machine, circuits_of, server_of
from .physics import HeatPumpModel

_WAIT = 10.0
"""Seconds a start or stop may take."""


class DemoHeatPump:
    """A heat pump (an IDM unless told otherwise) on an ephemeral port of 127.0.0.1, in its own thread.

    :meth:`start` and :meth:`stop` block and are meant for an executor; nothing else here
    may be called from another thread.
    """

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
        self._seed = seed
        self._speed = speed
        self._start = start
        self._machine: Machine = machine or IdmMachine()
        self._read_back_delay = read_back_delay
        self._asked_port = port
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started = threading.Event()
        self._error: OSError | None = None
        self.port = 0

    def start(self) -> int:
        """Start, wait until it listens, return the port; once more returns it again.

        Raises ``OSError`` if it cannot listen, ``TimeoutError`` if it takes too long.
        """
        if self._thread is not None:
            return self.port
        self._started.clear()
        self._error = None
        self._thread = threading.Thread(target=self._main, name="demo heat pump", daemon=True)
        self._thread.start()
        if not self._started.wait(_WAIT):
            self.stop()
            raise TimeoutError("the demo heat pump does not start")
        return self._outcome()

    def _outcome(self) -> int:
        """Return the port, or clean up and raise what went wrong in the thread."""
        if self._error is not None:
            self.stop()
            raise self._error
        return self.port

    def stop(self) -> None:
        """Stop and wait for the thread; once more does nothing."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._stop is not None:
            # A thread that failed has closed its loop already.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
        thread.join(_WAIT)

    def _main(self) -> None:
        """Run the loop; the thread's body."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        """Serve until told to stop."""
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
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
        server = server_of(
            self._machine,
            model,
            port=self._asked_port,
            speed=self._speed,
            read_back_delay=self._read_back_delay,
            seed=self._seed,
        )
        try:
            self.port = await server.start()
        except OSError as err:
            self._error = err
            self._started.set()
            return
        self._started.set()
        try:
            await self._stop.wait()
        finally:
            await server.stop()
