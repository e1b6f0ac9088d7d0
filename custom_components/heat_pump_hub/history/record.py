"""The record of snapshots, in batches: what reports and the detector's warm start read.

A batch holds columns, compressed: a value costs about a byte. Values that are read now and
then, such as settings, are stored with their place only.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from compression import zstd
from datetime import UTC, datetime, timedelta
from itertools import pairwise
import json
from typing import Any, Final

from ..drivers.points import Snapshot, Tier, Value
from .codec import DamagedError, decompress
from .journal_file import Record
from .series import milliseconds

type Places = tuple[Sequence[int], Sequence[Any]]
"""The polls of a batch in which something was read, and what."""

_LEVEL: Final = 9
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def pack(snapshots: Sequence[Snapshot], keys: Container[str] | None = None) -> Record:
    """Return one batch of at least one snapshot; only of points in ``keys``, ``None``: all."""
    times = [milliseconds(snapshot.time) for snapshot in snapshots]
    text = json.dumps(
        {
            "times": [times[0], *(late - early for early, late in pairwise(times))],
            "tiers": [sorted(snapshot.tiers) for snapshot in snapshots],
            "values": _columns([snapshot.values for snapshot in snapshots], keys),
            "codes": _columns([snapshot.unknown_codes for snapshot in snapshots], keys),
        },
        separators=(",", ":"),
    )
    return Record(min(times), max(times), zstd.compress(text.encode(), level=_LEVEL))


def unpack(record: Record) -> Iterator[Snapshot]:
    """Yield the snapshots of a batch. Raises ``ValueError`` if it is damaged."""
    try:
        batch = json.loads(decompress(record.body))
        time = 0
        times = [time := time + step for step in batch["times"]]
        values: list[dict[str, Value]] = _rows(batch["values"], len(times))
        codes: list[dict[str, int]] = _rows(batch["codes"], len(times))
        tiers = [frozenset(Tier(tier) for tier in one) for one in batch["tiers"]]
    except (KeyError, TypeError, IndexError) as err:
        raise DamagedError(str(err)) from err
    for at, value, code, tier in zip(times, values, codes, tiers, strict=True):
        yield Snapshot(
            time=_EPOCH + timedelta(milliseconds=at), values=value, unknown_codes=code, tiers=tier
        )


def unpack_columns(record: Record) -> tuple[list[int], dict[str, Places], dict[str, Places]]:
    """Return times (ms), and values and unknown codes by key, of a batch.

    Faster than :func:`unpack` where few of them are wanted. Raises ``ValueError`` if it is
    damaged.
    """
    try:
        batch = json.loads(decompress(record.body))
        time = 0
        times = [time := time + step for step in batch["times"]]
        every = range(len(times))
        return times, _placed(batch["values"], every), _placed(batch["codes"], every)
    except (KeyError, TypeError, AttributeError) as err:
        raise DamagedError(str(err)) from err


def _placed(columns: Mapping[str, Any], every: range) -> dict[str, Places]:
    placed: dict[str, Places] = {}
    for name, column in columns.items():
        if isinstance(column, dict):
            placed[name] = column["at"], column["is"]
        elif isinstance(column, list):
            placed[name] = every, column
        else:
            placed[name] = every, [column] * len(every)
    return placed


def _columns(rows: Sequence[Mapping[str, Any]], keys: Container[str] | None) -> dict[str, Any]:
    names = dict.fromkeys(name for row in rows for name in row if keys is None or name in keys)
    columns: dict[str, Any] = {}
    for name in names:
        places = [index for index, row in enumerate(rows) if name in row]
        values = [rows[index][name] for index in places]
        if len(places) == len(rows):
            columns[name] = values[0] if _constant(values) else values
        else:
            columns[name] = {"at": places, "is": values}
    return columns


def _constant(values: Sequence[Any]) -> bool:
    """Tell whether all values are the same, and of one type: False is not 0 here."""
    first = values[0]
    return all(value == first and type(value) is type(first) for value in values)


def _rows(columns: Mapping[str, Any], length: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{} for _ in range(length)]
    for name, column in columns.items():
        if isinstance(column, dict):
            for index, value in zip(column["at"], column["is"], strict=True):
                rows[index][name] = value
        elif isinstance(column, list):
            for row, value in zip(rows, column, strict=True):
                row[name] = value
        else:
            for row in rows:
                row[name] = column
    return rows
