"""YAML that a person wrote, read so that every mistake has its line.

Only what a register map needs: mappings, lists and plain values. Tags, anchors and
aliases are refused, so a file can neither run code nor grow while it is read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
import io
import math
from typing import Final

import yaml  # type: ignore[import-untyped]

_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

LONGEST: Final = 512 * 1024
"""Characters in one file."""
_MOST_EVENTS: Final = 100_000
_DEEPEST: Final = 8
_MOST_PROBLEMS: Final = 50
_PLAIN: Final = "tag:yaml.org,2002:"
_WORDS: Final[Mapping[str, bool]] = {
    "true": True,
    "yes": True,
    "on": True,
    "false": False,
    "no": False,
    "off": False,
}


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake; line and column count from 1, 0: it has no place of its own."""

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        """Return the mistake as one line: where, and what."""
        where = f"{self.file}, line {self.line}" if self.line else self.file
        return (
            f"{where}, column {self.column}: {self.text}"
            if self.column
            else f"{where}: {self.text}"
        )


class MapError(ValueError):
    """A register map that cannot be used; ``problems`` are all its mistakes, in order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the mistakes, the first fifty of them; the message names them all."""
        self.problems = tuple(sorted(set(problems)))[:_MOST_PROBLEMS]
        super().__init__("\n".join(str(problem) for problem in self.problems))


class _Named(io.StringIO):
    """A text with a file name, which PyYAML puts into its marks."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.name = name


def _where(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def compose(text: str, name: str) -> yaml.MappingNode:
    """Return the outermost mapping of a file. Raises :class:`MapError`."""

    def broken(why: str, line: int = 0, column: int = 0) -> MapError:
        return MapError([Problem(name, line, column, why)])

    text = text.removeprefix("\ufeff")
    if len(text) > LONGEST:
        raise broken(f"the file has more than {LONGEST} characters")
    if (strange := yaml.reader.Reader.NON_PRINTABLE.search(text)) is not None:
        raise broken("this character is not allowed", *_where(text, strange.start()))
    try:
        _look_through(yaml.parse(_Named(text, name), Loader=_Loader), broken)
        root = yaml.compose(_Named(text, name), Loader=_Loader)
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise broken(f"this is not YAML: {err.problem or err.context}", *place) from err
    except (yaml.YAMLError, UnicodeError) as err:
        raise broken(f"this is not YAML: {err}") from err
    if not isinstance(root, yaml.MappingNode):
        raise broken("this is no register map: it has to begin with fields such as “maker:”", 1, 1)
    return root


def _look_through(events: Iterable[yaml.Event], broken: Callable[..., MapError]) -> None:
    """Refuse what could grow or nest without end, before anything is built from it."""
    depth = 0
    for count, event in enumerate(events):
        place = (event.start_mark.line + 1, event.start_mark.column + 1)
        if count > _MOST_EVENTS:
            raise broken("the file has too many values", *place)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise broken("anchors (&) and aliases (*) are not used in register maps", *place)
        if getattr(event, "tag", None):
            raise broken("tags (!) are not used in register maps", *place)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise broken("this is nested too deeply", *place)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


@dataclass(slots=True)
class Problems:
    """Collects mistakes."""

    found: list[Problem] = field(default_factory=list)

    def add(self, node: yaml.Node, text: str) -> None:
        """Note a mistake at the place of a node."""
        mark = node.start_mark
        self.found.append(Problem(mark.name, mark.line + 1, mark.column + 1, text))


def like(word: str, known: Iterable[str]) -> str:
    """Return a hint at what may have been meant, ``""`` where nothing is near."""
    near = get_close_matches(word, list(known), 1)
    return f"; did you mean “{near[0]}”?" if near else ""


def scalar(node: yaml.Node) -> str | None:
    """Return what was typed, as text; ``None`` for lists, mappings and empty values."""
    if not isinstance(node, yaml.ScalarNode) or node.tag == f"{_PLAIN}null":
        return None
    text: str = node.value
    return text


def number_of(node: yaml.Node) -> float | None:
    """Return a finite number; ``None`` if it is none. ``0x`` begins a hexadecimal one."""
    text = scalar(node)
    if text is None:
        return None
    try:
        number = float(int(text, 16)) if text.lower().startswith("0x") else float(text)
    except ValueError, OverflowError:
        return None
    return number if math.isfinite(number) else None


class Fields:
    """The fields of one mapping: each is taken once, what is left is unknown."""

    def __init__(self, node: yaml.Node, what: str, problems: Problems) -> None:
        """Note fields that are given twice; ``what`` names the mapping in messages."""
        self.node = node
        self._what = what
        self._problems = problems
        self._known: list[str] = []
        self._pairs: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        if not isinstance(node, yaml.MappingNode):
            problems.add(node, f"{what} has to be a list of fields with a colon")
            return
        for key, value in node.value:
            name = scalar(key)
            if name is None:
                problems.add(key, "a field has to have a name")
            elif name in self._pairs:
                first = self._pairs[name][0].start_mark.line + 1
                problems.add(key, f"“{name}” is given twice, first in line {first}")
            else:
                self._pairs[name] = (key, value)

    def __contains__(self, name: str) -> bool:
        """Return whether the field is given."""
        return name in self._pairs

    def place(self, name: str) -> yaml.Node:
        """Return the place of a field's value, else that of the mapping."""
        return self._pairs[name][1] if name in self._pairs else self.node

    def complain(self, name: str, text: str) -> None:
        """Note a mistake in a field."""
        self._problems.add(self.place(name), text)

    def take(self, name: str) -> yaml.Node | None:
        """Return the value of a field."""
        self._known.append(name)
        pair = self._pairs.get(name)
        return None if pair is None else pair[1]

    def need(self, name: str) -> None:
        """Note that a field is missing."""
        if name not in self._pairs and isinstance(self.node, yaml.MappingNode):
            self._problems.add(self.node, f"{self._what} lacks “{name}”")

    def text(self, name: str, longest: int = 80) -> str | None:
        """Return a text that is not empty."""
        node = self.take(name)
        if node is None:
            return None
        text = scalar(node)
        if text is None or not text.strip() or len(text) > longest:
            self._problems.add(node, f"“{name}” has to be a text of 1 to {longest} characters")
            return None
        return text.strip()

    def choice[T](self, name: str, known: Mapping[str, T]) -> T | None:
        """Return one of several words' meaning."""
        node = self.take(name)
        if node is None:
            return None
        word = scalar(node)
        if word is None or word not in known:
            hint = like(word or "", known)
            self._problems.add(node, f"“{name}” has to be one of {', '.join(known)}{hint}")
            return None
        return known[word]

    def number(self, name: str, low: float = -math.inf, high: float = math.inf) -> float | None:
        """Return a number within bounds."""
        node = self.take(name)
        if node is None:
            return None
        number = number_of(node)
        if number is None:
            self._problems.add(node, f"“{name}” has to be a number")
        elif not low <= number <= high:
            self._problems.add(node, f"“{name}” has to be between {low:g} and {high:g}")
        else:
            return number
        return None

    def integer(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number within bounds."""
        number = self.number(name, low, high)
        if number is not None and number != int(number):
            self.complain(name, f"“{name}” has to be a whole number")
            return None
        return None if number is None else int(number)

    def flag(self, name: str) -> bool | None:
        """Return yes or no."""
        return self.choice(name, _WORDS)

    def items(self, name: str, most: int = 10_000) -> list[yaml.Node]:
        """Return the items of a list."""
        node = self.take(name)
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode) or len(node.value) > most:
            self._problems.add(node, f"“{name}” has to be a list of at most {most} items")
            return []
        found: list[yaml.Node] = node.value
        return found

    def numbers(self, name: str) -> list[float]:
        """Return a list of numbers."""
        found = []
        for node in self.items(name):
            if (number := number_of(node)) is None:
                self._problems.add(node, f"“{name}” has to be a list of numbers")
            else:
                found.append(number)
        return found

    def rest(self) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """Yield the fields of a mapping whose names are free."""
        for name, (key, value) in self._pairs.items():
            self._known.append(name)
            yield name, key, value

    def done(self) -> None:
        """Note every field that nobody took."""
        for name, (key, _) in self._pairs.items():
            if name not in self._known:
                hint = like(name, self._known)
                self._problems.add(key, f"{self._what} has no field “{name}”{hint}")
