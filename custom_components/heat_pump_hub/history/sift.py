"""What of a refused frame the server refuses, and what it takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .codec import Coding, Compressor, decompress
from .probe import canary
from .series import Frame
from .server import RefusedError, Server
from .tally import Tally


@dataclass(frozen=True, slots=True)
class Sifted:
    """A frame the server refused, taken apart."""

    rest: Frame | None
    """What the server took after all; ``None``: nothing."""
    poison: list[bytes]
    """The lines it refuses."""
    reason: str


async def sift(
    server: Server, body: bytes, span: tuple[int, int], coding: Coding, clock: Callable[[], float]
) -> Sifted:
    """Send the series of a refused frame that are innocent.

    ``span`` holds the times of its oldest and newest sample, ms; ``clock`` gives seconds since
    1970. Raises ``DamagedError`` and ``HistoryError``.
    """
    compressor = Compressor()
    innocent: list[bytes] = []
    poison: list[bytes] = []
    reason = ""
    parts = halves(decompress(body).splitlines(keepends=True))
    while parts:
        lines = parts.pop()
        try:
            await server.write(compressor.compress(b"".join(lines), coding), coding)
        except RefusedError as err:
            reason = str(err)
            if len(lines) > 1:
                parts += halves(lines)
            else:
                poison += lines
        else:
            innocent += lines
    if not innocent:
        # Who refuses everything has trouble with itself, not with the frame.
        line = canary(coding, int(clock() * 1000))
        await server.write(compressor.compress(line, coding), coding)
    rest = None
    if innocent:
        rest = Frame(
            body=compressor.compress(b"".join(innocent), coding),
            tally=Tally.of_lines(innocent),
            first=span[0],
            last=span[1],
        )
    return Sifted(rest, poison, reason)


def halves[T](whole: Sequence[T]) -> list[Sequence[T]]:
    """Return both halves, the first one last: it is taken from a stack first."""
    middle = len(whole) // 2
    return [half for half in (whole[middle:], whole[:middle]) if half]
