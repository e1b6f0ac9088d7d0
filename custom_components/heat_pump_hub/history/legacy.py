"""What forerunners left, under the names and in the units of this program.

The IDM metrics collector stored ``idm_heatpump_<name>`` in VictoriaMetrics: on the same server,
on another, or in an export of it (JSON lines). luxtronik-logger wrote CSV files.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping
import csv
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
import gzip
from itertools import islice
import json
from math import isfinite
from pathlib import Path
import time
from typing import Final

from ..drivers.points import Point, Quantity
from .ask import Labels, labels_of
from .bulk import PAUSE, Column
from .forerunner import NAMES, PREFIX, forerunner
from .luxtronik_logger import IDS, MODES, PREFIX as CALCULATIONS, READABLE, TIMES
from .series import Encoder, Series

LINES: Final = 20
"""Lines of an export that are read together."""
ROWS: Final = 50
"""Rows of a CSV file that are read together; each has about 1,800 columns."""
_MODES_1090: Final = {0: "off", 1: "heating", 2: "cooling", 4: "dhw", 8: "defrost"}
_PER_UNIT: Final = {Quantity.DURATION: 1 / 3600, Quantity.FLOW_RATE: 1 / 60}
"""python-luxtronik gives seconds and litres an hour; else it has our units."""
_FLAGS: Final = {"True": True, "False": False, "1": True, "0": False}

type Convert[V] = Callable[[V], float | None]


class NotReadableError(ValueError):
    """The file is not what it should be; tells why."""


class NothingFoundError(NotReadableError):
    """Where was looked there is nothing of a forerunner."""

    def __init__(self, where: str, wanted: str) -> None:
        """``where`` was looked for what."""
        super().__init__(f"There is nothing like {wanted} in {where}")
        self.where = where
        self.wanted = wanted


@dataclass(frozen=True, slots=True)
class Target[V]:
    """Where what a forerunner called something goes, and what becomes of its values."""

    labels: Labels
    convert: Convert[V]
    decimals: int


def collector_names(encoder: Encoder) -> dict[str, Target[float]]:
    """Return the series of the IDM metrics collector by their name."""
    return {
        PREFIX + name: _collector_target(encoder, encoder.points[key])
        for key, name in NAMES.items()
        if key in encoder.points
    }


def _collector_target(encoder: Encoder, point: Point) -> Target[float]:
    theirs = forerunner(point)
    ours, metric = encoder.metric(point.key)

    def convert(value: float) -> float | None:
        if not isfinite(value):
            return None
        if point.quantity is Quantity.FLAG:
            return ours.number(bool(value) != theirs.inverted)
        if point.key == "operating_mode":
            return ours.number(_MODES_1090.get(int(value), "other"))
        if point.quantity is Quantity.STATE:
            return int(value)
        return ours.number(value / theirs.factor)

    return Target(labels_of(metric), convert, ours.decimals)


def logger_names(encoder: Encoder) -> dict[str, Target[str]]:
    """Return the columns of luxtronik-logger by their name."""
    found = {name: key for name, key in READABLE.items() if key in encoder.points}
    found |= {CALCULATIONS + name: key for name, key in IDS.items() if key in encoder.points}
    return {name: _logger_target(encoder, encoder.points[key]) for name, key in found.items()}


def _logger_target(encoder: Encoder, point: Point) -> Target[str]:
    ours, metric = encoder.metric(point.key)
    return Target(labels_of(metric), _logger_convert(point, ours), ours.decimals)


def _logger_convert(point: Point, ours: Series) -> Convert[str]:
    factor = _PER_UNIT.get(point.quantity, 1)

    def convert(text: str) -> float | None:
        if point.quantity is Quantity.FLAG:
            flag = _FLAGS.get(text)
            return None if flag is None else ours.number(flag)
        if point.quantity is Quantity.STATE:
            return ours.number(MODES.get(text.lower(), text))
        try:
            value = float(text)
        except ValueError:
            return None
        return ours.number(value * factor) if isfinite(value) else None

    return convert


def translated(
    target: Target[float], times: Iterable[int], values: Iterable[float | None]
) -> Column:
    """Return samples of a series of the collector as ours; for a thread."""
    own, numbers = array("q"), array("d")
    last = -1
    for at, value in sorted(zip(times, values, strict=True), key=lambda one: one[0]):
        number = None if value is None else target.convert(value)
        if number is not None and at > last:
            own.append(at)
            numbers.append(number)
            last = at
    return Column(target.labels, own, numbers, target.decimals)


class ExportFile:
    """Reads an export of VictoriaMetrics, JSON lines, plain or gzipped; for a thread."""

    def __init__(
        self, path: Path, names: Mapping[str, Target[float]], match: Mapping[str, str]
    ) -> None:
        """Only series with the labels of ``match`` are read. Raises ``OSError``."""
        self._path = path
        self._names = names
        self._match = match
        self._file = gzip.open(path) if path.suffix == ".gz" else path.open("rb")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def skip(self, lines: int) -> None:
        """Pass over lines that were read in an earlier run."""
        for _ in islice(self._file, lines):
            pass

    def read(self) -> tuple[int, list[Column]]:
        """Return how many lines were read, 0 at the end, and their samples.

        Raises ``OSError`` and :class:`NotReadableError`.
        """
        columns: list[Column] = []
        lines = list(islice(self._file, LINES))
        for line in lines:
            try:
                one = json.loads(line)
                metric, times, values = one["metric"], one["timestamps"], one["values"]
                target = self._names.get(metric["__name__"])
                wanted = all(metric.get(label) == value for label, value in self._match.items())
                if target is not None and wanted:
                    columns.append(translated(target, times, values))
            except (ValueError, KeyError, TypeError, AttributeError) as err:
                raise NotReadableError(f"{self._path.name}: no export: {err}") from err
            time.sleep(PAUSE)
        return len(lines), columns


class CsvFile:
    """Reads a CSV file of luxtronik-logger; for a thread."""

    def __init__(self, path: Path, names: Mapping[str, Target[str]], zone: tzinfo) -> None:
        """Read times without a zone as of ``zone``. Raises ``OSError``, :class:`NotReadableError`."""
        self._zone = zone
        self._file = path.open(encoding="utf-8-sig", newline="")
        self._reader = csv.reader(self._file)
        header = next(self._reader, [])
        clock = next((header.index(name) for name in TIMES if name in header), None)
        self._wanted = [(place, names[name]) for place, name in enumerate(header) if name in names]
        if clock is None or not self._wanted:
            self._file.close()
            raise NotReadableError(f"{path.name}: no column of times, or none that is known")
        self._clock = clock
        self._width = len(header)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def skip(self, rows: int) -> None:
        """Pass over rows that were read in an earlier run."""
        for _ in islice(self._reader, rows):
            pass

    def read(self) -> tuple[int, list[Column]]:
        """Return how many rows were read, 0 at the end, and their samples. Raises ``OSError``."""
        rows = list(islice(self._reader, ROWS))
        samples: dict[Labels, dict[int, float]] = {}
        for row in rows:
            # The last row may be cut.
            if len(row) != self._width or (at := _time(row[self._clock], self._zone)) is None:
                continue
            for place, target in self._wanted:
                if (number := target.convert(row[place])) is not None:
                    samples.setdefault(target.labels, {})[at] = number
        time.sleep(PAUSE)
        decimals = {target.labels: target.decimals for _, target in self._wanted}
        columns = []
        for labels, own in samples.items():
            ordered = sorted(own)
            numbers = array("d", [own[at] for at in ordered])
            columns.append(Column(labels, array("q", ordered), numbers, decimals[labels]))
        return len(rows), columns


def _time(text: str, zone: tzinfo) -> int | None:
    """Return a time in ms: seconds since 1970, or as ISO 8601 writes it."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        seconds = moment.astimezone(UTC).timestamp()
    return round(seconds * 1000) if 0 < seconds < 1e11 else None
