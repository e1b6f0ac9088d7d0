"""Write docs/entities-*.md from the tables of the drivers: ``python -m scripts._docs``."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
import json
from pathlib import Path
import sys
from typing import Any, Final

from custom_components.heat_pump_hub.drivers import family, idm_points as table, nibe_points as nibe
from custom_components.heat_pump_hub.drivers.driver import Address, Driver, Layout
from custom_components.heat_pump_hub.drivers.idm import _PROBES, IdmDriver
from custom_components.heat_pump_hub.drivers.mapped.meanings import (
    CIRCUIT_KEYS,
    MACHINE_KEYS,
    ROOM_KEYS,
)
from custom_components.heat_pump_hub.drivers.mapped.point import OWN_NAME
from custom_components.heat_pump_hub.drivers.modbus import Register
from custom_components.heat_pump_hub.drivers.points import HOT_WATER, PartKind, Point, Tier, Wear
from custom_components.heat_pump_hub.entity import platform_of

ROOT: Final = Path(__file__).resolve().parent.parent
TRANSLATIONS: Final = ROOT / "custom_components" / "heat_pump_hub" / "translations"

HEAD: Final = """# Every value of {machine}

<!-- Written by scripts/_docs.py from the tables of the driver: change those, not this page. -->

All of these values exist in Home Assistant as soon as the heat pump answers them. Most are
disabled at first: enable what you need on the device page.

- **Key** names a value in unique ids, in the history and in diagnostics. The unique id is the
  identity {identity}, an underscore and the key.
- **Address** is {address}
- **Read**: *poll* means every poll interval, *settings* every 10 minutes and after a write.
- **Write**: empty means read only. {wear}
  [write protection](write-guard.md); behind {behind} stands what may be written.
- **On**: enabled when the value is first seen.
"""
IDM: Final = (
    HEAD.format(
        machine="an IDM heat pump",
        identity="you chose",
        address="the Modbus address as IDM prints it, used on the wire without an offset.",
        wear="*EEPROM*, *cyclic* and *volatile* are the wear classes of",
        behind="them",
    )
    + """- **Only if**: the optional block a machine must answer. It is looked for when you add the heat pump.
"""
)
LUXTRONIK: Final = (
    HEAD.format(
        machine="a Luxtronik heat pump",
        identity="(the serial number of the controller)",
        address="""the place in one of the two lists of the controller, *calculations* and
  *parameters*, counted from 0. A value exists where the list of your controller reaches that far.
  *Older* is its place with [older firmware](luxtronik.md#what-depends-on-the-firmware).""",
        wear="*EEPROM* and *volatile* are the wear classes of",
        behind="them",
    )
    + """
What belongs to the [Smart Home Interface](luxtronik.md#the-smart-home-interface) stands in a section
of its own, with the Modbus address on the wire, after *shi_input* or *shi_holding*. Where it is
there, the parameters that it replaces are disabled at first.

What a controller has several times stands here once: key and name are those of the first, and
behind the addresses stands how many there are. *A*, *B* and *C* are the circuits.
"""
)
NIBE: Final = (
    HEAD.format(
        machine="a NIBE S-series heat pump",
        identity="you chose",
        address="""the table and the address on the wire. NIBE prints 30001 more for *input* and
  40001 more for *holding*. *Internal compressor*, *outdoor unit* and *exhaust air* say where the
  same value lies on such machines, if it lies elsewhere.""",
        wear="*EEPROM*, *cyclic* and *volatile* are the wear classes of",
        behind="them",
    )
    + """
No model has all of them: what a machine refuses is left out. *A* to *H* are the climate systems 1
to 8; not every value exists for each.
"""
)
DAIKIN: Final = (
    HEAD.format(
        machine="a Daikin Altherma 3",
        identity="you chose",
        address="""the table and the address on the wire. Daikin's document counts from 1, so it prints
  one more.""",
        wear="*EEPROM* and *cyclic* are the wear classes of",
        behind="them",
    )
    + """
A Home Hub for air-to-air units (use case 4) has nothing but the two at its addresses 1000 and 1001.
"""
)

WEAR: Final = {
    Wear.EEPROM: "EEPROM",
    Wear.CYCLIC: "cyclic",
    Wear.VOLATILE: "volatile",
    Wear.UNKNOWN: "unknown",
}

type Texts = Mapping[str, Mapping[str, Any]]


def texts() -> Texts:
    """Return the entity translations by language."""
    return {
        language: json.loads((TRANSLATIONS / f"{language}.json").read_text("utf-8"))["entity"]
        for language in ("en", "de")
    }


def name_of(point: Point, language: str, found: Texts) -> str:
    """Return the name an owner sees. Raises ``KeyError`` if it is not translated."""
    name: str = found[language][platform_of(point)][point.name]["name"]
    return name.format(**point.placeholders)


def write_of(point: Point) -> str:
    """Return wear class and allowed values, empty for what cannot be written."""
    if point.wear is None:
        return ""
    wear = WEAR[point.wear]
    if point.minimum is None or point.maximum is None:
        return wear
    step = f", step {point.step:g}" if point.step else ""
    default = f"; no request: {point.default:g}" if isinstance(point.default, int | float) else ""
    return f"{wear}, {point.minimum:.10g} to {point.maximum:.10g}{step}{default}"


def condition_of(row: table.Row) -> str:
    """Return which optional block a row belongs to."""
    if row.feature:
        return f"{_PROBES[row.feature]} answers"
    return f"{_PROBES[row.without]} does not answer" if row.without else ""


def line(cells: Iterable[str]) -> str:
    """Return one line of a table."""
    return f"| {' | '.join(cells)} |\n"


def header(*titles: str) -> str:
    """Return the head of a table."""
    return line(titles) + line("---" for _ in titles)


class Page:
    """A page as it grows, and the states it has to explain at its end."""

    def __init__(self, head: str) -> None:
        """Begin with the head."""
        self.text = head
        self._texts = texts()
        self._points: list[Point] = []

    def section(
        self,
        title: str,
        rows: Iterable[tuple[Point, str, str]],
        *,
        note: str = "",
        condition: bool = False,
    ) -> None:
        """Add a table of points, each with its address and its condition."""
        self.text += f"\n## {title}\n\n{note}{header(*self._titles(condition))}"
        for point, address, only_if in rows:
            self._points.append(point)
            cells = [
                f"`{point.key}`",
                name_of(point, "en", self._texts),
                name_of(point, "de", self._texts),
                platform_of(point).replace("_", " "),
                point.unit or "",
                address,
                self._read(point),
                write_of(point),
                "yes" if point.enabled else "",
            ]
            self.text += line([*cells, only_if] if condition else cells)

    @staticmethod
    def _titles(condition: bool) -> list[str]:
        titles = "Key", "English", "German", "Entity", "Unit", "Address", "Read", "Write", "On"
        return [*titles, "Only if"] if condition else [*titles]

    @staticmethod
    def _read(point: Point) -> str:
        if not point.readable:
            return "never"
        return "poll" if point.tier is Tier.MEASUREMENT else "settings"

    def states(self) -> None:
        """Add what the numbers of states mean."""
        self.text += (
            "\n## States and their numbers\n\nThe history stores the number, an automation sees the"
            " word.\n\n" + header("Key", "Number", "State", "English", "German")
        )
        shown: set[str] = set()
        for point in self._points:
            if point.options is None or point.key in shown:
                continue
            shown.add(point.key)
            names = {
                language: found[platform_of(point)][point.name]["state"]
                for language, found in self._texts.items()
            }
            for number, slug in point.options.items():
                refused = point.writable_options is not None and slug not in point.writable_options
                self.text += line(
                    [
                        f"`{point.key}`",
                        str(number),
                        f"`{slug}`" + (" (shown, never written)" if refused else ""),
                        names["en"][slug],
                        names["de"][slug],
                    ]
                )

    @property
    def named(self) -> frozenset[tuple[str, str]]:
        """Platform and translation key of every point that is shown."""
        return frozenset((platform_of(point).value, point.name) for point in self._points)

    def ours(self, known: frozenset[tuple[str, str]]) -> None:
        """Add the entities that stand for no point of any family."""
        self.text += (
            "\n## Entities of the hub itself\n\nThe two of the history exist where a history server"
            " is set.\n\n" + header("Key", "English", "German", "Entity")
        )
        for platform, entities in self._texts["en"].items():
            for key, entity in entities.items():
                if (platform, key) not in known and key not in nibe.LISTED:
                    german = self._texts["de"][platform][key]["name"]
                    cells = f"`{key}`", entity["name"], german, platform.replace("_", " ")
                    self.text += line(cells)


def span(row: table.Row, make: Callable[[table.Row, str], Register], last: str) -> str:
    """Return the addresses of the first and the last element of a repeated part."""
    first, end = row.address, make(row, last).address
    return f"{first} … {end}"


def machine(*, hot_water: bool) -> Iterator[tuple[Point, str, str]]:
    """Yield the points of the machine, or of its hot water."""
    for row in table.MACHINE_ROWS:
        if (row.part == HOT_WATER) is hot_water:
            yield row.register().point, str(row.address), condition_of(row)


def computed() -> Iterator[tuple[Point, str, str]]:
    """Yield the points that have no register."""
    layout = Layout(features=frozenset({"electric_power"}))
    with_register = {register.point.key for register in table.registers(layout)}
    for key, point in IdmDriver(Address(host="", port=0), layout).points.items():
        if key not in with_register:
            yield point, "–", "4122 answers" if key == "cop" else ""


def of_part(kind: PartKind, layout: Layout, key: str = "") -> list[Register]:
    """Return the registers of one part whose key contains some text."""
    return [
        register
        for register in table.registers(layout)
        if register.point.part.kind is kind and key in register.point.key
    ]


def idm() -> Page:
    """Return the page of IDM, without what it shares with the others."""
    result = Page(IDM)
    result.section("Heat pump", machine(hot_water=False), condition=True)
    compressors = of_part(PartKind.MACHINE, Layout(), "compressor_")
    result.section(
        "Compressors",
        ((r.point, str(r.address), "") for r in compressors if "status" in r.point.key),
    )
    result.section("Hot water", machine(hot_water=True), condition=True)
    result.section(
        "Computed from other values",
        computed(),
        condition=True,
        note="The compressor runs if one of the compressors does; defrosting and charging follow from"
        " the operating mode; the COP is thermal over electrical power while the compressor runs.\n\n",
    )
    result.section(
        "Heating circuits A to G",
        (
            (table.circuit_register(row, "a").point, span(row, table.circuit_register, "g"), "")
            for row in table.CIRCUIT_ROWS
        ),
        note="Shown for circuit A; the addresses are those of A and of G. The keys of the others begin"
        " with `circuit_b_` to `circuit_g_`.\n\n",
    )
    zone = Layout(zones={"1": ("1",)})
    result.section(
        "Zones 1 to 10 and their rooms",
        ((r.point, str(r.address), "") for r in of_part(PartKind.ZONE, zone)),
        note=f"Shown for room 1 of zone 1. Each further room is {table.ROOM_STEP} addresses on, each"
        f" further zone {table.ZONE_STEP}.\n\n",
    )
    booster = Layout(features=frozenset({"booster_a"}))
    result.section(
        "Boosters A and B",
        ((r.point, str(r.address), "") for r in of_part(PartKind.MACHINE, booster, "booster_a_")),
        note=f"Shown for booster A; booster B is {table.BOOSTER_STEP} addresses on. Only if"
        f" {_PROBES['booster_a']} or {_PROBES['booster_b']} answers.\n\n",
    )
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Generic:
    """A page made from nothing but the points of a fully equipped machine."""

    key: str
    """Of the family."""
    head: str
    layout: Layout
    variants: Mapping[str, Layout] = field(default_factory=dict)
    """Other machines by what is said of them, where addresses depend on that."""
    rest: Layout | None = None
    """A machine that shares nothing with it, shown in a section of its own."""
    rest_title: str = ""
    more: Layout | None = None
    """The same machine with more: what that adds, in a section of its own."""
    more_title: str = ""

    def __call__(self) -> Page:
        """Return the page, without what it shares with the others."""
        result = Page(self.head)
        create = family(self.key).create
        driver = create(Address(host="", port=0), self.layout, None)
        variants = {
            said: create(Address(host="", port=0), layout, None)
            for said, layout in self.variants.items()
        }
        for kind, title in _SECTIONS.items():
            points = [point for point in driver.points.values() if point.part.kind is kind]
            by_name: dict[tuple[str, str], list[Point]] = {}
            for point in points:
                by_name.setdefault((platform_of(point), point.name), []).append(point)
            if points:
                rows = [
                    (alike[0], places(driver, variants, alike), "") for alike in by_name.values()
                ]
                result.section(title, rows)
        if self.more is not None:
            fuller = create(Address(host="", port=0), self.more, None)
            by_name = {}
            for point in fuller.points.values():
                if point.key not in driver.points:
                    by_name.setdefault((platform_of(point), point.name), []).append(point)
            result.section(
                self.more_title,
                [(alike[0], places(fuller, {}, alike), "") for alike in by_name.values()],
            )
        if self.rest is not None:
            other = create(Address(host="", port=0), self.rest, None)
            rows = [(point, places(other, {}, [point]), "") for point in other.points.values()]
            result.section(self.rest_title, rows)
        return result


_SECTIONS: Final = {
    PartKind.MACHINE: "Heat pump",
    PartKind.HOT_WATER: "Hot water",
    PartKind.CIRCUIT: "Heating circuits",
    PartKind.ZONE: "Zones",
}


def places(driver: Driver, variants: Mapping[str, Driver], points: Iterable[Point]) -> str:
    """Return where the points of one name lie, in one part after the other."""
    found: list[str] = []
    named = ""
    for part, group in groupby(points, key=lambda point: point.part):
        alike = list(group)
        try:
            (where, first), (_, last) = (driver.register(alike[at].key) for at in (0, -1))
        except KeyError:
            return "–"
        words = [f"{part.id.upper()}:"] if part.id else []
        words += [where] if where != named else []
        words += [str(first)] if len(alike) == 1 else [f"{first} … {last} ({len(alike)} values)"]
        words += elsewhere(variants, alike[0].key, first)
        found.append(" ".join(words))
        named = where
    return ", ".join(found)


def elsewhere(variants: Mapping[str, Driver], key: str, address: int) -> Iterator[str]:
    """Yield where a point lies on other machines, if not at this address."""
    for said, driver in variants.items():
        try:
            _, other = driver.register(key)
        except KeyError:
            continue
        if other != address:
            yield f"({said}: {other})"


_SYSTEMS: Final = tuple(nibe.SYSTEMS)

FAMILIES: Final[Mapping[str, Callable[[], Page]]] = {
    "idm": idm,
    "luxtronik": Generic(
        key="luxtronik",
        head=LUXTRONIK,
        layout=Layout(circuits=("a", "b", "c")),
        variants={
            "older": Layout(circuits=("a", "b", "c"), features=frozenset({"firmware_V2.88.1"}))
        },
        more=Layout(circuits=("a", "b", "c"), features=frozenset({"shi"})),
        more_title="Smart Home Interface",
    ),
    "nibe": Generic(
        key="nibe",
        head=NIBE,
        layout=Layout(circuits=_SYSTEMS, features=nibe.EVERY),
        variants={
            "internal compressor": Layout(circuits=_SYSTEMS, features=nibe.GROUND),
            "outdoor unit": Layout(circuits=_SYSTEMS, features=nibe.AIR),
            "exhaust air": Layout(circuits=_SYSTEMS, features=nibe.EXHAUST),
        },
    ),
    "daikin": Generic(
        key="daikin",
        head=DAIKIN,
        layout=Layout(),
        rest=Layout(features=frozenset({"air_to_air"})),
        rest_title="Air-to-air units",
    ),
}
"""What makes the page of each family."""


@cache
def of_maps() -> frozenset[tuple[str, str]]:
    """Return platform and translation key of what only register maps name."""
    keys = {*MACHINE_KEYS, *CIRCUIT_KEYS, *(f"zone_room_{key}" for key in ROOM_KEYS), OWN_NAME}
    platforms = ("binary_sensor", "button", "number", "select", "sensor", "switch")
    return frozenset((platform, key) for platform in platforms for key in keys)


def pages() -> Mapping[Path, str]:
    """Return every page by where it belongs."""
    made = {key: make() for key, make in FAMILIES.items()}
    known = frozenset[tuple[str, str]]().union(*(page.named for page in made.values())) | of_maps()
    for page in made.values():
        page.states()
        page.ours(known)
    return {ROOT / "docs" / f"entities-{key}.md": page.text for key, page in made.items()}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)} written\n")
