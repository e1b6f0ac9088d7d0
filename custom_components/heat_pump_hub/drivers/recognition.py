"""Whether what answers is still the machine that its owner confirmed.

An address can be given to another machine. So whenever a link meets a new connection, a
few registers are compared with the fingerprint of the entry before anything else is
asked; until they agree, every poll and every write fails.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from .driver import Fingerprint, OtherMachineError

NOTHING: Final[Fingerprint] = {}


def same_machine(stored: Fingerprint, found: Fingerprint) -> bool:
    """Return whether two fingerprints can be of one machine.

    Texts (type codes, a serial number) must be equal, numbers are counters that never fall.
    What only one of them knows says nothing.
    """
    for key in stored.keys() & found.keys():
        before, now = stored[key], found[key]
        if isinstance(before, str) or isinstance(now, str):
            if before != now:
                return False
        elif now < before:
            return False
    return True


async def recognise(
    expected: Fingerprint, look: Callable[[Fingerprint], Awaitable[Fingerprint]]
) -> None:
    """Compare a machine with a fingerprint; ``look`` reads what it can of it.

    Raises :class:`OtherMachineError`, else as the link does.
    """
    if not same_machine(expected, await look(expected)):
        raise OtherMachineError("another machine answers at this address")


def known(fingerprint: Mapping[str, float | str | None]) -> Fingerprint:
    """Return what was really read of a fingerprint."""
    return {key: value for key, value in fingerprint.items() if value not in (None, "")}
