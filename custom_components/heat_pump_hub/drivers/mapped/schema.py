"""Register map files: what may stand in one, and what becomes of it.

The format is described for owners in docs/maps.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import yaml  # type: ignore[import-untyped]

from ..link import Table, Wire
from ..modbus import Codec
from .nodes import Fields, MapError, Problem, Problems, UnreadableError, compose, like, scalar
from .point import Defaults, MapPoint, clash, read_point
from .sentences import said
from .words import SLUG, TABLES, TYPES, WORD_ORDERS, names

SCHEMA: Final = 1
"""The number a map begins with: ``map: 1``."""
PORT: Final = 502
INTERVAL: Final = 30
LONGEST: Final = 40
MOST_POINTS: Final = 2000

type Load = Callable[[str], str]
"""Returns the text of another map by its file name; raises ``OSError``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Registers that tell something about the machine before it is added."""

    table: Table
    address: int
    codec: Codec
    high_first: bool = False
    count: int = 1
    """Registers to read."""
    low: float | None = None
    high: float | None = None
    """Bounds of the raw number."""
    fingerprint: str = ""
    """``same``: never changes; ``rising``: never falls; empty: only checked."""
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PumpMap:
    """A register map: how a machine is reached, recognised and read."""

    file: str
    titles: Mapping[str, str]
    """What owners choose from, by language; ``""``: any language."""
    maker: str
    model: str
    port: int
    unit: int
    interval: int
    longest: int
    wire: Wire
    checks: tuple[Check, ...]
    """The first one is asked first; at least one."""
    serial: Check | None
    firmware: Check | None
    modules: Mapping[str, Check]
    """Parts that not every machine has, and what tells that they are there."""
    points: tuple[MapPoint, ...]
    anchor: str
    """The key of a point that every such machine answers."""

    @property
    def circuits(self) -> tuple[str, ...]:
        """Letters of the circuits that the map knows."""
        found = {point.register.point.labels.get("circuit", "") for point in self.points}
        return tuple(sorted(found - {""}))


def title_of(titles: Mapping[str, str], language: str) -> str:
    """Return a name in a language, else in English, else in any."""
    for wanted in (language, "en", ""):
        if wanted in titles:
            return titles[wanted]
    return next(iter(titles.values()))


def parse_map(text: str, name: str, load: Load | None = None) -> PumpMap:
    """Read a register map; ``name`` is the file's name, for messages.

    ``load`` finds the map that this one extends. Raises :class:`.nodes.MapError` with every
    mistake in it.
    """
    problems = Problems()
    root = compose(text, name)
    head = Fields(root, said("what_map"), problems)
    base = _extended(head, name, load, problems)
    if base is not None:
        root = _merge(base, root, problems)
        head = Fields(root, said("what_map"), problems)
        head.take("extends")
    head.take("remove")
    made = _read(head, name, problems)
    head.done()
    if problems.found or made is None:
        raise MapError(problems.found)
    return made


def _extended(
    head: Fields, name: str, load: Load | None, problems: Problems
) -> yaml.MappingNode | None:
    """Return the map that this one extends."""
    other = head.text("extends")
    if other is None:
        return None
    if load is None or other == name:
        head.complain("extends", said("extends_here", other=other))
        return None
    try:
        text = load(other)
    except (OSError, ValueError) as err:
        why = err.why if isinstance(err, UnreadableError) else str(err)
        head.complain("extends", said("extends_unreadable", other=other, why=why))
        return None
    base = compose(text, other)
    if "extends" in Fields(base, said("what_map"), problems):
        head.complain("extends", said("extends_chain", other=other))
    return base


def _key_of(node: yaml.Node) -> str | None:
    """Return what tells a point from others: its part and its key."""
    if not isinstance(node, yaml.MappingNode):
        return None
    found = {scalar(key): scalar(value) for key, value in node.value}
    key = found.get("key")
    if key is None:
        return None
    return " ".join((found.get("part") or "", found.get("room") or "", key))


def _merge(base: yaml.MappingNode, own: yaml.MappingNode, problems: Problems) -> yaml.MappingNode:
    """Return a map with the fields of another below it; points are replaced by their key."""
    fields = {scalar(key): (key, value) for key, value in base.value}
    added = {scalar(key): (key, value) for key, value in own.value}
    points = fields.get("points"), added.get("points")
    removed = Fields(own, said("what_map"), Problems()).items("remove")
    fields |= added
    if points[0] is not None:
        listed = {_key_of(node) or str(index): node for index, node in enumerate(_list(points[0]))}
        for node in removed:
            matching = [key for key in listed if key.split()[-1:] == [scalar(node)]]
            if not matching:
                problems.add(node, said("removed_unknown", name=str(scalar(node))))
            for key in matching:
                del listed[key]
        extra = _list(points[1]) if points[1] is not None else []
        listed |= {_key_of(node) or f"+{index}": node for index, node in enumerate(extra)}
        merged = yaml.SequenceNode(points[0][1].tag, list(listed.values()))
        merged.start_mark = (points[1] or points[0])[1].start_mark
        fields["points"] = points[0][0], merged
    node = yaml.MappingNode(own.tag, list(fields.values()))
    node.start_mark = own.start_mark
    return node


def _list(pair: tuple[yaml.Node, yaml.Node]) -> list[yaml.Node]:
    value = pair[1]
    return list(value.value) if isinstance(value, yaml.SequenceNode) else []


def _read(head: Fields, name: str, problems: Problems) -> PumpMap | None:
    head.need("map")
    head.integer("map", SCHEMA, SCHEMA)
    for wanted in ("maker", "model", "detect", "points"):
        head.need(wanted)
    maker, model = head.text("maker"), head.text("model")
    titles = names(head, "title", problems)
    port = head.integer("port", 1, 65535)
    unit = head.integer("unit", 1, 255)
    interval = head.integer("interval", 10, 300)
    longest = head.integer("longest", 2, 125)
    wire = Wire(
        spacing=head.number("spacing", 0, 5) or 0.0,
        tls=head.flag("tls") or False,
        single_writes=head.flag("single_writes") or False,
    )
    defaults = Defaults(
        table=head.choice("table", TABLES) or "input",
        high_first=head.choice("word_order", WORD_ORDERS) or False,
        sentinels=tuple(head.numbers("sentinels")),
    )
    checks = [
        check
        for node in head.items("detect", 20)
        if (check := _check(Fields(node, said("what_check"), problems), defaults)) is not None
    ]
    if "detect" in head and not checks and not problems.found:
        head.complain("detect", said("checks"))
    serial = _single(head, "serial", defaults, problems)
    firmware = _single(head, "firmware", defaults, problems)
    modules = _modules(head, defaults, problems)
    points = []
    for node in head.items("points", MOST_POINTS):
        point = read_point(Fields(node, said("what_point"), problems), defaults, modules, problems)
        if point is not None:
            points.append((node, point))
    clash(points, problems)
    anchor = _anchor([point for _, point in points], checks)
    if anchor is None and "points" in head and not problems.found:
        head.complain("points", said("anchor"))
    if problems.found or maker is None or model is None or anchor is None:
        return None
    return PumpMap(
        file=name,
        titles=titles or MappingProxyType({"": f"{maker} {model}"}),
        maker=maker,
        model=model,
        port=port or PORT,
        unit=unit or 1,
        interval=interval or INTERVAL,
        longest=longest or LONGEST,
        wire=wire,
        checks=tuple(checks),
        serial=serial,
        firmware=firmware,
        modules=MappingProxyType(modules),
        points=tuple(point for _, point in points),
        anchor=anchor,
    )


def _check(fields: Fields, defaults: Defaults) -> Check | None:
    """Return one check: where to read, and between which raw numbers the answer lies."""
    fields.need("address")
    table = fields.choice("table", TABLES) or defaults.table
    codec = fields.choice("type", TYPES) or Codec.UINT16
    order = fields.choice("word_order", WORD_ORDERS)
    words = 2 if codec in (Codec.UINT32, Codec.INT32, Codec.FLOAT32) else 1
    address = fields.integer("address", 0, 0x10000 - words)
    low, high = fields.number("min"), fields.number("max")
    if low is not None and high is not None and low > high:
        fields.complain("min", said("min_above_max"))
    fingerprint = fields.choice("fingerprint", {"same": "same", "rising": "rising"}) or ""
    fields.done()
    if address is None:
        return None
    return Check(
        table=table,
        address=address,
        codec=codec,
        high_first=defaults.high_first if order is None else order,
        count=words,
        low=low,
        high=high,
        fingerprint=fingerprint,
    )


def _single(head: Fields, name: str, defaults: Defaults, problems: Problems) -> Check | None:
    """Return where serial number or firmware stand."""
    node = head.take(name)
    if node is None:
        return None
    fields = Fields(node, said("what_field", name=name), problems)
    fields.need("address")
    table = fields.choice("table", TABLES) or defaults.table
    codec = fields.choice("type", {**TYPES, "text": Codec.TEXT}) or Codec.UINT16
    order = fields.choice("word_order", WORD_ORDERS)
    address = fields.integer("address", 0, 0xFFFF)
    count = fields.integer("registers", 1, 32)
    scale = fields.number("scale")
    if count is not None and codec is not Codec.TEXT:
        fields.complain("registers", said("text_only"))
    fields.done()
    if address is None:
        return None
    words = 2 if codec in (Codec.UINT32, Codec.INT32, Codec.FLOAT32) else 1
    return Check(
        table=table,
        address=address,
        codec=codec,
        high_first=defaults.high_first if order is None else order,
        count=count or words,
        scale=1.0 if scale is None else scale,
    )


def _modules(head: Fields, defaults: Defaults, problems: Problems) -> dict[str, Check]:
    node = head.take("modules")
    if node is None:
        return {}
    found = {}
    fields = Fields(node, said("what_modules"), problems)
    for name, key, value in fields.rest():
        if not SLUG.fullmatch(name):
            problems.add(key, said("key_shape", key=name))
        check = _check(Fields(value, said("what_module", name=name), problems), defaults)
        if check is not None:
            found[name] = check
    return found


def _anchor(points: list[MapPoint], checks: list[Check]) -> str | None:
    """Return a point that is checked, else the first that every machine has."""
    always = [point for point in points if point.always]
    places = {(check.table, check.address) for check in checks}
    for point in always:
        if (point.register.table, point.register.address) in places:
            return point.register.point.key
    return always[0].register.point.key if always else None


__all__ = ["Check", "MapError", "MapPoint", "Problem", "PumpMap", "like", "parse_map", "title_of"]
