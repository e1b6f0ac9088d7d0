"""The shipper: carries frames to the server, and forgets them when the server has them.

One request is in flight at a time. An answer to a write proves nothing: VictoriaMetrics
loses what it took in its last seconds if it is killed. So a frame is held after the
answer, then the samples of every series in its span are counted, and what lacks is sent
again. While the server is away, frames wait in the :class:`~.outbox.Outbox` of their heat
pump, and attempts become rarer.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
import logging
import math
from random import Random
import time
from typing import Final

from .backoff import Backoff
from .codec import Coding, DamagedError
from .counting import counted
from .entry import Entry
from .journal_file import JournalError
from .known import Known
from .outbox import Outbox
from .series import BODY_LIMIT
from .server import (
    AuthRejectedError,
    HistoryError,
    NotVictoriaMetricsError,
    RefusedError,
    Server,
    ServerInfo,
    UnreachableError,
)
from .shelf import RETRY_DISK
from .sift import sift
from .state import Counters, Stats, Trouble, Troubles, stats_of

_LOGGER = logging.getLogger(__name__)

HOLD: Final = 30.0
"""Seconds between the server's answer and the count."""
LONGEST_RESEND: Final = 3600.0
"""Seconds until a frame is sent again that was lost more than once."""
COUNT_LIMIT: Final = 1_000_000
"""Samples that are counted in one query, if they are of several frames."""
LOSSES: Final = 3
"""Times a frame has to be lost until the owner is told."""
RETENTION_MARGIN: Final = timedelta(hours=1)
ASK_AGAIN: Final = 6 * 3600.0
"""Seconds until it is seen whether the retention was made longer."""

type Part = Sequence[tuple[Outbox, Entry]]


class Shipper:
    """Sends the frames of all heat pumps that share a server and its credentials.

    Lives on one event loop. :meth:`run` has to run in a task of its own.
    """

    def __init__(
        self,
        server: Server,
        *,
        hold: float = HOLD,
        on_auth_failed: Callable[[], None] = lambda: None,
        on_trouble: Callable[[Trouble, str | None], None] = lambda _trouble, _details: None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: Random | None = None,
    ) -> None:
        """Take a server.

        ``on_auth_failed`` is called at every attempt that is rejected,
        ``on_trouble`` when a trouble begins, with details, and with ``None`` when it is over.
        ``clock`` gives seconds since 1970.
        """
        self._server = server
        self._hold = hold
        self._on_auth_failed = on_auth_failed
        self._troubles = Troubles(on_trouble)
        self._clock = clock
        self._sleep = sleep
        self._backoff = Backoff(rng or Random())
        self._outboxes: list[Outbox] = []
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._sending = asyncio.Lock()
        self._known = Known(
            self._troubles, clock=clock, now=self._now, on_useless=self._send_all_again
        )
        self._refuses = False
        """The server answers, and takes no samples: what it took last may be in memory only."""
        self._takes_since = -math.inf
        """Loop time since when it takes samples again."""
        self._rejected = False
        self._counters = Counters()

    @property
    def stats(self) -> Stats:
        """The state at this moment."""
        return stats_of(
            self._outboxes, self._counters, self._known.coding, self._backoff, self._now()
        )

    @property
    def coding(self) -> Coding:
        """How frames are best encoded."""
        return self._known.coding

    @property
    def server_info(self) -> ServerInfo | None:
        """What the server says about itself; ``None`` until that, and its coding, are known."""
        return None if self._known.look_at is not None else self._known.info

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Server]:
        """Lend the server for one request of somebody else, between two steps of ours."""
        async with self._sending:
            yield self._server

    @property
    def away(self) -> bool:
        """Whether the last attempt failed: frames may be joined, nothing is urgent."""
        return self._backoff.failing

    def attach(self, outbox: Outbox) -> None:
        """Send what is in an outbox, from now on."""
        self._outboxes.append(outbox)
        outbox.on_put = self._wake.set
        self._wake.set()

    def detach(self, outbox: Outbox) -> None:
        """Leave an outbox alone; it has to be closed next."""
        self._outboxes.remove(outbox)
        outbox.on_put = lambda: None

    def replace_server(self, server: Server) -> None:
        """Go on with other credentials, at once."""
        self._server = server
        self._known.forget()
        self._hurry.set()
        self._wake.set()

    async def run(self) -> None:
        """Send and count, until cancelled; what was in flight then waits again."""
        while True:
            self._wake.clear()
            self._hurry.clear()
            try:
                if not await self._step():
                    await self._rest()
            except HistoryError as err:
                await self._pause(self._backoff.delay(err))
            except JournalError:
                # The outbox has told; other heat pumps must not suffer.
                await self._pause(RETRY_DISK)

    async def flush(self, timeout: float) -> bool:
        """Send all that waits; ``False`` if the server did not take it within ``timeout`` s.

        The first failure ends it: a server that is away does not hold up a stop.
        """
        for outbox in self._outboxes:
            outbox.draw()
        try:
            async with asyncio.timeout(timeout):
                while await self._step(counting=False):
                    pass
        except TimeoutError, HistoryError, JournalError:
            return False
        return True

    async def _step(self, *, counting: bool = True) -> bool:
        """Do what is due; ``False`` if nothing is. Raises ``HistoryError`` and ``JournalError``."""
        async with self._sending:
            server = self._server
            outboxes = list(self._outboxes)
            try:
                for outbox in outboxes:
                    outbox.wake(self._now())
                if self.away and not any(outbox.ready for outbox in outboxes):
                    for outbox in outboxes:
                        outbox.draw()
                busy = any(outbox.ready or outbox.first_held is not None for outbox in outboxes)
                if not busy and self._known.look_at is None:
                    return False
                if self._known.info is None:
                    await self._ask(server)
                elif counting and await self._known.look():
                    self._succeeded()
                return (counting and await self._count_some(server, outboxes)) or (
                    await self._send_some(server, outboxes)
                )
            except HistoryError as err:
                self._failed(err, server)
                raise
            finally:
                for outbox in outboxes:
                    outbox.give_back()

    async def _ask(self, server: Server) -> None:
        await self._known.ask(server)
        for outbox in self._outboxes:
            outbox.wake(float("inf"))
        self._succeeded()

    def _send_all_again(self) -> None:
        for outbox in self._outboxes:
            outbox.give_back_all()

    async def _send_some(self, server: Server, outboxes: Sequence[Outbox]) -> bool:
        """Send the oldest frames; ``False`` if there are none."""
        batch: list[tuple[Outbox, Entry]] = []
        size = 0
        for outbox in outboxes:
            self._put_old_aside(outbox)
            if outbox.ready and (not batch or size < BODY_LIMIT):
                entries = await outbox.take(BODY_LIMIT - size, self._known.coding)
                size += sum(entry.size for entry in entries)
                batch += [(outbox, entry) for entry in entries]
        if not batch:
            return False
        parts: list[Part] = [batch]
        while parts:
            part = parts.pop()
            try:
                await server.write(
                    b"".join([entry.body or b"" for _, entry in part]), self._known.coding
                )
            except RefusedError as err:
                if len(part) > 1:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]
                    continue
                # A server that refuses even nothing is set up wrongly: the frame is innocent.
                await server.write(b"")
                await self._sift(server, *part[0], str(err))
            except UnreachableError, AuthRejectedError:
                raise
            except HistoryError:
                self._refuses = True
                raise
            else:
                self._took(part)
        self._succeeded()
        return True

    def _took(self, part: Part) -> None:
        now = self._now()
        if self._refuses:
            self._refuses, self._takes_since = False, now
        self._counters.posted += sum(entry.samples for _, entry in part)
        self._counters.last_success = self._clock()
        for outbox in {outbox for outbox, _ in part}:
            outbox.hold([entry for box, entry in part if box is outbox], now)

    async def _sift(self, server: Server, outbox: Outbox, entry: Entry, reason: str) -> None:
        """Send the series of a refused frame that are innocent, put the others aside."""
        span = entry.first, entry.last
        try:
            sifted = await sift(server, entry.body or b"", span, self._known.coding, self._clock)
        except DamagedError:
            _LOGGER.error("%d samples in the journal are damaged", entry.samples)
            await outbox.park(entry, None, (), reason)
            return
        reason = sifted.reason or reason
        if sifted.rest is not None:
            self._counters.posted += sifted.rest.samples
            self._counters.last_success = self._clock()
        if Trouble.REFUSED not in self._troubles:
            _LOGGER.error(
                "The history server refuses %d series of %s, they are put aside: %s",
                len(sifted.poison),
                outbox.heatpump_id,
                reason,
            )
        self._troubles.begins(Trouble.REFUSED, reason)
        await outbox.park(entry, sifted.rest, sifted.poison, reason)

    def _put_old_aside(self, outbox: Outbox) -> None:
        """Keep what the server would drop without a word, until its owner gives it room."""
        if self._known.info is None or (retention := self._known.info.retention) is None:
            return
        kept = retention - RETENTION_MARGIN
        before = int((self._clock() - kept.total_seconds()) * 1000)
        if outbox.put_old_aside(before, self._now() + ASK_AGAIN):
            self._troubles.begins(Trouble.RETENTION, str(retention.days))

    async def _count_some(self, server: Server, outboxes: Sequence[Outbox]) -> bool:
        """Count what was held for long enough; ``False`` if there is nothing."""
        info = self._known.info
        if info is None or self._known.look_at is not None:
            # Nobody knows yet whether it takes this coding for nothing.
            return False
        if self._refuses and any(outbox.ready for outbox in outboxes):
            # Its disk is full, say: what it shows now is gone when it is killed.
            return False
        now = self._now()
        if now < self._takes_since + self._hold:
            return False
        before = now - self._hold
        for outbox in outboxes:
            entries = outbox.due(before, COUNT_LIMIT)
            if not entries:
                continue
            if info.readable:
                await self._count(server, outbox, entries)
            else:
                await outbox.release(entries)
            return True
        return False

    async def _count(self, server: Server, outbox: Outbox, entries: Sequence[Entry]) -> None:
        """Forget the frames the server has; let the others wait again."""
        try:
            there, lost = await counted(server, outbox.heatpump_id, entries)
        except RefusedError, NotVictoriaMetricsError, AuthRejectedError:
            # Reading was possible before.
            self._known.forget()
            raise
        if there:
            self._counters.found(there)
            await outbox.release(there)
        self._succeeded()
        if lost:
            self._found_lost(outbox, lost)
        else:
            self._troubles.ends(Trouble.NOT_KEPT)

    def _found_lost(self, outbox: Outbox, lost: Sequence[Entry]) -> None:
        samples = sum(entry.samples for entry in lost)
        self._counters.lost += samples
        for entry in lost:
            entry.tries += 1
        tries = max(entry.tries for entry in lost)
        _LOGGER.log(
            logging.INFO if tries < LOSSES else logging.WARNING,
            "The history server has lost %d samples of %s, they are sent again",
            samples,
            outbox.heatpump_id,
        )
        outbox.give_back([entry for entry in lost if entry.tries < LOSSES])
        if again := [entry for entry in lost if entry.tries >= LOSSES]:
            delay = min(LONGEST_RESEND, self._hold * 2.0 ** min(tries - LOSSES, 30))
            outbox.put_aside(again, self._now() + delay)
        if tries >= LOSSES:
            self._troubles.begins(Trouble.NOT_KEPT, str(samples))
        if any(entry.acked >= self._known.asked_at for entry in lost):
            # It was restarted, perhaps as another version.
            self._known.forget()

    def _failed(self, err: HistoryError, server: Server) -> None:
        rejected = isinstance(err, AuthRejectedError)
        if self._backoff.error is None or rejected is not self._rejected:
            # A server that is back with other credentials is another cause.
            _LOGGER.warning("History cannot be stored, samples wait in the journal: %s", err)
        if self._backoff.failed(err, self._now()):
            self._troubles.begins(Trouble.AWAY, str(err))
        if isinstance(err, UnreachableError):
            # Who answers next may be another version, or have lost something.
            self._known.forget()
        self._rejected = rejected
        # Credentials that were replaced while they failed are of no interest.
        if rejected and server is self._server:
            self._on_auth_failed()

    def _succeeded(self) -> None:
        was_away = self.away
        if self._backoff.error is not None:
            _LOGGER.info("The history server answers again")
        self._backoff.succeeded()
        if was_away:
            for outbox in self._outboxes:
                # Nothing is left to be joined with.
                outbox.draw()
        self._troubles.ends(Trouble.AWAY)
        self._hurry.set()

    async def _rest(self) -> None:
        """Wait until a frame comes, or something held or put aside is due."""
        held = [box.first_held for box in self._outboxes if box.first_held is not None]
        since = self._takes_since
        look_at = self._known.look_at
        times = [max(acked, since) + self._hold for acked in held] if look_at is None else [look_at]
        times += [at for box in self._outboxes if (at := box.wake(0.0)) is not None]
        timer = None
        if times:
            timer = asyncio.get_running_loop().call_at(min(times), self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if timer is not None:
                timer.cancel()

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

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
