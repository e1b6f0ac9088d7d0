"""Questions to a history server about series: how many samples, when, and which are the last.

"No data" is an answer; a question that failed raises ``HistoryError``. Many series are asked
about in pieces, so that no answer is large, and each piece takes its turn with the shipper.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import lru_cache
import itertools
import json
import re
from time import time_ns
from typing import Final, NamedTuple, Self

from .server import NotVictoriaMetricsError, Server
from .thread import RunInThread
from .victoriametrics import ExportedSeries

HOUR: Final = 3_600_000
"""ms"""
SERIES_A_QUERY: Final = 40
NUMBERS_AN_ANSWER: Final = 4_000
SAMPLES_AN_ANSWER: Final = 20_000
NAMES_A_QUERY: Final = 3_000
"""Characters of names: a gateway takes addresses of about 8,000."""

_ASKED: Final = itertools.count(time_ns())

type Labels = tuple[tuple[str, str], ...]
"""Name (``__name__``) and labels of a series, sorted, without empty ones."""
type Turn = Callable[[], AbstractAsyncContextManager[Server]]
"""Lends the server for one request."""


class Span(NamedTuple):
    """Times of the oldest and the newest sample that count, ms since 1970."""

    first: int
    last: int

    @classmethod
    def of(cls, columns: Iterable[Sequence[int]]) -> Self:
        """Return the span of ascending times of which there is at least one."""
        edges = [edge for times in columns for edge in (times[0], times[-1])]
        return cls(min(edges), max(edges))


def labels_of(metric: Mapping[str, str]) -> Labels:
    """Return what tells a series from others, the same for us and for the server."""
    return tuple(sorted((name, value) for name, value in metric.items() if value))


@lru_cache(maxsize=4096)
def head_of(labels: Labels) -> str:
    """Return the line of a series up to its values."""
    return f'{{"metric":{json.dumps(dict(labels), separators=(",", ":"))},"values":['


def selector(series: Iterable[Labels]) -> str:
    """Return a selector that matches at least these series, and that was never used before.

    VictoriaMetrics remembers which series a selector matched on which days, and when old
    samples of known series come to a day, it may go on remembering that there were none.
    """
    every = [dict(labels) for labels in series]
    names = sorted({one["__name__"] for one in every})
    matchers = [f"__name__=~{quoted('|'.join(map(re.escape, names)))}"]
    for name, value in every[0].items():
        if name != "__name__" and all(one.get(name) == value for one in every):
            matchers.append(f"{name}={quoted(value)}")
    # Statistics, and what comes from other logs, must not be taken for samples.
    matchers.extend(
        f'{label}=""' for label in ("stat", "source") if not any(label in one for one in every)
    )
    matchers.append(f'asked!="{next(_ASKED)}"')
    return f"{{{','.join(matchers)}}}"


async def count(
    turn: Turn, run: RunInThread, series: Iterable[Labels], span: Span
) -> dict[Labels, int]:
    """Return how many samples each series has in a span; one without any is left out."""
    counts: dict[Labels, int] = {}
    last = span.last / 1000
    for some in await run(_selectors, list(series), None):
        window = f"{some}[{span.last - span.first + 1}ms]"
        expression = f"count_over_time({window}) keep_metric_names"
        async with turn() as server:
            # Decoded in a thread, like all that is large: a range of one moment.
            body = await server.query_range(expression, start=last, end=last, step=1)
        found = await run(_decode_counts, body)
        counts |= {labels: next(iter(by_time.values())) for labels, by_time in found.items()}
    return counts


async def hourly(
    turn: Turn, run: RunInThread, series: Iterable[Labels], span: Span
) -> dict[Labels, dict[int, int]]:
    """Return how many samples each series has in each hour of a span, by :func:`hour_of`."""
    first, last = hour_of(span.first), hour_of(span.last) + HOUR
    hours = (last - first) // HOUR
    counts: dict[Labels, dict[int, int]] = {}
    size = max(1, min(SERIES_A_QUERY, NUMBERS_AN_ANSWER // hours))
    for some in await run(_selectors, list(series), size):
        async with turn() as server:
            body = await server.query_range(
                f"count_over_time({some}[1h]) keep_metric_names",
                start=(first + HOUR) / 1000,
                end=last / 1000,
                step=HOUR / 1000,
            )
        counts |= await run(_decode_counts, body)
    return counts


def hour_of(time: int) -> int:
    """Return the hour a sample counts in: the server counts those after it, up to the next one."""
    return (time - 1) // HOUR * HOUR


async def export(turn: Turn, series: Iterable[Labels], span: Span) -> bytes:
    """Return all samples of series in a span, for :func:`decode_export`."""
    async with turn() as server:
        return await server.export_lines(
            selector(series), start=span.first / 1000, end=span.last / 1000
        )


async def last_stored(turn: Turn, match: str, days: int = 30) -> int | None:
    """Return the time (ms) of the newest sample of what matches; ``None``: there is none."""
    async with turn() as server:
        found = await server.query(f"max(tlast_over_time({match}[{days}d]))")
    try:
        return round(float(found[0]["value"][1]) * 1000) if found else None
    except (ValueError, KeyError, TypeError) as err:
        raise NotVictoriaMetricsError("The server answers no time") from err


def decode_export(body: bytes) -> list[ExportedSeries]:
    """Return exported lines; takes a while, so for a thread. Raises ``NotVictoriaMetricsError``."""
    try:
        return [ExportedSeries(**json.loads(line)) for line in body.splitlines() if line]
    except (ValueError, TypeError) as err:
        raise NotVictoriaMetricsError("The server answers no series") from err


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a series has no sample, ms since 1970; both ends are outside."""

    after: int
    before: int


async def gaps(
    turn: Turn, run: RunInThread, intervals: Mapping[Labels, int], span: Span
) -> dict[Labels, list[Gap]]:
    """Return where series have no sample for longer than two intervals (ms).

    Hours with fewer samples than there are intervals are looked at; of those the times are
    asked for. The first half interval behind a sample is not part of a gap: what others
    recorded then is that sample.
    """
    counts = await hourly(turn, run, intervals, span)
    found: dict[Labels, list[Gap]] = {}
    for short, interval, some in await run(_suspicious, counts, intervals, span):
        wide = Span(short.first - 2 * interval, short.last + 2 * interval)
        body = await export(turn, some, wide)
        for labels, own in (await run(_gaps_of, body, some, interval, short)).items():
            found.setdefault(labels, []).extend(own)
    return found


def _suspicious(
    counts: Mapping[Labels, Mapping[int, int]], intervals: Mapping[Labels, int], span: Span
) -> list[tuple[Span, int, tuple[Labels, ...]]]:
    """Return spans of hours, and the series that lack samples in them; for a thread."""
    alike: dict[tuple[Span, int], list[Labels]] = {}
    for labels, interval in intervals.items():
        for short in _short(counts.get(labels, {}), HOUR // interval, span):
            alike.setdefault((short, interval), []).append(labels)
    found = []
    for (short, interval), every in alike.items():
        hours = range(hour_of(short.first) - HOUR, hour_of(short.last) + 2 * HOUR, HOUR)
        most = max(sum(counts.get(one, {}).get(hour, 0) for hour in hours) for one in every)
        size = max(1, min(SERIES_A_QUERY, SAMPLES_AN_ANSWER // (most + 1)))
        found += [(short, interval, some) for some in _pieces(every, size)]
    return found


def _gaps_of(
    body: bytes, series: Iterable[Labels], interval: int, span: Span
) -> dict[Labels, list[Gap]]:
    """Return the gaps of series in an export; for a thread."""
    times: dict[Labels, list[int]] = {}
    for one in decode_export(body):
        times.setdefault(labels_of(one.metric), []).extend(one.timestamps)
    return {
        labels: list(_between(sorted(times.get(labels, ())), interval, span)) for labels in series
    }


def _selectors(series: Iterable[Labels], size: int | None) -> list[str]:
    """Return selectors of pieces of series; for a thread."""
    return [selector(some) for some in _pieces(series, size)]


def _short(counts: Mapping[int, int], full: int, span: Span) -> Iterator[Span]:
    """Yield spans of hours that have fewer samples than they should."""
    start: int | None = None
    end = span.first
    for hour in range(hour_of(span.first), hour_of(span.last) + HOUR, HOUR):
        if counts.get(hour, 0) < full:
            if start is None:
                start = max(hour, span.first)
            end = min(hour + HOUR, span.last)
        elif start is not None:
            yield Span(start, end)
            start = None
    if start is not None:
        yield Span(start, end)


def _between(times: Sequence[int], interval: int, span: Span) -> Iterator[Gap]:
    """Yield the gaps of a span between ascending times, which may go beyond it."""
    half = interval // 2
    after = span.first - 1
    newest: int | None = None
    for time in times:
        since = time - (after if newest is None else newest)
        if since > 2 * interval and time > span.first:
            yield Gap(after, min(time, span.last + 1))
        newest = time
        after = max(after, time + half)
    if span.last - (after if newest is None else newest) > 2 * interval:
        yield Gap(after, span.last + 1)


def _decode_counts(body: bytes) -> dict[Labels, dict[int, int]]:
    """Return the counts of a range query by the beginning of their hour; for a thread."""
    try:
        return {
            labels_of(one["metric"]): {
                round(end * 1000) - HOUR: int(value) for end, value in one["values"]
            }
            for one in json.loads(body)["data"]["result"]
        }
    except (ValueError, KeyError, TypeError) as err:
        raise NotVictoriaMetricsError("The server answers no counts") from err


def _pieces(series: Iterable[Labels], size: int | None = None) -> Iterator[tuple[Labels, ...]]:
    """Yield series in pieces of at most ``size``, and of names that fit into a request."""
    some: list[Labels] = []
    names: set[str] = set()
    text = 0
    for labels in dict.fromkeys(series):
        name = next(value for key, value in labels if key == "__name__")
        length = 0 if name in names else len(name) + 1
        if some and (len(some) == size or text + length > NAMES_A_QUERY):
            yield tuple(some)
            some, names, text = [], set(), 0
            length = len(name) + 1
        some.append(labels)
        names.add(name)
        text += length
    if some:
        yield tuple(some)


def quoted(text: str) -> str:
    """Return a text as a query holds it."""
    return json.dumps(text, ensure_ascii=False)
