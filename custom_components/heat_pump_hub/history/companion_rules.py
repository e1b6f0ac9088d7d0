"""Which labels the series of a companion gets: glob patterns, the first that fits wins.

A rule is a line ``pattern: label=value, label=value``. Patterns know ``*``, ``?`` and ``[…]``;
case does not matter, and a space is an underscore. ``{stem}`` in a value is the name without the
number at its end, so that Mains_1 and Mains_2 make a pair; a label whose value asks for
a stem is left out for a name that has no number.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import translate
import re
from typing import Final

MOST_RULES: Final = 200
MOST_LABELS: Final = 8
"""Labels of one rule; VictoriaMetrics drops a series with more than 40 without a word."""
LONGEST: Final = 100
"""Characters of a label's name or value, or of a pattern."""
RESERVED: Final = frozenset(
    {
        "__name__",
        "device",
        "entity_id",
        "heatpump_id",
        "manufacturer",
        "model",
        "series",
        "source",
        "stat",
        "unit",
    }
)
"""Labels that say what a series is: no rule may change them."""
STEM: Final = "{stem}"

DEFAULT_TEXT: Final = """\
Mains_*: group=trunk, pair={stem}
Solar*: group=trunk, pair={stem}
Garage_*: group=trunk, pair={stem}
*Heat: group=hvac
Minisplit*: group=hvac
Furnace: group=hvac
*: group=circuit
"""
"""The forerunner's."""

_LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBERED: Final = re.compile(r"(.*?[^\W\d_])[_\- ]*\d+")


class FaultKind(StrEnum):
    """What is wrong with a line."""

    NO_RULE = "no_rule"
    """Not ``pattern: label=value``."""
    LABEL_NAME = "label_name"
    RESERVED = "reserved"
    TWICE = "twice"
    """The same label twice in a line."""
    TOO_LONG = "too_long"
    TOO_MANY = "too_many"
    """Too many labels in a line, or too many lines."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that is no rule."""

    line: int
    """From 1."""
    kind: FaultKind
    text: str
    """What of the line is wrong."""


class RulesError(ValueError):
    """Some lines are no rules."""

    def __init__(self, lines: Sequence[Fault]) -> None:
        """Take the lines at fault, at least one."""
        super().__init__(", ".join(f"line {one.line}: {one.kind} ({one.text})" for one in lines))
        self.lines = tuple(lines)


@dataclass(frozen=True, slots=True)
class _Rule:
    fits: re.Pattern[str]
    labels: Mapping[str, str]


class Rules:
    """A table of rules."""

    def __init__(self, rules: Iterable[_Rule]) -> None:
        """Use :func:`parse_rules`."""
        self._rules = tuple(rules)

    def labels(self, *names: str) -> dict[str, str]:
        """Return the labels of what has these names; a rule may fit any of them.

        The first rule that fits counts alone; with none there are no labels.
        """
        for rule in self._rules:
            for name in names:
                if rule.fits.fullmatch(_plain(name)):
                    return _filled(rule.labels, name)
        return {}

    def __add__(self, other: Rules) -> Rules:
        """Return both tables, this one first."""
        return Rules(self._rules + other._rules)


def parse_rules(text: str) -> Rules:
    """Return the rules of a text; empty lines and those that begin with # are none.

    Raises :class:`RulesError` with every line at fault.
    """
    rules: list[_Rule] = []
    faults: list[Fault] = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        found = _parse(line, number)
        if isinstance(found, Fault):
            faults.append(found)
        elif len(rules) == MOST_RULES:
            faults.append(Fault(number, FaultKind.TOO_MANY, str(MOST_RULES)))
            break
        else:
            rules.append(found)
    if faults:
        raise RulesError(faults)
    return Rules(rules)


def _parse(line: str, number: int) -> _Rule | Fault:
    pattern, colon, rest = (part.strip() for part in line.partition(":"))
    if not (pattern and colon and rest):
        return Fault(number, FaultKind.NO_RULE, line[:LONGEST])
    labels: dict[str, str] = {}
    for part in rest.split(","):
        label, equals, value = (one.strip() for one in part.partition("="))
        if not (label and equals and value):
            return Fault(number, FaultKind.NO_RULE, part.strip()[:LONGEST] or line[:LONGEST])
        kind = None
        if max(map(len, (pattern, label, value))) > LONGEST:
            kind = FaultKind.TOO_LONG
        elif not _LABEL.fullmatch(label):
            kind = FaultKind.LABEL_NAME
        elif label in RESERVED or label.startswith("__"):
            kind = FaultKind.RESERVED
        elif label in labels:
            kind = FaultKind.TWICE
        elif len(labels) == MOST_LABELS:
            kind = FaultKind.TOO_MANY
        if kind is not None:
            return Fault(number, kind, label[:LONGEST])
        labels[label] = value
    return _Rule(re.compile(translate(_plain(pattern))), labels)


def _plain(name: str) -> str:
    return name.strip().replace(" ", "_").lower()


def _filled(labels: Mapping[str, str], name: str) -> dict[str, str]:
    numbered = _NUMBERED.fullmatch(name.strip())
    if numbered is None:
        return {label: value for label, value in labels.items() if STEM not in value}
    return {label: value.replace(STEM, numbered[1]) for label, value in labels.items()}


DEFAULT_RULES: Final = parse_rules(DEFAULT_TEXT)


def rules_of(text: str | None) -> Rules:
    """Return an owner's rules, the shipped ones behind them. Raises :class:`RulesError`."""
    return parse_rules(text or "") + DEFAULT_RULES
