"""A figure and its limit, and how they are printed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
import json


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number and what it may be at most."""

    name: str
    value: float
    limit: float | None
    unit: str
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether the limit, if there is one, is kept."""
        return self.limit is None or self.value <= self.limit


def show(figures: Sequence[Figure], *, as_json: bool) -> None:
    """Print a table, or JSON."""
    if as_json:
        print(json.dumps([asdict(figure) | {"ok": figure.ok} for figure in figures], indent=1))
        return
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        limit = "" if figure.limit is None else f"at most {figure.limit:g}"
        verdict = "" if figure.limit is None else ("ok" if figure.ok else "TOO MUCH")
        print(
            f"{figure.name:<{width}}  {figure.value:>10.3f} {figure.unit:<5} {limit:<16} "
            f"{verdict:<9} {figure.note}".rstrip()
        )
