"""What the Modbus families share: registers that become values and back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
import math
from typing import Any, Final

from modbus_connection import WordOrder
from modbus_connection.model.fields import RegisterField, float32, int32, integer, uint32

from .decoded import ABSENT, Absent, Decoded, Implausible, UnknownCode
from .link import Table
from .points import Kind, Point, Quantity, Value


class Codec(StrEnum):
    """How a value lies in its registers."""

    FLOAT32 = "float32"
    """IEEE 754, two registers, low word first unless the register says otherwise."""
    UINT8 = "uint8"
    """One register, low byte; some firmware repeats it in the high byte."""
    INT8 = "int8"
    """One register, low byte; written as the 16 bits of the number, as devices show it."""
    UINT16 = "uint16"
    INT16 = "int16"
    UINT32 = "uint32"
    """Two registers, low word first unless the register says otherwise."""
    INT32 = "int32"
    """Two registers, low word first unless the register says otherwise."""
    TEXT = "text"
    """One register, two ASCII characters, the first in the high byte."""


_TWO_WORDS: Final = frozenset({Codec.FLOAT32, Codec.UINT32, Codec.INT32})
_LARGEST: Final = (2 - 2**-23) * 2.0**127
"""Of the finite numbers that 32 bits hold (IEEE 754)."""
_LIMITS: Final[Mapping[Codec, tuple[float, float]]] = {
    Codec.FLOAT32: (-_LARGEST, _LARGEST),
    Codec.UINT8: (0, 254),
    Codec.INT8: (-127, 127),
    Codec.UINT16: (0, 65535),
    Codec.INT16: (-32768, 32767),
    Codec.UINT32: (0, 0xFFFF_FFFE),
    Codec.INT32: (-0x7FFF_FFFF, 0x7FFF_FFFF),
}
"""What may be written."""

HOLDINGS: Final = 0x10000
"""Where holding registers begin in :attr:`Register.place`."""


_PLAUSIBLE: Final[Mapping[Quantity, tuple[float, float]]] = {
    Quantity.TEMPERATURE: (-60.0, 250.0),
    Quantity.POWER: (-200_000.0, 200_000.0),
    Quantity.ENERGY: (0.0, 1e9),
    Quantity.HUMIDITY: (0.0, 100.0),
    Quantity.BATTERY: (0.0, 100.0),
    Quantity.RATIO: (-1.0, 100.0),
    Quantity.FLOW_RATE: (0.0, 1000.0),
    Quantity.PRESSURE: (-1.0, 100.0),
    Quantity.FREQUENCY: (0.0, 500.0),
    Quantity.ROTATION: (0.0, 10_000.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Where one point lives on the wire, and what its raw numbers mean."""

    point: Point
    address: int
    codec: Codec
    table: Table = "input"
    """Of the documents: what the ledger and the cooldown name."""
    space: Table = "input"
    """What it is read from: some devices show all they have as input registers."""
    scale: float = 1.0
    """Raw times scale, plus ``offset``, is the value in the point's unit."""
    offset: float = 0.0
    high_first: bool = False
    """Of 32 bits the high word comes first."""
    sentinels: frozenset[float] = frozenset()
    """Raw numbers that mean "no sensor" and that no real value can equal."""
    unset: frozenset[float] = frozenset()
    """Raw numbers that mean "no sensor" until any other was seen: -1.0 °C can be real."""
    states: Mapping[int, str] | None = None
    """Raw number to slug, where it is not the point's own numbering."""
    flag: Mapping[int, bool] = field(default_factory=lambda: {0: False, 1: True})
    convert: Callable[[float], Value | None] | None = None
    """Raw number to value, where a table cannot say it; ``None`` is an unknown code."""
    plausible: tuple[float, float] | None = None
    """Physical range in the point's unit; by default that of the quantity."""
    alone: bool = False
    """Must not share a request with other registers."""

    @property
    def count(self) -> int:
        """Registers on the wire."""
        return 2 if self.codec in _TWO_WORDS else 1

    @property
    def end(self) -> int:
        """The last address."""
        return self.address + self.count - 1

    @property
    def place(self) -> int:
        """The address, in one row with all others: input registers, then holding registers."""
        return self.address + (HOLDINGS if self.space == "holding" else 0)

    def as_field(self) -> RegisterField[Any]:
        """Return the field that reads and writes it."""
        order: WordOrder = "big" if self.high_first else "little"
        match self.codec:
            case Codec.FLOAT32:
                return float32(self.address, word_order=order, writable=True, force_fc16=True)
            case Codec.UINT32:
                return uint32(self.address, word_order=order, writable=True, force_fc16=True)
            case Codec.INT32:
                return int32(self.address, word_order=order, writable=True, force_fc16=True)
        return integer(
            self.address,
            signed=self.codec is Codec.INT16,
            writable=True,
            force_fc16=True,
        )

    def decode(self, raw: float | None, *, seen: bool = True) -> Decoded:
        """Turn a raw number into a value; ``seen``: it once was something else than unset."""
        if raw is None:
            return ABSENT
        if self.codec is Codec.UINT8:
            raw = int(raw) & 0xFF
        elif self.codec is Codec.INT8:
            raw = (int(raw) & 0xFF ^ 0x80) - 0x80
        if raw in self.sentinels or (not seen and raw in self.unset):
            return ABSENT
        if not math.isfinite(raw):
            return Implausible(raw)
        if self.codec is Codec.TEXT:
            return _text(int(raw))
        if self.convert is not None:
            value = self.convert(raw)
            return UnknownCode(int(raw)) if value is None else value
        point = self.point
        if point.quantity is Quantity.STATE:
            slug = (self.states or point.options or {}).get(int(raw))
            return UnknownCode(int(raw)) if slug is None else slug
        if point.quantity is Quantity.FLAG:
            flag = self.flag.get(int(raw))
            return UnknownCode(int(raw)) if flag is None else flag
        number = raw * self.scale + self.offset
        low, high = self.plausible or _PLAUSIBLE.get(point.quantity, (-math.inf, math.inf))
        if not low <= number <= high:
            return Implausible(raw)
        if point.decimals == 0 or (point.kind is Kind.STATE and number == int(number)):
            return round(number)
        return round(number, point.decimals) + 0.0  # no negative zero

    def encode(self, value: Value) -> list[int]:
        """Turn a value into registers.

        Raises ``ValueError`` for a slug or a number that the register cannot hold.
        """
        raw: float
        if isinstance(value, bool):
            raw = next((code for code, flag in self.flag.items() if flag is value), -1)
        elif isinstance(value, str):
            table = self.states or self.point.options or {}
            raw = next((code for code, slug in table.items() if slug == value), -1)
        else:
            raw = (value - self.offset) / self.scale
        is_float = self.codec is Codec.FLOAT32
        low, high = _LIMITS.get(self.codec, (0, -1))
        # not a number and infinity cannot be rounded, and fit nowhere
        nearest = raw if is_float or not math.isfinite(raw) else round(raw)
        if not low <= nearest <= high:
            raise ValueError(f"{value!r} does not fit into {self.codec} at {self.address}")
        if is_float:
            return list(self.as_field().encode(raw))
        number = int(nearest)
        if self.count == 2:
            words = [number & 0xFFFF, number >> 16 & 0xFFFF]
            return words[::-1] if self.high_first else words
        return [number & 0xFFFF]


def _text(word: int) -> str | Absent | UnknownCode:
    """Return the two characters of a word; blanks or dashes alone are no text."""
    letters = bytes([word >> 8, word & 0xFF]).strip(b"\0 -")
    if not letters:
        return ABSENT
    return letters.decode("ascii") if letters.isalnum() else UnknownCode(word)
