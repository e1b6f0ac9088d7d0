"""Reports: what the record holds of a period, as a table in a file.

Everything in here blocks; Home Assistant's side calls it in an executor, a batch of
snapshots at a time, so that a long period never lies in memory as a whole.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from pathlib import Path
import re
import shutil
from typing import Final

from ..drivers.points import Kind, Snapshot, Tier, Value
from .journal_file import Record
from .record import unpack_columns

DISK_LIMIT: Final = 0.9
"""Share of the disk in use above which no report is written."""
SETTINGS_HOLD: Final = timedelta(minutes=30)
"""A setting is repeated in rows between its reads, but not over a longer gap."""
_FILES: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}_(daily|weekly|export)[-\w]*\.(csv|json|xlsx)"
    r"|\.\d{4}-\d{2}-\d{2}_\w+[-\w]*\.\w+\.partial"
)
"""Reports, and what is left of one when Home Assistant was killed over it."""


class Resolution(StrEnum):
    """What one row stands for."""

    SAMPLE = "sample"
    FIVE_MINUTES = "5_minutes"
    HOUR = "hour"


_STEPS: Final = {Resolution.FIVE_MINUTES: 300, Resolution.HOUR: 3600}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One signal of a report."""

    key: str
    title: str
    """As its owner knows it, without the unit."""
    unit: str | None = None
    kind: Kind = Kind.ANALOG
    tier: Tier = Tier.MEASUREMENT
    decimals: int = 1
    states: Mapping[str, str] = field(default_factory=dict)
    """Slug to the owner's word for it."""
    convert: Callable[[float], float] | None = None
    """Makes what is recorded a number of :attr:`unit`."""
    shown_decimals: int | None = None
    """Of a number that was converted."""

    def converted(
        self, unit: str, convert: Callable[[float], float], *, more_decimals: int
    ) -> Column:
        """Return this column in another unit."""
        return replace(
            self, unit=unit, convert=convert, shown_decimals=self.decimals + more_decimals
        )

    @property
    def header(self) -> str:
        """Title and unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a report."""

    time: datetime
    """Aware, in the owner's time zone; of a bucket, its beginning."""
    values: tuple[Value | None, ...]


class ReportError(Exception):
    """The report cannot be written."""


class DiskFullError(ReportError):
    """More than :data:`DISK_LIMIT` of the disk is in use."""


class Table:
    """Turns snapshots, oldest first, into rows.

    Of a bucket, a measured value is the mean, a flag the share of the time it was on (0-1),
    a state the one seen most often, a counter or a setting the last one.
    """

    def __init__(self, columns: Sequence[Column], resolution: Resolution, zone: tzinfo) -> None:
        """Make an empty table; times become those of a zone."""
        self.columns = columns
        self._step = _STEPS.get(resolution)
        self._zone = zone
        self._held: dict[str, Value] = {}
        self._last: datetime | None = None
        self._bucket: int | None = None
        self._begin: datetime | None = None
        self._seen: list[list[Value]] = [[] for _ in columns]

    def add(self, snapshots: Iterable[Snapshot]) -> list[Row]:
        """Take snapshots; return the rows that are complete."""
        rows: list[Row] = []
        for snapshot in snapshots:
            values = self._known(snapshot)
            # One without tiers has entities of others only: the heat pump was away.
            if snapshot.tiers and Tier.MEASUREMENT not in snapshot.tiers:
                continue
            time = snapshot.time.astimezone(self._zone)
            if self._step is None:
                rows.append(Row(time, tuple(values.get(column.key) for column in self.columns)))
                continue
            begin, bucket = _bucket(time, self._step)
            if bucket != self._bucket:
                rows += self.finish()
                self._bucket, self._begin = bucket, begin
            for column, seen in zip(self.columns, self._seen, strict=True):
                if (value := values.get(column.key)) is not None:
                    seen.append(value)
        return rows

    def finish(self) -> list[Row]:
        """Return the bucket that is open, if there is one."""
        if self._begin is None:
            return []
        row = Row(
            self._begin,
            tuple(map(_rolled_up, self.columns, self._seen, strict=True)),
        )
        self._begin = self._bucket = None
        self._seen = [[] for _ in self.columns]
        return [row]

    def _known(self, snapshot: Snapshot) -> Mapping[str, Value]:
        """Return the snapshot's values, and those of the settings that still hold."""
        if self._last is not None and snapshot.time - self._last > SETTINGS_HOLD:
            self._held.clear()
        self._last = snapshot.time
        read = {**snapshot.values, **snapshot.unknown_codes}
        if not snapshot.tiers:
            return read
        if Tier.SETTING in snapshot.tiers:
            self._held = {
                column.key: read[column.key]
                for column in self.columns
                if column.tier is Tier.SETTING and column.key in read
            }
        return {**self._held, **read}


def _bucket(time: datetime, step: int) -> tuple[datetime, int]:
    """Return the beginning of a local bucket, and a number that no other bucket has."""
    seconds = time.minute * 60 + time.second
    begin = time - timedelta(seconds=seconds % step, microseconds=time.microsecond)
    # arithmetic forgets which of the two hours in autumn it is
    begin = begin.replace(fold=time.fold)
    return begin, int(begin.timestamp())


def _rolled_up(column: Column, seen: Sequence[Value]) -> Value | None:
    if not seen:
        return None
    if all(isinstance(value, bool) for value in seen):
        return round(sum(map(bool, seen)) / len(seen), 2)
    if column.kind is Kind.ANALOG:
        numbers = [float(value) for value in seen if not isinstance(value, str)]
        if numbers:
            return round(sum(numbers) / len(numbers), column.decimals)
    if column.kind is Kind.STATE:
        return Counter(seen).most_common(1)[0][0]
    return seen[-1]


def keys_in(record: Record, first: int, last: int) -> set[str]:
    """Return what a batch of the record has a value of, between two times (ms since 1970).

    A damaged batch has none; who reads its rows tells of it.
    """
    try:
        times, values, codes = unpack_columns(record)
    except ValueError:
        return set()
    inside = [first <= at <= last for at in times]
    return {
        key
        for columns in (values, codes)
        for key, (places, _) in columns.items()
        if any(inside[place] for place in places)
    }


def cell(column: Column, value: Value | None) -> float | int | str | None:
    """Return a value as a reader sees it: flags 0/1, states by their words, in its unit."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return column.states.get(value, value)
    if value is None or column.convert is None:
        return value
    return round(column.convert(value), column.shown_decimals)


def check_disk(folder: Path) -> None:
    """Raise :class:`DiskFullError` if the disk of a folder is nearly full."""
    usage = shutil.disk_usage(folder)
    if usage.used > DISK_LIMIT * usage.total:
        raise DiskFullError(f"{usage.used / usage.total:.0%}")


def remove_old(folder: Path, before: float) -> tuple[int, int]:
    """Remove reports last changed before a time, seconds since 1970; return count and bytes.

    Other files in the folder stay. Raises ``OSError``.
    """
    count = size = 0
    if not folder.is_dir():
        return 0, 0
    for path in folder.iterdir():
        if not _FILES.fullmatch(path.name) or not path.is_file():
            continue
        stat = path.stat()
        if stat.st_mtime < before:
            path.unlink()
            count += 1
            size += stat.st_size
    return count, size
