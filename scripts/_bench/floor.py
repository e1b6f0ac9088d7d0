"""The fewest requests that could read the same registers from the simulated machine."""

from collections.abc import Iterable

from custom_components.heat_pump_hub.drivers.blocks import Block
from custom_components.heat_pump_hub.simulator.machines import server_of
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

from .machine import MODBUS, START

LONGEST = 125
"""Registers a Modbus read may ask for."""
SHORTER = {"daikin": 60}
"""Registers a read may ask for, where the device takes fewer."""
OVERLAPPED = {"idm": frozenset({1392, 1441, 1483})}
"""Addresses at which two values begin, or one within another."""


def floor(family: str, blocks: Iterable[Block]) -> int:
    """Return the *defined* floor for what these blocks read from a simulated machine."""
    server = server_of(MODBUS[family], HeatPumpModel(seed=1, start=START, circuits="ab"))
    spans = [
        (register.place, register.place + register.count - 1)
        for block in blocks
        for register in block.registers
    ]
    defined = set(server.defined()) - OVERLAPPED.get(family, frozenset())
    return defined_floor(spans, defined, SHORTER.get(family, LONGEST))


def defined_floor(
    spans: Iterable[tuple[int, int]], defined: set[int], longest: int = LONGEST
) -> int:
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
            and last - start < longest
            and all(address in defined for address in range(end + 1, first))
        )
        if not joins:
            reads += 1
            start = first
        end = last if joins else max(last, first)
    return reads
