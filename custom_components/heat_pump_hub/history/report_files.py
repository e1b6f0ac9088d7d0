"""The files of reports: CSV, JSON, Excel. Everything in here blocks."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import suppress
import csv
from datetime import datetime
from enum import StrEnum
import json
from pathlib import Path
from typing import Any, Final, override

from .reports import Column, ReportError, Row, cell

EXCEL_ROWS: Final = 1_048_575
"""Rows a sheet of Excel takes beside its header (Excel specifications and limits)."""


class Format(StrEnum):
    """Kind of a file, and its ending."""

    CSV = "csv"
    JSON = "json"
    XLSX = "xlsx"


class TooLongError(ReportError):
    """There are more rows than the format takes."""


class ReportFile(ABC):
    """A report that is being written; it appears under its name when it is whole."""

    def __init__(self, path: Path, columns: Sequence[Column], time_title: str) -> None:
        """Name the file; :meth:`open` makes it."""
        self.path = path
        self.rows = 0
        self._open = False
        self._columns = columns
        self._time_title = time_title
        self._partial = path.with_name(f".{path.name}.partial")

    def open(self) -> None:
        """Begin the file, in a folder that is made if need be. Raises ``OSError``."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._begin(self._partial)
        self._open = True

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows. Raises ``OSError``, :class:`TooLongError`."""
        for row in rows:
            self.rows += 1
            self._row(
                row.time,
                [cell(c, value) for c, value in zip(self._columns, row.values, strict=True)],
            )

    def commit(self) -> int:
        """End the file and put it in place; return its bytes. Raises ``OSError``."""
        self._end()
        self._partial.chmod(0o600)
        size = self._partial.stat().st_size
        self._partial.replace(self.path)
        return size

    def abort(self) -> None:
        """Leave nothing behind. Never fails."""
        if self._open:
            # Ending a file that a full disk refused fails again.
            with suppress(OSError):
                self._end()
        with suppress(OSError):
            self._partial.unlink(missing_ok=True)

    @abstractmethod
    def _begin(self, path: Path) -> None: ...

    @abstractmethod
    def _row(self, time: datetime, cells: list[float | int | str | None]) -> None: ...

    @abstractmethod
    def _end(self) -> None: ...


class CsvFile(ReportFile):
    """Comma separated, with the mark by which Excel knows UTF-8; local times."""

    @override
    def _begin(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow([self._time_title, *(column.header for column in self._columns)])

    @override
    def _row(self, time: datetime, cells: list[float | int | str | None]) -> None:
        self._writer.writerow([f"{time:%Y-%m-%d %H:%M:%S}", *cells])

    @override
    def _end(self) -> None:
        self._file.close()


class JsonFile(ReportFile):
    """One object: ``columns`` with key, name and unit, ``rows`` with an ISO 8601 time each."""

    @override
    def _begin(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        columns = [{"key": c.key, "name": c.title, "unit": c.unit} for c in self._columns]
        self._file.write(f'{{"columns": {json.dumps(columns, ensure_ascii=False)},\n"rows": [')

    @override
    def _row(self, time: datetime, cells: list[float | int | str | None]) -> None:
        line = json.dumps([time.isoformat(timespec="milliseconds"), *cells], ensure_ascii=False)
        self._file.write(f"{',' if self.rows > 1 else ''}\n{line}")

    @override
    def _end(self) -> None:
        if not self._file.closed:
            self._file.write("\n]}\n")
            self._file.close()


class ExcelFile(ReportFile):
    """A workbook with one sheet; times are local, as Excel knows no zones."""

    @override
    def _begin(self, path: Path) -> None:
        # Imported only when asked for: most reports are CSV.
        from xlsxwriter import Workbook

        self._workbook: Any = Workbook(
            str(path),
            {
                # rows go to a temporary file, beside the report and not to a small /tmp
                "constant_memory": True,
                "tmpdir": str(path.parent),
                "strings_to_formulas": False,
                "strings_to_urls": False,
            },
        )
        self._sheet: Any = self._workbook.add_worksheet()
        self._time: Any = self._workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        bold = self._workbook.add_format({"bold": True, "text_wrap": True})
        self._sheet.set_column(0, 0, 20)
        self._sheet.set_column(1, max(1, len(self._columns)), 14)
        self._sheet.freeze_panes(1, 1)
        titles = [self._time_title, *(column.header for column in self._columns)]
        self._sheet.write_row(0, 0, titles, bold)

    @override
    def _row(self, time: datetime, cells: list[float | int | str | None]) -> None:
        if self.rows > EXCEL_ROWS:
            raise TooLongError(f"{EXCEL_ROWS}")
        self._sheet.write_datetime(self.rows, 0, time.replace(tzinfo=None), self._time)
        for column, value in enumerate(cells, start=1):
            if value is not None:
                self._sheet.write(self.rows, column, value)

    @override
    def _end(self) -> None:
        if not self._workbook.fileclosed:
            try:
                self._workbook.close()
            except self._file_error() as err:
                raise OSError(str(err)) from err

    @staticmethod
    def _file_error() -> type[Exception]:
        from xlsxwriter.exceptions import FileCreateError

        error: type[Exception] = FileCreateError
        return error


_FILES: Final[dict[Format, type[ReportFile]]] = {
    Format.CSV: CsvFile,
    Format.JSON: JsonFile,
    Format.XLSX: ExcelFile,
}


def report_file(kind: Format, path: Path, columns: Sequence[Column], time_title: str) -> ReportFile:
    """Return the file of a report; nothing is opened yet."""
    return _FILES[kind](path, columns, time_title)
