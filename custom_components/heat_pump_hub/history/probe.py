"""Which coding a server really stores: a canary of each is written and read back.

VictoriaMetrics 1.79.5 answers 204 to a zstd body and stores nothing. The gzip canary, sent
after the other, tells that what was sent can be seen by now.
"""

from collections.abc import Callable
import time
from typing import Any, Final, Protocol

from .codec import Coding, Compressor

CANARY: Final = "heatpump_hub_canary"
LOOK_EVERY: Final = 1.0
"""Seconds between two looks for the canaries; they show after up to ten."""
LOOKS_AFTER_GZIP: Final = 3
"""Looks that must find only the gzip canary before zstd is given up."""
AGAIN_AFTER: Final = 15.0
"""Seconds after which canaries that do not show are sent anew: a server that was killed has lost them."""
PATIENCE: Final = 60.0
"""Seconds after which zstd is presumed: counting will tell if nothing is stored at all."""


def canary(coding: Coding, time: int) -> bytes:
    """Return a line that no server has a reason to refuse; ``time`` in ms since 1970."""
    metric = f'{{"__name__":"{CANARY}","coding":"{coding}"}}'
    return f'{{"metric":{metric},"values":[1],"timestamps":[{time}]}}\n'.encode("ascii")


class CanaryServer(Protocol):
    """What the probe needs of a server."""

    async def write(self, body: bytes, coding: Coding | None = None) -> None:
        """Store a body. Raises ``HistoryError``."""
        ...

    async def query(self, expression: str, *, at: float | None = None) -> list[dict[str, Any]]:
        """Return the result of an instant query. Raises ``HistoryError``."""
        ...


class Probe:
    """Looks for the canaries of one server, one request at a time."""

    def __init__(self, server: CanaryServer, *, clock: Callable[[], float] = time.time) -> None:
        """``clock`` gives seconds since 1970."""
        self._server = server
        self._clock = clock
        self._time = 0
        self._began: float | None = None
        """When the first canaries were sent, and the last ones, by a clock that does not jump."""
        self._sent = 0.0
        self._lonely = 0

    async def write(self) -> None:
        """Send the canaries. Raises ``HistoryError``."""
        compressor = Compressor()
        self._time = int(self._clock() * 1000)
        self._sent = time.monotonic()
        if self._began is None:
            self._began = self._sent
        self._lonely = 0
        for coding in (Coding.ZSTD, Coding.GZIP):
            line = canary(coding, self._time)
            await self._server.write(compressor.compress(line, coding), coding)

    async def look(self) -> Coding | None:
        """Return the coding to use, ``None`` while nobody knows. Raises ``HistoryError``."""
        found = await self._server.query(f"count_over_time({CANARY}[1ms])", at=self._time / 1000)
        seen = {one.get("metric", {}).get("coding") for one in found}
        if Coding.ZSTD in seen:
            return Coding.ZSTD
        if Coding.GZIP in seen:
            self._lonely += 1
            if self._lonely >= LOOKS_AFTER_GZIP:
                return Coding.GZIP
        now = time.monotonic()
        if self._began is None or now - self._began > PATIENCE:
            return Coding.ZSTD
        if not seen and now - self._sent > AGAIN_AFTER:
            await self.write()
        return None
