"""What the shipper needs of a server."""

from typing import Any, Protocol

from .codec import Coding
from .victoriametrics import ServerInfo


class Server(Protocol):
    """What the shipper needs of a server. Everything raises ``HistoryError``."""

    async def write(self, body: bytes, coding: Coding | None = None) -> None:
        """Store a body; an empty one tells whether writing works."""
        ...

    async def query(self, expression: str, *, at: float | None = None) -> list[dict[str, Any]]:
        """Return the result of an instant query."""
        ...

    async def counts(self, heatpump_id: str, first: int, last: int) -> dict[int, int]:
        """Return how many series hold how many samples in a span of ms."""
        ...

    async def query_range(self, expression: str, *, start: float, end: float, step: float) -> bytes:
        """Return the answer to a range query as it came; times in seconds since 1970."""
        ...

    async def export_lines(self, selector: str, *, start: float = 0.0, end: float) -> bytes:
        """Return raw samples, one JSON object a line; times in seconds since 1970."""
        ...

    async def info(self) -> ServerInfo:
        """Tell what the server says about itself."""
        ...
