"""The list of registers that a NIBE S-series pump writes to a USB stick.

``modbus_addresses_*.csv``: one register a line, separated by tabs: title, register type,
register, division factor, unit, size of variable, minimum, maximum, default. Limits are
raw numbers; 0 and 0 mean that there are none. Older firmware writes the size as a
number. Only functions that are switched on are on the list.
"""

from collections.abc import Iterable, Mapping
import csv
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Self, override

from .modbus import Codec

_SIZES: Final[Mapping[str, Codec]] = MappingProxyType(
    {
        "1": Codec.INT8,
        "2": Codec.INT16,
        "3": Codec.INT32,
        "4": Codec.UINT8,
        "5": Codec.UINT16,
        "6": Codec.UINT32,
        "s8": Codec.INT8,
        "s16": Codec.INT16,
        "s32": Codec.INT32,
        "u8": Codec.UINT8,
        "u16": Codec.UINT16,
        "u32": Codec.UINT32,
    }
)
_WORDS: Final = frozenset({Codec.INT32, Codec.UINT32})
_TABLES: Final[Mapping[str, bool]] = MappingProxyType(
    {"MODBUS_INPUT_REGISTER": False, "MODBUS_HOLDING_REGISTER": True}
)
FORBIDDEN: Final = frozenset(
    number - base + slip
    for number in (43234, 43243)
    for base in (0, 30000, 40000)
    for slip in (-1, 0, 1)
)
"""Touching 43234 or 43243 restarts pumps with firmware 2.22.6 and later again and again.

Nobody says by which numbering, so it counts in all, and in both tables.
"""

_COLUMNS: Final = 8
"""The default value, the ninth, is of no use here."""
_REGISTER: Final = "Register"
_LONGEST: Final = 10_000
_MOST_PROBLEMS: Final = 20
_PREFIX: Final = "register"


class Fault(StrEnum):
    """What is wrong with a line, or why it is left out."""

    EMPTY = "empty"
    """There is no list in the file."""
    TOO_LONG = "too_long"
    NOT_REGISTER = "not_register"
    COLUMNS = "columns"
    """Some are missing."""
    VALUE = "value"
    FORBIDDEN = "forbidden"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True)
class Problem:
    """One line that cannot be used; the column is named as the list itself names it."""

    line: int
    """From 1."""
    fault: Fault
    column: str = ""
    value: str = ""

    @override
    def __str__(self) -> str:
        what = f" in {self.column}: {self.value!r}" if self.column else ""
        return f"line {self.line}: {self.fault}{what}"


class ExportError(ValueError):
    """A list that cannot be read."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems; the message names them all."""
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list."""

    holding: bool
    address: int
    codec: Codec
    factor: int
    """The raw number divided by it is the value in ``unit``."""
    minimum: int
    maximum: int
    """Raw; not above ``minimum``: no limits are known."""
    unit: str
    title: str

    @property
    def feature(self) -> str:
        """The entry as a feature of a layout."""
        numbers = (self.address, self.codec, self.factor, self.minimum, self.maximum)
        words = (_PREFIX, "holding" if self.holding else "input", *map(str, numbers))
        return " ".join((*words, self.unit.replace(" ", "") or "-", self.title))

    @classmethod
    def from_feature(cls, feature: str) -> Self | None:
        """Return the entry behind a feature; ``None`` if it is another feature."""
        try:
            prefix, table, address, codec, factor, low, high, unit, title = feature.split(" ", 8)
        except ValueError:
            return None
        if prefix != _PREFIX:
            return None
        return cls(
            table == "holding",
            int(address),
            Codec(codec),
            int(factor),
            int(low),
            int(high),
            "" if unit == "-" else unit,
            title,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PumpMap:
    """What a pump has, by its own list."""

    entries: tuple[Entry, ...]
    """Sorted by table and address."""
    dropped: tuple[Problem, ...]
    """Lines that were left out, and why."""

    @property
    def features(self) -> frozenset[str]:
        """The features of the layout of that pump, its possible models not included."""
        return frozenset(entry.feature for entry in self.entries)


def entries(features: Iterable[str]) -> list[Entry]:
    """Return the entries among the features of a layout, sorted by table and address."""
    found = (Entry.from_feature(feature) for feature in features)
    return sorted(
        (entry for entry in found if entry is not None),
        key=lambda entry: (entry.holding, entry.address),
    )


def import_export(text: str) -> PumpMap:
    """Read the list a pump exported.

    Lines that touch :data:`FORBIDDEN` addresses and repeated addresses are dropped. Raises
    :class:`ExportError` if there is no list in it, or for any line that is wrong.
    """
    problems: list[Problem] = []
    dropped: list[Problem] = []
    found: dict[tuple[bool, int], Entry] = {}
    lines = text.removeprefix("\ufeff").splitlines()
    if len(lines) > _LONGEST:
        raise ExportError([Problem(_LONGEST + 1, Fault.TOO_LONG)])
    for number, line in enumerate(lines, start=1):
        reader = csv.reader([line], delimiter=_separator(line), skipinitialspace=True)
        cells = [cell.strip() for cell in next(reader, [])]
        if len(cells) < 2 or not cells[1].startswith("MODBUS_"):
            if line.strip() and found:
                problems.append(Problem(number, Fault.NOT_REGISTER))
            continue
        try:
            entry = _entry(cells)
        except _LineError as err:
            problems.append(Problem(number, err.fault, err.column, err.value))
            continue
        last = entry.address + (1 if entry.codec in _WORDS else 0)
        key = (entry.holding, entry.address)
        if not FORBIDDEN.isdisjoint(range(entry.address, last + 1)):
            dropped.append(Problem(number, Fault.FORBIDDEN, _REGISTER, str(entry.address)))
        elif key in found:
            dropped.append(Problem(number, Fault.REPEATED, _REGISTER, str(entry.address)))
        else:
            found[key] = entry
    if not found and not problems:
        problems.append(Problem(1, Fault.EMPTY))
    if problems:
        raise ExportError(problems[:_MOST_PROBLEMS])
    return PumpMap(entries=tuple(found[key] for key in sorted(found)), dropped=tuple(dropped))


def _separator(line: str) -> str:
    return next((mark for mark in ("\t", ";") if mark in line), ",")


class _LineError(Exception):
    def __init__(self, fault: Fault, column: str = "", value: str = "") -> None:
        super().__init__()
        self.fault, self.column, self.value = fault, column, value


def _entry(cells: list[str]) -> Entry:
    """Return the entry of a line. Raises :class:`_LineError`."""
    if len(cells) < _COLUMNS:
        raise _LineError(Fault.COLUMNS)
    title, table, address, factor, unit, size, low, high = cells[:_COLUMNS]
    if table not in _TABLES:
        raise _LineError(Fault.VALUE, "Register type", table)
    codec = _SIZES.get(size.lower())
    if codec is None:
        raise _LineError(Fault.VALUE, "Size of variable", size)
    place = _integer(_REGISTER, address)
    last = 0xFFFF - (1 if codec in _WORDS else 0)
    if not 0 <= place <= last:
        raise _LineError(Fault.VALUE, _REGISTER, address)
    divisor = _integer("Division factor", factor)
    if divisor < 1:
        raise _LineError(Fault.VALUE, "Division factor", factor)
    return Entry(
        _TABLES[table],
        place,
        codec,
        divisor,
        _integer("Min value", low),
        _integer("Max value", high),
        unit.replace(" ", ""),
        title,
    )


def _integer(column: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise _LineError(Fault.VALUE, column, text) from None
