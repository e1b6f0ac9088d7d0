"""Heat pumps that a register map file describes: any maker's, over Modbus."""

from .driver import MappedDriver, family_of
from .nodes import MapError, Problem, UnreadableError
from .schema import PumpMap, parse_map, title_of
from .sentences import said

__all__ = [
    "MapError",
    "MappedDriver",
    "Problem",
    "PumpMap",
    "UnreadableError",
    "family_of",
    "parse_map",
    "said",
    "title_of",
]
