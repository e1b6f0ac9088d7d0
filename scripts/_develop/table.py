"""The table of checks."""

from dataclasses import dataclass, field
import textwrap
from typing import Final

_WIDTHS: Final = (50, 34, 44)


@dataclass(frozen=True, slots=True)
class Row:
    """One check."""

    what: str
    expected: str
    found: str
    ok: bool


@dataclass(slots=True)
class Table:
    """Collects checks; a failed one does not keep the others from being made."""

    rows: list[Row] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there are checks and all hold."""
        return bool(self.rows) and all(row.ok for row in self.rows)

    def equal(self, what: str, expected: object, found: object) -> None:
        """Expect a value."""
        self.holds(what, str(expected), str(found), ok=expected == found)

    def holds(self, what: str, expected: str, found: str, *, ok: bool) -> None:
        """Expect what the caller has compared."""
        self.rows.append(Row(what, expected, found, ok))

    def text(self) -> str:
        """Return the table for a terminal."""
        head = ("what", "expected", "found")
        lines = [self._line(head, "ok"), "-" * (sum(_WIDTHS) + 12)]
        lines += [
            self._line((row.what, row.expected, row.found), "yes" if row.ok else "NO")
            for row in self.rows
        ]
        failed = sum(not row.ok for row in self.rows)
        lines.append(f"{len(self.rows)} checks, {failed} failed")
        return "\n".join(lines)

    @staticmethod
    def _line(cells: tuple[str, str, str], verdict: str) -> str:
        columns = [
            textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, _WIDTHS, strict=True)
        ]
        lines = []
        for index in range(max(map(len, columns))):
            parts = [
                (column[index] if index < len(column) else "").ljust(width)
                for column, width in zip(columns, _WIDTHS, strict=True)
            ]
            lines.append(" | ".join([*parts, "" if index else verdict]).rstrip(" |"))
        return "\n".join(lines)
