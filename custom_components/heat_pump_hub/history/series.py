"""From snapshots to frames: the samples as the database's import takes them.

A frame is JSON lines, one line a series, as VictoriaMetrics' ``/api/v1/import``
reads them. It is encoded once; whoever waits with it, sends it or sends it again
handles the same bytes, and frames may be joined in any order.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
import json
from math import isfinite
from typing import Final

from ..drivers.points import Point, Snapshot, Value

BODY_LIMIT: Final = 256 * 1024
"""Bytes of one frame and of one request; more would hold the event loop too long."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """Encoded samples of one heat pump; equal only to itself."""

    body: bytes
    """JSON lines, each ended by a newline."""
    heatpump_id: str
    series: int
    samples: int
    first: int
    """Oldest sample time, ms since 1970."""
    last: int
    """Newest sample time, ms since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """How one point is stored."""

    name: str
    labels: Mapping[str, str]
    """Those of the point: ``circuit``, ``zone``, ``room``."""
    decimals: int
    """Numbers are rounded to this many decimals."""
    factor: float = 1
    """Numbers are multiplied by it."""
    codes: Mapping[str, int] | None = None
    """Slug to number; a slug that is missing here is not sent."""
    inverted: bool = False
    """Flags are stored the other way round."""

    def number(self, value: Value) -> float | int | None:
        """Return what is stored for a value; ``None`` if it has no number."""
        if isinstance(value, str):
            return None if self.codes is None else self.codes.get(value)
        if isinstance(value, bool):
            return int(value != self.inverted)
        if self.factor != 1:
            value *= self.factor
        if isinstance(value, int):
            return value
        if not isfinite(value):
            return None
        # Adding zero turns -0.0 into 0.0.
        return round(value, self.decimals) + 0.0


type Naming = Callable[[Point], Series]
"""Decides under which name, and in which numbers, a point is stored."""


def canonical(point: Point) -> Series:
    """Store a point as ``heatpump_<key>`` in the vocabulary's unit."""
    return Series(
        name=f"heatpump_{point.key}",
        labels=point.labels,
        decimals=point.decimals,
        codes={slug: code for code, slug in (point.options or {}).items()},
    )


def milliseconds(time: datetime) -> int:
    """Return an aware time in whole ms since 1970."""
    return (time - _EPOCH) // _MILLISECOND


class Encoder:
    """Encodes the snapshots of one heat pump.

    The part of a line that never changes, name and labels, is encoded once for
    each series and kept.
    """

    def __init__(
        self,
        points: Mapping[str, Point],
        *,
        heatpump_id: str,
        manufacturer: str,
        model: str,
        naming: Naming = canonical,
    ) -> None:
        """Take the points of a driver and the labels of its machine."""
        self._points = points
        self._labels = {
            "heatpump_id": heatpump_id,
            "manufacturer": manufacturer,
            "model": model,
        }
        self._naming = naming
        self._known: dict[str, tuple[Series, str]] = {}

    def encode(
        self, snapshots: Sequence[Snapshot], keys: Container[str] | None = None
    ) -> list[Frame]:
        """Return the samples of some snapshots as frames of at most :data:`BODY_LIMIT`.

        Only points in ``keys`` are sent; ``None``: all. A snapshot without any gives
        no frame. A line is never split: a single series longer than the limit makes
        a frame of its own. Raises ``KeyError`` if a value has no point.
        """
        if len(snapshots) == 1:
            # The live poll: no lists to merge.
            time = milliseconds(snapshots[0].time)
            end = f'],"timestamps":[{time}]}}\n'
            lines = [
                (f"{head}{number}{end}", 1) for head, number in self._samples(snapshots[0], keys)
            ]
            return self._frames(lines, time, time)
        columns: dict[str, tuple[list[str], list[str]]] = {}
        times = [milliseconds(snapshot.time) for snapshot in snapshots]
        for snapshot, time in zip(snapshots, times, strict=True):
            stamp = str(time)
            for head, number in self._samples(snapshot, keys):
                column = columns.get(head)
                if column is None:
                    column = columns[head] = ([], [])
                column[0].append(str(number))
                column[1].append(stamp)
        return self._frames(
            [
                (f'{head}{",".join(values)}],"timestamps":[{",".join(stamps)}]}}\n', len(values))
                for head, (values, stamps) in columns.items()
            ],
            min(times, default=0),
            max(times, default=0),
        )

    def _samples(
        self, snapshot: Snapshot, keys: Container[str] | None
    ) -> Iterable[tuple[str, float | int]]:
        """Yield the beginning of the line and the number of every sample to send."""
        known = self._known
        unknown_codes = snapshot.unknown_codes
        for key, value in snapshot.values.items():
            if (keys is not None and key not in keys) or key in unknown_codes:
                continue
            series, head = known.get(key) or self._learn(key)
            if (number := series.number(value)) is not None:
                yield head, number
        for key, code in unknown_codes.items():
            if keys is None or key in keys:
                yield (known.get(key) or self._learn(key))[1], code

    def _learn(self, key: str) -> tuple[Series, str]:
        series = self._naming(self._points[key])
        metric = {"__name__": series.name, **series.labels, **self._labels}
        head = f'{{"metric":{json.dumps(metric, separators=(",", ":"))},"values":['
        self._known[key] = series, head
        return series, head

    def _frames(self, lines: list[tuple[str, int]], first: int, last: int) -> list[Frame]:
        """Pack lines, each with its number of samples, into frames."""
        frames: list[Frame] = []
        start = size = 0
        for index, (line, _) in enumerate(lines):
            # JSON is escaped to ASCII: a character is a byte.
            if size + len(line) > BODY_LIMIT and size:
                frames.append(self._frame(lines[start:index], first, last))
                start, size = index, 0
            size += len(line)
        if size:
            frames.append(self._frame(lines[start:], first, last))
        return frames

    def _frame(self, lines: list[tuple[str, int]], first: int, last: int) -> Frame:
        return Frame(
            body="".join([line for line, _ in lines]).encode("ascii"),
            heatpump_id=self._labels["heatpump_id"],
            series=len(lines),
            samples=sum(count for _, count in lines),
            first=first,
            last=last,
        )
