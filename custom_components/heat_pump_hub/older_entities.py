"""Which entity of an older integration shows which value of a heat pump, guessed from names.

Pure: entities go in as :class:`Candidate`. Nothing is read from names alone: the unit has to
fit as well. A wrong guess costs more than none, so words that mean something near by (a set
value, a mean, a heating circuit) rule an entity out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
import re
from typing import Final
import unicodedata

from .drivers.points import Point, Quantity

HEAT_PUMPS: Final = frozenset(
    [
        "bosch_homecom",
        "daikin_altherma",
        "hr_energy_qube",
        "idm_heatpump",
        "idm_heatpump_v2",
        "lambda_heat_pumps",
        "lambda_wp",
        "luxtronik",
        "luxtronik2",
        "luxtronik_v1",
        "luxtronikws",
        "myuplink",
        "nibe",
        "nibe_heatpump",
        "nibepi",
        "stiebel_eltron",
        "stiebel_eltron_isg",
        "weheat",
    ]
)
"""Integrations that know nothing but heat pumps."""
ENOUGH: Final = 3
"""Matches that make a heat pump of a device of any other integration."""

_WORDS: Final = re.compile(r"[^a-z0-9]+")
_UMLAUTS: Final = re.compile(r"([aou])e")


def _plain(text: str) -> str:
    """Return text in small letters, with ü, ue and u as one: slugs have lost their dots."""
    text = text.lower().replace("ß", "ss").replace("ø", "o")
    bare = "".join(one for one in unicodedata.normalize("NFD", text) if one.isascii())
    return _UMLAUTS.sub(r"\1", bare)


def _words(*names: str | None) -> str:
    return _WORDS.sub(" ", _plain(" ".join(filter(None, names)))).strip()


def _pattern(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(map(_plain, words)))


_NEVER: Final = _pattern(
    r"\bset", r"soll", r"\btarget", r"\bziel", r"\bwunsch", r"\breq", r"\bcalc", r"berechnet",
    r"\bmax", r"(?<!l )\bmin", r"\blimit", r"grenz", r"\bavail", r"average", r"mittel", r"\bmean\b",
    r"\d+ ?h\b", r"\bdiff", r"delta", r"\bdt\b", r"\bspread", r"spreizung", r"hyster",
    r"offset", r"correction", r"korrektur", r"\bcurve", r"kurve", r"alarm", r"forecast",
    r"vorhersage", r"\bcircuit", r"heizkreis", r"mischkreis", r"\bhk", r"\bmk ?\d", r"\bhc ?\d",
    r"\bsolar", r"\bpv\b", r"pool\b", r"schwimmbad", r"\beb2\d", r"\bep[24]\d", r"\bext\b",
    r"extern", r"\bcool", r"kuhl", r"\bdesinf", r"disinf", r"\bzone",
)  # fmt: skip
_SOURCE: Final = r"source|\bsole|soleein|soleaus|brine|quelle|\bwq"
_TANK: Final = (
    r"\bdhw|\bww\b|\bhw\b|hot ?water|warmwasser|brauchwasser|trinkwasser|domestic water"
    r"|\btank\b|water heater|water tank|temperature water|\bboil(er)?\d*\b"
)


@dataclass(frozen=True, slots=True)
class _Rule:
    all: tuple[re.Pattern[str], ...]
    never: re.Pattern[str] | None = None

    def fits(self, text: str) -> bool:
        return all(one.search(text) for one in self.all) and (
            self.never is None or self.never.search(text) is None
        )


def _rule(*groups: str, never: str = "") -> _Rule:
    """Each group has to match, ``never`` must not."""
    return _Rule(tuple(map(_pattern, groups)), _pattern(never) if never else None)


_RULES: Final[Mapping[str, _Rule]] = {
    "outdoor_temperature": _rule(
        r"outdoor|outside|ambient|aussentemp|aussenfuhler|\baussen\b",
        never=r"exchanger|tauscher|coil|unit|pipe|humid",
    ),
    "flow_temperature": _rule(
        r"\bflow\b|vorlauf|supply|leaving water|\btvl\b|\bvl\b",
        never=rf"\bair\b|flow (out|rate|sensor)|return|ruck|after|comfort|hgl|volume|{_SOURCE}"
        rf"|{_TANK}|voltage|bt6\d",
    ),
    "return_temperature": _rule(
        r"return|rucklauf|\bflow out\b|inlet water|\btrl\b|\brl\b",
        never=rf"\bair\b|comfort|{_SOURCE}|\bdhw|warmwasser|\bhw\b|hot water|bt6\d",
    ),
    "electrical_power": _rule(
        r"power consumption|consumption power|power input|input power|\bin power|current draw"
        r"|electric\w* power|power electric|leistungsaufnahme|stromaufnahme|elektrische leistung"
        r"|aufnahmeleistung",
        never=r"thermal|heating power|component|addition|\badd\b|supply|zusatz|heizstab",
    ),
    "thermal_power": _rule(
        r"thermal power|power thermal|heat output|heating (output|capacity|power)|heat power"
        r"|power current\b|thermische leistung|heizleistung|warmeleistung|generated power",
        never=r"consum|input|draw|aufnahme",
    ),
    "compressor_frequency": _rule(
        r"compressor|verdichter|kompressor|inverter|\binv\b", never=r"pump|fan|lufter|ventil"
    ),
    "compressor_running": _rule(
        r"compressor|verdichter|kompressor",
        never=r"heat|heiz|\b2\b|(compressor|verdichter)2|protect|schutz|fault|storung|block",
    ),
    "dhw_temperature": _rule(
        _TANK,
        never=r"return|ruck|charg|\bload|bottom|unten|\blow\b|comfort|circul|zirkul|start|stop"
        r"|\btap\b|zapf|outgoing|flow|vorlauf|buffer|puffer|bt5\b|\btime",
    ),
    "dhw_temperature_bottom": _rule(
        _TANK, r"bottom|unten|\blow\b", never=r"buffer|puffer|start|stop|return|ruck"
    ),
    "source_inlet_temperature": _rule(
        _SOURCE, r"\bin\b|inlet|input|eing|eintr|\bein\b", never=r"\bout|ausg|austr"
    ),
    "source_outlet_temperature": _rule(
        _SOURCE, r"\bout\b|outlet|output|ausg|austr|\baus\b", never=r"\binlet|\binput|eing|eintr"
    ),
    "hot_gas_temperature": _rule(r"hot ?gas|heissgas|discharge"),
    "suction_gas_temperature": _rule(r"suction|sauggas|ansaug"),
    "evaporation_temperature": _rule(r"evaporat|verdampf", never=r"inlet|ansaug|suction"),
    "condensation_temperature": _rule(r"condensation|condensing|verflussigung|kondensation"),
    "superheat": _rule(r"superheat|overheat|uberhitzung"),
    "flow_rate": _rule(
        r"flow rate|volume flow|volume stream|durchfluss|volumenstrom|flow sensor|\bflow\b",
        never=_SOURCE,
    ),
    "high_pressure": _rule(r"high pressure|pressure high|hochdruck"),
    "low_pressure": _rule(r"low pressure|pressure low|niederdruck"),
    "expansion_valve_position": _rule(r"expansion|\beev\b", never=r"evi\b"),
    "fan_speed": _rule(r"\bfan\b|lufter|ventilator", never=r"heat recovery"),
    "circulation_pump_speed": _rule(
        r"pump|pumpe", r"circul|umwalz|heating medium|supply|heizung", never=rf"{_SOURCE}|\bdhw"
    ),
    "buffer_temperature": _rule(
        r"buffer|puffer|heat storage|warmespeicher", never=r"\blow\b|unten|cold|kalt|bottom"
    ),
    "defrosting": _rule(r"defrost|abtau", never=r"\bend\b|okay|beendet"),
    "dhw_charging": _rule(
        r"\bdhw\b|warmwasser|hot ?water|brauchwasser|boilerlad", r"charg|lad|bereit", never="ready"
    ),
    "backup_heater_running": _rule(
        r"backup heater|heizstab|additional heat|zusatzheiz|zusatzlicher warmeerz|zuheizer|\bbuh\b",
        never=r"\b2\b|generator2|pump",
    ),
    "operating_mode": _rule(r"mode|stat(e|us)|betrieb|operat"),
}
KEYS: Final = tuple(_RULES)
"""What a detector gains most by, in this order."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entity of another integration."""

    entity_id: str
    integration: str
    entry: str | None = None
    """The configuration entry it is of."""
    device: str | None = None
    unit: str | None = None
    translation_key: str | None = None
    name: str | None = None
    """As its integration gives it."""
    options: frozenset[str] = frozenset()
    """The states it can have, of an enum."""

    @property
    def group(self) -> tuple[str, str | None]:
        """What is one heat pump: an entry may have several devices, but a broker's are not one."""
        known = self.integration in HEAT_PUMPS
        return self.integration, self.entry if known else self.device


type Fits = Callable[[Point, Candidate], bool]
"""Whether the states of an entity can become values of a point."""


def propose(
    points: Mapping[str, Point], candidates: Iterable[Candidate], fits: Fits
) -> dict[str, str]:
    """Return entity ids by the key of the point that each seems to show.

    All are of one older heat pump: the one with the most matches, those of an integration for
    heat pumps first.
    """
    groups: dict[tuple[str, str | None], list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(candidate.group, []).append(candidate)
    best: dict[str, str] = {}
    rank = (False, 0)
    for (integration, _), some in groups.items():
        known = integration in HEAT_PUMPS
        found = _matches(points, some, fits)
        if len(found) >= (1 if known else ENOUGH) and (known, len(found)) > rank:
            best, rank = found, (known, len(found))
    return best


def _matches(
    points: Mapping[str, Point], candidates: Sequence[Candidate], fits: Fits
) -> dict[str, str]:
    scored: list[tuple[float, int, str, str]] = []
    for candidate in candidates:
        texts = _texts(candidate)
        for order, key in enumerate(KEYS if texts else ()):
            if (point := points.get(key)) is None or not fits(point, candidate):
                continue
            if point.quantity is Quantity.STATE and not _speaks_alike(point, candidate):
                continue
            if score := _score(key, texts):
                scored.append((score, -order, candidate.entity_id, key))
    found: dict[str, str] = {}
    for _, _, entity_id, key in sorted(scored, reverse=True):
        if key not in found and entity_id not in found.values():
            found[key] = entity_id
    return {key: found[key] for key in KEYS if key in found}


def _texts(candidate: Candidate) -> list[tuple[str, float]]:
    """Return what an entity is called, and how sure that is; what its name rules out, is out."""
    given = _words(candidate.translation_key, candidate.name)
    own = _words(candidate.entity_id.partition(".")[2])
    if _NEVER.search(given):
        return []
    return [(given, 2.0)] if _NEVER.search(own) else [(given, 2.0), (own, 1.0)]


def _score(key: str, texts: Sequence[tuple[str, float]]) -> float:
    """Return how well names fit, 0: not at all. Fewer words say the same more surely."""
    for text, sure in texts:
        if _RULES[key].fits(text):
            return sure / (1 + len(text.split()) / 100)
    return 0.0


def _speaks_alike(point: Point, candidate: Candidate) -> bool:
    """Whether each state of an entity is one of the point's: others would be taken for none."""
    slugs = frozenset((point.options or {}).values())
    return len(candidate.options) > 1 and candidate.options <= slugs
