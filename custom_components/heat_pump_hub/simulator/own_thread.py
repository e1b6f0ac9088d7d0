"""A simulated device that serves in a thread and an event loop of its own."""

from abc import ABC, abstractmethod
import asyncio
import contextlib
import threading
from typing import Final

_WAIT: Final = 10.0
"""Seconds a start or stop may take."""


class OwnThread(ABC):
    """Serves between :meth:`start` and :meth:`stop`.

    These two block and are meant for an executor; nothing else here may be called from
    another thread.
    """

    def __init__(self, name: str) -> None:
        """``name`` is that of the thread, and of the device in messages."""
        self.port = 0
        self._name = name
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started = threading.Event()
        self._error: OSError | None = None

    @abstractmethod
    async def _open(self) -> int:
        """Listen, and return the port. Raises ``OSError`` if it cannot, and leaves nothing open."""

    @abstractmethod
    async def _close(self) -> None:
        """Listen no more."""

    def start(self) -> int:
        """Start, wait until it listens, return the port; once more returns it again.

        Raises ``OSError`` if it cannot listen, ``TimeoutError`` if it takes too long.
        """
        if self._thread is not None:
            return self.port
        self._started.clear()
        self._error = None
        self._thread = threading.Thread(target=self._main, name=self._name, daemon=True)
        self._thread.start()
        if not self._started.wait(_WAIT):
            self.stop()
            raise TimeoutError(f"the {self._name} does not start")
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
        try:
            self.port = await self._open()
        except OSError as err:
            self._error = err
            self._started.set()
            return
        self._started.set()
        try:
            await self._stop.wait()
        finally:
            await self._close()
