"""What is known of the server: what it says of itself, and which coding it really stores."""

from collections.abc import Callable
import logging
import math
from typing import Final

from .codec import Coding
from .probe import LOOK_EVERY, Probe
from .server import RefusedError, Server, ServerInfo
from .state import Trouble, Troubles

_LOGGER: Final = logging.getLogger(__name__)


class Known:
    """Asks once, until it is forgotten; times are those of the event loop."""

    def __init__(
        self,
        troubles: Troubles,
        *,
        clock: Callable[[], float],
        now: Callable[[], float],
        on_useless: Callable[[], None],
    ) -> None:
        """``clock`` gives seconds since 1970, ``now`` the time of the loop.

        ``on_useless`` is called when the server turns out to have stored nothing of what it took.
        """
        self.info: ServerInfo | None = None
        self.coding = Coding.ZSTD
        """How frames are best encoded."""
        self.asked_at = -math.inf
        """When it was last asked."""
        self._troubles = troubles
        self._clock = clock
        self._now = now
        self._on_useless = on_useless
        self._probe: Probe | None = None
        self._look_at = 0.0

    @property
    def look_at(self) -> float | None:
        """When to look which coding it stores; ``None``: that is known."""
        return None if self._probe is None else self._look_at

    def forget(self) -> None:
        """Ask again: it may be another one."""
        self.info = None

    async def ask(self, server: Server) -> None:
        """See what the server is, and begin to see which coding it stores. Raises ``HistoryError``."""
        info = await server.info()
        if info.readable:
            probe = Probe(server, clock=self._clock)
            try:
                await probe.write()
            except RefusedError:
                self._probe = None
                self._use(Coding.GZIP)
            else:
                self._probe = probe
                self._look_at = self._now() + LOOK_EVERY
        else:
            # Whoever may not write either has other worries than reading.
            await server.write(b"")
            self._probe = None
            self._use(Coding.GZIP)
        self.info = info
        self.asked_at = self._now()
        if info.readable:
            self._troubles.ends(Trouble.UNREADABLE)
        else:
            self._troubles.begins(Trouble.UNREADABLE, "")
        if info.deduplicates is False:
            self._troubles.begins(Trouble.NO_DEDUPLICATION, "")
        else:
            self._troubles.ends(Trouble.NO_DEDUPLICATION)
        self._troubles.ends(Trouble.RETENTION)

    async def look(self) -> bool:
        """Look which coding it stores, if it is time to. Raises ``HistoryError``."""
        if self._probe is None or self._now() < self._look_at:
            return False
        self._look_at = self._now() + LOOK_EVERY
        try:
            coding = await self._probe.look()
        except RefusedError:
            # It was exchanged for one that knows no zstd, or for none at all.
            self.info = None
            raise
        if coding is not None:
            self._probe = None
            self._use(coding)
        return True

    def _use(self, coding: Coding) -> None:
        if coding is self.coding:
            return
        _LOGGER.info("The history server stores %s", coding)
        before, self.coding = self.coding, coding
        if before is Coding.ZSTD:
            self._on_useless()
