"""Heat pumps that a register map file describes: any maker's, over Modbus."""

from .driver import MappedDriver, family_of
from .nodes import MapError, Problem
from .schema import PumpMap, parse_map, title_of

__all__ = [
    "MapError",
    "MappedDriver",
    "Problem",
    "PumpMap",
    "family_of",
    "parse_map",
    "title_of",
]
