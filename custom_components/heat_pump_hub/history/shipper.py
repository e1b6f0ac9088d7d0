"""The shipper: carries frames to the server and keeps what the server has not taken.

One request is in flight at a time. While the server is away, frames wait in an
:class:`Outbox`, and attempts become rarer. A frame that the server refuses, while it
takes others, is given up and counted; all else waits until the server is back or the
outbox is full.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
import logging
from random import Random
import time
from typing import Final, Protocol

from .outbox import LIMIT_BYTES, LIMIT_SAMPLES, MemoryOutbox, Outbox
from .series import BODY_LIMIT, Frame
from .victoriametrics import AuthRejectedError, HistoryError, OverloadedError, RefusedError

_LOGGER = logging.getLogger(__name__)

FIRST_DELAY: Final = 1.0
LONGEST_DELAY: Final = 300.0
LONGEST_RETRY_AFTER: Final = 3600.0
"""Seconds between attempts; a server that asks for more than an hour is asked hourly."""


class Server(Protocol):
    """What the shipper needs of a server."""

    async def write(self, body: bytes) -> None:
        """Store a body; an empty one tells whether writing works. Raises ``HistoryError``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """State of a shipper, for diagnostic sensors."""

    queued_samples: int
    queued_bytes: int
    oldest_age: float | None
    """Seconds since the oldest waiting sample was taken; ``None``: nothing waits."""
    posted: int
    """Samples the server has taken since the start."""
    dropped: int
    """Samples that were given up because the outbox was full."""
    refused: int
    """Samples that were given up because the server refused them."""
    last_success: float | None
    """Seconds since 1970 at which the server last took a body."""
    last_error: str | None
    """Why the last attempt failed; ``None``: it did not."""


class Shipper:
    """Sends the frames of all heat pumps that share a server and its credentials.

    Lives on one event loop. :meth:`run` has to run in a task of its own.
    """

    def __init__(
        self,
        server: Server,
        *,
        outbox: Outbox | None = None,
        limit_samples: int = LIMIT_SAMPLES,
        limit_bytes: int = LIMIT_BYTES,
        on_auth_failed: Callable[[], None] | None = None,
        on_refused: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: Random | None = None,
    ) -> None:
        """Take a server; the limits are those of the memory outbox where none is given.

        ``on_auth_failed`` is called once until credentials are replaced or work again,
        ``on_refused`` once, with the server's reason. ``clock`` gives seconds since 1970.
        """
        self._server = server
        self._outbox = outbox or MemoryOutbox(limit_samples, limit_bytes)
        self._on_auth_failed = on_auth_failed
        self._on_refused = on_refused
        self._clock = clock
        self._sleep = sleep
        self._rng = rng or Random()
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._sending = asyncio.Lock()
        self._failures = 0
        self._auth_reported = False
        self._drop_reported = False
        self._refusal_reported = False
        self._posted = 0
        self._refused = 0
        self._last_success: float | None = None
        self._last_error: str | None = None

    @property
    def stats(self) -> Stats:
        """The state at this moment."""
        oldest = self._outbox.oldest
        return Stats(
            queued_samples=self._outbox.samples,
            queued_bytes=self._outbox.size,
            oldest_age=None if oldest is None else max(0.0, self._clock() - oldest / 1000),
            posted=self._posted,
            dropped=self._outbox.dropped,
            refused=self._refused,
            last_success=self._last_success,
            last_error=self._last_error,
        )

    def put(self, frame: Frame) -> None:
        """Hand over a frame; it is on its way as soon as the loop is free."""
        dropped = self._outbox.dropped
        self._outbox.put(frame)
        if self._outbox.dropped > dropped and not self._drop_reported:
            self._drop_reported = True
            _LOGGER.warning("The history queue is full: its oldest samples are dropped")
        self._wake.set()

    def replace_server(self, server: Server) -> None:
        """Go on with other credentials, at once."""
        self._server = server
        self._auth_reported = False
        self._hurry.set()

    async def run(self) -> None:
        """Send frames as they come, until cancelled; what was in flight then waits again."""
        while True:
            self._wake.clear()
            self._hurry.clear()
            try:
                if not await self._send_some():
                    await self._wake.wait()
            except HistoryError as err:
                await self._pause(self._delay(err))

    async def flush(self, timeout: float) -> bool:
        """Send all that waits; ``False`` if the server did not take it within ``timeout`` s.

        The first failure ends it: a server that is away does not hold up a stop.
        """
        try:
            async with asyncio.timeout(timeout):
                while await self._send_some():
                    pass
        except TimeoutError, HistoryError:
            return False
        return True

    async def _send_some(self) -> bool:
        """Send the oldest frames; ``False`` if there are none. Raises ``HistoryError``."""
        async with self._sending:
            frames = await self._outbox.take(BODY_LIMIT)
            if not frames:
                return False
            server = self._server
            try:
                await self._send(server, frames)
            except HistoryError as err:
                self._failed(err, server)
                raise
            finally:
                self._outbox.give_back()
        self._succeeded()
        return True

    async def _send(self, server: Server, frames: Sequence[Frame]) -> None:
        """Send frames, halving what is refused down to the frames that are to blame."""
        parts = [frames]
        while parts:
            part = parts.pop()
            try:
                await server.write(b"".join([frame.body for frame in part]))
            except RefusedError as err:
                if len(part) > 1:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]
                    continue
                # A server that refuses even nothing is set up wrongly: the frame is innocent.
                await server.write(b"")
                self._give_up(part[0], str(err))
            else:
                self._posted += sum(frame.samples for frame in part)
                self._last_success = self._clock()
            await self._outbox.release(part)

    def _give_up(self, frame: Frame, reason: str) -> None:
        self._refused += frame.samples
        if self._refusal_reported:
            return
        self._refusal_reported = True
        _LOGGER.error(
            "The history server refuses %d samples of %s, they are dropped: %s",
            frame.samples,
            frame.heatpump_id,
            reason,
        )
        if self._on_refused is not None:
            self._on_refused(reason)

    def _failed(self, err: HistoryError, server: Server) -> None:
        if self._last_error is None:
            _LOGGER.warning("History cannot be stored, samples wait in a queue: %s", err)
        self._last_error = str(err)
        self._failures += 1
        rejected = isinstance(err, AuthRejectedError)
        # Credentials that were replaced while they failed are of no interest.
        if rejected and server is self._server and not self._auth_reported:
            self._auth_reported = True
            if self._on_auth_failed is not None:
                self._on_auth_failed()

    def _succeeded(self) -> None:
        if self._last_error is not None:
            _LOGGER.info("History is stored again, %d samples wait", self._outbox.samples)
        self._last_error = None
        self._failures = 0
        self._auth_reported = False
        self._drop_reported = False
        self._hurry.set()

    def _delay(self, err: HistoryError) -> float:
        """Return the seconds to wait after a failure."""
        if isinstance(err, AuthRejectedError):
            # Waiting does not heal a wrong password, and some gateways lock accounts.
            longest = LONGEST_DELAY
        else:
            longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(self._failures - 1, 30))
        delay = longest * self._rng.uniform(0.5, 1.0)
        if isinstance(err, OverloadedError) and err.retry_after is not None:
            asked = min(err.retry_after, LONGEST_RETRY_AFTER)
            delay = max(delay, asked * self._rng.uniform(1.0, 1.1))
        return delay

    async def _pause(self, delay: float) -> None:
        """Wait, at most until other credentials are there or a flush got through."""
        waits = [
            asyncio.ensure_future(self._sleep(delay)),
            asyncio.ensure_future(self._hurry.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


class WriterPool[K: Hashable, W]:
    """Shares one writer among all heat pumps that use the same server and user."""

    def __init__(self) -> None:
        """Begin without writers."""
        self._writers: dict[K, tuple[W, int]] = {}

    def acquire(self, key: K, factory: Callable[[], W]) -> W:
        """Return the writer of a key, made by ``factory`` for its first user."""
        writer, users = self._writers[key] if key in self._writers else (factory(), 0)
        self._writers[key] = writer, users + 1
        return writer

    def release(self, key: K) -> W | None:
        """Return the writer if that was its last user, who then flushes and stops it.

        Raises ``KeyError`` if nobody has acquired it.
        """
        writer, users = self._writers.pop(key)
        if users == 1:
            return writer
        self._writers[key] = writer, users - 1
        return None
