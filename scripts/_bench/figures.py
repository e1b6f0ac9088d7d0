"""A figure and its limit, and how they are printed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
import json


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number and what it may be at most, or must be at ``least``."""

    name: str
    value: float
    limit: float | None
    unit: str
    note: str = ""
    least: bool = False

    @property
    def ok(self) -> bool:
        """Whether the limit, if there is one, is kept."""
        if self.limit is None:
            return True
        return self.value >= self.limit if self.least else self.value <= self.limit


def show(figures: Sequence[Figure], *, as_json: bool) -> None:
    """Print a table, or JSON."""
    if as_json:
        print(json.dumps([asdict(figure) | {"ok": figure.ok} for figure in figures], indent=1))
        return
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        side, fault = ("least", "TOO LOW") if figure.least else ("most", "TOO MUCH")
        limit = "" if figure.limit is None else f"at {side} {figure.limit:g}"
        verdict = "" if figure.limit is None else ("ok" if figure.ok else fault)
        print(
            f"{figure.name:<{width}}  {figure.value:>10.3f} {figure.unit:<5} {limit:<16} "
            f"{verdict:<9} {figure.note}".rstrip()
        )
