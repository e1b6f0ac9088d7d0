"""A Modbus machine with input and holding registers apart, in front of a model."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from random import Random
import ssl
from typing import Final, override

from pymodbus.constants import ExcCodes

from .clock import Clock
from .idm_values import Link, Reading
from .late import Late
from .physics import HeatPumpModel
from .server import HOLDINGS, RegisterServer

_TINY: Final = 1e-9


class Type(Enum):
    """How a value sits in its registers: bits, and whether it is signed."""

    U8 = (8, False)
    S8 = (8, True)
    U16 = (16, False)
    S16 = (16, True)
    U32 = (32, False)
    S32 = (32, True)

    @property
    def words(self) -> int:
        """Registers it takes."""
        return max(1, self.value[0] // 16)

    @property
    def limit(self) -> int:
        """The raw number at the limit of the type: the lowest if signed, else the highest."""
        bits, signed = self.value
        return -(1 << bits - 1) if signed else (1 << bits) - 1


U8, S8, U16, S16, U32, S32 = Type


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRow:
    """One row of a map."""

    key: str
    address: int
    type: Type
    factor: float = 1.0
    """The value times the factor is the raw number."""
    holding: bool = False
    access: str = "r"
    wear: str = "none"
    minimum: float | None = None
    maximum: float | None = None
    codes: tuple[int, ...] | None = None
    """The values a write may have, where the map lists them."""
    default: float | None = None
    absent: int | None = None
    """The raw number for "no value"; ``None``: the limit of the type."""
    high_first: bool = False
    """Of 32 bits the high word comes first."""

    @property
    def place(self) -> int:
        """The address, holding registers after input registers."""
        return self.address + (HOLDINGS if self.holding else 0)


def encode(row: MapRow, value: float | None) -> tuple[int, ...]:
    """Return the words of a value; ``None`` is no value.

    Raises ``ValueError`` if it does not fit.
    """
    bits, signed = row.type.value
    if value is None:
        raw = row.type.limit if row.absent is None else row.absent
    else:
        raw = round(value * row.factor)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if not low <= raw <= high:
        raise ValueError(f"{row.key} cannot hold {value}")
    raw &= (1 << bits) - 1
    if bits != 32:
        return (raw,)
    words = raw & 0xFFFF, raw >> 16
    return words[::-1] if row.high_first else words


def decode(row: MapRow, words: tuple[int, ...]) -> float:
    """Return the value of words."""
    bits, signed = row.type.value
    ordered = words[::-1] if row.high_first else words
    raw = sum(word << 16 * index for index, word in enumerate(ordered)) & (1 << bits) - 1
    if signed and raw >> bits - 1:
        raw -= 1 << bits
    return raw / row.factor


class TwoTableServer(RegisterServer):
    """Serves one model by a map; all methods belong to the server's loop.

    Input registers answer function code 4, holding registers 3, 6 and 16. A value that
    neither follows from the model nor is a setting shows as "no value".
    """

    def __init__(
        self,
        model: HeatPumpModel,
        rows: Iterable[MapRow],
        readings: Mapping[str, Reading],
        links: Mapping[str, Link],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        unit: int = 1,
        speed: float = 1.0,
        read_back_delay: tuple[float, float] = (0.0, 15.0),
        seed: int = 0,
        silent_unit: bool = False,
        max_read: int = 125,
        sslctx: ssl.SSLContext | None = None,
    ) -> None:
        """Prepare; nothing listens before :meth:`start`.

        ``readings`` and ``links`` say by key what stands in a register; the rest is as
        for :class:`.server.RegisterServer`.
        """
        super().__init__(
            host=host,
            port=port,
            unit=unit,
            silent_unit=silent_unit,
            max_read=max_read,
            separate=True,
            sslctx=sslctx,
        )
        self.model = model
        self.clock = Clock(model, speed)
        self.read_back_delay = read_back_delay
        self._random = Random(seed)
        self._rows = {row.key: row for row in rows}
        self._starts = {row.place: row for row in self._rows.values()}
        self._readings = {key: readings[key] for key in self._rows.keys() & readings.keys()}
        self._links = {key: links[key] for key in self._rows.keys() & links.keys()}
        self._values = {
            key: row.default
            for key, row in self._rows.items()
            if key not in self._readings and key not in self._links
        }
        self._held: dict[str, tuple[int, ...]] = {}
        self._late = Late(self._apply)
        self._image: dict[int, int] = {}
        self._seen: object = None
        self._dirty = True

    # -- for tests -----------------------------------------------------------------

    def row(self, key: str) -> MapRow:
        """Return a row by its key. Raises ``KeyError`` if this machine does not have it."""
        return self._rows[key]

    @property
    def rows(self) -> Iterable[MapRow]:
        """Every row this machine answers."""
        return self._rows.values()

    def words(self, key: str) -> tuple[int, ...]:
        """Return what stands in the registers of a row now. Raises ``KeyError``."""
        self._refresh()
        row = self._rows[key]
        return tuple(self._image[row.place + offset] for offset in range(row.type.words))

    def value(self, key: str) -> float | None:
        """Return what a row shows now, ``None``: no value. Raises ``KeyError``."""
        row, words = self._rows[key], self.words(key)
        return None if words == encode(row, None) else decode(row, words)

    def set_value(self, key: str, value: float) -> None:
        """Change a setting as at the machine's own panel: at once, not recorded as a write.

        Raises ``KeyError`` if the machine has no such setting.
        """
        if self._rows[key].access == "r":
            raise KeyError(key)
        self._late.take(key, value)

    def hold(
        self, key: str, value: float | None = None, *, words: Iterable[int] | None = None
    ) -> None:
        """Show a value, or raw words, whatever the model does, until :meth:`release`.

        Without either: no value. Raises ``KeyError``.
        """
        row = self._rows[key]
        self._held[key] = tuple(words) if words is not None else encode(row, value)
        self._dirty = True

    def release(self, key: str) -> None:
        """Let the model decide again what is shown."""
        self._held.pop(key, None)
        self._dirty = True

    # -- registers -----------------------------------------------------------------

    @override
    def defined(self) -> Iterable[int]:
        """Return every place this machine answers."""
        for row in self._rows.values():
            yield from range(row.place, row.place + row.type.words)

    @override
    def load(self, address: int, count: int) -> list[int] | ExcCodes:
        """Return words; those of places that do not exist do not matter."""
        self._refresh()
        return [self._image.get(place, 0) for place in range(address, address + count)]

    @override
    def store(self, address: int, words: tuple[int, ...]) -> ExcCodes | None:
        """Check a write as a whole, then take it."""
        changes: list[tuple[MapRow, float]] = []
        at = address
        while at < address + len(words):
            row = self._starts.get(at)
            if row is None or row.access == "r":
                return ExcCodes.ILLEGAL_ADDRESS
            part = words[at - address : at - address + row.type.words]
            if len(part) < row.type.words:
                return ExcCodes.ILLEGAL_ADDRESS
            taken = self.taken(row, decode(row, part))
            if isinstance(taken, ExcCodes):
                return taken
            if taken is not None:
                changes.append((row, taken))
            at += row.type.words
        for row, value in changes:
            delay = 0.0 if row.wear == "cyclic" else self._random.uniform(*self.read_back_delay)
            self._late.take(row.key, value, delay)
        return None

    def taken(self, row: MapRow, value: float) -> float | ExcCodes | None:
        """Return what a written value becomes; ``None``: it is dropped without a word."""
        return value if acceptable(row, value) else ExcCodes.ILLEGAL_VALUE

    # -- values --------------------------------------------------------------------

    def _apply(self, key: str, value: float) -> None:
        """Make a setting act."""
        self._dirty = True
        if (found := self._links.get(key)) is not None:
            self.model.set(found.setting, found.to_model(value))
        else:
            self._values[key] = value

    @override
    def tick(self) -> None:
        """Let time pass in the model, and settings arrive."""
        self.clock.tick()
        self._late.arrive()

    def _refresh(self) -> None:
        """Write every value into the image, if anything changed."""
        state = self.model.state
        if state is self._seen and not self._dirty:
            return
        self._seen = state
        self._dirty = False
        for key, source in self._readings.items():
            self._put(key, source(self.model, state))
        for key, found in self._links.items():
            self._put(key, found.from_model(self.model.settings[found.setting]))
        for key, value in self._values.items():
            self._put(key, value)

    def _put(self, key: str, value: float | None) -> None:
        """Put one value, or what is held in its place, into the image."""
        row = self._rows[key]
        words = self._held.get(key)
        for offset, word in enumerate(encode(row, value) if words is None else words):
            self._image[row.place + offset] = word


def acceptable(row: MapRow, value: float) -> bool:
    """Return whether ``value`` is one of the codes or within the limits of a row."""
    if row.codes is not None:
        return value in row.codes
    low = value if row.minimum is None else row.minimum
    high = value if row.maximum is None else row.maximum
    return low - _TINY <= value <= high + _TINY
