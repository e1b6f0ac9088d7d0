"""One point of a register map file: its fields, and what they must not contradict."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
import math
from types import MappingProxyType
from typing import Final

import yaml  # type: ignore[import-untyped]

from ..link import Table
from ..modbus import Codec, Register
from ..points import (
    HOT_WATER,
    MACHINE,
    UNITS as UNIT_OF,
    Kind,
    Part,
    PartKind,
    Point,
    Quantity,
    Tier,
    Value,
    Wear,
)
from .meanings import CIRCUIT_KEYS, MACHINE_KEYS, ROOM_KEYS, Meaning
from .nodes import Fields, Problems, like, number_of, scalar
from .sentences import said
from .words import QUANTITIES, SLUG, TABLES, TYPES, UNITS, WORD_ORDERS, names

OWN_NAME: Final = "mapped"
"""The translation key of points that only a map knows: their name is a placeholder."""
_PARTS: Final[Mapping[str, Part]] = MappingProxyType(
    {
        "machine": MACHINE,
        "hot_water": HOT_WATER,
        **{f"circuit_{letter}": Part(PartKind.CIRCUIT, letter) for letter in "abcdefgh"},
        **{f"zone_{number}": Part(PartKind.ZONE, str(number)) for number in range(1, 11)},
    }
)
_WEAR: Final[Mapping[str, Wear]] = MappingProxyType(
    {
        "eeprom": Wear.EEPROM,
        "cyclic": Wear.CYCLIC,
        "ram": Wear.VOLATILE,
        "unknown": Wear.UNKNOWN,
    }
)
_READ: Final[Mapping[str, Tier | None]] = MappingProxyType(
    {"poll": Tier.MEASUREMENT, "settings": Tier.SETTING}
)
_NEVER: Final = "never"
_KINDS: Final[Mapping[str, Kind]] = MappingProxyType({str(kind): kind for kind in Kind})
_WIDE: Final = frozenset({Codec.UINT32, Codec.INT32, Codec.FLOAT32})
_BITS: Final[Mapping[Codec, int]] = MappingProxyType(
    {
        Codec.UINT8: 8,
        Codec.INT8: 8,
        Codec.UINT16: 16,
        Codec.INT16: 16,
        Codec.UINT32: 32,
        Codec.INT32: 32,
    }
)
_SIGNED: Final = frozenset({Codec.INT8, Codec.INT16, Codec.INT32})
_RANGE: Final[Mapping[Codec, tuple[int, int]]] = MappingProxyType(
    {codec: (-(1 << bits - 1), (1 << bits) - 1) for codec, bits in _BITS.items()}
)
"""Raw numbers that can be meant, with or without a sign."""
_NUMBERLESS: Final = frozenset({Quantity.STATE, Quantity.FLAG})


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for every point that says nothing else."""

    table: Table
    high_first: bool
    sentinels: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class MapPoint:
    """One point of a map."""

    register: Register
    names: Mapping[str, str]
    """By language; empty for keys that all makers share."""
    module: str = ""
    """Only on machines that have it."""

    @property
    def always(self) -> bool:
        """Whether every machine answers it."""
        point = self.register.point
        return not self.module and point.readable and point.part.kind is not PartKind.CIRCUIT


def as_read(codec: Codec, number: float) -> float:
    """Return a raw number as its type reads it: 0x8000 is -32768 where there is a sign."""
    bits = _BITS.get(codec)
    if bits is None:
        return number
    number %= 1 << bits
    return number - (1 << bits) if codec in _SIGNED and number >= 1 << bits - 1 else number


class _Reader:
    """Reads one point; what is missing or wrong is noted, and replaced by something harmless."""

    def __init__(self, fields: Fields, defaults: Defaults, problems: Problems) -> None:
        self.fields = fields
        self.defaults = defaults
        self.problems = problems
        self.before = len(problems.found)
        self.wear: Wear | None = None
        self.codec = Codec.UINT16
        self.meaning: Meaning | None = None

    # -- who it is -----------------------------------------------------------------

    def identity(self) -> tuple[str, Part, str | None]:
        """Return the key without its part, the part, and the room of a zone."""
        fields = self.fields
        fields.need("key")
        key = fields.text("key", 64) or "unknown"
        if not SLUG.fullmatch(key):
            fields.complain("key", said("key_shape", key=key))
        part = fields.choice("part", _PARTS)
        if part is None:
            part = HOT_WATER if key.startswith("dhw_") else MACHINE
        room = fields.integer("room", 1, 8)
        if room is not None and part.kind is not PartKind.ZONE:
            fields.complain("room", said("room_part"))
        if part.prefix and key.startswith(part.prefix):
            own = key.removeprefix(part.prefix)
            fields.complain("key", said("key_part", key=own))
        shared: Mapping[str, Meaning] = MACHINE_KEYS
        if part.kind is PartKind.CIRCUIT:
            shared = CIRCUIT_KEYS
        elif part.kind is PartKind.ZONE:
            shared = ROOM_KEYS if room is not None else {}
        self.meaning = shared.get(key)
        return key, part, None if room is None else str(room)

    def names(self, key: str, part: Part) -> Mapping[str, str]:
        """Return the names of a point that only this map knows."""
        found = names(self.fields, "name", self.problems)
        if self.meaning is None:
            if found is None and "name" not in self.fields:
                known = CIRCUIT_KEYS if part.kind is PartKind.CIRCUIT else MACHINE_KEYS
                hint = like(key, known)
                self.fields.complain("key", said("key_unknown", key=key, hint=hint))
            return found or {}
        if found is not None:
            self.fields.complain("name", said("shared_name", key=key))
        return {}

    # -- where it lies -------------------------------------------------------------

    def place(self) -> tuple[Table, int]:
        """Return table and address, and keep the type."""
        fields = self.fields
        fields.need("address")
        table = fields.choice("table", TABLES) or self.defaults.table
        self.codec = fields.choice("type", TYPES) or Codec.UINT16
        address = fields.integer("address", 0, 0xFFFE if self.codec in _WIDE else 0xFFFF)
        return table, address or 0

    def access(self, table: Table) -> tuple[Tier, bool]:
        """Return how often it is read and whether it can be; keep the wear class."""
        fields = self.fields
        self.wear = fields.choice("write", _WEAR)
        if self.wear is not None and table == "input":
            fields.complain("write", said("input_written"))
        read = fields.choice("read", {**{key: key for key in _READ}, _NEVER: _NEVER})
        if read == _NEVER and self.wear is None:
            fields.complain("read", said("useless"))
        default = "settings" if self.wear in (Wear.EEPROM, Wear.UNKNOWN) else "poll"
        tier = _READ.get(read or default) or Tier.SETTING
        if self.meaning is not None:
            if self.wear is not None and not self.meaning.setting:
                fields.complain("write", said("shared_reading"))
            if self.wear is None and not self.meaning.reading and "write" not in fields:
                fields.complain("key", said("shared_setting"))
        return tier, read != _NEVER

    # -- what its numbers mean -----------------------------------------------------

    def quantity(self) -> tuple[Quantity, float, float]:
        """Return what is measured, and how its unit becomes ours (times, plus)."""
        fields = self.fields
        given = fields.choice("unit", UNITS)
        asked = fields.choice("quantity", QUANTITIES)
        ways = [name for name in ("unit", "enum", "bool", "bit") if name in fields]
        if len(ways) > 1:
            fields.complain(ways[1], said("exclusive", one=ways[0], other=ways[1]))
        meant = self.meaning.quantity if self.meaning is not None else asked
        found = Quantity.COUNT, 1.0, 0.0
        if "enum" in fields:
            found = Quantity.STATE, 1.0, 0.0
        elif "bool" in fields or "bit" in fields:
            found = Quantity.FLAG, 1.0, 0.0
        elif given is not None:
            found = given
        elif "unit" in fields:
            return meant or Quantity.COUNT, 1.0, 0.0  # it is wrong, and that was noted
        elif meant is None:
            scale = number_of(fields.place("scale")) if "scale" in fields else 1.0
            if scale != 1 or self.codec is Codec.FLOAT32:
                found = Quantity.FACTOR, 1.0, 0.0
        elif UNIT_OF[meant] is None and meant not in _NUMBERLESS:
            found = meant, 1.0, 0.0
        if meant is None or meant is found[0]:
            return found
        if UNIT_OF[meant] != "%" or found[0] is not Quantity.RATIO:
            self._wants(meant, ways)
        return meant, 1.0, 0.0

    def _wants(self, quantity: Quantity, ways: list[str]) -> None:
        """Note that a number, a state or a flag stands where another is meant."""
        where = ways[0] if ways else "key"
        if quantity is Quantity.STATE:
            self.fields.complain(where, said("wants_enum"))
        elif quantity is Quantity.FLAG:
            self.fields.complain(where, said("wants_flag"))
        else:
            fitting = ", ".join(unit for unit, (kind, *_) in UNITS.items() if kind is quantity)
            name = quantity.replace("_", " ")
            what = said("wants_no_unit", quantity=name)
            if fitting:
                what = said("wants_unit", quantity=name, units=fitting)
            self.fields.complain(where, what)

    def kind(self, quantity: Quantity, tier: Tier) -> Kind:
        """Return how the value behaves."""
        given = self.fields.choice("kind", _KINDS)
        if quantity in _NUMBERLESS or quantity is Quantity.CODE:
            return Kind.STATE
        if self.meaning is not None:
            if given is not None and given is not self.meaning.kind:
                self.fields.complain("kind", said("shared_kind", kind=str(self.meaning.kind)))
            return self.meaning.kind
        if given is not None:
            return given
        slow = self.wear is not None and tier is Tier.SETTING
        return Kind.SETPOINT if slow else Kind.ANALOG

    def scaling(self, quantity: Quantity, factor: float, shift: float) -> tuple[float, float, int]:
        """Return scale and offset to our unit, and how many decimals are worth showing."""
        fields = self.fields
        scale, offset = fields.number("scale"), fields.number("offset")
        decimals = fields.integer("decimals", 0, 6)
        if scale == 0:
            fields.complain("scale", said("scale_zero"))
        if quantity in _NUMBERLESS and (scale is not None or offset is not None):
            where = "scale" if scale is not None else "offset"
            fields.complain(where, said("scale_state"))
        scale = (scale or 1.0) * factor
        offset = (offset or 0.0) * factor + shift
        if decimals is None:
            fine = max(0, -math.floor(math.log10(abs(scale)) + 1e-9))
            if self.codec is Codec.FLOAT32:
                fine = max(fine, 2 if quantity is Quantity.FACTOR else 1)
            decimals = min(fine, 3)
        return scale, offset, decimals

    def sentinels(self) -> frozenset[float]:
        """Return the raw numbers that mean "no value", signed as they are read."""
        own = self.fields.numbers("sentinels")
        low, high = _RANGE.get(self.codec, (-math.inf, math.inf))
        for number in own:
            if not low <= number <= high:
                self.fields.complain("sentinels", said("sentinel", number=f"{number:g}"))
        numbers = own if "sentinels" in self.fields else self.defaults.sentinels
        return frozenset(as_read(self.codec, number) for number in numbers)

    # -- states and flags ----------------------------------------------------------

    def states(
        self, quantity: Quantity
    ) -> tuple[Mapping[int, str] | None, Mapping[int, str] | None, frozenset[str] | None]:
        """Return options, raw numbers to slugs where they differ, and what may be written."""
        fields = self.fields
        node = fields.take("enum")
        writable = self._slugs("writable")
        default = scalar(fields.place("default")) if "default" in fields else None
        if quantity is not Quantity.STATE or node is None:
            if writable is not None:
                fields.complain("writable", said("writable_enum"))
            return None, None, None
        raw: dict[int, str] = {}
        known = self.meaning.options if self.meaning is not None else None
        inner = Fields(node, said("what_field", name="enum"), self.problems)
        for name, key, value in inner.rest():
            number, slug = number_of(key), scalar(value)
            low, high = _RANGE.get(self.codec, (0, 0))
            if number is None or number != int(number) or not low <= number <= high:
                self.problems.add(key, said("enum_number", name=name))
            elif slug is None or not SLUG.fullmatch(slug):
                self.problems.add(value, said("enum_slug"))
            elif known is not None and slug not in known.values():
                hint = like(slug, known.values())
                words = ", ".join(known.values())
                self.problems.add(value, said("enum_word", name=slug, words=words, hint=hint))
            else:
                raw[int(as_read(self.codec, number))] = slug
        if not raw:
            self.problems.add(node, said("enum_empty"))
        for name, slugs in (
            ("writable", writable or []),
            ("default", [default] if default else []),
        ):
            for slug in slugs:
                if slug not in raw.values():
                    hint = like(slug, raw.values())
                    fields.complain(name, said("enum_state", name=slug, hint=hint))
        options = known if known is not None else {}
        if known is None:
            for number, slug in raw.items():
                if slug not in options.values():
                    options = {**options, number: slug}
        allowed = None if self.wear is None else frozenset(writable or raw.values())
        return options, None if raw == options else raw, allowed

    def _slugs(self, name: str) -> list[str] | None:
        nodes = self.fields.items(name)
        return [scalar(node) or "" for node in nodes] if name in self.fields else None

    def flags(self) -> tuple[Mapping[int, bool], Callable[[float], Value | None] | None]:
        """Return which raw numbers are on and off, or how a bit is cut out."""
        fields = self.fields
        width = 31 if self.codec in _WIDE else 15
        bit = fields.integer("bit", 0, width)
        node = fields.take("bool")
        if bit is not None:
            if self.wear is not None:
                fields.complain("bit", said("bit_written"))
            return {}, _bit(bit)
        if node is None or isinstance(node, yaml.ScalarNode):
            if node is not None and (scalar(node) or "").lower() not in ("true", "yes", "on"):
                self.problems.add(node, said("bool_value"))
            return {0: False, 1: True}, None
        inner = Fields(node, said("what_field", name="bool"), self.problems)
        found: dict[int, bool] = {}
        for word, meant in (("off", False), ("on", True)):
            inner.need(word)
            given = inner.take(word)
            listed = given.value if isinstance(given, yaml.SequenceNode) else [given]
            for item in listed:
                number = None if item is None else number_of(item)
                if item is None:
                    continue
                if number is None or number != int(number):
                    self.problems.add(item, said("bool_word", name=word))
                elif int(as_read(self.codec, number)) in found:
                    self.problems.add(item, said("bool_twice", number=f"{number:g}"))
                else:
                    found[int(as_read(self.codec, number))] = meant
        inner.done()
        return found, None

    # -- what may be written, what can be true ---------------------------------------

    def bounds(
        self, quantity: Quantity, factor: float, shift: float
    ) -> tuple[float | None, float | None, float | None, Value | None]:
        """Return minimum, maximum, step and the value that means "no request", in our unit."""
        fields = self.fields
        low, high = fields.number("min"), fields.number("max")
        step = fields.number("step")
        if low is not None and high is not None and low >= high:
            fields.complain("min", said("min_below_max"))
        if step is not None and step <= 0:
            fields.complain("step", said("step"))
        plain = quantity not in _NUMBERLESS
        if self.wear is not None and plain and (low is None or high is None):
            fields.complain("write", said("number_bounds"))
        for name in ("min", "max", "step"):
            if name in fields and (self.wear is None or not plain):
                fields.complain(name, said("number_only", name=name))
        default = self._default(quantity, factor, shift)
        return (
            None if low is None else round(low * factor + shift, 6),
            None if high is None else round(high * factor + shift, 6),
            None if step is None else round(step * factor, 6),
            default,
        )

    def _default(self, quantity: Quantity, factor: float, shift: float) -> Value | None:
        fields = self.fields
        if "default" not in fields:
            return None
        if self.wear is not Wear.CYCLIC:
            fields.complain("default", said("default_cyclic"))
        if quantity is Quantity.STATE:
            return fields.text("default")
        if quantity is Quantity.FLAG:
            return fields.flag("default")
        number = fields.number("default")
        return None if number is None else round(number * factor + shift, 6)

    def valid(self, factor: float, shift: float) -> tuple[float, float] | None:
        """Return the physical range, in our unit."""
        numbers = self.fields.numbers("valid")
        if "valid" not in self.fields:
            return None
        if len(numbers) != 2 or numbers[0] >= numbers[1]:
            self.fields.complain("valid", said("valid"))
            return None
        return numbers[0] * factor + shift, numbers[1] * factor + shift


def _bit(bit: int) -> Callable[[float], Value | None]:
    return lambda raw: bool(int(raw) >> bit & 1)


def read_point(
    fields: Fields, defaults: Defaults, modules: Collection[str], problems: Problems
) -> MapPoint | None:
    """Return a point; ``None`` if anything about it is wrong, which is noted."""
    reader = _Reader(fields, defaults, problems)
    key, part, room = reader.identity()
    titles = reader.names(key, part)
    table, address = reader.place()
    tier, readable = reader.access(table)
    quantity, factor, shift = reader.quantity()
    kind = reader.kind(quantity, tier)
    scale, offset, decimals = reader.scaling(quantity, factor, shift)
    options, states, writable = reader.states(quantity)
    flag, convert = reader.flags()
    low, high, step, default = reader.bounds(quantity, factor, shift)
    order = fields.choice("word_order", WORD_ORDERS)
    module = fields.text("module") or ""
    if module and module not in modules:
        fields.complain("module", said("module_unknown", name=module, hint=like(module, modules)))
    if not module and part.id and f"{part.kind}_{part.id}" in modules:
        module = f"{part.kind}_{part.id}"
    stem = f"room_{room}_{key}" if room else key
    name = key if reader.meaning is not None else OWN_NAME
    if room and reader.meaning is not None:
        name = f"zone_room_{key}"
    labels = {part.kind.value: part.id} if part.id else {}
    point = Point(
        key=f"{part.prefix}{stem}",
        name=name,
        quantity=quantity,
        kind=kind,
        part=part,
        tier=tier,
        wear=reader.wear,
        readable=readable,
        options=options,
        writable_options=writable,
        minimum=low,
        maximum=high,
        step=step,
        decimals=decimals,
        default=default,
        diagnostic=fields.flag("diagnostic") or False,
        enabled=_or(fields.flag("enabled"), reader.meaning is not None),
        placeholders={"room": room} if room else {},
        labels={**labels, "room": room} if room else labels,
    )
    register = Register(
        point=point,
        address=address,
        codec=reader.codec,
        table=table,
        space=table,
        scale=scale,
        offset=offset,
        high_first=_or(order, defaults.high_first),
        sentinels=reader.sentinels(),
        states=states,
        flag=flag,
        convert=convert,
        plausible=reader.valid(factor, shift),
        alone=fields.flag("alone") or False,
    )
    fields.done()
    return MapPoint(register, titles, module) if len(problems.found) == reader.before else None


def _or(given: bool | None, default: bool) -> bool:
    return default if given is None else given


def clash(points: Iterable[tuple[yaml.Node, MapPoint]], problems: Problems) -> None:
    """Note keys that are given twice, and registers that overlap.

    Several points may show the same register in different ways; one of them may be written.
    """
    keys: dict[str, yaml.Node] = {}
    places: dict[int, tuple[yaml.Node, Register]] = {}
    for node, found in points:
        register = found.register
        key = register.point.key
        if key in keys:
            first = keys[key].start_mark
            problems.add(node, said("field_twice", name=key, line=str(first.line + 1)))
        keys.setdefault(key, node)
        for place in range(register.place, register.place + register.count):
            other = places.setdefault(place, (node, register))
            if other[1] is register or _shared(other[1], register):
                continue
            line = other[0].start_mark.line + 1
            problems.add(
                node,
                said(
                    "clash",
                    key=key,
                    other=other[1].point.key,
                    line=str(line),
                    table=register.table,
                    address=str(register.address),
                ),
            )
            break


def _shared(one: Register, other: Register) -> bool:
    same = (one.place, one.count, one.high_first) == (other.place, other.count, other.high_first)
    floats = (one.codec is Codec.FLOAT32) == (other.codec is Codec.FLOAT32)
    return same and floats and (one.point.wear is None or other.point.wear is None)
