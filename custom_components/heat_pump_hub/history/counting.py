"""Whether the server has what it took: the samples of every series are counted."""

from collections.abc import Sequence

from .entry import Entry
from .server import Server
from .sift import halves
from .tally import expected, holds


async def counted(
    server: Server, heatpump_id: str, entries: Sequence[Entry]
) -> tuple[list[Entry], list[Entry]]:
    """Return which of some neighbours the server has, and which it has lost.

    Raises ``HistoryError``.
    """
    there: list[Entry] = []
    lost: list[Entry] = []
    parts = [entries]
    while parts:
        part = parts.pop()
        last = max(entry.last for entry in part)
        found = await server.counts(heatpump_id, part[0].first, last)
        if holds(found, expected(entry.tally for entry in part)):
            there += part
        elif found and len(part) > 1:
            parts += halves(part)
        else:
            lost += part
    return there, lost
