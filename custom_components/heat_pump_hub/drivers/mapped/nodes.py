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

from .sentences import ENGLISH, Said, said

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


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake; line and column count from 1, 0: it has no place of its own."""

    file: str
    line: int
    column: int
    what: Said

    @property
    def text(self) -> str:
        """What is wrong, in English."""
        return self.what.say(ENGLISH)

    def say(self, sentences: Mapping[str, str]) -> str:
        """Return the mistake as one line, in the language of these sentences."""
        key = "at_place" if self.column else "at_line" if self.line else "in_file"
        return sentences[key].format(
            file=self.file, line=self.line, column=self.column, text=self.what.say(sentences)
        )

    def __str__(self) -> str:
        """Return the mistake as one line in English: where, and what."""
        return self.say(ENGLISH)


def _order(problem: Problem) -> tuple[str, int, int, str]:
    return problem.file, problem.line, problem.column, problem.text


class UnreadableError(ValueError):
    """A file that is no register map, or not there."""

    def __init__(self, why: Said) -> None:
        """Keep why; the message is English."""
        self.why = why
        super().__init__(why.say(ENGLISH))


class MapError(ValueError):
    """A register map that cannot be used; ``problems`` are all its mistakes, in order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the mistakes, the first fifty of them; the message names them all."""
        self.problems = tuple(sorted(set(problems), key=_order))[:_MOST_PROBLEMS]
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

    def broken(why: Said, line: int = 0, column: int = 0) -> MapError:
        return MapError([Problem(name, line, column, why)])

    text = text.removeprefix("\ufeff")
    if len(text) > LONGEST:
        raise broken(said("file_length", most=str(LONGEST)))
    if (strange := yaml.reader.Reader.NON_PRINTABLE.search(text)) is not None:
        raise broken(said("yaml_character"), *_where(text, strange.start()))
    try:
        _look_through(yaml.parse(_Named(text, name), Loader=_Loader), broken)
        root = yaml.compose(_Named(text, name), Loader=_Loader)
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise broken(said("yaml", why=str(err.problem or err.context)), *place) from err
    except (yaml.YAMLError, UnicodeError) as err:
        raise broken(said("yaml", why=str(err))) from err
    if not isinstance(root, yaml.MappingNode):
        raise broken(said("no_map"), 1, 1)
    return root


def _look_through(events: Iterable[yaml.Event], broken: Callable[..., MapError]) -> None:
    """Refuse what could grow or nest without end, before anything is built from it."""
    depth = 0
    for count, event in enumerate(events):
        place = (event.start_mark.line + 1, event.start_mark.column + 1)
        if count > _MOST_EVENTS:
            raise broken(said("file_values"), *place)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise broken(said("yaml_alias"), *place)
        if getattr(event, "tag", None):
            raise broken(said("yaml_tag"), *place)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise broken(said("yaml_depth"), *place)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


@dataclass(slots=True)
class Problems:
    """Collects mistakes."""

    found: list[Problem] = field(default_factory=list)

    def add(self, node: yaml.Node, what: Said) -> None:
        """Note a mistake at the place of a node."""
        mark = node.start_mark
        self.found.append(Problem(mark.name, mark.line + 1, mark.column + 1, what))


def like(word: str, known: Iterable[str]) -> Said | str:
    """Return a hint at what may have been meant, ``""`` where nothing is near."""
    near = get_close_matches(word, list(known), 1)
    return said("hint", near=near[0]) if near else ""


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

    def __init__(self, node: yaml.Node, what: Said, problems: Problems) -> None:
        """Note fields that are given twice; ``what`` names the mapping in messages."""
        self.node = node
        self._what = what
        self._problems = problems
        self._known: list[str] = []
        self._pairs: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        if not isinstance(node, yaml.MappingNode):
            problems.add(node, said("fields", what=what))
            return
        for key, value in node.value:
            name = scalar(key)
            if name is None:
                problems.add(key, said("field_name"))
            elif name in self._pairs:
                first = self._pairs[name][0].start_mark.line + 1
                problems.add(key, said("field_twice", name=name, line=str(first)))
            else:
                self._pairs[name] = (key, value)

    def __contains__(self, name: str) -> bool:
        """Return whether the field is given."""
        return name in self._pairs

    def place(self, name: str) -> yaml.Node:
        """Return the place of a field's value, else that of the mapping."""
        return self._pairs[name][1] if name in self._pairs else self.node

    def complain(self, name: str, what: Said) -> None:
        """Note a mistake in a field."""
        self._problems.add(self.place(name), what)

    def take(self, name: str) -> yaml.Node | None:
        """Return the value of a field."""
        self._known.append(name)
        pair = self._pairs.get(name)
        return None if pair is None else pair[1]

    def need(self, name: str) -> None:
        """Note that a field is missing."""
        if name not in self._pairs and isinstance(self.node, yaml.MappingNode):
            self._problems.add(self.node, said("field_missing", what=self._what, name=name))

    def text(self, name: str, longest: int = 80) -> str | None:
        """Return a text that is not empty."""
        node = self.take(name)
        if node is None:
            return None
        text = scalar(node)
        if text is None or not text.strip() or len(text) > longest:
            self._problems.add(node, said("field_text", name=name, longest=str(longest)))
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
            what = said("field_choice", name=name, words=", ".join(known), hint=hint)
            self._problems.add(node, what)
            return None
        return known[word]

    def number(self, name: str, low: float = -math.inf, high: float = math.inf) -> float | None:
        """Return a number within bounds."""
        node = self.take(name)
        if node is None:
            return None
        number = number_of(node)
        if number is None:
            self._problems.add(node, said("field_number", name=name))
        elif not low <= number <= high:
            what = said("field_range", name=name, low=f"{low:g}", high=f"{high:g}")
            self._problems.add(node, what)
        else:
            return number
        return None

    def integer(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number within bounds."""
        number = self.number(name, low, high)
        if number is not None and number != int(number):
            self.complain(name, said("field_integer", name=name))
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
            self._problems.add(node, said("field_items", name=name, most=str(most)))
            return []
        found: list[yaml.Node] = node.value
        return found

    def numbers(self, name: str) -> list[float]:
        """Return a list of numbers."""
        found = []
        for node in self.items(name):
            if (number := number_of(node)) is None:
                self._problems.add(node, said("field_numbers", name=name))
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
                what = said("field_unknown", what=self._what, name=name, hint=hint)
                self._problems.add(key, what)
