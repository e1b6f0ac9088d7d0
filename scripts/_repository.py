"""The files of this repository, as the checks read them."""

import ast
from collections.abc import Iterator
from functools import cache
import json
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]

ROOT: Final = Path(__file__).resolve().parent.parent
DOMAIN: Final = "heat_pump_hub"

type Problems = Iterator[str]


@cache
def _parsed(source: str) -> ast.Module:
    """Return the syntax tree of a source, always the same one: it is looked at, never changed."""
    return ast.parse(source)


class Repository:
    """The files that are checked; what does not exist reads as None or as nothing."""

    def __init__(self, root: Path = ROOT) -> None:
        """Keep the folder of the repository."""
        self.root = root
        self.package = root / "custom_components" / DOMAIN

    def json(self, path: Path) -> Any:
        """Return a JSON file. Raises ``ValueError`` for a key that is there twice."""

        def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            found = dict(pairs)
            if len(found) != len(pairs):
                raise ValueError(f"{path.name}: a key is there twice in {sorted(found)}")
            return found

        if not path.is_file():
            return None
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once)

    @property
    def manifest(self) -> dict[str, Any] | None:
        """Return manifest.json."""
        found: dict[str, Any] | None = self.json(self.package / "manifest.json")
        return found

    @property
    def translations(self) -> dict[str, dict[str, Any]]:
        """Return the translations by language."""
        files = sorted((self.package / "translations").glob("*.json"))
        return {path.stem: self.json(path) for path in files}

    @property
    def services(self) -> dict[str, Any] | None:
        """Return services.yaml."""
        path = self.package / "services.yaml"
        if not path.is_file():
            return None
        found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return found

    def sources(self) -> Iterator[tuple[Path, ast.Module]]:
        """Yield every module of the integration with its syntax tree."""
        for path in sorted(self.package.rglob("*.py")):
            yield path.relative_to(self.root), _parsed(path.read_text(encoding="utf-8"))


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every value of nested dicts with the keys that lead to it."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, (*path, key))
    else:
        yield path, tree


def difference(what: str, left: set[Any], right: set[Any], names: tuple[str, str]) -> Problems:
    """Yield one problem for each side that lacks what the other has."""
    for only, name in ((left - right, names[1]), (right - left, names[0])):
        if only:
            listed = ", ".join(sorted(map(str, only)))
            yield f"{what}: {name} lacks {listed}"
