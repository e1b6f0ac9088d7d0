"""What a raw number means, where it is no plain value."""

from dataclasses import dataclass
from typing import Final

from .points import Value


@dataclass(frozen=True, slots=True)
class Absent:
    """The device says that it has no value here."""


@dataclass(frozen=True, slots=True)
class Implausible:
    """A value that physics forbids: read once more before it counts."""

    raw: float


@dataclass(frozen=True, slots=True)
class UnknownCode:
    """A state whose number nobody documented."""

    raw: int


type Decoded = Value | Absent | Implausible | UnknownCode

ABSENT: Final = Absent()
