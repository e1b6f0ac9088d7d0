"""From snapshots to frames: the samples as the database's import takes them.

A frame is compressed JSON lines, one line a series, as VictoriaMetrics'
``/api/v1/import`` reads them. It is encoded once; whoever waits with it, stores it, sends
it or sends it again handles the same bytes, and frames may be joined in any order.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
import json
from math import inf, isfinite
from typing import Final

from ..drivers.points import Point, Snapshot, Value
from .codec import Coding, Compressor
from .tally import Tally, series_key

BODY_LIMIT: Final = 256 * 1024
"""Bytes of one request; more would hold the event loop too long."""
TEXT_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of one frame before it is compressed."""

_TALLIES: Final = 64
"""Tallies that are kept; a heat pump that answers evenly needs two."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """Encoded samples of one heat pump; equal only to itself."""

    body: bytes
    """Compressed JSON lines, each ended by a newline."""
    tally: Tally
    first: int
    """Oldest sample time, ms since 1970."""
    last: int
    """Newest sample time, ms since 1970."""

    @property
    def samples(self) -> int:
        """How many samples it holds."""
        return self.tally.samples


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


def moment(milliseconds: int) -> datetime:
    """Return an aware time given in ms since 1970."""
    return _EPOCH + milliseconds * _MILLISECOND


class _Line:
    """What is kept of a series between polls."""

    __slots__ = ("_series", "form", "head", "least", "text", "value", "whole")

    def __init__(self, series: Series, head: str) -> None:
        self._series = series
        self.head = head
        """The line up to the values."""
        plain = series.factor == 1
        self.whole = plain
        """Whether whole numbers are stored as they are."""
        rounds = plain and series.decimals >= 0
        self.form = f"{head.replace('%', '%%')}%.{series.decimals}f" if rounds else ""
        """Makes the line up to the end of a finite number, which it rounds as round() does."""
        self.least = 0.0 if rounds else inf
        """Numbers above this need no more than that."""
        self.value: Value | None = None
        self.text: str | None = None
        """The line up to the end of the last value; ``None``: it has no number."""

    def number(self, value: Value) -> float | int | None:
        """Return what is stored for a value; ``None`` if it has no number."""
        return self._series.number(value)

    def take(self, value: Value) -> None:
        """Make the text of a value."""
        number = self._series.number(value)
        self.text = None if number is None else f"{self.head}{number}"


class Encoder:
    """Encodes the snapshots of one heat pump.

    The part of a line that never changes, name and labels, is encoded once for
    each series and kept; so is the last value, as most are the same in the next poll, and
    the tally of a poll that reads what another one read.
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
        self.heatpump_id = heatpump_id
        self.points = points
        self._labels = {
            "heatpump_id": heatpump_id,
            "manufacturer": manufacturer,
            "model": model,
        }
        self._naming = naming
        self._known: dict[str, _Line] = {}
        self._series_keys: dict[str, int] = {}
        self._tallies: dict[tuple[str | int, ...], Tally] = {}
        self._compressor = Compressor()

    def metric(self, key: str) -> tuple[Series, dict[str, str]]:
        """Return how a point is stored, and the name and labels of its series."""
        series = self._naming(self.points[key])
        return series, {"__name__": series.name, **series.labels, **self._labels}

    def prepare(self, keys: Iterable[str] | None = None) -> None:
        """Encode what never changes; ``None``: of all points.

        The first poll would do it, and hold the event loop up. Not while something else uses
        the encoder.
        """
        for key in self.points if keys is None else keys:
            if key not in self._known:
                self._learn(key)
        self._compressor.compress(b"", Coding.ZSTD)

    def encode(
        self,
        snapshots: Sequence[Snapshot],
        keys: Container[str] | None = None,
        coding: Coding = Coding.ZSTD,
    ) -> list[Frame]:
        """Return the samples of some snapshots as frames, one in all but the largest cases.

        Only points in ``keys`` are sent; ``None``: all. A snapshot without any gives
        no frame. A line is never split: a single series longer than :data:`TEXT_LIMIT` makes
        a frame of its own. Raises ``KeyError`` if a value has no point.
        """
        if len(snapshots) == 1:
            return self._encode_one(snapshots[0], keys, coding)
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
            list(columns),
            [
                f'{head}{",".join(values)}],"timestamps":[{",".join(stamps)}]}}\n'
                for head, (values, stamps) in columns.items()
            ],
            [len(values) for values, _ in columns.values()],
            min(times, default=0),
            max(times, default=0),
            coding,
        )

    def count(self, snapshot: Snapshot, keys: Container[str] | None = None) -> int:
        """Return how many samples a snapshot would give."""
        return sum(1 for _ in self._samples(snapshot, keys))

    def _encode_one(
        self, snapshot: Snapshot, keys: Container[str] | None, coding: Coding
    ) -> list[Frame]:
        """Encode the live poll: no lists to merge, and half of the values as they were."""
        time = milliseconds(snapshot.time)
        end = f'],"timestamps":[{time}]}}\n'
        known = self._known
        unknown_codes = snapshot.unknown_codes
        values: Mapping[str, Value] = snapshot.values
        if keys is not None or unknown_codes:
            values = {
                key: value
                for key, value in values.items()
                if key not in unknown_codes and (keys is None or key in keys)
            }
        heads: list[str] = []
        texts: list[str] = []
        for key, value in values.items():
            line = known.get(key) or self._learn(key)
            # 1, 1.0 and True are equal, and not stored alike.
            if value != line.value or type(value) is not type(line.value):
                line.value = value
                # The two usual kinds, without a call: what may round to -0.0 is not among them.
                if type(value) is float and line.least < value < inf:
                    line.text = line.form % value
                elif type(value) is int and line.whole:
                    line.text = f"{line.head}{value}"
                else:
                    line.take(value)
            if line.text is not None:
                heads.append(line.head)
                texts.append(line.text)
        for key, code in unknown_codes.items():
            if keys is None or key in keys:
                head = (known.get(key) or self._learn(key)).head
                heads.append(head)
                texts.append(f"{head}{code}")
        text = end.join(texts)
        if not texts or len(text) > TEXT_LIMIT:
            return self._frames(heads, [one + end for one in texts], None, time, time, coding)
        return [self._frame(text + end, self._tally(heads, None), time, time, coding)]

    def _samples(
        self, snapshot: Snapshot, keys: Container[str] | None
    ) -> Iterable[tuple[str, float | int]]:
        """Yield the beginning of the line and the number of every sample to send."""
        known = self._known
        unknown_codes = snapshot.unknown_codes
        for key, value in snapshot.values.items():
            if (keys is not None and key not in keys) or key in unknown_codes:
                continue
            line = known.get(key) or self._learn(key)
            if (number := line.number(value)) is not None:
                yield line.head, number
        for key, code in unknown_codes.items():
            if keys is None or key in keys:
                yield (known.get(key) or self._learn(key)).head, code

    def _learn(self, key: str) -> _Line:
        series, metric = self.metric(key)
        head = f'{{"metric":{json.dumps(metric, separators=(",", ":"))},"values":['
        line = self._known[key] = _Line(series, head)
        self._series_keys[head] = series_key(head)
        return line

    def _frames(
        self,
        heads: list[str],
        lines: list[str],
        counts: list[int] | None,
        first: int,
        last: int,
        coding: Coding,
    ) -> list[Frame]:
        """Pack lines into frames; ``counts`` are their samples, ``None``: one each."""
        frames: list[Frame] = []
        start = 0
        for end in _cuts(lines):
            tally = self._tally(heads[start:end], None if counts is None else counts[start:end])
            frames.append(self._frame("".join(lines[start:end]), tally, first, last, coding))
            start = end
        return frames

    def _frame(self, text: str, tally: Tally, first: int, last: int, coding: Coding) -> Frame:
        # JSON is escaped to ASCII.
        body = self._compressor.compress(text.encode("ascii"), coding)
        return Frame(body=body, tally=tally, first=first, last=last)

    def _tally(self, heads: list[str], counts: list[int] | None) -> Tally:
        shape = (*heads, *(counts or ()))
        if (tally := self._tallies.get(shape)) is None:
            if len(self._tallies) >= _TALLIES:
                self._tallies.clear()
            keys = [self._series_keys[head] for head in heads]
            tally = Tally(dict(zip(keys, counts or [1] * len(keys), strict=True)))
            self._tallies[shape] = tally
        return tally


def _cuts(lines: Sequence[str]) -> Iterator[int]:
    """Yield where lines are cut into frames of at most :data:`TEXT_LIMIT`."""
    size = 0
    for index, line in enumerate(lines):
        if size and size + len(line) > TEXT_LIMIT:
            yield index
            size = 0
        size += len(line)
    if size:
        yield len(lines)
