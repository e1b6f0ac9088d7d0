"""The fewest requests that could read the same registers from the simulated machine."""

from collections.abc import Iterable

LONGEST = 125
"""Registers a Modbus read may ask for."""


def defined_floor(spans: Iterable[tuple[int, int]], defined: set[int]) -> int:
    """Return the *defined* floor: gaps may be read only where every address exists.

    ``spans`` are the first and last addresses of the values; values that overlap need
    requests of their own, since each is read by its first address.
    """
    reads = 0
    start = end = -1
    for first, last in sorted(set(spans)):
        joins = (
            reads > 0
            and first > end
            and last - start < LONGEST
            and all(address in defined for address in range(end + 1, first))
        )
        if not joins:
            reads += 1
            start = first
        end = last if joins else max(last, first)
    return reads
